"""Events whose fields have other names than the rules know."""

from alluse_hub.protocols.fields import as_known
from tests.actors.coordinator.worlds import SPEC, Desk, event

FIELDS = {"ws3": {"regime": "volatility.class", "symbol": "ticker"}}


def test_a_workstream_with_other_names_needs_configuration_only() -> None:
    desk = Desk(SPEC.model_copy(update={"fields": FIELDS}))

    desk.consider(1, event("ws3", 1, "volatility_regime_changed", ticker="AAPL", volatility={"class": "very high"}))

    assert desk.rung == "paused"
    assert list(desk.ledger.claims) == ["rule:volatility-pause@ws4/trading:AAPL"]


def test_what_the_event_does_not_have_stays_missing_and_others_are_left_alone() -> None:
    lacking = event("ws3", 1, "e", regime="not what it says", kept=1)
    other = event("ws2", 1, "e", regime=1)

    known = as_known((lacking, other), FIELDS)

    assert known[0].payload == {"kept": 1}
    assert known[1] is other


def test_null_is_found_and_what_is_no_map_is_not_gone_into() -> None:
    (known,) = as_known((event("ws3", 1, "e", volatility=3, ticker=None),), FIELDS)

    assert known.payload == {"volatility": 3, "ticker": None, "symbol": None}
