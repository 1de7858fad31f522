"""The hub's own supervision under crash loops, in virtual time: pauses, parking, budgets, and who hears of it."""

from typing import Any

import pytest

from alluse_hub.actors import catalog
from alluse_hub.protocols.children import ActorOrderDone, StartActor
from alluse_hub.protocols.lifecycle import ChildRestarted, ChildState, PeerDown, Strategy
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.testing import TestHub, Weather
from tests.simulation.spans import LISTING, WORKSTREAMS

QUIET = "[replay]\nautostart = false\n"
LIMIT = 5
"""Restarts that the shipped configuration allows within a minute."""


def crash_loop(hub: TestHub, name: str, times: int) -> None:
    """Each time as soon as it is up."""
    for _ in range(times):
        hub.crash(name)
        hub.run_until(lambda: not is_up(hub, name))
        hub.run_until(lambda: is_up(hub, name) or standing(hub, name) is ChildState.PARKED)


def is_up(hub: TestHub, name: str) -> bool:
    actor = hub.world.actors[name]
    return bool(actor.is_alive and actor.is_announced) and standing(hub, name) is ChildState.READY


def standing(hub: TestHub, name: str) -> ChildState:
    for supervisor in ("hub", "coordination", "workstreams"):
        found = hub.state(supervisor).find(name)
        if found is not None:
            return ChildState(found.standing)
    raise AssertionError(f"nobody supervises {name}")


def shown(hub: TestHub, name: str) -> dict[str, Any]:
    hub.advance(0.1)
    return dict(hub.view("status", name=name).get("actor") or hub.view("status", name=name)["workstream"]["monitor"])


def words(hub: TestHub, to: str) -> list[tuple[str, str]]:
    """Who was said to be down, and how, in the order of saying."""
    said = [e for e in hub.trail if e.kind is EntryKind.SENT and e.message == PeerDown.__name__ and e.to == to]
    return [(str(entry.body["name"]), str(entry.body["standing"])) for entry in said]


def pauses_s(hub: TestHub, supervisor: str = "") -> list[float]:
    """Before each restart, in order."""
    restarted = hub.facts(ChildRestarted.__name__, supervisor)
    return [ChildRestarted.model_validate(entry.body).pause_s for entry in restarted]


def test_a_crash_is_healed_at_once_and_a_crash_loop_slower_and_slower() -> None:
    with TestHub(QUIET) as hub:
        crash_loop(hub, "ws3", LIMIT)

        pauses = pauses_s(hub, "workstreams")
        assert pauses[0] == 0.0
        assert all(0.8 * whole <= pause <= whole for pause, whole in zip(pauses[1:], (0.1, 0.2, 0.4, 0.8), strict=True))


def test_a_quiet_time_later_a_crash_is_healed_at_once_again() -> None:
    with TestHub(QUIET) as hub:
        crash_loop(hub, "ws3", 3)
        hub.advance(30.0)
        crash_loop(hub, "ws3", 1)

        assert hub.facts("ChildRestarted", "workstreams")[-1].body["pause_s"] == 0.0


def test_while_a_monitor_waits_the_board_says_until_when_and_all_above_is_degraded() -> None:
    with TestHub(QUIET) as hub:
        crash_loop(hub, "ws3", 4)
        hub.crash("ws3")
        hub.advance(0.2)

        now = hub.now
        assert shown(hub, "ws3")["state"] == "restarting"
        assert 0.0 < shown(hub, "ws3")["next_try"] - now < 0.8
        above = shown(hub, "workstreams")
        assert (above["state"], above["why"]) == ("degraded", "ws3 is restarting")

        hub.advance(2.0)
        assert (shown(hub, "ws3")["state"], shown(hub, "workstreams")["state"]) == ("ready", "ready")


def test_a_parked_monitor_is_told_to_all_that_need_it_until_it_is_released() -> None:
    with TestHub(QUIET) as hub:
        crash_loop(hub, "ws3", LIMIT + 1)
        needing = [ws for ws in WORKSTREAMS if "ws3" in hub.state(ws).spec.depends_on]
        assert needing

        assert {name: words(hub, name)[-1] for name in (*needing, "gateway", "coordinator")} == dict.fromkeys(
            (*needing, "gateway", "coordinator"), ("ws3", "parked")
        )
        hub.advance(6.0)
        for name in needing:
            assert "ws3, whose monitor is parked" in hub.view("status", name=name)["workstream"]["why"]

        hub.tell("workstreams", StartActor(name="ws3"))
        hub.advance(6.0)
        assert [answer.ok for answer in hub.answers if isinstance(answer, ActorOrderDone)] == [True]
        assert all(hub.state(name).unwatched == {} for name in needing)


