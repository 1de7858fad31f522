"""Order between a pair: what one actor sends another is heard in that order, once.

Every letter carries its number within the pair of incarnations that exchange it.  A letter that overtook another waits
for it here; a number seen before is a double and is dropped.  A missing letter is waited for ``GAP_WAIT_S``, then it is
taken for lost: whoever said something that matters says it again.

Pure: hub time comes in as an argument, in seconds.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

GAP_WAIT_S = 2.0
"""The stock transport re-sends within milliseconds what it lost in a collision; longer means that it is in trouble."""

WAITING_MAX = 1_000
"""Letters of one pair that may wait for a missing one; beyond that the gap is given up at once."""

T = TypeVar("T")


@dataclass(slots=True)
class _Pair(Generic[T]):
    incarnation: int
    expected: int = 1
    waiting: dict[int, T] = field(default_factory=dict)
    since: float = 0.0


@dataclass(slots=True)
class Inbound(Generic[T]):
    """Letters on their way in, by sender; an older incarnation of a sender is forgotten when a newer one speaks."""

    _pairs: dict[str, _Pair[T]] = field(default_factory=dict)
    _has_gaps: bool = False  # some pair may have letters that wait: looked at between any two letters

    def take(self, sender: str, incarnation: int, number: int, letter: T, now: float) -> list[T]:
        """The letters that may be heard now, in order; empty if this one has to wait or is a double."""
        pair = self._pairs.get(sender)
        if pair is None or incarnation > pair.incarnation:
            pair = self._pairs[sender] = _Pair(incarnation)
        elif incarnation < pair.incarnation:
            return []
        if not pair.waiting and number == pair.expected:  # nearly always
            pair.expected += 1
            return [letter]
        if number < pair.expected or number in pair.waiting:
            return []
        self._has_gaps = True
        if not pair.waiting:
            pair.since = now
        pair.waiting[number] = letter
        ready = _run(pair)
        if len(pair.waiting) > WAITING_MAX:
            ready += _skip(pair)
        if pair.waiting and ready:
            pair.since = now
        return ready

    def overdue(self, now: float) -> list[T]:
        """Letters whose missing predecessors are given up at ``now``."""
        if not self._has_gaps:
            return []
        ready: list[T] = []
        for pair in self._pairs.values():
            if pair.waiting and now >= pair.since + GAP_WAIT_S:  # the very sum that `next_overdue` promised
                ready += _skip(pair)
                pair.since = now
        return ready

    def next_overdue(self) -> float | None:
        if not self._has_gaps:
            return None
        waits = [pair.since for pair in self._pairs.values() if pair.waiting]
        self._has_gaps = bool(waits)
        return min(waits) + GAP_WAIT_S if waits else None


def _run(pair: _Pair[T]) -> list[T]:
    ready = []
    while pair.expected in pair.waiting:
        ready.append(pair.waiting.pop(pair.expected))
        pair.expected += 1
    return ready


def _skip(pair: _Pair[T]) -> list[T]:
    pair.expected = min(pair.waiting)
    return _run(pair)
