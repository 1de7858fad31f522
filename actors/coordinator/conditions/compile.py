"""Tree to closures.  A closure takes a payload and gives a value, or an ``Unknown`` that says why there is none.

Nothing here raises on any payload: what Python would answer with an exception, or worse with a value (``True > 0``), is
unknown.  ``&&`` and ``||`` stop at what decides them, and look past an unknown part for such a one.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alluse_hub.actors.coordinator.conditions.check import kind_of
from alluse_hub.actors.coordinator.conditions.tree import (
    Binary,
    Call,
    Field,
    Junction,
    Kind,
    ListOf,
    Literal,
    Node,
    Unary,
)


@dataclass(frozen=True, slots=True)
class Unknown:
    """No value, and the first reason found for that."""

    why: str


Value = Any  # a JSON value or Unknown; each use below tests which before it looks inside
Payload = Mapping[str, Any]  # a JSON object
Closure = Callable[[Payload], Value]

NESTED_MAX = 20
"""Levels down to which lists are compared."""

DECIMAL = re.compile(r"-?\d{1,30}(\.\d{1,30})?")
"""A plain decimal number, as money is written: no exponent, no blanks, no sign but minus."""

ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {  # Any: two numbers or two texts
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC: dict[str, Callable[[Any, Any], float]] = {  # Any: two numbers
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
NUMBERS = frozenset({int, float})


def compiled(node: Node) -> Closure:
    match node:
        case Literal(value=value):
            return lambda _: value
        case ListOf(items=items):
            return _list(tuple(compiled(item) for item in items))
        case Field(path=(name,)):
            return _field(name)
        case Field():
            return _path(node)
        case Unary(operator="!", operand=operand):
            return _not(compiled(operand))
        case Unary(operand=operand):
            return _negative(compiled(operand))
        case Junction(operator="&&", parts=parts):
            return _junction(tuple(compiled(part) for part in parts), decides=False, sign="&&")
        case Junction(parts=parts):
            return _junction(tuple(compiled(part) for part in parts), decides=True, sign="||")
        case Binary(operator="==" | "!=" as sign, left=left, right=right):
            return _equality(compiled(left), compiled(right), negate=sign == "!=")
        case Binary(operator="in", left=left, right=right):
            return _membership(compiled(left), compiled(right))
        case Binary(operator=sign, left=left, right=right) if sign in ORDERINGS:
            return _ordering(sign, compiled(left), compiled(right))
        case Binary(operator=sign, left=left, right=right):
            return _arithmetic(sign, compiled(left), compiled(right))
        case Call(function="has", arguments=arguments):
            return _has(compiled(arguments[0]))
        case Call(function=name, arguments=arguments):
            return _call(name, tuple(compiled(argument) for argument in arguments))


def _missing(name: str) -> Unknown:
    return Unknown(f"{name} is missing")


def _field(name: str) -> Closure:
    missing = _missing(name)
    return lambda payload: payload.get(name, missing)


def _path(field: Field) -> Closure:
    missing = _missing(field.name)

    def value(payload: Payload) -> Value:
        at: Value = payload
        for step in field.path:
            if not isinstance(at, Mapping) or step not in at:
                return missing
            at = at[step]
        return at

    return value


def _has(field: Closure) -> Closure:
    return lambda payload: type(field(payload)) is not Unknown


def _list(items: tuple[Closure, ...]) -> Closure:
    def value(payload: Payload) -> Value:
        values = [item(payload) for item in items]
        return next((v for v in values if type(v) is Unknown), values)

    return value


def _not(operand: Closure) -> Closure:
    def value(payload: Payload) -> Value:
        found = operand(payload)
        if found is True:
            return False
        if found is False:
            return True
        return _wrong("'!'", Kind.TRUTH, found)

    return value


def _negative(operand: Closure) -> Closure:
    def value(payload: Payload) -> Value:
        found = operand(payload)
        return -found if type(found) in NUMBERS else _wrong("'-'", Kind.NUMBER, found)

    return value


def _wrong(where: str, wanted: Kind, found: Value) -> Unknown:
    return found if type(found) is Unknown else Unknown(f"{where} needs {wanted}, not {kind_of(found)}")


def _junction(parts: tuple[Closure, ...], *, decides: bool, sign: str) -> Closure:
    def value(payload: Payload) -> Value:
        unknown: Unknown | None = None
        for part in parts:
            found = part(payload)
            if found is decides:
                return decides
            if found is not (not decides) and unknown is None:
                unknown = _wrong(f"'{sign}'", Kind.TRUTH, found)
        return not decides if unknown is None else unknown

    return value


def _ordering(sign: str, left: Closure, right: Closure) -> Closure:
    compare = ORDERINGS[sign]

    def value(payload: Payload) -> Value:
        a, b = left(payload), right(payload)
        kind, other = type(a), type(b)
        if (kind in NUMBERS and other in NUMBERS) or (kind is str and other is str):
            return compare(a, b)
        if kind is Unknown:
            return a
        if other is Unknown:
            return b
        return Unknown(f"'{sign}' cannot compare {kind_of(a)} with {kind_of(b)}")

    return value


def _equality(left: Closure, right: Closure, *, negate: bool) -> Closure:
    def value(payload: Payload) -> Value:
        equal = _equal(left(payload), right(payload), 0)
        return equal if type(equal) is Unknown else equal is not negate

    return value


def _equal(a: Value, b: Value, depth: int) -> bool | Unknown:
    if type(a) is Unknown:
        return a
    if type(b) is Unknown:
        return b
    kind, other = kind_of(a), kind_of(b)
    if Kind.NULL in {kind, other}:
        return kind == other
    if kind != other:
        return Unknown(f"{kind} cannot be compared with {other}")
    if kind is Kind.MAP:
        return Unknown("maps cannot be compared; compare their fields")
    if kind is not Kind.LIST:
        return bool(a == b)
    if depth >= NESTED_MAX:
        return Unknown(f"lists nested deeper than {NESTED_MAX} levels cannot be compared")
    if len(a) != len(b):
        return False
    pairs = [_equal(x, y, depth + 1) for x, y in zip(a, b, strict=True)]
    if False in pairs:
        return False
    return next((pair for pair in pairs if type(pair) is Unknown), True)


def _membership(left: Closure, right: Closure) -> Closure:
    def value(payload: Payload) -> Value:
        item, among = left(payload), right(payload)
        if type(item) is Unknown:
            return item
        if type(among) is Unknown:
            return among
        if isinstance(among, Mapping):
            return item in among if isinstance(item, str) else Unknown(f"'in' a map needs text, not {kind_of(item)}")
        if not isinstance(among, list | tuple):
            return Unknown(f"'in' needs a list on its right, not {kind_of(among)}")
        found = [_equal(item, other, 0) for other in among]
        if True in found:
            return True
        return next((answer for answer in found if type(answer) is Unknown), False)

    return value


def _arithmetic(sign: str, left: Closure, right: Closure) -> Closure:
    function = ARITHMETIC[sign]

    def value(payload: Payload) -> Value:
        a, b = left(payload), right(payload)
        if type(a) not in NUMBERS:
            return _wrong(f"'{sign}'", Kind.NUMBER, a)
        if type(b) not in NUMBERS:
            return _wrong(f"'{sign}'", Kind.NUMBER, b)
        try:
            return _finite(function(a, b))
        except ZeroDivisionError:
            return Unknown("division by zero")
        except OverflowError:
            return Unknown(f"the result of '{sign}' is too large")

    return value


def _finite(number: float) -> float | Unknown:
    if isinstance(number, float) and not math.isfinite(number):
        return Unknown("not a finite number")
    return number


def _call(name: str, arguments: tuple[Closure, ...]) -> Closure:
    function = FUNCTIONS[name]

    def value(payload: Payload) -> Value:
        values = [argument(payload) for argument in arguments]
        return next((v for v in values if type(v) is Unknown), None) or function(values)

    return value


def _numbers(name: str, function: Callable[[list[Any]], Value]) -> Callable[[list[Any]], Value]:
    def value(values: list[Any]) -> Value:
        wrong = next((v for v in values if type(v) not in NUMBERS), None)
        return function(values) if wrong is None and None not in values else _wrong(f"{name}()", Kind.NUMBER, wrong)

    return value


def _size(values: list[Any]) -> Value:
    if isinstance(values[0], str | list | tuple | Mapping):
        return len(values[0])
    return Unknown(f"size() measures texts, lists and maps, not {kind_of(values[0])}")


def _number(values: list[Any]) -> Value:
    """A decimal text as the nearest number; a number as itself."""
    found = values[0]
    if type(found) in NUMBERS:
        return found
    if isinstance(found, str) and DECIMAL.fullmatch(found):
        return float(found) if "." in found else int(found)
    what = "this text" if isinstance(found, str) else kind_of(found)
    return Unknown(f"number() takes a plain decimal number such as '12.50', not {what}")


FUNCTIONS: dict[str, Callable[[list[Any]], Value]] = {
    "abs": _numbers("abs", lambda values: abs(values[0])),
    "min": _numbers("min", min),
    "max": _numbers("max", max),
    "size": _size,
    "number": _number,
}
