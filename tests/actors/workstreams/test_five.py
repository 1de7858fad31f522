"""What WS1, WS2, WS3 and WS5 do, seen through their commands and events."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alluse_hub.actors.workstreams.bars import COLUMNS
from alluse_hub.actors.workstreams.rehearse import Rehearsal
from alluse_hub.actors.workstreams.runner import Runner
from alluse_hub.actors.workstreams.ws3 import MarketIntelligence

MakeFed = Callable[..., Any]  # of conftest.Fed and conftest.Feed, which cannot be imported from here
MakeFeed = Callable[[Any], Any]


# --- WS3 --------------------------------------------------------------------------------------------------------------


def test_ws3_plays_one_session_a_command_until_the_span_ends(fed: MakeFed) -> None:
    one = fed("ws3")
    assert one.ok("set_replay", **{"from": "2012-05-17", "to": "2012-05-21"})["of"] == 3

    replies = [one.ok("next_session") for _ in range(5)]

    assert [reply["session"] for reply in replies] == [
        "2012-05-17",
        "2012-05-18",
        "2012-05-21",
        "2012-05-21",
        "2012-05-21",
    ]
    assert [reply["end"] for reply in replies] == [False, False, False, True, True]
    assert [event["payload"]["symbol"] for event in one.events("symbol_listed")] == ["FB"]
    assert [event["payload"]["next"] for event in one.events("session_closed")] == ["2012-05-18", "2012-05-21", None]
    assert one.events("data_quality_issue") == []


def test_ws3_opens_before_it_tells_and_closes_after(fed: MakeFed) -> None:
    one = fed("ws3")
    one.ok("next_session")

    names = [event["event"] for event in one.events()]
    assert (names[0], names[-1]) == ("session_opened", "session_closed")


def test_ws3_tells_a_true_crash_as_a_jump_and_a_split_as_a_split(fed: MakeFed) -> None:
    one = fed("ws3")
    one.ok("set_replay", **{"from": "2000-06-20", "to": "2000-09-29"})
    while not one.ok("next_session")["end"]:
        pass

    splits = [event for event in one.events("corporate_action") if event["payload"]["kind"] == "split"]
    jumps = one.events("data_quality_issue")
    assert [(event["session"], event["payload"]["symbol"]) for event in splits] == [("2000-06-21", "AAPL")]
    assert ("2000-09-29", "AAPL", "jump") in [
        (event["session"], event["payload"]["symbol"], event["payload"]["kind"]) for event in jumps
    ]


def test_ws3_refuses_a_span_without_sessions_and_keeps_the_one_it_has(fed: MakeFed) -> None:
    one = fed("ws3")
    one.ok("set_replay", **{"from": "2004-08-19"})

    refused = one.command("set_replay", **{"from": "2020-01-01"})

    assert "there are some from 2000-03-01 to 2013-03-01" in refused["error"]
    assert one.ok("next_session")["session"] == "2004-08-19"


def test_ws3_tells_a_gap_then_stale_and_then_nothing_even_across_a_restore(tmp_path: Path) -> None:
    days = [f"2004-08-{day}" for day in range(10, 20)]
    rows = [f"X,{day},10,11,9,10,1000,10" for day in days]
    rows += [f"Y,{day},10,11,9,10,1000,10" for day in (days[0], days[9])]
    file = tmp_path / "own.csv"
    file.write_text("\n".join([",".join(COLUMNS), *rows, ""]), encoding="utf-8")
    runner = Runner(MarketIntelligence.begin(file))
    said = []

    for number in range(len(days)):
        if number == 3:
            state = runner.workstream.snapshot()
            runner = Runner(MarketIntelligence.begin(file))
            runner.workstream.restore(json.loads(json.dumps(state)))
        lines = runner.feed(json.dumps({"id": f"{number}", "command": "next_session"}).encode())
        said += [json.loads(line) for line in lines]

    issues = [(line["session"], line["payload"]["kind"]) for line in said if line.get("event") == "data_quality_issue"]
    assert issues == [("2004-08-11", "gap"), ("2004-08-15", "stale")]


def test_ws3_collects_what_was_played_and_names_gaps(fed: MakeFed) -> None:
    one = fed("ws3")
    one.ok("set_replay", **{"from": "2004-08-18"})
    one.ok("next_session")

    found = one.ok("collect_market_data", symbols=["AAPL", "GOOG"], sessions=3)

    assert [row[0] for row in found["bars"]["AAPL"]] == ["2004-08-16", "2004-08-17", "2004-08-18"]
    assert found["gaps"] == ["GOOG: no bar up to 2004-08-18"]
    assert "no such symbol: TSLA" in one.command("collect_market_data", symbols=["TSLA"])["error"]


# --- WS2 --------------------------------------------------------------------------------------------------------------


def test_ws2_update_gives_a_version_and_revert_takes_it_back(fed: MakeFed) -> None:
    one = fed("ws2")

    one.ok("update_protocols", changes={"limits.exceeded_at": 0.7})
    one.ok("revert_protocols")

    versions = [event["payload"]["version"] for event in one.events("protocol_updated")]
    assert versions == [2, 3]
    assert one.events("protocol_updated")[-1]["payload"]["parameters"]["limits"]["exceeded_at"] == 0.8
    assert one.ok("update_protocols")["changed"] == []
    assert one.command("update_protocols", changes={"limits.exceeded_at": 7})["ok"] is False


def test_ws2_answers_about_trades_and_weeks_without_effect(fed: MakeFed) -> None:
    one = fed("ws2")
    trade = {"account": "Rev-Acc", "symbol": "AAPL", "delta": 0.35, "contracts": 1, "strike": "29.00"}

    assert one.ok("validate_trade", **trade)["outcome"] == "approved"
    assert one.ok("validate_trade", **{**trade, "delta": 0.6})["outcome"] == "rejected"
    assert one.ok("validate_trade", **{**trade, "symbol": "GOOG"})["findings"][0]["rule"] == "symbols"
    week = {"kind": "put", "outcome": "assigned", "entry_close": 100.0, "strike": "98.00", "close": 92.0}
    assert one.ok("classify_week", **week)["week_type"] == "P-AOL"
    assert one.ok("calculate_var")["var_fraction"] == 0.0
    assert one.events() == []


def test_ws2_recalibrates_within_bounds_by_what_was_won(span: Rehearsal) -> None:
    _, answer = span.command("ws2", "recalibrate_protocols", {"model_version": "m9"})

    assert "puts expired worthless" in answer["why"]
    assert abs(span.runners["ws2"].workstream.parameters["delta_bias"]) <= 0.05  # type: ignore[attr-defined]


# --- WS5 --------------------------------------------------------------------------------------------------------------


def test_ws5_prepares_trains_deploys_and_rolls_back(span: Rehearsal) -> None:
    assert "samples" in span.command("ws5", "prepare_data", {"lookback_days": 252})[1]
    events, trained = span.command("ws5", "train_model", {})
    assert events[0]["event"] == "model_trained"
    assert 0 < trained["accuracy"] < 1

    events, deployed = span.command("ws5", "deploy_model", {"rollback": False})
    assert deployed["deployed"] is True
    assert [event["event"] for event in events] == ["model_updated"]
    events, undone = span.command("ws5", "rollback_model", {})
    assert undone == {"version": deployed["previous"], "undone": deployed["version"]}
    assert events[0]["payload"]["accuracy_improvement"] == 0.0


def test_ws5_says_what_is_missing_before_it_trains(fed: MakeFed) -> None:
    one = fed("ws5")

    assert "0 answers in 252 sessions, 100 needed" in one.command("prepare_data")["error"]
    assert "call prepare_data first" in one.command("train_model")["error"]
    assert "call train_model first" in one.command("deploy_model")["error"]
    assert "no earlier model" in one.command("rollback_model")["error"]
    assert one.ok("emergency_analysis", mode="full")["model_version"] == "m1"


def test_ws5_analyses_patterns_of_the_symbols_asked(span: Rehearsal) -> None:
    events, found = span.command("ws5", "analyze_patterns", {"symbols": ["AAPL", "TSLA"]})

    assert found["symbols"]["TSLA"] == {"kinds": [], "confidence": 0.0, "samples": 0}
    assert found["symbols"]["AAPL"]["samples"] == 100
    assert {event["payload"]["symbol"] for event in events} <= {"AAPL"}


# --- WS1 --------------------------------------------------------------------------------------------------------------


def test_ws1_a_storm_of_equal_alerts_is_one_alert_with_a_count(fed: MakeFed) -> None:
    one = fed("ws1")
    for _ in range(1_000):
        one.ok("send_alert", urgency="critical", subject="risk", text="the same")

    assert len(one.events("alert_sent")) == 1
    inbox = one.ok("inbox")["alerts"]
    assert [alert["count"] for alert in inbox] == [1_000]
    assert one.ok("acknowledge", alert=inbox[0]["alert"])["acknowledged"] == ["a1"]
    assert "open: none" in one.command("acknowledge", alert="a1")["error"]


def test_ws1_an_unanswered_question_expires_by_sessions(fed: MakeFed, feeding: MakeFeed) -> None:
    one = fed("ws1")
    feed = feeding(one)
    one.ok("request_approval", question="Fork?", expiry_sessions=2)
    one.ok("request_approval", question="Merge?", expiry=300)

    for session in ("2004-08-19", "2004-08-20"):
        feed(session, ("session_closed", {"session": session, "next": None}))

    assert [(event["session"], event["payload"]["approval"]) for event in one.events("approval_expired")] == [
        ("2004-08-19", "q2"),
        ("2004-08-20", "q1"),
    ]
    assert "waits for no answer" in one.command("answer_approval", approval="q1", choice="approve", person="p")["error"]


def test_ws1_an_answer_is_told_with_its_person_and_action(fed: MakeFed, feeding: MakeFeed) -> None:
    one = fed("ws1")
    feeding(one)("2005-06-22", ("fork_due", {"account": "Gen-Acc", "surplus": "50001.00"}), ws="ws2")

    one.ok("answer_approval", approval="q1", choice="approve", person="ada", reason="agreed")

    given = one.events("approval_given")[0]["payload"]
    assert (given["person"], given["choice"]) == ("ada", "approve")
    assert given["action"] == {"command": "fork_account", "parameters": {"account": "Gen-Acc"}}
    assert one.command("answer_approval", approval="q1", choice="maybe", person="ada")["ok"] is False


def test_ws1_explains_a_pause_in_a_sentence(fed: MakeFed, feeding: MakeFeed) -> None:
    one = fed("ws1")
    feed = feeding(one)
    pause = {"lease": "L", "scope": "all", "by": "rule-2", "reason": "drawdown of Rev-Acc uses 85% of its limit"}
    assert one.ok("explain", subject="why the pause?")["text"] == "Trading was never paused."

    feed("2008-09-29", ("trading_paused", pause), ws="ws4")
    now = one.ok("explain", subject="Why was trading paused?")["text"]
    feed("2008-10-01", ("trading_resumed", {"lease": "L", "by": "ws4"}), ws="ws4")
    later = one.ok("explain", subject="pause")["text"]

    assert now == (
        "Trading in all is paused since 2008-09-29 by rule-2, lease L: drawdown of Rev-Acc uses 85% of its limit."
    )
    assert "was paused from 2008-09-29 to 2008-10-01 by rule-2" in later


def test_ws1_tells_balance_market_and_model_of_what_it_heard(year: Rehearsal) -> None:
    texts = [
        year.command("ws1", "explain", {"subject": subject})[1]["text"]
        for subject in ("balance of Gen-Acc", "market AAPL", "model", "week", "listed")
    ]

    assert texts[0].startswith("Gen-Acc is worth ")
    assert "Rev-Acc" not in texts[0]
    assert texts[1].startswith("AAPL is ")
    assert texts[2].startswith("The model in use is ")
    assert "Com-Acc: " in texts[3]
    assert texts[4] == "Newly listed: GOOG since 2004-08-19."


def test_ws1_names_its_topics_when_it_does_not_know_one(fed: MakeFed) -> None:
    assert "ask about pause, balance, risk" in fed("ws1").command("explain", subject="the meaning of life")["error"]


def test_ws1_remembers_only_knowledge_that_is_new(fed: MakeFed) -> None:
    one = fed("ws1")

    assert one.ok("update_agent_knowledge", version="m2", digest="d") == {"version": "m2", "previous": "untrained"}
    assert one.events("agent_status")[0]["payload"]["knowledge_version"] == "m2"
    assert json.dumps(one.ok("agent_status"))
