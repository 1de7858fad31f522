"""What led to what an actor hears from nobody's letter: timers, words of its worker, starts and ends of children."""

import random
from typing import Any

import pytest

from alluse_hub.protocols.children import RestartActor
from alluse_hub.protocols.effects import Because, Commit, Kill, Record
from alluse_hub.protocols.lifecycle import (
    ChildEnded,
    ChildKind,
    ChildSpec,
    ChildUp,
    Exited,
    Intensity,
    Started,
    Strategy,
    SupervisorSpec,
)
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.program import Attach, Attached, EndProgram, LinesRead, ProgramGone
from alluse_hub.protocols.trail import Entry, EntryKind
from alluse_hub.supervision.origins import CLOCK_TURNS, UNKNOWN, Origin, Origins, unwrapped
from alluse_hub.supervision.simulation import Simulation
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.supervisor_origins import owed
from alluse_hub.supervision.tree import start_of
from alluse_hub.testing.family import family
from tests.supervision.toys import TOY, ask
from tests.supervision.toys import family as toys

CRASH = Origin("sup/1/7", "sup/1/7")
ORDER = Origin("gateway/1/9", "gateway/1/8")
UP = ChildUp(name="a", life=2, incarnation=2, pid=5)
ENDED = Exited(name="a", life=2, cause="killed")
ANSWERS: dict[type[Message], frozenset[type[Message]]] = {
    Attach: frozenset({Attached, LinesRead}),
    EndProgram: frozenset({ProgramGone}),
}


def test_a_timer_comes_of_the_turn_that_set_it() -> None:
    origins = Origins()
    origins.timer_set("t", CRASH)

    assert origins.timer_woke("t") == CRASH
    assert origins.timer_woke("t") == UNKNOWN


def test_a_timer_that_its_own_waking_sets_again_and_again_begins_a_chain_of_its_own() -> None:
    origins = Origins()
    origins.timer_set("beat", CRASH)
    correlations = []
    for turn in range(CLOCK_TURNS + 2):
        woke = origins.timer_woke("beat")
        correlations.append(woke.correlation)
        assert woke.cause, "the letter is named all the same"
        origins.timer_set("beat", Origin(f"a/1/{turn}", woke.correlation))
        origins.timer_handled()

    assert correlations == [CRASH.correlation] * (CLOCK_TURNS + 1) + [""]


def test_a_pause_that_is_set_by_another_letter_each_time_keeps_its_chain() -> None:
    origins = Origins()
    for _ in range(3 * CLOCK_TURNS):
        origins.timer_set("pause", CRASH)
        assert origins.timer_woke("pause") == CRASH
        origins.timer_handled()


def test_a_child_that_is_up_owes_its_end_to_nobody() -> None:
    origins = Origins()
    origins.child_spawned("a", CRASH)

    assert origins.of_word(UP) == CRASH
    assert origins.of_word(ENDED) == UNKNOWN


def test_a_start_that_fails_belongs_to_the_chain_that_started_it() -> None:
    origins = Origins()
    origins.child_spawned("a", CRASH)

    assert origins.of_word(ENDED) == CRASH


def test_a_child_that_was_told_to_end_owes_its_end_to_that_even_if_it_comes_up_meanwhile() -> None:
    origins = Origins()
    origins.child_spawned("a", CRASH)
    origins.child_ordered_to_end("a", ORDER)

    assert origins.of_word(UP) == ORDER
    assert origins.of_word(ENDED) == ORDER
    assert origins.of_word(ENDED) == UNKNOWN


def test_the_first_word_of_each_kind_that_a_job_brings_belongs_to_it() -> None:
    origins = Origins(ANSWERS)
    origins.job_given(Attach, CRASH)
    attached = Attached(pid=1, start_ticks=0, shim_pid=0, shim_ticks=0, adopted=False)

    assert origins.of_word(attached) == CRASH
    assert origins.of_word(LinesRead(through=1)) == CRASH
    assert origins.of_word(LinesRead(through=2)) == UNKNOWN


