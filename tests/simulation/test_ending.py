"""The end of the whole hub in virtual time: in phases, over crashes, with nothing left in hand."""

import pytest

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.ending import HubEnded
from alluse_hub.protocols.flow import RoundSettled
from alluse_hub.protocols.names import ROOT, ROUTER
from alluse_hub.supervision.simulation import Weather
from alluse_hub.testing import TestHub

SPAN = "[replay]\nfrom = 2007-10-15\nto = 2007-12-10\nspeed = 0\n"

SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(2, 12))]


def ended(hub: TestHub) -> dict[str, tuple[str, ...]]:
    """Who was late in which phase."""
    [told] = [HubEnded.model_validate(fact.body) for fact in hub.facts("HubEnded")]
    return {phase.phase.value: phase.late for phase in told.phases}


def sessions(hub: TestHub) -> int:
    """As far as the trail says, for nobody can be asked any more."""
    return max(RoundSettled.model_validate(fact.body).sessions for fact in hub.facts("RoundSettled"))


def in_hand(hub: TestHub) -> set[str]:
    """What a program was told and had not answered."""
    opened = {str(fact.body["key"]) for fact in hub.facts("CommandOpened")}
    return opened - {str(fact.body["key"]) for fact in hub.facts("CommandClosed")}


IN_ORDER = {"intake": (), "drain": (), "flush": (), "close": ()}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hub_at_work_finishes_the_open_session_and_opens_no_other(seed: int) -> None:
    with TestHub(SPAN, seed=seed) as hub:
        hub.run_sessions(5)
        hub.tell(ROOT, ShutDown(by="test", reason="night"))
        hub.shut_down()

        assert ended(hub) == IN_ORDER
        assert hub.facts("Overran") == []
        assert sessions(hub) <= 7  # that which was open, and one that may have been asked for already
        assert in_hand(hub) == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_router_that_dies_in_the_drain_is_told_again_and_the_end_is_in_order(seed: int) -> None:
    with TestHub(SPAN, seed=seed) as hub:
        hub.run_sessions(3)
        hub.tell(ROOT, ShutDown(by="test", reason="night"))
        hub.world.run_until(lambda: bool(hub.facts("PhaseEnded")), 60.0)
        hub.crash(ROUTER)
        hub.shut_down()

        assert ended(hub) == IN_ORDER
        assert sessions(hub) <= 5


@pytest.mark.parametrize("seed", SEEDS)
def test_in_bad_weather_the_hub_ends_within_its_time(seed: int) -> None:
    weather = Weather(crash_every_s=4.0, loss=0.1)
    with TestHub(SPAN + "[hub]\nshutdown_s = 20\n", seed=seed, weather=weather) as hub:
        hub.run_sessions(3)
        began = hub.now
        hub.shut_down()

        assert hub.now - began <= 20.0
        assert set(ended(hub)) == set(IN_ORDER)
