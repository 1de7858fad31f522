"""Whether two conditions can be true together, as far as can be told before any event.

The two are taken apart into ways: choices of parts that, all true, make both true.  A way is impossible if what its
parts say of one term leaves no value: an empty interval, no text of a set, true and false at once, or two terms that
would have to be smaller and larger than each other.  If all ways are impossible the answer *never* is a proof.  If not,
an example is looked for among the values that the conditions name, and asked: then *yes* is one, too.  Else *perhaps*.

Terms are compared by their text, so ``count(...) > 5`` and ``count(...) < 3`` are known to clash.  Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice, pairwise, product
from math import inf
from typing import Any

from alluse_hub.protocols.conditions.condition import condition_of, holds, patterns_of
from alluse_hub.protocols.conditions.text import text_of
from alluse_hub.protocols.conditions.tree import (
    Binary,
    Call,
    Field,
    Junction,
    Kind,
    ListOf,
    Literal,
    Loop,
    Node,
    Unary,
    Window,
    fields_of,
    kind_of,
    parts_of,
    windows_of,
)
from alluse_hub.protocols.conditions.values import Unknown
from alluse_hub.protocols.conditions.walk import NO_WINDOWS, Walk

WAYS_MAX = 256
"""Combinations of ``||`` that are looked at; beyond, the answer is *perhaps*."""

EXAMPLES_MAX = 500
"""Events that are tried as examples."""

VALUES_MAX = 12
"""Of one field, in examples."""

NEGATED = {"<": ">=", ">": "<=", "<=": ">", ">=": "<", "==": "!=", "!=": "=="}
MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
RELATIONS = {"<": "<", ">": ">", "<=": "<=", ">=": "=>", "==": "=", "!=": "<>"}
"""Comparison to what the first term may be to the second: smaller, equal, larger."""

ALWAYS = Literal(1, value=True)
"""The condition that any event meets."""

ABSENT = object()
"""Stands for a field that an example does not have."""


class Can(StrEnum):
    NEVER = "never"
    PERHAPS = "perhaps"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Joint:
    """``example``: fields of an event for which both are true, where the answer is *yes*."""

    can: Can
    example: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition that must come out so.  It joins nothing itself."""

    node: Node
    is_true: bool


def never_both(one: Node, other: Node = ALWAYS) -> bool:
    """Whether it is proved that one event cannot make both true; without looking for an example, and so for very many
    pairs."""
    ways = _ways(Junction(1, "&&", (one, other)), is_true=True)
    return ways is not None and not any(_is_possible(way) for way in ways)


def joint(one: Node, other: Node = ALWAYS) -> Joint:
    """Of one event."""
    if never_both(one, other):
        return Joint(Can.NEVER)
    both = Junction(1, "&&", (one, other))
    example = _example(both)
    return Joint(Can.PERHAPS) if example is None else Joint(Can.YES, example)


# --- ways -------------------------------------------------------------------------------------------------------------


def _ways(node: Node, *, is_true: bool) -> list[tuple[Part, ...]] | None:
    """Each of the ways in which ``node`` comes out so; None for too many."""
    match node:
        case Literal(value=bool() as value):
            return [()] if value is is_true else []
        case Unary(operator="!", operand=operand):
            return _ways(operand, is_true=not is_true)
        case Junction(operator=operator, parts=parts) if (operator == "&&") is is_true:
            ways: list[tuple[Part, ...]] = [()]
            for part in parts:
                more = _ways(part, is_true=is_true)
                if more is None or len(ways) * len(more) > WAYS_MAX:
                    return None
                ways = [(*way, *other) for way in ways for other in more]
            return ways
        case Junction(parts=parts):
            found: list[tuple[Part, ...]] = []
            for part in parts:
                more = _ways(part, is_true=is_true)
                if more is None or len(found) + len(more) > WAYS_MAX:
                    return None
                found += more
            return found
        case _:
            return [(Part(node, is_true),)]


