"""Approvals in the coordinator: what waits, what goes, and that no death loses or doubles what people agreed to."""

from typing import Any

import pytest

from alluse_hub.actors.coordinator.approvals import (
    FACTS,
    Approvals,
    folded,
)
from alluse_hub.protocols.approvals import (
    APPROVAL_S,
    VETO_S,
    ApprovalAsked,
    ApprovalEnded,
    AskApprovals,
    DecideApproval,
    Level,
    Sense,
    SetLevel,
)
from alluse_hub.protocols.arbitration import ClaimResource, ReleaseClaim
from alluse_hub.protocols.claims import Clock, Directive, DirectiveAck
from alluse_hub.protocols.effects import Commit, Record, Send
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.rules import CommandIssued, CoordinatorSpec, Hold, RoundAbandoned, Rule, RuleActionRefused
from alluse_hub.protocols.ruleset import ChangeRules, CoordinationDone, RunRule, SwitchRule
from alluse_hub.protocols.workstream import Command
from tests.actors.coordinator.worlds import (
    LEARNING_MODEL_UPDATE,
    SPEC,
    TRADING,
    VOLATILITY_PAUSE,
    Desk,
    breach,
    busy,
    cleared,
    model,
    volatile,
)


def spec(level: Level, *rules: Rule) -> CoordinatorSpec:
    return SPEC.model_copy(update={"levels": {"ws4": level}, "rules": rules or SPEC.rules})


def decide(desk: Desk, id_: str = "approval-1", by: str = "bob", *, approve: bool = True) -> CoordinationDone:
    desk.tell(DecideApproval(about="a", id=id_, approve=approve, by=by, reason="seen"), "gateway")
    (answer,) = [e.message for e in desk.effects if isinstance(e, Send) and e.to == "gateway"]
    assert isinstance(answer, CoordinationDone)
    return answer


def wait(desk: Desk, seconds: float) -> None:
    desk.at += seconds
    desk.tell(Woken(timer="approvals"))


def commands(desk: Desk) -> list[Any]:
    return [message for message in desk.sent("ws4") if isinstance(message, Command)]


def hold_and_clear(desk: Desk) -> None:
    """A hold for safety goes out, and what it was placed for is over two sessions later."""
    desk.consider(1, breach(1), session="s1")
    desk.answer_all()
    desk.consider(2, session="s2")
    desk.consider(3, cleared(2), session="s3")
    desk.answer_all()


@pytest.mark.parametrize("level", [Level.SUPERVISED, Level.MANUAL])
def test_a_hold_for_safety_goes_out_at_once_at_every_level(level: Level) -> None:
    desk = Desk(spec(level))

    desk.consider(1, breach(1))

    assert [message.rung for message in desk.said(Directive)] == ["paused"]


@pytest.mark.parametrize("level", [Level.SUPERVISED, Level.MANUAL])
def test_what_loosens_waits_until_a_person_agrees(level: Level) -> None:
    desk = Desk(spec(level))
    hold_and_clear(desk)
    (asked_,) = desk.all_facts(ApprovalAsked)
    assert (asked_.proposal.act.sense, asked_.proposal.act.content["rung"]) == (Sense.LOOSENS, "normal")
    wait(desk, VETO_S)
    assert not desk.said(Directive)

    answer = decide(desk)

    assert answer.text == "approval-1 is approved by bob: it is directed"
    assert [message.rung for message in desk.said(Directive)] == ["normal"]
    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in desk.effects]
    assert kinds.index(Commit) < kinds.index(Directive) < kinds.index(CoordinationDone)


def test_while_its_loosening_waits_a_resource_permits_no_more_than_before() -> None:
    desk = Desk(spec(Level.MANUAL))
    hold_and_clear(desk)

    desk.consider(4, busy(4), session="s4")

    (refused,) = desk.all_facts(RuleActionRefused)
    assert refused.why == "ws4/trading stays paused until people agree, which permits only cancel"


