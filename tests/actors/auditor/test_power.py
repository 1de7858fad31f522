"""D7: the power is cut, again and again, with writers and an auditor at work: what was called stored is there, nothing
is altered, and the next start needs no hand.

``POWER_SEED=7 pytest -m deep tests/actors/auditor/test_power.py -s`` plays other moments and prints them.
"""

import os
import random
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.reader import reading
from alluse_hub.actors.auditor.worker import AuditorWorker
from alluse_hub.hub_verify import UsageError
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import AuditorSpec, Ingested, TailFailed, TailSpools
from alluse_hub.supervision.workshop import Context
from tests.actors.auditor.conftest import SmallAuditor, SmallHub
from tests.actors.auditor.test_killed import FORK, WRITERS, write_for_ever
from tests.faults.power import PoweredDisk, powered_disk

LIFE_S = (0.01, 0.5)
"""Between the start of all and the cut: from the first operation on."""

Marks = Counter[tuple[str, int]]
"""Actor and incarnation, and the highest entry that was called stored."""


def audit_for_ever(home: Path, notes: Path) -> None:
    """What it calls stored, and what it says when it cannot go on, stands outside of the disk."""
    acks = os.open(notes / "acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    failed = os.open(notes / "failed", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    auditor = SmallAuditor(home)

    def deliver(word: Message) -> None:
        auditor.deliver(word)
        if isinstance(word, Ingested):
            for mark in word.marks:
                os.write(acks, f"{mark.actor} {mark.incarnation} {mark.n}\n".encode())
        elif isinstance(word, TailFailed):
            os.write(failed, f"{word.error}\n".encode())

    AuditorWorker(Context("auditor", home, AuditorSpec(index=False), deliver)).do(TailSpools())
    while True:
        time.sleep(3_600)


def one_life(disk: PoweredDisk, home: Path, notes: Path, life_s: float) -> None:
    """All start, work for so long, and are without power."""
    processes: list[BaseProcess] = [FORK.Process(target=audit_for_ever, args=(home, notes))]
    processes += [FORK.Process(target=write_for_ever, args=(home, name)) for name in WRITERS]
    for process in processes:
        process.start()
    try:
        time.sleep(life_s)  # the moment of the cut is what is drawn here
        disk.cut([process.pid for process in processes if process.pid is not None])
    finally:
        for process in processes:
            process.kill()
            process.join()
            process.close()
    disk.back()


def called_stored(notes: Path) -> Marks:
    marks = Marks()
    path = notes / "acks"
    for line in path.read_text(encoding="ascii").splitlines() if path.exists() else []:
        actor, incarnation, n = line.split()
        marks[actor, int(incarnation)] = max(int(n), marks[actor, int(incarnation)])
    return marks


def stored(home: Path) -> Marks:
    """Without a gap."""
    with reading(home) as connection:
        if connection is None:
            return Marks()
        sql = "SELECT actor, incarnation, max(n), count(*) FROM entries GROUP BY actor, incarnation"
        rows = connection.execute(sql).fetchall()
    assert all(last == count for _, _, last, count in rows), "a gap, or a double"
    return Marks({(actor, incarnation): last for actor, incarnation, last, _ in rows})


def wrong_after_cut(home: Path, notes: Path) -> list[str]:
    there = stored(home)
    lost = [
        f"{key}: {n} called stored, {there[key]} there" for key, n in called_stored(notes).items() if n > there[key]
    ]
    try:
        found = [each for each in hub_verify.verify(home).findings if "nobody sent it" not in str(each)]
    except UsageError:
        found = []  # there is no store yet
    failed = notes / "failed"
    told = failed.read_text(encoding="utf-8").splitlines() if failed.exists() else []
    return [*lost, *map(str, found), *told]


def cut_often(folder: Path, cuts: int, seed: int) -> None:
    print(f"seed {seed}")
    dice = random.Random(seed)
    notes = folder / "notes"
    notes.mkdir()
    with powered_disk(folder / "disk") as disk:
        home = disk.mounted / "home"
        (home / "trail" / "spool").mkdir(parents=True)
        wrong: list[str] = []
        for number in range(1, cuts + 1):
            one_life(disk, home, notes, dice.uniform(*LIFE_S))
            wrong += [f"cut {number}: {each}" for each in wrong_after_cut(home, notes)]
        assert wrong == [], f"seed {seed}"
        hub = SmallHub(home)
        hub.drain(rounds=2)
        hub.drain(rounds=2)
        hub.sign()
        whole = query.wholeness(home)
        marks, last = called_stored(notes), stored(home)
        print(f"{cuts} cuts, {sum(marks.values())} entries were called stored, {sum(last.values())} are there, 0 lost")
        print(f"receipts of letters that the power took with it: {len(whole.unrecorded)}")
        assert (whole.gaps, whole.doubles) == ((), ())


def test_after_two_power_cuts_all_that_was_called_stored_is_there(tmp_path: Path) -> None:
    cut_often(tmp_path, cuts=2, seed=int(os.environ.get("POWER_SEED", "1")))


@pytest.mark.deep
def test_after_200_power_cuts_all_that_was_called_stored_is_there(tmp_path: Path) -> None:
    cut_often(tmp_path, cuts=200, seed=int(os.environ.get("POWER_SEED", "2")))
