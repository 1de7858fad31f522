"""Conflicts are found where two holders cannot both have what they want, told in sentences, and not invented."""

from typing import Any

import pytest

from alluse_hub.actors.coordinator.ledger import CONFLICTS_MAX
from alluse_hub.protocols.claims import (
    Claim,
    ClaimVerdict,
    Clock,
    ConflictClass,
    ConflictClosed,
    ConflictOpened,
    ConflictsShown,
    Lease,
    PlaceClaim,
)
from alluse_hub.protocols.effects import Send
from alluse_hub.protocols.lifecycle import PeerUp
from tests.actors.coordinator.worlds import Desk, breach, busy, cleared, volatile

RISK = "rule:risk-threshold-alert@ws4/trading:drawdown/gen"
AAPL = "rule:volatility-pause@ws4/trading:AAPL"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def told(desk: Desk) -> list[tuple[Any, ...]]:
    """Of the last letter: class, parties, outcome and winner of each conflict."""
    closed = {fact.id: fact for fact in desk.said(ConflictClosed)}
    return [(c.klass, c.parties, closed[c.id].outcome, closed[c.id].winner) for c in desk.said(ConflictOpened)]


def place(desk: Desk, want: str, **how: Any) -> ClaimVerdict:
    usual = {"id": "operator:alice", "resource": "ws4/trading", "tier": "operator", "holder": "alice"}
    claim = Claim.model_validate({**usual, "want": want, "reason": "she said so", **how})
    desk.tell(PlaceClaim(claim=claim), "gateway")
    (verdict,) = [e.message for e in desk.effects if isinstance(e, Send) and e.to == "gateway"]
    assert isinstance(verdict, ClaimVerdict)
    return verdict


def test_of_two_overlapping_pauses_the_longer_wins(desk: Desk) -> None:
    desk.consider(1, volatile(1), session="s1")
    desk.answer_all()
    desk.consider(2, breach(1), session="s2")

    assert told(desk) == [(ConflictClass.CLASH, (AAPL, RISK), "longer wins", RISK)]
    assert desk.said(ConflictOpened)[0].sentence == (
        "Two holds on ws4/trading end at different times: volatility-pause (AAPL) wants it paused "
        "for 4 sessions after s2, risk-threshold-alert (drawdown/gen) until it is cleared, "
        "but at least to the end of session s2."
    )
    assert desk.said(ConflictClosed)[0].sentence == (
        "The longer wins: ws4/trading stays paused until it is cleared, but at least to the end of session s2, "
        "as risk-threshold-alert (drawdown/gen) wants; the other hold ends by itself and changes nothing."
    )


def test_the_longer_wins_whoever_comes_first(desk: Desk) -> None:
    desk.consider(1, breach(1), session="s1")
    desk.answer_all()
    desk.consider(2, volatile(1), session="s1")

    assert told(desk) == [(ConflictClass.CLASH, (RISK, AAPL), "longer wins", RISK)]


def test_trading_stays_paused_until_the_longer_of_two_pauses_ends(desk: Desk) -> None:
    desk.consider(1, breach(1), volatile(1), session="s1")
    desk.answer_all()
    for number in range(2, 12):
        desk.consider(number, session=f"s{number}")
        desk.answer_all()
    assert (desk.rung, list(desk.ledger.claims)) == ("paused", [RISK])

    desk.consider(12, cleared(9), session="s11")
    desk.answer_all()

    assert desk.rung == "normal"


def test_a_resume_by_one_holder_does_not_undo_the_pause_of_another(desk: Desk) -> None:
    desk.consider(1, breach(1), volatile(1), session="s1")
    desk.answer_all()
    desk.consider(2, cleared(2), session="s2")

    assert told(desk) == [(ConflictClass.CLASH, (RISK, AAPL), "hold stands", AAPL)]
    assert desk.said(ConflictOpened)[0].sentence == (
        "risk-cleared-resume releases ws4/trading from risk-threshold-alert (drawdown/gen), "
        "but volatility-pause (AAPL) holds it paused as well."
    )
    assert desk.said(ConflictClosed)[0].sentence == (
        "A release undoes only the holds of the rule and subject it names: ws4/trading stays paused "
        "for 4 sessions after s2, as volatility-pause (AAPL) wants."
    )
    assert desk.rung == "paused"


def test_a_command_that_the_hold_does_not_permit_is_refused(desk: Desk) -> None:
    desk.consider(1, breach(1), session="s1")
    desk.answer_all()
    desk.consider(2, busy(5), session="s1")

    assert told(desk) == [(ConflictClass.HOLD_BREACH, (RISK, "market-data-sync"), "command refused", RISK)]
    assert desk.said(ConflictOpened)[0].sentence == (
        "market-data-sync asks for update_positions, which needs 'open' of ws4/trading, because "
        "volume > 2 * volume_mean_20 (volume = 3000000.0, volume_mean_20 = 1000000.0) in ws3#5."
    )
    assert desk.said(ConflictClosed)[0].sentence == (
        "Refused: ws4/trading is paused, which permits only cancel. ws4/trading is paused until it is cleared, "
        "but at least to the end of session s1: risk-threshold-alert (drawdown/gen) holds it, for safety, "
        "because risk_level > 0.8 (risk_level = 0.93) in ws2#1."
    )


