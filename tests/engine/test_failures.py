"""What our base promises where the stock one fails: one actor, its handlers and its mail."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import ActorAddress, ActorSystem
from thespian.system.messages.admin import HandleDeadLetters

from alluse_hub.supervision.engine.base import open_system
from alluse_hub.supervision.engine.owed import ACK_AFTER_S
from tests.engine.cast import PUPPET
from tests.engine.conftest import PATIENCE_S, ask, child_of, eventually, heard, is_running, settings_of


@pytest.fixture
def puppet(ours: ActorSystem) -> ActorAddress:
    return ours.createActor(PUPPET)


@pytest.fixture
def undertaker(ours: ActorSystem) -> ActorAddress:
    collector = ours.createActor(PUPPET)
    ask(ours, collector, "collect_dead")
    return collector


def test_a_failing_handler_is_run_once(ours: ActorSystem, puppet: ActorAddress) -> None:
    ask(ours, puppet, "note_and_fail", 1)

    assert ask(ours, puppet, "notes") == [1]


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        (("exit", 3), "exit status 3"),
        (("vanish", 4), "exit status 4"),
        (("end",), "exit status 0"),
        (("interrupt",), "error: KeyboardInterrupt"),
    ],
)
def test_an_end_is_told_once_with_its_cause(
    ours: ActorSystem, puppet: ActorAddress, how: tuple[Any, ...], cause: str
) -> None:
    pid = child_of(ours, puppet, "c")

    ours.tell(puppet, ("tell", "c", how))

    eventually(lambda: not is_running(pid))
    assert heard(ours, puppet) == [f"exited c: {cause}"]


def test_a_killed_child_is_reported_as_killed_and_gone(ours: ActorSystem, puppet: ActorAddress) -> None:
    pid = child_of(ours, puppet, "c")

    os.kill(pid, signal.SIGKILL)

    assert heard(ours, puppet) == ["exited c: killed by SIGKILL"]
    assert not is_running(pid)


def test_a_child_that_ends_by_sigterm_is_reported_once_and_as_ended_in_order(
    ours: ActorSystem, puppet: ActorAddress
) -> None:
    pid = child_of(ours, puppet, "c")

    os.kill(pid, signal.SIGTERM)

    eventually(lambda: not is_running(pid))
    assert heard(ours, puppet) == ["exited c: exit status 0"]


def test_an_actor_that_cannot_be_made_says_why(ours: ActorSystem, puppet: ActorAddress) -> None:
    ask(ours, puppet, "child", "c", "tests.engine.cast.BrokenAtBirth")

    assert heard(ours, puppet) == ["exited c: error: ValueError: not today"]


def test_letters_to_an_actor_that_cannot_be_made_are_dead(
    ours: ActorSystem, puppet: ActorAddress, undertaker: ActorAddress
) -> None:
    broken = "tests.engine.cast.BrokenAtBirth"

    ask(ours, puppet, "child_of", "c", broken, [("note", 1), ("note", 2)])

    assert heard(ours, undertaker, 2) == ["dead ('note', 1)", "dead ('note', 2)"]


def test_an_outside_process_that_asks_an_actor_that_cannot_be_made_is_not_kept_waiting(ours: ActorSystem) -> None:
    broken = ours.createActor("tests.engine.cast.BrokenAtBirth")

    assert ours.ask(broken, ("pid",), None) is None


def test_an_ask_to_a_killed_actor_is_answered_by_none_at_once_and_its_letter_is_dead(
    ours: ActorSystem, puppet: ActorAddress, undertaker: ActorAddress
) -> None:
    pid = ask(ours, puppet, "pid")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_running(pid))

    assert ours.ask(puppet, ("heard",), None) is None

    eventually(lambda: "dead ('heard',)" in ask(ours, undertaker, "heard"))


def test_an_outside_process_can_tell_a_hung_actor_and_goes_on(ours: ActorSystem, puppet: ActorAddress) -> None:
    pid = ask(ours, puppet, "pid")
    ours.tell(puppet, ("hang",))

    for number in range(100):
        ours.tell(puppet, ("note", number))

    os.kill(pid, signal.SIGKILL)


def test_a_class_that_does_not_exist_is_reported_like_a_death(ours: ActorSystem, puppet: ActorAddress) -> None:
    ask(ours, puppet, "child_of", "c", "tests.engine.nowhere.Nobody", [("note", 1)])

    words = heard(ours, puppet, 2)
    assert "nowhere" in words[0]
    assert words[1] == "poison ('note', 1)"


def test_a_child_killed_while_it_starts_is_reported_and_its_mail_comes_back(
    ours: ActorSystem, puppet: ActorAddress, undertaker: ActorAddress
) -> None:
    ask(ours, puppet, "stillbirth", "c", [("note", 1)])

    assert heard(ours, puppet)[0] == "exited c: killed by SIGKILL"
    words: list[str] = []

    def came_back() -> bool:
        words[:] = [*ask(ours, puppet, "heard"), *ask(ours, undertaker, "heard")]
        return len(words) == 2

    eventually(came_back)
    assert words[1] in {"poison ('note', 1)", "dead ('note', 1)"}  # dead, if it had just had the time to call


def test_exactly_the_unhandled_letters_of_a_killed_actor_are_dead(
    ours: ActorSystem, puppet: ActorAddress, undertaker: ActorAddress, room: Path
) -> None:
    pid = child_of(ours, puppet, "c")
    letters = [("note", number) for number in range(100)]
    nap = ("nap_marked", str(room / "napping"), 60.0)

    ours.tell(puppet, ("tell_all", "c", [*letters[:10], ("nap", 2 * ACK_AFTER_S), nap, *letters[10:]]))
    eventually((room / "napping").exists)
    os.kill(pid, signal.SIGKILL)

    assert heard(ours, undertaker, 91) == [f"dead {letter}" for letter in [nap, *letters[10:]]]


def test_poison_for_what_was_told_is_not_taken_for_an_answer(ours: ActorSystem, puppet: ActorAddress) -> None:
    ours.tell(puppet, ("note_and_fail", 1))

    assert ask(ours, puppet, "notes") == [1]
    assert ours.listen(PATIENCE_S).poisonMessage == ("note_and_fail", 1)


def test_a_message_on_which_the_admin_fails_does_not_end_it(ours: ActorSystem, puppet: ActorAddress) -> None:
    broken = HandleDeadLetters(puppet, True)
    del broken.enableHandler

    ask(ours, puppet, "send_to", ours._systemBase.adminAddr, broken)

    assert ask(ours, ours.createActor(PUPPET), "pid") > 0


def test_nothing_is_left_in_the_room_of_a_system_that_was_shut_down(room: Path) -> None:
    system = open_system(room, {"version": 1}, settings=settings_of(room))
    system.createActor(PUPPET)

    system.shutdown()

    assert [path.name for path in room.iterdir()] == ["admin.lock"]
