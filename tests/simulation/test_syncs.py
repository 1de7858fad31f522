"""Syncs in the whole hub: the shipped three between the reference workstreams, in any weather."""

from typing import Any

import pytest

from alluse_hub.actors.replicator.ledger import Ledger
from alluse_hub.protocols.sync import ENDS, DeliveriesMoved
from alluse_hub.testing import TestHub
from tests.simulation.conftest import Calm, same_as_calm
from tests.simulation.spans import LISTING, ROUGH, STORM, played

EDGES = 9


def ledger(hub: TestHub) -> Ledger:
    found: Ledger = hub.state("replicator").ledger
    return found


def shelf(hub: TestHub, workstream: str) -> Any:  # the SDK's
    return hub.world.actors[workstream].worker._adapter._runner.workstream.shelf  # type: ignore[union-attr]


def is_whole(hub: TestHub) -> bool:
    """Every target has what its source has, and has proved it."""
    state = hub.state("replicator")
    for edge, known in ledger(hub).edges.items():
        sync, target = state.syncs[edge.partition(">")[0]], edge.partition(">")[2]
        held = shelf(hub, sync.source).copies[sync.content]
        if shelf(hub, target).copies.get(sync.content) != held or known.verified.digest != held.digest:
            return False
    return len(ledger(hub).edges) == EDGES


def test_the_shipped_syncs_are_verified_and_change_no_event(calm: dict[str, Calm]) -> None:
    with played(LISTING, 3) as hub:
        hub.advance(70.0)

        assert is_whole(hub)
        assert all(edge.ever[1:4] == (0, 0, 0) for edge in ledger(hub).edges.values())
        same_as_calm(hub, calm[LISTING])
        assert {sync["status"] for sync in hub.view("syncs")["syncs"]} <= {"active", "completed"}


@pytest.mark.parametrize(
    "seed", [11, pytest.param(12, marks=pytest.mark.deep), pytest.param(13, marks=pytest.mark.deep)]
)
def test_in_rough_weather_they_converge_and_every_delivery_ends(seed: int) -> None:
    with played(LISTING, seed, ROUGH) as hub:
        hub.advance(200.0)

        assert is_whole(hub), f"seed {seed}"
        moves = [
            move for fact in hub.facts("DeliveriesMoved") for move in DeliveriesMoved.model_validate(fact.body).moves
        ]
        begun = sum(move.version is not None for move in moves)
        assert begun == sum(move.to in ENDS for move in moves) > EDGES, f"seed {seed}"


HELD = (
    STORM
    + """
[[sync]]
id = "market_data"
source = "ws3"
targets = ["ws4", "ws5"]
pace_s = 0.05
needs = "{target}/trading:open"
"""
)


def test_while_trading_is_paused_nothing_is_carried_that_needs_it_to_be_open() -> None:
    with TestHub(HELD, seed=2) as hub:
        hub.run_until(lambda: "router" in hub.world.actors and bool(hub.facts("DirectiveAnswered")), 3_600.0)
        hub.advance(0.2)
        edge = ledger(hub).edge("market_data>ws4")
        state = hub.state("replicator")
        assert state.rungs == {"ws4/trading": "paused"}
        verified = edge.verified
        hub.run_sessions(3)
        assert ledger(hub).edge("market_data>ws4").verified == verified
        assert ledger(hub).edge("market_data>ws5").verified != verified


def test_a_stale_target_is_found_by_comparing_and_repaired() -> None:
    with played(LISTING, 5) as hub:
        hub.advance(70.0)
        copies = shelf(hub, "ws4").copies
        copies["ml_models"] = copies["ml_models"]._replace(text='{"in_use":"m0"}')
        assert not is_whole(hub)
        hub.advance(70.0)

        assert is_whole(hub)
        [drift] = hub.facts("DriftFound")
        assert (drift.body["sync"], drift.body["target"]) == ("ml_models", "ws4")
