"""Directives: fenced, said again until obeyed, and never given up."""

import pytest

from alluse_hub.actors.coordinator.directives import SLOWEST_PAUSE_S, TRIES_MAX
from alluse_hub.protocols.claims import (
    Claim,
    Directive,
    DirectiveAck,
    DirectiveAnswered,
    DirectiveIssued,
    PlaceClaim,
    Tier,
    WithdrawClaim,
)
from alluse_hub.protocols.effects import CancelWake, Commit, Send, Wake
from alluse_hub.protocols.flow import Considered, Present
from alluse_hub.protocols.lifecycle import PeerUp, Woken
from alluse_hub.protocols.rules import CoordinatorSpec, RuleActionRefused
from tests.actors.coordinator.worlds import (
    MARKET_DATA_SYNC,
    RISK_CLEARED_RESUME,
    TRADING,
    VOLATILITY_PAUSE,
    WORKSTREAMS,
    Desk,
    busy,
    event,
    volatile,
)

TIMER = "directive:ws4/trading"
BRIEF_PAUSE = VOLATILITY_PAUSE.model_copy(
    update={"hold": (VOLATILITY_PAUSE.hold[0].model_copy(update={"for_sessions": 0}),)}
)
QUIET = CoordinatorSpec(
    rules=(BRIEF_PAUSE, MARKET_DATA_SYNC, RISK_CLEARED_RESUME), modes=(TRADING,), workstreams=WORKSTREAMS
)


@pytest.fixture
def paused() -> Desk:
    """A desk that has just sent its first directive."""
    desk = Desk(QUIET)
    desk.consider(1, volatile(1), session="s1")
    return desk


def ack(fence: int, outcome: str = "applied", seen: int = 0, error: str = "") -> DirectiveAck:
    return DirectiveAck(resource="ws4/trading", fence=fence, outcome=outcome, seen=seen, error=error)


def test_a_directive_carries_what_a_program_needs_to_obey(paused: Desk) -> None:
    (directive,) = paused.said(Directive)

    assert directive.parameters == {
        "mode": "paused",
        "scope": "all",
        "lease": "ws4/trading",
        "fence": 1,
        "by": "coordinator",
        "reason": directive.reason,
        "claims": ["rule:volatility-pause@ws4/trading:AAPL"],
        "ends": "to the end of session s1",
    }


def test_an_answer_ends_the_wait(paused: Desk) -> None:
    paused.tell(ack(1))

    assert paused.said(DirectiveAnswered)[0].outcome == "applied"
    assert CancelWake(TIMER) in paused.effects
    assert paused.said(Considered)


def test_an_answer_to_an_earlier_fence_says_nothing(paused: Desk) -> None:
    paused.consider(2, volatile(2, "IBM"), session="s2")

    paused.tell(ack(1))

    assert paused.effects == ()


def test_an_answer_said_twice_is_one(paused: Desk) -> None:
    paused.tell(ack(1))
    paused.tell(ack(1, "already"))

    assert paused.effects == ()


def test_silence_is_met_with_growing_patience_and_after_eight_tries_the_round_goes_on(paused: Desk) -> None:
    pauses = []
    while not paused.said(Considered):
        pauses += [effect.after_s for effect in paused.effects if isinstance(effect, Wake)]
        paused.tell(Woken(timer=TIMER))

    assert pauses == [0.5, 0.5, 0.5, 0.5, 2, 4, 8, 16]
    assert paused.said(DirectiveAnswered)[0].error == f"no answer after {TRIES_MAX} tries"
    assert paused.said(Directive)[0].fence == 1


def test_a_directive_is_never_given_up(paused: Desk) -> None:
    for _ in range(40):
        paused.tell(Woken(timer=TIMER))
        assert [directive.fence for directive in paused.said(Directive)] == [1]

    assert [effect.after_s for effect in paused.effects if isinstance(effect, Wake)] == [SLOWEST_PAUSE_S]
    assert len(paused.all_facts(DirectiveAnswered)) == 1

    paused.tell(ack(1))
    assert [fact.outcome for fact in paused.all_facts(DirectiveAnswered)] == ["failed", "applied"]


def test_a_refusal_by_the_program_ends_the_wait_but_not_the_directive(paused: Desk) -> None:
    paused.tell(ack(1, "failed", error="no such command"))
    assert paused.said(Considered)

    paused.tell(Woken(timer=TIMER))

    assert [directive.fence for directive in paused.said(Directive)] == [1]


