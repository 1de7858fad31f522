import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.lifecycle import Backoff, Intensity, RestartType, Strategy
from alluse_hub.supervision.restarts import (
    PAUSE_CAP_S,
    affected,
    backoff_s,
    count_restart,
    jittered_s,
    pause_s,
    recent,
    row_after,
    should_restart,
)

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


@pytest.mark.parametrize(
    ("row", "seconds"), [(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.5), (4, 1.5), (5, 4.5), (6, 5.0), (10**6, 5.0)]
)
def test_a_back_off_begins_after_the_restarts_at_once(row: int, seconds: float) -> None:
    backoff = Backoff(at_once=2, first_s=0.5, factor=3.0, cap_s=5.0, jitter=0.0)

    assert backoff_s(backoff, row) == pytest.approx(seconds)


@pytest.mark.parametrize(("row", "up_s", "after"), [(0, 0.0, 1), (3, 29.9, 4), (3, 30.0, 1), (3, 1e9, 1)])
def test_a_row_begins_anew_after_a_quiet_time(row: int, up_s: float, after: int) -> None:
    assert row_after(row, up_s, reset_s=30.0) == after


seeds = st.lists(st.one_of(st.text(), st.integers(), st.floats(allow_nan=False)), max_size=4)
backoffs = st.builds(
    Backoff,
    at_once=st.integers(0, 3),
    first_s=st.floats(0.001, 100),
    factor=st.floats(1.0, 10.0),
    cap_s=st.floats(0.001, 1_000),
    jitter=st.floats(0, 1),
)


@given(backoff=backoffs, row=st.integers(1, 10**6), seed=seeds)
def test_jitter_only_shortens_a_pause_by_no_more_than_its_share(backoff: Backoff, row: int, seed: list[object]) -> None:
    whole = backoff_s(backoff.model_copy(update={"jitter": 0.0}), row, *seed)

    assert whole * (1 - backoff.jitter) <= backoff_s(backoff, row, *seed) <= whole <= backoff.cap_s


@given(backoff=backoffs, row=st.integers(1, 1_000), seed=seeds)
def test_without_jitter_a_back_off_never_shrinks_in_a_row(backoff: Backoff, row: int, seed: list[object]) -> None:
    even = backoff.model_copy(update={"jitter": 0.0})

    assert backoff_s(even, row, *seed) <= backoff_s(even, row + 1, *seed)


@given(seed=seeds)
def test_the_same_seed_gives_the_same_pause(seed: list[object]) -> None:
    assert jittered_s(1.0, 0.5, *seed) == jittered_s(1.0, 0.5, *seed)


def test_the_pause_of_a_seed_is_the_same_on_every_machine_and_in_every_process() -> None:
    assert jittered_s(1.0, 0.5, "workstreams", "ws1", 3, 12.5) == pytest.approx(0.5947763733687694)


def test_pauses_of_many_children_are_spread_over_the_whole_share() -> None:
    pauses = sorted(jittered_s(1.0, 0.5, "workstreams", f"ws{n}", 1, 12.5) for n in range(1_000))

    tenths = [sum(0.5 + tenth / 20 <= pause < 0.55 + tenth / 20 for pause in pauses) for tenth in range(10)]
    assert 0.5 < pauses[0] < 0.505
    assert 0.995 < pauses[-1] <= 1.0
    assert all(60 <= count <= 140 for count in tenths)


def test_seeds_that_read_alike_are_told_apart() -> None:
    alike = {("a", "bc"), ("ab", "c"), ("abc",), ("a", "bc", 1), ("a", "bc", 1.5)}

    assert len({jittered_s(1.0, 1.0, *seed) for seed in alike}) == len(alike)
