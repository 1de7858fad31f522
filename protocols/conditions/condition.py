"""A condition, ready to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from alluse_hub.protocols.conditions.check import Kinds, Streams, check, pattern_of
from alluse_hub.protocols.conditions.compile import NO_VALUE, Fast, compiled
from alluse_hub.protocols.conditions.explain import shown, with_values
from alluse_hub.protocols.conditions.parse import tree_of
from alluse_hub.protocols.conditions.patterns import Pattern
from alluse_hub.protocols.conditions.text import text_of
from alluse_hub.protocols.conditions.tree import (
    Call,
    Field,
    Junction,
    Literal,
    Node,
    Unary,
    Window,
    fields_of,
    parts_of,
    windows_of,
)
from alluse_hub.protocols.conditions.values import Unknown, Value
from alluse_hub.protocols.conditions.walk import NO_WINDOWS, Payload, Walk, Windows

KEPT_MAX = 4_096
"""Conditions that are kept ready; a set has 2,000 rules at most."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Two conditions are equal if their trees are."""

    text: str = field(compare=False)
    tree: Node
    fields: tuple[Field, ...] = field(compare=False)
    windows: tuple[Window, ...] = field(compare=False)
    patterns: Mapping[str, Pattern] = field(compare=False, repr=False)
    fast: Fast = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``value``: None is unknown.  ``why``: the condition with its values, and what hindered an answer."""

    value: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition and what came of it; ``depth`` counts the junctions and negations around it."""

    text: str
    depth: int
    value: bool | None
    why: str  # of an unknown


def parse(text: str, kinds: Kinds | None = None, streams: Streams | None = None) -> Condition:
    """``kinds``: the fields of the event and their types, if they are declared.  Raises ConditionError."""
    condition = _read(text)
    if kinds is not None or streams is not None:
        check(condition.tree, kinds, streams)
    return condition


@lru_cache(maxsize=KEPT_MAX)
def _read(text: str) -> Condition:
    """A set of rules is read again as a whole at each change of one."""
    tree = tree_of(text)
    check(tree)
    return condition_of(tree, text.strip())


def condition_of(tree: Node, text: str = "") -> Condition:
    """Of a tree that has been checked."""
    read = patterns_of(tree)
    return Condition(text or text_of(tree), tree, fields_of(tree), windows_of(tree), read, compiled(tree, read))


def patterns_of(tree: Node) -> dict[str, Pattern]:
    """Those that it matches texts with, by their text."""
    return {
        str(node.arguments[1].value): pattern_of(node)
        for node in parts_of(tree)
        if isinstance(node, Call) and node.function == "matches" and isinstance(node.arguments[1], Literal)
    }


def holds(condition: Condition, payload: Payload, windows: Windows = NO_WINDOWS) -> bool | None:
    """The value alone: what most rules need of most events."""
    try:
        return condition.fast(payload, windows.value)
    except NO_VALUE:
        return holds_walked(condition, payload, windows)


def holds_walked(condition: Condition, payload: Payload, windows: Windows = NO_WINDOWS) -> bool | None:
    """The same, for whoever has tried ``condition.fast`` already and met one of ``NO_VALUE``."""
    value = walked(condition, payload, windows)
    return value if value is True or value is False else None


def walked(condition: Condition, payload: Payload, windows: Windows = NO_WINDOWS) -> Value:
    """The value as the walk finds it: true, false, ``Unknown``, or of another kind where the whole is no condition."""
    return Walk(payload, windows, condition.patterns).value(condition.tree)


def evaluate(condition: Condition, payload: Payload, windows: Windows = NO_WINDOWS) -> Verdict:
    value = walked(condition, payload, windows)
    why = with_values(condition.text, condition.fields, condition.windows, payload, windows)
    if value is True or value is False:
        return Verdict(value, why)
    reason = value.why if isinstance(value, Unknown) else "the whole must be true or false"
    return Verdict(None, why if reason in why else f"{why}: {reason}")


def explained(condition: Condition, payload: Payload, windows: Windows = NO_WINDOWS) -> tuple[Part, ...]:
    """The condition and, below it, the parts that ``&&``, ``||`` and ``!`` join, each with its value: which part of a
    long condition it was.  The first is the whole."""
    found: list[Part] = []
    waiting: list[tuple[Node, int]] = [(condition.tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        value = Walk(payload, windows, condition.patterns).value(node)
        is_sure = value is True or value is False
        why = value.why if isinstance(value, Unknown) else "" if is_sure else f"{shown(value)} is not true or false"
        of = with_values(text_of(node), fields_of(node), windows_of(node), payload, windows)
        found.append(Part(of, depth, value if is_sure else None, why))
        parts = node.parts if isinstance(node, Junction) else (node.operand,) if isinstance(node, Unary) else ()
        waiting.extend((part, depth + 1) for part in reversed(parts))
    return tuple(found)