def test_one_that_was_killed_meanwhile_is_told_again_that_another_is_parked() -> None:
    with TestHub(QUIET) as hub:
        crash_loop(hub, "ws3", LIMIT + 1)
        needing = next(ws for ws in WORKSTREAMS if "ws3" in hub.state(ws).spec.depends_on)

        crash_loop(hub, needing, 1)
        hub.advance(1.0)

        assert hub.state(needing).unwatched["ws3"].standing is ChildState.PARKED


@pytest.mark.parametrize("seed", range(2))
def test_after_any_storm_nobody_takes_anybody_for_down_that_is_up(seed: int) -> None:
    config = LISTING.replace("backoff = { at_once = 1_000_000 }", "backoff = { at_once = 0, cap_s = 2.0 }")
    with TestHub(config, seed=seed, weather=Weather(latency_s=(0.0002, 0.05), loss=0.02, crash_every_s=0.3)) as hub:
        hub.advance(20.0)
        hub.clear_up()
        hub.advance(40.0)

        assert {
            each for supervisor in ("workstreams", "coordination", "hub") for each in hub.state(supervisor).ill
        } == set()
        assert {ws: hub.state(ws).unwatched for ws in WORKSTREAMS} == {ws: {} for ws in WORKSTREAMS}
        for breakers in (hub.state("coordinator").breakers, hub.state("gateway").breakers):
            assert {ws: breaker.standing for ws, breaker in breakers.items() if breaker.standing} == {}
        assert any(words(hub, "coordinator"))


def test_pauses_are_the_same_in_every_run_of_a_seed() -> None:
    def pauses() -> list[float]:
        with TestHub(QUIET, seed=7, weather=Weather(crash_every_s=1.0)) as hub:
            hub.advance(5.0)
            return pauses_s(hub)

    assert pauses() == pauses()


# --- limits --------------------------------------------------------------------------------------------------------


def test_a_limit_that_stops_the_hub_ends_all_of_it_in_order_and_says_why() -> None:
    with TestHub(QUIET + '[supervision]\ncoordination = { restarts = 2, on_limit = "stop" }\n') as hub:
        crash_loop(hub, "router", 2)
        hub.crash("router")
        hub.run_until(lambda: not hub.world.actors["hub"].is_alive)

        (ended,) = hub.facts("HubEnded", "hub")
        assert ended.body["fault"] == "router used up the restarts that coordination allows: killed"
        assert [entry.body["child"] for entry in hub.facts("PlatformStopped", "coordination")] == ["router"]
        assert [name for name, actor in hub.world.actors.items() if actor.is_alive] == []
        ends = {entry.body["name"]: entry.body["cause"] for entry in hub.facts("ChildEnded")}
        assert {name: ends[name] for name in (*WORKSTREAMS, "gateway", "auditor")} == dict.fromkeys(
            (*WORKSTREAMS, "gateway", "auditor"), "shutdown"
        )


def test_budgets_last_over_a_death_of_the_whole_tree() -> None:
    with TestHub(QUIET) as hub:
        crash_loop(hub, "ws3", 3)
        crash_loop(hub, "router", 2)
        hub.crash("hub")
        hub.world.boot(catalog.tree_of(hub.config, "0"))
        hub.advance(5.0)

        assert len(hub.state("workstreams").find("ws3").restart_times) == 3
        assert len(hub.state("coordination").restart_times) == 2
        (hub_tree,) = (child for child in hub.view("tree")["tree"]["children"] if child["name"] == "coordination")
        assert hub_tree["budget"]["used"] == 2
        assert 0.0 < hub_tree["budget"]["frees_s"] < 60.0

        crash_loop(hub, "ws3", LIMIT - 3 + 1)
        assert standing(hub, "ws3") is ChildState.PARKED


def test_a_budget_that_has_aged_is_whole_again_over_a_death_of_the_tree() -> None:
    with TestHub(QUIET) as hub:
        crash_loop(hub, "ws3", LIMIT)
        hub.crash("hub")
        hub.advance(60.0)
        hub.world.boot(catalog.tree_of(hub.config, "0"))
        hub.advance(5.0)

        crash_loop(hub, "ws3", LIMIT)

        assert standing(hub, "ws3") is ChildState.READY
        assert hub.state("hub").spec.strategy is Strategy.ONE_FOR_ONE


def test_a_supervisor_that_gave_up_begins_with_a_whole_budget() -> None:
    with TestHub(QUIET + "[supervision]\ncoordination = { restarts = 2 }\n") as hub:
        crash_loop(hub, "router", 2)
        hub.crash("router")
        hub.run_until(lambda: len(hub.facts("GaveUp", "coordination")) == 1)
        hub.advance(10.0)

        crash_loop(hub, "router", 2)

        assert len(hub.facts("GaveUp")) == 1
