"""Text to tree, by precedence climbing, with CEL's precedence: ``||``, ``&&``, comparison, sum, product, sign, value.

Every error names the column and what would be right; the commonest slips of other languages are answered by name.
"""

from alluse_hub.protocols.conditions.calls import (
    CALLS,
    LOOPS,
    METHODS,
    MODIFIERS,
    WINDOWS,
    counted,
    known,
    window_of,
)
from alluse_hub.protocols.conditions.lex import Token, number, tokens_of, unquoted
from alluse_hub.protocols.conditions.tree import (
    DEPTH_MAX,
    LIST_MAX,
    LOOPS_MAX,
    NODES_MAX,
    Binary,
    Call,
    ConditionError,
    Field,
    Junction,
    ListOf,
    Literal,
    Loop,
    Node,
    Unary,
    Variable,
    Window,
    children,
)
from alluse_hub.protocols.meant import nearest

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in")
ARITHMETIC = (("+", "-"), ("*", "/", "%"))
CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
WORDS = {"and": "&&", "or": "||", "not": "!", "is": "=="}


def tree_of(text: str) -> Node:
    """Raises ConditionError."""
    parser = _Parser(tokens_of(text))
    node = parser.junction("||", 0)
    parser.end()
    _bounded(node)
    return node


class _Parser:
    """A cursor over the tokens, and the variables of the loops around it."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._variables: tuple[str, ...] = ()
        self._is_in_where = False

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    def _is_mark(self, mark: str, ahead: int = 0) -> bool:
        token = self._tokens[min(self._at + ahead, len(self._tokens) - 1)]
        return token.kind == "mark" and token.text == mark

    def _take(self) -> Token:
        token = self._here
        if token.kind != "end":
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

    # --- operators ----------------------------------------------------------------------------------------------

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
        return self._followed(self._value(depth), depth)

    # --- values -------------------------------------------------------------------------------------------------

    def _value(self, depth: int) -> Node:
        token = self._take()
        match token.kind, token.text:
            case "number", digits:
                return Literal(token.column, number(token.column, digits))
            case "text", quoted:
                return Literal(token.column, unquoted(token.column, quoted))
            case "name", name if name in CONSTANTS:
                return Literal(token.column, CONSTANTS[name])
            case "name", name if self._is_mark("(") and name not in WORDS:
                return self._call(token, depth)
            case "name", name if name not in WORDS and name not in COMPARISONS:
                return self._name(token)
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

    def _name(self, name: Token) -> Node:
        path = [name.text]
        while self._is_mark(".") and not self._is_mark("(", 2):
            self._take()
            path.append(self._step())
        if name.text in self._variables:
            return Variable(name.column, path[0], tuple(path[1:]))
        return Field(name.column, tuple(path))

    def _step(self) -> str:
        step = self._take()
        if step.kind != "name":
            raise ConditionError(step.column, "the name of a field should follow the '.'")
        return step.text

    def _followed(self, node: Node, depth: int) -> Node:
        """``node`` with the calls written behind it."""
        while self._taken("."):
            name = self._take()
            if name.kind != "name" or not self._is_mark("("):
                raise ConditionError(
                    name.column, f"only functions follow here: {', '.join(sorted((*METHODS, *LOOPS)))}"
                )
            node = self._loop(node, name, depth) if name.text in LOOPS else self._method(node, name, depth)
            depth += 1
        if self._is_mark("["):
            raise ConditionError(self._here.column, "items cannot be picked; test with 'in', exists() or size()")
        return node

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

    # --- functions ----------------------------------------------------------------------------------------------

    def _call(self, name: Token, depth: int) -> Node:
        if name.text in WINDOWS and (name.text not in CALLS or self._names_a_stream()):
            return self._window(name, depth)
        if name.text in LOOPS or (name.text in METHODS and name.text not in CALLS):
            raise ConditionError(name.column, f"{name.text}() follows a value; write 'x.{name.text}(...)'")
        if name.text in MODIFIERS:
            raise ConditionError(name.column, f"{name.text}() stands only inside a function of a stream")
        if name.text not in CALLS:
            raise ConditionError(name.column, _no_function(name.text))
        arguments = self._items("(", ")", depth)
        counted(name, len(arguments), CALLS[name.text])
        if name.text == "has" and not (
            isinstance(arguments[0], Field) or (isinstance(arguments[0], Variable) and arguments[0].path)
        ):
            raise ConditionError(arguments[0].column, "has() takes the name of a field, such as has(risk_level)")
        return Call(name.column, name.text, arguments)

    def _method(self, of: Node, name: Token, depth: int) -> Node:
        if name.text not in METHODS:
            raise ConditionError(name.column, _no_function(name.text))
        arguments = self._items("(", ")", depth)
        counted(name, len(arguments), METHODS[name.text])
        return Call(name.column, name.text, (of, *arguments), is_method=True)

    def _loop(self, over: Node, name: Token, depth: int) -> Node:
        self._expect("(", "")
        variable = self._take()
        if variable.kind != "name" or variable.text in {*CONSTANTS, *WORDS, *COMPARISONS}:
            raise ConditionError(variable.column, f"{name.text}() begins with a name for the item: 'x, x > 1'")
        if variable.text in self._variables:
            raise ConditionError(
                variable.column, f"{variable.text!r} is the item of the loop around; take another name"
            )
        if len(self._variables) >= LOOPS_MAX:
            raise ConditionError(name.column, f"more than {LOOPS_MAX} loops within one another; split the rule")
        self._expect(",", f" after the name of the item of {name.text}()")
        outer, self._variables = self._variables, (*self._variables, variable.text)
        body = self.junction("||", depth + 1)
        self._variables = outer
        self._expect(")", f" for {name.text}()")
        return Loop(name.column, name.text, over, variable.text, body)

    def _names_a_stream(self) -> bool:
        """Whether the parenthesis that begins here holds a name and a text: ``min(ws3.tick.price, "5m")``."""
        at = 1
        while self._tokens[self._at + at].kind == "name" and self._is_mark(".", at + 1):
            at += 2
        return self._tokens[self._at + at].kind == "name" and (
            self._is_mark(",", at + 1) and self._tokens[self._at + at + 2].kind == "text"
        )

    def _window(self, name: Token, depth: int) -> Node:
        if self._is_in_where:
            raise ConditionError(name.column, "where() asks about single events; no function of a stream stands in it")
        self._expect("(", "")
        arguments: list[Node] = []
        modifiers: dict[str, tuple[Token, tuple[Node, ...]]] = {}
        while not self._taken(")"):
            if arguments or modifiers:
                self._expect(",", f" or ')' for {name.text}()")
            here = self._here
            if here.kind == "name" and here.text in MODIFIERS and self._is_mark("(", 1):
                self._take()
                if here.text in modifiers:
                    raise ConditionError(here.column, f"{here.text}() stands there twice; once is enough")
                modifiers[here.text] = (here, self._of_others(here, depth))
            elif modifiers:
                raise ConditionError(here.column, f"only {known(MODIFIERS)} follow here")
            else:
                arguments.append(self.junction("||", depth + 1))
        return window_of(name, tuple(arguments), modifiers)

    def _of_others(self, modifier: Token, depth: int) -> tuple[Node, ...]:
        """What stands in ``where``, ``by`` or ``partial``: the names in it are fields of the stream's events."""
        outer, self._variables, self._is_in_where = self._variables, (), True
        items = self._items("(", ")", depth + 1)
        self._variables, self._is_in_where = outer, False
        counted(modifier, len(items), MODIFIERS[modifier.text])
        return items


def _no_function(name: str) -> str:
    every = {*CALLS, *METHODS, *LOOPS, *WINDOWS}
    near = nearest(name, every)
    hint = f"did you mean {near!r}? " if near is not None else ""
    return f"no function {name!r}; {hint}there are {known(every)}"


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
        if isinstance(node, Window) and node.where is not None:
            waiting.append((node.where, depth + 1))
