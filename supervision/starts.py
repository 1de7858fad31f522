"""The guardian's book: when the daemon was started, when its tree died, and why, so that a crash loop of the daemon
itself is seen.

Nobody outlives a guardian who could count its deaths.  So each one finds in the home what the one before left: if that
has not written down its end, it was killed.  A daemon that was started again for such a reason more often than
``LOOP`` allows says so at its start, and ``status`` and ``tree`` say so until the window has passed.

The book is a small file of the home, bounded, and written anew at each entry.  Times are hub time; wall time labels.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from alluse_hub.protocols.lifecycle import Intensity
from alluse_hub.supervision.clock import Clock
from alluse_hub.supervision.restarts import recent

FILE = "starts.json"
"""In the home."""

ENTRIES_MAX = 64

LOOP = Intensity(restarts=3, period_s=600.0)
"""Failures of the daemon, or of its whole tree, that are no loop yet: a service manager waits seconds between two."""

WHY_CHARS_MAX = 300


class Event(StrEnum):
    BEGUN = "begun"
    TREE_DIED = "tree_died"
    ENDED = "ended"  # as asked, or by itself for a stated reason
    GAVE_UP = "gave_up"
    KILLED = "killed"  # found by the next one


FAILURES = frozenset({Event.TREE_DIED, Event.GAVE_UP, Event.KILLED})
ENDS = frozenset({Event.ENDED, Event.GAVE_UP, Event.KILLED})


@dataclass(frozen=True, slots=True)
class Entry:
    event: Event
    at: float  # hub time
    wall: float
    why: str = ""


Entries = tuple[Entry, ...]


def with_begin(entries: Entries, at: float, wall: float) -> Entries:
    """``entries`` oldest first, of which the last says how the daemon before ended, if it could."""
    is_open = bool(entries) and entries[-1].event not in ENDS
    killed = Entry(Event.KILLED, at, wall, "it left no word of its end")
    return (*entries, *((killed,) if is_open else ()), Entry(Event.BEGUN, at, wall))


def failures(entries: Entries, now: float) -> tuple[float, ...]:
    """Hub times of those that count now, newest first."""
    times = tuple(entry.at for entry in reversed(entries) if entry.event in FAILURES)
    return recent(times, now, LOOP.period_s)


def warning(entries: Entries, now: float) -> str:
    """Empty if there is nothing to warn of."""
    count = len(failures(entries, now))
    if count <= LOOP.restarts:
        return ""
    last = next(entry for entry in reversed(entries) if entry.event in FAILURES)
    return f"a crash loop: {count} failures of the daemon or its tree in {LOOP.period_s:g} s; the last: {said(last)}"


def said(entry: Entry) -> str:
    words = {Event.TREE_DIED: "the tree died", Event.GAVE_UP: "the daemon gave up", Event.KILLED: "it was killed"}
    return f"{words.get(entry.event, entry.event.value)}: {entry.why}"


def read(home: Path) -> Entries:
    """Empty where there is none, or none that can be read: the book serves people, and nothing hangs on it."""
    try:
        raw = json.loads((home / FILE).read_text(encoding="utf-8"))["entries"]
        return tuple(Entry(Event(each["event"]), each["at"], each["wall"], each["why"]) for each in raw)
    except (OSError, ValueError, KeyError, TypeError):
        return ()


@dataclass(slots=True)
class Book:
    """One daemon's hand in it.  ``say`` prints a line for a person; what is said last before the tree dies is why."""

    home: Path
    clock: Clock
    say: Callable[[str], None]
    _last: str = ""
    _entries: Entries = field(default=())

    def begin(self) -> None:
        self._entries = with_begin(read(self.home), self.clock.now(), self.clock.wall())
        self._write()
        if found := warning(self._entries, self.clock.now()):
            self.say(f"warning: {found}")

    def overhear(self, line: str) -> None:
        self._last = line
        self.say(line)

    def tree_begins(self) -> None:
        self._last = ""

    def tree_died(self) -> None:
        why = self._last if self._last and not self._last.startswith(("ready:", "ended:")) else "its root ended"
        self._put(Event.TREE_DIED, why)

    def end(self, event: Event, why: str) -> None:
        self._put(event, why)

    def _put(self, event: Event, why: str) -> None:
        entry = Entry(event, self.clock.now(), self.clock.wall(), why[:WHY_CHARS_MAX])
        self._entries = (*self._entries, entry)
        self._write()

    def _write(self) -> None:
        self._entries = self._entries[-ENTRIES_MAX:]
        now = self.clock.now()
        counted = failures(self._entries, now)
        shown = {
            "entries": [asdict(entry) for entry in self._entries],
            "failures": len(counted),
            "allowed": LOOP.restarts,
            "period_s": LOOP.period_s,
            "frees_at": [at + LOOP.period_s for at in counted],
            "warning": warning(self._entries, now),
        }
        partial = (self.home / FILE).with_suffix(".new")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(shown, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.home / FILE)
