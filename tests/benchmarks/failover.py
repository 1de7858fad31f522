"""From kill -9 to the replacement, as the trail has it.

A *monitor* is back when its new incarnation has recovered and opened its mail (``Booted``), and watches again when it
has taken over the program that went on without it (``ProgramStarted``, adopted).  A *program* is back when the new one
has said hello (``ProgramGreeted``); its monitor waits 100 ms before it tries (the first pause of its back-off), and
that is in the figure.
"""

import time
from collections.abc import Callable
from pathlib import Path

from alluse_hub.protocols.trail import Entry
from alluse_hub.supervision import processes
from alluse_hub.supervision.processes import Process
from tests.benchmarks import floors, hubs
from tests.benchmarks.figures import Figure, Sample
from tests.benchmarks.hubs import Hub

MONITOR = "desk"
PROGRAM = "feed"

FLOOR = "fork, exec and exit of python -c pass"


def monitor(folder: Path, *, base: str, kills: int, runs: int, settle_s: float) -> list[Figure]:
    """``kills`` in every run, ``settle_s`` apart."""
    back, watching, spawned = [], [], []
    for run in range(runs):
        home = folder / str(run)
        with hubs.greeted(home, hubs.PROBES, base) as hub:
            killed_at = [_kill(hub, lambda: hub.actor(MONITOR), settle_s) for _ in range(kills)]
        back.append(_after(killed_at, _of(home, "Booted", MONITOR)))
        adopted = [entry for entry in _of(home, "ProgramStarted", MONITOR) if entry.body["adopted"]]
        watching.append(_after(killed_at, adopted))
        spawned.append(floors.spawned(floors.PYTHON_PASS, kills))
    return [
        _figure("kill -9 of a monitor to its replacement", back, spawned),
        _figure("kill -9 of a monitor to its program watched again", watching, spawned),
    ]


def program(folder: Path, *, base: str, kills: int, runs: int, settle_s: float) -> list[Figure]:
    """As above."""
    greeted, spawned = [], []
    for run in range(runs):
        home = folder / str(run)
        with hubs.greeted(home, hubs.PROBES, base) as hub:
            killed_at = [_kill(hub, lambda: _program(hub), settle_s) for _ in range(kills)]
            hub.await_facts(hubs.PROBES.programs + kills, "ProgramGreeted")
        greeted.append(_after(killed_at, _of(home, "ProgramGreeted", PROGRAM)))
        spawned.append(floors.spawned(floors.PYTHON_PASS, kills))
    return [_figure("kill -9 of a program to the hello of the next, 100 ms pause included", greeted, spawned)]


def _figure(name: str, took_s: list[list[float]], spawned_s: list[list[float]]) -> Figure:
    sample, floor = Sample.of(took_s).times(1e3), Sample.of(spawned_s).times(1e3)
    return Figure(name, "ms", sample, floor, FLOOR, counts={"kills": sum(map(len, took_s))})


def _program(hub: Hub) -> Process | None:
    held = hub.holders().get(PROGRAM)
    if held is None:
        return None
    found = Process(held["pid"], processes.start_ticks(held["pid"]), PROGRAM)
    return found if found.ticks else None


def _kill(hub: Hub, find: Callable[[], Process | None], settle_s: float) -> float:
    """When it was killed, in hub time; returns ``settle_s`` after another has come."""
    hub.await_that(find, "there is something to kill")
    victim = find()
    assert victim is not None, "it was there a moment ago"
    killed_at = hub.clock.now()
    processes.kill(victim)
    hub.await_that(lambda: (find() or victim) != victim, f"{victim.name} is replaced")
    time.sleep(settle_s)
    return killed_at


def _of(home: Path, kind: str, actor: str) -> list[Entry]:
    return [entry for entry in hubs.facts(home, kind) if entry.actor == actor]


def _after(killed_at: list[float], entries: list[Entry]) -> list[float]:
    """Seconds from each kill to the first of ``entries`` after it, which must come before the next kill."""
    took = []
    for at, until in zip(killed_at, [*killed_at[1:], float("inf")], strict=True):
        first = min((entry.at for entry in entries if at < entry.at < until), default=None)
        if first is None:
            raise hubs.HubError(f"nothing came back between {at:.3f} and {until:.3f}")
        took.append(first - at)
    return took
