"""How processes of our base end, alone and with all below them, hung or not."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from thespian.actors import ActorAddress, ActorSystem, ActorSystemFailure

from alluse_hub.supervision.engine import children
from alluse_hub.supervision.engine.address import pid_in
from alluse_hub.supervision.engine.base import open_system
from alluse_hub.supervision.engine.children import EXIT_GRACE_S
from alluse_hub.supervision.engine.room import has_admin
from tests.engine.cast import PUPPET, Hasty, Limited, Patient
from tests.engine.conftest import (
    admin_of,
    ask,
    child_of,
    descendants,
    end,
    eventually,
    heard,
    is_running,
    settings_of,
)

HASTY = "tests.engine.cast.Hasty"

GONE_S = 5.0
"""By when what the kernel kills must be gone.  It takes milliseconds; the rest is for a busy machine."""


LONG_S = 3600.0


@pytest.fixture
def puppet(ours: ActorSystem) -> ActorAddress:
    return ours.createActor(PUPPET)


def are_gone(pids: list[int]) -> Callable[[], bool]:
    return lambda: not any(is_running(pid) for pid in pids)


class Line:
    """Below the puppet: "top", below that "middle", below that "leaf".  ``pids`` in that order."""

    def __init__(self, system: ActorSystem, puppet: ActorAddress, middle: str = PUPPET, leaf: str = PUPPET) -> None:
        self._system = system
        self._puppet = puppet
        top = child_of(system, puppet, "top")
        self._tell_top(("child_of", "middle", middle, [("child_of", "leaf", leaf, [])]))
        eventually(lambda: len(descendants(top)) == 3)
        self.pids = descendants(top)

    def _tell_top(self, message: tuple[object, ...]) -> None:
        self._system.tell(self._puppet, ("tell", "top", message))

    def hang_middle(self, mark: Path) -> None:
        self._tell_top(("tell", "middle", ("nap_marked", str(mark), LONG_S)))
        eventually(mark.exists)

    def hang_leaf(self, mark: Path) -> None:
        self._tell_top(("tell", "middle", ("tell", "leaf", ("nap_marked", str(mark), LONG_S))))
        eventually(mark.exists)


# --- limits and graces -----------------------------------------------------------------------------------------------


def test_a_hung_handler_is_ended_at_its_limit_and_not_before(ours: ActorSystem, puppet: ActorAddress) -> None:
    child_of(ours, puppet, "c", "tests.engine.cast.Limited")
    began = time.monotonic()

    ours.tell(puppet, ("tell", "c", ("hang",)))

    assert heard(ours, puppet) == ["exited c: killed by SIGALRM: a handler overran its limit"]
    assert time.monotonic() - began >= Limited.handler_limit_s


def test_the_limit_begins_afresh_with_every_message(ours: ActorSystem, puppet: ActorAddress) -> None:
    child_of(ours, puppet, "c", "tests.engine.cast.Patient")

    ours.tell(puppet, ("tell", "c", ("nap", 0.5)))

    assert ask(ours, puppet, "ask", "c", ("limit_left",)) > Patient.handler_limit_s - 0.5


def test_an_actor_may_wait_for_mail_for_longer_than_its_limit(ours: ActorSystem, puppet: ActorAddress) -> None:
    pid = child_of(ours, puppet, "c", "tests.engine.cast.Limited")

    ours.tell(puppet, ("wake", 1.5 * Limited.handler_limit_s, "later"))

    assert heard(ours, puppet) == ["woken later"]
    assert ask(ours, puppet, "ask", "c", ("pid",)) == pid


def test_an_exit_that_does_not_come_is_enforced_by_sigkill(ours: ActorSystem, puppet: ActorAddress, room: Path) -> None:
    child_of(ours, puppet, "c", HASTY)
    ours.tell(puppet, ("tell", "c", ("nap_marked", str(room / "hung"), LONG_S)))
    eventually((room / "hung").exists)
    began = time.monotonic()

    ours.tell(puppet, ("tell_exit", "c"))

    assert heard(ours, puppet) == ["exited c: killed by SIGKILL"]
    assert time.monotonic() - began >= Hasty.exit_grace_s + Hasty.kill_grace_s


def test_sigterm_comes_before_sigkill(ours: ActorSystem, puppet: ActorAddress) -> None:
    child_of(ours, puppet, "c", HASTY)
    ours.tell(puppet, ("tell", "c", ("hang_killable",)))

    ours.tell(puppet, ("tell_exit", "c"))

    assert heard(ours, puppet) == ["exited c: killed by SIGTERM"]


@pytest.mark.parametrize("hung", ["leaf", "middle"])
def test_in_a_deep_tree_only_what_hangs_is_killed_and_within_its_own_graces(
    ours: ActorSystem, puppet: ActorAddress, room: Path, hung: str
) -> None:
    line = Line(ours, puppet, **{hung: HASTY})
    getattr(line, f"hang_{hung}")(room / "hung")
    began = time.monotonic()

    ours.tell(puppet, ("tell_exit", "top"))

    assert heard(ours, puppet) == ["exited top: exit status 0"]
    assert time.monotonic() - began < EXIT_GRACE_S
    eventually(are_gone(line.pids), "the line is gone", GONE_S)


def test_who_is_asked_twice_to_end_leaves_no_more_grace_to_what_hangs_below(
    ours: ActorSystem, puppet: ActorAddress, room: Path
) -> None:
    line = Line(ours, puppet)
    line.hang_middle(room / "hung")
    began = time.monotonic()

    for _ in range(2):
        ours.tell(puppet, ("tell_exit", "top"))

    assert heard(ours, puppet) == ["exited top: exit status 0"]
    assert time.monotonic() - began < EXIT_GRACE_S
    eventually(are_gone(line.pids), "the line is gone", GONE_S)


def test_a_shutdown_ends_hung_actors_too(start: Callable[..., ActorSystem], room: Path) -> None:
    system = start()
    everything = descendants(admin_of(system))
    ask(system, hung := system.createActor(HASTY), "pid")
    system.tell(hung, ("nap_marked", str(room / "hung"), LONG_S))
    eventually((room / "hung").exists)

    system.shutdown()

    eventually(are_gone(everything), "the system is gone", GONE_S)


def test_a_shutdown_does_not_stand_behind_a_backlog(start: Callable[..., ActorSystem]) -> None:
    system = start()
    everything = descendants(admin_of(system))
    busy = system.createActor(PUPPET)
    for _ in range(100):
        system.tell(busy, ("nap", 0.1))
    began = time.monotonic()

    system.shutdown()

    assert time.monotonic() - began < EXIT_GRACE_S
    eventually(are_gone(everything), "the system is gone", GONE_S)


# --- kill -9 ---------------------------------------------------------------------------------------------------------


def test_a_killed_supervisor_takes_its_whole_subtree_along_hung_or_not(
    ours: ActorSystem, puppet: ActorAddress, room: Path, record_property: Callable[[str, object], None]
) -> None:
    line = Line(ours, puppet)
    line.hang_leaf(room / "hung")
    began = time.monotonic()

    os.kill(line.pids[0], signal.SIGKILL)

    eventually(are_gone(line.pids), "the subtree is gone", GONE_S)
    record_property("subtree_gone_after_s", time.monotonic() - began)
    assert heard(ours, puppet) == ["exited top: killed by SIGKILL"]


def test_the_sockets_of_a_killed_subtree_are_cleared_away(
    start: Callable[..., ActorSystem], room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "SWEEP_AFTER_S", 0.05)
    system = start()
    puppet = system.createActor(PUPPET)
    line = Line(system, puppet)
    os.kill(line.pids[0], signal.SIGKILL)
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in line.pids), "nobody is left, not even a zombie")

    child_of(system, puppet, "another")  # on a busy machine the first sweep may have come before the last of them died
    system.tell(puppet, ("tell", "another", ("vanish", 0)))

    eventually(lambda: not {pid_in(path.name) for path in room.glob("*.sock")}.intersection(line.pids))


def test_a_killed_supervisor_in_the_middle_is_told_to_its_parent_alone(ours: ActorSystem, puppet: ActorAddress) -> None:
    line = Line(ours, puppet)

    os.kill(line.pids[1], signal.SIGKILL)

    eventually(are_gone(line.pids[1:]), "the subtree is gone", GONE_S)
    eventually(lambda: ask(ours, puppet, "ask", "top", ("heard",)) == ["exited middle: killed by SIGKILL"])
    assert is_running(line.pids[0])
    assert ask(ours, puppet, "heard") == []


def test_a_killed_admin_takes_everything_along_and_a_new_system_starts_at_once(
    room: Path, record_property: Callable[[str, object], None]
) -> None:
    system = open_system(room, {"version": 1}, settings=settings_of(room))
    admin = admin_of(system)
    Line(system, system.createActor(PUPPET)).hang_leaf(room / "hung")
    everything = descendants(admin)
    began = time.monotonic()

    os.kill(admin, signal.SIGKILL)

    eventually(are_gone(everything), "all are gone", GONE_S)
    record_property("all_gone_after_s", time.monotonic() - began)
    with pytest.raises(ActorSystemFailure):
        system.createActor(PUPPET)
    system.shutdown()
    again = open_system(room, {"version": 1}, settings=settings_of(room))
    end(again, admin_of(again))
    assert not has_admin(room)
