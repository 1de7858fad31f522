"""Those outside the actors: who asks, listens, runs the loop and shuts down, from one thread or from several."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from thespian.actors import ActorAddress, ActorExitRequest, ActorSystemFailure, ActorSystemRequestTimeout

from alluse_hub.supervision.dense import base, loop
from alluse_hub.supervision.dense.base import DenseSystem, open_dense
from tests.dense.conftest import PATIENCE_S, Doer, bear, reply

Ask = Callable[[ActorAddress, Any], Any]


def reply_later(what: Any, after_s: float) -> Callable[[Doer, ActorAddress], None]:
    """Answer when woken."""

    def act(actor: Doer, sender: ActorAddress) -> None:
        helper = actor.createActor(Late)
        actor.send(helper, (sender, what, after_s))

    return act


class Late(Doer):
    def receiveMessage(self, message: Any, sender: ActorAddress) -> Any:  # noqa: N802
        if isinstance(message, tuple):
            self.to, self.what, after_s = message
            self.wakeupAfter(after_s)
        elif not isinstance(message, ActorExitRequest):
            self.send(self.to, self.what)


# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_late_answer_is_not_taken_for_that_of_a_later_ask_and_can_be_listened_for(
    system: DenseSystem, doer: ActorAddress
) -> None:
    assert system.ask(doer, reply_later("late", 0.02), 0.0) is None

    assert system.ask(doer, reply_later("in time", 0.05), PATIENCE_S) == "in time"
    assert system.listen(PATIENCE_S) == "late"
    assert system.listen(timedelta(0)) is None


def test_mail_that_answers_no_ask_goes_to_whoever_waits(system: DenseSystem, doer: ActorAddress) -> None:
    system.tell(doer, reply_later("told", 0.01))

    assert system.ask(doer, lambda _actor, _sender: None, PATIENCE_S) == "told"


def test_of_two_answers_the_second_is_listened_for(system: DenseSystem, doer: ActorAddress) -> None:
    def twice(actor: Doer, sender: ActorAddress) -> None:
        actor.send(sender, 1)
        actor.send(sender, 2)

    assert system.ask(doer, twice, PATIENCE_S) == 1
    assert system.listen(0) == 2


def test_what_nobody_listens_for_is_given_up_in_the_end(
    system: DenseSystem, doer: ActorAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alluse_hub.supervision.dense.asking.KEPT_MAX", 2)

    for number in range(4):
        system.tell(doer, reply(number))

    assert [system.listen(0) for _ in range(3)] == [2, 3, None]


def test_all_asks_of_one_endpoint_come_from_the_same_address(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    def sender_of(actor: Doer, sender: ActorAddress) -> None:
        actor.send(sender, sender)

    assert ask(doer, sender_of) == ask(doer, sender_of)
    with system.private() as other:
        assert other.ask(doer, sender_of, PATIENCE_S) != ask(doer, sender_of)


def test_a_private_endpoint_hears_nothing_of_others(system: DenseSystem, doer: ActorAddress) -> None:
    with system.private() as own:
        own.tell(doer, reply("own"))
        system.tell(doer, reply("the system's"))

        assert (own.listen(0), system.listen(0)) == ("own", "the system's")
        assert own.ask(own.createActor(Doer), reply("here"), PATIENCE_S) == "here"


def test_an_actor_cannot_ask(system: DenseSystem, ask: Ask, doer: ActorAddress) -> None:
    other = system.createActor(Doer)

    def wait(actor: Doer, sender: ActorAddress) -> None:
        with pytest.raises(ActorSystemFailure, match="cannot wait"):
            system.ask(other, reply("here"), 1.0)
        actor.send(sender, "refused")

    assert ask(doer, wait) == "refused"


# --- threads ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def running(system: DenseSystem) -> DenseSystem:
    """With its loop in a thread of its own, which ends with it."""
    threading.Thread(target=system.run, name="loop").start()
    return system


@pytest.mark.parametrize("kind", ["system", "running"])
def test_several_threads_ask_at_once_and_each_has_its_own_answers(kind: str, request: pytest.FixtureRequest) -> None:
    system: DenseSystem = request.getfixturevalue(kind)
    doers = [system.createActor(Doer) for _ in range(4)]

    def ask_on(number: int) -> list[Any]:
        return [system.ask(doers[number], reply((number, turn)), PATIENCE_S) for turn in range(200)]

    with ThreadPoolExecutor(len(doers)) as pool:
        answers = list(pool.map(ask_on, range(len(doers))))

    assert answers == [[(number, turn) for turn in range(200)] for number in range(len(doers))]


@pytest.mark.parametrize("kind", ["system", "running"])
def test_what_a_thread_tells_arrives_in_its_order(kind: str, request: pytest.FixtureRequest) -> None:
    system: DenseSystem = request.getfixturevalue(kind)
    doer = system.createActor(Doer)

    def tell_on(thread: int) -> None:
        for number in range(500):
            system.tell(doer, (thread, number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell_on, range(4)))
    kept = system.ask(doer, reply(lambda actor: actor.kept), PATIENCE_S)

    assert [[n for t, n in kept if t == thread] for thread in range(4)] == [list(range(500))] * 4


def test_a_thread_of_an_actor_may_speak_for_it(running: DenseSystem) -> None:
    doer = running.createActor(Doer)

    def delegate(actor: Doer, sender: ActorAddress) -> None:
        def work() -> None:
            actor.wakeupAfter(0.0)
            child = actor.createActor(Doer)
            actor.send(child, reply("done"))
            actor.send(sender, child)

        threading.Thread(target=work).start()

    child = running.ask(doer, delegate, PATIENCE_S)

    assert running.ask(child, reply("here"), PATIENCE_S) == "here"
    assert running.ask(doer, reply(lambda actor: actor.kept), PATIENCE_S) == ["done"]


def test_what_a_thread_says_after_the_end_of_its_actor_is_said_to_nobody(system: DenseSystem, ask: Ask) -> None:
    parent = system.createActor(Doer)
    child = ask(parent, bear())
    known = ask(child, reply(lambda actor: actor))
    system.tell(child, ActorExitRequest())

    known.send(parent, "too late")

    assert ask(parent, reply(lambda actor: actor.kept)) == []


def test_a_loop_that_takes_nothing_is_told_of(
    system: DenseSystem, doer: ActorAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "HANDED_IN_MAX", 2)
    monkeypatch.setattr(loop, "HAND_IN_S", 0.02)
    go_on, refused = threading.Event(), []

    def flood() -> None:
        try:
            for number in range(10):
                system.tell(doer, number)
        except ActorSystemRequestTimeout as error:
            refused.append(error)
        go_on.set()

    def stand_still(actor: Doer, sender: ActorAddress) -> None:
        thread = threading.Thread(target=flood)
        thread.start()
        go_on.wait()
        thread.join()
        actor.send(sender, "done")

    assert system.ask(doer, stand_still, PATIENCE_S) == "done"
    assert len(refused) == 1
    assert system.ask(doer, reply(lambda actor: actor.kept), PATIENCE_S) == [0, 1]


def test_a_thread_that_has_handed_in_too_much_goes_on_as_soon_as_it_is_taken(
    system: DenseSystem, doer: ActorAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "HANDED_IN_MAX", 2)
    is_full = threading.Event()

    def flood(asker: ActorAddress) -> None:
        for number in range(10):
            if number == loop.HANDED_IN_MAX:
                is_full.set()
            system.tell(doer, number)
        system.tell(doer, lambda actor, _sender: actor.send(asker, "done"))

    def stand_still(_actor: Doer, sender: ActorAddress) -> None:
        thread = threading.Thread(target=flood, args=(sender,))
        thread.start()
        is_full.wait()

    assert system.ask(doer, stand_still, PATIENCE_S) == "done"
    assert system.ask(doer, reply(lambda actor: actor.kept), PATIENCE_S) == list(range(10))


# --- running ---------------------------------------------------------------------------------------------------------


def test_run_ends_when_what_it_waits_for_has_come_or_the_time_is_over(system: DenseSystem, doer: ActorAddress) -> None:
    kept: list[Any] = system.ask(doer, reply(lambda actor: actor.heard), PATIENCE_S)
    system.tell(doer, lambda actor, _sender: actor.wakeupAfter(0.02))

    assert system.run(lambda: bool(kept), 0.0) is False
    assert system.run(lambda: bool(kept), PATIENCE_S) is True


def test_wake_has_run_look_again(system: DenseSystem) -> None:
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        system.wake()

    threading.Timer(0.05, end).start()

    assert system.run(is_over.is_set, PATIENCE_S)


@pytest.mark.parametrize("pending_s", [None, 3_600.0])
def test_nothing_to_do_costs_nothing(system: DenseSystem, doer: ActorAddress, pending_s: float | None) -> None:
    if pending_s is not None:
        system.tell(doer, lambda actor, _sender: actor.wakeupAfter(pending_s))
    began = time.thread_time()

    system.run(timeout_s=0.5)

    assert time.thread_time() - began < 0.1


def test_a_second_thread_that_runs_it_takes_over_when_the_first_is_done(
    system: DenseSystem, doer: ActorAddress
) -> None:
    first = threading.Thread(target=lambda: system.run(timeout_s=0.05))
    first.start()

    assert system.ask(doer, reply_later("here", 0.2), PATIENCE_S) == "here"
    first.join()


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_shutdown_leaves_nothing_behind() -> None:
    descriptors, threads = os.listdir("/proc/self/fd"), threading.active_count()  # noqa: PTH208
    system = open_dense()
    doer = system.createActor(Doer)
    system.ask(doer, bear(), PATIENCE_S)

    system.shutdown()

    assert (os.listdir("/proc/self/fd"), threading.active_count()) == (descriptors, threads)  # noqa: PTH208


def test_after_a_shutdown_nothing_runs_and_nothing_hurts() -> None:
    system = open_dense()
    doer = system.createActor(Doer)
    system.shutdown()

    system.wake()

    assert not system.is_alive(doer)
    assert not system.run(timeout_s=PATIENCE_S)
    system.shutdown()


def test_a_shutdown_ends_the_loop_of_another_thread_and_all_who_wait(running: DenseSystem) -> None:
    doer = running.createActor(Doer)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(running.ask(doer, lambda _actor, _sender: None, 60.0)))
    asking.start()
    running.ask(doer, reply("here"), PATIENCE_S)
    loops = [thread for thread in threading.enumerate() if thread.name == "loop"]

    running.shutdown()

    for thread in (asking, *loops):
        thread.join(PATIENCE_S)
    assert answers == [None]
    assert [thread.is_alive() for thread in loops] == [False]


def test_a_shutdown_that_does_not_come_to_an_end_says_who_is_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "SHUTDOWN_S", 0.05)
    system = open_dense()
    doer, begun, go_on = system.createActor(Doer), threading.Event(), threading.Event()

    def stand_still(_actor: Doer, _sender: ActorAddress) -> None:
        begun.set()
        go_on.wait()

    stuck = threading.Thread(target=lambda: system.tell(doer, stand_still))
    stuck.start()
    begun.wait()

    with pytest.raises(ActorSystemRequestTimeout, match="Doer"):
        system.shutdown()

    go_on.set()
    stuck.join()
    system.shutdown()


def test_a_shutdown_ends_those_too_that_have_not_begun_to_live() -> None:
    system, told = open_dense(), []

    class Eager(Doer):
        def receiveMessage(self, message: Any, sender: ActorAddress) -> Any:  # noqa: N802
            told.append(type(message))

    system.createActor(Eager)
    system.shutdown()

    assert told == [ActorExitRequest]


def test_two_systems_in_one_process_know_nothing_of_each_other(system: DenseSystem, doer: ActorAddress) -> None:
    other = open_dense()
    try:
        stranger = other.createActor(Doer)

        assert system.ask(stranger, reply("here"), 600.0) is None
        assert other.ask(stranger, reply("here"), PATIENCE_S) == "here"
        assert stranger != doer
    finally:
        other.shutdown()