def test_refusals_of_one_rule_in_one_round_are_one_conflict(desk: Desk) -> None:
    desk.consider(1, breach(1), *(busy(n) for n in range(1, 5)))

    assert len(told(desk)) == 1
    assert desk.said(ConflictOpened)[0].sentence.endswith("in ws3#1 and 3 more.")


def test_an_operator_who_wants_more_than_the_safety_floor_allows_waits(desk: Desk) -> None:
    desk.consider(1, breach(1), session="s1")
    desk.answer_all()

    verdict = place(desk, "normal")

    assert verdict.outcome == "covered"
    assert "alice wants normal and loses: safety is a floor that no priority lowers." in verdict.why
    assert told(desk) == [(ConflictClass.CLASH, (RISK, "operator:alice"), "claim waits", RISK)]
    assert desk.said(ConflictClosed)[0].sentence == (
        "ws4/trading stays paused until it is cleared, but at least to the end of session s1: "
        "safety is a floor that no priority lowers. "
        "The claim of alice stands and is weighed again when that ends. "
        "It would have it if rule:risk-threshold-alert@ws4/trading:drawdown/gen ended."
    )
    assert desk.rung == "paused"


def test_a_safety_hold_that_overrules_an_operator_is_a_conflict_that_it_wins(desk: Desk) -> None:
    assert place(desk, "normal").outcome == "granted"
    desk.consider(1, breach(1))

    assert told(desk) == [(ConflictClass.CLASH, ("operator:alice", RISK), "claim prevails", RISK)]


def test_an_operator_who_overrules_another_claim_wins(desk: Desk) -> None:
    place(desk, "paused", id="workflow:night", holder="night", tier="workflow")

    verdict = place(desk, "normal")

    assert verdict.outcome == "granted"
    assert told(desk) == [
        (ConflictClass.CLASH, ("workflow:night", "operator:alice"), "claim prevails", "operator:alice")
    ]
    assert desk.rung == "normal"


def test_equal_wants_of_one_length_are_no_conflict(desk: Desk) -> None:
    desk.consider(1, volatile(1), session="s1")
    desk.answer_all()

    place(desk, "paused", lease=Lease(clock=Clock.MARKET, until=6))

    assert told(desk) == []


def test_a_holder_has_no_conflict_with_itself(desk: Desk) -> None:
    desk.consider(1, volatile(1, "AAPL"), breach(1, scope="gen"), session="s1")
    desk.answer_all()
    assert len(desk.ledger.resolved) == 1

    desk.consider(2, volatile(2, "IBM"), volatile(3, "AAPL"), breach(2, scope="rev"), session="s2")

    assert told(desk) == []


def test_an_extension_is_a_conflict_only_when_it_overtakes(desk: Desk) -> None:
    desk.consider(1, volatile(1), session="s1")
    desk.answer_all()
    place(desk, "paused", lease=Lease(clock=Clock.MARKET, until=8))
    desk.answer_all()

    desk.consider(2, volatile(2), session="s2")
    assert told(desk) == []
    desk.answer_all()
    desk.consider(3, volatile(3), session="s3")
    assert told(desk) == []
    desk.answer_all()
    desk.consider(4, volatile(4), session="s4")

    assert told(desk) == [(ConflictClass.CLASH, ("operator:alice", AAPL), "longer wins", AAPL)]


def test_a_release_beside_another_hold_of_the_same_rule_is_no_conflict(desk: Desk) -> None:
    desk.consider(1, breach(1, scope="gen"), breach(2, scope="rev"), session="s1")
    desk.answer_all()
    desk.consider(2, cleared(3, "gen"), session="s2")

    assert told(desk) == []
    assert desk.rung == "paused"


def test_a_release_that_finds_nothing_to_release_is_no_conflict(desk: Desk) -> None:
    desk.consider(1, volatile(1), session="s1")
    desk.answer_all()
    desk.consider(2, cleared(1), session="s1")

    assert told(desk) == []


def test_a_claim_for_less_is_covered_and_no_conflict(desk: Desk) -> None:
    desk.consider(1, breach(1))
    desk.answer_all()

    verdict = place(desk, "reduce_only", id="workflow:night", holder="night", tier="workflow")

    assert (verdict.outcome, told(desk)) == ("covered", [])


def test_each_conflict_goes_to_the_board_as_it_happens(desk: Desk) -> None:
    desk.consider(1, breach(1), volatile(1))

    to_board = [m for m in desk.sent("board") if isinstance(m, ConflictOpened | ConflictClosed)]
    assert to_board == desk.said(ConflictOpened, ConflictClosed)


def test_a_new_board_is_shown_the_latest_fifty_and_memory_is_bounded(desk: Desk) -> None:
    desk.consider(1, breach(1), session="s1")
    desk.answer_all()
    for number in range(2, CONFLICTS_MAX + 52):
        desk.consider(number, busy(number))
        desk.answer_all()

    desk.tell(PeerUp(name="board", incarnation=2))

    (shown,) = desk.said(ConflictsShown)
    assert (len(shown.closed), shown.open, shown.count) == (50, (), CONFLICTS_MAX + 50)
    assert len(desk.ledger.resolved) == CONFLICTS_MAX
