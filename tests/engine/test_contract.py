"""What the hub's shells rely on, on the stock TCP base and on ours."""

from typing import Any

import pytest
from thespian.actors import ActorAddress, ActorExitRequest, ActorSystem

from tests.engine.cast import PUPPET
from tests.engine.conftest import PATIENCE_S, eventually, is_running

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # the stock base leaves sockets to the collector


@pytest.fixture
def puppet(system: ActorSystem) -> ActorAddress:
    return system.createActor(PUPPET)


def ask(system: ActorSystem, actor: ActorAddress, *message: Any) -> Any:
    return system.ask(actor, message, PATIENCE_S)


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
    pid = ask(system, puppet, "pid")

    poison = ask(system, puppet, "note_and_fail", 1)

    assert poison.poisonMessage == ("note_and_fail", 1)
    assert "ValueError" in poison.details
    assert ask(system, puppet, "pid") == pid


@pytest.mark.parametrize("how", [("exit", 3), ("vanish", 3), ("end",)])
def test_a_parent_hears_of_the_end_of_a_child(system: ActorSystem, puppet: ActorAddress, how: tuple[Any, ...]) -> None:
    ask(system, puppet, "child", "c")
    pid = ask(system, puppet, "ask", "c", ("pid",))

    system.tell(puppet, ("tell", "c", how))

    eventually(lambda: any(word.startswith("exited c") for word in ask(system, puppet, "heard")))
    eventually(lambda: not is_running(pid))


def test_an_actor_that_is_asked_to_exit_exits(system: ActorSystem, puppet: ActorAddress) -> None:
    pid = ask(system, puppet, "pid")

    system.tell(puppet, ActorExitRequest())

    eventually(lambda: not is_running(pid))


def test_an_exit_takes_the_children_along(system: ActorSystem, puppet: ActorAddress) -> None:
    ask(system, puppet, "child", "c")
    pid = ask(system, puppet, "ask", "c", ("pid",))

    system.tell(puppet, ActorExitRequest())

    eventually(lambda: not is_running(pid))


def test_the_parent_process_of_a_root_actor_is_the_admin(system: ActorSystem, puppet: ActorAddress) -> None:
    other = system.createActor(PUPPET)

    assert ask(system, puppet, "parent_pid") == ask(system, other, "parent_pid")


def test_a_message_that_cannot_be_pickled_comes_back_as_poison(system: ActorSystem, puppet: ActorAddress) -> None:
    ask(system, puppet, "child", "c")
    ask(system, puppet, "ask", "c", ("pid",))

    system.tell(puppet, ("send_unpicklable",))

    eventually(lambda: any(word.startswith("poison") for word in ask(system, puppet, "heard")))
