"""Floods: more letters than the receiver takes, from one side or from both."""

import os
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import ActorAddress, ActorSystem

from alluse_hub.supervision.engine import exchange
from tests.engine.cast import PUPPET
from tests.engine.conftest import PATIENCE_S, ask, child_of, descendants, eventually, heard

KIB = 1024
MIB = 1024 * KIB

LONG_S = 3600.0


def has_counted(system: ActorSystem, parent: ActorAddress, child: str, count: int) -> bool:
    return len(ask(system, parent, "ask", child, ("notes",))) == count


def test_two_actors_that_flood_each_other_above_the_high_water_mark_neither_lose_nor_reorder_nor_block(
    start: Callable[..., ActorSystem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "RELIEF_S", LONG_S)  # only by reading can they relieve each other
    system = start(queue_high_bytes=64 * KIB)
    puppet = system.createActor(PUPPET)
    for name in ("a", "b"):
        child_of(system, puppet, name)
    ask(system, puppet, "meet", "a", "b")
    ask(system, puppet, "meet", "b", "a")

    for name in ("a", "b"):  # each 3 MB from one handler
        system.tell(puppet, ("tell", name, ("flood_friend", 3000, 1000)))

    for name in ("a", "b"):
        eventually(partial(has_counted, system, puppet, name, 3000))
        notes = ask(system, puppet, "ask", name, ("notes",))
        assert [number for number, _ in notes] == list(range(3000))


def test_two_floods_above_every_bound_but_the_last_wait_in_vain_and_still_arrive_whole(
    start: Callable[..., ActorSystem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "RELIEF_S", 0.2)
    system = start(queue_high_bytes=64 * KIB, inbox_max_bytes=64 * KIB)
    puppet = system.createActor(PUPPET)
    for name in ("a", "b"):
        child_of(system, puppet, name)
    ask(system, puppet, "meet", "a", "b")
    ask(system, puppet, "meet", "b", "a")

    for name in ("a", "b"):
        system.tell(puppet, ("tell", name, ("flood_friend", 2000, 1000)))

    for name in ("a", "b"):
        eventually(partial(has_counted, system, puppet, name, 2000))
        notes = ask(system, puppet, "ask", name, ("notes",))
        assert [number for number, _ in notes] == list(range(2000))


@pytest.fixture
def stuck(start: Callable[..., ActorSystem], monkeypatch: pytest.MonkeyPatch, room: Path) -> Callable[..., Any]:
    """A system with such bounds, and a puppet in it whose child "c" reads nothing any more."""

    def stuck(**bounds: int) -> tuple[ActorSystem, ActorAddress]:
        monkeypatch.setattr(exchange, "RELIEF_S", 0.2)
        system = start(**bounds)
        puppet = system.createActor(PUPPET)
        child_of(system, puppet, "c", "tests.engine.cast.Hasty")
        system.tell(puppet, ("tell", "c", ("nap_marked", str(room / "hung"), LONG_S)))
        eventually((room / "hung").exists)
        return system, puppet

    return stuck


def test_a_flood_to_an_actor_that_reads_nothing_is_bounded_and_the_rest_comes_back_as_poison(
    stuck: Callable[..., Any],
) -> None:
    system, puppet = stuck(queue_high_bytes=64 * KIB, queue_max_bytes=MIB)
    before = ask(system, puppet, "memory")

    assert ask(system, puppet, "flood_child", "c", 500, 10_000) == "flooded"

    taken_at_most = 2 * MIB // 10_000  # the queue, and what the kernel holds
    poison = heard(system, puppet, 500 - taken_at_most)
    assert all(word.startswith("poison ('count', (") for word in poison)
    assert len(poison) < 500 - MIB // 2 // 10_000
    assert ask(system, puppet, "memory") - before < 32 * MIB


def test_a_handler_that_goes_on_flooding_is_stopped(stuck: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "FATES_MAX", 100)
    system, puppet = stuck(queue_high_bytes=8 * KIB, queue_max_bytes=16 * KIB)

    stopped = ask(system, puppet, "flood_child", "c", 1_000_000, 10_000)

    assert "FloodError" in stopped.details


def test_an_actor_whose_flood_is_stopped_lives_on_although_who_asked_for_it_takes_not_even_the_poison(
    start: Callable[..., ActorSystem], monkeypatch: pytest.MonkeyPatch, room: Path
) -> None:
    monkeypatch.setattr(exchange, "RELIEF_S", 0.1)
    monkeypatch.setattr(exchange, "FATES_MAX", 100)
    system = start(queue_high_bytes=8 * KIB, queue_max_bytes=16 * KIB)
    puppet = system.createActor(PUPPET)
    pid = ask(system, puppet, "pid")
    child_of(system, puppet, "c", "tests.engine.cast.Hasty")
    order = ("flood_child", "c", 1_000_000, 10_000)

    system.tell(puppet, ("tell", "c", ("order_and_nap", puppet, order, str(room / "hung"), LONG_S)))

    eventually(lambda: len(ask(system, puppet, "heard")) > exchange.FATES_MAX)
    assert ask(system, puppet, "pid") == pid


def test_the_letters_that_waited_for_a_killed_receiver_are_dead_letters(stuck: Callable[..., Any]) -> None:
    system, puppet = stuck(queue_high_bytes=64 * KIB)
    undertaker = system.createActor(PUPPET)
    ask(system, undertaker, "collect_dead")
    ask(system, puppet, "flood_child", "c", 100, 10_000)

    [pid] = descendants(ask(system, puppet, "pid"))[1:]
    os.kill(pid, signal.SIGKILL)

    def dead() -> list[int]:
        return [int(number) for number in re.findall(r"'count', \((\d+)", str(ask(system, undertaker, "heard")))]

    eventually(lambda: dead() == list(range(100)))


def test_others_are_heard_while_a_flood_is_worked_off(ours: ActorSystem, room: Path) -> None:
    worker, flooder, other = (ours.createActor(PUPPET) for _ in range(3))
    for each in (flooder, other):
        ask(ours, each, "adopt", "worker", worker)
    ours.tell(worker, ("wait_for", str(room / "gate")))
    assert ask(ours, flooder, "flood_child", "worker", 10_000, 100) == "flooded"
    ours.tell(other, ("ask", "worker", ("counted",)))
    ask(ours, other, "pid")  # so its letter is on its way

    (room / "gate").touch()

    assert ours.listen(PATIENCE_S) < 10_000
    eventually(lambda: ask(ours, worker, "counted") == 10_000)
