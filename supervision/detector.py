"""Failure detectors: when silence is to be taken for death.

Nothing can tell the dead from the slow; a detector trades how fast it finds a death against how often it is wrong.
Both here answer the same question: when will whoever I listen to be *suspected*, if nothing comes?  So a timer can
sleep until then, and nobody polls.

* ``Deadline``: after so many seconds of silence, whatever the rhythm was.
* ``PhiAccrual``: after a silence that this rhythm would hardly ever bring.  Hayashibara, Defago, Yared, Katayama: The
  phi accrual failure detector, SRDS 2004.  Suspicion grows with the silence; *phi* is the negative decimal logarithm of
  the probability that the next beat comes even later, if intervals are normally distributed with the mean and the
  deviation of the last ``window``.  So it is fast on who beats fast, and patient with who beats slowly or unsteadily.

What the paper leaves open is settled so:

* Before ``INTERVALS_LEAST`` intervals are known there is no rhythm, and the limit counts.
* The limit also counts in the end: however unsteady the rhythm, it is suspected after so much silence.
* The deviation is taken as ``deviation_min_s`` at least, or a perfect rhythm would make a suspect of who is late by a
  millisecond; and ``pause_s`` of silence is allowed on top, for what no history shows: a collection of garbage, a
  machine that is busy elsewhere.
* An interval that was too long is learned as the longest that was not: one death that was none, or one long piece of
  work, must not blind the detector for a window, and a rhythm that has really slowed down is still learned.
* What is a sign of life but no heartbeat ends the silence and teaches nothing: its rhythm is that of the work.
* While the observer itself stood still it has heard nothing, and knows nothing: ``excuse``.

Times are seconds of any one clock that does not step.  Times that come late or twice change nothing.  Pure.
"""

import math
from collections import deque
from typing import Protocol

from alluse_hub.protocols.detection import DEVIATION_MIN_S, INTERVALS_LEAST, PAUSE_S, THRESHOLD, WINDOW

MICRO = 1_000_000
"""Intervals are kept in whole microseconds, so that the running sums are exact and do not drift."""

TAIL_FROM = 25.0
"""From here on the complementary error function nears the least number there is, and its asymptotic series is exact."""


class Detector(Protocol):
    """``threshold``: the suspicion, in the detector's own measure, at which it is due."""

    @property
    def threshold(self) -> float: ...
    @property
    def due_at(self) -> float:
        """When it will be suspected if nothing comes."""
        ...

    def heard(self, at: float, *, is_beat: bool = True) -> None:
        """A sign of life."""
        ...

    def excuse(self, at: float) -> None:
        """Until ``at`` the observer stood still: the silence begins anew, and nothing is learned from it."""
        ...

    def suspicion(self, at: float) -> float:
        """Never falls while the silence lasts."""
        ...

    def why(self, at: float) -> str:
        """What the suspicion at ``at`` rests on, for people."""
        ...


class Deadline:
    """Suspected after ``limit_s`` of silence; its measure is the silence in limits."""

    __slots__ = ("_alive_at", "_limit_s")

    threshold = 1.0

    def __init__(self, began_at: float, limit_s: float) -> None:
        assert limit_s > 0, "a silence takes time"
        self._alive_at = began_at
        self._limit_s = limit_s

    @property
    def due_at(self) -> float:
        return self._alive_at + self._limit_s

    def heard(self, at: float, *, is_beat: bool = True) -> None:  # noqa: ARG002  # all signs of life are one to it
        self._alive_at = max(self._alive_at, at)

    def excuse(self, at: float) -> None:
        self._alive_at = max(self._alive_at, at)

    def suspicion(self, at: float) -> float:
        return max(0.0, at - self._alive_at) / self._limit_s

    def why(self, at: float) -> str:  # noqa: ARG002  # it does not change with the silence
        return f"deadline {seconds(self._limit_s)}"


