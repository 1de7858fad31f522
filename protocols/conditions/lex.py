"""Text to tokens, and what single tokens mean."""

import re
from dataclasses import dataclass

from alluse_hub.protocols.conditions.tree import TEXT_MAX, Clock, ConditionError, Span

TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<mark>&&|\|\||==|!=|<=|>=|[-!<>+*/%()\[\],.])""",
    re.VERBOSE | re.ASCII,
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
SLIPS = {
    "=": "'=' compares nothing; write '=='",
    "&": "write '&&' for and",
    "|": "write '||' for or",
    "{": "maps cannot be written here",
    ";": "one condition only; join parts with '&&' or '||'",
    "?": "there is no '? :'; join parts with '&&' and '||'",
}

DIGITS_MAX = 40
"""Of a number written in a condition."""

SPAN = re.compile(r"(?P<count>\d{1,9}(?:\.\d{1,3})?)(?: (?P<sessions>sessions?)|(?P<unit>[smhd]))")
UNIT_S = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
SPAN_MIN_S = 1.0
SPAN_MAX_S = 30 * 86_400.0
SESSIONS_MAX = 1_000
SPANS = "'30s', '5m', '2h', '1d' or '5 sessions'"


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # number, text, name, mark, end
    text: str
    column: int


def tokens_of(text: str) -> list[Token]:
    """Closed by a token ``end``.  Raises ConditionError."""
    if len(text) > TEXT_MAX:
        raise ConditionError(TEXT_MAX + 1, f"a condition has at most {TEXT_MAX} characters")
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


def number(column: int, digits: str) -> float:
    if len(digits) > DIGITS_MAX:
        raise ConditionError(column, f"a number has at most {DIGITS_MAX} characters")
    if digits.isdigit():
        return int(digits)
    found = float(digits)
    if found in {float("inf"), float("-inf")}:
        raise ConditionError(column, f"{digits} is too large")
    return found


def unquoted(column: int, quoted: str) -> str:
    def unescaped(found: re.Match[str]) -> str:
        if found.group(1) not in ESCAPES:
            raise ConditionError(
                column + found.start() + 1, f"unknown escape {found.group()!r}; write '\\\\' for one \\"
            )
        return ESCAPES[found.group(1)]

    return re.sub(r"\\(.)", unescaped, quoted[1:-1])


def quoted(text: str) -> str:
    """As it would be written in a condition."""
    names = {value: f"\\{name}" for name, value in ESCAPES.items() if name != "'"}
    return f'"{"".join(names.get(character, character) for character in text)}"'


def span_of(text: str) -> Span:
    """``30s``, ``5m``, ``2h``, ``1d`` or ``5 sessions``.  Raises ValueError with what would be right."""
    found = SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no length of time; write one such as {SPANS}")
    count = float(found["count"])
    if found["sessions"]:
        if not count.is_integer() or not 1 <= count <= SESSIONS_MAX:
            raise ValueError(f"{text!r} is not 1 to {SESSIONS_MAX} whole sessions")
        return Span(Clock.MARKET, count)
    length = count * UNIT_S[found["unit"]]
    if not SPAN_MIN_S <= length <= SPAN_MAX_S:
        raise ValueError(f"{text!r} is not between {SPAN_MIN_S:g} s and {SPAN_MAX_S / UNIT_S['d']:g} days")
    return Span(Clock.HUB, length)