def test_a_higher_fence_that_was_seen_loosens_nothing_that_waits() -> None:
    desk = Desk(spec(Level.MANUAL))
    desk.consider(1, breach(1), session="s1")
    desk.consider(2, session="s2")
    desk.consider(3, cleared(2), session="s3")
    assert desk.ledger.approvals.open

    desk.tell(DirectiveAck(resource="ws4/trading", fence=1, outcome="stale", seen=7), "ws4")

    assert [(message.rung, message.fence) for message in desk.said(Directive)] == [("paused", 8)]
    assert desk.said(Directive)[0].parameters["fence"] == 8


def test_rejected_it_is_not_asked_again_until_something_else_is_to_be_done() -> None:
    desk = Desk(spec(Level.MANUAL))
    hold_and_clear(desk)
    decide(desk, approve=False)
    desk.consider(4, model(4), session="s4")
    desk.answer_all()
    assert [fact.proposal.act.kind for fact in desk.all_facts(ApprovalAsked)] == ["directive", "command"]

    desk.consider(5, breach(5), session="s5")
    desk.answer_all()
    desk.consider(6, session="s6")
    desk.consider(7, cleared(7), session="s7")

    assert [fact.proposal.act.kind for fact in desk.all_facts(ApprovalAsked)] == ["directive", "command", "directive"]


def test_what_waits_is_asked_about_once_however_often_it_is_looked_at() -> None:
    desk = Desk(spec(Level.MANUAL))
    hold_and_clear(desk)

    for number in range(4, 8):
        desk.consider(number, model(number), session=f"s{number}")

    assert len([f for f in desk.all_facts(ApprovalAsked) if f.proposal.act.kind == "directive"]) == 1


def test_where_two_people_have_to_agree_one_of_them_is_not_enough() -> None:
    desk = Desk(spec(Level.MANUAL).model_copy(update={"approvers": {"ws4": 2}}))
    hold_and_clear(desk)

    assert decide(desk, by="bob").text == "approval-1: bob agrees; 1 more needed"
    assert not desk.said(Directive)
    assert not decide(desk, by="bob").ok
    assert decide(desk, by="cid").ok
    assert [message.rung for message in desk.said(Directive)] == ["normal"]


def test_expired_it_is_asked_again_and_the_restriction_stands() -> None:
    desk = Desk(spec(Level.MANUAL))
    hold_and_clear(desk)

    wait(desk, APPROVAL_S)

    assert [fact.outcome for fact in desk.all_facts(ApprovalEnded)] == ["expired"]
    assert [fact.proposal.id for fact in desk.all_facts(ApprovalAsked)] == ["approval-1", "approval-2"]
    assert not desk.said(Directive)


def test_whatever_changes_what_was_to_be_done_voids_the_proposal() -> None:
    desk = Desk(spec(Level.MANUAL))
    hold_and_clear(desk)

    desk.consider(4, volatile(4), session="s4")

    assert [fact.outcome for fact in desk.all_facts(ApprovalEnded)] == ["void"]
    assert not decide(desk).ok
    assert desk.ledger.directives["ws4/trading"].issued.rung == "paused"


def test_a_supervised_command_goes_out_when_nobody_has_objected_in_time() -> None:
    desk = Desk(spec(Level.SUPERVISED))
    desk.consider(1, model(1))
    assert not commands(desk)
    desk.answer_all()

    wait(desk, VETO_S)

    assert [command.command for command in commands(desk)] == ["update_strategies"]
    assert [command.key for command in commands(desk)] == ["c/1/learning-model-update/4"]


def test_a_command_that_somebody_objects_to_is_not_sent() -> None:
    desk = Desk(spec(Level.SUPERVISED))
    desk.consider(1, model(1))
    desk.answer_all()

    decide(desk, approve=False)
    wait(desk, VETO_S)

    assert not any(fact.workstream == "ws4" for fact in desk.all_facts(CommandIssued))


