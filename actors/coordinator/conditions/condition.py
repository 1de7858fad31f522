"""A condition, ready to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alluse_hub.actors.coordinator.conditions.check import check
from alluse_hub.actors.coordinator.conditions.compile import Closure, Unknown, compiled
from alluse_hub.actors.coordinator.conditions.explain import with_values
from alluse_hub.actors.coordinator.conditions.parse import tree_of
from alluse_hub.actors.coordinator.conditions.tree import Field, Kind, Node, fields_of


@dataclass(frozen=True, slots=True)
class Condition:
    """Two conditions are equal if their trees are."""

    text: str = field(compare=False)
    tree: Node
    fields: tuple[Field, ...] = field(compare=False)
    closure: Closure = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``value``: None is unknown.  ``why``: the condition with its values, and what hindered an answer."""

    value: bool | None
    why: str


def parse(text: str, kinds: Mapping[str, Kind] | None = None) -> Condition:
    """``kinds``: the declared types of fields, where they are known.  Raises ConditionError."""
    tree = tree_of(text)
    check(tree, kinds)
    return Condition(text.strip(), tree, fields_of(tree), compiled(tree))


def holds(condition: Condition, payload: Mapping[str, Any]) -> bool | None:
    """The value alone: what most rules need of most events."""
    value = condition.closure(payload)
    return value if value is True or value is False else None


def evaluate(condition: Condition, payload: Mapping[str, Any]) -> Verdict:
    value = condition.closure(payload)
    why = with_values(condition.text, condition.fields, payload)
    if value is True or value is False:
        return Verdict(value, why)
    reason = value.why if isinstance(value, Unknown) else "the whole must be true or false"
    return Verdict(None, why if reason in why else f"{why}: {reason}")
