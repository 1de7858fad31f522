"""WS4: orders, fills, assignment, splits, pauses, forks - seen through its commands and events."""

from collections.abc import Callable
from typing import Any

import pytest

Fed = Any  # conftest.Fed and conftest.Feed, which cannot be imported from here
Feed = Any
SESSION = "2004-08-19"
BAR_OF_AAPL = {"symbol": "AAPL", "session": SESSION, "realised_vol": 0.3}


@pytest.fixture
def trading(fed: Callable[..., Fed], feeding: Callable[[Fed], Feed]) -> tuple[Fed, Feed]:
    """WS4 after a first session in which every symbol has a quote."""
    one = fed("ws4")
    feed = feeding(one)
    feed.day(SESSION, "2004-08-20", AAPL="30.00", IBM="85.00", MSFT="27.00", GOOG="100.0")
    return one, feed


def proposal(account: str, symbol: str, strike: str, contracts: int, kind: str = "put") -> tuple[str, dict[str, Any]]:
    return (
        "trade_proposed",
        {"account": account, "symbol": symbol, "kind": kind, "strike": strike, "contracts": contracts,
         "expiry": "2004-08-27", "reason": "test"},
    )  # fmt: skip


def test_ws4_fills_at_the_next_close_and_not_before(trading: tuple[Fed, Feed]) -> None:
    one, feed = trading
    feed(SESSION, proposal("Rev-Acc", "AAPL", "29.00", 10), ws="ws2")
    assert [event["event"] for event in one.events()[-1:]] == ["order_placed"]

    feed.day("2004-08-20", "2004-08-23", AAPL="30.00")

    filled = one.events("order_filled")[0]["payload"]
    assert (filled["contracts"], filled["commission"], filled["premium_model"]) == (
        10,
        "6.50",
        "black-scholes, modelled",
    )
    assert float(filled["amount"]) > 0
    assert one.events("position_update")[-1]["payload"]["options"][0]["strike"] == "29.00"


def test_ws4_an_order_placed_during_a_session_waits_for_the_next_close(trading: tuple[Fed, Feed]) -> None:
    one, feed = trading
    feed("2004-08-20", proposal("Rev-Acc", "AAPL", "29.00", 10), ws="ws2")

    feed.day("2004-08-20", "2004-08-23", AAPL="30.00")
    assert one.events("order_filled") == []

    feed.day("2004-08-23", "2004-08-24", AAPL="30.00")
    assert [event["session"] for event in one.events("order_filled")] == ["2004-08-23"]


def test_ws4_assigns_a_put_that_ends_in_the_money_and_balances_its_books(trading: tuple[Fed, Feed]) -> None:
    one, feed = trading
    feed(SESSION, proposal("Rev-Acc", "AAPL", "29.00", 10), ws="ws2")
    feed.day("2004-08-20", "2004-08-23", AAPL="30.00")

    feed.day("2004-08-27", "2004-08-30", AAPL="28.50")

    assignment = one.events("assignment")[0]["payload"]
    assert (assignment["shares"], assignment["cost_basis"], assignment["kind"]) == (1000, "29.0000", "put")
    settled = one.events("daily_settlement")[-1]["payload"]
    account = settled["accounts"]["Rev-Acc"]
    assert settled["reconciled"] is True
    assert account["positions"] == "28500.00"
    assert round(float(account["cash"]) + float(account["positions"]), 2) == float(account["equity"])
    ended = one.events("position_update")[-1]["payload"]["ended"]
    assert [(position["outcome"], position["entry_close"]) for position in ended] == [("assigned", 30.0)]


def test_ws4_expires_on_the_last_session_before_a_holiday(trading: tuple[Fed, Feed]) -> None:
    one, feed = trading
    feed(SESSION, proposal("Rev-Acc", "AAPL", "29.00", 10), ws="ws2")
    feed.day("2004-08-20", "2004-08-26", AAPL="30.00")

    feed.day("2004-08-26", "2004-08-30", AAPL="31.00")

    assert one.events("position_update")[-1]["payload"]["ended"][0]["outcome"] == "expired"