def test_a_program_that_goes_unasked_is_nobodys_doing() -> None:
    origins = Origins(ANSWERS)
    origins.job_given(EndProgram, ORDER)
    origins.job_given(Attach, CRASH)

    assert origins.of_word(ProgramGone(cause="exit 1")) == UNKNOWN


def test_an_effect_says_whose_it_is() -> None:
    kill = Kill("a")

    assert unwrapped(kill, CRASH) == (kill, CRASH)
    assert unwrapped(Because(kill, *ORDER), CRASH) == (kill, ORDER)


# --- the supervisor's part -------------------------------------------------------------------------------------------


def heard(state: Any, body: Message, origin: Origin) -> Any:  # the supervisor's state and effects
    return SUPERVISOR.decide(state, Envelope(origin.cause, "sup", "sup", body, 1.0, "", origin.correlation))


def test_what_is_done_for_a_crash_that_had_to_wait_is_due_to_that_crash() -> None:
    """While ``a`` is started again, ``b`` crashes; that it is restarted is heard of with ``a``'s coming up."""
    state = family("a", "b", strategy=Strategy.ONE_FOR_ONE).up().state
    first, second = Origin("sup/1/20", "sup/1/20"), Origin("sup/1/30", "sup/1/30")
    state = heard(state, Exited(name="a", life=1, cause="error"), first).state
    waiting = heard(state, Exited(name="b", life=1, cause="error"), second)
    assert [e for e in waiting.effects if isinstance(e, Record) and not isinstance(e.fact, ChildEnded)] == []

    step = heard(waiting.state, ChildUp(name="a", life=2, incarnation=2, pid=1), Origin("sup/1/40", "sup/1/20"))

    mine = [effect for effect in step.effects if isinstance(effect, Because)]
    assert {(effect.cause, effect.correlation) for effect in mine} == {tuple(second)}
    assert {"Record", "Spawn"} <= {type(effect.effect).__name__ for effect in mine}


def test_what_is_done_in_its_own_chain_is_not_said_to_be() -> None:
    state = family("a", "b").up().state

    step = heard(state, Exited(name="a", life=1, cause="error"), CRASH)

    assert not any(isinstance(effect, Because) for effect in step.effects)


def test_an_end_that_began_with_one_crash_is_due_to_it_to_the_last() -> None:
    state = family("a", "b", restarts=0).up().state
    state = heard(state, Exited(name="a", life=1, cause="error"), CRASH).state
    other = Origin("sup/1/50", "b/1/9")

    step = heard(state, Exited(name="b", life=1, cause="shutdown"), other)

    assert [type(e.effect).__name__ for e in step.effects if isinstance(e, Because)][-1] == "Stop"


def test_a_commit_is_left_as_it_is() -> None:
    fact = ChildEnded(name="a", life=1, incarnation=1, cause="x")
    letter = Envelope("sup/1/40", "sup", "sup", Started(incarnation=1), 1.0, "", "sup/1/20")

    assert owed(Commit(fact), CRASH, letter) == Commit(fact)
    assert owed(Record(fact), CRASH, letter) == Because(Record(fact), *CRASH)


# --- on a life -------------------------------------------------------------------------------------------------------


@pytest.fixture
def world() -> Simulation:
    world = Simulation(1)
    world.boot(toys("a", "b"))
    world.run_until(lambda: {"a", "b"} <= world.actors.keys(), 10.0)
    world.advance(0.5)
    return world


def one(world: Simulation, message: str, actor: str = "", kind: EntryKind = EntryKind.FACT) -> Entry:
    return [e for e in world.trail.entries if e.message == message and e.kind is kind and actor in {"", e.actor}][-1]


