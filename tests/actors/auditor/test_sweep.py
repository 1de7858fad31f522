"""Each operation of the disk fails once, after SQLite's own way of testing: killed before it, torn in it, refused with
an error of the medium, refused for want of space.  The same short trail is played until it ends untouched.

Faults D1, D3, D4, D9 and P3 of the catalogue of reliability: nothing acknowledged is lost or doubled, nothing is
altered, every refusal is told in words, and the next start needs no hand.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.reader import reading
from alluse_hub.hub_verify import CannotVerifyError, UsageError
from alluse_hub.supervision.spool import read, spools_in
from tests.actors.auditor.conftest import SmallHub
from tests.faults.scenario import notes
from tests.faults.tools import Disk, build, in_memory
from tests.live.daemons import HOUSE

KINDS = ("kill_at", "torn_at", "eio_at", "full_at")

PLAIN_STEP = 97
"""In plain runs each 97th operation fails, another one for each kind."""

REMEDY = re.compile(r"free|restart|bring|mend|writable|rights|space|key|look")


@dataclass
class Sweep:
    """``points``: how many operations failed; ``wrong``: what came of it that may not be."""

    points: int = 0
    told: int = 0
    wrong: list[str] = field(default_factory=list)


class Stage:
    """A process that plays the scenario as often as it is asked to, under the library."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder

    def play(self, fault: str, how: str = "") -> tuple[Path, int, int]:
        """The home it was played in, how it ended, and how many operations it came to."""
        home = self._folder / "swept" / fault.replace("=", "-")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{fault} {home} {how}\n")
        self._process.stdin.flush()
        status, count = self._process.stdout.readline().split()
        return home, int(status), int(count)


@contextmanager
def stage(beside: Path) -> Iterator[Stage]:
    with in_memory(beside) as folder:
        yield from _stage(folder, build("io", beside))


def _stage(folder: Path, library: Path) -> Iterator[Stage]:
    (folder / "swept").mkdir()
    disk = Disk(library, folder, "/swept/")
    environment = os.environ | disk.environment | {"IO_COUNT": str(disk.count), "PYTHONPATH": str(HOUSE)}
    disk.count.touch()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.scenario"],
        cwd=HOUSE,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Stage(process, folder)
        assert process.stdin is not None
        process.stdin.close()


Acks = set[tuple[str, int, int]]


def acknowledged(home: Path) -> dict[str, Acks]:
    found: dict[str, Acks] = {"safe": set(), "stored": set()}
    for line in notes(home, "acks").read_text(encoding="ascii").splitlines():
        what, actor, incarnation, n = line.split()
        found[what].add((actor, int(incarnation), int(n)))
    return found


def stored(home: Path) -> list[tuple[str, int, int]]:
    with reading(home) as connection:
        if connection is None:
            return []
        return [(a, i, n) for a, i, n in connection.execute("SELECT actor, incarnation, n FROM entries")]


def spooled(home: Path) -> Acks:
    folder = home / "trail" / "spool"
    return {(*name, entry.n) for name in spools_in(folder) for entry in read(folder / str(name)).entries}


def judge(home: Path) -> list[str]:
    """What is wrong as it was left, and after it was started again without a fault."""
    acks, wrong = acknowledged(home), []
    try:
        wrong += [f"as left: {each}" for each in hub_verify.verify(home).findings]
    except (CannotVerifyError, UsageError) as error:
        if acks["stored"] and "died amid a transaction" not in str(error):
            wrong.append(f"as left: {error}")
    there = set(stored(home))
    wrong += [f"said to be stored, and is not: {each}" for each in acks["stored"] - there]
    wrong += [f"said to be safe, and is nowhere: {each}" for each in acks["safe"] - there - spooled(home)]
    hub = SmallHub(home)
    hub.drain(rounds=2)
    hub.drain(rounds=2)
    hub.sign()
    kept = stored(home)
    wrong += [f"not taken in: {each}" for each in acks["safe"] - set(kept)]
    if len(kept) != len(set(kept)):
        wrong.append("entries are doubled")
    if not (whole := query.wholeness(home)).is_whole:
        wrong.append(str(whole))
    wrong += [f"after a new start: {each}" for each in hub_verify.verify(home, every=True).findings]
    for path in home.rglob("*"):
        if path.is_file() and ".vkey" not in path.name and path.stat().st_mode & 0o077:
            wrong.append(f"{path.name} is open to others")
    return wrong


def tried(sweep: Sweep, home: Path, status: int, fault: str) -> None:
    sweep.points += 1
    told = notes(home, "told").read_text(encoding="utf-8").splitlines()
    sweep.told += bool(told)
    sweep.wrong += [f"{fault}: told without a remedy: {line}" for line in told if not REMEDY.search(line)]
    if fault.startswith(("eio", "full")) and status:
        sweep.wrong.append(f"{fault}: ended with {status}, and not in words")
    sweep.wrong += [f"{fault}: {each}" for each in judge(home)]


def swept(folder: Path, kind: str, first: int = 1, step: int = 1, how: str = "") -> Sweep:
    sweep = Sweep()
    with stage(folder) as played:
        for n in range(first, 100_000, step):
            home, status, count = played.play(f"{kind}={n}", how)
            if count < n:
                break
            tried(sweep, home, status, f"{kind}={n}")
    print(f"{kind} {how}: {sweep.points} fault points, told in {sweep.told}, violations {len(sweep.wrong)}")
    return sweep


@pytest.mark.parametrize("kind", KINDS)
def test_some_operations_of_the_disk_fail_once_and_nothing_acknowledged_is_lost(tmp_path: Path, kind: str) -> None:
    sweep = swept(tmp_path, kind, first=3 + 7 * KINDS.index(kind), step=PLAIN_STEP)

    assert sweep.wrong == [], sweep.wrong[:10]
    assert sweep.points > 2


@pytest.mark.deep
@pytest.mark.parametrize("kind", KINDS)
def test_every_operation_of_the_disk_fails_once_and_nothing_acknowledged_is_lost(tmp_path: Path, kind: str) -> None:
    sweep = swept(tmp_path, kind)

    assert sweep.wrong == [], sweep.wrong[:10]
    assert sweep.points > 100


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["kill_at", "eio_at"])
def test_with_the_journal_of_an_older_sqlite_it_is_the_same(tmp_path: Path, kind: str) -> None:
    sweep = swept(tmp_path, kind, how="rollback")

    assert sweep.wrong == [], sweep.wrong[:10]
    assert sweep.points > 100


def test_a_writer_that_acknowledges_before_it_writes_is_found_by_the_sweep(tmp_path: Path) -> None:
    """The control: without it, a sweep that finds nothing would prove nothing."""
    with stage(tmp_path) as played:
        found = [judge(played.play(f"kill_at={n}", "cheats")[0]) for n in range(1, 12)]

    assert any("said to be safe, and is nowhere" in each for wrong in found for each in wrong)
