"""What can be said before any event: operations that can only ever be unknown are refused at load, and so is what could
take too long.

``Schema`` tells which fields events have and of what kind; without one a field may be anything.
"""

from collections.abc import Mapping
from typing import Protocol

from alluse_hub.protocols.conditions.calls import OF_EVENTS, TRUTH_LOOPS, TRUTH_WINDOWS
from alluse_hub.protocols.conditions.patterns import Pattern, PatternError
from alluse_hub.protocols.conditions.tree import (
    Binary,
    Call,
    ConditionError,
    Field,
    Junction,
    Kind,
    ListOf,
    Literal,
    Loop,
    Node,
    Unary,
    Variable,
    Window,
    children,
    kind_of,
)
from alluse_hub.protocols.conditions.values import ITEMS_MAX
from alluse_hub.protocols.conditions.walk import INNER_MAX
from alluse_hub.protocols.meant import meant

COST_MAX = 1_000_000
"""Steps of one evaluation at worst; a step is a node once."""

MATCH_COST = 5_000
"""Steps that ``matches`` counts for: it reads a text."""

ORDERED = frozenset({Kind.NUMBER, Kind.TEXT, Kind.ANY})
SIZED = frozenset({Kind.TEXT, Kind.LIST, Kind.MAP, Kind.ANY})

Kinds = Mapping[str, Kind]  # of the fields of an event, by name; a field within a map by its whole name


class Streams(Protocol):
    """What is declared of the events of others."""

    def kinds(self, ws: str, event: str) -> Kinds | None:
        """The fields of such events; None if nothing is declared.  Raises ValueError for a stream that cannot be, with
        what would be right."""


def check(root: Node, kinds: Kinds | None = None, streams: Streams | None = None) -> None:
    """``kinds``: every field of the event, or None if not declared.  Raises ConditionError unless ``root`` can be true
    or false, each of its parts can have a value, and an evaluation stays within ``COST_MAX``."""
    found = _Check(kinds, streams).kind(root)
    if found not in {Kind.TRUTH, Kind.ANY}:
        raise ConditionError(root.column, f"a condition must be true or false; this is {found}")
    if (cost := cost_of(root)) > COST_MAX:
        raise ConditionError(root.column, f"could take {cost:,} steps for one event; at most {COST_MAX:,} are allowed")


def cost_of(node: Node, loops: int = 0) -> int:
    if isinstance(node, Loop):
        times = INNER_MAX if loops else ITEMS_MAX
        return cost_of(node.over, loops) + times * cost_of(node.body, loops + 1)
    own = MATCH_COST if isinstance(node, Call) and node.function == "matches" else 1
    if isinstance(node, Binary) and node.operator in {"in", "==", "!="} and not isinstance(node.right, Literal):
        own += len(node.right.items) if isinstance(node.right, ListOf) else INNER_MAX if loops else ITEMS_MAX
    return own + sum(cost_of(child, loops) for child in children(node))


