"""What our base promises where the stock one fails (the rows of the table in the engine's design)."""

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import ActorAddress, ActorSystem, ActorSystemFailure

from alluse_hub.supervision.engine.base import open_system
from alluse_hub.supervision.engine.room import has_admin
from tests.engine.cast import PUPPET
from tests.engine.conftest import PATIENCE_S, descendants, end, eventually, is_running, settings_of

SUBTREE_GONE_S = 1.0


@pytest.fixture
def puppet(ours: ActorSystem) -> ActorAddress:
    return ours.createActor(PUPPET)


def ask(system: ActorSystem, actor: ActorAddress, *message: Any) -> Any:
    return system.ask(actor, message, PATIENCE_S)


def heard(system: ActorSystem, actor: ActorAddress, count: int = 1) -> list[str]:
    """The first ``count`` words of the system, and whatever else came with them."""
    eventually(lambda: len(ask(system, actor, "heard")) >= count)
    words: list[str] = ask(system, actor, "heard")
    return words


def has_notes(system: ActorSystem, parent: ActorAddress, child: str, count: int) -> bool:
    return len(ask(system, parent, "ask", child, ("notes",))) == count


def test_a_failing_handler_is_run_once(ours: ActorSystem, puppet: ActorAddress) -> None:
    ask(ours, puppet, "note_and_fail", 1)

    assert ask(ours, puppet, "notes") == [1]


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        (("exit", 3), "exit status 3"),
        (("vanish", 4), "exit status 4"),
        (("end",), "exit status 0"),
    ],
)
def test_an_end_is_told_once_with_its_cause(
    ours: ActorSystem, puppet: ActorAddress, how: tuple[Any, ...], cause: str
) -> None:
    ask(ours, puppet, "child", "c")
    pid = ask(ours, puppet, "ask", "c", ("pid",))

    ours.tell(puppet, ("tell", "c", how))

    eventually(lambda: not is_running(pid))
    assert heard(ours, puppet) == [f"exited c: {cause}"]


def test_a_killed_child_is_reported_as_killed_and_gone(ours: ActorSystem, puppet: ActorAddress) -> None:
    ask(ours, puppet, "child", "c")
    pid = ask(ours, puppet, "ask", "c", ("pid",))

    os.kill(pid, signal.SIGKILL)

    assert heard(ours, puppet) == ["exited c: killed by SIGKILL"]
    assert not is_running(pid)


def test_an_actor_that_cannot_be_made_says_why(ours: ActorSystem, puppet: ActorAddress) -> None:
    ask(ours, puppet, "child", "c", "tests.engine.cast.BrokenAtBirth")

    assert heard(ours, puppet) == ["exited c: error: ValueError: not today"]


def test_a_class_that_does_not_exist_is_reported_like_a_death(ours: ActorSystem, puppet: ActorAddress) -> None:
    ask(ours, puppet, "child_of", "c", "tests.engine.nowhere.Nobody", [("note", 1)])

    words = heard(ours, puppet, 2)
    assert "nowhere" in words[0]
    assert words[1] == "poison ('note', 1)"


def test_a_hung_handler_is_ended_at_its_limit(ours: ActorSystem, puppet: ActorAddress) -> None:
    ask(ours, puppet, "child", "c", "tests.engine.cast.Limited")
    ask(ours, puppet, "ask", "c", ("pid",))
    began = time.monotonic()

    ours.tell(puppet, ("tell", "c", ("hang",)))

    assert heard(ours, puppet) == ["exited c: killed by SIGALRM: a handler overran its limit"]
    assert 0.25 < time.monotonic() - began < 0.3 + 2.0


def test_an_exit_that_does_not_come_is_enforced(ours: ActorSystem, puppet: ActorAddress) -> None:
    ask(ours, puppet, "child", "c", "tests.engine.cast.Hasty")
    ask(ours, puppet, "ask", "c", ("pid",))
    ours.tell(puppet, ("tell", "c", ("hang",)))

    ours.tell(puppet, ("tell_exit", "c"))

    assert heard(ours, puppet) == ["exited c: killed by SIGKILL"]


def test_a_killed_supervisor_takes_its_subtree_along_hung_or_not(ours: ActorSystem, puppet: ActorAddress) -> None:
    ask(ours, puppet, "child", "c")
    pid = ask(ours, puppet, "ask", "c", ("pid",))
    ours.tell(puppet, ("tell", "c", ("child_and_tell", "idle", [])))
    ours.tell(puppet, ("tell", "c", ("child_and_tell", "hung", [("hang",)])))
    eventually(lambda: len(descendants(pid)) == 3)
    below = descendants(pid)[1:]

    os.kill(pid, signal.SIGKILL)

    eventually(lambda: not any(is_running(each) for each in below), "the subtree is gone", SUBTREE_GONE_S)


