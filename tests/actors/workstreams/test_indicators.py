"""Indicators stay in their bounds, are blind to splits and say nothing before their warm-up."""

from math import isclose, log, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.workstreams.bars import Bar
from alluse_hub.actors.workstreams.indicators import ATR_BARS, REGIMES, WARM_UP_BARS, Gauge, Measured, regime_of

MOVES = st.lists(st.floats(-0.15, 0.15), min_size=60, max_size=90)


def tape_of(moves: list[float], split_at: int | None = None) -> list[Bar]:
    """Bars that move so; from ``split_at`` on the raw prices are halved, the adjusted ones are not."""
    adjusted, bars = 100.0, []
    for index, move in enumerate(moves):
        adjusted *= 1 + move
        close = adjusted / (2 if split_at is not None and index >= split_at else 1)
        bars.append(
            Bar("X", str(index), ("", "", "", ""), close, close * 1.02, close * 0.97, close, 1_000 + index, adjusted)
        )
    return bars


def last(moves: list[float], split_at: int | None = None) -> Measured:
    gauge = Gauge()
    return [gauge.take(bar) for bar in tape_of(moves, split_at)][-1]


@given(MOVES)
@settings(deadline=None, max_examples=40)
def test_indicators_keep_their_bounds(moves: list[float]) -> None:
    found = last(moves)

    assert found.rsi is not None
    assert 0 <= found.rsi <= 100
    assert found.atr_pct is not None
    assert found.atr_pct > 0
    assert found.realised_vol is not None
    assert found.realised_vol >= 0
    assert found.trend is not None
    assert found.trend > -1
    assert found.volume_mean is not None
    assert 1_000 <= found.volume_mean <= 1_000 + len(moves)


@given(MOVES, st.integers(1, 59))
@settings(deadline=None, max_examples=40)
def test_a_split_changes_no_indicator(moves: list[float], split_at: int) -> None:
    for plain, split in zip(last(moves), last(moves, split_at), strict=True):
        assert plain is not None
        assert split is not None
        assert isclose(plain, split, rel_tol=1e-9, abs_tol=1e-12)


@given(MOVES, st.integers(1, 59))
@settings(deadline=None, max_examples=20)
def test_a_restored_gauge_goes_on_as_if_never_stopped(moves: list[float], cut: int) -> None:
    whole, first = Gauge(), Gauge()
    bars = tape_of(moves)

    told = [whole.take(bar) for bar in bars]
    for bar in bars[:cut]:
        first.take(bar)
    second = Gauge.of(first.snapshot())

    assert [second.take(bar) for bar in bars[cut:]] == told[cut:]


@given(MOVES, st.integers(0, 59))
@settings(deadline=None, max_examples=20)
def test_a_bar_that_was_passed_over_counts_in_what_is_measured_later(moves: list[float], cut: int) -> None:
    measured, passed = Gauge(), Gauge()
    bars = tape_of(moves)

    told = [measured.take(bar) for bar in bars]
    for bar in bars[:cut]:
        passed.pass_over(bar)

    assert [passed.take(bar) for bar in bars[cut:]] == told[cut:]


def test_nothing_is_said_before_warm_up() -> None:
    gauge = Gauge()
    told = [gauge.take(bar) for bar in tape_of([0.01] * 60)]

    assert next(index + 1 for index, found in enumerate(told) if found.trend is not None) == WARM_UP_BARS
    assert next(index + 1 for index, found in enumerate(told) if found.atr_pct is not None) == ATR_BARS
    assert next(index + 1 for index, found in enumerate(told) if found.volume_mean is not None) == 21
    assert told[0].change is None


def test_the_mean_volume_leaves_the_day_itself_out() -> None:
    found = last([0.0] * 60)

    assert found.volume_mean == sum(range(1_039, 1_059)) / 20


def test_realised_volatility_is_annual() -> None:
    found = last([0.01, -0.01] * 30)

    assert found.realised_vol is not None
    expected = (log(1.01) - log(0.99)) / 2 * sqrt(252)
    assert isclose(found.realised_vol, expected, rel_tol=0.03)


@pytest.mark.parametrize(("moves", "rsi"), [([0.01] * 60, 100.0), ([-0.01] * 60, 0.0), ([0.0] * 60, 50.0)])
def test_rsi_at_its_ends(moves: list[float], rsi: float) -> None:
    assert last(moves).rsi == rsi


@pytest.mark.parametrize(
    ("atr_pct", "before", "regime"),
    [
        (0.0049, None, "very low"),
        (0.005, None, "low"),
        (0.02, None, "high"),
        (0.035, None, "very high"),
        (0.0205, "normal", "normal"),
        (0.0215, "normal", "high"),
        (0.0195, "high", "high"),
        (0.0185, "high", "normal"),
        (0.036, "low", "high"),
        (0.004, "very high", "very low"),
    ],
)
def test_a_regime_changes_only_when_its_bound_is_clearly_passed(
    atr_pct: float, before: str | None, regime: str
) -> None:
    assert regime_of(atr_pct, before) == regime


@given(st.floats(0.0001, 0.2), st.sampled_from([name for _, name in REGIMES]))
@settings(deadline=None)
def test_a_regime_once_taken_is_kept_for_the_same_value(atr_pct: float, before: str) -> None:
    taken = regime_of(atr_pct, before)

    assert regime_of(atr_pct, taken) == taken
