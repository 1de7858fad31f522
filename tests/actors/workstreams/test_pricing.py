"""Modelled premiums obey what no model may break, and agree with a second author's formula."""

from math import exp, isclose

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alluse_hub.actors.workstreams.pricing import (
    RATE,
    VOL_FLOOR,
    delta,
    implied_vol,
    listed_strike,
    premium,
    strike_for,
)

SPOTS = st.floats(5, 800)
VOLS = st.floats(0.08, 1.5)
YEARS = st.floats(1 / 365, 1)
DELTAS = st.floats(0.05, 0.6)
KINDS = st.sampled_from(["put", "call"])


@given(SPOTS, st.floats(0.5, 2), YEARS, VOLS)
@settings(deadline=None)
def test_put_call_parity(spot: float, ratio: float, years: float, vol: float) -> None:
    strike = spot * ratio

    difference = premium("call", spot, strike, years, vol) - premium("put", spot, strike, years, vol)

    assert isclose(difference, spot - strike * exp(-RATE * years), abs_tol=1e-7 * spot)


@given(KINDS, SPOTS, YEARS, VOLS, DELTAS)
@settings(deadline=None)
def test_a_strike_for_a_delta_has_that_delta(kind: str, spot: float, years: float, vol: float, wanted: float) -> None:
    strike = strike_for(kind, wanted, spot, years, vol)

    assert isclose(delta(kind, spot, strike, years, vol), wanted, abs_tol=1e-9)


@given(KINDS, SPOTS, st.floats(0.5, 2), YEARS, VOLS)
@settings(deadline=None)
def test_a_premium_rises_with_volatility(kind: str, spot: float, ratio: float, years: float, vol: float) -> None:
    assert premium(kind, spot, spot * ratio, years, vol * 1.1) >= premium(kind, spot, spot * ratio, years, vol) - 1e-9


@given(KINDS, SPOTS, YEARS, VOLS, DELTAS)
@settings(deadline=None)
def test_a_listed_strike_lies_half_a_step_from_the_exact_one(
    kind: str, spot: float, years: float, vol: float, wanted: float
) -> None:
    exact = strike_for(kind, wanted, spot, years, vol)
    assume(exact > 1)

    assert abs(listed_strike(kind, wanted, spot, years, vol) - exact) <= (0.25 if spot < 50 else 0.5) + 1e-9


@pytest.mark.parametrize(("kind", "value"), [("put", 5.0), ("call", 0.0)])
def test_at_expiry_an_option_is_worth_its_exercise(kind: str, value: float) -> None:
    assert premium(kind, 95.0, 100.0, 0, 0.3) == value


def test_implied_volatility_has_a_floor() -> None:
    assert (implied_vol(0.0), implied_vol(0.5)) == (VOL_FLOOR, 0.55)


def test_a_second_author_agrees() -> None:
    blackscholes = pytest.importorskip("blackscholes")
    for spot, strike, years, vol in ((100, 95, 7 / 365, 0.3), (27, 27.5, 9 / 365, 0.16), (500, 600, 0.5, 0.8)):
        call = blackscholes.BlackScholesCall(S=spot, K=strike, T=years, r=RATE, sigma=vol)
        put = blackscholes.BlackScholesPut(S=spot, K=strike, T=years, r=RATE, sigma=vol)

        assert isclose(premium("call", spot, strike, years, vol), call.price(), abs_tol=1e-6)
        assert isclose(premium("put", spot, strike, years, vol), put.price(), abs_tol=1e-6)
        assert isclose(delta("put", spot, strike, years, vol), -put.delta(), abs_tol=1e-6)
