"""The tree of a condition, its bounds, and what can be wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from alluse_hub.protocols.errors import CallerError

TEXT_MAX = 4_000
"""Characters of a condition."""

NODES_MAX = 400
"""Nodes of its tree: with ``COST_MAX`` it bounds the work of one evaluation."""

DEPTH_MAX = 40
"""Levels of its tree: bounds the stack."""

LIST_MAX = 100
"""Items of a list written in a condition."""

LOOPS_MAX = 2
"""Loops within one another."""


class ConditionError(CallerError):
    """``column`` counts characters from 1; the text says what would be right."""

    def __init__(self, column: int, text: str) -> None:
        super().__init__(f"column {column}: {text}")
        self.column = column


class Kind(StrEnum):
    """The type of a value; the words are those of JSON, as its users say them."""

    TRUTH = "true or false"
    NUMBER = "a number"
    TEXT = "text"
    LIST = "a list"
    MAP = "a map"
    NULL = "null"
    ANY = "anything"  # known only when an event is there


def kind_of(value: object) -> Kind:
    """The kind of a value of a payload."""
    if value is None:
        return Kind.NULL
    if isinstance(value, bool):  # before int: to Python a boolean is a number
        return Kind.TRUTH
    if isinstance(value, int | float):
        return Kind.NUMBER
    if isinstance(value, str):
        return Kind.TEXT
    return Kind.LIST if isinstance(value, list | tuple) else Kind.MAP


class Clock(StrEnum):
    """What a window counts."""

    HUB = "s"  # seconds of hub time
    MARKET = "sessions"


@dataclass(frozen=True, slots=True)
class Span:
    """A length of trail time, in seconds of the hub or sessions of the market."""

    clock: Clock
    length: float

    def __str__(self) -> str:
        if self.clock is Clock.MARKET:
            return f"{self.length:g} session{'s' if self.length != 1 else ''}"
        for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60)):
            if self.length >= seconds and self.length % seconds == 0:
                return f"{self.length / seconds:g}{unit}"
        return f"{self.length:g}s"


@dataclass(frozen=True, slots=True)
class Literal:
    column: int = field(compare=False)
    value: bool | float | str | None

    def __eq__(self, other: object) -> bool:
        """To Python ``True == 1``; two literals are equal only if their kinds are."""
        if not isinstance(other, Literal):
            return NotImplemented
        return kind_of(self.value) is kind_of(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((kind_of(self.value), self.value))


@dataclass(frozen=True, slots=True)
class ListOf:
    column: int = field(compare=False)
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Field:
    """``path``: ``("a", "b")`` for ``a.b``."""

    column: int = field(compare=False)
    path: tuple[str, ...]

    @property
    def name(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Variable:
    """The item that a loop is at, or what ``path`` finds in it."""

    column: int = field(compare=False)
    name: str
    path: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return ".".join((self.name, *self.path))


@dataclass(frozen=True, slots=True)
class Unary:
    column: int = field(compare=False)
    operator: str  # ! -
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """A comparison, ``in``, or arithmetic."""

    column: int = field(compare=False)
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Junction:
    """Two or more parts joined by ``&&`` or ``||``."""

    column: int = field(compare=False)
    operator: str
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """``is_method``: written ``a.f(b)``; ``a`` is the first argument."""

    column: int = field(compare=False)
    function: str
    arguments: tuple["Node", ...]
    is_method: bool = False


@dataclass(frozen=True, slots=True)
class Loop:
    """``over.function(variable, body)``."""

    column: int = field(compare=False)
    function: str  # exists all exists_one filter map
    over: "Node"
    variable: str
    body: "Node"


@dataclass(frozen=True, slots=True)
class Stream:
    """The events ``event`` of ``ws``, or the field at ``path`` in them."""

    ws: str
    event: str
    path: tuple[str, ...] = ()

    @property
    def trigger(self) -> str:
        return f"{self.ws}.{self.event}"

    @property
    def text(self) -> str:
        return ".".join((self.ws, self.event, *self.path))


@dataclass(frozen=True, slots=True)
class By:
    """Only events whose field ``theirs`` equals the field ``ours`` of the event that the condition is asked about."""

    theirs: tuple[str, ...]
    ours: Field


@dataclass(frozen=True, slots=True)
class Window:
    """A function of what streams said lately; ``span`` is None for ``age``, whose ``clock`` says what it counts."""

    column: int = field(compare=False)
    function: str
    streams: tuple[Stream, ...]
    clock: Clock
    span: Span | None
    where: "Node | None" = None
    by: By | None = None
    is_partial: bool = False


Node = Literal | ListOf | Field | Variable | Unary | Binary | Junction | Call | Loop | Window


def children(node: Node) -> tuple[Node, ...]:
    """The parts that are asked about the same event; what a window's ``where`` asks is about others."""
    match node:
        case Literal() | Field() | Variable():
            return ()
        case ListOf(items=items):
            return items
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Junction(parts=parts):
            return parts
        case Call(arguments=arguments):
            return arguments
        case Loop(over=over, body=body):
            return (over, body)
        case Window(by=by):
            return () if by is None else (by.ours,)


def parts_of(root: Node) -> Iterator[Node]:
    """``root`` and all below it, each before its own parts, from left to right; not into ``where``."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))


def fields_of(root: Node) -> tuple[Field, ...]:
    """The fields that ``root`` reads, each once, in the order of their first place."""
    found: dict[tuple[str, ...], Field] = {}
    for node in parts_of(root):
        if isinstance(node, Field):
            found.setdefault(node.path, node)
    return tuple(found.values())


def windows_of(root: Node) -> tuple[Window, ...]:
    """Each once, in the order of their first place."""
    return tuple(dict.fromkeys(node for node in parts_of(root) if isinstance(node, Window)))
