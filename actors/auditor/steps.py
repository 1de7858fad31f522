"""Steps of the wall clock, seen in the entries themselves.

Each entry has hub time, which never steps, and wall time, which only labels; so the difference of the two changes only
when somebody sets the clock.  Nothing in the hub depends on wall time, but whoever reads the trail does, and a clock
that was set is something an auditor has to know of.

An entry's hub time is that of the letter, its wall time that of the write; so a slow turn looks like a step, once.  A
step is told when ``AGREED`` turns in a row agree on it.  What is slower than ``STEP_S`` an entry is drift.

Pure.
"""

from collections import deque
from collections.abc import Iterable
from statistics import median

STEP_S = 1.0
"""Trail entries are asked to be within a second of each other by the loosest of the rules for business clocks."""

AGREED = 4


class Steps:
    """``known``: hub time and wall time of the last entries stored."""

    def __init__(self, known: Iterable[tuple[float, float]] = ()) -> None:
        offsets = [wall - at for at, wall in known]
        self._offset = median(offsets) if offsets else None
        self._odd: deque[float] = deque(maxlen=AGREED)
        self._odd_at: float | None = None

    def look(self, times: Iterable[tuple[float, float]]) -> float:
        """By how many seconds the clock was set in these entries, in the order they are stored; 0 if it was not."""
        stepped = 0.0
        for at, wall in times:
            offset = wall - at
            if self._offset is None:
                self._offset = offset
            elif abs(offset - self._offset) <= STEP_S:
                self._offset = offset
                self._odd.clear()
            elif at != self._odd_at:  # entries of one turn have one time
                self._odd_at = at
                self._odd.append(offset)
                if len(self._odd) == AGREED and max(self._odd) - min(self._odd) <= STEP_S:
                    stepped += median(self._odd) - self._offset
                    self._offset = median(self._odd)
                    self._odd.clear()
        return stepped