def test_a_command_by_hand_is_late_by_what_people_take_and_holds_no_round_up() -> None:
    desk = Desk(spec(Level.MANUAL))
    desk.consider(1, model(1))
    desk.answer_all()
    assert desk.ledger.phase.value == "closed"
    desk.consider(2, session="s2")

    decide(desk)

    assert [command.command for command in commands(desk)] == ["update_strategies"]


def test_an_approved_command_is_looked_at_once_more_before_it_is_sent() -> None:
    desk = Desk(spec(Level.MANUAL))
    desk.consider(1, busy(1))
    desk.answer_all()
    desk.consider(2, breach(2))
    desk.answer_all()

    answer = decide(desk)

    assert "it was refused" in answer.text
    assert desk.all_facts(RuleActionRefused)[-1].why == "ws4/trading is paused, which permits only cancel"


@pytest.mark.parametrize("how", ["changed", "removed"])
def test_a_rule_that_is_edited_voids_what_waits_of_it(how: str) -> None:
    desk = Desk(spec(Level.MANUAL))
    desk.consider(1, model(1))
    desk.answer_all()
    if how == "removed":
        order = ChangeRules(about="a", how="remove", by="ann", remove=("learning-model-update",))
    else:
        tells = tuple(tell.model_copy(update={"parameters": {}}) for tell in LEARNING_MODEL_UPDATE.tell)
        order = ChangeRules(
            about="a", how="change", by="ann", put=(LEARNING_MODEL_UPDATE.model_copy(update={"tell": tells}),)
        )
    desk.tell(order, "gateway")

    assert [fact.outcome for fact in desk.all_facts(ApprovalEnded)] == ["void"]
    assert not decide(desk).ok


def test_a_disabled_rule_still_says_what_was_proposed() -> None:
    desk = Desk(spec(Level.MANUAL))
    desk.consider(1, model(1))
    desk.answer_all()

    desk.tell(SwitchRule(about="a", rule="learning-model-update", on=False, by="ann"), "gateway")

    assert decide(desk).ok


def test_what_a_person_orders_needs_no_second_one() -> None:
    desk = Desk(spec(Level.MANUAL))

    desk.tell(RunRule(about="a", rule="market-data-sync", by="ann", payload={"symbol": "AAPL"}), "gateway")

    assert [command.command for command in commands(desk)] == ["update_positions"]
    assert not desk.all_facts(ApprovalAsked)


def test_a_persons_order_lets_nothing_pass_that_it_is_not_about() -> None:
    """A hold on another resource is over at that very moment."""
    hedging = TRADING.model_copy(update={"resource": "ws4/hedging"})
    hold = Hold(resource="ws4/trading", rung="paused", clock=Clock.HUB, for_s=10.0, safety=True)
    rules = (VOLATILITY_PAUSE.model_copy(update={"hold": (hold,)}),)
    desk = Desk(spec(Level.MANUAL, *rules).model_copy(update={"modes": (TRADING, hedging)}))
    desk.consider(1, volatile(1))
    desk.answer_all()
    desk.at += 20.0

    order = ClaimResource(about="a", resource="ws4/hedging", want="paused", by="ann", reason="a test")
    desk.tell(order, "gateway")

    assert [message.resource for message in desk.said(Directive)] == ["ws4/hedging"]
    assert [fact.proposal.act.about for fact in desk.all_facts(ApprovalAsked)] == ["ws4/trading"]


@pytest.mark.parametrize(("level", "goes"), [(Level.SUPERVISED, True), (Level.MANUAL, False)])
def test_a_restriction_that_is_not_for_safety_waits_as_its_level_says(level: Level, goes: bool) -> None:
    calm = VOLATILITY_PAUSE.model_copy(
        update={"hold": (Hold(resource="ws4/trading", rung="paused", for_sessions=5, subject="{symbol}"),)}
    )
    desk = Desk(spec(level, calm))
    desk.consider(1, volatile(1))
    assert not desk.said(Directive)

    wait(desk, VETO_S)

    assert bool(desk.said(Directive)) is goes


