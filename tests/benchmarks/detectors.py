"""Failure detectors in virtual time: how often wrong, how fast right.  ``python -m tests.benchmarks.detectors``

A *regime* is a rhythm of heartbeats as they arrive; every detector hears the same ones.  A beat that comes after it was
due is a wrong suspicion, and life goes on.  Between two beats death is supposed at a moment drawn evenly, and the time
until it is due is the time of detection; the first minute is left out, for without a rhythm it is that of the limit.

All is drawn from seeds: the same figures on every machine.  They say what a detector makes of a rhythm, and nothing of
threads, pipes and sockets, which tests/actors/monitor has.
"""

import argparse
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from alluse_hub.supervision.detector import Deadline, Detector, PhiAccrual

SEEDS = 4
BEATS = 86_400
"""For each seed: a day, at a beat each second."""

DEATHS_EACH = 8
"""One death is supposed after so many beats: neighbours tell the same."""

UNSETTLED_S = 60.0

Dice = random.Random
Regime = Callable[[Dice], Iterator[float]]
"""Intervals between beats as they arrive, in seconds, for ever."""


# --- regimes ---------------------------------------------------------------------------------------------------------


def steady(period_s: float) -> Regime:
    """A period with 2 % of jitter."""

    def beats(dice: Dice) -> Iterator[float]:
        while True:
            yield max(0.0, dice.gauss(period_s, 0.02 * period_s))

    return beats


def pausing(dice: Dice) -> Iterator[float]:
    """A beat each second; before one in a hundred a pause of 0.3 s to a minute, whose lengths have a heavy tail
    (Pareto, 1.5): one in six is above 1 s, one in forty above 3.5 s."""
    for interval_s in steady(1.0)(dice):
        yield interval_s + (min(60.0, 0.3 * dice.paretovariate(1.5)) if dice.random() < 0.01 else 0.0)


def loaded(dice: Dice) -> Iterator[float]:
    """A beat each second, on its way for 10 ms; but about every ten minutes there is a minute or so in which it is on
    its way for 0.7 s, each exponentially distributed.  Beats arrive in order."""
    sent = arrived = 0.0
    while True:
        calm_until = sent + dice.expovariate(1 / 600)
        busy_until = calm_until + dice.expovariate(1 / 60)
        while sent < busy_until:
            sent += 1.0
            came = max(arrived, sent + dice.expovariate(1 / (0.01 if sent < calm_until else 0.7)))
            yield came - arrived
            arrived = came


def drifting(dice: Dice) -> Iterator[float]:
    """From a beat each second to one each three seconds and back within the hour, with 5 % of jitter."""
    at = 0.0
    while True:
        period_s = 2.0 - math.cos(2.0 * math.pi * at / 3600.0)
        interval_s = max(0.0, dice.gauss(period_s, 0.05 * period_s))
        yield interval_s
        at += interval_s


def jumping(dice: Dice) -> Iterator[float]:
    """Ten minutes of a beat each second, forty of one each four seconds, and so on."""
    while True:
        for period_s in (1.0, 4.0):
            yield from islice(steady(period_s)(dice), 600)


REGIMES: dict[str, Regime] = {
    "steady, each 0.1 s": steady(0.1),
    "steady, each second": steady(1.0),
    "steady, each 4 s": steady(4.0),
    "pauses with a heavy tail": pausing,
    "bursts of load": loaded,
    "drifting, 1 to 3 s": drifting,
    "jumping, 1 and 4 s": jumping,
}

UNEASY = ("pauses with a heavy tail", "bursts of load", "jumping, 1 and 4 s")
"""Regimes in which intervals are too long now and then."""


# --- detectors -------------------------------------------------------------------------------------------------------


class Whole(PhiAccrual):
    """Learns an interval that was too long as it was."""

    def heard(self, at: float, *, is_beat: bool = True) -> None:
        if is_beat and self._beat_at is not None and at > self.due_at:
            self._learn(at - self._beat_at)
            self._beat_at = None
        super().heard(at, is_beat=is_beat)


class LeftOut(PhiAccrual):
    """Does not learn an interval that was too long."""

    def heard(self, at: float, *, is_beat: bool = True) -> None:
        if at > self.due_at:
            self._beat_at = None
        super().heard(at, is_beat=is_beat)


Maker = Callable[[], Detector]

