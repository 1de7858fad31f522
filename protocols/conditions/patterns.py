r"""Patterns of texts, matched in time linear in the text whatever the pattern.

A small part of the common syntax: characters, ``.``, classes ``[a-z]`` and ``[^a-z]``, ``\d \w \s`` and their
capitals, groups, ``|``, ``* + ?`` and ``{2,5}``, ``^`` and ``$``.  No back references and nothing that looks around, so
the pattern is a finite automaton: Thompson, Regular Expression Search Algorithm, 1968; its sets of states are kept as
they are met, as RE2 does.  So no pattern can be a trap; the library's own matcher tries every way one after the other
and can take longer than the hub lives.

``matches`` finds the pattern anywhere in the text, as in CEL.  ``.`` is any character but a new line; letters and
digits are those of ASCII.
"""

from dataclasses import dataclass, field

PATTERN_MAX = 200
"""Characters of a pattern."""

STATES_MAX = 500
"""Of its automaton, after ``{n,m}`` is written out: a step costs at most so much."""

REPEATS_MAX = 100
"""The greatest number in ``{n,m}``."""

GROUPS_MAX = 20
"""Groups within one another."""

KEPT_MAX = 1_000
"""Places that are kept from text to text."""

STEPS_MAX = 256
"""Steps that are kept from each place; others are taken anew."""

DIGITS = frozenset("0123456789")
WORD = DIGITS | frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
SPACE = frozenset(" \t\n\r\f\v")
CLASSES = {"d": DIGITS, "w": WORD, "s": SPACE}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}


class PatternError(ValueError):
    """``at``: the character of the pattern, from 0; the text says what would be right."""

    def __init__(self, at: int, text: str) -> None:
        super().__init__(text)
        self.at = at


@dataclass(frozen=True, slots=True)
class Characters:
    """One of ``among``, or with ``is_other`` one that is not."""

    among: frozenset[str]
    is_other: bool = False

    def takes(self, character: str) -> bool:
        return (character in self.among) is not self.is_other


ANY = Characters(frozenset("\n"), is_other=True)


@dataclass(slots=True)
class State:
    """Goes on to ``then`` after one of ``on``; without ``on`` at once, with ``at`` only at the start or the end."""

    on: Characters | None = None
    at: str = ""  # ^ $
    then: list[int] = field(default_factory=list)


class Pattern:
    """Raises PatternError."""

    def __init__(self, text: str) -> None:
        if len(text) > PATTERN_MAX:
            raise PatternError(PATTERN_MAX, f"a pattern has at most {PATTERN_MAX} characters")
        reader = _Reader(text)
        first, last = reader.whole()
        self.text = text
        self._states = reader.states
        self._last = last
        self._again = self._closed({first}, is_first=False)
        self._begin()
        self._start = self._kept(self._closed({first}, is_first=True), is_first=True)

    def _begin(self) -> None:
        """No step is kept.  A *place* is a set of states that was met."""
        self._places: dict[frozenset[int], int] = {}
        self._sets: list[frozenset[int]] = []
        self._steps: list[dict[str, int]] = []
        self._is_found: list[bool] = []
        self._is_found_at_end: list[bool] = []

    def is_found_in(self, subject: str) -> bool:
        if len(self._sets) > KEPT_MAX:
            start = self._sets[self._start]
            self._begin()
            self._start = self._kept(start, is_first=True)
        now, steps, is_found = self._start, self._steps, self._is_found
        for character in subject:
            if is_found[now]:
                return True
            following = steps[now].get(character)
            now = self._step(now, character) if following is None else following
        return is_found[now] or self._is_found_at_end[now]

    def _step(self, now: int, character: str) -> int:
        reached = {
            then
            for at in self._sets[now]
            if (on := self._states[at].on) and on.takes(character)
            for then in self._states[at].then
        }
        following = self._kept(self._closed(reached, is_first=False) | self._again)
        if len(self._steps[now]) < STEPS_MAX:
            self._steps[now][character] = following
        return following

    def _kept(self, states: frozenset[int], *, is_first: bool = False) -> int:
        """Its place.  That of the start is its own: only there ``^`` and ``$`` may meet."""
        if not is_first and states in self._places:
            return self._places[states]
        place = len(self._sets)
        if not is_first:
            self._places[states] = place
        self._sets.append(states)
        self._steps.append({})
        self._is_found.append(self._last in states)
        self._is_found_at_end.append(self._last in self._closed(set(states), is_first=is_first, is_last=True))
        return place

    def _closed(self, states: set[int], *, is_first: bool, is_last: bool = False) -> frozenset[int]:
        """``states``, and all that can be reached from them without a character."""
        found, waiting = set(states), list(states)
        while waiting:
            state = self._states[waiting.pop()]
            if state.on is None and (not state.at or (is_first if state.at == "^" else is_last)):
                new = [then for then in state.then if then not in found]
                found.update(new)
                waiting += new
        return frozenset(found)


