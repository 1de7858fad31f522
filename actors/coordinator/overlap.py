"""Whether two conditions can be true of one event, as far as can be told without one.

A condition is taken apart at its ``&&``; of the parts that compare a field with a written value, those about one field
must leave it a value.  Everything else may be anything, so the answer errs to *yes*: a ``False`` is a proof.

Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from alluse_hub.actors.coordinator.conditions.tree import Binary, Field, Junction, ListOf, Literal, Node, Unary
from alluse_hub.protocols.states import replace

MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
NEGATED = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": "!=", "!=": "=="}
WAYS_MAX = 256
"""Combinations of ``||`` that are looked at; beyond, the answer is *yes*."""

Plain = bool | float | str | None
Part = tuple[tuple[str, ...], str, object]
"""A field's path, a comparison, and the written value or values."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a field can still be: within bounds (with whether each is included), of a set if that is known, and none
    of some."""

    low: tuple[float, bool] = (-inf, False)
    high: tuple[float, bool] = (inf, False)
    among: frozenset[tuple[type, Plain]] | None = None
    never: frozenset[tuple[type, Plain]] = frozenset()
    is_number: bool = False

    def is_empty(self) -> bool:
        if self.among is not None:
            return not any(self._has(kind, value) for kind, value in self.among)
        (low, has_low), (high, has_high) = self.low, self.high
        if low != high:
            return low > high
        return not (has_low and has_high) or (float, low) in self.never

    def _has(self, kind: type, value: Plain) -> bool:
        if (kind, value) in self.never or (self.is_number and kind is not float):
            return False
        if kind is not float or not isinstance(value, int | float):
            return True
        (low, has_low), (high, has_high) = self.low, self.high
        return (low < value or (has_low and low == value)) and (value < high or (has_high and value == high))


def can_hold(tree: Node) -> bool:
    """False only if no event makes it true."""
    return can_both_hold(tree, Literal(1, value=True))


def can_both_hold(one: Node, other: Node) -> bool:
    """False only if no event makes both true."""
    ways = _ways(Junction(1, "&&", (one, other)), is_true=True)
    return any(_is_possible(way) for way in ways) if ways is not None else True


def _ways(node: Node, *, is_true: bool) -> list[tuple[Part, ...]] | None:
    """Each of the ways in which ``node`` comes out so, as parts that must all be; None for too many."""
    match node:
        case Literal(value=bool() as value):
            return [()] if value is is_true else []
        case Unary(operator="!", operand=operand):
            return _ways(operand, is_true=not is_true)
        case Junction(operator=operator, parts=parts) if (operator == "&&") is is_true:
            return _all(parts, is_true=is_true)
        case Junction(parts=parts):
            found = [_ways(part, is_true=is_true) for part in parts]
            ways = [way for some in found if some is not None for way in some]
            return None if None in found or len(ways) > WAYS_MAX else ways
        case _:
            return [tuple(_parts(node, is_true=is_true))]


def _all(parts: tuple[Node, ...], *, is_true: bool) -> list[tuple[Part, ...]] | None:
    ways: list[tuple[Part, ...]] = [()]
    for part in parts:
        more = _ways(part, is_true=is_true)
        if more is None or len(ways) * len(more) > WAYS_MAX:
            return None
        ways = [(*way, *other) for way in ways for other in more]
    return ways


def _parts(node: Node, *, is_true: bool) -> Iterator[Part]:
    match node:
        case Field(path=path):
            yield path, "==", is_true
        case Binary(operator=operator, left=Field(path=path), right=right) if operator in MIRRORED:
            if (value := _written(right)) is not None:
                yield path, operator if is_true else NEGATED[operator], value[0]
        case Binary(operator=operator, left=left, right=Field(path=path)) if operator in MIRRORED:
            if (value := _written(left)) is not None:
                mirrored = MIRRORED[operator]
                yield path, mirrored if is_true else NEGATED[mirrored], value[0]
        case Binary(operator="in", left=Field(path=path), right=ListOf(items=items)):
            values = [_written(item) for item in items]
            if all(value is not None for value in values):
                yield path, "in" if is_true else "not in", tuple(value[0] for value in values if value is not None)
        case _:
            return


def _written(node: Node) -> tuple[Plain] | None:
    """In a tuple of one, since the value may itself be null."""
    match node:
        case Literal(value=value):
            return (value,)
        case Unary(operator="-", operand=Literal(value=int() | float() as value)) if not isinstance(value, bool):
            return (-value,)
        case _:
            return None


def _is_possible(way: tuple[Part, ...]) -> bool:
    rooms: dict[tuple[str, ...], Room] = {}
    for path, operator, value in way:
        rooms[path] = _narrowed(rooms.get(path, Room()), operator, value)
    return not any(room.is_empty() for room in rooms.values())


def _kinded(value: object) -> tuple[type, Plain]:
    """Numbers are one kind, and true is no number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float, value
    assert value is None or isinstance(value, bool | str), "what can be written in a condition"
    return type(value), value


def _narrowed(room: Room, operator: str, value: object) -> Room:
    match operator, value:
        case "==", _:
            return _within(room, frozenset({_kinded(value)}))
        case "in", tuple():
            return _within(room, frozenset(_kinded(one) for one in value))
        case "!=", _:
            return replace(room, never=room.never | {_kinded(value)})
        case "not in", tuple():
            return replace(room, never=room.never | {_kinded(one) for one in value})
        case ">" | ">=", int() | float():
            bound = (value, operator == ">=")
            low = max(room.low, bound, key=lambda known: (known[0], not known[1]))
            return replace(room, low=low, is_number=True)
        case "<" | "<=", int() | float():
            bound = (value, operator == "<=")
            high = min(room.high, bound, key=lambda known: (known[0], known[1]))
            return replace(room, high=high, is_number=True)
        case _:
            return room


def _within(room: Room, values: frozenset[tuple[type, Plain]]) -> Room:
    return replace(room, among=values if room.among is None else room.among & values)
