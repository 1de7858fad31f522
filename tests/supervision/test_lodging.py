"""What a shell asks of a process, where it has one of its own and where it has none."""

import os
from pathlib import Path

import pytest
from thespian.actors import ActorAddress, ActorExitRequest

from alluse_hub.supervision import processes
from alluse_hub.supervision.dense.tenant import Kill
from alluse_hub.supervision.lodging import EXIT_BROKEN, OwnProcess, SharedProcess, lodging_on
from alluse_hub.supervision.processes import Process

CHILD = ActorAddress("child")
GONE = Process(os.getpid(), 1, "gone")
"""This pid, but another start: a process that is no more."""

Sent = list[tuple[ActorAddress, object]]


@pytest.fixture
def sent() -> Sent:
    return []


@pytest.fixture
def own(tmp_path: Path, sent: Sent) -> OwnProcess:
    (tmp_path / "run" / "procs").mkdir(parents=True)
    return OwnProcess(tmp_path, lambda to, message: sent.append((to, message)))


@pytest.fixture
def shared(tmp_path: Path, sent: Sent) -> SharedProcess:
    return SharedProcess(tmp_path, lambda to, message: sent.append((to, message)))


def alive() -> Process:
    return Process(os.getpid(), processes.start_ticks(os.getpid()), "alive")


@pytest.mark.parametrize(("base", "is_shared"), [("stock", False), ("engine", False), ("dense", True)])
def test_the_base_says_which_lodging(tmp_path: Path, base: str, is_shared: bool) -> None:
    assert lodging_on(base, tmp_path, lambda _to, _message: None).is_shared == is_shared


def test_a_child_with_a_process_is_gone_when_that_is_whoever_says_so(own: OwnProcess) -> None:
    assert (own.is_gone(alive()), own.is_gone(GONE)) == (False, True)
    assert (own.is_lost(alive()), own.is_lost(GONE)) == (False, True)


def test_a_child_without_one_is_gone_when_the_base_says_so_and_never_before(shared: SharedProcess) -> None:
    assert (shared.is_gone(alive()), shared.is_lost(alive())) == (True, False)


def test_a_child_that_never_said_who_it_is_counts_as_gone_once_evicted(own: OwnProcess, sent: Sent) -> None:
    assert own.evict("child", CHILD, None)

    assert sent == [(CHILD, ActorExitRequest())]


def test_a_child_whose_process_is_known_is_killed_and_not_written_to(own: OwnProcess, sent: Sent) -> None:
    assert not own.evict("child", CHILD, GONE)

    assert sent == []


@pytest.mark.parametrize("process", [None, GONE])
def test_a_child_in_a_shared_process_is_ended_by_the_base(
    shared: SharedProcess, sent: Sent, process: Process | None
) -> None:
    assert not shared.evict("child", CHILD, process)

    [(to, message)] = sent
    assert (to, type(message)) == (CHILD, Kill)


def test_who_shares_a_process_leaves_it_as_it_is(shared: SharedProcess, tmp_path: Path) -> None:
    before = processes.name_of(os.getpid())

    assert shared.move_in("ws1", 1) == Process(os.getpid(), processes.start_ticks(os.getpid()), "ws1")

    assert processes.name_of(os.getpid()) == before
    assert processes.entered(tmp_path) == []
    with pytest.raises(SystemExit) as broken:
        shared.break_off()
    assert broken.value.code == EXIT_BROKEN
