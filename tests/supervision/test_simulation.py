"""The machinery under the simulation: the same lives that run on Thespian, in virtual time, with faults."""

from typing import Any

import pytest

from alluse_hub.protocols.lifecycle import ChildKind, ChildSpec, ChildStart, SupervisorSpec
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision import life
from alluse_hub.supervision.simulation import Simulation, Weather
from alluse_hub.supervision.tree import SUPERVISOR_ACTOR, start_of
from tests.supervision.toys import SHUT_DOWN, Counter, ask, family

ROUGH = Weather(latency_s=(0.0001, 0.3), store_s=(0.001, 0.5), loss=0.1, crash_every_s=3.0)


def booted(seed: int = 1, weather: Weather | None = None) -> Simulation:
    world = Simulation(seed, weather)
    world.boot(family("a", "b"))
    world.run_until(lambda: {"a", "b"} <= world.actors.keys(), 10.0)
    world.advance(0.5)
    return world


def counter(world: Simulation, name: str) -> Counter:
    state: Any = world.actors[name].life.state  # whatever the core of that name keeps
    assert isinstance(state, Counter)
    return state


def trail_of(world: Simulation) -> list[str]:
    return [entry.model_dump_json() for entry in world.trail.entries]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_seed_gives_the_same_trail_to_the_last_entry(seed: int) -> None:
    runs = []
    for _ in range(2):
        world = booted(seed, ROUGH)
        for k in range(20):
            world.tell("a", ask("relay", f"{k}"))
            world.advance(1.0)
        runs.append(trail_of(world))

    assert runs[0] == runs[1]
    assert len(runs[0]) > 100


def test_two_seeds_give_two_histories() -> None:
    first, second = booted(1, ROUGH), booted(2, ROUGH)
    first.advance(30.0)
    second.advance(30.0)

    assert trail_of(first) != trail_of(second)


def test_letters_of_a_pair_arrive_in_order_whatever_the_latency() -> None:
    world = booted(7, Weather(latency_s=(0.0, 1.0)))
    for k in range(10):
        world.tell("a", ask("relay", f"{k}"))
    world.advance(60.0)

    assert counter(world, "b").heard == tuple(f"{k}-{i}" for k in range(10) for i in range(5))


def test_what_follows_a_commit_waits_until_the_commit_is_stored() -> None:
    world = booted(1, Weather(store_s=(2.0, 2.0)))
    world.tell("a", ask("add", "x"))
    world.advance(1.0)
    before = [entry for entry in world.trail.entries if entry.kind is EntryKind.SENT and entry.message == "FlowResumed"]
    world.advance(2.0)
    after = [entry for entry in world.trail.entries if entry.kind is EntryKind.SENT and entry.message == "FlowResumed"]

    assert before == []
    assert len(after) == 1


def test_a_restarted_actor_has_folded_what_its_earlier_life_recorded() -> None:
    world = booted()
    world.advance(10.0)
    total = counter(world, "a").total
    world.crash("a")
    world.advance(0.5)

    assert world.actors["a"].life.spool.incarnation == 2
    assert counter(world, "a").total in {total, total + 1}


def test_a_snapshot_stands_for_the_facts_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "SNAPSHOT_EVERY", 5)
    world = booted()
    world.advance(23.0)
    total = counter(world, "a").total
    assert any(entry.message == "Snapshot" for entry in world.trail.entries)
    world.crash("a")
    world.advance(0.5)

    assert counter(world, "a").total in {total, total + 1}


@pytest.mark.parametrize("seed", range(5))
def test_folding_the_facts_gives_the_live_state_over_any_crashes(seed: int) -> None:
    world = booted(seed, ROUGH)
    world.advance(120.0)
    world.run_until(lambda: "a" in world.actors and world.actors["a"].is_alive, 10.0)
    facts = [e for e in world.trail.entries if e.actor == "a" and e.message == "EventsTaken"]

    assert counter(world, "a").total == sum(int(str(e.body["through"])) for e in facts)


def test_an_actor_that_raises_is_restarted_and_its_failure_is_in_the_trail() -> None:
    world = booted()
    world.tell("a", ask("raise"))
    world.advance(1.0)

    assert world.actors["a"].life.spool.incarnation == 2
    assert [entry.message for entry in world.trail.entries if entry.actor == "a"].count("Failed") == 1


def test_peers_hear_of_a_new_incarnation() -> None:
    world = booted()
    world.crash("a")
    world.advance(1.0)

    assert counter(world, "b").peers["a"] == 2


def test_a_letter_outside_the_union_is_dead_lettered_not_decided_on() -> None:
    world = booted()
    world.tell("a", SHUT_DOWN)
    world.advance(0.5)

    assert [entry.body["kind"] for entry in world.trail.entries if entry.message == "DeadLetter"] == ["ShutDown"]
    assert world.errors == []


def test_every_letter_heard_was_recorded_by_its_sender_before() -> None:
    world = booted(3, ROUGH)
    for k in range(20):
        world.tell("a", ask("relay", f"{k}"))
        world.advance(2.0)
    sent: set[str] = set()
    for entry in world.trail.entries:
        if entry.kind is EntryKind.SENT:
            sent.add(entry.id)
        if entry.kind is EntryKind.HEARD and entry.letter:
            assert entry.letter in sent


def test_every_incarnations_entries_are_numbered_without_a_gap() -> None:
    world = booted(4, ROUGH)
    world.advance(60.0)
    numbers: dict[tuple[str, int], int] = {}
    for entry in world.trail.entries:
        key = (entry.actor, entry.incarnation)
        numbers[key] = numbers.get(key, 0) + 1
        assert entry.n == numbers[key]


def test_the_tree_ends_when_asked() -> None:
    world = booted()
    world.tell("hub", SHUT_DOWN)
    world.advance(10.0)

    assert [name for name, actor in world.actors.items() if actor.is_alive] == []


def test_a_word_from_outside_reaches_a_restarted_actor_at_once() -> None:
    world = booted()
    world.tell("a", ask("add", "before"))
    world.advance(0.1)
    world.crash("a")
    world.advance(0.1)
    world.tell("a", ask("add", "after"))
    world.advance(0.1)

    assert world.actors["a"].life.spool.incarnation == 2
    assert counter(world, "a").heard == ("after",)


def test_a_child_that_is_told_to_stop_before_it_is_born_ends_as_soon_as_it_is() -> None:
    world = Simulation(1, Weather(spawn_s=1.0))
    world.boot(family("a", "b"))
    world.advance(0.5)
    world.tell("hub", SHUT_DOWN)
    world.advance(0.6)

    assert [entry.message for entry in world.trail.entries if entry.actor == "a"][-1] == "StopAsked"
    assert [name for name, actor in world.actors.items() if actor.is_alive] == []


def test_a_supervisor_whose_specification_is_refused_ends_with_the_word_for_it() -> None:
    world = Simulation(1)
    broken = ChildStart(actor=SUPERVISOR_ACTOR, spec={"strategy": "two_for_one"})
    inner = ChildSpec(name="m", start=broken, kind=ChildKind.SUPERVISOR)
    world.boot(start_of(SupervisorSpec(children=(inner,))))
    world.advance(1.0)

    gone = [str(entry.body["cause"]) for entry in world.trail.entries if entry.message == "ChildEnded"]
    assert gone == ["invalid: invalid_strategy: 'two_for_one'"]
    assert [entry.message for entry in world.trail.entries if entry.actor == "m"] == ["Failed"]
    assert world.errors == []