CHOICES: dict[str, Maker] = {
    "deadline 2.5 s": lambda: Deadline(0.0, 2.5),
    "deadline 5 s": lambda: Deadline(0.0, 5.0),
    "phi, limit 5 s": lambda: PhiAccrual(0.0, 5.0),
    "phi, limit 30 s": lambda: PhiAccrual(0.0, 30.0),
    "phi, limit 30 s, pause 3 s": lambda: PhiAccrual(0.0, 30.0, pause_s=3.0),
}
"""Apart from what is said, all are as they are by default."""

LESSONS: dict[str, Maker] = {
    "as the longest that was not": lambda: PhiAccrual(0.0, 30.0),
    "as it was": lambda: Whole(0.0, 30.0),
    "not at all": lambda: LeftOut(0.0, 30.0),
}
"""What is learned from an interval that was too long: the one choice that the figures decided."""


# --- measured --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Measured:
    hours: float = 0.0
    wrong: int = 0  # suspicions
    found_s: list[float] = field(default_factory=list)  # from death to suspicion

    @property
    def wrong_per_hour(self) -> float:
        return self.wrong / self.hours

    def percentile(self, share: float) -> float:
        """Nearest rank, in seconds; ``share`` within 0 to 1."""
        ordered = sorted(self.found_s)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Beat(NamedTuple):
    at: float
    dies_at: float  # before the next


def life(name: str, seed: int, beats: int) -> Iterator[Beat]:
    """Beats as they arrive; the same ones for the same name, seed and number."""
    dice, fate, at = Dice(f"{name}/{seed}"), Dice(f"{name}/{seed}/death"), 0.0
    for interval_s in islice(REGIMES[name](dice), beats):
        yield Beat(at, at + fate.random() * interval_s)
        at += interval_s


def measure(name: str, makers: dict[str, Maker], *, seeds: int = SEEDS, beats: int = BEATS) -> dict[str, Measured]:
    found = {choice: Measured() for choice in makers}
    for seed in range(seeds):
        heard = list(life(name, seed, beats))
        for choice, make in makers.items():
            _hear(heard, make(), found[choice])
    return found


def _hear(beats: list[Beat], detector: Detector, measured: Measured) -> None:
    due_at = math.inf
    for number, (at, dies_at) in enumerate(beats):
        measured.wrong += at > due_at
        detector.heard(at)
        due_at = detector.due_at
        if number % DEATHS_EACH == 0 and at > UNSETTLED_S:
            measured.found_s.append(max(0.0, due_at - dies_at))
    measured.hours += beats[-1].at / 3600.0


# --- told ------------------------------------------------------------------------------------------------------------


def rate(measured: Measured) -> str:
    return f"{measured.wrong_per_hour:.3g}"


def times(measured: Measured) -> str:
    return " / ".join(f"{value_s:.1f}" for value_s in map(measured.percentile, (0.5, 0.99, 1.0)))


def both(measured: Measured) -> str:
    return f"{rate(measured)}; {times(measured)}"


def markdown(
    found: dict[str, dict[str, Measured]], told: Callable[[Measured], str], head: str, choices: dict[str, Maker]
) -> str:
    """A row for each regime, a column for each choice."""
    rows = [(head, *choices), ("---", *["---:"] * len(choices))]
    rows += [(name, *(told(measured[choice]) for choice in choices)) for name, measured in found.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def report(*, seeds: int = SEEDS, beats: int = BEATS) -> str:
    """The three tables of supervision/README.md."""
    found = {name: measure(name, CHOICES, seeds=seeds, beats=beats) for name in REGIMES}
    learned = {name: measure(name, LESSONS, seeds=seeds, beats=beats) for name in UNEASY}
    return "\n\n".join((
        markdown(found, rate, "wrong suspicions an hour", CHOICES),
        markdown(found, times, "from death to suspicion, s: p50 / p99 / max", CHOICES),
        markdown(learned, both, "an interval that was too long is learned", LESSONS),
    ))  # fmt: skip


def main() -> None:
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks.detectors", description=__doc__)
    made.add_argument("--seeds", type=int, default=SEEDS, help=f"lives of each regime; default: {SEEDS}")
    made.add_argument("--beats", type=int, default=BEATS, help=f"of each life; default: {BEATS:,}")
    options = made.parse_args()
    print(report(seeds=options.seeds, beats=options.beats))


if __name__ == "__main__":
    main()
