"""The hub's supervisor does, to the letter, what Erlang/OTP's did."""

from collections import Counter

import pytest

from tests.otp.compare import differences
from tests.otp.recordings import scenarios, traces
from tests.otp.runner import trace_of


@pytest.mark.parametrize("name", scenarios())
def test_the_supervisor_does_what_was_recorded_from_otp(name: str) -> None:
    assert differences(traces()[name], trace_of(scenarios()[name])) == []


def test_the_recorded_set_is_whole() -> None:
    assert Counter(scenario.group for scenario in scenarios().values()) == {
        "api": 17, "auto": 14, "limit": 17, "matrix": 24, "mix": 40, "nest": 13, "ofa": 14, "ofo": 5, "pool": 9,
        "rfo": 13, "start": 16, "stop": 12,
    }  # fmt: skip
    assert scenarios().keys() == traces().keys()


def test_what_was_recorded_is_events_reports_and_results() -> None:
    entries = [entry for trace in traces().values() for entry in (trace["start"], trace["teardown"], *trace["steps"])]
    events = Counter(event["ev"] for entry in entries for event in entry["events"] if "ev" in event)

    assert events == {"started": 1577, "exited": 1552, "init": 388, "report": 412, "start_failed": 54, "ignored": 16}
    assert sum("result" in entry for entry in entries) > 700
