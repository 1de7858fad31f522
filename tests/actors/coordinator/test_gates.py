"""Who has to agree: orders of people over what was proposed, two people for loosening, and rules left less to
themselves than their workstream."""

from typing import Any

import pytest

from alluse_hub.protocols.approvals import (
    APPROVAL_S,
    VETO_S,
    ApprovalAsked,
    ApprovalEnded,
    AskApprovals,
    DecideApproval,
    Level,
)
from alluse_hub.protocols.arbitration import TWO_PEOPLE_S, ClaimResource, LoweringEnded, ReleaseClaim
from alluse_hub.protocols.claims import ClaimEnded, ClaimPlaced, Clock, Directive
from alluse_hub.protocols.effects import Wake
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.rules import CommandIssued, CoordinatorSpec, Hold, Rule
from alluse_hub.protocols.ruleset import CoordinationDone, RunRule
from tests.actors.coordinator.worlds import LEARNING_MODEL_UPDATE, SPEC, VOLATILITY_PAUSE, Desk, model, volatile

SOFT = VOLATILITY_PAUSE.model_copy(
    update={"hold": (Hold(resource="ws4/trading", rung="paused", clock=Clock.HUB, until_cleared=True),)}
)
"""A hold that is not for safety."""


def spec(level: Level, *rules: Rule, approvers: int = 1) -> CoordinatorSpec:
    return SPEC.model_copy(update={"levels": {"ws4": level}, "rules": rules, "approvers": {"ws4": approvers}})


def say(desk: Desk, order: Any) -> CoordinationDone:
    desk.tell(order, "gateway")
    (told,) = desk.said(CoordinationDone)
    assert isinstance(told, CoordinationDone)
    return told


def claim(desk: Desk, by: str, want: str, **how: Any) -> CoordinationDone:
    return say(desk, ClaimResource(about="a", resource="ws4/trading", want=want, by=by, reason="she said so", **how))


def release(desk: Desk, by: str, id_: str) -> CoordinationDone:
    return say(desk, ReleaseClaim(about="a", claim=id_, by=by, reason="it is over"))


def agree(desk: Desk, id_: str, by: str, *, approve: bool = True) -> CoordinationDone:
    return say(desk, DecideApproval(about="a", id=id_, by=by, reason="seen", approve=approve))


def wait(desk: Desk, seconds: float) -> None:
    desk.at += seconds
    desk.tell(Woken(timer="approvals"))


def run(desk: Desk) -> None:
    say(desk, RunRule(about="a", rule="volatility-pause", by="ann", reason="now", payload={"symbol": "AAPL"}))


def rungs(desk: Desk) -> list[str]:
    return [message.rung for message in desk.said(Directive)]


# --- an order of a person waits for nobody ----------------------------------------------------------------------------


@pytest.mark.parametrize("rejected", [False, True], ids=["proposed", "rejected"])
def test_a_rule_run_by_hand_does_what_was_proposed_or_rejected(rejected: bool) -> None:
    desk = Desk(spec(Level.MANUAL, SOFT))
    desk.consider(1, volatile(1), session="s1")
    assert (rungs(desk), desk.rung) == ([], "normal")
    if rejected:
        agree(desk, "approval-1", "bob", approve=False)

    run(desk)

    assert rungs(desk) == ["paused"]
    assert (desk.ledger.approvals.open, desk.ledger.approvals.rejected) == ({}, {})


@pytest.mark.parametrize("order", ["refused", "half"])
def test_an_order_that_is_refused_or_half_given_lets_nothing_pass(order: str) -> None:
    desk = Desk(spec(Level.MANUAL, SOFT))
    desk.at = 100.0
    claim(desk, "ann", "paused", safety=True, for_s=50.0)
    desk.answer_all()
    desk.at = 200.0
    desk.tell(Woken(timer="lapses"))
    assert list(desk.ledger.approvals.open) == ["approval-1"]

    if order == "refused":
        assert not claim(desk, "bob", "sideways").ok
    else:
        say(desk, ReleaseClaim(about="a", claim="nothing", by="bob", reason="r"))

    assert rungs(desk) == []
    assert list(desk.ledger.approvals.open) == ["approval-1"]