def test_while_a_directive_is_in_doubt_its_resource_counts_as_fail_safe() -> None:
    desk = Desk(QUIET)
    desk.consider(1, volatile(1), session="s1")
    desk.answer_all()
    desk.consider(2, session="s2")
    assert desk.rung == "normal"
    desk.tell(ack(2, "failed", error="cannot resume"))

    desk.consider(3, busy(1), session="s2")

    assert desk.said(RuleActionRefused)[0].why == (
        "ws4 did not confirm that ws4/trading is normal (cannot resume), so it counts as paused, "
        "which permits only cancel"
    )


def test_a_program_that_remembers_a_higher_fence_is_told_again_above_it(paused: Desk) -> None:
    paused.tell(ack(1, "stale", seen=40))

    (issued,) = paused.said(DirectiveIssued)
    assert (issued.fence, issued.rung) == (41, "paused")
    assert paused.said(Considered) == []
    paused.tell(ack(41))
    assert paused.said(Considered)


def test_a_new_monitor_is_told_the_current_directive_with_its_fence(paused: Desk) -> None:
    paused.tell(ack(1))
    paused.tell(PeerUp(name="ws4", incarnation=2))

    assert [(directive.fence, directive.rung) for directive in paused.said(Directive)] == [(1, "paused")]
    assert paused.said(DirectiveIssued) == []


def test_a_program_that_comes_back_is_told_the_current_directive(paused: Desk) -> None:
    paused.tell(ack(1))
    paused.tell(Present(workstream="ws4", presence="down"))
    assert paused.said(Directive) == []
    paused.tell(Present(workstream="ws4", presence="up"))
    assert len(paused.said(Directive)) == 1
    paused.tell(Present(workstream="ws4", presence="up"))

    assert paused.said(Directive) == []


def test_a_loosening_directive_said_again_to_a_new_monitor_waits_for_a_commit_again(paused: Desk) -> None:
    paused.tell(ack(1))
    paused.consider(2, session="s2")
    paused.tell(PeerUp(name="ws4", incarnation=2))

    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in paused.effects]
    assert kinds.index(Commit) < kinds.index(Directive)


def test_a_workstream_that_is_out_is_told_but_not_waited_for() -> None:
    desk = Desk(QUIET)
    desk.tell(Present(workstream="ws4", presence="out"))
    desk.consider(1, volatile(1))

    assert len(desk.said(Directive)) == 1
    assert desk.said(DirectiveAnswered)[0].error == "ws4 is out"
    assert desk.said(Considered)


def test_a_new_holder_of_the_same_rung_is_told_at_once(paused: Desk) -> None:
    paused.tell(ack(1))
    paused.consider(2, volatile(2, "IBM"), session="s1")

    (directive,) = paused.said(Directive)
    assert directive.parameters["claims"] == [f"rule:volatility-pause@ws4/trading:{name}" for name in ("AAPL", "IBM")]
    assert not any(isinstance(effect, Commit) for effect in paused.effects)


def test_an_earlier_end_of_the_same_rung_is_told_behind_a_commit(paused: Desk) -> None:
    paused.tell(ack(1))
    claim = Claim(id="operator:a", resource="ws4/trading", want="paused", tier=Tier.OPERATOR, holder="a", reason="r")
    paused.tell(PlaceClaim(claim=claim))
    paused.tell(ack(2))
    paused.tell(WithdrawClaim(id="operator:a", by="a", reason="done"))

    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in paused.effects]
    assert kinds.index(Commit) < kinds.index(Directive)
    assert paused.said(Directive)[0].parameters["ends"] == "to the end of session s1"


def test_the_rung_alone_says_what_loosens_and_what_restricts(paused: Desk) -> None:
    """Not the lease: the looser rung below lasts longer than the pause, and the pause ends earlier than it."""
    claim = Claim(
        id="operator:a", resource="ws4/trading", want="reduce_only", holder="a", reason="r", tier=Tier.OPERATOR
    )
    paused.tell(ack(1))
    paused.tell(PlaceClaim(claim=claim))
    assert paused.said(Directive) == []

    paused.consider(2, session="s2")
    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in paused.effects]
    assert paused.said(Directive)[0].rung == "reduce_only"
    assert kinds.index(Commit) < kinds.index(Directive)
    paused.tell(ack(2))

    paused.consider(3, volatile(3), session="s2")
    assert paused.said(Directive)[0].rung == "paused"
    assert not any(isinstance(effect, Commit) for effect in paused.effects)


def test_who_holds_a_resource_open_is_nothing_to_its_workstream(paused: Desk) -> None:
    desk = Desk(QUIET)
    desk.consider(1, event("ws2", 1, "risk_cleared", kind="a", scope="b"))

    assert desk.said(Directive) == []


def test_a_timer_that_wakes_late_does_nothing(paused: Desk) -> None:
    paused.tell(ack(1))
    paused.tell(Woken(timer=TIMER))
    paused.tell(Woken(timer="directive:ws4/gone"))

    assert paused.effects == ()
