"""What the operators and functions do with values, and where they have none to give.

Nothing here raises on any payload: what Python would answer with an exception, or worse with a value (``True > 0``,
``"ab" * 9``), is ``Unknown``.  Numbers are of one kind and whole ones are exact; whatever no 64-bit float could hold is
unknown, which keeps infinities, NaN and very long numbers out.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alluse_hub.protocols.conditions.patterns import Pattern
from alluse_hub.protocols.conditions.tree import Kind, kind_of

Value = Any  # a JSON value or Unknown; each use below tests which before it looks inside

NESTED_MAX = 20
"""Levels down to which lists are compared."""

ITEMS_MAX = 1_000
"""Items of a list of an event that ``in``, ``==`` or a loop looks through."""

SUBJECT_MAX = 4_096
"""Characters of a text that ``matches`` reads."""

NUMBER_MAX = math.ldexp(1 - 2**-53, 1024)
"""The largest 64-bit float."""

DECIMAL = re.compile(r"-?\d{1,30}(\.\d{1,30})?", re.ASCII)
"""A plain decimal number, as money is written: no exponent, no blanks, no sign but minus."""

NUMBERS = frozenset({int, float})


class Doubt(StrEnum):
    """Why there is no value."""

    MISSING = "missing"  # a field is not there
    TYPE = "type"  # a value is of the wrong kind
    MIXED = "mixed"  # values of different kinds, or maps, are compared
    NUMBER = "number"  # no finite number comes of it
    BOUND = "bound"  # longer, deeper or larger than is looked at
    STREAM = "stream"  # a window cannot tell: it is young, or an event in it could not be read


@dataclass(frozen=True, slots=True)
class Unknown:
    """No value, and the first reason found for that."""

    why: str
    doubt: Doubt = Doubt.TYPE


ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {  # Any: two numbers or two texts
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def remainder(a: float, b: float) -> float:
    """With the sign of ``a``, as in CEL; exact for whole numbers of any size.  Raises ZeroDivisionError."""
    if isinstance(a, int) and isinstance(b, int):
        rest = abs(a) % abs(b)
        return -rest if a < 0 else rest
    if b == 0:
        raise ZeroDivisionError
    return math.fmod(a, b)


ARITHMETIC: dict[str, Callable[[Any, Any], float]] = {  # Any: two numbers
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": remainder,
}


def missing(name: str) -> Unknown:
    return Unknown(f"{name} is missing", Doubt.MISSING)


def step_into(value: Value, path: Sequence[str], name: str) -> Value:
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return missing(name)
        value = value[step]
    return value


def wrong(where: str, wanted: Kind, found: Value) -> Unknown:
    return found if type(found) is Unknown else Unknown(f"{where} needs {wanted}, not {kind_of(found)}")


def negated(value: Value) -> Value:
    return not value if value is True or value is False else wrong("'!'", Kind.TRUTH, value)


def negative(value: Value) -> Value:
    return -value if type(value) in NUMBERS else wrong("'-'", Kind.NUMBER, value)


def ordered(sign: str, a: Value, b: Value) -> bool | Unknown:
    kind, other = type(a), type(b)
    if (kind in NUMBERS and other in NUMBERS) or (kind is str and other is str):
        return ORDERINGS[sign](a, b)
    if kind is Unknown:
        return a  # type: ignore[no-any-return]  # its type was just tested
    if other is Unknown:
        return b  # type: ignore[no-any-return]
    return Unknown(f"'{sign}' cannot compare {kind_of(a)} with {kind_of(b)}")


def equal(a: Value, b: Value, depth: int = 0) -> bool | Unknown:
    if type(a) is Unknown:
        return a
    if type(b) is Unknown:
        return b
    kind, other = kind_of(a), kind_of(b)
    if Kind.NULL in {kind, other}:
        return kind == other
    if kind != other:
        return Unknown(f"{kind} cannot be compared with {other}", Doubt.MIXED)
    if kind is Kind.MAP:
        return Unknown("maps cannot be compared; compare their fields", Doubt.MIXED)
    if kind is not Kind.LIST:
        return bool(a == b)
    if depth >= NESTED_MAX:
        return Unknown(f"lists nested deeper than {NESTED_MAX} levels cannot be compared", Doubt.BOUND)
    if len(a) != len(b):
        return False
    if len(a) > ITEMS_MAX:
        return too_long(a)
    pairs = [equal(x, y, depth + 1) for x, y in zip(a, b, strict=True)]
    return False if False in pairs else next((pair for pair in pairs if type(pair) is Unknown), True)


def too_long(items: Sequence[object]) -> Unknown:
    return Unknown(f"a list of {len(items)} is longer than the {ITEMS_MAX} that are looked through", Doubt.BOUND)


def member(item: Value, among: Value) -> bool | Unknown:
    if type(item) is Unknown:
        return item
    if type(among) is Unknown:
        return among
    if isinstance(among, Mapping):
        if isinstance(item, str):
            return item in among
        return Unknown(f"'in' a map needs text, not {kind_of(item)}", Doubt.MIXED)
    if not isinstance(among, list | tuple):
        return Unknown(f"'in' needs a list on its right, not {kind_of(among)}")
    if len(among) > ITEMS_MAX:
        return too_long(among)
    found = [equal(item, other) for other in among]
    return True if True in found else next((answer for answer in found if type(answer) is Unknown), False)


def calculated(sign: str, a: Value, b: Value) -> Value:
    for value in (a, b):
        if type(value) not in NUMBERS:
            return wrong(f"'{sign}'", Kind.NUMBER, value)
    try:
        found = ARITHMETIC[sign](a, b)
    except ZeroDivisionError:
        return Unknown("division by zero", Doubt.NUMBER)
    except OverflowError:
        return Unknown(f"the result of '{sign}' is too large", Doubt.NUMBER)
    return bounded(sign, found)


def bounded(sign: str, number: float) -> float | Unknown:
    """Of a whole number and a float the comparison is exact, and false for NaN."""
    if -NUMBER_MAX <= number <= NUMBER_MAX:
        return number
    return Unknown(f"the result of '{sign}' is not a finite number", Doubt.NUMBER)


# --- functions --------------------------------------------------------------------------------------------------------


def size(values: Sequence[Value]) -> Value:
    if isinstance(values[0], str | list | tuple | Mapping):
        return len(values[0])
    return Unknown(f"size() measures texts, lists and maps, not {kind_of(values[0])}")


def number(values: Sequence[Value]) -> Value:
    """A decimal text as the nearest number; a number as itself."""
    found = values[0]
    if type(found) in NUMBERS:
        return found
    if isinstance(found, str) and DECIMAL.fullmatch(found):
        return float(found) if "." in found else int(found)
    what = "this text" if isinstance(found, str) else kind_of(found)
    return Unknown(f"number() takes a plain decimal number such as '12.50', not {what}")


def _of_numbers(name: str, function: Callable[[Sequence[Any]], Value]) -> Callable[[Sequence[Any]], Value]:
    def value(values: Sequence[Any]) -> Value:
        strange = [item for item in values if type(item) not in NUMBERS]
        return wrong(f"{name}()", Kind.NUMBER, strange[0]) if strange else function(values)

    return value


def _of_texts(name: str, function: Callable[[str, str], bool]) -> Callable[[Sequence[Any]], Value]:
    def value(values: Sequence[Any]) -> Value:
        strange = [item for item in values if type(item) is not str]
        return wrong(f"{name}()", Kind.TEXT, strange[0]) if strange else function(values[0], values[1])

    return value


def matches(subject: Value, pattern: Pattern) -> Value:
    if type(subject) is not str:
        return wrong("matches()", Kind.TEXT, subject)
    if len(subject) > SUBJECT_MAX:
        return Unknown(f"matches() reads at most {SUBJECT_MAX} characters, not {len(subject)}", Doubt.BOUND)
    return pattern.is_found_in(subject)


FUNCTIONS: dict[str, Callable[[Sequence[Any]], Value]] = {
    "abs": _of_numbers("abs", lambda values: abs(values[0])),
    "min": _of_numbers("min", min),
    "max": _of_numbers("max", max),
    "size": size,
    "number": number,
    "startsWith": _of_texts("startsWith", str.startswith),
    "endsWith": _of_texts("endsWith", str.endswith),
    "contains": _of_texts("contains", lambda text, part: part in text),
}
"""All but ``has``, which is about fields, and ``matches``, whose pattern is read once."""
