"""Places: on which line of a TOML text each key stands.

The standard parser gives values without their places, and an error without a line is half an error.  This scanner
walks a text *that has already parsed* and notes the first line of every table, key and array element.  Paths are those
of the parsed document: names of keys, and positions in arrays from 0.

Source of the grammar: TOML 1.0.0.  Pure.
"""

Path = tuple[str | int, ...]

BARE_KEY = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def places(text: str) -> dict[Path, int]:
    """Lines, counted from 1, by path.  ``text`` must be valid TOML."""
    return _Scanner(text).document()


def line_of(where: dict[Path, int], path: Path) -> int:
    """The line of ``path`` or of the nearest thing around it; 0 if nothing is known."""
    for length in range(len(path), 0, -1):
        if path[:length] in where:
            return where[path[:length]]
    return 0


class _Scanner:
    """One pass over the text; every method leaves ``at`` behind what it has read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.found: dict[Path, int] = {}
        self.lengths: dict[Path, int] = {}  # of arrays of tables

    def document(self) -> dict[Path, int]:
        table: Path = ()
        while self.skip():
            if self.text.startswith("[[", self.at):
                self.move(2)
                table = self.element(self.key())
                self.skip()
                self.move(2)
            elif self.peek() == "[":
                self.move(1)
                table = self.inside(self.key())
                self.note(table)
                self.skip()
                self.move(1)
            else:
                self.pair(table)
        return self.found

    def note(self, path: Path) -> None:
        self.found.setdefault(path, self.line)

    def element(self, keys: list[str]) -> Path:
        array = (*self.inside(keys[:-1]), keys[-1])
        self.note(array)
        self.lengths[array] = self.lengths.get(array, 0) + 1
        table = (*array, self.lengths[array] - 1)
        self.note(table)
        return table

    def inside(self, keys: list[str]) -> Path:
        """The table of that name; under an array of tables, in its latest element."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self.lengths:
                path = (*path, self.lengths[path] - 1)
        return path

    def pair(self, table: Path) -> None:
        path = table
        for key in self.key():
            path = (*path, key)
            self.note(path)
        self.skip()
        self.move(1)  # the equals sign
        self.skip()
        self.value(path)

    def value(self, path: Path) -> None:
        if self.peek() in "\"'":
            self.string()
        elif self.peek() == "[":
            self.items("]", path)
        elif self.peek() == "{":
            self.items("}", path)
        else:
            while self.peek() and self.peek() not in ",]}#\n":
                self.move(1)

    def items(self, end: str, path: Path) -> None:
        self.move(1)
        count = 0
        while self.skip() and self.peek() != end:
            if self.peek() == ",":
                self.move(1)
            elif end == "}":
                self.pair(path)
            else:
                self.note((*path, count))
                self.value((*path, count))
                count += 1
        self.move(1)

    def key(self) -> list[str]:
        parts: list[str] = []
        while self.skip():
            if self.peek() == ".":
                self.move(1)
            elif self.peek() in "\"'":
                parts.append(self.string())
            elif self.peek() in BARE_KEY:
                start = self.at
                while self.peek() and self.peek() in BARE_KEY:
                    self.move(1)
                parts.append(self.text[start : self.at])
            else:
                break
        return parts

    def string(self) -> str:
        """Reads a string of any of the four kinds; gives its text, as far as keys need it."""
        quote = self.peek()
        mark = quote * 3 if self.text.startswith(quote * 3, self.at) else quote
        self.move(len(mark))
        said: list[str] = []
        while self.at < len(self.text) and not self.text.startswith(mark, self.at):
            if quote == '"' and self.peek() == "\\":
                self.move(1)
                said.append(ESCAPES.get(self.peek(), self.peek()))
            else:
                said.append(self.peek())
            self.move(1)
        self.move(len(mark))
        while len(mark) == len('"""') and self.peek() == quote:  # up to two quotes may stand before the closing three
            said.append(quote)
            self.move(1)
        return "".join(said)

    def skip(self) -> bool:
        """Past blanks, line ends and comments; whether anything follows."""
        while self.peek() and self.peek() in " \t\r\n#":
            if self.peek() == "#":
                while self.peek() and self.peek() != "\n":
                    self.move(1)
            else:
                self.move(1)
        return self.at < len(self.text)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def move(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count


def dotted(path: Path, document: object) -> str:
    """``path`` for people: an array element is named by its ``id`` or ``resource`` where it has one."""
    words: list[str] = []
    here = document
    for step in path:
        here = _step(here, step)
        if isinstance(step, str):
            words.append(f".{step}" if words else step)
            continue
        name = next((here[key] for key in ("id", "resource") if key in here), "") if isinstance(here, dict) else ""
        words.append(f"[{name}]" if isinstance(name, str) and name else f"[{step}]")
    return "".join(words)


def _step(here: object, step: str | int) -> object:
    if isinstance(here, dict):
        return here.get(step)
    if isinstance(here, list) and isinstance(step, int) and step < len(here):
        return here[step]
    return None


def within(path: Path, document: object) -> Path:
    """The part of ``path`` that the document has."""
    here = document
    for length, step in enumerate(path):
        here = _step(here, step)
        if here is None:
            return path[:length]
    return path
