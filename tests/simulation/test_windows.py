"""Windows and times of rules in a whole hub: they count what the trail says, whatever the weather."""

from collections.abc import Iterator
from typing import Any

import pytest

from alluse_hub.testing import TestHub
from tests.simulation.laws import decisions, obeyed
from tests.simulation.spans import RESTARTS, ROUGH, played, replay

RULES = """
[[rule]]
id = "busy-name"
name = "Busy Name"
workstream = "ws3"
event = "market_data_update"
when = 'count(ws3.market_data_update, "5 sessions", where(volume > 2 * volume_mean_20), by(symbol)) >= 2'
cooldown = "10 sessions"
once_per = "{symbol}"
tell = [{ workstream = "ws5", command = "analyze_patterns", parameters = { symbols = ["{symbol}"] } }]
"""
SPAN = replay("2007-10-15", "2007-11-30", RESTARTS + RULES)


@pytest.fixture(scope="module")
def fair() -> Iterator[TestHub]:
    with played(SPAN) as hub:
        yield hub


def bodies(hub: TestHub, message: str) -> list[Any]:
    return [entry.body for entry in hub.facts(message)]


def expected(hub: TestHub) -> list[str]:
    """Told again from the events alone: the second busy session within five, and then not for ten."""
    session = 0
    found: list[str] = []
    busy: dict[str, list[int]] = {}
    rests: dict[str, int] = {}
    for event in (body["event"] for body in bodies(hub, "EventHeard")):
        payload = event["payload"]
        if event["event"] == "session_opened":
            session += 1
        if event["event"] != "market_data_update":
            continue
        symbol = payload["symbol"]
        days = busy.setdefault(symbol, [])
        days += [session] if payload["volume"] > 2 * payload["volume_mean_20"] else []
        days[:] = [day for day in days if day > session - 5]
        if session >= 5 and len(days) >= 2 and session >= rests.get(symbol, 0):
            rests[symbol] = session + 10
            found.append(f"{event['ws']}#{event['n']}")
    return found


def test_a_rule_fires_on_the_second_busy_session_of_five_and_rests_for_ten(fair: TestHub) -> None:
    fired = [body["event"] for body in bodies(fair, "RuleFired") if body["rule"] == "busy-name"]

    assert fired == expected(fair) != []


def test_the_counted_value_stands_in_the_reason(fair: TestHub) -> None:
    why = next(body["why"] for body in bodies(fair, "RuleFired") if body["rule"] == "busy-name")

    assert "by(symbol)) = 2)" in why


def test_a_young_window_is_undecided_and_says_so(fair: TestHub) -> None:
    undecided = [body["why"] for body in bodies(fair, "RuleUndecided") if body["rule"] == "busy-name"]

    assert "is warming: watched for 1 of 5 sessions" in undecided[0]


def test_a_crash_changes_nothing_that_windows_decide(fair: TestHub) -> None:
    with played(SPAN, seed=3, weather=ROUGH) as rough:
        obeyed(rough)
        assert bodies(rough, "Booted")[1:] != []
        assert decisions(rough) == decisions(fair)
        assert rough.state("coordinator").ledger.timing == fair.state("coordinator").ledger.timing


def test_all_laws_hold(fair: TestHub) -> None:
    obeyed(fair)
