"""What it takes to decide everything on record again."""

import json
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from pydantic_core import from_json

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.history import History
from alluse_hub.actors.auditor.rerun import rerun
from alluse_hub.actors.catalog import core_of
from tests.benchmarks import hubs
from tests.benchmarks.figures import Figure, Sample

DONE_S = 900.0


def rerunning(folder: Path, *, first: str, last: str, runs: int) -> list[Figure]:
    """The trail of a demonstration from session ``first`` to ``last``."""
    home = folder / "home"
    _said(("demo", "--base", "engine", "--from", first, "--to", last), home)
    cpu, walls, floor_cpu, floor_walls = [], [], [], []
    letters = judged = differences = 0
    for _ in range(runs):
        bare_s, bare_cpu_s = _parsed(home)
        cpu_began = time.process_time()
        with closing(History.of(home)) as history:
            judgements = list(rerun(history, core_of))
        cpu_s = time.process_time() - cpu_began
        letters = sum(judgement.letters for judgement in judgements)
        judged = sum(judgement.judged for judgement in judgements)
        differences = sum(judgement.difference is not None for judgement in judgements)
        cpu.append(letters / cpu_s)
        floor_cpu.append(letters / bare_cpu_s)
        began = time.monotonic()
        _said(("trail", "rerun"), home)
        walls.append(letters / (time.monotonic() - began))
        floor_walls.append(letters / bare_s)
    floor_is = "the bodies of the same trail read and parsed, one process, nothing decided"
    return [
        Figure(
            "rerun: letters decided again in a second of CPU",
            "1/s",
            Sample.each(cpu),
            Sample.each(floor_cpu),
            floor_is,
            counts={"letters": letters, "judged": judged, "differences": differences},
        ),
        Figure(
            "rerun: letters decided again by the command, on all cores, start to exit",
            "1/s",
            Sample.each(walls),
            Sample.each(floor_walls),
            floor_is,
        ),
    ]


def _said(words: tuple[str, ...], home: Path) -> None:
    command = (sys.executable, str(hubs.RUN), *words, "--home", str(home), "--json")
    done = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=DONE_S)
    json.loads(done.stdout)


def _parsed(home: Path) -> tuple[float, float]:
    """Seconds by the clock and of CPU."""
    began, cpu_began = time.monotonic(), time.process_time()
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as store:
        for (body,) in store.execute("SELECT body FROM entries WHERE body IS NOT NULL AND body <> ''"):
            from_json(body)
    return time.monotonic() - began, time.process_time() - cpu_began
