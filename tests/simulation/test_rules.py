"""The shipped rules on recorded markets: they fire, they bind, and what they cannot both have is resolved and told."""

from collections.abc import Iterator
from typing import Any

import pytest

from alluse_hub.actors.router.rounds import round_of
from alluse_hub.protocols.flow import Event
from alluse_hub.testing import TestHub
from tests.simulation.laws import obeyed
from tests.simulation.spans import AUTUMN, LEARNING, LONG_HOLDS, played

TRADING = "ws4/trading"


@pytest.fixture(scope="module")
def autumn() -> Iterator[TestHub]:
    with played(AUTUMN) as hub:
        yield hub


@pytest.fixture(scope="module")
def learning() -> Iterator[TestHub]:
    with played(LEARNING) as hub:
        yield hub


def bodies(hub: TestHub, message: str) -> list[Any]:  # bodies of facts
    return [entry.body for entry in hub.facts(message)]


def events(hub: TestHub, *names: str) -> list[Any]:
    told = [body["event"] for body in bodies(hub, "EventHeard")]
    return [event for event in told if event["event"] in names]


def fired(hub: TestHub, rule: str) -> list[str]:
    """The events on which it fired."""
    return [body["event"] for body in bodies(hub, "RuleFired") if body["rule"] == rule]


def done(hub: TestHub, rule: str) -> set[tuple[str, str, bool]]:
    return {(b["workstream"], b["command"], b["ok"]) for b in bodies(hub, "RuleActionDone") if b["rule"] == rule}


def conflicts(hub: TestHub, outcome: str) -> list[tuple[Any, Any]]:
    """Each as it opened and as it closed."""
    opened = {body["id"]: body for body in bodies(hub, "ConflictOpened")}
    return [(opened[body["id"]], body) for body in bodies(hub, "ConflictClosed") if body["outcome"] == outcome]


# --- each fires, and what it orders is done ---------------------------------------------------------------------------


def test_much_volume_has_positions_and_patterns_looked_at(autumn: TestHub) -> None:
    assert len(fired(autumn, "market-data-sync")) > 10
    assert done(autumn, "market-data-sync") == {("ws4", "update_positions", True), ("ws5", "analyze_patterns", True)}


def test_a_risk_beyond_its_threshold_alerts_and_has_it_analysed(autumn: TestHub) -> None:
    exceeded = [f"ws2#{event['n']}" for event in events(autumn, "risk_threshold_exceeded")]

    assert fired(autumn, "risk-threshold-alert") == exceeded != []
    assert done(autumn, "risk-threshold-alert") == {("ws1", "send_alert", True), ("ws5", "emergency_analysis", True)}


def test_a_very_high_volatility_pauses_trading_for_five_sessions(autumn: TestHub) -> None:
    opened = [event["session"] for event in events(autumn, "session_opened")]
    session_of = {body["round"]: body["session"] for body in bodies(autumn, "RoundSettled")}
    paused, resumed = bodies(autumn, "DirectiveIssued")[:2]
    rungs = [body["rung"] for body in (paused, resumed)]
    days = [opened.index(session_of[body["round"]]) for body in (paused, resumed)]

    assert paused["claims"] == [f"rule:volatility-pause@{TRADING}:AAPL"]
    assert rungs == ["paused", "normal"]
    assert days[1] - days[0] == 6  # the rest of this session and five more; it ends when the sixth opens


def test_a_cleared_risk_releases_its_own_hold(autumn: TestHub) -> None:
    cleared = [f"ws2#{event['n']}" for event in events(autumn, "risk_cleared")]
    ended = {body["id"]: body["how"] for body in bodies(autumn, "ClaimEnded")}

    assert fired(autumn, "risk-cleared-resume") == cleared != []
    assert ended[f"rule:risk-threshold-alert@{TRADING}:Com-Acc"] == "cleared"
    assert autumn.view("conflicts")["resources"][0]["rung"] == "normal"


def test_a_better_model_goes_to_all_the_others(learning: TestHub) -> None:
    better = [e for e in events(learning, "model_updated") if e["payload"]["accuracy_improvement"] > 0.05]

    assert fired(learning, "learning-model-update") == [f"ws5#{event['n']}" for event in better] != []
    assert done(learning, "learning-model-update") == {
        ("ws1", "update_agent_knowledge", True),
        ("ws2", "recalibrate_protocols", True),
        ("ws3", "update_intelligence", True),
        ("ws4", "update_strategies", True),
    }


# --- what is held is held ---------------------------------------------------------------------------------------------


def test_no_order_is_placed_while_trading_is_paused(autumn: TestHub) -> None:
    is_paused, orders_while_paused, orders, pauses = False, 0, 0, 0
    for event in events(autumn, "trading_paused", "trading_resumed", "order_placed"):
        if event["event"] == "order_placed":
            orders += 1
            orders_while_paused += is_paused
        else:
            is_paused = event["event"] == "trading_paused"
            pauses += is_paused

    assert pauses >= 2
    assert orders > 0
    assert orders_while_paused == 0