@dataclass(slots=True)
class Room:
    """What a term can still be.  ``among``: a complete list, where there is one."""

    low: tuple[float, bool] = (-inf, False)  # and whether it is included
    high: tuple[float, bool] = (inf, False)
    kind: Kind = Kind.ANY
    among: list[Any] | None = None
    never: list[Any] = field(default_factory=list)

    def has(self, value: Any) -> bool:  # a JSON scalar
        if self.kind not in {Kind.ANY, kind_of(value)} or any(_same(value, other) for other in self.never):
            return False
        if kind_of(value) is not Kind.NUMBER:
            return True
        (low, has_low), (high, has_high) = self.low, self.high
        return (low < value or (has_low and low == value)) and (value < high or (has_high and value == high))

    def is_empty(self) -> bool:
        if self.among is not None:
            return not any(self.has(value) for value in self.among)
        if self.low[0] == self.high[0] and self.kind is Kind.NUMBER:
            return not (self.low[1] and self.high[1]) or not self.has(self.low[0])
        return self.low[0] > self.high[0]

    def narrow(self, operator: str, value: Any) -> None:  # a JSON scalar
        if operator == "==":
            self.within([value])
        elif operator == "!=":
            self.never.append(value)
        else:
            self._bound(operator, value)

    def _bound(self, operator: str, value: Any) -> None:
        kind = kind_of(value)
        if self.kind not in {Kind.ANY, kind}:
            self.among = []
        self.kind = kind
        if kind is Kind.NUMBER and operator in {">", ">="}:
            self.low = max(self.low, (value, operator == ">="), key=lambda known: (known[0], not known[1]))
        elif kind is Kind.NUMBER:
            self.high = min(self.high, (value, operator == "<="), key=lambda known: (known[0], known[1]))

    def within(self, values: list[Any]) -> None:
        known = values if self.among is None else self.among
        self.among = [value for value in known if any(_same(value, other) for other in values)]


def _same(one: Any, other: Any) -> bool:  # JSON scalars
    return kind_of(one) is kind_of(other) and bool(one == other)


def _is_possible(way: tuple[Part, ...]) -> bool:
    rooms: dict[str, Room] = {}
    relations: dict[tuple[str, str], str] = {}
    for part in way:
        _narrow(part, rooms, relations)
    for name, room in rooms.items():
        if room.among is not None:
            room.among = [value for value in room.among if _fits(name, value, way)]
    if any(room.is_empty() for room in rooms.values()) or "" in relations.values():
        return False
    return not (_absent(way) & _needed(way))


def _narrow(part: Part, rooms: dict[str, Room], relations: dict[tuple[str, str], str]) -> None:
    match part.node:
        case Binary(operator=operator, left=left, right=right) if operator in NEGATED:
            operator = operator if part.is_true else NEGATED[operator]
            one, other = _constant(left), _constant(right)
            if other is not None and one is None:
                rooms.setdefault(text_of(left), Room()).narrow(operator, other[0])
            elif one is not None and other is None:
                rooms.setdefault(text_of(right), Room()).narrow(MIRRORED[operator], one[0])
            elif one is None:
                _relate(text_of(left), operator, text_of(right), relations)
        case Binary(operator="in", left=left, right=ListOf(items=items)):
            values = [_constant(item) for item in items]
            if any(value is None for value in values):
                return
            room = rooms.setdefault(text_of(left), Room())
            if part.is_true:
                room.within([value[0] for value in values if value is not None])
            else:
                room.never += [value[0] for value in values if value is not None]
        case node:
            rooms.setdefault(text_of(node), Room()).narrow("==", part.is_true)


def _constant(node: Node) -> tuple[Any] | None:
    """The value of what reads nothing, in a tuple of one, since it may be null."""
    if any(isinstance(part, Field | Window | Loop) for part in parts_of(node)):
        return None
    value = Walk({}, NO_WINDOWS, patterns_of(node)).value(node) if not isinstance(node, Literal) else node.value
    return None if isinstance(value, Unknown | list) else (value,)