def test_a_level_set_by_a_person_counts_from_then_on_and_outlives_the_coordinator() -> None:
    desk = Desk()
    desk.tell(SetLevel(about="a", workstream="ws4", level=Level.MANUAL, by="ann", reason="new desk"), "gateway")
    after = Desk(facts=desk.facts)

    after.consider(1, model(1))

    assert [fact.proposal.act.workstream for fact in after.all_facts(ApprovalAsked)] == ["ws4"]


def test_the_inbox_has_what_waits_and_what_is_held_for_safety_until_a_second_person_agrees() -> None:
    desk = Desk(spec(Level.MANUAL))
    desk.consider(1, breach(1), model(1))
    desk.answer_all()
    claim = next(iter(desk.ledger.claims))
    desk.tell(ReleaseClaim(about="a", claim=claim, by="ann", reason="it was a test"), "gateway")
    desk.tell(AskApprovals(about="told:q1"), "gateway")
    (answer,) = [e.message for e in desk.effects if isinstance(e, Send)]
    assert isinstance(answer, CoordinationDone)

    waiting: Any = answer.result["open"]
    assert [one["id"] for one in waiting] == ["approval-1", f"release:{claim}"]
    assert not decide(desk, f"release:{claim}", by="ann").ok
    assert decide(desk, f"release:{claim}", by="bob").ok
    assert claim not in desk.ledger.claims


# --- deaths -----------------------------------------------------------------------------------------------------------


def go_on(desk: Desk) -> None:
    """Four sessions, with people who agree to everything."""
    for _ in range(8):
        desk.answer_all()
        for id_ in list(desk.ledger.approvals.open):
            decide(desk, id_)
            desk.answer_all()
        if (number := desk.ledger.round + 1) <= 4:
            desk.consider(number, *_events(number), session=f"s{number}")


@pytest.mark.parametrize("level", [Level.SUPERVISED, Level.MANUAL])
def test_dead_after_any_fact_nothing_approved_is_lost_or_done_twice(level: Level) -> None:
    before = Desk(spec(level))
    go_on(before)
    assert len(before.all_facts(ApprovalEnded)) == 2

    for upto in range(1, len(before.facts)):
        after = Desk(spec(level), facts=before.facts[:upto])
        go_on(after)

        issued = [fact.key for fact in after.all_facts(CommandIssued) if fact.workstream == "ws4"]
        assert issued in (["c/4/learning-model-update/4"], ["c/4/learning-model-update/4"] * 2), upto
        assert issued[:1] == issued or _abandoned(after, issued[0]), upto
        assert not after.ledger.approvals.passed, upto
        assert after.ledger.directives["ws4/trading"].issued.rung == "normal", upto


def _abandoned(desk: Desk, key: str) -> bool:
    """Whether the first of two was decided in a round that a death made void: nothing of that was sent."""
    kinds = [fact for fact in desk.facts if isinstance(fact, CommandIssued | RoundAbandoned)]
    first = next(place for place, fact in enumerate(kinds) if isinstance(fact, CommandIssued) and fact.key == key)
    return isinstance(kinds[first + 1], RoundAbandoned)


def _events(number: int) -> tuple[Any, ...]:
    return {1: (breach(1),), 3: (cleared(2),), 4: (model(4),)}.get(number, ())


def test_folding_the_facts_gives_the_live_state() -> None:
    desk = Desk(spec(Level.MANUAL))
    hold_and_clear(desk)
    desk.consider(4, model(4), session="s4")
    desk.answer_all()
    decide(desk)
    decide(desk, "approval-2", approve=False)
    approvals = Approvals()
    for fact in desk.facts:
        if type(fact) in FACTS:
            approvals = folded(approvals, fact)

    assert approvals == desk.ledger.approvals


def test_the_timer_is_set_again_after_a_death() -> None:
    desk = Desk(spec(Level.SUPERVISED))
    desk.consider(1, model(1))
    after = Desk(spec(Level.SUPERVISED), facts=desk.facts, at=desk.at + 1.0)

    wait(after, VETO_S)

    assert [command.command for command in commands(after)] == ["update_strategies"]
    assert isinstance(after.effects[0], Record)
