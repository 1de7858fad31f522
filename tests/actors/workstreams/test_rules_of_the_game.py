"""Weeks, limits and the parameter set."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.workstreams import rulebook
from alluse_hub.actors.workstreams.readers import RefusedError
from alluse_hub.actors.workstreams.risk import (
    LEAST,
    WINDOW,
    Use,
    concentration,
    crossing,
    drawdown,
    tightest,
    value_at_risk,
)
from alluse_hub.actors.workstreams.week import EXPECTED, OUTCOMES, classify


@pytest.mark.parametrize(
    ("kind", "outcome", "strike", "close", "profit", "week_type"),
    [
        ("put", "expired", 100, 112, 50, "P-EW"),
        ("put", "assigned", 100, 96, 50, "P-AWL"),
        ("put", "assigned", 100, 90, 50, "P-AOL"),
        ("put", "assigned", 100, 84, 50, "P-DD"),
        ("put", "bought back", 100, 101, 50, "P-EW"),
        ("put", "bought back", 100, 92, -50, "P-RO"),
        ("call", "called away", 102, 104, 50, "C-WAP"),
        ("call", "called away", 102, 107, 50, "C-WAP+"),
        ("call", "expired", 105, 101, 50, "C-PNO"),
        ("call", "expired", 105, 96, 50, "C-PNO"),
        ("call", "expired", 105, 93, 50, "C-RO"),
        ("call", "expired", 105, 88, 50, "C-REC"),
    ],
)
def test_week_types(kind: str, outcome: str, strike: float, close: float, profit: float, week_type: str) -> None:
    assert classify(kind, outcome, 100.0, strike, close, profit).week_type == week_type


@given(st.sampled_from(["put", "call"]), st.sampled_from(OUTCOMES), *[st.floats(1, 1000)] * 3, st.floats(-9, 9))
@settings(deadline=None)
def test_every_outcome_has_a_week_type(
    kind: str, outcome: str, entry: float, strike: float, close: float, profit: float
) -> None:
    week = classify(kind, outcome, entry, strike, close, profit)

    assert week.week_type in EXPECTED
    assert week.expected_return_pct[0] <= week.expected_return_pct[1]


def test_the_tightest_limit_gives_the_level() -> None:
    uses = [Use("drawdown", 0.05, 0.10), Use("var_95", 0.04, 0.05), Use("concentration", 0.2, 0.5)]

    assert tightest(uses).risk_kind == "var_95"
    assert tightest(uses).level == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("levels", "exceeded"),
    [
        ([0.79, 0.81, 0.79, 0.6, 0.5, 0.49, 0.7], [False, True, True, True, True, False, False]),
        ([0.8, 1.2, 0.0, 0.81], [False, True, False, True]),
    ],
)
def test_a_warning_is_cleared_only_below_half(levels: list[float], exceeded: list[bool]) -> None:
    now, found = False, []
    for level in levels:
        now = crossing(now, level, 0.8, 0.5)
        found.append(now)

    assert found == exceeded


@pytest.mark.parametrize(("equities", "fall"), [([], 0), ([5], 0), ([100, 110, 99], 0.1), ([100, 80, 120], 0)])
def test_drawdown_is_from_the_highest(equities: list[int], fall: float) -> None:
    assert drawdown(equities) == pytest.approx(fall)


def test_value_at_risk_needs_its_returns_and_is_the_loss_of_one_day_in_twenty() -> None:
    returns = {"X": [index / 10_000 for index in range(-WINDOW // 2, WINDOW // 2)]}

    assert value_at_risk({"X": 1000.0}, {"X": returns["X"][: LEAST - 1]}) is None
    assert value_at_risk({}, {}) == 0
    assert value_at_risk({"X": 1000.0}, returns) == pytest.approx(1000 * (126 - 12) / 10_000)


@given(st.floats(1, 1e9), st.lists(st.floats(-0.2, 0.2), min_size=LEAST, max_size=300), st.floats(0.5, 0.99))
@settings(deadline=None, max_examples=10)
def test_value_at_risk_grows_with_holding_and_confidence(value: float, changes: list[float], confidence: float) -> None:
    returns = {"X": changes}
    plain = value_at_risk({"X": value}, returns, confidence)
    more = value_at_risk({"X": value * 2}, returns, confidence)
    surer = value_at_risk({"X": value}, returns, min(0.995, confidence + 0.01))

    assert plain is not None
    assert more == pytest.approx(2 * plain)
    assert surer is not None
    assert surer >= plain >= 0


def test_concentration_is_the_largest_share() -> None:
    assert concentration({"X": 30.0, "Y": -50.0}, 100.0) == 0.5


def test_a_change_makes_a_new_set_and_leaves_the_old() -> None:
    before = json.dumps(rulebook.FIRST)

    parameters, made = rulebook.changed(rulebook.FIRST, {"accounts.Gen-Acc.delta_low": 0.42})

    assert made == [{"parameter": "accounts.Gen-Acc.delta_low", "old": 0.40, "new": 0.42}]
    assert parameters["accounts"]["Gen-Acc"]["delta_low"] == 0.42
    assert json.dumps(rulebook.FIRST) == before
    assert rulebook.version_digest(parameters) != rulebook.version_digest(rulebook.FIRST)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"accounts.Gen-Acc.delta_low": 0.9}, "from 0.05 to 0.6"),
        ({"accounts.Gen-Acc.delta_low": True}, "must be a number"),
        ({"accounts.No-Acc.delta_low": 0.3}, "at 'No-Acc' there are Com-Acc, Gen-Acc, Rev-Acc"),
        ({"accounts.Gen-Acc.share": 0.3}, "cannot be changed; leaves that can"),
        ({"accounts.Gen-Acc.delta_low": 0.55}, "delta_low must not be above"),
        ({"limits.cleared_at": 0.9}, "cleared_at must be below"),
        ({"limits": 1}, "cannot be changed"),
    ],
)
def test_a_change_out_of_bounds_is_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        rulebook.changed(rulebook.FIRST, changes)


@pytest.mark.parametrize("colour", ["Green", "Red", "Chop"])
@pytest.mark.parametrize("account", ["Gen-Acc", "Rev-Acc", "Com-Acc", "Gen-Acc-2"])
def test_the_aim_stays_in_the_band(account: str, colour: str) -> None:
    rules = rulebook.FIRST["accounts"][rulebook.base_of(account)]

    assert rules["delta_low"] <= rulebook.delta_aim(rulebook.FIRST, account, colour) <= rules["delta_high"]


@pytest.mark.parametrize(
    ("session", "expiry"),
    [
        ("2004-08-23", "2004-08-27"),
        ("2004-08-24", "2004-09-03"),
        ("2004-08-26", "2004-09-03"),
        ("2004-08-27", "2004-09-03"),
    ],
)
def test_options_expire_on_a_friday(session: str, expiry: str) -> None:
    assert rulebook.next_expiry(session) == expiry


def test_weeks_are_told_apart_across_new_year() -> None:
    assert rulebook.same_week("2004-12-31", "2005-01-03") is False
    assert rulebook.same_week("2008-12-30", "2009-01-02") is True