def _relate(one: str, operator: str, other: str, relations: dict[tuple[str, str], str]) -> None:
    if one == other:
        relations[one, other] = "=" if "=" in RELATIONS[operator] and relations.get((one, other)) != "" else ""
        return
    if one > other:
        one, operator, other = other, MIRRORED[operator], one
    known = relations.get((one, other), "<=>")
    relations[one, other] = "".join(sign for sign in known if sign in RELATIONS[operator])


def _fits(name: str, value: Any, way: Iterable[Part]) -> bool:  # a JSON scalar
    """Whether the parts that read only the field ``name`` come out as they must with ``value`` in it."""
    for part in way:
        fields = fields_of(part.node)
        if len(fields) == 1 and fields[0].name == name and not windows_of(part.node):
            found = Walk(_event({fields[0].path: value}), NO_WINDOWS, patterns_of(part.node)).value(part.node)
            if found is not part.is_true:
                return False
    return True


def _absent(way: Iterable[Part]) -> set[tuple[str, ...]]:
    return {
        part.node.arguments[0].path
        for part in way
        if isinstance(part.node, Call)
        and part.node.function == "has"
        and not part.is_true
        and isinstance(part.node.arguments[0], Field)
    }


def _needed(way: Iterable[Part]) -> set[tuple[str, ...]]:
    """Fields without which a part has no value."""
    found: set[tuple[str, ...]] = set()
    for part in way:
        inner = tuple(parts_of(part.node))
        if not any(isinstance(node, Loop | Junction) or _is_has(node) for node in inner):
            found |= {node.path for node in inner if isinstance(node, Field)}
    return found


def _is_has(node: Node) -> bool:
    return isinstance(node, Call) and node.function == "has"


# --- examples ---------------------------------------------------------------------------------------------------------


def _example(both: Junction) -> dict[str, Any] | None:  # a payload
    if windows_of(both):
        return None  # what streams will say is not ours to choose
    condition = condition_of(both)
    values = [_candidates(field.path, both) for field in condition.fields]
    for chosen in islice(product(*values), EXAMPLES_MAX):
        paths = zip((field.path for field in condition.fields), chosen, strict=True)
        event = _event({path: value for path, value in paths if value is not ABSENT})
        if holds(condition, event) is True:
            return event
    return None


def _candidates(path: tuple[str, ...], both: Node) -> list[Any]:
    """Values of a field that the conditions turn on: those named beside it first, then those named anywhere."""
    beside: list[Any] = []
    anywhere: list[Any] = []
    for node in parts_of(both):
        if isinstance(node, Binary | Call):
            literals = [part.value for part in parts_of(node) if isinstance(part, Literal)]
            (beside if any(field.path == path for field in fields_of(node)) else anywhere).extend(literals)
    found: list[Any] = []
    for value in (*_around([*beside, *anywhere]), True, False, 1, 0, "x"):
        if not any(_same(value, other) for other in found):
            found.append(value)
    has_absence = any(_is_has(node) and fields_of(node)[0].path == path for node in parts_of(both))
    return [*([ABSENT] if has_absence else []), *found[:VALUES_MAX], []]


def _around(values: list[Any]) -> Iterator[Any]:  # JSON scalars
    numbers = sorted(value for value in values if kind_of(value) is Kind.NUMBER)
    for value in values:
        yield value
        if kind_of(value) is Kind.NUMBER:
            yield from (value + 1, value - 1)
    yield from (_between(low, high) for low, high in pairwise(numbers) if low < high)


def _between(low: float, high: float) -> float:
    """The middle, as short as it can be written."""
    middle = (low + high) / 2
    short = float(f"{middle:.12g}")
    return short if low < short < high else middle


def _event(values: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    """A payload with these fields; where one lies in another the inner wins."""
    made: dict[str, Any] = {}
    for path, value in sorted(values.items(), key=lambda item: len(item[0])):
        at = made
        for step in path[:-1]:
            if not isinstance(at.get(step), dict):
                at[step] = {}
            at = at[step]
        at[path[-1]] = value
    return made
