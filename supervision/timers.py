"""Timers that can be replaced and cancelled, over a base that can do neither.

Each timer is a name with a serial number; replacing or cancelling it makes the older serial stale, and a stale one is
dropped when it comes up.  One wake-up of the base serves them all: only the earliest is ever asked for, so deadlines
that are nearly always met cost the base nothing.

Pure: hub time comes in as an argument, in seconds.
"""

import heapq
from dataclasses import dataclass, field


@dataclass(slots=True)
class Timers:
    _heap: list[tuple[float, int, str]] = field(default_factory=list)
    _live: dict[str, int] = field(default_factory=dict)
    _serial: int = 0

    def set(self, timer: str, due: float) -> None:
        """Have ``timer`` come up at ``due``; an earlier setting of the same name is void."""
        self._serial += 1
        self._live[timer] = self._serial
        heapq.heappush(self._heap, (due, self._serial, timer))

    def cancel(self, timer: str) -> None:
        self._live.pop(timer, None)

    def next_due(self) -> float | None:
        """When the earliest live timer comes up; None if there is none."""
        while self._heap and self._live.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> str | None:
        """Take the earliest timer that is due at ``now``, if any; equal times come in the order they were set."""
        at = self.next_due()
        if at is None or at > now:
            return None
        _, _, timer = heapq.heappop(self._heap)
        del self._live[timer]
        return timer
