"""Tree to text: the shortest writing with the same meaning.  Reading it gives the tree again."""

from alluse_hub.protocols.conditions.lex import quoted
from alluse_hub.protocols.conditions.tree import (
    Binary,
    Call,
    Clock,
    Field,
    Junction,
    ListOf,
    Literal,
    Loop,
    Node,
    Unary,
    Variable,
    Window,
)

LEVELS = {"||": 0, "&&": 1, "+": 3, "-": 3, "*": 4, "/": 4, "%": 4}
COMPARISON, SIGN, VALUE = 2, 5, 6


def text_of(node: Node) -> str:
    return _text(node)[0]


def _text(node: Node) -> tuple[str, int]:
    """The text, and how tightly its loosest operator binds."""
    match node:
        case Literal(value=value):
            return literal(value), VALUE
        case Field(name=name):
            return name, VALUE
        case Variable(text=text):
            return text, VALUE
        case ListOf(items=items):
            return f"[{_listed(items)}]", VALUE
        case Unary(operator=operator, operand=operand):
            return f"{operator}{_within(operand, SIGN)}", SIGN
        case Junction(operator=operator, parts=parts):
            level = LEVELS[operator]
            return f" {operator} ".join(_within(part, level + 1) for part in parts), level
        case Binary(operator=operator, left=left, right=right):
            level = LEVELS.get(operator, COMPARISON)
            least = level + (level == COMPARISON)  # comparisons do not chain; the others go from left to right
            return f"{_within(left, least)} {operator} {_within(right, level + 1)}", level
        case Call(function=name, arguments=(of, *rest), is_method=True):
            return f"{_within(of, VALUE)}.{name}({_listed(rest)})", VALUE
        case Call(function=name, arguments=arguments):
            return f"{name}({_listed(arguments)})", VALUE
        case Loop(function=name, over=over, variable=variable, body=body):
            return f"{_within(over, VALUE)}.{name}({variable}, {text_of(body)})", VALUE
        case Window():
            return _window(node), VALUE


def _listed(nodes: tuple[Node, ...] | list[Node]) -> str:
    return ", ".join(text_of(node) for node in nodes)


def _within(node: Node, least: int) -> str:
    text, level = _text(node)
    return text if level >= least else f"({text})"


def _window(window: Window) -> str:
    parts = [stream.text for stream in window.streams]
    if window.span is not None:
        parts.append(f'"{window.span}"')
    elif window.clock is Clock.MARKET:
        parts.append(f'"{window.clock}"')
    if window.where is not None:
        parts.append(f"where({text_of(window.where)})")
    if window.by is not None:
        theirs, ours = ".".join(window.by.theirs), window.by.ours.name
        parts.append(f"by({theirs})" if theirs == ours else f"by({theirs}, {ours})")
    if window.is_partial:
        parts.append("partial()")
    return f"{window.function}({', '.join(parts)})"


def literal(value: float | str | None) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case _:
            return repr(value)