def test_a_killed_admin_takes_everything_along_and_a_new_system_starts_at_once(room: Path) -> None:
    system = open_system(room, {"version": 1}, settings=settings_of(room))
    puppet = system.createActor(PUPPET)
    admin = ask(system, puppet, "parent_pid")
    everything = descendants(admin)

    os.kill(admin, signal.SIGKILL)

    eventually(lambda: not any(is_running(pid) for pid in everything), "all are gone", SUBTREE_GONE_S)
    with pytest.raises(ActorSystemFailure):
        system.createActor(PUPPET)
    system.shutdown()
    again = open_system(room, {"version": 1}, settings=settings_of(room))
    other = again.createActor(PUPPET)
    end(again, ask(again, other, "parent_pid"))
    assert not has_admin(room)


def test_a_child_killed_while_it_starts_is_reported_and_its_mail_comes_back(
    ours: ActorSystem, puppet: ActorAddress
) -> None:
    undertaker = ours.createActor(PUPPET)
    ask(ours, undertaker, "collect_dead")

    ask(ours, puppet, "stillbirth", "c", [("note", 1)])

    assert heard(ours, puppet)[0] == "exited c: killed by SIGKILL"
    words: list[str] = []

    def came_back() -> bool:
        words[:] = [*ask(ours, puppet, "heard"), *ask(ours, undertaker, "heard")]
        return len(words) == 2

    eventually(came_back)
    assert words[1] in {"poison ('note', 1)", "dead ('note', 1)"}  # dead, if it had just had the time to call


def test_exactly_the_unhandled_letters_of_a_killed_actor_are_dead(ours: ActorSystem, puppet: ActorAddress) -> None:
    undertaker = ours.createActor(PUPPET)
    ask(ours, undertaker, "collect_dead")
    ask(ours, puppet, "child", "c")
    pid = ask(ours, puppet, "ask", "c", ("pid",))
    letters = [("note", number) for number in range(100)]

    ours.tell(puppet, ("tell_all", "c", [*letters[:10], ("nap", 0.3), ("nap", 60.0), *letters[10:]]))
    time.sleep(0.5)  # the first nap is over and counted as handled; the second is under way
    os.kill(pid, signal.SIGKILL)

    words = [word for word in heard(ours, undertaker, 91) if "note" in word or "nap" in word]
    assert words == [f"dead {letter}" for letter in [("nap", 60.0), *letters[10:]]]


def test_two_actors_flooding_each_other_neither_lose_nor_reorder_nor_block(
    ours: ActorSystem, puppet: ActorAddress
) -> None:
    for name in ("a", "b"):
        ask(ours, puppet, "child", name)
        ask(ours, puppet, "ask", name, ("pid",))
    ask(ours, puppet, "meet", "a", "b")
    ask(ours, puppet, "meet", "b", "a")

    for name in ("a", "b"):
        ours.tell(puppet, ("tell", name, ("flood_friend", 3000, 1000)))

    for name in ("a", "b"):
        eventually(partial(has_notes, ours, puppet, name, 3000))
        notes = ask(ours, puppet, "ask", name, ("notes",))
        assert [number for number, _ in notes] == list(range(3000))


def test_shutdown_does_not_stand_behind_a_backlog(room: Path) -> None:
    system = open_system(room, {"version": 1}, settings=settings_of(room))
    puppet = system.createActor(PUPPET)
    admin = ask(system, puppet, "parent_pid")
    everything = descendants(admin)
    for _ in range(100):
        system.tell(puppet, ("nap", 0.05))
    began = time.monotonic()

    system.shutdown()

    assert time.monotonic() - began < 2.5
    eventually(lambda: not any(is_running(pid) for pid in everything))


def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_ask(ours: ActorSystem, puppet: ActorAddress) -> None:
    ours.tell(puppet, ("nap", 0.3))
    assert ours.ask(puppet, ("pid",), 0.05) is None

    assert ask(ours, puppet, "notes") == []
    assert isinstance(ours.listen(PATIENCE_S), int)


def test_children_inherit_no_descriptors(ours: ActorSystem, puppet: ActorAddress) -> None:
    for number in range(20):
        ask(ours, puppet, "child", str(number))
        ask(ours, puppet, "ask", str(number), ("pid",))

    assert ask(ours, puppet, "ask", "19", ("descriptors",)) < 15


def test_nothing_is_left_in_the_room_of_a_system_that_was_shut_down(room: Path) -> None:
    system = open_system(room, {"version": 1}, settings=settings_of(room))
    system.createActor(PUPPET)

    system.shutdown()

    assert [path.name for path in room.iterdir()] == ["admin.lock"]