class _Reader:
    """Text to states; each part is given as its first and its last state."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.states: list[State] = []

    def whole(self) -> tuple[int, int]:
        part = self._either(0)
        if self._at < len(self._text):
            raise PatternError(self._at, "this ')' closes nothing")
        return part

    def _here(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _state(self, on: Characters | None = None, at: str = "") -> int:
        if len(self.states) >= STATES_MAX:
            raise PatternError(self._at, "the pattern is too large when its repeats are written out")
        self.states.append(State(on, at))
        return len(self.states) - 1

    def _join(self, one: int, other: int) -> None:
        self.states[one].then.append(other)

    def _single(self, on: Characters | None = None, at: str = "") -> tuple[int, int]:
        first, last = self._state(on, at), self._state()
        self._join(first, last)
        return first, last

    def _either(self, depth: int) -> tuple[int, int]:
        if depth > GROUPS_MAX:
            raise PatternError(self._at, f"more than {GROUPS_MAX} groups within one another")
        first, last = self._state(), self._state()
        while True:
            begin, end = self._row(depth)
            self._join(first, begin)
            self._join(end, last)
            if self._here() != "|":
                return first, last
            self._at += 1

    def _row(self, depth: int) -> tuple[int, int]:
        first = last = self._state()
        while self._here() and self._here() not in "|)":
            begin, end = self._repeated(depth)
            self._join(last, begin)
            last = end
        return first, last

    def _repeated(self, depth: int) -> tuple[int, int]:
        start = self._at
        part = self._one(depth)
        after = self._at
        least, most = self._times()
        if self._at == after:
            return part
        if self._here() and self._here() in "*+?{":
            raise PatternError(self._at, "a repeat stands after a repeat; group the first with '(...)'")
        if least == most == 1:
            return part
        end_at, first = self._at, self._state()
        last = first
        for n in range(least if most is None else most):
            self._at = start
            gate = self._state()
            begin, end = self._one(depth)
            self._join(last, gate)
            self._join(gate, begin)
            if n >= least:
                self._join(gate, end)
            last = end
        if most is None:
            self._at = start
            begin, end = self._one(depth)
            loop = self._state()
            self._join(last, loop)
            self._join(loop, begin)
            self._join(end, loop)
            last = loop
        self._at = end_at
        return first, last

    def _times(self) -> tuple[int, int | None]:
        match self._here():
            case "*":
                self._at += 1
                return 0, None
            case "+":
                self._at += 1
                return 1, None
            case "?":
                self._at += 1
                return 0, 1
            case "{":
                return self._counts()
            case _:
                return 1, 1

    def _counts(self) -> tuple[int, int | None]:
        start, end = self._at, self._text.find("}", self._at)
        least, comma, most = self._text[start + 1 : max(end, 0)].partition(",")
        if end < 0 or not _is_count(least) or (most and not _is_count(most)):
            raise PatternError(start, r"write '{3}', '{2,}' or '{2,5}', or '\\{' for the brace itself")
        self._at = end + 1
        bounds = int(least), (int(most) if most else None if comma else int(least))
        if max(n for n in bounds if n is not None) > REPEATS_MAX or (bounds[1] is not None and bounds[0] > bounds[1]):
            raise PatternError(start, f"repeats go from fewer to more, and up to {REPEATS_MAX}")
        return bounds

    def _one(self, depth: int) -> tuple[int, int]:
        character = self._here()
        self._at += 1
        match character:
            case ".":
                return self._single(ANY)
            case "^" | "$":
                return self._single(at=character)
            case "[":
                return self._single(self._class())
            case "(":
                return self._group(depth)
            case "\\":
                return self._single(self._escaped())
            case "*" | "+" | "?" | "{":
                raise PatternError(self._at - 1, f"{character!r} repeats nothing here; write '\\\\{character}'")
            case _:
                return self._single(Characters(frozenset(character)))

    def _group(self, depth: int) -> tuple[int, int]:
        opening = self._at - 1
        if self._text.startswith("?:", self._at):
            self._at += 2
        elif self._here() == "?":
            raise PatternError(self._at, "groups that look around or have names are not known; write '(...)'")
        part = self._either(depth + 1)
        if self._here() != ")":
            raise PatternError(opening, "this '(' is not closed")
        self._at += 1
        return part

    def _escaped(self) -> Characters:
        character = self._here()
        self._at += 1
        if character.lower() in CLASSES:
            return Characters(CLASSES[character.lower()], is_other=character.isupper())
        if character in ESCAPES:
            return Characters(frozenset(ESCAPES[character]))
        if character and not character.isalnum():
            return Characters(frozenset(character))
        raise PatternError(
            self._at - 2, f"'\\\\{character}' is not known; there are \\\\d, \\\\w, \\\\s and their capitals"
        )

    def _class(self) -> Characters:
        opening, is_other = self._at - 1, self._here() == "^"
        self._at += is_other
        among: set[str] = set()
        start = self._at
        while self._here() != "]" or self._at == start:
            if not self._here():
                raise PatternError(opening, "this '[' is not closed")
            among |= self._range()
        self._at += 1
        return Characters(frozenset(among), is_other)

    def _range(self) -> frozenset[str]:
        at = self._at
        first = self._of_class()
        if self._here() != "-" or self._text[self._at + 1 : self._at + 2] in {"]", ""}:
            return first
        self._at += 1
        last = self._of_class()
        if len(first) != 1 or len(last) != 1 or (low := ord(min(first))) > (high := ord(min(last))):
            raise PatternError(at, "a range goes from one character to a later one, as in 'a-z'")
        if high - low > 0xFFFF:
            raise PatternError(at, "this range is too wide")
        return frozenset(map(chr, range(low, high + 1)))

    def _of_class(self) -> frozenset[str]:
        at, character = self._at, self._here()
        self._at += 1
        if character != "\\":
            return frozenset(character)
        found = self._escaped()
        if found.is_other:
            raise PatternError(at, "write '[^...]' for all other characters")
        return found.among


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4
