"""What the hub's shells rely on: on the stock TCP base, on ours, and on the dense one."""

from typing import Any

import pytest
from thespian.actors import ActorAddress, ActorExitRequest, ActorSystem

from tests.engine.cast import PUPPET, Life
from tests.engine.conftest import ask, eventually, is_living, is_running

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # the stock base leaves sockets to the collector

with_processes = pytest.mark.parametrize("system", ["ours", "stock"], indirect=True)
"""What means something only where each actor has a process of its own; the dense base has none to end or to name."""


@pytest.fixture
def puppet(system: ActorSystem) -> ActorAddress:
    return system.createActor(PUPPET)


def child_of(system: ActorSystem, puppet: ActorAddress) -> Life:
    """Have it make a child, ``c``."""
    ask(system, puppet, "child", "c")
    life: Life = ask(system, puppet, "ask", "c", ("life",))
    return life


def test_an_actor_answers(system: ActorSystem, puppet: ActorAddress) -> None:
    assert ask(system, puppet, "pid") > 0


def test_messages_of_one_sender_arrive_in_order(system: ActorSystem, puppet: ActorAddress) -> None:
    for number in range(200):
        system.tell(puppet, ("note", number))

    assert ask(system, puppet, "notes") == list(range(200))


def test_messages_to_a_child_that_is_not_up_yet_wait_for_it_in_order(system: ActorSystem, puppet: ActorAddress) -> None:
    ask(system, puppet, "child_and_tell", "c", [("note", number) for number in range(100)])

    assert ask(system, puppet, "ask", "c", ("notes",)) == list(range(100))


def test_a_wakeup_comes_with_its_payload(system: ActorSystem, puppet: ActorAddress) -> None:
    system.tell(puppet, ("wake", 0.05, "tea"))

    eventually(lambda: ask(system, puppet, "heard") == ["woken tea"])


def test_a_watched_descriptor_wakes_the_actor(system: ActorSystem, puppet: ActorAddress) -> None:
    system.tell(puppet, ("watch", "ring"))

    eventually(lambda: ask(system, puppet, "heard") == ["watched ring"])


def test_a_failing_handler_returns_the_message_as_poison_and_the_actor_lives(
    system: ActorSystem, puppet: ActorAddress
) -> None:
    life = ask(system, puppet, "life")

    poison = ask(system, puppet, "note_and_fail", 1)

    assert poison.poisonMessage == ("note_and_fail", 1)
    assert "ValueError" in poison.details
    assert ask(system, puppet, "life") == life


@pytest.mark.parametrize("how", [("exit", 3), ("interrupt",), ("end",)])
def test_a_parent_hears_of_the_end_of_a_child(system: ActorSystem, puppet: ActorAddress, how: tuple[Any, ...]) -> None:
    life = child_of(system, puppet)

    system.tell(puppet, ("tell", "c", how))

    eventually(lambda: any(word.startswith("exited c") for word in ask(system, puppet, "heard")))
    eventually(lambda: not is_living(life))


@with_processes
def test_a_parent_hears_of_the_end_of_a_child_that_ended_its_process(system: ActorSystem, puppet: ActorAddress) -> None:
    life = child_of(system, puppet)

    system.tell(puppet, ("tell", "c", ("vanish", 3)))

    eventually(lambda: any(word.startswith("exited c") for word in ask(system, puppet, "heard")))
    eventually(lambda: not is_living(life))


def test_an_actor_that_is_asked_to_exit_exits(system: ActorSystem, puppet: ActorAddress) -> None:
    life = ask(system, puppet, "life")

    system.tell(puppet, ActorExitRequest())

    eventually(lambda: not is_living(life))


def test_an_exit_takes_the_children_along(system: ActorSystem, puppet: ActorAddress) -> None:
    life = child_of(system, puppet)

    system.tell(puppet, ActorExitRequest())

    eventually(lambda: not is_living(life))


@with_processes
def test_each_actor_has_a_process_of_its_own(system: ActorSystem, puppet: ActorAddress) -> None:
    pid, _ = child_of(system, puppet)

    assert is_running(pid)
    assert pid != ask(system, puppet, "pid")


@with_processes
def test_the_parent_process_of_a_root_actor_is_the_admin(system: ActorSystem, puppet: ActorAddress) -> None:
    other = system.createActor(PUPPET)

    assert ask(system, puppet, "parent_pid") == ask(system, other, "parent_pid")


@with_processes
def test_a_message_that_cannot_be_pickled_comes_back_as_poison(system: ActorSystem, puppet: ActorAddress) -> None:
    """On the dense base it arrives, as any other: tests/dense."""
    child_of(system, puppet)

    system.tell(puppet, ("send_unpicklable",))

    eventually(lambda: any(word.startswith("poison") for word in ask(system, puppet, "heard")))
