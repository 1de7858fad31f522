import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.lifecycle import Intensity, RestartType, Strategy
from alluse_hub.supervision.restarts import PAUSE_CAP_S, affected, count_restart, pause_s, recent, should_restart

ORDERLY = ("normal", "shutdown", "shutdown:upgrade")
ABNORMAL = ("killed", "ValueError: boom", "", "shutdownish", "normality", "error: shutdown")
ORDER = ("a", "b", "c", "d")


@pytest.mark.parametrize("cause", ORDERLY + ABNORMAL)
def test_permanent_child_is_restarted_after_any_end(cause: str) -> None:
    assert should_restart(RestartType.PERMANENT, cause)


@pytest.mark.parametrize("cause", ORDERLY + ABNORMAL)
def test_temporary_child_is_never_restarted(cause: str) -> None:
    assert not should_restart(RestartType.TEMPORARY, cause)


@pytest.mark.parametrize("cause", ORDERLY)
def test_transient_child_is_not_restarted_after_an_orderly_end(cause: str) -> None:
    assert not should_restart(RestartType.TRANSIENT, cause)


@pytest.mark.parametrize("cause", ABNORMAL)
def test_transient_child_is_restarted_after_an_abnormal_end(cause: str) -> None:
    assert should_restart(RestartType.TRANSIENT, cause)


@given(cause=st.text())
def test_a_milder_restart_type_never_restarts_more(cause: str) -> None:
    permanent, transient, temporary = (
        should_restart(kind, cause) for kind in (RestartType.PERMANENT, RestartType.TRANSIENT, RestartType.TEMPORARY)
    )

    assert permanent >= transient >= temporary


@pytest.mark.parametrize(
    ("times", "now", "restarts", "counted", "is_broken"),
    [
        ((), 0.0, 0, (0.0,), True),
        ((), 7.0, 1, (7.0,), False),
        ((7.0,), 7.0, 1, (7.0, 7.0), True),
        ((4.0, 3.0), 5.0, 3, (5.0, 4.0, 3.0), False),
        ((4.0, 3.0), 5.0, 2, (5.0, 4.0, 3.0), True),
        ((4.0, 3.0), 13.5, 2, (13.5, 4.0), False),
        ((4.0, 3.0), 30.0, 1, (30.0,), False),
    ],
)
def test_limit_is_broken_by_one_more_than_allowed_within_the_period(
    times: tuple[float, ...], now: float, restarts: int, counted: tuple[float, ...], is_broken: bool
) -> None:
    assert count_restart(times, now, Intensity(restarts=restarts, period_s=10)) == (counted, is_broken)


def test_restart_exactly_one_period_old_still_counts() -> None:
    assert count_restart((1.0,), 6.0, Intensity(restarts=1, period_s=5)) == ((6.0, 1.0), True)


def test_windows_are_exact_and_not_in_whole_seconds() -> None:
    assert count_restart((1.0,), 6.001, Intensity(restarts=1, period_s=5)) == ((6.001,), False)


def test_counting_on_after_the_limit_holds_no_more_than_one_time_above_it() -> None:
    times: tuple[float, ...] = ()
    for now in range(100):
        times, _ = count_restart(times, float(now), Intensity(restarts=3, period_s=1000))

    assert times == (99.0, 98.0, 97.0, 96.0)


@given(
    gaps=st.lists(st.integers(0, 40), max_size=40),
    restarts=st.integers(0, 6),
    period=st.integers(1, 100),
)
def test_limit_is_broken_exactly_when_some_window_holds_too_many(gaps: list[int], restarts: int, period: int) -> None:
    intensity = Intensity(restarts=restarts, period_s=period / 4)
    times: tuple[float, ...] = ()
    history: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap / 4
        history.append(now)

        times, is_broken = count_restart(times, now, intensity)

        assert is_broken == (sum(1 for at in history if now - at <= intensity.period_s) > restarts)
        assert len(times) <= restarts + 1
        assert list(times) == sorted(times, reverse=True)
        assert recent(times, now, intensity.period_s) == times


@pytest.mark.parametrize(
    ("strategy", "failed", "group"),
    [
        (Strategy.ONE_FOR_ONE, "a", ("a",)),
        (Strategy.ONE_FOR_ONE, "d", ("d",)),
        (Strategy.ONE_FOR_ALL, "a", ORDER),
        (Strategy.ONE_FOR_ALL, "d", ORDER),
        (Strategy.REST_FOR_ONE, "a", ORDER),
        (Strategy.REST_FOR_ONE, "c", ("c", "d")),
        (Strategy.REST_FOR_ONE, "d", ("d",)),
    ],
)
def test_strategy_says_who_is_restarted_with_the_failed_one(
    strategy: Strategy, failed: str, group: tuple[str, ...]
) -> None:
    assert affected(strategy, ORDER, failed) == group


@pytest.mark.parametrize("strategy", Strategy)
def test_failed_child_must_be_one_of_the_children(strategy: Strategy) -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        affected(strategy, ORDER, "x")


@given(names=st.lists(st.text(min_size=1), min_size=1, unique=True), data=st.data())
def test_group_keeps_the_start_order_and_grows_with_the_strategy(names: list[str], data: st.DataObject) -> None:
    order = tuple(names)
    failed = data.draw(st.sampled_from(order))

    one, rest, everyone = (
        affected(strategy, order, failed)
        for strategy in (Strategy.ONE_FOR_ONE, Strategy.REST_FOR_ONE, Strategy.ONE_FOR_ALL)
    )

    assert set(one) <= set(rest) <= set(everyone)
    assert failed in one
    for group in (one, rest, everyone):
        assert group == tuple(name for name in order if name in group)


@pytest.mark.parametrize(
    ("count", "seconds"), [(-1, 0.0), (0, 0.0), (1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (10**9, 30.0)]
)
def test_pause_doubles_from_half_a_second_up_to_half_a_minute(count: int, seconds: float) -> None:
    assert pause_s(count) == pytest.approx(seconds)


def test_pause_with_factor_one_stays_as_it_begins() -> None:
    assert pause_s(10**6, first_s=2.0, factor=1.0, cap_s=60.0) == pytest.approx(2.0)


def test_first_pause_above_the_cap_is_cut_to_it() -> None:
    assert pause_s(1, first_s=90.0, factor=2.0, cap_s=60.0) == pytest.approx(60.0)


@pytest.mark.parametrize(("first_s", "factor"), [(0.0, 2.0), (-1.0, 2.0), (1.0, 0.9)])
def test_pause_that_would_vanish_or_shrink_is_refused(first_s: float, factor: float) -> None:
    with pytest.raises(AssertionError):
        pause_s(1, first_s, factor, PAUSE_CAP_S)


@given(
    count=st.integers(1, 10**6),
    first_s=st.floats(0.001, 100),
    factor=st.floats(1.0, 100.0),
    cap_s=st.floats(0.001, 10_000),
)
def test_pause_never_shrinks_and_never_exceeds_the_cap(count: int, first_s: float, factor: float, cap_s: float) -> None:
    pause, later = pause_s(count, first_s, factor, cap_s), pause_s(count + 1, first_s, factor, cap_s)

    assert min(first_s, cap_s) <= pause <= cap_s
    assert pause <= later
