"""Mail among actors that share a process: by reference, in order, fairly; and what becomes of what nobody reads."""

import copy
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from thespian.actors import (
    ActorAddress,
    ActorExitRequest,
    PoisonMessage,
    Thespian_ActorStatus,
    Thespian_StatusReq,
    ThespianWatch,
    WakeupMessage,
    WatchMessage,
)

from alluse_hub.supervision.dense import keeper
from alluse_hub.supervision.dense.base import DenseSystem
from tests.dense.conftest import Doer, bear, heard_of, reply

Ask = Callable[[ActorAddress, Any], Any]


def introduce(actor: ActorAddress) -> Callable[[Doer, ActorAddress], None]:
    """Have another know it as its child."""

    def act(other: Doer, _sender: ActorAddress) -> None:
        other.child = actor

    return act


def collect(actor: Doer, _sender: ActorAddress) -> None:
    actor.handleDeadLetters()


def dead_letters(ask: Ask, collector: ActorAddress) -> list[Any]:
    found: list[Any] = ask(collector, reply(lambda actor: [word.deadMessage for word in actor.heard]))
    return found


# --- by reference ----------------------------------------------------------------------------------------------------


def test_a_message_arrives_as_the_very_object_that_was_sent(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    message = [lambda: None]  # nothing that could be pickled

    system.tell(doer, message)

    [kept] = ask(doer, reply(lambda actor: actor.kept))
    assert kept is message


def test_an_address_is_the_same_wherever_it_is_and_means_nothing_elsewhere(
    system: DenseSystem, doer: ActorAddress
) -> None:
    again = copy.deepcopy({"to": [doer]})["to"][0]

    assert again == doer
    assert system.createActor(Doer) != doer
    with pytest.raises(TypeError, match="own process"):
        pickle.dumps(doer)


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_failing_handler_is_run_once_and_its_sender_has_the_message_back(
    system: DenseSystem, ask: Ask, doer: ActorAddress
) -> None:
    runs = []

    def fail(_actor: Doer, _sender: ActorAddress) -> None:
        runs.append(1)
        raise ValueError("bad")

    poison = system.ask(doer, fail, 1.0)

    assert poison.poisonMessage is fail
    assert "ValueError: bad" in poison.details
    assert ask(doer, reply("here")) == "here"
    assert runs == [1]


def test_poison_that_poisons_is_not_sent_back(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    class Weak(Doer):
        def receiveMessage(self, message: Any, sender: ActorAddress) -> Any:  # noqa: N802
            assert not isinstance(message, PoisonMessage)
            return super().receiveMessage(message, sender)

    def fail(_actor: Doer, _sender: ActorAddress) -> None:
        raise ValueError("bad")

    weak = system.createActor(Weak)
    ask(weak, lambda actor, sender: (actor.send(doer, fail), actor.send(sender, "sent")))

    assert ask(doer, reply(heard_of)) == []
    assert ask(weak, reply("here")) == "here"


# --- dead letters ----------------------------------------------------------------------------------------------------


def test_what_is_said_to_the_dead_goes_to_those_who_collect_it(
    system: DenseSystem, ask: Ask, doer: ActorAddress
) -> None:
    collector = system.createActor(Doer)
    system.tell(collector, collect)
    child = ask(doer, bear())
    system.tell(child, ActorExitRequest())

    system.tell(child, "too late")

    assert dead_letters(ask, collector) == ["too late"]


def test_what_an_ended_actor_had_not_read_goes_there_too(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    collector = system.createActor(Doer)
    system.tell(collector, collect)
    ask(doer, bear())

    def order(actor: Doer, _sender: ActorAddress) -> None:
        for message in ("read", ActorExitRequest(), "unread", "unread as well"):
            actor.send(actor.child, message)

    system.tell(doer, order)

    assert dead_letters(ask, collector) == ["unread", "unread as well"]


def test_a_collector_that_has_ended_collects_no_more(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    collector, other = system.createActor(Doer), system.createActor(Doer)
    system.tell(collector, collect)
    system.tell(other, collect)
    system.tell(collector, ActorExitRequest())

    system.tell(collector, "too late")

    assert dead_letters(ask, other) == ["too late"]


def test_an_ask_of_a_dead_actor_is_answered_by_nobody_at_once(
    system: DenseSystem, ask: Ask, doer: ActorAddress
) -> None:
    system.tell(doer, ActorExitRequest())

    assert system.ask(doer, reply("here"), 600.0) is None


def test_an_ask_that_an_actor_ends_over_is_over(system: DenseSystem, doer: ActorAddress) -> None:
    def order(actor: Doer, sender: ActorAddress) -> None:
        system.tell(doer, ActorExitRequest())
        actor.wakeupAfter(0.0)

    system.tell(doer, order)

    assert system.ask(doer, reply("here"), 600.0) is None


def test_a_mailbox_is_bounded(
    system: DenseSystem, ask: Ask, doer: ActorAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "MAIL_MAX", 3)
    other, collector = system.createActor(Doer), system.createActor(Doer)
    system.tell(collector, collect)

    def flood(actor: Doer, sender: ActorAddress) -> None:
        for number in range(5):
            actor.send(other, number)
        actor.send(sender, "flooded")

    ask(doer, flood)

    assert ask(other, reply(lambda actor: actor.kept)) == [0, 1, 2]
    assert dead_letters(ask, collector) == [3, 4]


# --- wakeups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [timedelta(milliseconds=1), 0.001, 0])
def test_a_wakeup_tells_how_long_was_slept_and_for_what(
    system: DenseSystem, doer: ActorAddress, after: timedelta | float
) -> None:
    kept: list[Any] = system.ask(
        doer, lambda actor, sender: (actor.wakeupAfter(after, "tea"), actor.send(sender, actor.heard)), 1.0
    )

    assert system.run(lambda: bool(kept), 20.0)
    assert kept == [WakeupMessage(after, "tea")]


def test_wakeups_come_in_the_order_of_their_times(system: DenseSystem, doer: ActorAddress) -> None:
    def doze(actor: Doer, sender: ActorAddress) -> None:
        for after_s in (0.03, 0.01, 0.02, 0.01):
            actor.wakeupAfter(after_s, after_s)
        actor.send(sender, actor.heard)

    kept: list[Any] = system.ask(doer, doze, 1.0)

    assert system.run(lambda: len(kept) == 4, 20.0)
    assert [word.payload for word in kept] == [0.01, 0.01, 0.02, 0.03]


def test_a_wakeup_may_be_a_year_away(system: DenseSystem, doer: ActorAddress) -> None:
    system.tell(doer, lambda actor, _sender: actor.wakeupAfter(timedelta(days=365)))

    system.run(timeout_s=0.01)
    threading.Timer(0.02, lambda: system.tell(doer, "a word")).start()

    assert system.run(lambda: bool(doer.addressDetails.actor.kept), 20.0)


def test_what_a_send_costs_does_not_depend_on_how_many_wakeups_are_pending(
    system: DenseSystem, ask: Ask, doer: ActorAddress
) -> None:
    def cost_s() -> float:
        began = time.process_time()
        for _ in range(2_000):
            system.tell(doer, "a word")
        return time.process_time() - began

    alone_s = min(cost_s() for _ in range(3))
    ask(doer, lambda actor, sender: ([actor.wakeupAfter(3_600) for _ in range(20_000)], actor.send(sender, "set")))

    assert min(cost_s() for _ in range(3)) < 5 * alone_s


def test_a_wakeup_of_one_who_has_ended_wakes_nobody(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    collector, child = system.createActor(Doer), ask(doer, bear())
    system.tell(collector, collect)
    system.tell(child, lambda actor, _sender: actor.wakeupAfter(0.001))

    system.tell(child, ActorExitRequest())
    system.run(timeout_s=0.01)

    assert dead_letters(ask, collector) == []


# --- descriptors -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


class Watcher(Doer):
    """Reads what it watches, as long as it is told to watch."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptors: list[int] = []
        self.read: list[bytes] = []

    def receiveMessage(self, message: Any, sender: ActorAddress) -> Any:  # noqa: N802
        if isinstance(message, WatchMessage):
            self.read += [os.read(fd, 100) for fd in message.ready]
        else:
            super().receiveMessage(message, sender)
        return ThespianWatch(self.descriptors) if self.descriptors else None


def watch(*descriptors: int) -> Callable[[Any, ActorAddress], None]:
    def act(actor: Watcher, sender: ActorAddress) -> None:
        actor.descriptors = list(descriptors)
        actor.send(sender, actor.read)

    return act


def test_a_watched_descriptor_is_told_of_as_often_as_there_is_something(
    system: DenseSystem, ask: Ask, pipe: tuple[int, int]
) -> None:
    read: list[bytes] = ask(system.createActor(Watcher), watch(pipe[0]))

    for count, text in enumerate((b"one", b"two"), start=1):
        os.write(pipe[1], text)
        assert system.run(partial(lambda count: len(read) == count, count), 20.0)
    assert read == [b"one", b"two"]


def test_a_descriptor_is_told_of_once_until_that_is_heard(system: DenseSystem, ask: Ask, pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[0], False)
    watcher = system.createActor(Watcher)
    read: list[bytes] = ask(watcher, watch(pipe[0]))

    def keep_busy(actor: Doer, sender: ActorAddress) -> None:
        for _ in range(40):
            actor.send(watcher, lambda _actor, _sender: time.sleep(0.001))
        os.write(pipe[1], b"one")
        actor.send(sender, "busy")

    ask(system.createActor(Doer), keep_busy)

    assert system.run(lambda: bool(read), 20.0)
    system.run(timeout_s=0.02)
    assert read == [b"one"]
    assert ask(watcher, reply(heard_of)) == []  # no second message, whose reading would have failed


def test_what_is_no_longer_watched_is_left_alone(system: DenseSystem, ask: Ask, pipe: tuple[int, int]) -> None:
    watcher = system.createActor(Watcher)
    read: list[bytes] = ask(watcher, watch(pipe[0]))
    ask(watcher, lambda actor, sender: (actor.descriptors.clear(), actor.send(sender, "done")))

    os.write(pipe[1], b"one")
    system.run(timeout_s=0.02)

    assert read == []


def test_two_may_watch_the_same_descriptor(system: DenseSystem, ask: Ask, pipe: tuple[int, int]) -> None:
    class Onlooker(Watcher):
        def receiveMessage(self, message: Any, sender: ActorAddress) -> Any:  # noqa: N802
            if isinstance(message, WatchMessage):
                self.descriptors = []
                self.read.append(b"seen")
            return super().receiveMessage(message, sender) if not isinstance(message, WatchMessage) else None

    seen = [ask(system.createActor(Onlooker), watch(pipe[0])) for _ in range(2)]

    os.write(pipe[1], b"one")

    assert system.run(lambda: seen == [[b"seen"], [b"seen"]], 20.0)


def test_a_number_that_stands_for_another_file_meanwhile_is_watched_afresh(system: DenseSystem, ask: Ask) -> None:
    watcher = system.createActor(Watcher)
    first = os.pipe()
    read: list[bytes] = ask(watcher, watch(first[0]))
    os.close(first[0])
    os.close(first[1])
    second = os.pipe()
    try:
        assert second[0] == first[0]
        ask(watcher, watch(second[0]))
        os.write(second[1], b"one")

        assert system.run(lambda: read == [b"one"], 20.0)
    finally:
        os.close(second[0])
        os.close(second[1])


def test_a_descriptor_that_cannot_be_watched_is_no_trouble_to_others(
    system: DenseSystem, ask: Ask, pipe: tuple[int, int]
) -> None:
    read: list[bytes] = ask(system.createActor(Watcher), watch(1_000_000, pipe[0]))

    os.write(pipe[1], b"one")

    assert system.run(lambda: read == [b"one"], 20.0)


# --- fairness --------------------------------------------------------------------------------------------------------


def test_a_flood_to_one_actor_holds_up_no_other(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    flooded, other = system.createActor(Doer), system.createActor(Doer)
    count: list[int] = ask(flooded, reply(lambda actor: actor.kept))

    def flood(actor: Doer, sender: ActorAddress) -> None:
        for number in range(10_000):
            actor.send(flooded, number)
        actor.send(other, lambda actor, _sender: actor.send(sender, len(count)))

    assert ask(doer, flood) < 100


def test_wakeups_come_through_while_others_never_stop_talking(
    system: DenseSystem, ask: Ask, doer: ActorAddress
) -> None:
    def chatter(actor: Doer, sender: ActorAddress) -> None:
        if not heard:
            actor.send(sender, chatter)

    heard: list[Any] = ask(doer, reply(lambda actor: actor.heard))
    pair = system.createActor(Doer), system.createActor(Doer)
    system.tell(pair[0], lambda actor, _sender: actor.send(pair[1], chatter))
    system.tell(doer, lambda actor, _sender: actor.wakeupAfter(0.01))

    assert system.run(lambda: bool(heard), 20.0)


# --- status ----------------------------------------------------------------------------------------------------------


def test_an_actor_tells_its_status(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    child = ask(doer, bear())

    status = ask(doer, Thespian_StatusReq())

    assert isinstance(status, Thespian_ActorStatus)
    assert (status.actorAddress, status.childActors) == (doer, [child])
