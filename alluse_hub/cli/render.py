"""Drawing on a terminal: tables and trees that fit its width.

No colour when the output is no terminal or ``NO_COLOR`` is set (no-color.org), plain ASCII where the encoding cannot do
more.  State is never told by colour alone.  Text from workstreams is cleaned of control characters before it is shown,
so that nobody's log line can drive the reader's terminal.
"""

import os
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple, TextIO

WIDTH_MIN = 40
WIDTH_WITHOUT_TERMINAL = 120

COLOURS = {"good": "32", "warn": "33", "bad": "31", "dim": "2", "bold": "1", "note": "36"}

GOOD = frozenset({"active", "idle", "busy", "up", "ready", "healthy", "ok", "normal", "whole"})
WARN = frozenset(
    {
        *("starting", "stopping", "restarting", "degraded", "maintenance", "paused", "reduce_only", "stopped"),
        "unknown",
    }
)
BAD = frozenset({"hung", "error", "parked", "down", "critical", "broken"})

ASCII = str.maketrans({"│": "|", "├": "|", "└": "`", "─": "-", "…": "~", "→": ">", "·": "-", "█": "#", "░": "."})


class Style(NamedTuple):
    """``width`` in characters.  ``utc``: times in UTC instead of the local zone."""

    width: int = WIDTH_WITHOUT_TERMINAL
    colour: bool = False
    ascii: bool = False
    utc: bool = False

    @classmethod
    def of(cls, stream: TextIO, *, plain: bool = False, ascii_only: bool = False, utc: bool = False) -> "Style":
        is_terminal = stream.isatty()
        is_plain = plain or not is_terminal or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        encoding = (stream.encoding or "ascii").lower().replace("-", "")
        return cls(_width(stream), not is_plain, ascii_only or not encoding.startswith("utf"), utc)

    def paint(self, text: str, colour: str) -> str:
        return f"\033[{COLOURS[colour]}m{text}\033[0m" if self.colour and text else text

    def state(self, word: str, padded: str | None = None) -> str:
        """A state's word in the colour of its kind."""
        text = word if padded is None else padded
        for words, colour in ((GOOD, "good"), (WARN, "warn"), (BAD, "bad")):
            if word in words:
                return self.paint(text, colour)
        return text

    def fit(self, text: str) -> str:
        """In the characters that the output can show."""
        if not self.ascii:
            return text
        return text.translate(ASCII).encode("ascii", "replace").decode()


def _width(stream: TextIO) -> int:
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked) > 0:
        return max(WIDTH_MIN, int(asked))
    try:
        return max(WIDTH_MIN, os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        return WIDTH_WITHOUT_TERMINAL


def clean(value: object) -> str:
    """As one line of printable text."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " for char in text)


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def table(
    style: Style, head: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()
) -> list[str]:
    """Lines of a table.  ``right`` names the columns set to the right.  Columns with nothing in them are left out; if
    it is still too wide, the last column gives way first, then the widest, and headings only at the last.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    kept = [column for column in range(len(head)) if any(row[column] for row in cells)]
    head = [head[column] for column in kept]
    cells = [[row[column] for column in kept] for row in cells]
    widths = [max(len(row[column]) for row in [head, *cells]) for column in range(len(head))]
    aligned = frozenset(right)
    for floors in ([max(8, len(title)) for title in head], [4] * len(head)):
        for column in sorted(range(len(widths)), key=lambda c: (c != len(widths) - 1, -widths[c])):
            over = sum(widths) + 2 * (len(widths) - 1) - style.width
            widths[column] -= max(0, min(over, widths[column] - floors[column]))

    def line(row: Sequence[str], *, is_head: bool = False) -> str:
        parts = []
        for column, cell in enumerate(row):
            text = cut(cell, widths[column])
            padded = text.rjust(widths[column]) if head[column] in aligned else text.ljust(widths[column])
            if column == len(row) - 1 and head[column] not in aligned:
                padded = text
            parts.append(style.paint(padded, "dim") if is_head else style.state(cell, padded))
        return style.fit("  ".join(parts)).rstrip()

    return [line(head, is_head=True), *(line(row) for row in cells)]


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """``text`` in lines of at most ``width``: the first with its own indentation, the later ones after ``indent``."""
    lines: list[str] = []
    cleaned = clean(text)
    current = cleaned[: len(cleaned) - len(cleaned.lstrip())]
    for word in cleaned.split():
        candidate = f"{current} {word}" if current.strip() else current + word
        if len(candidate) > width and current.strip():
            lines.append(current)
            candidate = indent + word
        current = candidate
    return [*lines, current] if current.strip() else lines


def bar(fraction: float, width: int) -> str:
    filled = round(max(0.0, min(1.0, fraction)) * width)
    return "█" * filled + "░" * (width - filled)


def duration(seconds: float) -> str:
    """For people: ``3.2 s``, ``2 min 5 s``, ``1 h 4 min``, ``3 d 2 h``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = int(seconds)
    for name, size, lesser, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {name}" + (f" {rest} {lesser}" if rest else "")
    return f"{whole} s"


def moment(wall: float, *, utc: bool) -> str:
    """Date and time with offset, from seconds since 1970."""
    there = time.gmtime(wall) if utc else time.localtime(wall)
    text = time.strftime("%Y-%m-%d %H:%M:%S", there)
    offset = "+0000" if utc else time.strftime("%z", there)
    return f"{text}.{int(wall % 1 * 1000):03d}{offset[:3]}:{offset[3:]}"


def number(value: object) -> str:
    """With thousands set apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return clean(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
