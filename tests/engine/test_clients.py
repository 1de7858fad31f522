"""Outside processes: several threads of one, several of them, and how they find and lose the system."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import ActorAddress, ActorSystem, ActorSystemFailure

from alluse_hub.supervision.engine.base import open_system
from alluse_hub.supervision.engine.forks import fork
from tests.engine.cast import PUPPET
from tests.engine.conftest import PATIENCE_S, admin_of, ask, descendants, end, eventually, is_running, settings_of

LONG_S = 3600.0

LARGE = b"x" * 4_000_000
"""More than the kernel holds for a receiver that does not read."""


@pytest.fixture
def puppet(ours: ActorSystem) -> ActorAddress:
    return ours.createActor(PUPPET)


def opened(room: Path) -> ActorSystem:
    return open_system(room, {"version": 1}, settings=settings_of(room))


# --- one process -----------------------------------------------------------------------------------------------------


def test_each_of_many_threads_hears_the_answers_to_its_own_asks(ours: ActorSystem) -> None:
    actors = [ours.createActor(PUPPET) for _ in range(3)]

    def ask_often(thread: int) -> list[Any]:
        return [ask(ours, actors[number % 3], "echo", (thread, number)) for number in range(50)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask_often, range(8)))

    assert answers == [[(thread, number) for number in range(50)] for thread in range(8)]


def test_threads_with_a_context_each_hear_the_answers_to_their_own_asks(
    ours: ActorSystem, puppet: ActorAddress
) -> None:
    def ask_often(thread: int) -> list[Any]:
        with ours.private() as own:
            return [own.ask(puppet, ("echo", (thread, number)), PATIENCE_S) for number in range(50)]

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(ask_often, range(4)))

    assert answers == [[(thread, number) for number in range(50)] for thread in range(4)]


def test_what_a_thread_tells_while_others_ask_arrives_in_order(ours: ActorSystem, puppet: ActorAddress) -> None:
    def tell_all() -> None:
        for number in range(300):
            ours.tell(puppet, ("note", number))

    with ThreadPoolExecutor(3) as threads:
        telling = threads.submit(tell_all)
        while not telling.done():
            assert ask(ours, puppet, "echo", "meanwhile") == "meanwhile"
        telling.result()

    assert ask(ours, puppet, "notes") == list(range(300))


@pytest.fixture
def stuck(ours: ActorSystem, room: Path) -> ActorAddress:
    """Takes nothing any more."""
    actor = ours.createActor("tests.engine.cast.Hasty")
    ours.tell(actor, ("nap_marked", str(room / "hung"), LONG_S))
    eventually((room / "hung").exists)
    return actor


def test_what_one_receiver_does_not_take_keeps_nobody_from_telling_another(
    ours: ActorSystem, puppet: ActorAddress, stuck: ActorAddress
) -> None:
    assert ours.ask(stuck, LARGE, 0.05) is None

    ours.tell(puppet, ("note", 1))

    assert ask(ours, puppet, "notes") == [1]


def test_a_thread_that_tells_what_is_not_taken_holds_up_no_other_thread(
    ours: ActorSystem, puppet: ActorAddress, stuck: ActorAddress
) -> None:
    with ThreadPoolExecutor(1) as threads:
        telling = threads.submit(ours.tell, stuck, LARGE)
        for number in range(20):
            assert ask(ours, puppet, "echo", number) == number
            ours.tell(puppet, ("note", number))
        was_held_up = not telling.done()
        os.kill(stuck.addressDetails.pid, signal.SIGKILL)
        telling.result()

    assert was_held_up
    assert ask(ours, puppet, "notes") == list(range(20))


def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_ask(
    ours: ActorSystem, puppet: ActorAddress, room: Path
) -> None:
    ours.tell(puppet, ("wait_for", str(room / "gate")))
    assert ours.ask(puppet, ("pid",), 0.05) is None

    (room / "gate").touch()

    assert ask(ours, puppet, "notes") == []
    assert isinstance(ours.listen(PATIENCE_S), int)


# --- several processes -----------------------------------------------------------------------------------------------


def test_a_second_process_joins_the_system_and_a_shutdown_by_either_ends_it_for_both(
    start: Callable[..., ActorSystem], room: Path
) -> None:
    first = start()
    second = opened(room)
    actor = second.createActor(PUPPET)
    assert ask(second, actor, "parent_pid") == admin_of(first)

    second.shutdown()

    assert first.ask(actor, ("pid",), PATIENCE_S) is None
    with pytest.raises(ActorSystemFailure):
        first.createActor(PUPPET)


def test_of_several_starters_at_the_same_moment_one_starts_the_system_and_all_can_use_it(room: Path) -> None:
    def start_and_report(number: int) -> None:
        (room / f"ready{number}").touch()
        while not (room / "go").exists():
            time.sleep(0)
        system = opened(room)
        (room / f"partial{number}").write_text(str(admin_of(system)))
        (room / f"partial{number}").rename(room / f"admin{number}")

    starters = [fork(partial(start_and_report, number)) for number in range(4)]
    eventually(lambda: len(list(room.glob("ready*"))) == 4)

    (room / "go").touch()

    assert [os.waitpid(pid, 0)[1] for pid in starters] == [0, 0, 0, 0]
    admins = {int(path.read_text()) for path in room.glob("admin[0-9]")}
    assert len(admins) == 1
    end(opened(room), *admins)


def test_a_system_outlives_the_process_that_started_it(room: Path) -> None:
    def start_and_hang() -> None:
        system = opened(room)
        actor = system.createActor(PUPPET, globalName="the one")
        system.tell(actor, ("note", admin_of(system)))
        (room / "up").touch()
        time.sleep(LONG_S)

    starter = fork(start_and_hang)
    eventually((room / "up").exists)
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)

    system = opened(room)

    [admin] = ask(system, system.createActor(PUPPET, globalName="the one"), "notes")
    everything = descendants(admin)
    end(system, admin)
    assert not any(is_running(pid) for pid in everything)
