"""Tree to Python: the fast way to a condition's value, for events that have all it asks for.

The text of a function is generated and compiled once.  It does plainly what the walk does with values of the right
kinds and raises one of ``NO_VALUE`` at the first that is not, or is not there; then the walk is asked.  So where the
function answers, evaluation has met nothing strange on its way, and its answer is the walk's.  That is tested, not
trusted.

What is generated holds no text of the condition's author: names of fields and literals are handed in as constants.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alluse_hub.protocols.conditions.calls import TRUTH_LOOPS, TRUTH_WINDOWS
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
    NUMBER_MAX,
    NUMBERS,
    ORDERINGS,
    Unknown,
    Value,
    equal,
    matches,
    member,
    ordered,
    remainder,
    step_into,
)
from alluse_hub.protocols.conditions.walk import INNER_MAX, Payload


class NoValueError(Exception):
    """Raised by what is generated: ask the walk."""


NO_VALUE = (NoValueError, KeyError, TypeError, ZeroDivisionError, OverflowError)

Fast = Callable[[Payload, Callable[[Window, Payload], Value]], bool]


def compiled(root: Node, patterns: Mapping[str, Pattern]) -> Fast:
    writer = _Writer(patterns)
    source = f"def fast(p, w):\n    return {writer.truth(root)}\n"
    names = {**HELPERS, **writer.constants}
    exec(compile(source, "<condition>", "exec"), names)  # noqa: S102  # our own text; see above
    fast: Fast = names["fast"]
    return fast


class _Writer:
    def __init__(self, patterns: Mapping[str, Pattern]) -> None:
        self.constants: dict[str, Any] = {}
        self._patterns = patterns
        self._temporaries = 0
        self._variables: dict[str, str] = {}

    def truth(self, node: Node) -> str:
        code, kind = self._code(node)
        if kind is Kind.TRUTH:
            return code
        if kind is not Kind.ANY:
            return "no()"
        name = self._temporary()
        return f"({name} if ({name} := {code}) is True or {name} is False else no())"

    def _number(self, node: Node) -> str:
        return self._guarded(node, Kind.NUMBER, "in N")

    def _text(self, node: Node) -> str:
        return self._guarded(node, Kind.TEXT, "is str")

    def _guarded(self, node: Node, wanted: Kind, test: str) -> str:
        code, kind = self._code(node)
        if kind is wanted:
            return code
        if kind is not Kind.ANY:
            return "no()"
        name = self._temporary()
        return f"({name} if type({name} := {code}) {test} else no())"

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"

    def _constant(self, value: object) -> str:
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def _code(self, node: Node) -> tuple[str, Kind]:
        """The text, and the kind that its value is sure to have."""
        match node:
            case Literal(value=value):
                return self._constant(value), kind_of(value)
            case Field(path=path):
                return "p" + self._steps(path), Kind.ANY
            case Variable(name=name, path=path):
                return self._variables[name] + self._steps(path), Kind.ANY
            case ListOf(items=items):
                return f"[{', '.join(self._code(item)[0] for item in items)}]", Kind.LIST
            case Unary(operator="!", operand=operand):
                return f"(not {self.truth(operand)})", Kind.TRUTH
            case Unary(operand=operand):
                return f"(-{self._number(operand)})", Kind.NUMBER
            case Junction(operator=sign, parts=parts):
                word = " and " if sign == "&&" else " or "
                return f"({word.join(self.truth(part) for part in parts)})", Kind.TRUTH
            case Binary(operator="==" | "!=" as sign, left=left, right=right):
                return self._equality(sign, left, right), Kind.TRUTH
            case Binary(operator="in", left=left, right=right):
                return self._membership(left, right), Kind.TRUTH
            case Binary(operator=sign, left=left, right=right) if sign in ORDERINGS:
                return self._ordering(sign, left, right), Kind.TRUTH
            case Binary(operator=sign, left=left, right=right):
                a, b, name = self._number(left), self._number(right), self._temporary()
                result = f"rest({a}, {b})" if sign == "%" else f"({a} {sign} {b})"
                return f"({name} if LEAST <= ({name} := {result}) <= MOST else no())", Kind.NUMBER
            case Call():
                return self._call(node)
            case Loop():
                return self._loop(node)
            case Window(function=function):
                code, name = f"w({self._constant(node)}, p)", self._temporary()
                if function in TRUTH_WINDOWS:
                    return f"({name} if ({name} := {code}) is True or {name} is False else no())", Kind.TRUTH
                return f"({name} if type({name} := {code}) in N else no())", Kind.NUMBER

    def _steps(self, path: Sequence[str]) -> str:
        return "".join(f"[{self._constant(step)}]" for step in path)

    def _sides(self, left: Node, right: Node) -> tuple[str, str, Kind]:
        """Both sides brought to one kind, if the kind of one is known; else as they are."""
        kinds = {kind for kind in (_sure_kind(left), _sure_kind(right)) if kind is not Kind.ANY}
        if kinds == {Kind.NUMBER}:
            return self._number(left), self._number(right), Kind.NUMBER
        if kinds == {Kind.TEXT}:
            return self._text(left), self._text(right), Kind.TEXT
        if kinds == {Kind.TRUTH}:
            return self.truth(left), self.truth(right), Kind.TRUTH
        return self._code(left)[0], self._code(right)[0], Kind.ANY

    def _equality(self, sign: str, left: Node, right: Node) -> str:
        a, b, kind = self._sides(left, right)
        if kind is not Kind.ANY:
            return f"({a} {sign} {b})"
        return f"equal({a}, {b})" if sign == "==" else f"(not equal({a}, {b}))"

    def _ordering(self, sign: str, left: Node, right: Node) -> str:
        a, b, kind = self._sides(left, right)
        if kind in {Kind.NUMBER, Kind.TEXT}:
            return f"({a} {sign} {b})"
        return f"ordered({self._constant(sign)}, {a}, {b})"

    def _membership(self, left: Node, right: Node) -> str:
        if isinstance(right, ListOf) and right.items and all(isinstance(item, Literal) for item in right.items):
            values = [item.value for item in right.items if isinstance(item, Literal)]
            kinds = {kind_of(value) for value in values}
            if kinds == {Kind.NUMBER}:
                return f"({self._number(left)} in {self._constant(frozenset(values))})"
            if kinds == {Kind.TEXT}:
                return f"({self._text(left)} in {self._constant(frozenset(values))})"
        return f"member({self._code(left)[0]}, {self._code(right)[0]})"

    def _call(self, call: Call) -> tuple[str, Kind]:
        kind = RESULTS[call.function]
        match call:
            case Call(function="has", arguments=(Field(path=path),)):
                return f"has(p, {self._constant(path)})", kind
            case Call(function="has", arguments=(Variable(name=name, path=path),)):
                return f"has({self._variables[name]}, {self._constant(path)})", kind
            case Call(function="matches", arguments=(subject, Literal(value=str() as text))):
                return f"matched({self._text(subject)}, {self._constant(self._patterns[text])})", kind
            case Call(function="startsWith" | "endsWith" as name, arguments=(text, part)):
                return f"{self._text(text)}.{name.lower()}({self._text(part)})", kind
            case Call(function="contains", arguments=(text, part)):
                first, name = self._text(text), self._temporary()
                return f"(({name} := {first}), {self._text(part)} in {name})[1]", kind
            case Call(function="abs" | "min" | "max" as name, arguments=arguments):
                return f"{name}({', '.join(self._number(argument) for argument in arguments)})", kind
            case Call(function=name, arguments=(argument,)):
                return f"called({self._constant(FUNCTIONS[name])}, {self._code(argument)[0]})", kind
            case _:
                raise AssertionError(f"{call.function}() is not known to the compiler")

    def _loop(self, loop: Loop) -> tuple[str, Kind]:
        most = INNER_MAX if self._variables else ITEMS_MAX
        items = f"items({self._code(loop.over)[0]}, {most})"
        variable = self._temporary()
        self._variables[loop.variable] = variable
        body = self._code(loop.body)[0] if loop.function == "map" else self.truth(loop.body)
        del self._variables[loop.variable]
        kind = Kind.TRUTH if loop.function in TRUTH_LOOPS else Kind.LIST
        return f"{loop.function}_in({items}, lambda {variable}: {body})", kind


RESULTS: dict[str, Kind] = {
    "abs": Kind.NUMBER,
    "min": Kind.NUMBER,
    "max": Kind.NUMBER,
    "size": Kind.NUMBER,
    "number": Kind.NUMBER,
    "has": Kind.TRUTH,
    "startsWith": Kind.TRUTH,
    "endsWith": Kind.TRUTH,
    "contains": Kind.TRUTH,
    "matches": Kind.TRUTH,
}


def _sure_kind(node: Node) -> Kind:
    """The kind that its value has, if it has one, whatever the event."""
    match node:
        case Literal(value=value):
            return kind_of(value)
        case Field() | Variable():
            return Kind.ANY
        case Unary(operator="-") | Binary(operator="+" | "-" | "*" | "/" | "%"):
            return Kind.NUMBER
        case Unary() | Junction() | Binary():
            return Kind.TRUTH
        case ListOf():
            return Kind.LIST
        case Call(function=function):
            return RESULTS[function]
        case Loop(function=function):
            return Kind.TRUTH if function in TRUTH_LOOPS else Kind.LIST
        case Window(function=function):
            return Kind.TRUTH if function in TRUTH_WINDOWS else Kind.NUMBER


# --- what generated text calls ----------------------------------------------------------------------------------------

Body = Callable[[Any], Any]  # of an item of a JSON list


def _no() -> bool:
    raise NoValueError


def _sure(value: Value) -> Any:  # a JSON value
    if type(value) is Unknown:
        raise NoValueError
    return value


def _items(over: object, most: int) -> Sequence[Any]:
    if isinstance(over, Mapping):
        over = list(over)
    if not isinstance(over, list | tuple) or len(over) > most:
        raise NoValueError
    return over


def _exists(items: Sequence[Any], body: Body) -> bool:
    for item in items:  # noqa: SIM110  # any() and its generator take half as long again
        if body(item):
            return True
    return False


def _all(items: Sequence[Any], body: Body) -> bool:
    for item in items:  # noqa: SIM110  # as above
        if not body(item):
            return False
    return True


HELPERS: dict[str, Any] = {
    "__builtins__": {},
    "LEAST": -NUMBER_MAX,
    "MOST": NUMBER_MAX,
    "N": NUMBERS,
    "type": type,
    "str": str,
    "abs": abs,
    "min": min,
    "max": max,
    "no": _no,
    "rest": remainder,
    "equal": lambda a, b: _sure(equal(a, b)),
    "ordered": lambda sign, a, b: _sure(ordered(sign, a, b)),
    "member": lambda item, among: _sure(member(item, among)),
    "matched": lambda subject, pattern: _sure(matches(subject, pattern)),
    "called": lambda function, argument: _sure(function((argument,))),
    "has": lambda of, path: type(step_into(of, path, "")) is not Unknown,
    "items": _items,
    "exists_in": _exists,
    "all_in": _all,
    "exists_one_in": lambda items, body: sum(map(body, items)) == 1,
    "filter_in": lambda items, body: [item for item in items if body(item)],
    "map_in": lambda items, body: [body(item) for item in items],
}
