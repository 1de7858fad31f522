"""How long a person waits: for a hub that starts, and for ``status``."""

import sys
import time
from pathlib import Path

from tests.benchmarks import floors, hubs
from tests.benchmarks.figures import Figure, Sample
from tests.benchmarks.hubs import Setup


def start(folder: Path, *, base: str, setup: Setup, starts: int) -> list[Figure]:
    """Each time in a new home."""
    told, imports = [], []
    for number in range(starts):
        told.append(_started(folder / str(number), setup, base))
        imports += floors.spawned(floors.IMPORT_PYDANTIC, 1)
    answered, ready = zip(*told, strict=True)
    floor = Sample.each(imports)
    floor_is = "python -c 'import pydantic'"
    counts = {"starts": starts}
    return [
        Figure("start to the first status answered", "s", Sample.each(answered), floor, floor_is, counts=counts),
        Figure("start to ready (READY=1)", "s", Sample.each(ready), floor, floor_is, counts=counts),
    ]


def _started(home: Path, setup: Setup, base: str) -> tuple[float, float]:
    """Seconds from the start of the program to the first answer, and to ready."""
    hub, thread = hubs.start(home, setup, base)
    hub.await_that(lambda: hub.ask("status"), "an answer to status")
    answered_at = time.monotonic()
    hub.await_that(lambda: hub.ready_at, "ready")
    thread.join()
    hub.end()
    return answered_at - hub.began_at, hub.ready_at - hub.began_at


def status(folder: Path, *, base: str, setup: Setup, asks: int, runs: int) -> list[Figure]:
    """The command as typed, by the clock, while the hub idles."""
    took, bare = [], []
    with hubs.running(folder / "hub", setup, base) as hub:
        command = (sys.executable, hubs.RUN, "status", "--home", str(hub.home))
        for _ in range(runs):
            took.append(floors.spawned(command, asks))
            bare.append(floors.spawned(floors.PYTHON_BARE, asks))
    name, floor_is = "the status command", "python -I -S -c pass"
    sample = Sample.of(took).times(1e3)
    return [Figure(name, "ms", sample, Sample.of(bare).times(1e3), floor_is, counts={"asks": asks * runs})]
