"""Approvals where more than one thing is held: what is for safety waits for nobody, and what has ended is void."""

import pytest

from alluse_hub.protocols.approvals import VETO_S, ApprovalAsked, ApprovalEnded, Level
from alluse_hub.protocols.claims import Clock, Directive
from alluse_hub.protocols.rules import Hold
from tests.actors.coordinator.test_approving import decide, spec, wait
from tests.actors.coordinator.worlds import RISK_THRESHOLD_ALERT, TRADING, VOLATILITY_PAUSE, Desk, breach, volatile


@pytest.mark.parametrize("level", [Level.SUPERVISED, Level.MANUAL])
def test_what_of_a_restriction_is_for_safety_goes_out_at_once_while_people_are_asked_about_the_rest(
    level: Level,
) -> None:
    more = Hold(resource="ws4/trading", rung="paused", for_sessions=5)
    safe = Hold(resource="ws4/trading", rung="reduce_only", for_sessions=5, safety=True)
    desk = Desk(
        spec(
            level,
            VOLATILITY_PAUSE.model_copy(update={"hold": (more,)}),
            RISK_THRESHOLD_ALERT.model_copy(update={"hold": (safe,), "tell": ()}),
        )
    )

    desk.consider(1, volatile(1), breach(1))
    assert [message.rung for message in desk.said(Directive)] == ["reduce_only"]

    assert decide(desk).ok
    assert [message.rung for message in desk.said(Directive)] == ["paused"]
    desk.answer_all()
    desk.consider(2, session="s2")
    assert len(desk.all_facts(ApprovalAsked)) == 1


def test_what_is_over_as_another_act_passes_is_void() -> None:
    """Two restrictions that nobody opposes; one of them ends at the very moment."""
    hedging = TRADING.model_copy(update={"resource": "ws4/hedging"})
    holds = (
        Hold(resource="ws4/trading", rung="paused", for_sessions=5),
        Hold(resource="ws4/hedging", rung="paused", clock=Clock.HUB, for_s=VETO_S),
    )
    desk = Desk(
        spec(Level.SUPERVISED, VOLATILITY_PAUSE.model_copy(update={"hold": holds})).model_copy(
            update={"modes": (TRADING, hedging)}
        )
    )
    desk.consider(1, volatile(1))

    wait(desk, VETO_S)

    assert [message.resource for message in desk.said(Directive)] == ["ws4/trading"]
    assert [fact.outcome for fact in desk.all_facts(ApprovalEnded)] == ["unopposed", "void"]