class _Check:
    def __init__(self, kinds: Kinds | None, streams: Streams | None) -> None:
        self._kinds = kinds
        self._streams = streams
        self._variables: dict[str, Kind] = {}

    def kind(self, node: Node) -> Kind:
        match node:
            case Literal(value=value):
                return kind_of(value)
            case Field():
                return self._field(node)
            case Variable(name=name, path=path):
                return self._variable(node.column, name, path)
            case ListOf(items=items):
                _one_kind(node.column, [self.kind(item) for item in items])
                return Kind.LIST
            case Unary(operator="!", operand=operand):
                self.want(operand, Kind.TRUTH, "'!'")
                return Kind.TRUTH
            case Unary(operand=operand):
                self.want(operand, Kind.NUMBER, "'-'")
                return Kind.NUMBER
            case Junction(operator=operator, parts=parts):
                for part in parts:
                    self.want(part, Kind.TRUTH, f"'{operator}'")
                return Kind.TRUTH
            case Binary(operator="+" | "-" | "*" | "/" | "%" as operator, left=left, right=right):
                for part in (left, right):
                    self.want(part, Kind.NUMBER, f"'{operator}'")
                return Kind.NUMBER
            case Binary():
                self._comparison(node)
                return Kind.TRUTH
            case Call():
                return self._call(node)
            case Loop():
                return self._loop(node)
            case Window():
                return self._window(node)

    def _field(self, field: Field) -> Kind:
        return Kind.ANY if self._kinds is None else declared(field, self._kinds, "the event")

    def _variable(self, column: int, name: str, path: tuple[str, ...]) -> Kind:
        of = self._variables[name]
        if not path:
            return of
        if of not in {Kind.MAP, Kind.ANY}:
            raise ConditionError(column, f"{name} is {of} here and has no field {path[0]!r}")
        return Kind.ANY

    def _comparison(self, node: Binary) -> None:
        left, right = self.kind(node.left), self.kind(node.right)
        if node.operator == "in":
            if right not in {Kind.LIST, Kind.MAP, Kind.ANY}:
                raise ConditionError(node.right.column, f"'in' needs a list on its right, not {right}")
            if isinstance(node.right, ListOf):
                _one_kind(node.column, [left, *(self.kind(item) for item in node.right.items)])
            if right is Kind.MAP and left not in {Kind.TEXT, Kind.ANY}:
                raise ConditionError(node.left.column, f"'in' a map needs text, not {left}")
            return
        if node.operator not in {"==", "!="}:
            for part, kind in ((node.left, left), (node.right, right)):
                if kind not in ORDERED:
                    raise ConditionError(part.column, f"'{node.operator}' orders numbers or texts, not {kind}")
        elif left is right is Kind.MAP:
            raise ConditionError(node.column, "maps cannot be compared; compare their fields")
        if Kind.ANY not in {left, right} and left != right and Kind.NULL not in {left, right}:
            raise ConditionError(
                node.column, f"{left} cannot be compared with {right}; number(x) makes a number of a decimal text"
            )

    def _call(self, node: Call) -> Kind:
        if node.function == "has":
            if isinstance(node.arguments[0], Field) and self._kinds is not None:
                declared(node.arguments[0], self._kinds, "the event")
            return Kind.TRUTH
        first = node.arguments[0]
        match node.function:
            case "size":
                if (kind := self.kind(first)) not in SIZED:
                    raise ConditionError(first.column, f"size() measures texts, lists and maps, not {kind}")
            case "number":
                if (kind := self.kind(first)) not in {Kind.TEXT, Kind.NUMBER, Kind.ANY}:
                    raise ConditionError(first.column, f"number() takes a decimal text, not {kind}")
            case "matches":
                self.want(first, Kind.TEXT, "matches()")
                pattern_of(node)
                return Kind.TRUTH
            case "startsWith" | "endsWith" | "contains" as name:
                for argument in node.arguments:
                    self.want(argument, Kind.TEXT, f"{name}()")
                return Kind.TRUTH
            case name:
                for argument in node.arguments:
                    self.want(argument, Kind.NUMBER, f"{name}()")
        return Kind.NUMBER

    def _loop(self, loop: Loop) -> Kind:
        over = self.kind(loop.over)
        if over not in {Kind.LIST, Kind.MAP, Kind.ANY}:
            raise ConditionError(loop.over.column, f"{loop.function}() goes over a list, not {over}")
        items = Kind.TEXT if over is Kind.MAP else Kind.ANY
        if isinstance(loop.over, ListOf) and loop.over.items:
            items = self.kind(loop.over.items[0])
            items = Kind.ANY if items is Kind.NULL else items
        self._variables[loop.variable] = items
        if loop.function == "map":
            self.kind(loop.body)
        else:
            self.want(loop.body, Kind.TRUTH, f"{loop.function}()")
        del self._variables[loop.variable]
        return Kind.TRUTH if loop.function in TRUTH_LOOPS else Kind.LIST

    def _window(self, window: Window) -> Kind:
        of: list[Kinds | None] = []
        for stream in window.streams:
            try:
                of.append(self._streams.kinds(stream.ws, stream.event) if self._streams is not None else None)
            except ValueError as error:
                raise ConditionError(window.column, str(error)) from None
        for stream, kinds in zip(window.streams, of, strict=True):
            name = stream.trigger
            if kinds is not None and window.where is not None:
                _Check(kinds, None).want(window.where, Kind.TRUTH, "where()")
            elif window.where is not None:
                _Check(None, None).want(window.where, Kind.TRUTH, "where()")
            if kinds is not None and window.by is not None:
                declared(Field(window.column, window.by.theirs), kinds, name)
            if kinds is not None and stream.path:
                found = declared(Field(window.column, stream.path), kinds, name)
                wanted = {Kind.NUMBER, Kind.ANY} if _is_of_numbers(window.function) else SCALARS
                if found not in wanted:
                    need = Kind.NUMBER if _is_of_numbers(window.function) else "a number, text, or true or false"
                    raise ConditionError(window.column, f"{window.function}() needs {need}; {stream.text} is {found}")
        if window.by is not None:
            self.kind(window.by.ours)
        return Kind.TRUTH if window.function in TRUTH_WINDOWS else Kind.NUMBER

    def want(self, node: Node, wanted: Kind, where: str) -> None:
        found = self.kind(node)
        if found not in {wanted, Kind.ANY}:
            raise ConditionError(node.column, f"{where} needs {wanted} here, not {found}")


SCALARS = frozenset({Kind.NUMBER, Kind.TEXT, Kind.TRUTH, Kind.ANY})


def _is_of_numbers(function: str) -> bool:
    return function not in OF_EVENTS and function not in {"distinct", "changed"}


def declared(field: Field, kinds: Kinds, of: str) -> Kind:
    """The kind of a field.  Raises ConditionError for one that events never have."""
    if field.name in kinds:
        return kinds[field.name]
    for length in range(len(field.path) - 1, 0, -1):
        outer = ".".join(field.path[:length])
        if outer in kinds:
            if any(name.startswith(f"{outer}.") for name in kinds) or kinds[outer] not in {Kind.MAP, Kind.ANY}:
                break
            return Kind.ANY  # a map whose fields are not declared
    raise ConditionError(field.column, f"{of} has no field {field.name!r}; {meant(field.name, kinds)}")


def pattern_of(call: Call) -> Pattern:
    """Of a call of ``matches``.  Raises ConditionError."""
    argument = call.arguments[1]
    if not isinstance(argument, Literal) or not isinstance(argument.value, str):
        raise ConditionError(argument.column, "matches() takes a pattern written in quotes, not a value of the event")
    try:
        return Pattern(argument.value)
    except PatternError as error:
        raise ConditionError(argument.column + 1 + error.at, f"pattern: {error}") from None


def _one_kind(column: int, found: list[Kind]) -> None:
    known = [kind for kind in found if kind not in {Kind.ANY, Kind.NULL}]
    if len(set(known)) > 1:
        raise ConditionError(column, f"{known[0]} and {next(k for k in known if k != known[0])} cannot be compared")
