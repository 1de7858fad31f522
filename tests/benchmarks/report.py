"""Figures as text, as JSON and as rows of a Markdown table, with the machine they are of."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor import bindings
from tests.benchmarks.bases import BASES, STOCK
from tests.benchmarks.figures import Figure, Sample

HEAD = ("figure", "base", "unit", "p50", "p95", "p99", "p50 of the runs", "floor", "of floor", "of stock")


def machine() -> dict[str, str]:
    """What the figures are of; the load tells whether it was quiet."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": f"{len(os.sched_getaffinity(0))} x {model}",
        "linux": os.uname().release,
        "python": ".".join(map(str, sys.version_info[:3])),
        "sqlite": bindings.version_text(),
        "file system": _file_system(tempfile.gettempdir()),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _file_system(folder: str) -> str:
    """The type of the mount that ``folder`` is on."""
    found = ("", "unknown")
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if Path(folder).is_relative_to(place) and len(place) >= len(found[0]):
            found = (place, kind)
    return found[1]


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def of_stock(figure: Figure, figures: Iterable[Figure]) -> float | None:
    """The median as a multiple of the same figure on the stock base, if that is among ``figures``."""
    if figure.base in {"", STOCK}:
        return None
    same = (other.sample.p50 for other in figures if other.base == STOCK and other.name == figure.name)
    stock = next(same, 0.0)
    return figure.sample.p50 / stock if stock else None


def text(figure: Figure, figures: Sequence[Figure]) -> str:
    sample, floor = figure.sample, figure.floor
    ratios = [f"{number(figure.ratio)} x floor"] if figure.ratio is not None else ["the floor is nothing"]
    if (stock := of_stock(figure, figures)) is not None:
        ratios.append(f"{number(stock)} x stock")
    counts = ", ".join(f"{count:,} {what}" for what, count in figure.counts.items())
    lines = [
        f"{figure.name}{f' [{figure.base}]' if figure.base else ''}: {', '.join(ratios)}",
        f"    {_readings(sample, figure.unit)}",
        f"    floor: {_readings(floor, figure.unit)}: {figure.floor_is}",
    ]
    return "\n".join([*lines, f"    {counts}"] if counts else lines)


def _readings(sample: Sample, unit: str) -> str:
    parts = [f"p50 {number(sample.p50)} {unit}".rstrip()]
    if sample.p95 is not None:
        parts.append(f"p95 {number(sample.p95)}")
    if sample.p99 is not None:
        parts.append(f"p99 {number(sample.p99)}")
    if len(sample.runs) > 1:
        least, most = sample.spread
        parts.append(f"{len(sample.runs)} runs, their p50 {number(least)} to {number(most)}")
    return ", ".join(parts)


def markdown(figures: Sequence[Figure], of: dict[str, str]) -> str:
    """A table, the bases of one figure below each other."""
    order = {name: place for place, name in enumerate(dict.fromkeys(figure.name for figure in figures))}
    place_of = {base: place for place, base in enumerate(("", *BASES))}
    rows = [HEAD, ("---", "---", "---", *["---:"] * (len(HEAD) - 3))]
    for figure in sorted(figures, key=lambda one: (order[one.name], place_of[one.base])):
        least, most = figure.sample.spread
        spread = f"{number(least)} to {number(most)}" if len(figure.sample.runs) > 1 else "one run"
        sample = figure.sample
        measured = [number(value) for value in (sample.p50, sample.p95, sample.p99)]
        ratios = [number(figure.ratio), number(of_stock(figure, figures))]
        rows.append((figure.name, figure.base, figure.unit, *measured, spread, number(figure.floor.p50), *ratios))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{', '.join(f'{key} {value}' for key, value in of.items())}\n\n{table}"


def as_json(figures: Sequence[Figure], of: dict[str, str]) -> str:
    return json.dumps({"machine": of, "figures": [figure.as_json() for figure in figures]}, indent=1)


def read(path: Path) -> tuple[list[Figure], dict[str, str]]:
    """What ``as_json`` wrote."""
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))  # Any: JSON
    return [Figure.from_json(figure) for figure in told["figures"]], told["machine"]