# --- two people for loosening -----------------------------------------------------------------------------------------


def held_by_a_rule(approvers: int, level: Level = Level.SUPERVISED) -> Desk:
    desk = Desk(spec(level, SOFT, approvers=approvers))
    desk.at = 100.0
    desk.consider(1, volatile(1), session="s1")
    if level is Level.SUPERVISED:
        wait(desk, VETO_S)
    else:
        for by in ("bob", "carl")[:approvers]:
            agree(desk, "approval-1", by)
    desk.answer_all()
    assert desk.rung == "paused"
    return desk


@pytest.mark.parametrize("level", [Level.SUPERVISED, Level.MANUAL])
def test_where_two_have_to_agree_nobody_loosens_alone_what_another_holds(level: Level) -> None:
    desk = held_by_a_rule(2, level)
    answer = claim(desk, "ann", "normal")
    (waiting,) = desk.ledger.approvals.open.values()

    assert rungs(desk) == []
    assert answer.text.endswith(f"; {waiting.id} waits until 1 more agree to it")
    assert (waiting.by, waiting.needs) == ("ann", 1)
    assert not agree(desk, waiting.id, "Ann").ok
    assert agree(desk, waiting.id, "bob").ok
    assert rungs(desk) == ["normal"]


def test_where_one_is_enough_a_persons_word_loosens_at_once() -> None:
    desk = held_by_a_rule(1)
    claim(desk, "ann", "normal")

    assert rungs(desk) == ["normal"]


def test_what_restricts_waits_for_no_second_one() -> None:
    desk = Desk(spec(Level.MANUAL, SOFT, approvers=2))
    claim(desk, "ann", "paused")

    assert rungs(desk) == ["paused"]


def test_ones_own_hold_ends_at_ones_own_word() -> None:
    desk = Desk(spec(Level.MANUAL, SOFT, approvers=2))
    desk.at = 100.0
    claim(desk, "ann", "paused")
    desk.answer_all()
    claim(desk, "ann", "reduce_only")
    assert rungs(desk) == ["reduce_only"]
    desk.answer_all()

    release(desk, "ann", "ws4/trading")

    assert rungs(desk) == ["normal"]


def test_anothers_hold_ends_by_two() -> None:
    desk = Desk(spec(Level.MANUAL, SOFT, approvers=2))
    desk.at = 100.0
    claim(desk, "ann", "paused")
    desk.answer_all()
    desk.at += 60.0

    release(desk, "bob", "operator:ann@ws4/trading")
    assert rungs(desk) == []
    agree(desk, "approval-1", "carl")

    assert rungs(desk) == ["normal"]


def test_two_who_have_agreed_for_safety_are_two() -> None:
    desk = Desk(spec(Level.MANUAL, VOLATILITY_PAUSE, approvers=2))
    desk.at = 100.0
    desk.consider(1, volatile(1), session="s1")
    desk.answer_all()
    id_ = next(iter(desk.ledger.claims))
    release(desk, "ann", id_)
    assert rungs(desk) == []

    release(desk, "bob", id_)

    assert rungs(desk) == ["normal"]


# --- in time ----------------------------------------------------------------------------------------------------------


def test_the_word_of_the_first_of_two_leaves_the_inbox_when_its_time_is_over() -> None:
    desk = Desk(spec(Level.AUTONOMOUS, VOLATILITY_PAUSE))
    desk.at = 100.0
    desk.consider(1, volatile(1), session="s1")
    desk.answer_all()
    release(desk, "ann", next(iter(desk.ledger.claims)))
    assert Wake("approvals", TWO_PEOPLE_S) in desk.effects

    wait(desk, TWO_PEOPLE_S)

    assert [fact.how for fact in desk.said(LoweringEnded)] == ["expired"]
    assert say(desk, AskApprovals(about="a")).result["open"] == []


