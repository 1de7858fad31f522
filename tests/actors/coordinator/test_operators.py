"""What people claim and withdraw."""

from typing import Any

import pytest

from alluse_hub.actors.coordinator.claiming import CLAIMS_MAX
from alluse_hub.protocols.claims import (
    Claim,
    ClaimEnded,
    ClaimExtended,
    ClaimPlaced,
    ClaimVerdict,
    Directive,
    Lease,
    PlaceClaim,
    WithdrawClaim,
)
from alluse_hub.protocols.effects import CancelWake, Commit, Send, Wake
from alluse_hub.protocols.lifecycle import Woken
from tests.actors.coordinator.worlds import Desk, breach


@pytest.fixture
def desk() -> Desk:
    desk = Desk(at=100.0)
    desk.consider(1, session="s1")
    return desk


def claim(want: str = "paused", **how: Any) -> Claim:
    usual = {"id": "operator:alice", "resource": "ws4/trading", "tier": "operator", "holder": "alice"}
    return Claim.model_validate({**usual, "want": want, "reason": "venue maintenance", **how})


def place(desk: Desk, want: str = "paused", **how: Any) -> ClaimVerdict:
    desk.tell(PlaceClaim(claim=claim(want, **how)), "gateway")
    return verdict(desk)


def withdraw(desk: Desk, id_: str = "operator:alice") -> ClaimVerdict:
    desk.tell(WithdrawClaim(id=id_, by="alice", reason="done"), "gateway")
    return verdict(desk)


def verdict(desk: Desk) -> ClaimVerdict:
    (answer,) = [e.message for e in desk.effects if isinstance(e, Send) and e.to == "gateway"]
    assert isinstance(answer, ClaimVerdict)
    return answer


def test_a_pause_by_a_person_goes_out_at_once_and_is_granted(desk: Desk) -> None:
    answer = place(desk)

    assert answer.outcome == "granted"
    assert answer.why == (
        "ws4/trading is paused until it is withdrawn: alice holds it, it goes first among the claims, "
        "because venue maintenance."
    )
    assert not any(isinstance(effect, Commit) for effect in desk.effects)
    assert len(desk.said(Directive)) == 1


def test_withdrawing_loosens_behind_a_commit_and_the_answer_comes_after_it(desk: Desk) -> None:
    place(desk)
    desk.answer_all()
    answer = withdraw(desk)

    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in desk.effects]
    assert kinds.index(Commit) < kinds.index(Directive) < kinds.index(ClaimVerdict)
    assert answer.outcome == "granted"
    assert desk.said(ClaimEnded)[0].by == "alice"
    assert desk.rung == "normal"


def test_placed_again_the_same_claim_is_one(desk: Desk) -> None:
    place(desk)
    answer = place(desk)

    assert answer.outcome == "granted"
    assert len(desk.all_facts(ClaimPlaced)) == 1


def test_a_claim_of_another_shape_replaces_the_one_of_its_id(desk: Desk) -> None:
    place(desk)
    place(desk, "reduce_only")

    assert [fact.how for fact in desk.said(ClaimEnded)] == ["replaced"]
    assert desk.rung == "reduce_only"


def test_a_lease_on_the_hubs_clock_ends_by_a_timer(desk: Desk) -> None:
    place(desk, lease=Lease(until=160.0))
    assert Wake("lapses", 60.0) in desk.effects
    desk.at = 130.0
    place(desk, lease=Lease(until=190.0))
    assert desk.said(ClaimExtended)
    assert Wake("lapses", 60.0) in desk.effects

    desk.at = 190.0
    desk.tell(Woken(timer="lapses"))

    assert [fact.how for fact in desk.said(ClaimEnded)] == ["lapsed"]
    assert desk.rung == "normal"


def test_the_timer_of_leases_is_cancelled_when_none_is_left(desk: Desk) -> None:
    place(desk, lease=Lease(until=160.0))
    withdraw(desk)

    assert CancelWake("lapses") in desk.effects


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"resource": "ws4/gone"}, "'ws4/gone' is no resource; there are ws4/trading"),
        ({"want": "frozen"}, "ws4/trading has no rung 'frozen'; it has normal, reduce_only, paused"),
        ({"tier": "rule"}, "rules place their own claims; claim as operator, with an id of your own"),
        ({"id": "rule:x@ws4/trading"}, "rules place their own claims; claim as operator, with an id of your own"),
        ({"lease": Lease(until=99.0)}, "its lease is over already; give a later end"),
    ],
)
def test_what_cannot_be_claimed_is_refused_with_what_would_be_right(desk: Desk, how: dict[str, Any], why: str) -> None:
    answer = place(desk, **how)

    assert (answer.outcome, answer.why) == ("refused", why)
    assert desk.ledger.claims == {}


def test_claims_are_bounded(desk: Desk) -> None:
    for n in range(CLAIMS_MAX):
        place(desk, id=f"operator:{n}", resource="ws4/trading")

    assert place(desk, id="operator:more").outcome == "refused"


def test_withdrawing_what_is_not_there_is_refused(desk: Desk) -> None:
    assert withdraw(desk).why == "no claim 'operator:alice' is live"


def test_no_single_person_lifts_a_safety_hold_of_a_rule(desk: Desk) -> None:
    desk.consider(2, breach(1))

    answer = withdraw(desk, "rule:risk-threshold-alert@ws4/trading:drawdown/gen")

    assert answer.outcome == "refused"
    assert "no single person lifts it" in answer.why
    assert desk.rung == "paused"


def test_a_hold_for_safety_is_lifted_by_nobody_else_alone(desk: Desk) -> None:
    place(desk, id="operator:bob", holder="bob", safety=True)

    assert withdraw(desk, "operator:bob").why == "operator:bob is a safety hold of bob; nobody else lifts it alone"
    assert desk.rung == "paused"


def test_nobody_takes_the_place_of_somebody_elses_claim(desk: Desk) -> None:
    place(desk, id="operator:bob", holder="bob", safety=True)

    answer = place(desk, "normal", id="operator:bob")

    assert (answer.outcome, desk.rung) == ("refused", "paused")
    assert answer.why == "operator:bob is a claim of bob; take an id of your own"