def test_ws4_rejects_what_is_not_secured_not_covered_or_unpriced(trading: tuple[Fed, Feed]) -> None:
    one, feed = trading
    feed(
        SESSION,
        proposal("Rev-Acc", "AAPL", "29.00", 100),
        proposal("Rev-Acc", "AAPL", "31.00", 1, "call"),
        proposal("Gen-Acc", "FB", "31.00", 1),
        ws="ws2",
    )

    whys = [event["payload"]["why"].split(":")[0] for event in one.events("order_rejected")]
    assert whys == ["not secured", "not covered", "no premium can be modelled for FB before its warm-up ends"]


def test_ws4_split_moves_no_equity(trading: tuple[Fed, Feed]) -> None:
    one, feed = trading
    feed(SESSION, proposal("Rev-Acc", "AAPL", "29.00", 10), ws="ws2")
    feed.day("2004-08-20", "2004-08-23", AAPL="30.00")
    before = one.events("daily_settlement")[-1]["payload"]["accounts"]["Rev-Acc"]["equity"]

    split = {"symbol": "AAPL", "kind": "split", "new_shares": 2, "old_shares": 1, "ratio": 2.0}
    feed(
        "2004-08-20",
        ("corporate_action", split),
        ("market_data_update", {**BAR_OF_AAPL, "close": "15.00"}),
        ("session_closed", {"session": "2004-08-20", "next": "2004-08-23"}),
    )

    after = one.events("daily_settlement")[-1]["payload"]
    assert abs(float(after["accounts"]["Rev-Acc"]["equity"]) - float(before)) <= 0.01
    assert one.events("position_update")[-1]["payload"]["options"][0]["strike"] == "14.50"
    assert after["reconciled"] is True


def test_ws4_opens_nothing_while_paused_and_marks_on(trading: tuple[Fed, Feed]) -> None:
    one, feed = trading
    feed(SESSION, proposal("Rev-Acc", "AAPL", "29.00", 1), ws="ws2")

    paused = one.ok("pause_trading", scope="all", reason="test", lease="L", fence=3, by="tester")
    feed(SESSION, proposal("Rev-Acc", "MSFT", "26.00", 1), ws="ws2")
    refused = one.command("update_positions")
    feed.day("2004-08-20", "2004-08-23", AAPL="30.00")

    assert paused == {"lease": "L", "fence": 3, "cancelled": 1}
    assert one.events("order_rejected")[0]["payload"]["why"] == "paused: test (lease L, by tester)"
    assert "trading is paused: test" in refused["error"]
    assert one.events("order_filled") == []
    assert len(one.events("daily_settlement")) == 2


def test_ws4_refuses_a_stale_fence_and_a_foreign_lease(trading: tuple[Fed, Feed]) -> None:
    one, _ = trading
    one.ok("pause_trading", lease="L", fence=5, reason="test")

    stale = one.command("resume_trading", lease="L", fence=4)
    foreign = one.command("resume_trading", lease="M", fence=9)

    assert stale["error"].startswith("stale fence: 4 is lower than 5")
    assert foreign["error"] == "no pause with the lease 'M' is in force; in force: L"
    assert one.ok("resume_trading", lease="L", fence=5) == {"resumed": "L", "still_paused_by": []}
    assert one.command("set_mode", mode="normal", fence=4)["ok"] is False


def test_ws4_pause_of_seconds_lasts_through_the_next_session(trading: tuple[Fed, Feed]) -> None:
    one, feed = trading
    one.ok("pause_trading", duration=300, reason="test")

    feed.day("2004-08-20", "2004-08-23", AAPL="30.00")
    feed("2004-08-20", proposal("Rev-Acc", "AAPL", "29.00", 1), ws="ws2")
    feed.day("2004-08-23", "2004-08-24", AAPL="30.00")
    feed("2004-08-23", proposal("Rev-Acc", "AAPL", "29.00", 1), ws="ws2")

    assert [event["session"] for event in one.events("order_rejected")] == ["2004-08-20"]
    assert [event["session"] for event in one.events("trading_resumed")] == ["2004-08-23"]
    assert [event["session"] for event in one.events("order_placed")] == ["2004-08-23"]


