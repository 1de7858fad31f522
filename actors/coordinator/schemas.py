"""Conditions against what is declared of events: unknown fields and wrong kinds are found before any event."""

from collections.abc import Collection

from alluse_hub.protocols.conditions import Condition, parse
from alluse_hub.protocols.conditions.check import Kinds
from alluse_hub.protocols.conditions.declared import kinds_of
from alluse_hub.protocols.emitted import Emitted
from alluse_hub.protocols.meant import meant
from alluse_hub.protocols.rules import Rule


class Schemas:
    """``workstreams``: those that there are; with none given, any name will do."""

    def __init__(self, emitted: Emitted, workstreams: Collection[str] = ()) -> None:
        self._emitted = emitted
        self._workstreams = workstreams

    def kinds(self, ws: str, event: str) -> Kinds | None:
        """Raises ValueError for a workstream that is none."""
        if self._workstreams and ws not in self._workstreams:
            raise ValueError(f"{ws!r} is no workstream; {meant(ws, self._workstreams)}")
        return kinds_of(self._emitted, ws, event)


def condition_for(rule: Rule, emitted: Emitted, workstreams: Collection[str] = ()) -> Condition:
    """Raises ConditionError."""
    schemas = Schemas(emitted, workstreams)
    known = rule.workstream in workstreams or not workstreams
    return parse(rule.when, schemas.kinds(rule.workstream, rule.event) if known else None, schemas)
