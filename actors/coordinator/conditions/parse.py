"""Text to tree, by precedence climbing, with CEL's precedence: ``||``, ``&&``, comparison, sum, product, sign, value.

Every error names the column and what would be right; the commonest slips of other languages are answered by name.
"""

import re
from dataclasses import dataclass

from alluse_hub.actors.coordinator.conditions.tree import (
    DEPTH_MAX,
    LIST_MAX,
    NODES_MAX,
    TEXT_MAX,
    Binary,
    Call,
    ConditionError,
    Field,
    Junction,
    ListOf,
    Literal,
    Node,
    Unary,
    children,
)

TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<mark>&&|\|\||==|!=|<=|>=|[-!<>+*/()\[\],.])""",
    re.VERBOSE,
)
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in")
ARITHMETIC = (("+", "-"), ("*", "/"))
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
SLIPS = {
    "=": "'=' compares nothing; write '=='",
    "&": "write '&&' for and",
    "|": "write '||' for or",
    "%": "'%' is not known; there are + - * /",
    "{": "maps cannot be written here",
    ";": "one condition only; join parts with '&&' or '||'",
    "?": "there is no '? :'; join parts with '&&' and '||'",
}
WORDS = {"and": "&&", "or": "||", "not": "!", "is": "=="}
ARGUMENTS = {
    "abs": (1, 1),
    "min": (2, 16),
    "max": (2, 16),
    "size": (1, 1),
    "has": (1, 1),
    "number": (1, 1),
}
"""The functions, with the least and the greatest count of their arguments."""

DIGITS_MAX = 40
"""Of a number written in a condition."""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # number, text, name, mark, end
    text: str
    column: int


def tree_of(text: str) -> Node:
    """Raises ConditionError."""
    if len(text) > TEXT_MAX:
        raise ConditionError(TEXT_MAX + 1, f"a condition has at most {TEXT_MAX} characters")
    parser = _Parser(_tokens(text))
    node = parser.junction("||", 0)
    parser.end()
    _bounded(node)
    return node


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise ConditionError(at + 1, _slip(text, at))
        kind = found.lastgroup or ""
        if kind != "space":
            tokens.append(Token(kind, found.group(), at + 1))
        at = found.end()
    tokens.append(Token("end", "", len(text) + 1))
    return tokens


def _slip(text: str, at: int) -> str:
    mark = text[at]
    if mark in "\"'":
        return f"the text that begins here has no closing {mark}"
    return SLIPS.get(mark, f"{mark!r} has no meaning here")


class _Parser:
    """A cursor over the tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._here
        self._at += 1
        return token

    def _taken(self, *texts: str) -> Token | None:
        token = self._here
        if token.kind in {"mark", "name"} and token.text in texts:
            self._at += 1
            return token
        return None

    def _expect(self, mark: str, why: str) -> None:
        if self._taken(mark) is None:
            raise ConditionError(self._here.column, f"{mark!r} is missing{why}{self._found()}")

    def _found(self) -> str:
        return "" if self._here.kind == "end" else f"; found {self._here.text!r}"

    def end(self) -> None:
        token = self._here
        if token.kind == "end":
            return
        if token.text in COMPARISONS:
            raise ConditionError(token.column, "comparisons do not chain; write 'a < b && b < c'")
        if token.text in WORDS:
            raise ConditionError(token.column, f"{token.text!r} is not known; write {WORDS[token.text]!r}")
        raise ConditionError(token.column, f"the condition should end before {token.text!r}; join parts with '&&'")

    def junction(self, operator: str, depth: int) -> Node:
        def part() -> Node:
            return self.junction("&&", depth) if operator == "||" else self._comparison(depth)

        column = self._here.column
        parts = [part()]
        while self._taken(operator):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Junction(column, operator, tuple(parts))

    def _comparison(self, depth: int) -> Node:
        left = self._arithmetic(0, depth)
        operator = self._taken(*COMPARISONS)
        if operator is None:
            return left
        return Binary(operator.column, operator.text, left, self._arithmetic(0, depth))

    def _arithmetic(self, level: int, depth: int) -> Node:
        def part() -> Node:
            return self._arithmetic(level + 1, depth) if level + 1 < len(ARITHMETIC) else self._signed(depth)

        node = part()
        while operator := self._taken(*ARITHMETIC[level]):
            node = Binary(operator.column, operator.text, node, part())
        return node

    def _signed(self, depth: int) -> Node:
        if depth > DEPTH_MAX:
            raise ConditionError(self._here.column, f"nested deeper than {DEPTH_MAX} levels; split the rule")
        if operator := self._taken("!", "-"):
            return Unary(operator.column, operator.text, self._signed(depth + 1))
        return self._value(depth)

    def _value(self, depth: int) -> Node:
        token = self._take()
        match token.kind, token.text:
            case "number", digits:
                return Literal(token.column, _number(token.column, digits))
            case "text", quoted:
                return Literal(token.column, _unquoted(token.column, quoted))
            case "name", name if name in CONSTANTS:
                return Literal(token.column, CONSTANTS[name])
            case "name", name if self._here.text == "(" and self._here.kind == "mark" and name not in WORDS:
                return self._call(token, depth)
            case "name", name if name not in WORDS and name not in COMPARISONS:
                return self._field(token)
            case "mark", "(":
                node = self.junction("||", depth + 1)
                self._expect(")", f" for the '(' in column {token.column}")
                return node
            case "mark", "[":
                return self._list(token, depth)
            case "end", _:
                raise ConditionError(token.column, "a value is missing at the end")
            case "name", name if name in WORDS:
                raise ConditionError(token.column, f"{name!r} is not known; write {WORDS[name]!r}")
            case _:
                raise ConditionError(token.column, f"a value should stand here, not {token.text!r}")

    def _call(self, name: Token, depth: int) -> Node:
        if name.text not in ARGUMENTS:
            raise ConditionError(name.column, f"no function {name.text!r}; there are {', '.join(sorted(ARGUMENTS))}")
        arguments = self._items("(", ")", depth)
        least, most = ARGUMENTS[name.text]
        if not least <= len(arguments) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            raise ConditionError(name.column, f"{name.text}() takes {wanted} values, not {len(arguments)}")
        if name.text == "has" and not isinstance(arguments[0], Field):
            raise ConditionError(arguments[0].column, "has() takes the name of a field, such as has(risk_level)")
        return Call(name.column, name.text, arguments)

    def _list(self, opening: Token, depth: int) -> Node:
        self._at -= 1
        items = self._items("[", "]", depth)
        if len(items) > LIST_MAX:
            raise ConditionError(opening.column, f"a list has at most {LIST_MAX} items")
        return ListOf(opening.column, items)

    def _items(self, opening: str, closing: str, depth: int) -> tuple[Node, ...]:
        column = self._here.column
        self._expect(opening, "")
        items: list[Node] = []
        while not self._taken(closing):
            if items:
                self._expect(",", f" or {closing!r} for the {opening!r} in column {column}")
            items.append(self.junction("||", depth + 1))
        return tuple(items)

    def _field(self, name: Token) -> Node:
        path = [name.text]
        while self._taken("."):
            step = self._take()
            if step.kind != "name":
                raise ConditionError(step.column, "the name of a field should follow the '.'")
            path.append(step.text)
        if self._here.text == "[" and self._here.kind == "mark":
            raise ConditionError(self._here.column, "items cannot be picked; test with 'in' or size()")
        return Field(name.column, tuple(path))


def _number(column: int, digits: str) -> float:
    if len(digits) > DIGITS_MAX:
        raise ConditionError(column, f"a number has at most {DIGITS_MAX} characters")
    if digits.isdigit():
        return int(digits)
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        raise ConditionError(column, f"{digits} is too large")
    return number


def _unquoted(column: int, quoted: str) -> str:
    def unescaped(found: re.Match[str]) -> str:
        if found.group(1) not in ESCAPES:
            raise ConditionError(
                column + found.start() + 1, f"unknown escape {found.group()!r}; write '\\\\' for one \\"
            )
        return ESCAPES[found.group(1)]

    return re.sub(r"\\(.)", unescaped, quoted[1:-1])


def _bounded(root: Node) -> None:
    waiting = [(root, 1)]
    count = 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > NODES_MAX:
            raise ConditionError(root.column, f"more than {NODES_MAX} parts; split the rule")
        if depth > DEPTH_MAX:
            raise ConditionError(node.column, f"nested deeper than {DEPTH_MAX} levels; split the rule")
        waiting.extend((child, depth + 1) for child in children(node))
