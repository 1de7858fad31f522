"""What is due when: a heap, so that a thousand pending wakeups cost no more to look at than one.

Times are seconds of the monotonic clock.  Any thread may add to it; the loop's thread takes.
"""

import heapq
from collections.abc import Iterator
from itertools import count
from math import inf
from threading import Lock
from typing import Any


class Agenda:
    """Items of equal time come out in the order they were put in.  ``due``: the time of the first, infinite if there is
    none; an attribute, because it is looked at between any two messages."""

    def __init__(self) -> None:
        self.due = inf
        self._heap: list[tuple[float, int, Any]] = []  # the item is the owner's
        self._serial = count()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[tuple[float, Any]]:  # as above
        return ((due, item) for due, _, item in sorted(self._heap, key=lambda entry: entry[:2]))

    def add(self, due: float, item: Any) -> None:  # as above
        with self._lock:
            heapq.heappush(self._heap, (due, next(self._serial), item))
            self.due = self._heap[0][0]

    def take(self, now: float) -> Any:  # as above; None if nothing is due
        with self._lock:
            if self.due > now:
                return None
            item = heapq.heappop(self._heap)[2]
            self.due = self._heap[0][0] if self._heap else inf
            return item