def test_a_failure_names_the_letter_in_hand_and_begins_a_chain_that_the_supervisor_goes_on_with(
    world: Simulation,
) -> None:
    world.tell("a", ask("raise"))
    world.advance(0.2)
    failed, ended = one(world, "Failed", "a"), one(world, "ChildEnded")
    by_id = {entry.id: entry for entry in world.trail.entries}

    assert failed.correlation == failed.id
    assert failed.body["letter"] == failed.cause
    assert by_id[failed.cause].message == "AskBoard", "the receipt of the letter it died of is there"
    assert ended.correlation == failed.id
    assert one(world, "Booted", "a").correlation == failed.id
    assert one(world, "Started", "a", EntryKind.HEARD).correlation == failed.id


def test_a_kill_in_the_middle_of_a_letter_names_it_and_begins_a_chain_of_its_own(world: Simulation) -> None:
    actor = world.actors["a"]
    actor.life.hand.take("gateway", "AskBoard", b"{}", "gateway/1/9", 1.0)
    world.crash("a")
    world.advance(0.2)
    heard_of = one(world, "Exited", "hub", EntryKind.HEARD)

    assert (heard_of.cause, heard_of.correlation) == ("gateway/1/9", heard_of.id)


def test_a_kill_by_order_in_the_middle_of_a_letter_is_due_to_the_order(world: Simulation) -> None:
    world.actors["a"].life.hand.take("gateway", "AskBoard", b"{}", "gateway/1/9", 1.0)
    world.tell("hub", RestartActor(name="a"))
    world.advance(0.5)

    assert one(world, "ChildEnded").correlation == one(world, "RestartActor", "hub", EntryKind.HEARD).id


def test_peers_hear_of_the_newborn_in_the_chain_of_the_crash(world: Simulation) -> None:
    world.crash("a")
    world.advance(0.2)
    heard_of = one(world, "PeerUp", "b", EntryKind.HEARD)

    assert heard_of.correlation == one(world, "ChildEnded").correlation
    assert heard_of.cause == one(world, "Started", "a", EntryKind.HEARD).id


@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_strategy_all_that_is_done_for_a_crash_is_in_its_chain(seed: int) -> None:
    """Crashes come faster than they are dealt with, so that most of them wait in line."""
    dice = random.Random(seed)
    strategy = dice.choice([Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
    inner = SupervisorSpec(
        strategy=strategy, intensity=Intensity(restarts=5), children=tuple(ChildSpec(name=n, start=TOY) for n in "abc")
    )
    middle = ChildSpec(name="middle", start=start_of(inner), kind=ChildKind.SUPERVISOR)
    root = SupervisorSpec(
        intensity=Intensity(restarts=1_000), children=(middle, *(ChildSpec(name=n, start=TOY) for n in "de"))
    )
    world = Simulation(seed)
    world.boot(start_of(root))
    world.advance(1.0)
    for _ in range(40):
        world.crash(dice.choice("abcde"))
        world.advance(dice.choice([0.001, 0.01, 0.03]))
    world.advance(5.0)
    facts = [entry for entry in world.trail.entries if entry.kind is EntryKind.FACT]
    ended: dict[tuple[str, object], Entry] = {}
    started = 0
    for fact in facts:
        child = (fact.actor, fact.body.get("name") or fact.body.get("child"))
        if fact.message == "ChildEnded":
            ended[child] = fact
        elif fact.message in {"ChildRestarted", "GaveUp"}:
            assert fact.correlation == ended[child].correlation, f"seed {seed}: {fact.id}"
        elif fact.message == "ChildStarted" and fact.at > 1.0:
            started += 1
            first = next(entry for entry in world.trail.entries if entry.id == fact.correlation)
            assert first.message == "Exited", f"seed {seed}: {fact.id} begins with {first.message}"

    assert started > 10


def test_a_stop_by_order_is_one_chain_from_the_order_to_the_end_of_the_child(world: Simulation) -> None:
    world.tell("hub", RestartActor(name="a"))
    world.advance(0.5)
    order = one(world, "RestartActor", "hub", EntryKind.HEARD)

    assert one(world, "ChildEnded").correlation == order.id
    assert one(world, "ChildStarted").correlation == order.id
    assert [e.correlation for e in world.trail.entries if e.actor == "a" and e.message == "Booted"][-1] == order.id
