"""The demonstration over a fixed span, as fast as all answer.

Rates are taken from the trail, between the first and the last round that was settled, so that start and summary are not
in them; the whole, by the clock, is told beside them.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from alluse_hub.actors.workstreams.rehearse import Rehearsal
from alluse_hub.protocols.trail import AuditorSpec, Entry
from tests.benchmarks import floors, hubs
from tests.benchmarks.figures import Figure, Sample


def demo(folder: Path, *, base: str, first: str, last: str, runs: int) -> list[Figure]:
    """``first`` and ``last``: sessions, as dates."""
    sessions_rates, entries_rates, walls, bare_sessions, bare_entries, bare_walls = [], [], [], [], [], []
    counts: dict[str, int] = {}
    for run in range(runs):
        home = folder / str(run)
        began = time.monotonic()
        done = subprocess.run(
            (sys.executable, hubs.RUN, "demo", "--json", "--base", base, "--home", home, "--from", first, "--to", last),
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        walls.append(time.monotonic() - began)
        told = json.loads(done.stdout)
        counts = {key: int(told[key]) for key in ("sessions", "of", "events", "entries", "messages")}
        rounds = hubs.facts(home, "RoundSettled")
        begin, end = rounds[0], rounds[-1]
        sessions_rates.append((_sessions(end) - _sessions(begin)) / (end.at - begin.at))
        entries_rates.append((end.leaf - begin.leaf) / (end.at - begin.at))
        rehearsal = Rehearsal(first, last, with_rules=True, state_dir=folder / f"{run}.rehearsal")
        began = time.monotonic()
        rehearsal.run()
        bare_walls.append(time.monotonic() - began)
        bare_sessions.append(rehearsal.sessions / bare_walls[-1])
        batch = AuditorSpec().batch_max
        commits = [batch] * (counts["entries"] // batch + 1)
        inserted, took_s, _ = floors.inserts(home / "trail" / "trail.db", folder / f"{run}.bare.db", commits)
        bare_entries.append(inserted / took_s)
    alone = "the five workstreams in one process, without a hub"
    return [
        Figure(
            f"demo {first} to {last}: sessions",
            "1/s",
            Sample.each(sessions_rates),
            Sample.each(bare_sessions),
            alone,
            counts=counts,
        ),
        Figure(
            f"demo {first} to {last}: entries recorded",
            "1/s",
            Sample.each(entries_rates),
            Sample.each(bare_entries),
            "executemany of the same rows, one process, no index",
            counts=counts,
        ),
        Figure(
            f"demo {first} to {last}: from start to exit",
            "s",
            Sample.each(walls),
            Sample.each(bare_walls),
            alone,
            counts=counts,
        ),
    ]


def _sessions(settled: Entry) -> int:
    count = settled.body["sessions"]
    assert isinstance(count, int), "a RoundSettled counts sessions"
    return count
