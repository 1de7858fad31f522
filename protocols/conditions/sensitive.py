"""What a condition's value turns on: for each field the nearest other value that changes it, all else being equal.

"It was false because risk_level is 0.7; just above 0.8 it would have been true."  Candidates come from the condition
itself: where each comparison turns, found by the straight line through two values of the field, and the texts and
truths it names.  Each is asked, so what is said is true; where a comparison is no straight line in the field, a nearer
value may be missed.
Pure.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alluse_hub.protocols.conditions.condition import Condition, holds, patterns_of
from alluse_hub.protocols.conditions.tree import (
    Binary,
    Field,
    Kind,
    Literal,
    Variable,
    fields_of,
    kind_of,
    parts_of,
)
from alluse_hub.protocols.conditions.values import NUMBERS, step_into
from alluse_hub.protocols.conditions.walk import NO_WINDOWS, Payload, Walk, Windows

ORDERINGS = frozenset({"<", "<=", ">", ">=", "==", "!="})

CANDIDATES_MAX = 200
"""Values of one field that are tried."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """With ``field`` at ``other`` instead of ``value`` the condition would be ``becomes``."""

    field: str
    value: Any  # a JSON value
    other: Any
    becomes: bool

    def __str__(self) -> str:
        return f"{self.field} {_shown(self.other)}"


def sensitivity(condition: Condition, payload: Payload, windows: Windows = NO_WINDOWS) -> tuple[Sensitivity, ...]:
    """Of a condition that is true or false; the fields that turn it, in the order of their first place."""
    now = holds(condition, payload, windows)
    if now is None:
        return ()
    found = []
    for field in condition.fields:
        value = step_into(payload, field.path, field.name)
        if kind_of(value) in {Kind.LIST, Kind.MAP}:
            continue
        for other in _nearest_first(value, _candidates(condition, field, value, payload, windows)):
            if holds(condition, _with(payload, field.path, other), windows) is (not now):
                found.append(Sensitivity(field.name, value, other, not now))
                break
    return tuple(found)


def _shown(value: Any) -> str:  # a JSON scalar
    """A number next to a short one, as ``math.nextafter`` gives it, is told by that."""
    if not isinstance(value, float):
        return f"at {json.dumps(value)}"
    short = f"{value:.12g}"
    if float(short) == value:
        return f"at {short}"
    return f"just {'above' if value > float(short) else 'below'} {short}"


def _nearest_first(value: Any, others: Iterator[Any]) -> list[Any]:  # JSON scalars
    listed: list[Any] = []
    for other in others:
        if len(listed) >= CANDIDATES_MAX:
            break
        if kind_of(other) is kind_of(value) and other != value:
            listed.append(other)
    return sorted(listed, key=lambda other: abs(other - value)) if type(value) in NUMBERS else listed


def _candidates(condition: Condition, field: Field, value: Any, payload: Payload, windows: Windows) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    for node in parts_of(condition.tree):
        if isinstance(node, Literal):
            yield from _beside(node.value) if type(value) in NUMBERS else (node.value,)
        is_about = isinstance(node, Binary) and node.operator in ORDERINGS and field in fields_of(node)
        is_about = is_about and not any(isinstance(part, Variable) for part in parts_of(node))
        if is_about and isinstance(node, Binary) and type(value) in NUMBERS:
            yield from _beside(_root(node, field, value, payload, windows))
    yield from ("",) if isinstance(value, str) else ()


def _beside(number: object) -> Iterator[float]:
    if isinstance(number, int | float) and not isinstance(number, bool):
        yield number
        if isinstance(number, int) or number.is_integer():
            yield from (int(number) - 1, int(number) + 1)
        yield from (math.nextafter(number, -math.inf), math.nextafter(number, math.inf))


def _root(node: Binary, field: Field, value: float, payload: Payload, windows: Windows) -> float | None:
    """Where both sides are equal, if their difference is a straight line in the field."""
    difference = Binary(node.column, "-", node.left, node.right)
    values = []
    for at in (value, value + 1):
        walk = Walk(_with(payload, field.path, at), windows, patterns_of(difference))
        values.append(walk.value(difference))
    if any(type(one) not in NUMBERS for one in values) or values[0] == values[1]:
        return None
    return float(value - values[0] / (values[1] - values[0]))


def _with(payload: Payload, path: tuple[str, ...], value: object) -> dict[str, Any]:
    inner = payload.get(path[0])
    deeper = _with(inner if isinstance(inner, Mapping) else {}, path[1:], value) if len(path) > 1 else value
    return {**payload, path[0]: deeper}
