"""A parked monitor in the whole hub: everybody who would ask it knows, and it is told all again when it is back."""

import pytest

from alluse_hub.protocols.admin import Asked
from alluse_hub.protocols.children import StartActor
from alluse_hub.protocols.claims import Claim, PlaceClaim, Tier
from alluse_hub.protocols.lifecycle import ChildState
from alluse_hub.testing import TestHub
from tests.simulation.spans import replay

SPAN = replay("2004-08-02", "2004-08-06")
CRASHES = 6
"""One more than the shipped limit takes."""


def parked(hub: TestHub, name: str) -> None:
    for _ in range(CRASHES):
        hub.run_until(lambda: hub.world.actors[name].is_alive and hub.world.actors[name].is_announced, 60.0)
        hub.advance(0.05)
        hub.crash(name)
        hub.advance(0.05)
    hub.run_until(lambda: bool(hub.facts("ChildParked")), 60.0)
    hub.advance(0.1)


def asked(ask: str, name: str, **args: object) -> Asked:
    given = {"name": name, **args}
    return Asked.model_validate({"request": "q1", "ask": ask, "args": given, "uid": 1, "pid": 1, "user": "ann"})


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_asked_of_a_parked_monitor_is_refused_at_once_until_it_is_back(seed: int) -> None:
    with TestHub(SPAN, seed=seed) as hub:
        hub.run_until(lambda: hub.has_ended, 1_000.0)
        parked(hub, "ws4")
        for who in ("gateway", "coordinator"):
            assert hub.state(who).breakers["ws4"].standing is ChildState.PARKED, who

        hub.tell("gateway", asked("restart", "ws4"))
        hub.advance(0.1)
        given = hub.facts("OrderGiven")[-1]
        assert given.body["allowed"] is False
        assert str(given.body["why"]).startswith("ws4 is parked: killed")

        claim = Claim(
            id="operator:ann", resource="ws4/trading", want="paused", tier=Tier.OPERATOR, holder="ann", reason="test"
        )
        hub.tell("coordinator", PlaceClaim(claim=claim))
        hub.advance(0.1)
        assert hub.facts("DirectiveIssued")[-1].body["rung"] == "paused"
        assert "ws4 is parked" in str(hub.facts("DirectiveAnswered")[-1].body["error"])

        hub.tell("workstreams", StartActor(name="ws4"))
        hub.run_until(lambda: hub.facts("DirectiveAnswered")[-1].body["outcome"] == "applied", 120.0)

        assert not hub.state("gateway").breaker("ws4").refuses(hub.now)
        assert not hub.state("coordinator").breakers["ws4"].refuses(hub.now)


def test_the_last_crash_of_a_parked_monitor_is_the_chain_in_which_it_was_parked() -> None:
    with TestHub(SPAN, seed=1) as hub:
        hub.run_until(lambda: hub.has_ended, 1_000.0)
        parked(hub, "ws4")

        assert hub.facts("ChildParked")[-1].correlation == hub.facts("ChildEnded")[-1].correlation
