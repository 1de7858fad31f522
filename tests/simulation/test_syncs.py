"""Syncs in the whole hub: the shipped three between the reference workstreams, in any weather."""

from typing import Any

import pytest

from alluse_hub.actors.replicator.ledger import Ledger
from alluse_hub.protocols.sync import ENDS, DeliveriesMoved
from alluse_hub.testing import TestHub, Weather
from tests.simulation.conftest import Calm, same_as_calm
from tests.simulation.laws import body
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


ON_CONDITION = (
    STORM
    + """
[[sync]]
id = "market_data"
source = "ws3"
targets = ["ws4", "ws5"]
mode = "on_event"
event = "volatility_regime_changed"
when = 'regime == "very high"'
"""
)


@pytest.mark.parametrize("weather", [pytest.param(None, marks=pytest.mark.deep), ROUGH], ids=["fair", "rough"])
def test_a_condition_is_asked_where_the_event_is_heard_and_what_it_made_due_arrives(weather: Weather | None) -> None:
    with played(ON_CONDITION, 6, weather) as hub:
        hub.advance(100.0)

        heard = [body(fact)["event"] for fact in hub.facts("EventHeard")]
        true = [each["n"] for each in heard if each["payload"].get("regime") == "very high" and each["ws"] == "ws3"]
        met = [body(fact) for fact in hub.facts("SyncEventMet")]
        moves = [move for fact in hub.facts("DeliveriesMoved") for move in body(fact)["moves"]]
        due = [move for move in moves if move["sync"] == "market_data" and move["version"] is not None]
        assert true
        assert {fact["n"] for fact in met} <= set(true)
        assert met[0]["n"] == true[0]
        assert 'regime == "very high" (regime = "very high")' in met[0]["why"]
        assert hub.state("ws3").kept.met == {}  # all of it was told
        assert {move["cause"] for move in due} <= {"event", "anti-entropy"}
        for target in ("ws4", "ws5"):
            edge = ledger(hub).edge(f"market_data>{target}")
            assert edge.verified.vector
            assert shelf(hub, target).copies["market_data"].digest == edge.verified.digest
        [shown] = hub.view("syncs", name="market_data")["syncs"]
        if weather is None:  # else its counts are those of the monitor's last life
            assert shown["asked"]["true"] == len(true)
            assert shown["asked"]["why"].startswith("regime ==")
