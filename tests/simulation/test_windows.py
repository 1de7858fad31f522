"""Windows and times of rules in a whole hub: they count what the trail says, whatever the weather."""

from collections.abc import Iterator
from typing import Any

import pytest

from alluse_hub.configuration import reference
from alluse_hub.protocols.config import parse
from alluse_hub.testing import TestHub
from tests.simulation.again import judged
from tests.simulation.laws import decisions, obeyed
from tests.simulation.spans import LIMIT_S, RESTARTS, ROUGH, is_over, played, replay

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
SPAN = replay("2007-10-15", "2007-11-16", RESTARTS + RULES)


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


KINDS: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "text": (str,),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
}


def test_what_the_workstreams_declare_of_their_events_is_what_they_say(fair: TestHub) -> None:
    """Every field is declared, with its kind, or null."""
    emitted = parse("", "", base=reference()).emitted
    told = [body["event"] for body in bodies(fair, "EventHeard")]
    declared = [event for event in told if event["event"] in emitted.get(event["ws"], {})]

    wrong = [
        (event["event"], name, value)
        for event in declared
        for name, value in event["payload"].items()
        if value is not None and type(value) not in KINDS[emitted[event["ws"]][event["event"]].get(name, "")]
    ]
    assert wrong == []
    assert len({event["event"] for event in declared}) >= 5


def test_all_laws_hold(fair: TestHub) -> None:
    obeyed(fair)


# --- deadlines in hub time --------------------------------------------------------------------------------------------

DEADLINES = """
[[rule]]
id = "steady"
name = "Steady"
workstream = "ws3"
event = "session_opened"
when = "index >= 0"
true_for = "5s"
tell = [{ workstream = "ws1", command = "send_alert", parameters = { urgency = "low", subject = "s", text = "t" } }]

[[rule]]
id = "silent"
name = "Silent"
workstream = "ws3"
event = "session_opened"
when = "age(ws3.session_opened) > 4"
every = "2s"
keep = "1s"

[[rule.hold]]
resource = "ws4/trading"
rung = "paused"
clock = "hub"
until_cleared = true
"""
SLOW = f"[replay]\nfrom = 2007-10-15\nto = 2007-10-26\nspeed = 1.0\n{RESTARTS}{DEADLINES}"


@pytest.fixture(scope="module")
def slow() -> Iterator[TestHub]:
    with played(SLOW) as hub:
        yield hub


def test_rules_fire_at_deadlines_though_nothing_comes(slow: TestHub) -> None:
    assert [body["rule"] for body in bodies(slow, "RuleFired") if body["rule"] in {"steady", "silent"}] == [
        "steady",
        "silent",
    ]
    assert [body["rung"] for body in bodies(slow, "DirectiveIssued")][-1] == "paused"


def test_a_replay_meets_them_at_the_same_places(slow: TestHub) -> None:
    found = judged(slow.trail, actor="coordinator")

    assert [one.difference for one in found if one.difference is not None] == []
    assert sum(one.letters for one in found) > 20


def test_a_death_before_a_deadline_loses_none() -> None:
    with TestHub(SLOW) as hub:
        hub.run_sessions(2)
        for _ in range(12):
            hub.crash("coordinator")
            hub.advance(1.0)
        hub.run_until(lambda: is_over(hub), LIMIT_S)
        hub.advance(20.0)

        fired = [body["rule"] for body in bodies(hub, "RuleFired") if body["rule"] in {"steady", "silent"}]
        assert fired == ["steady", "silent"]
        assert [one.difference for one in judged(hub.trail, actor="coordinator") if one.difference is not None] == []
