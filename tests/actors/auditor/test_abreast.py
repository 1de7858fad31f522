"""A trail run again by several processes gives what one gives; and one that dies is not overlooked."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.auditor import abreast
from alluse_hub.actors.auditor.abreast import rerun_abreast
from alluse_hub.actors.auditor.history import History
from alluse_hub.actors.auditor.rerun import judged as rerun_one
from alluse_hub.actors.auditor.rerun import rerun
from alluse_hub.actors.catalog import core_of
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.judgement import Judgement
from alluse_hub.supervision.spool import Frame
from tests.actors.auditor.conftest import SmallHub

PATIENCE_S = 30.0
STARTED = b'{"incarnation":1,"recovered":0}'


@pytest.fixture(autouse=True)
def _whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abreast, "FROM_ENTRIES", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2})


@pytest.fixture
def home(hub: SmallHub) -> Path:
    """Six that were recorded before specifications were: told as that, each for itself."""
    for n in range(6):
        booted = f'{{"pid":{n + 1},"start_ticks":1,"parent":"hub","version":"0.0.{n}"}}'.encode()
        hub.say(f"ws{n}", Frame(EntryKind.FACT, "Booted", booted), Frame(EntryKind.HEARD, "Started", STARTED, f"ws{n}"))
    return hub.home


@contextmanager
def history(home: Path) -> Iterator[History]:
    found = History.of(home)
    try:
        yield found
    finally:
        found.close()


def test_the_same_is_judged_in_the_same_order_as_by_one(home: Path) -> None:
    told: list[int] = []
    with history(home) as found:
        alone = list(rerun(found, core_of))
        several = list(rerun_abreast(home, found, core_of, progress=lambda *word: told.append(word[2])))

    assert several == alone
    assert [judgement.actor for judgement in several] == [f"ws{n}" for n in range(6)]
    assert told[-1] == 12


def test_they_are_told_in_order_whoever_is_done_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last_is_done = abreast.FORK.Event()

    def judged(*args: Any) -> Judgement:
        judgement: Judgement = rerun_one(*args)
        if judgement.actor == "ws0":
            last_is_done.wait(PATIENCE_S)
        if judgement.actor == "ws5":
            last_is_done.set()
        return judgement

    monkeypatch.setattr(abreast, "judged", judged)

    with history(home) as found:
        assert [judgement.actor for judgement in rerun_abreast(home, found, core_of)] == [f"ws{n}" for n in range(6)]


def test_one_actor_is_run_by_one_process(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abreast, "FORK", None)

    with history(home) as found:
        assert [judgement.actor for judgement in rerun_abreast(home, found, core_of, "ws3")] == ["ws3"]


def test_a_process_that_is_killed_ends_it_in_words(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abreast, "judged", lambda *_: os.kill(os.getpid(), signal.SIGKILL))

    with history(home) as found, pytest.raises(TrailError, match="was ended from outside; try again"):
        list(rerun_abreast(home, found, core_of))


def test_what_goes_wrong_in_a_process_is_raised_here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise TrailError("the disk is gone")

    monkeypatch.setattr(abreast, "judged", fail)

    with history(home) as found, pytest.raises(TrailError, match="the disk is gone"):
        list(rerun_abreast(home, found, core_of))


def test_whoever_stops_asking_leaves_no_process_behind(home: Path) -> None:
    with history(home) as found:
        judgements = rerun_abreast(home, found, core_of)
        next(judgements)
        judgements.close()

    assert multiprocessing.active_children() == []