def test_what_nobody_answers_is_asked_again_as_graver() -> None:
    desk = held_by_a_rule(1, Level.MANUAL)
    desk.tell(Woken(timer="lapses"))
    id_ = next(iter(desk.ledger.claims))
    claim(desk, "ann", "paused")
    desk.answer_all()
    assert id_ in desk.ledger.claims
    desk = Desk(spec(Level.MANUAL, SOFT))
    desk.consider(1, volatile(1), session="s1")
    grades = [next(iter(desk.ledger.approvals.open.values())).grade]
    for _ in range(4):
        wait(desk, APPROVAL_S)
        grades.append(next(iter(desk.ledger.approvals.open.values())).grade)

    assert grades == [1, 2, 3, 4, 4]
    assert {fact.outcome for fact in desk.all_facts(ApprovalEnded)} == {"expired"}


# --- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_ws", "of_rule", "stricter"),
    [
        (Level.AUTONOMOUS, Level.MANUAL, Level.MANUAL),
        (Level.AUTONOMOUS, None, None),
        (Level.MANUAL, Level.AUTONOMOUS, Level.MANUAL),
        (Level.SUPERVISED, Level.MANUAL, Level.MANUAL),
        (Level.SUPERVISED, None, Level.SUPERVISED),
    ],
)
def test_of_the_levels_of_a_workstream_and_of_a_rule_the_stricter_counts(
    of_ws: Level, of_rule: Level | None, stricter: Level | None
) -> None:
    hold = SOFT.model_copy(update={"level": of_rule})
    tell = LEARNING_MODEL_UPDATE.model_copy(update={"level": of_rule, "tell": LEARNING_MODEL_UPDATE.tell[-1:]})
    desk = Desk(spec(of_ws, hold, tell))
    desk.consider(1, volatile(1), model(1), session="s1")

    asked = [(fact.proposal.act.kind, fact.proposal.level) for fact in desk.all_facts(ApprovalAsked)]
    assert asked == ([] if stricter is None else [("directive", stricter), ("command", stricter)])
    assert (len(desk.said(Directive)), len(desk.all_facts(CommandIssued))) == ((0, 0) if asked else (1, 1))


def test_what_a_rule_holds_is_loosened_as_that_rule_says() -> None:
    """Though nothing of it is in the ruling any more."""
    own = SOFT.model_copy(
        update={
            "level": Level.SUPERVISED,
            "hold": (Hold(resource="ws4/trading", rung="paused", clock=Clock.HUB, for_s=50.0, safety=True),),
        }
    )
    desk = Desk(spec(Level.AUTONOMOUS, own))
    desk.at = 100.0
    desk.consider(1, volatile(1), session="s1")
    assert rungs(desk) == ["paused"]
    desk.answer_all()
    desk.at = 200.0
    desk.tell(Woken(timer="lapses"))

    assert rungs(desk) == []
    agree(desk, "approval-1", "ann")
    assert rungs(desk) == ["normal"]


def test_of_two_numbers_of_approvers_the_larger_counts() -> None:
    desk = Desk(spec(Level.MANUAL, SOFT.model_copy(update={"approvers": 3}), approvers=2))
    desk.consider(1, volatile(1), session="s1")

    assert [fact.proposal.needs for fact in desk.all_facts(ApprovalAsked)] == [3]


# --- what takes the place of a claim ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_death_while_one_claim_takes_the_place_of_another_lowers_nothing(cut: int) -> None:
    desk = Desk(spec(Level.AUTONOMOUS, SOFT))
    claim(desk, "ann", "paused")
    desk.answer_all()
    before = len(desk.facts)
    claim(desk, "ann", "paused", safety=True)
    assert [type(fact) for fact in desk.facts[before : before + 2]] == [ClaimEnded, ClaimPlaced]

    later = Desk(desk.spec, desk.facts[: before + cut])

    assert later.rung == "paused"
    assert list(later.ledger.claims) == ["operator:ann@ws4/trading"]
    assert later.refolded() == later.ledger
