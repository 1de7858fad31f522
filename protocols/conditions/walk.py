"""The meaning of a tree: a walk that gives true, false, another value, or ``Unknown`` with the reason.

``&&``, ``||``, ``all`` and ``exists`` look past an unknown part for one that decides, as CEL asks; everything else has
no value if one of its parts has none.  This is the definition; ``compile`` is a faster way to the same values.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from alluse_hub.protocols.conditions.patterns import Pattern
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
    Variable,
    Window,
    kind_of,
)
from alluse_hub.protocols.conditions.values import (
    FUNCTIONS,
    ITEMS_MAX,
    ORDERINGS,
    Doubt,
    Unknown,
    Value,
    calculated,
    equal,
    matches,
    member,
    negated,
    negative,
    ordered,
    step_into,
    too_long,
    wrong,
)

Payload = Mapping[str, Any]  # a JSON object


class Windows(Protocol):
    """What functions of streams say of the event in hand."""

    def value(self, window: Window, payload: Payload) -> Value: ...
    def shown(self, window: Window, payload: Payload) -> str:
        """The value for people, with how far it may be off."""


class NoWindows:
    """Of a condition that is asked outside a hub."""

    def value(self, window: Window, _payload: Payload) -> Value:
        return Unknown(f"{window.function}() of {window.streams[0].text} is not watched", Doubt.STREAM)

    def shown(self, _window: Window, _payload: Payload) -> str:
        return "not watched"


NO_WINDOWS = NoWindows()

INNER_MAX = 100
"""Items of a list that is looped over for each item of another."""


class Walk:
    """``doubts``: every unknown met on the way, decisive or not, in order."""

    def __init__(self, payload: Payload, windows: Windows, patterns: Mapping[str, Pattern]) -> None:
        self._payload = payload
        self._windows = windows
        self._patterns = patterns
        self._variables: dict[str, Value] = {}
        self.doubts: list[Unknown] = []

    def value(self, node: Node) -> Value:
        found = self._value(node)
        if type(found) is Unknown:
            self.doubts.append(found)
        return found

    def _value(self, node: Node) -> Value:
        match node:
            case Literal(value=value):
                return value
            case Field(path=path):
                return step_into(self._payload, path, node.name)
            case Variable(name=name, path=path):
                return step_into(self._variables[name], path, node.text)
            case ListOf(items=items):
                return self._each(items)
            case Unary(operator="!", operand=operand):
                return negated(self.value(operand))
            case Unary(operand=operand):
                return negative(self.value(operand))
            case Junction(operator=sign, parts=parts):
                return self._junction(sign, parts)
            case Binary(operator="==", left=left, right=right):
                return equal(self.value(left), self.value(right))
            case Binary(operator="!=", left=left, right=right):
                return negated(equal(self.value(left), self.value(right)))
            case Binary(operator="in", left=left, right=right):
                return member(self.value(left), self.value(right))
            case Binary(operator=sign, left=left, right=right) if sign in ORDERINGS:
                return ordered(sign, self.value(left), self.value(right))
            case Binary(operator=sign, left=left, right=right):
                return calculated(sign, self.value(left), self.value(right))
            case Call(function="has", arguments=arguments):
                return type(self._value(arguments[0])) is not Unknown
            case Call(function="matches", arguments=(subject, Literal(value=str() as text))):
                return matches(self.value(subject), self._patterns[text])
            case Call(function=name, arguments=arguments):
                values = self._each(arguments)
                return values if type(values) is Unknown else FUNCTIONS[name](values)
            case Loop():
                return self._loop(node)
            case Window():
                return self._windows.value(node, self._payload)

    def _each(self, nodes: Sequence[Node]) -> Value:
        values = [self.value(node) for node in nodes]
        return next((value for value in values if type(value) is Unknown), values)

    def _junction(self, sign: str, parts: Sequence[Node]) -> Value:
        decides = sign == "||"
        unknown: Unknown | None = None
        for part in parts:
            found = self.value(part)
            if found is decides:
                return decides
            if found is not (not decides):
                unknown = unknown or self._no_truth(f"'{sign}'", found)
        return not decides if unknown is None else unknown

    def _no_truth(self, where: str, found: Value) -> Unknown:
        unknown = wrong(where, Kind.TRUTH, found)
        if unknown is not found:
            self.doubts.append(unknown)
        return unknown

    def _loop(self, loop: Loop) -> Value:
        over = self.value(loop.over)
        if type(over) is Unknown:
            return over
        if not isinstance(over, list | tuple | Mapping):
            return Unknown(f"{loop.function}() goes over a list, not {kind_of(over)}")
        items = list(over)  # of a map the names, as in CEL
        if len(items) > (INNER_MAX if self._variables else ITEMS_MAX):
            if len(items) > ITEMS_MAX:
                return too_long(items)
            return Unknown(f"a list of {len(items)} is longer than the {INNER_MAX} of an inner loop", Doubt.BOUND)
        answers = []
        for item in items:
            self._variables[loop.variable] = item
            answers.append(self.value(loop.body))
            if loop.function != "map" and answers[-1] is not True and answers[-1] is not False:
                answers[-1] = self._no_truth(f"{loop.function}()", answers[-1])
            if (loop.function == "exists" and answers[-1] is True) or (loop.function == "all" and answers[-1] is False):
                break
        self._variables.pop(loop.variable, None)
        return gathered(loop.function, items, answers)


def gathered(function: str, items: Sequence[Value], answers: Sequence[Value]) -> Value:
    """The value of a loop, from what its body said of each item: true, false or unknown, but for ``map``."""
    unknown = next((answer for answer in answers if type(answer) is Unknown), None)
    if function in {"exists", "all"}:
        decides = function == "exists"
        if any(answer is decides for answer in answers):
            return decides
        return not decides if unknown is None else unknown
    if unknown is not None:
        return unknown
    if function == "map":
        return list(answers)
    if function == "exists_one":
        return answers.count(True) == 1
    return [item for item, answer in zip(items, answers, strict=True) if answer]
