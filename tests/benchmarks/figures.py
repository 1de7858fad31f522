"""What a benchmark tells: readings with their spread, each beside a floor measured in the same run.

A *reading* is one measured value; a *run* is a row of readings taken together.  Percentiles are over all readings, the
spread is the range of the runs' medians: what another run of the same program may show.  A *floor* is the least that
the machine could have done the same with in the same minute, so that a ratio holds where a bare number does not.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

P95_LEAST = 20
P99_LEAST = 100
"""Readings from which on a percentile is more than the largest of them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Readings of one quantity, by run."""

    runs: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, runs: Iterable[Sequence[float]]) -> Self:
        """Raises ValueError for a run without a reading."""
        kept = tuple(tuple(float(reading) for reading in run) for run in runs)
        if not kept or not all(kept):
            raise ValueError("a sample needs a reading in every run")
        return cls(kept)

    @classmethod
    def each(cls, readings: Iterable[float]) -> Self:
        """Runs of one reading each."""
        return cls.of([reading] for reading in readings)

    def times(self, factor: float) -> "Sample":
        return Sample.of([reading * factor for reading in run] for run in self.runs)

    @property
    def readings(self) -> list[float]:
        return sorted(reading for run in self.runs for reading in run)

    def percentile(self, share: float) -> float:
        """Nearest rank; ``share`` within 0 to 1."""
        ordered = self.readings
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    @property
    def p50(self) -> float:
        return statistics.median(self.readings)

    @property
    def p95(self) -> float | None:
        return self.percentile(0.95) if len(self.readings) >= P95_LEAST else None

    @property
    def p99(self) -> float | None:
        return self.percentile(0.99) if len(self.readings) >= P99_LEAST else None

    @property
    def spread(self) -> tuple[float, float]:
        """Least and largest median of a run."""
        medians = [statistics.median(run) for run in self.runs]
        return min(medians), max(medians)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.  ``floor_is`` says in words what the floor did; ``counts`` what was counted on the way, so that a
    figure taken over less than was asked for shows.
    """

    name: str
    unit: str
    sample: Sample
    floor: Sample
    floor_is: str
    base: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Medians, as a multiple of the floor; None where the floor is nothing."""
        floor = self.floor.p50
        return self.sample.p50 / floor if floor else None

    def as_json(self) -> dict[str, Any]:  # Any: JSON
        return asdict(self) | {
            "p50": self.sample.p50,
            "p95": self.sample.p95,
            "p99": self.sample.p99,
            "spread": self.sample.spread,
            "floor_p50": self.floor.p50,
            "floor_spread": self.floor.spread,
            "ratio": self.ratio,
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:  # Any: as above
        return cls(
            told["name"],
            told["unit"],
            Sample.of(told["sample"]["runs"]),
            Sample.of(told["floor"]["runs"]),
            told["floor_is"],
            told["base"],
            told["counts"],
        )
