"""Random conditions and payloads from a plain seeded generator, well typed and, on purpose, ill typed.

``doubles``: every number is written and given as a float, so that CEL, which does not mix whole numbers with others in
arithmetic, has nothing to object to; otherwise every number is whole, and there is no ``/``.
"""

import random
from dataclasses import dataclass
from typing import Any

Payload = dict[str, Any]

TEXTS = ("", "a", "ab", "very high", "b")
PATTERNS = ("a", "^a", "b$", "^$", "a|b", "[a-b]+ ", "very.*h", "(ab)?x")


@dataclass(frozen=True)
class Generator:
    dice: random.Random
    doubles: bool = True
    wild: float = 0.25  # how often a part is of any kind, where another is asked for

    # --- payloads -----------------------------------------------------------------------------------------------

    def payload(self) -> Payload:
        made = {
            "n": self.number(),
            "m": self.number(),
            "s": self.dice.choice(TEXTS),
            "t": self.dice.choice(TEXTS),
            "b": self.dice.random() < 0.5,
            "o": None,
            "ns": [self.number() for _ in range(self.dice.randrange(4))],
            "ss": [self.dice.choice(TEXTS) for _ in range(self.dice.randrange(4))],
            "xs": [self.value(1) for _ in range(self.dice.randrange(4))],
            "r": {"n": self.number(), "s": self.dice.choice(TEXTS), "x": self.value(1)},
        }
        for name in tuple(made):
            if self.dice.random() < 0.08:
                del made[name]
            elif self.dice.random() < 0.08:
                made[name] = self.value(1)
        return made

    def number(self) -> float:
        whole = self.dice.randrange(-3, 6)
        return whole + self.dice.choice((0.0, 0.0, 0.5)) if self.doubles else whole

    def value(self, depth: int) -> Any:
        match self.dice.randrange(7 if depth else 5):
            case 0 | 1:
                return self.number()
            case 2:
                return self.dice.choice(TEXTS)
            case 3:
                return self.dice.random() < 0.5
            case 4:
                return None
            case 5:
                return [self.value(depth - 1) for _ in range(self.dice.randrange(3))]
            case _:
                return {"n": self.value(depth - 1)}

    # --- conditions ---------------------------------------------------------------------------------------------

    def condition(self, depth: int = 4) -> str:
        return self._truth(depth, ())

    def _any(self, depth: int, items: tuple[str, ...]) -> str:
        kinds = (self._truth, self._number, self._text, self._list, self._number, self._strange)
        return self.dice.choice(kinds)(depth, items)

    def _strange(self, _depth: int, _items: tuple[str, ...]) -> str:
        return self.dice.choice(("null", "missing", "r.missing", "r.x", "n.x", "o", "r", "xs"))

    def _part(self, kind: Any, depth: int, items: tuple[str, ...]) -> str:
        if self.dice.random() < self.wild / 4:
            return self._any(depth, items)
        return str(kind(depth, items))

    def _truth(self, depth: int, items: tuple[str, ...]) -> str:
        if depth <= 0:
            return self.dice.choice(("true", "false", "b", "b", "r.missing", *items))
        d = depth - 1
        part, choice = self._part, self.dice.choice
        match self.dice.randrange(12):
            case 0 | 1:
                return f"({part(self._truth, d, items)} && {part(self._truth, d, items)})"
            case 2 | 3:
                return f"({part(self._truth, d, items)} || {part(self._truth, d, items)})"
            case 4:
                return f"!{part(self._truth, d, items)}"
            case 5 | 6:
                kind = choice((self._number, self._text))
                return f"({part(kind, d, items)} {choice(('<', '<=', '>', '>='))} {part(kind, d, items)})"
            case 7:
                kind = choice((self._number, self._text, self._truth, self._list))
                return f"({part(kind, d, items)} {choice(('==', '!='))} {part(kind, d, items)})"
            case 8:
                kind = choice((self._number, self._text))
                return f"({part(kind, d, items)} in {part(self._list, d, items)})"
            case 9 | 10:
                return self._loop(choice(("exists", "all", "exists_one")), d, items)
            case _:
                return self._of_text(d, items)

    def _of_text(self, d: int, items: tuple[str, ...]) -> str:
        match self.dice.randrange(4):
            case 0:
                return f'{self._part(self._text, 0, items)}.matches("{self.dice.choice(PATTERNS)}")'
            case 1:
                return f"has(r.{self.dice.choice(('n', 's', 'missing'))})"
            case _:
                method = self.dice.choice(("startsWith", "endsWith", "contains"))
                return f"{self._part(self._text, 0, items)}.{method}({self._part(self._text, 0, items)})"

    def _loop(self, function: str, depth: int, items: tuple[str, ...]) -> str:
        over = self._part(self._list, depth if len(items) == 0 else 0, items)
        if len(items) >= 2:
            return "true"
        item = f"i{len(items)}"
        body = self._truth(min(depth, 1), (*items, item))
        if self.dice.random() < 0.7:
            kind = self.dice.choice((self._number, self._text))
            body = f"({item} {self.dice.choice(('<', '==', '!=', '>='))} {kind(0, items)})"
        return f"{over}.{function}({item}, {body})"

    def _number(self, depth: int, items: tuple[str, ...]) -> str:
        if depth <= 0 or self.dice.random() < 0.4:
            literal = abs(self.number())
            return self.dice.choice(("n", "m", "r.n", repr(literal), repr(literal), *items))
        d = depth - 1
        signs = ("+", "-", "*", "/") if self.doubles else ("+", "-", "*", "%")
        if self.dice.random() < 0.2:
            return f"(-{self._part(self._number, d, items)})"
        return f"({self._part(self._number, d, items)} {self.dice.choice(signs)} {self._part(self._number, d, items)})"

    def _text(self, _depth: int, items: tuple[str, ...]) -> str:
        return self.dice.choice(("s", "t", "r.s", *(f'"{text}"' for text in TEXTS), *items))

    def _list(self, depth: int, items: tuple[str, ...]) -> str:
        match self.dice.randrange(6 if depth > 0 else 4):
            case 0:
                return "ns"
            case 1:
                return "ss"
            case 2:
                return "xs"
            case 3:
                kind = self.dice.choice((self._number, self._text))
                return f"[{', '.join(self._part(kind, 0, items) for _ in range(self.dice.randrange(3)))}]"
            case _:
                if len(items) >= 2:
                    return "ns"
                item = f"i{len(items)}"
                over, inner = self._part(self._list, 0, items), (*items, item)
                if self.dice.random() < 0.5:
                    return f"{over}.filter({item}, {self._truth(1, inner)})"
                return f"{over}.map({item}, {self._any(1, inner)})"
