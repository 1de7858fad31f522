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


def failover(folder: Path, *, kills: int, runs: int, settle_s: float) -> list[Figure]:
    """``kills`` of each in every run, ``settle_s`` apart."""
    back, watching, greeted, spawned = [], [], [], []
    for run in range(runs):
        home = folder / str(run)
        monitor_kills, program_kills = _killed(home, folder / "nobody", kills, settle_s)
        back.append(_after(monitor_kills, _of(home, "Booted", MONITOR)))
        adopted = [entry for entry in _of(home, "ProgramStarted", MONITOR) if entry.body["adopted"]]
        watching.append(_after(monitor_kills, adopted))
        greeted.append(_after(program_kills, _of(home, "ProgramGreeted", PROGRAM)))
        spawned.append(floors.spawned(floors.PYTHON_PASS, kills))
    floor = Sample.of(spawned).times(1e3)
    floor_is = "fork, exec and exit of python -c pass"
    told = (
        ("kill -9 of a monitor to its replacement", back),
        ("kill -9 of a monitor to its program watched again", watching),
        ("kill -9 of a program to the hello of the next, 100 ms pause included", greeted),
    )
    return [
        Figure(name, "ms", Sample.of(took).times(1e3), floor, floor_is, counts={"kills": sum(map(len, took))})
        for name, took in told
    ]


def _killed(home: Path, told: Path, kills: int, settle_s: float) -> tuple[list[float], list[float]]:
    """When the monitor and when the program were killed, in hub time."""
    with hubs.probing(home, told) as hub:
        monitor = [_kill(hub, lambda: hub.actor(MONITOR), settle_s) for _ in range(kills)]
        program = [_kill(hub, lambda: _program(hub), settle_s) for _ in range(kills)]
        hub.await_facts(2 + kills, "ProgramGreeted")
    return monitor, program


def _program(hub: Hub) -> Process | None:
    held = hub.holders().get(PROGRAM)
    if held is None:
        return None
    program = Process(held["pid"], processes.start_ticks(held["pid"]), PROGRAM)
    return program if program.ticks else None


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
