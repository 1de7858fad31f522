"""Sliding windows: what happened in the last seconds, in bounded memory.

A window is cut into ``SLOTS`` slots; it covers the slot at hand and the ``SLOTS - 1`` before it, so that old counts
leave a slot at a time and nothing is averaged or guessed.  Percentiles are nearest-rank over the latencies of the
window's slots, at most the last ``LATENCIES_MAX`` of them.  Uptime is time up over time up and down, maintenance
apart, over the last ``UPTIME_WINDOWS`` windows or since the first look, whichever is shorter.

Pure: the times come from the letters.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from alluse_hub.protocols.health import Window
from alluse_hub.protocols.states import replace

SLOTS = 60
LATENCIES_MAX = 1_024
"""Enough for a p99 over ten samples; a busier workstream is judged by its latest thousand."""

UPTIME_WINDOWS = 60
TURNS_MAX = 512
"""Changes between up and down that uptime remembers; beyond that it looks back less far."""


@dataclass(frozen=True, slots=True)
class Slot:
    number: int
    requests: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests, errors and latencies of one workstream.  ``began``: hub time of the first look, in seconds."""

    window_s: float
    began: float
    slots: tuple[Slot, ...] = ()  # oldest first, none empty
    latencies: tuple[tuple[int, float], ...] = ()  # (slot, milliseconds), oldest first

    def slot(self, at: float) -> int:
        return math.floor(at * SLOTS / self.window_s)

    def count(self, at: float, *, requests: int = 0, errors: int = 0, latency_ms: float | None = None) -> "Traffic":
        now = self.slot(at)
        last = self.slots[-1] if self.slots and self.slots[-1].number >= now else Slot(now)
        counted = Slot(last.number, last.requests + requests, last.errors + errors)
        before = self.slots[:-1] if self.slots and last is self.slots[-1] else self.slots
        latencies = self.latencies
        if latency_ms is not None:
            latencies = (*latencies[1 - LATENCIES_MAX :], (last.number, latency_ms))
        if before and before[0].number <= now - SLOTS:
            before = tuple(slot for slot in before if slot.number > now - SLOTS)
            latencies = tuple(sample for sample in latencies if sample[0] > now - SLOTS)
        return replace(self, slots=(*before, counted), latencies=latencies)

    def counts(self, at: float) -> tuple[int, int]:
        """Requests and errors in the window: what a status needs, without sorting latencies."""
        oldest = self.slot(at) - SLOTS + 1
        requests = errors = 0
        for slot in self.slots:
            if slot.number >= oldest:
                requests += slot.requests
                errors += slot.errors
        return requests, errors

    def figures(self, at: float) -> Window:
        now = self.slot(at)
        requests, errors = self.counts(at)
        latencies = sorted(ms for number, ms in self.latencies if number > now - SLOTS)
        watched_s = min(self.window_s, max(at - self.began, self.window_s / SLOTS))
        return Window(
            window_s=self.window_s,
            requests=requests,
            errors=errors,
            latency_p50_ms=percentile(latencies, 0.50),
            latency_p95_ms=percentile(latencies, 0.95),
            latency_p99_ms=percentile(latencies, 0.99),
            latency_mean_ms=math.fsum(latencies) / len(latencies) if latencies else 0.0,
            per_second=requests / watched_s,
            error_rate=error_rate(requests, errors),
        )


def error_rate(requests: int, errors: int) -> float:
    return errors / max(requests, errors, 1)


def percentile(ordered: list[float], share: float) -> float:
    """Nearest rank: the smallest value that at least ``share`` of them do not exceed; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Presence(StrEnum):
    UP = "up"
    DOWN = "down"
    APART = "apart"  # in maintenance or stopped by an operator: neither credit nor blame


@dataclass(frozen=True, slots=True)
class Uptime:
    window_s: float
    turns: tuple[tuple[float, Presence], ...] = ()  # hub time at which it became so, oldest first

    def turn(self, at: float, presence: Presence) -> "Uptime":
        if self.turns and self.turns[-1][1] is presence:
            return self
        begin = at - self.window_s
        live = tuple(
            turn
            for turn, following in zip(self.turns, (*self.turns, (at, presence))[1:], strict=True)
            if following[0] > begin
        )
        return replace(self, turns=(*live, (at, presence))[-TURNS_MAX:])

    def share(self, at: float) -> float:
        """1 while nothing is known."""
        if not self.turns:
            return 1.0
        begin = at - self.window_s
        spent = {Presence.UP: 0.0, Presence.DOWN: 0.0, Presence.APART: 0.0}
        ends = [turn[0] for turn in self.turns[1:]] + [at]
        for (since, presence), until in zip(self.turns, ends, strict=True):
            spent[presence] += max(0.0, until - max(since, begin))
        known = spent[Presence.UP] + spent[Presence.DOWN]
        return min(1.0, spent[Presence.UP] / known) if known > 0 else 1.0
