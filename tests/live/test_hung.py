"""Real processes that hang, and real deaths over letters."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.supervision import processes, spool
from tests.live.daemons import Daemon, eventually, running
from tests.live.toy_hung import LIVENESS, POISONS

TOY = ("-m", "tests.live.toy_hung")


def facts(home: Path, actor: str, message: str) -> list[dict[str, Any]]:  # JSON
    """Of all incarnations of the actor, in the order of writing."""
    found = []
    for name in sorted(spool.spools_in(home / "trail" / "spool"), key=lambda one: one.incarnation):
        if name.actor == actor:
            read = spool.read(home / "trail" / "spool" / str(name))
            found += [
                json.loads(entry.body) for entry in read.entries if entry.message == message and entry.kind == "fact"
            ]
    return found


def causes(home: Path, name: str) -> list[str]:
    return [str(fact["cause"]) for fact in facts(home, "family", "ChildEnded") if fact["name"] == name]


def stopped(daemon: Daemon, name: str) -> processes.Process:
    return daemon.kill(name, signal.SIGSTOP)


def test_a_stopped_actor_and_one_with_a_stuck_worker_are_replaced_and_their_siblings_left_alone(tmp_path: Path) -> None:
    """The first has to be killed; the second hears SIGTERM, and ends in order."""
    home = tmp_path / "hub"
    with running(home, *TOY, str(home)) as daemon:
        sibling = daemon.pid("b")
        begin = time.monotonic()
        daemon.await_replaced(stopped(daemon, "a"))

        assert time.monotonic() - begin >= LIVENESS.limit_s
        assert daemon.pid("b") == sibling
        (cause,) = causes(home, "a")
        assert cause.startswith("hung: no answer to a ping for ")
        eventually(lambda: bool(causes(home, "stuck")), "the stuck actor is ended")
        (cause,) = causes(home, "stuck")
        assert cause.startswith("hung: one job for ")
        assert cause.endswith(": Nothing")


@pytest.mark.deep
def test_a_stopped_supervisor_goes_with_its_children_and_all_come_back(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home)) as daemon:
        child = daemon.actor("a")
        assert child is not None
        daemon.await_replaced(stopped(daemon, "family"), child)


@pytest.mark.deep
def test_a_supervisor_that_was_stopped_does_not_blame_its_children(tmp_path: Path) -> None:
    """Three times, each for less than its own parent allows."""
    home = tmp_path / "hub"
    with running(home, *TOY, str(home)) as daemon:
        before = daemon.pid("a"), daemon.pid("b")
        for _ in range(3):
            family = stopped(daemon, "family")
            begin = time.monotonic()
            eventually(lambda since=begin: time.monotonic() - since > LIVENESS.limit_s * 0.6)  # type: ignore[misc]  # bound
            processes.kill(family, signal.SIGCONT)
            eventually(lambda since=begin: time.monotonic() - since > LIVENESS.limit_s * 1.2)  # type: ignore[misc]  # bound

        assert (daemon.pid("a"), daemon.pid("b")) == before


def test_each_letter_kills_three_incarnations_and_then_the_next_are_served(tmp_path: Path) -> None:
    """By an exception, os._exit, a null pointer, and kill -9 inside the handler."""
    home = tmp_path / "hub"
    with running(home, *TOY, str(home)) as daemon:
        eventually(lambda: len(set_aside(home)) == len(POISONS), "all are set aside")
        eventually(lambda: daemon.actor("victim") is not None)
        survivor = daemon.actor("victim")
        assert survivor is not None
        eventually(lambda: bool(spool_says(home, "sender", "FlowPaused")), "the other letter is answered")

        for suspect in set_aside(home).values():
            assert (suspect["sender"], suspect["kind"], len(suspect["deaths"])) == ("sender", "AskBoard", 3)
        died = facts(home, "victim", "DiedInHand")
        assert len(died) == 3 * len(POISONS)
        assert len(causes(home, "victim")) == 3 * len(POISONS)
        assert processes.is_alive(survivor)


def set_aside(home: Path) -> dict[int, dict[str, Any]]:  # JSON
    """By checksum: each incarnation tells of what it sets aside."""
    return {fact["suspect"]["crc"]: fact["suspect"] for fact in facts(home, "victim", "LetterSetAside")}


def spool_says(home: Path, actor: str, message: str) -> bool:
    names = [name for name in spool.spools_in(home / "trail" / "spool") if name.actor == actor]
    reads = [spool.read(home / "trail" / "spool" / str(name)) for name in names]
    return any(entry.message == message for read in reads for entry in read.entries)
