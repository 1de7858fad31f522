"""The health formula: each factor counts, any can bring it down, and it reaches 0."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.monitor.health import NEEDED_DOWN, Evidence, health

WELL = Evidence(
    is_live=True, age_s=0.1, timeout_s=3.0, error_rate=0.0, latency_ms=10.0, budget_ms=500.0, is_need_met=True
)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, 100.0),
        ({"is_live": False}, 0.0),
        ({"age_s": 3.0}, 100.0),
        ({"age_s": 6.0}, 50.0),
        ({"error_rate": 0.25}, 75.0),
        ({"error_rate": 1.0}, 0.0),
        ({"latency_ms": 500.0}, 100.0),
        ({"latency_ms": 2000.0}, 25.0),
        ({"is_need_met": False}, 100.0 * NEEDED_DOWN),
        ({"error_rate": 0.5, "latency_ms": 1000.0}, 25.0),
    ],
)
def test_health_is_the_product_of_its_factors(changed: dict[str, Any], expected: float) -> None:
    assert health(replace(WELL, **changed)) == pytest.approx(expected)


evidence = st.builds(
    Evidence,
    is_live=st.booleans(),
    age_s=st.floats(0, 1e6),
    timeout_s=st.floats(0.1, 100),
    error_rate=st.floats(0, 1),
    latency_ms=st.floats(0, 1e6),
    budget_ms=st.floats(0.1, 1e4),
    is_need_met=st.booleans(),
)


@settings(deadline=None)
@given(evidence)
def test_health_lies_between_0_and_100(given_evidence: Evidence) -> None:
    assert 0.0 <= health(given_evidence) <= 100.0


@settings(deadline=None)
@given(evidence, st.floats(0, 1))
def test_more_errors_never_make_it_healthier(given_evidence: Evidence, error_rate: float) -> None:
    worse = replace(given_evidence, error_rate=max(given_evidence.error_rate, error_rate))

    assert health(worse) <= health(given_evidence)