class PhiAccrual:
    """Suspected when phi reaches ``threshold``, at the latest after ``limit_s`` of silence."""

    __slots__ = (
        "_alive_at", "_beat_at", "_deviation_min_s", "_deviations", "_intervals", "_limit_s", "_pause_s", "_squares",
        "_sum", "_window", "threshold",
    )  # fmt: skip

    def __init__(
        self,
        began_at: float,
        limit_s: float,
        *,
        threshold: float = THRESHOLD,
        window: int = WINDOW,
        deviation_min_s: float = DEVIATION_MIN_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        assert limit_s > 0, "a silence takes time"
        assert window >= INTERVALS_LEAST, "a window holds a rhythm"
        assert deviation_min_s > 0, "no rhythm is perfect"
        assert pause_s >= 0, "a pause takes time"
        self.threshold = threshold
        self._alive_at = began_at
        self._beat_at: float | None = None  # of the last heartbeat, if the interval from it can be learned from
        self._limit_s = limit_s
        self._window = window
        self._deviation_min_s = deviation_min_s
        self._pause_s = pause_s
        self._deviations = deviations_at(threshold)
        self._intervals: deque[int] = deque()
        self._sum = self._squares = 0  # over the intervals

    @property
    def has_rhythm(self) -> bool:
        return len(self._intervals) >= INTERVALS_LEAST

    @property
    def mean_s(self) -> float:
        return self._sum / len(self._intervals) / MICRO if self._intervals else 0.0

    @property
    def deviation_s(self) -> float:
        """Of the intervals as they were; phi takes it as ``deviation_min_s`` at least."""
        count = len(self._intervals)
        if count < 2:
            return 0.0
        return math.sqrt((count * self._squares - self._sum**2) / (count * (count - 1))) / MICRO

    @property
    def patience_s(self) -> float:
        """From the last sign of life until it is suspected."""
        if not self.has_rhythm:
            return self._limit_s
        spread_s = self._deviations * max(self._deviation_min_s, self.deviation_s)
        return min(self._limit_s, self.mean_s + self._pause_s + spread_s)

    @property
    def due_at(self) -> float:
        return self._alive_at + self.patience_s

    def heard(self, at: float, *, is_beat: bool = True) -> None:
        if at < self._alive_at:
            return
        if is_beat:
            if self._beat_at is not None and at > self._beat_at:
                self._learn(min(at - self._beat_at, self.patience_s))
            self._beat_at = at
        self._alive_at = at

    def excuse(self, at: float) -> None:
        self._alive_at = max(self._alive_at, at)
        self._beat_at = None

    def suspicion(self, at: float) -> float:
        phi = self._phi(at)
        return max(phi, self.threshold) if at >= self.due_at else phi

    def why(self, at: float) -> str:
        known = len(self._intervals)
        if not self.has_rhythm:
            return f"limit {seconds(self._limit_s)}: {known} of {INTERVALS_LEAST} intervals known, no rhythm yet"
        mean, deviation = seconds(self.mean_s), seconds(self.deviation_s)
        if self.deviation_s < self._deviation_min_s:
            deviation += f" (at least {seconds(self._deviation_min_s)})"
        grounds = f"silent {seconds(at - self._alive_at)}, mean {mean}, deviation {deviation}"
        if self._pause_s:
            grounds += f", pause {seconds(self._pause_s)}"
        text = f"phi {self._phi(at):.1f}: {grounds}"
        is_limit = self.patience_s == self._limit_s and at >= self.due_at
        return f"limit {seconds(self._limit_s)}, {text}" if is_limit else text

    def _phi(self, at: float) -> float:
        if not self.has_rhythm:
            return 0.0
        late_s = at - self._alive_at - self.mean_s - self._pause_s
        return phi_of(late_s / max(self._deviation_min_s, self.deviation_s))

    def _learn(self, interval_s: float) -> None:
        if len(self._intervals) == self._window:
            oldest = self._intervals.popleft()
            self._sum -= oldest
            self._squares -= oldest * oldest
        interval = round(interval_s * MICRO)
        self._intervals.append(interval)
        self._sum += interval
        self._squares += interval * interval


def phi_of(deviations: float) -> float:
    """-log10 of the probability that a normal variable is more than so many standard deviations above its mean.

    Abramowitz, Stegun: Handbook of Mathematical Functions, 7.1.2 and, where that probability is too small for a float,
    7.1.23.
    """
    x = deviations / math.sqrt(2.0)
    if x < TAIL_FROM:
        return math.log10(2.0 / math.erfc(x))
    square = 2.0 * x * x
    series = 1.0 - 1.0 / square * (1.0 - 3.0 / square * (1.0 - 5.0 / square * (1.0 - 7.0 / square)))
    return x * x * math.log10(math.e) + math.log10(2.0 * x * math.sqrt(math.pi) / series)


def deviations_at(phi: float) -> float:
    """The inverse of ``phi_of``, by bisection; for a phi above that of the mean, 0.3, for below there is no silence."""
    assert phi > phi_of(0.0), "a silence shorter than the mean is no suspicion"
    low, high = 0.0, 1.0
    while phi_of(high) < phi:
        low, high = high, 2.0 * high
    while low < (middle := (low + high) / 2.0) < high:
        low, high = (middle, high) if phi_of(middle) < phi else (low, middle)
    return high


def seconds(value_s: float) -> str:
    """Three digits that count."""
    return f"{value_s:.3g} s"
