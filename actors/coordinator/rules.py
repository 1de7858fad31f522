"""Rules, compiled: which fire for an event, in which order, and why.

Rules of higher priority go first, then those declared earlier.  A rule fires only on true; where its condition is
unknown it does nothing, and that is recorded too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from alluse_hub.actors.coordinator.timing import Timed
from alluse_hub.actors.coordinator.watching import Watch
from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.conditions import Condition, ConditionError, parse
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.rules import CoordinatorSpec, Priority, Rule
from alluse_hub.protocols.states import replace

URGENCY = {Priority.CRITICAL: 3, Priority.HIGH: 2, Priority.MEDIUM: 1, Priority.LOW: 0}
"""As the priority of the claims that a rule places."""


@dataclass(frozen=True, slots=True)
class Compiled:
    rule: Rule
    condition: Condition
    timed: Timed | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A rule and an event of its kind.  ``fires``: False where the condition is unknown."""

    rule: Rule
    event: Event
    fires: bool
    why: str


@dataclass(frozen=True, slots=True)
class Book:
    """A coordinator's specification and the rules in force, ready for use.  In a snapshot it stands as the
    specification, for the rules are in the ledger."""

    spec: CoordinatorSpec
    modes: dict[str, Mode]
    running: tuple[Rule, ...]  # as declared
    rules: dict[tuple[str, str], tuple[Compiled, ...]]  # by workstream and event
    watch: Watch  # the windows that their conditions ask for

    @classmethod
    def of(cls, spec: CoordinatorSpec) -> "Book":
        """With the rules of the specification.  Raises ConditionError for a condition that cannot be read."""
        rules = _by_trigger(spec.rules)
        return cls(spec, {mode.resource: mode for mode in spec.modes}, spec.rules, rules, _watch(rules))

    def with_rules(self, running: tuple[Rule, ...]) -> "Book":
        """Raises ConditionError for a condition that cannot be read."""
        rules = _by_trigger(running)
        return replace(self, running=running, rules=rules, watch=_watch(rules))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # Any: pydantic's
        spec = handler(CoordinatorSpec)
        from_json = core_schema.no_info_after_validator_function(cls.of, spec)
        return core_schema.json_or_python_schema(
            json_schema=from_json,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_json]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda book: book.spec.model_dump(mode="json"),
            ),
        )


def _by_trigger(running: Sequence[Rule]) -> dict[tuple[str, str], tuple[Compiled, ...]]:
    ordered = sorted(running, key=lambda rule: -URGENCY[rule.priority])  # stable: then as declared
    rules: dict[tuple[str, str], tuple[Compiled, ...]] = {}
    for rule in ordered:
        if rule.enabled:
            key = (rule.workstream, rule.event)
            rules[key] = (*rules.get(key, ()), Compiled(rule, parse(rule.when), Timed.of(rule)))
    return rules


def _watch(rules: dict[tuple[str, str], tuple[Compiled, ...]]) -> Watch:
    return Watch.over(compiled.condition for found in rules.values() for compiled in found)


def listened(rules: Iterable[Rule]) -> set[str]:
    """What they must be shown, as ``ws3.session_opened``: the events they listen to, and those that their conditions
    count.  Conditions that cannot be read are passed over."""
    found: set[str] = set()
    for rule in rules:
        found.add(f"{rule.workstream}.{rule.event}")
        try:
            windows = parse(rule.when).windows
        except ConditionError:
            continue
        found.update(stream.trigger for window in windows for stream in window.streams)
    return found


def most_urgent_first(found: Sequence[Match]) -> list[Match]:
    """Stable: equals stay in their order."""
    return sorted(found, key=lambda match: -URGENCY[match.rule.priority])
