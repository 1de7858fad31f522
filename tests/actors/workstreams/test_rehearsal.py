"""The five together over real data: what the demonstration needs happens, the books balance, and twice is the same."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.workstreams.lines import LINE_OUT_MAX, encode
from alluse_hub.actors.workstreams.rehearse import Rehearsal, main, report
from alluse_hub.actors.workstreams.rulebook import CAPITAL, FIRST, base_of


def of(rehearsal: Rehearsal, name: str, **wanted: Any) -> list[dict[str, Any]]:
    return [
        event
        for event in rehearsal.events
        if event["event"] == name and all(event["payload"][part] == value for part, value in wanted.items())
    ]


def test_twice_the_same_span_gives_the_same_digest() -> None:
    runs = [Rehearsal("2005-02-01", "2005-03-31", with_rules=True) for _ in range(2)]
    for run in runs:
        run.run()

    assert runs[0].digest == runs[1].digest
    assert runs[0].sessions == 41


def test_keeping_state_changes_nothing(tmp_path: Path) -> None:
    kept = Rehearsal("2005-02-01", "2005-03-31", with_rules=True, state_dir=tmp_path)
    free = Rehearsal("2005-02-01", "2005-03-31", with_rules=True)
    for run in (kept, free):
        run.run()

    assert kept.digest == free.digest
    for runner in kept.runners.values():
        runner.close()


def test_events_are_numbered_without_gap_and_of_their_session(year: Rehearsal) -> None:
    for ws in year.runners:
        numbers = [event["n"] for event in year.events if event["ws"] == ws]
        assert numbers == list(range(1, len(numbers) + 1))
    sessions = [event["session"] for event in year.events]
    assert sessions == sorted(sessions)
    assert sessions[0] == "2004-08-19"


def test_every_settlement_is_reconciled_to_the_cent(year: Rehearsal, span: Rehearsal) -> None:
    for rehearsal in (year, span):
        for event in of(rehearsal, "daily_settlement"):
            payload = event["payload"]
            cents = {
                name: {k: round(float(a[k]) * 100) for k in ("cash", "positions", "equity")}
                for name, a in payload["accounts"].items()
            }
            assert payload["reconciled"] is True
            assert all(one["cash"] + one["positions"] == one["equity"] for one in cents.values())
            assert sum(one["equity"] for one in cents.values()) == round(float(payload["equity"]) * 100)


def test_goog_lists_without_alarm_and_warms_up(year: Rehearsal) -> None:
    assert [(event["session"], event["payload"]["symbol"]) for event in of(year, "symbol_listed")] == [
        ("2004-08-19", "GOOG")
    ]
    assert of(year, "data_quality_issue") == []
    sessions = [event["session"] for event in of(year, "market_data_update", symbol="GOOG")]
    coloured = of(year, "market_condition_changed", symbol="GOOG")[0]["session"]
    regime = of(year, "volatility_regime_changed", symbol="GOOG")[0]["session"]
    assert (sessions.index(coloured) + 1, sessions.index(regime) + 1) == (25, 55)


def test_the_split_of_aapl_is_a_corporate_action_and_no_loss(year: Rehearsal) -> None:
    splits = of(year, "corporate_action", kind="split")
    assert [(event["session"], event["payload"]["symbol"], event["payload"]["ratio"]) for event in splits] == [
        ("2005-02-28", "AAPL", 2.0)
    ]
    drawdowns = {event["session"]: event["payload"]["drawdown"] for event in of(year, "daily_settlement")}
    assert drawdowns["2005-02-28"] < 0.1
    assert [event for event in of(year, "trading_paused") if event["session"] == "2005-02-28"] == []


def test_a_bar_tells_its_mean_volume_only_when_it_has_one(year: Rehearsal) -> None:
    means = [event["payload"]["volume_mean_20"] for event in of(year, "market_data_update", symbol="GOOG")]

    assert means[:20] == [None] * 20
    assert all(isinstance(mean, int) for mean in means[20:])


def test_volume_fires_rule_one_some_forty_times_a_year(year: Rehearsal) -> None:
    high = [
        event
        for event in of(year, "market_data_update")
        if event["payload"]["volume"] > 2 * (event["payload"]["volume_mean_20"] or event["payload"]["volume"])
    ]

    assert 25 <= len(high) <= 80


def test_proposals_become_orders_fills_and_weeks(year: Rehearsal) -> None:
    counts = Counter(event["event"] for event in year.events)
    weeks = {event["payload"]["week_type"] for event in of(year, "week_classified")}

    assert counts["trade_proposed"] >= counts["order_filled"] > 100
    assert counts["assignment"] > 20
    assert {"P-EW", "P-AWL", "C-WAP", "C-PNO"} <= weeks


def test_a_put_is_sized_by_colour_and_regime_within_its_slice(span: Rehearsal) -> None:
    equity = {name: CAPITAL * rules["share"] for name, rules in FIRST["accounts"].items()}
    names = {"Gen-Acc": 1, "Rev-Acc": 2, "Com-Acc": 2}  # FB is not listed yet
    for event in span.events:
        payload = event["payload"]
        if event["event"] == "daily_settlement":
            equity |= {name: float(account["equity"]) for name, account in payload["accounts"].items()}
        elif event["event"] == "trade_proposed" and payload["kind"] == "put" and payload["contracts"] > 1:
            colour, regime = payload["reason"].split(", ")[:2]
            size = FIRST["colours"][colour]["size"] * FIRST["regimes"][regime.removeprefix("volatility ")]
            account = payload["account"]
            slice_usd = equity[account] * 0.95 / names[base_of(account)] * min(1.0, size)
            assert payload["contracts"] * float(payload["strike"]) * 100 <= slice_usd * 1.05


def test_the_crisis_breaks_limits_pauses_trading_and_passes(span: Rehearsal) -> None:
    exceeded, cleared = of(span, "risk_threshold_exceeded"), of(span, "risk_cleared")

    assert len(exceeded) >= 3
    assert all(event["payload"]["risk_level"] > 0.8 for event in exceeded)
    assert cleared
    assert all(event["payload"]["risk_level"] < 0.5 for event in cleared)
    assert len(of(span, "trading_paused")) == len(exceeded)
    assert len(of(span, "trading_resumed")) == len(exceeded)
    assert of(span, "alert_sent", urgency="critical")


def test_a_scope_is_warned_of_once_until_cleared(span: Rehearsal) -> None:
    standing: set[str] = set()
    for event in span.events:
        if event["event"] == "risk_threshold_exceeded":
            assert event["payload"]["scope"] not in standing
            standing.add(event["payload"]["scope"])
        elif event["event"] == "risk_cleared":
            standing.remove(event["payload"]["scope"])


def test_nothing_is_placed_while_paused(span: Rehearsal) -> None:
    held: set[tuple[str, str]] = set()
    for event in span.events:
        payload = event["payload"]
        match event["event"]:
            case "trading_paused":
                held.add((payload["lease"], payload["scope"]))
            case "trading_resumed":
                held.discard((payload["lease"], payload["scope"]))
            case "order_placed" if payload["action"] == "open":
                assert not {payload["account"], payload["symbol"], "all"} & {scope for _, scope in held}


def test_volatility_is_very_high_in_the_autumn_of_2008(span: Rehearsal) -> None:
    very_high = of(span, "volatility_regime_changed", regime="very high")

    assert {"AAPL", "GOOG", "IBM", "MSFT"} == {e["payload"]["symbol"] for e in very_high if e["session"] >= "2008-07"}


def test_crash_days_are_no_corporate_action(span: Rehearsal) -> None:
    splits = [event["session"] for event in of(span, "corporate_action", kind="split")]
    assert splits == ["2005-02-28"]
    fall = of(span, "market_data_update", symbol="AAPL", session="2008-09-29")[0]["payload"]["change"]
    assert fall == pytest.approx(-0.179, abs=0.001)


def test_a_model_is_announced_with_its_gain_out_of_sample(span: Rehearsal) -> None:
    updates = of(span, "model_updated")

    assert updates
    for event in updates:
        assert event["payload"]["accuracy_improvement"] > 0.05
        assert 0 < event["payload"]["accuracy"] < 1
        assert event["payload"]["log_loss"] < event["payload"]["log_loss_before"]


def test_a_session_is_quiet_after_few_rounds_and_some_dozen_events(year: Rehearsal, span: Rehearsal) -> None:
    for rehearsal in (year, span):
        assert rehearsal.rounds / rehearsal.sessions < 5
        assert 8 <= len(rehearsal.events) / rehearsal.sessions <= 20


def test_a_snapshot_fits_a_line_with_room_to_spare(span: Rehearsal) -> None:
    for runner in span.runners.values():
        assert len(encode(runner.workstream.snapshot())) < LINE_OUT_MAX / 3


def test_only_a_pause_is_refused(year: Rehearsal, span: Rehearsal) -> None:
    for rehearsal in (year, span):
        assert [refusal for refusal in rehearsal.refusals if "trading is paused" not in refusal] == []


def test_the_tool_prints_what_a_span_contains(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--from", "2005-02-25", "--to", "2005-03-02", "--rules"]) == 0

    said = capsys.readouterr().out
    assert said.startswith("4 sessions, ")
    assert "2005-02-28 AAPL split 2:1" in said
    assert "reconciled True" in said


def test_a_report_of_nothing_is_a_report() -> None:
    assert "digest" in report(Rehearsal("2005-02-25", "2005-03-02", with_rules=False), 1.0)
