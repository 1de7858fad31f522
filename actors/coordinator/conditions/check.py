"""What can be said about types before any event: operations that can only ever be unknown are refused at load.

``kinds`` tells the declared type of a field where it is known; without it a field may be anything.
"""

from collections.abc import Mapping

from alluse_hub.actors.coordinator.conditions.tree import (
    Binary,
    Call,
    ConditionError,
    Field,
    Junction,
    Kind,
    ListOf,
    Literal,
    Node,
    Unary,
)

ORDERED = frozenset({Kind.NUMBER, Kind.TEXT, Kind.ANY})
SIZED = frozenset({Kind.TEXT, Kind.LIST, Kind.MAP, Kind.ANY})


def check(root: Node, kinds: Mapping[str, Kind] | None = None) -> None:
    """Raises ConditionError unless ``root`` can be true or false, and each of its parts can have a value."""
    found = _kind(root, kinds or {})
    if found not in {Kind.TRUTH, Kind.ANY}:
        raise ConditionError(root.column, f"a condition must be true or false; this is {found}")


def _kind(node: Node, kinds: Mapping[str, Kind]) -> Kind:
    match node:
        case Literal(value=value):
            return kind_of(value)
        case Field():
            return kinds.get(node.name, Kind.ANY)
        case ListOf(items=items):
            _one_kind(node.column, [_kind(item, kinds) for item in items])
            return Kind.LIST
        case Unary(operator="!", operand=operand):
            _want(operand, _kind(operand, kinds), Kind.TRUTH, "'!'")
            return Kind.TRUTH
        case Unary(operand=operand):
            _want(operand, _kind(operand, kinds), Kind.NUMBER, "'-'")
            return Kind.NUMBER
        case Junction(operator=operator, parts=parts):
            for part in parts:
                _want(part, _kind(part, kinds), Kind.TRUTH, f"'{operator}'")
            return Kind.TRUTH
        case Binary(operator="+" | "-" | "*" | "/" as operator, left=left, right=right):
            for part in (left, right):
                _want(part, _kind(part, kinds), Kind.NUMBER, f"'{operator}'")
            return Kind.NUMBER
        case Binary():
            _comparison(node, kinds)
            return Kind.TRUTH
        case Call():
            return _call(node, kinds)


def _comparison(node: Binary, kinds: Mapping[str, Kind]) -> None:
    left, right = _kind(node.left, kinds), _kind(node.right, kinds)
    if node.operator == "in":
        if right not in {Kind.LIST, Kind.MAP, Kind.ANY}:
            raise ConditionError(node.right.column, f"'in' needs a list on its right, not {right}")
        if isinstance(node.right, ListOf):
            _one_kind(node.column, [left, *(_kind(item, kinds) for item in node.right.items)])
        return
    if node.operator not in {"==", "!="}:
        for part, kind in ((node.left, left), (node.right, right)):
            if kind not in ORDERED:
                raise ConditionError(part.column, f"'{node.operator}' orders numbers or texts, not {kind}")
    if Kind.ANY not in {left, right} and left != right and Kind.NULL not in {left, right}:
        raise ConditionError(
            node.column, f"{left} cannot be compared with {right}; number(x) makes a number of a decimal text"
        )


def _call(node: Call, kinds: Mapping[str, Kind]) -> Kind:
    found = [_kind(argument, kinds) for argument in node.arguments]
    match node.function:
        case "has":
            return Kind.TRUTH
        case "size":
            if found[0] not in SIZED:
                raise ConditionError(node.arguments[0].column, f"size() measures texts, lists and maps, not {found[0]}")
        case "number":
            if found[0] not in {Kind.TEXT, Kind.NUMBER, Kind.ANY}:
                raise ConditionError(node.arguments[0].column, f"number() takes a decimal text, not {found[0]}")
        case name:
            for argument, kind in zip(node.arguments, found, strict=True):
                _want(argument, kind, Kind.NUMBER, f"{name}()")
    return Kind.NUMBER


def _want(node: Node, found: Kind, wanted: Kind, where: str) -> None:
    if found not in {wanted, Kind.ANY}:
        raise ConditionError(node.column, f"{where} needs {wanted} here, not {found}")


def _one_kind(column: int, found: list[Kind]) -> None:
    known = [kind for kind in found if kind not in {Kind.ANY, Kind.NULL}]
    if len(set(known)) > 1:
        raise ConditionError(column, f"{known[0]} and {next(k for k in known if k != known[0])} cannot be compared")


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
