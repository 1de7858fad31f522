"""Whatever dies when: afterwards everything is as if nothing had happened.

A failing sweep prints its seed; a seed that found a bug stays here by name.
"""

from dataclasses import replace

import pytest

from alluse_hub.testing import TestHub, Weather
from tests.simulation.conftest import Calm, same_as_calm
from tests.simulation.laws import obeyed
from tests.simulation.spans import LEAVES, LIMIT_S, LISTING, ROUGH, STORM, is_over, played

HARSH = replace(ROUGH, crash_every_s=0.4, loss=0.1)
LEISURELY = Weather(latency_s=(0.001, 0.02))
"""A session takes a tenth of a second, so that deaths fall within it."""

DEATHS = 10
SUPERVISORS = ("coordination", "workstreams")


def test_crashes_and_losses_leave_no_trace_in_events_and_decisions(calm: dict[str, Calm]) -> None:
    with played(STORM, 11, ROUGH) as hub:
        assert {entry.actor for entry in hub.facts("Booted") if entry.incarnation > 1} >= set(LEAVES)
        same_as_calm(hub, calm[STORM])


def test_two_commands_of_a_round_reach_their_workstream_in_the_order_of_the_rules(calm: dict[str, Calm]) -> None:
    """The first letter was lost, the second was heard after the wait for the gap, and the first said again later."""
    with played(STORM, 439, ROUGH) as hub:
        same_as_calm(hub, calm[STORM])


def test_nor_does_it_matter_that_every_tenth_letter_is_lost(calm: dict[str, Calm]) -> None:
    with played(LISTING, 1, Weather(loss=0.1)) as hub:
        same_as_calm(hub, calm[LISTING])


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(1_000, 1_100))
def test_a_hundred_seeds_of_rough_weather(seed: int, calm: dict[str, Calm]) -> None:
    with played(STORM, seed, ROUGH) as hub:
        same_as_calm(hub, calm[STORM])


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(2_000, 2_050))
def test_fifty_seeds_of_harsh_weather(seed: int, calm: dict[str, Calm]) -> None:
    with played(STORM, seed, HARSH) as hub:
        same_as_calm(hub, calm[STORM])


@pytest.mark.parametrize("actor", [*LEAVES, *SUPERVISORS])
def test_any_actor_may_die_again_and_again(actor: str, calm: dict[str, Calm]) -> None:
    """Every 0.137 s of virtual time: often in mid-round, never in step with anything."""
    with TestHub(LISTING, seed=5, weather=LEISURELY) as hub:
        for _ in range(DEATHS):
            hub.advance(0.137)
            hub.run_until(lambda: actor in hub.world.actors and hub.world.actors[actor].is_alive)
            hub.crash(actor)
        hub.run_until(lambda: is_over(hub))
        hub.advance(30.0)

        assert hub.world.actors[actor].life.spool.incarnation > DEATHS
        same_as_calm(hub, calm[LISTING])


def test_all_leaves_may_die_at_once(calm: dict[str, Calm]) -> None:
    with TestHub(LISTING) as hub:
        hub.run_sessions(7)
        for actor in LEAVES:
            hub.crash(actor)
        hub.run_until(lambda: is_over(hub), LIMIT_S)
        hub.advance(30.0)

        same_as_calm(hub, calm[LISTING])


def test_a_commit_that_finds_no_auditor_waits_for_the_next_one() -> None:
    with TestHub(STORM) as hub:
        hub.run_until(lambda: bool(hub.facts("RuleFired")))
        hub.crash("auditor")
        committed = len(hub.facts("ActsCommitted"))
        hub.run_until(lambda: len(hub.facts("ActsCommitted")) > committed + 3)
        hub.run_until(lambda: is_over(hub))
        hub.advance(30.0)

        assert [len(a.life._outbox) for a in hub.world.actors.values()] == [0] * len(hub.world.actors)
        obeyed(hub)


def test_a_monitor_that_was_killed_tells_no_event_twice_and_forgets_none() -> None:
    with TestHub(LISTING) as hub:
        hub.run_sessions(5)
        before = hub.state("ws3").kept
        hub.crash("ws3")
        hub.run_until(lambda: hub.world.actors["ws3"].life.spool.incarnation == 2 and hub.world.actors["ws3"].is_alive)

        assert hub.state("ws3").kept.heard == before.heard
        assert hub.state("ws3").kept.starts == before.starts
        hub.run_until(lambda: is_over(hub))
        obeyed(hub)


# --- seeds that found something --------------------------------------------------------------------------------------


def test_events_of_a_directive_stay_out_of_the_round_that_led_to_it(calm: dict[str, Calm]) -> None:
    """A router that was killed in mid-round took ``trading_resumed`` into the round built again."""
    stormy = Weather(latency_s=(0.0002, 0.05), store_s=(0.002, 0.1), loss=0.02, crash_every_s=0.5)
    with played(STORM, 5, stormy) as hub:
        same_as_calm(hub, calm[STORM])


def test_a_lost_letter_is_given_up_at_the_very_moment_the_actor_asked_to_be_woken(calm: dict[str, Calm]) -> None:
    """The moment came out a rounding error short of the wait; the actor asked to be woken again, for ever."""
    with played(LISTING, 2, Weather(loss=0.02, crash_every_s=0.5)) as hub:
        same_as_calm(hub, calm[LISTING])


def test_a_workstream_that_is_being_repaired_obeys_a_round_after_it_has_had_it(calm: dict[str, Calm]) -> None:
    """The coordinator was shown the round after three seconds, and its order overtook the delivery."""
    with played(STORM, 13, ROUGH) as hub:
        same_as_calm(hub, calm[STORM])


def test_a_router_that_dies_in_the_first_session_does_not_ask_for_the_span_again(calm: dict[str, Calm]) -> None:
    """It asked under the number of the round that had opened the session, and took one answer for the other."""
    with played(STORM, 325, ROUGH) as hub:
        same_as_calm(hub, calm[STORM])
