"""Actors that stand still, for a while or for good: afterwards everything is as if nothing had happened."""

import pytest

from alluse_hub.protocols.lifecycle import ChildEnded
from alluse_hub.protocols.liveness import ChildHung
from alluse_hub.testing import TestHub, Weather
from tests.simulation.conftest import Calm, same_as_calm
from tests.simulation.laws import obeyed
from tests.simulation.spans import LEAVES, LISTING, STORM, is_over, played

STANDSTILLS = Weather(latency_s=(0.001, 0.02), hang_every_s=4.0)
IMPATIENT = STORM + "liveness = { interval_s = 0.5, limit_s = 1.0 }\n"
LEISURELY = Weather(latency_s=(0.001, 0.02))


@pytest.mark.parametrize("seed", [4])
def test_hangs_leave_no_trace_in_events_and_decisions(seed: int, calm: dict[str, Calm]) -> None:
    with played(IMPATIENT, seed, STANDSTILLS) as hub:
        assert len(hub.facts(ChildHung.__name__)) >= 3
        same_as_calm(hub, calm[STORM])


@pytest.mark.parametrize("actor", LEAVES)
def test_any_actor_may_hang(actor: str, calm: dict[str, Calm]) -> None:
    with TestHub(LISTING, seed=5, weather=LEISURELY) as hub:
        hub.advance(0.5)
        hub.run_until(lambda: actor in hub.world.actors and hub.world.actors[actor].is_alive)
        hub.world.hangs.begin(hub.world.actors[actor])
        hub.run_until(lambda: is_over(hub), 3_600.0)
        hub.advance(30.0)
        obeyed(hub)

        ends = [entry.body for entry in hub.facts(ChildEnded.__name__) if entry.body["name"] == actor]
        assert [str(end["cause"]) for end in ends] == ["hung: no answer to a ping for 15.1 s"]
        same_as_calm(hub, calm[LISTING])


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(3_000, 3_050))
def test_fifty_seeds_of_standstills(seed: int, calm: dict[str, Calm]) -> None:
    with played(IMPATIENT, seed, STANDSTILLS) as hub:
        same_as_calm(hub, calm[STORM])
