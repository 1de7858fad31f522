"""Sliding windows against a recount by brute force."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.monitor.windows import LATENCIES_MAX, SLOTS, TURNS_MAX, Presence, Traffic, Uptime, percentile

gaps = st.floats(min_value=0.0, max_value=40.0)
counted = st.lists(
    st.tuples(gaps, st.integers(0, 3), st.integers(0, 3), st.none() | st.floats(min_value=0.0, max_value=1e4)),
    max_size=60,
)


@settings(deadline=None)
@given(counted, gaps, st.sampled_from([1.0, 60.0, 90.0]))
def test_the_figures_equal_a_recount(
    happened: list[tuple[float, int, int, float | None]], wait_s: float, window_s: float
) -> None:
    traffic, at, log = Traffic(window_s, 100.0), 100.0, []
    for gap, requests, errors, latency_ms in happened:
        at += gap
        traffic = traffic.count(at, requests=requests, errors=errors, latency_ms=latency_ms)
        log.append((at, requests, errors, latency_ms))
    at += wait_s

    figures = traffic.figures(at)

    slot_s = window_s / SLOTS
    oldest = math.floor(at * SLOTS / window_s) - SLOTS + 1
    live = [each for each in log if math.floor(each[0] * SLOTS / window_s) >= oldest]
    requests = sum(each[1] for each in live)
    errors = sum(each[2] for each in live)
    latencies = sorted(each[3] for each in live if each[3] is not None)
    assert (figures.requests, figures.errors) == (requests, errors)
    assert figures.error_rate == errors / max(requests, errors, 1)
    assert figures.latency_p50_ms == recount(latencies, 0.50)
    assert figures.latency_p95_ms == recount(latencies, 0.95)
    assert figures.latency_p99_ms == recount(latencies, 0.99)
    assert figures.latency_mean_ms == pytest.approx(sum(latencies) / len(latencies) if latencies else 0.0)
    assert figures.per_second == pytest.approx(requests / min(window_s, max(at - 100.0, slot_s)))
    assert traffic.counts(at) == (requests, errors)


def recount(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed."""
    for value in values:
        if sum(other <= value for other in values) >= share * len(values):
            return value
    return 0.0


def test_memory_is_bounded_whatever_comes() -> None:
    traffic = Traffic(60.0, 0.0)
    for number in range(5_000):
        traffic = traffic.count(number / 50, requests=1, latency_ms=1.0)

    assert len(traffic.slots) <= SLOTS
    assert len(traffic.latencies) <= LATENCIES_MAX
    assert traffic.figures(99.98).requests == 3_000


def test_the_latest_latencies_are_kept() -> None:
    traffic = Traffic(60.0, 0.0)
    for number in range(LATENCIES_MAX + 100):
        traffic = traffic.count(1.0, latency_ms=float(number))

    assert min(ms for _, ms in traffic.latencies) == 100.0


def test_a_clock_that_stands_still_or_steps_back_loses_no_count() -> None:
    traffic = Traffic(60.0, 0.0).count(10.0, requests=1).count(9.0, requests=1)

    assert traffic.counts(10.0) == (2, 0)


def test_percentiles_are_nearest_rank() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.95) == 4.0
    assert percentile([], 0.5) == 0.0


turns = st.lists(st.tuples(st.floats(min_value=0.0, max_value=50.0), st.sampled_from(list(Presence))), max_size=30)


@settings(deadline=None)
@given(turns, st.floats(min_value=0.0, max_value=50.0))
def test_uptime_equals_a_recount(happened: list[tuple[float, Presence]], wait_s: float) -> None:
    uptime, at, log = Uptime(100.0), 0.0, []
    for gap, presence in happened:
        at += gap
        uptime = uptime.turn(at, presence)
        log.append((at, presence))
    at += wait_s

    ends = [*(since for since, _ in log[1:]), at][: len(log)]
    spans = [(since, until, presence) for (since, presence), until in zip(log, ends, strict=True)]
    up = sum(max(0.0, until - max(since, at - 100)) for since, until, presence in spans if presence is Presence.UP)
    down = sum(max(0.0, until - max(since, at - 100)) for since, until, presence in spans if presence is Presence.DOWN)
    assert uptime.share(at) == pytest.approx(up / (up + down) if up + down > 1e-9 else uptime.share(at))


def test_maintenance_counts_neither_for_nor_against() -> None:
    uptime = Uptime(100.0).turn(0.0, Presence.UP).turn(10.0, Presence.APART).turn(90.0, Presence.UP)

    assert uptime.share(100.0) == 1.0


def test_uptime_remembers_a_bounded_number_of_turns() -> None:
    uptime = Uptime(1e9)
    for number in range(2_000):
        uptime = uptime.turn(float(number), Presence.UP if number % 2 else Presence.DOWN)

    assert len(uptime.turns) == TURNS_MAX
    assert uptime.share(2_000.0) == pytest.approx(0.5, abs=0.01)
