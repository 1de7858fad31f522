"""Conditions against what is declared of events: unknown fields and wrong kinds are found before any event."""

from collections.abc import Collection

from alluse_hub.actors.coordinator.conditions import Condition, Kind, parse
from alluse_hub.actors.coordinator.conditions.check import Kinds, meant
from alluse_hub.protocols.emitted import Emitted, FieldKind
from alluse_hub.protocols.rules import Rule

KINDS = {
    FieldKind.NUMBER: Kind.NUMBER,
    FieldKind.TEXT: Kind.TEXT,
    FieldKind.TRUTH: Kind.TRUTH,
    FieldKind.LIST: Kind.LIST,
    FieldKind.MAP: Kind.MAP,
    FieldKind.ANY: Kind.ANY,
}


class Schemas:
    """``workstreams``: those that there are; with none given, any name will do."""

    def __init__(self, emitted: Emitted, workstreams: Collection[str] = ()) -> None:
        self._emitted = emitted
        self._workstreams = workstreams

    def kinds(self, ws: str, event: str) -> Kinds | None:
        """Raises ValueError for a workstream that is none."""
        if self._workstreams and ws not in self._workstreams:
            raise ValueError(f"{ws!r} is no workstream; {meant(ws, self._workstreams)}")
        fields = self._emitted.get(ws, {}).get(event)
        return None if fields is None else {name: KINDS[kind] for name, kind in fields.items()}


def condition_for(rule: Rule, emitted: Emitted, workstreams: Collection[str] = ()) -> Condition:
    """Raises ConditionError."""
    schemas = Schemas(emitted, workstreams)
    known = rule.workstream in workstreams or not workstreams
    return parse(rule.when, schemas.kinds(rule.workstream, rule.event) if known else None, schemas)
