"""Progress of the demonstration: a live area on a terminal, else a line every two seconds and each piece of news."""

import time
from collections import deque
from shutil import get_terminal_size
from typing import Any, NamedTuple, TextIO

from alluse_hub.cli.render import Style, bar, clean, duration, number, wrap
from alluse_hub.cli.show import tree

LINE_EVERY_S = 2.0
NEWS_KEPT = 8
BAR_WIDTH = 30

ROWS_FOR_NEWS = 8
"""A terminal too low for the tree and this much news shows the news."""

Doc = dict[str, Any]  # Any: JSON as the daemon gives it


class Shown(NamedTuple):
    """``news``: entries of the trail since the last time; ``speed`` in sessions per second; ``tree``: what the hub
    shows of its supervisors, or empty."""

    progress: Doc
    news: list[Doc]
    speed: float
    tree: Doc | None = None


def headline(shown: Shown) -> str:
    doc = shown.progress
    done, of = int(doc.get("sessions") or 0), int(doc.get("of") or 0)
    left = f", {duration((of - done) / shown.speed)} left" if shown.speed and of > done else ""
    return f"session {clean(doc.get('session')) or 'none yet'}  {number(done)}/{number(of)}  {shown.speed:.0f}/s{left}"


def health_line(style: Style, doc: Doc) -> str:
    hub = doc.get("hub", {})
    words = " ".join(f"{name} {style.state(clean(word))}" for name, word in doc.get("workstreams", {}).items())
    rungs = " ".join(f"{clean(name)} {style.state(clean(rung))}" for name, rung in doc.get("rungs", {}).items())
    counts = f"{hub.get('actors_up', 0)}/{hub.get('actors', 0)} actors"
    return f"hub {style.state(clean(hub.get('status')))} {hub.get('health', 0):.0f}, {counts}  {words}  {rungs}"


def rules_line(doc: Doc) -> str:
    fired = "  ".join(f"{clean(rule)} {number(count)}" for rule, count in doc.get("fired", {}).items())
    return f"rules fired: {fired or 'none yet'}"


def news_line(entry: Doc) -> str:
    body = entry.get("body") or {}
    match entry.get("message"):
        case "RuleFired":
            return f"rule {clean(body.get('rule'))} fired on {clean(body.get('event'))}: {clean(body.get('why'))}"
        case "ConflictOpened":
            return f"conflict {clean(body.get('id'))}: {clean(body.get('sentence'))}"
        case "ConflictClosed":
            return f"resolved {clean(body.get('id'))} ({clean(body.get('outcome'))}): {clean(body.get('sentence'))}"
        case "ChildRestarted":
            return f"restarted {clean(body.get('name'))}: {clean(body.get('cause'))}"
        case "ProgramEnded":
            return f"the program of {clean(body.get('workstream'))} ended: {clean(body.get('cause'))}"
        case "ProgramParked":
            return f"{clean(body.get('workstream'))} is parked: {clean(body.get('why'))}"
        case other:
            return clean(other)


def worth_telling(news: list[Doc]) -> list[Doc]:
    """Of rules that fire by the hundred only the first of each; their counts are shown anyway."""
    rules: set[str] = set()
    told = []
    for entry in news:
        rule = str((entry.get("body") or {}).get("rule", ""))
        if entry.get("message") == "RuleFired" and rule in rules:
            continue
        rules.add(rule)
        told.append(entry)
    return told


class Lines:
    """For logs and pipes."""

    def __init__(self, out: TextIO, style: Style) -> None:
        self._out = out
        self._style = style
        self._told_at = 0.0
        self._rules: set[str] = set()
        self._has_tree = False

    def note(self, text: str) -> None:
        self._put(text)

    def show(self, shown: Shown) -> None:
        if shown.tree and not self._has_tree:
            self._has_tree = True  # once: what restarts is told as news
            for line in tree(self._style, shown.tree):
                self._put(f"  {line}")
        for entry in worth_telling(shown.news):
            rule = str((entry.get("body") or {}).get("rule", ""))
            if entry.get("message") == "RuleFired" and rule in self._rules:
                continue  # a log wants the first of each; the line below has the counts
            self._rules.add(rule)
            self._put(f"  {news_line(entry)}")
        now = time.monotonic()
        if now - self._told_at >= LINE_EVERY_S:
            self._told_at = now
            self._put(f"{headline(shown)}  {health_line(self._style, shown.progress)}")

    def close(self) -> None:
        self._out.flush()

    def _put(self, text: str) -> None:
        self._out.write(self._style.fit(text) + "\n")
        self._out.flush()


class Live:
    """For a terminal: a few lines that are drawn again in place."""

    def __init__(self, out: TextIO, style: Style) -> None:
        self._out = out
        self._style = style
        self._height = 0
        self._news: deque[str] = deque(maxlen=NEWS_KEPT)
        self._tree: Doc = {}

    def note(self, text: str) -> None:
        self._draw([text])

    def show(self, shown: Shown) -> None:
        self._news.extend(news_line(entry) for entry in worth_telling(shown.news))
        self._tree = shown.tree or self._tree
        doc = shown.progress
        of = int(doc.get("of") or 0)
        fraction = int(doc.get("sessions") or 0) / of if of else 0.0
        width = self._style.width - 1
        lines = [
            f"{bar(fraction, BAR_WIDTH)}  {headline(shown)}",
            health_line(self._style, doc),
            *wrap(rules_line(doc), width, "  "),
        ]
        rows = get_terminal_size().lines - len(lines) - 1
        branches = tree(self._style, self._tree) if self._tree else []
        if len(branches) + ROWS_FOR_NEWS <= rows:
            lines += ["", *branches, ""]
            rows -= len(branches) + 2
        self._draw([*lines, *self._told(rows, width)])

    def _told(self, rows: int, width: int) -> list[str]:
        """The newest news whole, as many as there are rows for, the newest last."""
        told: list[str] = []
        for text in reversed(self._news):
            piece = wrap(f"  {text}", width, "    ")
            if len(told) + len(piece) > rows:
                break
            told[:0] = piece
        return told

    def close(self) -> None:
        """The area is taken away; what comes next stands in its place."""
        self._draw([])

    def _draw(self, lines: list[str]) -> None:
        up = f"\033[{self._height}A" if self._height else ""
        body = "".join(f"\033[2K{self._style.fit(line)}\n" for line in lines)
        # A line that wrapped would take two rows and spoil the count; below may be lines of a taller picture before.
        self._out.write(f"\033[?7l\r{up}{body}\033[J\033[?7h")
        self._out.flush()
        self._height = len(lines)