def test_ws4_mode_is_a_pause_that_resuming_a_lease_does_not_lift(trading: tuple[Fed, Feed]) -> None:
    one, feed = trading
    one.ok("pause_trading", lease="L", reason="test")
    assert one.ok("set_mode", mode="paused", fence=1, reason="floor") == {
        "mode": "paused",
        "before": "normal",
        "fence": 1,
    }
    one.ok("resume_trading", lease="L")

    feed(SESSION, proposal("Rev-Acc", "AAPL", "29.00", 1), ws="ws2")
    one.ok("set_mode", mode="normal", fence=2)
    feed(SESSION, proposal("Rev-Acc", "AAPL", "29.00", 1), ws="ws2")

    assert one.events("order_rejected")[0]["payload"]["why"].startswith("paused")
    assert len(one.events("order_placed")) == 1
    assert [event["payload"]["lease"] for event in one.events("trading_resumed")] == ["L", "mode"]


def held_shares(trading: tuple[Fed, Feed]) -> tuple[Fed, Feed]:
    """WS4 with 1,000 AAPL in Rev-Acc, uncovered."""
    one, feed = trading
    feed(SESSION, proposal("Rev-Acc", "AAPL", "29.00", 10), ws="ws2")
    feed.day("2004-08-20", "2004-08-23", AAPL="30.00")
    feed.day("2004-08-27", "2004-08-30", AAPL="28.50")
    return one, feed


def test_ws4_update_positions_covers_idle_shares(trading: tuple[Fed, Feed]) -> None:
    one, _ = held_shares(trading)

    done = one.ok("update_positions", symbol="AAPL", priority="high")

    assert done["accounts"] == ["Rev-Acc"]
    placed = one.events("order_placed")[-1]["payload"]
    assert (placed["kind"], placed["contracts"], placed["order"]) == ("call", 10, done["orders"][0])
    assert one.ok("update_positions", symbol="AAPL")["orders"] == []


def test_ws4_flatten_sells_everything_though_paused(trading: tuple[Fed, Feed]) -> None:
    one, feed = held_shares(trading)
    one.ok("update_positions", symbol="AAPL")
    feed.day("2004-08-30", "2004-08-31", AAPL="28.50")
    one.ok("pause_trading", reason="test")

    assert len(one.ok("flatten", scope="all", reason="kill switch")["orders"]) == 2
    assert one.ok("flatten", scope="all", reason="again")["orders"] == []
    feed.day("2004-08-31", "2004-09-01", AAPL="28.50")

    account = one.events("daily_settlement")[-1]["payload"]["accounts"]["Rev-Acc"]
    assert (account["positions"], account["equity"]) == ("0.00", account["cash"])


def test_ws4_stress_test_loses_more_in_a_deeper_fall(trading: tuple[Fed, Feed]) -> None:
    one, _ = held_shares(trading)

    stressed = one.ok("stress_test", scenarios=[{"name": "dip", "shock": -0.1}, {"name": "crash", "shock": -0.4}])

    losses = [float(result["loss"]) for result in stressed["results"]]
    assert losses == [2850.0, 11400.0]
    assert stressed["worst"] == "crash"
    assert next(result["scenario"] for result in one.ok("stress_test")["results"]) == "2008"


def test_ws4_fork_needs_a_surplus_and_conserves_the_sum(trading: tuple[Fed, Feed]) -> None:
    one, _ = trading
    assert "0.00 USD above its baseline" in one.command("fork_account", account="Gen-Acc", approval="q1")["error"]
    floor = one.runner.workstream
    floor.accounts["Gen-Acc"].dividend("GOOG", 0)
    floor.accounts["Gen-Acc"].cash += 6_000_000
    floor.accounts["Gen-Acc"].realised += 6_000_000
    floor.equities["Gen-Acc"] += 6_000_000
    before = sum(account.cash for account in floor.accounts.values())

    told = one.ok("fork_account", account="Gen-Acc", approval="q1")

    assert told["to"] == {"Gen-Acc-2": "30000.00", "Com-Acc": "30000.00"}
    assert sum(account.cash for account in floor.accounts.values()) == before
    assert all(account.difference() == 0 for account in floor.accounts.values())
    assert sorted(floor.snapshot()["ended"]) == ["Com-Acc", "Gen-Acc", "Gen-Acc-2"], (
        "a snapshot must not forget to tell"
    )


def test_ws4_strategies_never_lift_a_pause(trading: tuple[Fed, Feed]) -> None:
    one, _ = trading

    assert "resume_trading" in one.command("update_strategies", model_version="m2", resume=True)["error"]
    assert one.ok("update_strategies", model_version="m2") == {"model_version": "m2", "previous": "untrained"}
