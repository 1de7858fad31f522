"""The tree of a condition, its bounds, and what can be wrong with it."""

from dataclasses import dataclass
from enum import StrEnum

from alluse_hub.protocols.errors import CallerError

TEXT_MAX = 4_000
"""Characters of a condition."""

NODES_MAX = 400
"""Nodes of its tree: bounds the work of one evaluation."""

DEPTH_MAX = 40
"""Levels of its tree: bounds the stack."""

LIST_MAX = 100
"""Items of a list written in a condition."""


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


@dataclass(frozen=True, slots=True)
class Literal:
    column: int
    value: bool | float | str | None


@dataclass(frozen=True, slots=True)
class ListOf:
    column: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Field:
    """``path``: ``("a", "b")`` for ``a.b``."""

    column: int
    path: tuple[str, ...]

    @property
    def name(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Unary:
    column: int
    operator: str  # ! -
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """A comparison, ``in``, or arithmetic."""

    column: int
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Junction:
    """Two or more parts joined by ``&&`` or ``||``."""

    column: int
    operator: str
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Call:
    column: int
    function: str
    arguments: tuple["Node", ...]


Node = Literal | ListOf | Field | Unary | Binary | Junction | Call


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Literal() | Field():
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


def fields_of(node: Node) -> tuple[Field, ...]:
    """The fields that ``node`` reads, each once, in the order of their first place."""
    found: dict[tuple[str, ...], Field] = {}
    waiting = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, Field):
            found.setdefault(at.path, at)
        waiting.extend(reversed(children(at)))
    return tuple(found.values())
