"""Approvals: who has to agree to what, what silence means, and that nothing is done twice or unasked."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.coordinator.approvals import (
    Approvals,
    decided,
    digest_of,
    due,
    folded,
    is_asked_for,
    next_due,
    proposed,
)
from alluse_hub.protocols.approvals import (
    APPROVAL_S,
    VETO_S,
    Act,
    ApprovalEnded,
    Level,
    Proposal,
    Sense,
)
from alluse_hub.protocols.message import Fact


def act(sense: Sense = Sense.LOOSENS, *, is_safety: bool = False, **content: Any) -> Act:
    said = {"kind": "directive", "about": "ws4/trading", "workstream": "ws4", "text": "t"}
    return Act.model_validate({**said, "sense": sense, "is_safety": is_safety, "content": content})


def asked(level: Level = Level.MANUAL, sense: Sense = Sense.LOOSENS, needs: int = 1) -> Approvals:
    fact = proposed(Approvals(), act(sense), level, "ann", 10.0)
    return folded(Approvals(), fact.model_copy(update={"proposal": fact.proposal.model_copy(update={"needs": needs})}))


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "sense", "is_safety", "asks", "silence"),
    [
        (Level.AUTONOMOUS, Sense.RESTRICTS, False, False, ""),
        (Level.AUTONOMOUS, Sense.NEUTRAL, False, False, ""),
        (Level.AUTONOMOUS, Sense.LOOSENS, False, False, ""),
        (Level.SUPERVISED, Sense.RESTRICTS, True, False, ""),
        (Level.SUPERVISED, Sense.RESTRICTS, False, True, "unopposed"),
        (Level.SUPERVISED, Sense.NEUTRAL, False, True, "unopposed"),
        (Level.SUPERVISED, Sense.NEUTRAL, True, True, "unopposed"),
        (Level.SUPERVISED, Sense.LOOSENS, False, True, "expired"),
        (Level.SUPERVISED, Sense.LOOSENS, True, True, "expired"),
        (Level.MANUAL, Sense.RESTRICTS, True, False, ""),
        (Level.MANUAL, Sense.RESTRICTS, False, True, "expired"),
        (Level.MANUAL, Sense.NEUTRAL, False, True, "expired"),
        (Level.MANUAL, Sense.LOOSENS, False, True, "expired"),
        (Level.MANUAL, Sense.LOOSENS, True, True, "expired"),
    ],
)
def test_what_each_level_asks_and_what_silence_means(
    level: Level, sense: Sense, is_safety: bool, asks: bool, silence: str
) -> None:
    wanted = act(sense, is_safety=is_safety)
    assert is_asked_for(level, wanted) is asks
    if not asks:
        return
    approvals = folded(Approvals(), proposed(Approvals(), wanted, level, "rule", 10.0))

    when = 10.0 + (VETO_S if silence == "unopposed" else APPROVAL_S)
    assert next_due(approvals) == when
    assert list(due(approvals, when - 0.001)) == []
    assert [fact.outcome for fact in due(approvals, when)] == [silence]


@pytest.mark.parametrize(
    ("by", "approve", "digest", "at", "why"),
    [
        ("ann", True, "", 11.0, "nobody approves what they have asked for themselves"),
        ("bob", True, "abc", 11.0, "is not what you have seen"),
        ("bob", True, "", 10.0 + APPROVAL_S, "its time has passed"),
        ("bob", False, "", 10.0 + APPROVAL_S, "its time has passed"),
    ],
)
def test_what_nobody_can_decide(by: str, approve: bool, digest: str, at: float, why: str) -> None:
    answer = decided(asked(), "approval-1", by, "r", at, approve=approve, digest=digest)

    assert isinstance(answer, str)
    assert why in answer


def test_whoever_asked_may_take_it_back() -> None:
    facts = decided(asked(), "approval-1", "ann", "no more", 11.0, approve=False)

    assert facts == [ApprovalEnded(id="approval-1", outcome="rejected", by="ann", why="no more")]


def test_two_people_are_two_different_ones() -> None:
    approvals = asked(needs=2)
    for fact in _facts(decided(approvals, "approval-1", "bob", "yes", 11.0, approve=True)):
        approvals = folded(approvals, fact)

    again = decided(approvals, "approval-1", "bob", "yes, yes", 12.0, approve=True)
    second = _facts(decided(approvals, "approval-1", "cid", "me too", 12.0, approve=True))

    assert again == "bob has agreed already; approval-1 needs somebody else as well"
    assert second[-1] == ApprovalEnded(id="approval-1", outcome="approved", by="bob, cid", why="me too")


def test_what_is_over_is_told_with_its_outcome_and_what_never_was_with_what_there_is() -> None:
    approvals = folded(asked(), ApprovalEnded(id="approval-1", outcome="rejected", by="bob", why="no"))

    assert decided(approvals, "approval-1", "cid", "r", 12.0, approve=True) == "approval-1 is over: rejected by bob"
    assert decided(asked(), "approval-9", "cid", "r", 12.0, approve=True) == (
        "'approval-9' waits for nobody; there are approval-1"
    )


def _facts(answer: list[Fact] | str) -> list[Fact]:
    assert not isinstance(answer, str), answer
    return answer


@given(st.dictionaries(st.text(max_size=3), st.integers()), st.dictionaries(st.text(max_size=3), st.integers()))
def test_any_change_of_an_act_is_another_digest(one: dict[str, int], other: dict[str, int]) -> None:
    first, second = act().model_copy(update={"content": one}), act().model_copy(update={"content": other})

    assert (digest_of(first) == digest_of(second)) is (one == other)
    assert digest_of(first) == digest_of(first.model_copy(update={"text": "in other words"}))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(Level), st.sampled_from(Sense), st.sampled_from("ab")),
        st.tuples(st.just("yes"), st.integers(1, 4), st.sampled_from("abc"), st.just("")),
        st.tuples(st.just("no"), st.integers(1, 4), st.sampled_from("abc"), st.just("")),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 2.0, 900.0]), st.just(""), st.just("")),
    ),
    max_size=25,
)


@given(STEPS)
def test_nothing_passes_that_loosens_by_silence_or_by_its_own_asker(steps: list[tuple[Any, Any, Any, Any]]) -> None:
    approvals, at = Approvals(), 0.0
    asked_ids: list[Proposal] = []
    ends: list[ApprovalEnded] = []
    for kind, one, other, third in steps:
        facts: list[Fact] = []
        match kind:
            case "ask" if is_asked_for(one, act(other)):
                facts = [proposed(approvals, act(other, n=len(asked_ids)), one, third, at)]
                asked_ids.append(facts[0].proposal)  # type: ignore[attr-defined]  # the one just made
            case "yes" | "no":
                answer = decided(approvals, f"approval-{one}", other, "r", at, approve=kind == "yes")
                facts = [] if isinstance(answer, str) else answer
            case "wait":
                at += one
                facts = list(due(approvals, at))
        for fact in facts:
            approvals = folded(approvals, fact)
            ends += [fact] if isinstance(fact, ApprovalEnded) else []

    assert len({end.id for end in ends}) == len(ends), "each ends once"
    assert {p.id for p in asked_ids} == {end.id for end in ends} | set(approvals.open), "and none is lost"
    by_id = {proposal.id: proposal for proposal in asked_ids}
    for end in ends:
        proposal = by_id[end.id]
        assert end.outcome != "approved" or proposal.by not in end.by.split(", ")
        assert end.outcome != "unopposed" or (proposal.level, proposal.act.sense) in {
            (Level.SUPERVISED, Sense.RESTRICTS),
            (Level.SUPERVISED, Sense.NEUTRAL),
        }
        assert (end.id in approvals.passed) is (end.outcome in {"approved", "unopposed"})