def test_ws4_says_what_it_was_told_and_nothing_else(autumn: TestHub) -> None:
    """A change of who holds the pause is no pause of its own."""
    rungs = [body["rung"] for body in bodies(autumn, "DirectiveIssued")]
    turns = [rung for rung, before in zip(rungs, ["normal", *rungs], strict=False) if rung != before]
    words = {"paused": "trading_paused", "normal": "trading_resumed"}

    told = [event["event"] for event in events(autumn, "trading_paused", "trading_resumed")]
    assert told == [words[turn] for turn in turns]


def test_of_two_pauses_the_longer_wins(autumn: TestHub) -> None:
    opened, closed = conflicts(autumn, "longer wins")[0]

    assert opened["klass"] == "C1"
    assert opened["parties"] == [
        f"rule:volatility-pause@{TRADING}:AAPL",
        f"rule:risk-threshold-alert@{TRADING}:Com-Acc",
    ]
    assert closed["winner"] == f"rule:risk-threshold-alert@{TRADING}:Com-Acc"
    assert "The longer wins" in closed["sentence"]
    cleared = events(autumn, "risk_cleared")[-1]
    assert (
        events(autumn, "trading_resumed")[-1]["session"] == cleared["session"] == "2007-12-06"
    )  # not five sessions on


def test_the_release_of_one_hold_does_not_undo_anothers() -> None:
    """With a volatility hold long enough to be there when the risk clears."""
    with played(LONG_HOLDS) as hub:
        opened, closed = conflicts(hub, "hold stands")[0]
        cleared = events(hub, "risk_cleared")[0]["session"]

        assert opened["sentence"].startswith("risk-cleared-resume releases ws4/trading from risk-threshold-alert")
        assert closed["winner"].startswith(f"rule:volatility-pause@{TRADING}:")
        assert "A release undoes only the holds of the rule and subject it names" in closed["sentence"]
        assert [e for e in events(hub, "trading_resumed") if e["session"] >= cleared] == []
        assert hub.state("ws4").kept.fences[TRADING] == max(b["fence"] for b in bodies(hub, "DirectiveIssued"))


def test_new_positions_are_refused_against_a_pause_and_it_is_told_why(autumn: TestHub) -> None:
    opened, closed = conflicts(autumn, "command refused")[0]
    refused = bodies(autumn, "RuleActionRefused")[0]

    assert (refused["workstream"], refused["command"]) == ("ws4", "update_positions")
    assert refused["why"] == "ws4/trading is paused, which permits only cancel"
    assert opened["klass"] == "C3"
    assert "market-data-sync asks for update_positions" in opened["sentence"]
    assert closed["sentence"].startswith("Refused: ws4/trading is paused, which permits only cancel.")
    issued = [b for b in bodies(autumn, "CommandIssued") if b["event"] == refused["event"]]
    assert [body["command"] for body in issued] == ["analyze_patterns"]  # what needs no position is still done


def test_every_conflict_is_closed_with_a_sentence(autumn: TestHub) -> None:
    assert len(bodies(autumn, "ConflictOpened")) == len(bodies(autumn, "ConflictClosed")) > 0
    assert [body for body in bodies(autumn, "ConflictClosed") if not body["sentence"].endswith(".")] == []
    assert autumn.view("conflicts")["open"] == []


def test_the_pauses_leave_the_books_balanced(autumn: TestHub) -> None:
    settled = events(autumn, "daily_settlement")[-1]["payload"]

    assert settled["reconciled"] is True


def test_an_event_belongs_to_the_session_in_which_it_was_caused(autumn: TestHub) -> None:
    session_of = {body["round"]: body["session"] for body in bodies(autumn, "RoundSettled")}
    told = [Event.model_validate(body["event"]) for body in bodies(autumn, "EventHeard")]

    strays = [(e.id, e.event, e.session, session_of[round_of(e)]) for e in told if e.session != session_of[round_of(e)]]
    assert strays == []


def test_an_order_that_a_rule_led_to_is_not_filled_at_the_close_that_the_rule_saw(autumn: TestHub) -> None:
    """That would be to trade on what was not known yet."""
    session_of = {f"{e['event']['ws']}#{e['event']['n']}": e["event"]["session"] for e in bodies(autumn, "EventHeard")}
    seen_on = {body["key"]: session_of[body["event"]] for body in bodies(autumn, "CommandIssued")}
    placed = {e["payload"]["order"]: e["cause"] for e in events(autumn, "order_placed")}
    filled = [(placed[e["payload"]["order"]], e["session"]) for e in events(autumn, "order_filled")]
    by_rules = [(cause, session) for cause, session in filled if cause in seen_on]

    assert by_rules != []
    assert [(cause, session) for cause, session in by_rules if session <= seen_on[cause]] == []


def test_all_laws_hold_over_the_autumn_and_the_learning(autumn: TestHub, learning: TestHub) -> None:
    obeyed(autumn)
    obeyed(learning)
