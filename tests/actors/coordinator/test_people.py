"""What people claim, release, override and decide: alone, and where it takes two."""

import pytest

from alluse_hub.actors.coordinator.flapping import latch_id
from alluse_hub.protocols.arbitration import (
    COOLING_S,
    ESCALATION_S,
    OVERRIDE_MAX_S,
    TWO_PEOPLE_S,
    Escalated,
    LoweringAsked,
    LoweringEnded,
    OverrideFloor,
)
from alluse_hub.protocols.claims import ClaimEnded, ConflictClosed, ConflictsShown, Directive, Lease, ResourceShown
from alluse_hub.protocols.effects import Commit, Send
from alluse_hub.protocols.rules import RulesShown
from tests.actors.coordinator.desks import People
from tests.actors.coordinator.worlds import breach, cleared

RISK = "rule:risk-threshold-alert@ws4/trading:drawdown/gen"


@pytest.fixture
def desk() -> People:
    desk = People()
    desk.consider(1, session="s1")
    return desk


@pytest.fixture
def held(desk: People) -> People:
    """With a hold for safety on trading."""
    desk.consider(2, breach(1), session="s1")
    desk.answer_all()
    return desk


def shown(desk: People, resource: str) -> ResourceShown:
    """As the board was told of it last."""
    found: ResourceShown | None = None
    for message in desk.sent("board"):
        if isinstance(message, RulesShown):
            found = next(one for one in message.resources if one.resource == resource)
    assert found is not None
    return found


# --- one person ------------------------------------------------------------------------------------------------------


def test_a_person_claims_for_a_time_and_is_told_what_is_in_force(desk: People) -> None:
    answer = desk.claim("alice", want="paused", for_s=60.0)

    assert (answer.ok, desk.rung) == (True, "paused")
    assert answer.text.startswith("granted: ws4/trading is paused for 60 s more: alice holds it")
    assert desk.ledger.claims["operator:alice@ws4/trading"].lease == Lease(until=1_060.0)


def test_a_person_releases_her_own_claim_by_its_resource(desk: People) -> None:
    desk.claim("alice", want="paused", safety=True)
    answer = desk.release("alice", "ws4/trading")

    assert (answer.ok, desk.rung) == (True, "normal")
    assert answer.text == "released: ws4/trading is normal: nobody claims otherwise."


@pytest.mark.parametrize(
    ("resource", "how", "text"),
    [
        ("ws4/tradng", {"want": "paused"}, "'ws4/tradng' is no resource; there are "),
        ("ws4/trading", {"want": "stopped"}, "ws4/trading has no rung 'stopped'; it has normal, reduce_only, paused"),
        ("ws4/broker", {"amount": 3}, "ws4/broker has 2 in all, and 3 are asked for"),
        ("ws4/limit", {"want": "much"}, "'much' is no number, as ws4/limit has to be"),
        ("ws4/broker", {"safety": True}, "ws4/broker has no rungs to be held at for safety; claim it without"),
    ],
)
def test_what_cannot_be_claimed_is_refused_with_what_would_be_right(
    desk: People, resource: str, how: dict[str, object], text: str
) -> None:
    answer = desk.claim("alice", resource, **how)  # type: ignore[arg-type]  # fields of several kinds

    assert not answer.ok
    assert answer.text.startswith(text)


def test_releasing_what_is_not_there_is_refused(desk: People) -> None:
    assert desk.release("alice", "ws4/trading").text == (
        "no claim 'ws4/trading' is live; `resources` lists those that are"
    )


# --- C8: a hold, and its release by another --------------------------------------------------------------------------


def test_a_hold_is_not_released_by_another_before_it_has_cooled(desk: People) -> None:
    desk.claim("alice", want="paused")
    desk.wait(10.0)
    early = desk.release("bob", "operator:alice@ws4/trading")
    met = desk.met()
    desk.wait(COOLING_S - 10.0)
    late = desk.release("bob", "operator:alice@ws4/trading")

    assert (early.ok, early.text) == (False, "alice placed it 10 s ago; another may release it in 20 s")
    assert met == [("C8", "hold stands", "operator:alice@ws4/trading")]
    assert (late.ok, desk.met(), desk.rung) == (True, [], "normal")


def test_a_claim_for_less_by_an_equal_within_the_cooling_time_is_a_contradiction(desk: People) -> None:
    desk.claim("alice", want="paused")
    desk.wait(5.0)
    desk.claim("bob", want="normal")

    assert desk.met() == [("C8", "claim waits", "operator:alice@ws4/trading")]
    assert desk.rung == "paused"


def test_a_hold_soon_after_anothers_release_goes_into_force_and_is_told(desk: People) -> None:
    desk.claim("alice", want="paused")
    desk.release("alice", "ws4/trading")
    desk.wait(COOLING_S - 1)
    desk.claim("bob", want="paused")

    assert desk.met() == [("C8", "hold stands", "operator:bob@ws4/trading")]
    assert desk.rung == "paused"


def test_nobody_contradicts_herself_and_time_cools(desk: People) -> None:
    desk.claim("alice", want="paused")
    desk.release("alice", "ws4/trading")
    desk.claim("alice", want="paused")
    assert desk.met() == []

    desk.release("alice", "ws4/trading")
    desk.wait(COOLING_S)
    desk.claim("bob", want="paused")
    assert desk.met() == []


# --- two people ------------------------------------------------------------------------------------------------------


def test_a_safety_hold_is_released_by_two_people_and_by_no_one_alone(held: People) -> None:
    first = held.release("alice", RISK)
    assert (first.ok, held.rung) == (True, "paused")
    assert first.text == "asked: a second person has to ask for the same within 15 minutes"
    assert shown(held, "ws4/trading").asks == (
        f"alice asks to release {RISK}, because it is over; a second person has to agree.",
    )
    again = held.release("alice", RISK)
    assert (again.ok, again.text) == (False, "alice has asked already; the second has to be somebody else")

    second = held.release("bob", RISK)

    assert second.text == f"{RISK} is released by alice and bob"
    (ended,) = held.said(ClaimEnded)
    assert (ended.how, ended.by, ended.why) == ("released", "alice and bob", "it is over; it is over")
    assert held.rung == "normal"
    assert held.ledger.docket.lowerings == {}


@pytest.mark.parametrize("second", ["alice ", "Alice", " ALICE"])
def test_the_same_name_written_otherwise_is_no_second_person(held: People, second: str) -> None:
    held.release("alice", RISK)

    assert not held.release(second, RISK).ok
    assert held.rung == "paused"


def test_a_word_on_a_hold_does_not_lower_the_one_that_is_placed_anew_in_its_place(held: People) -> None:
    held.release("alice", RISK)
    held.wait(1.0)
    held.consider(3, cleared(2), breach(3), session="s2")
    held.answer_all()

    assert held.release("bob", RISK).text.startswith("asked:")
    assert held.rung == "paused"
    held.release("alice", RISK)
    assert held.rung == "normal"


def test_an_override_lowers_nothing_that_was_placed_between_the_two_words(held: People) -> None:
    held.override("alice")
    held.wait(1.0)
    held.consider(3, breach(2, scope="rev"), session="s2")
    held.answer_all()

    held.override("bob")

    assert held.rung == "paused"


def test_the_release_goes_out_behind_the_commit(held: People) -> None:
    held.release("alice", RISK)
    held.release("bob", RISK)

    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in held.effects]
    assert kinds.index(Commit) < kinds.index(Directive)


def test_the_word_of_the_first_is_kept_for_a_quarter_of_an_hour(held: People) -> None:
    held.release("alice", RISK)
    held.wait(TWO_PEOPLE_S)
    held.release("bob", RISK)

    assert [fact.how for fact in held.said(LoweringEnded)] == ["expired"]
    assert [fact.by for fact in held.said(LoweringAsked)] == ["bob"]
    assert held.rung == "paused"


def test_what_was_asked_about_a_claim_that_ends_is_over(held: People) -> None:
    held.release("alice", RISK)
    held.consider(3, cleared(2), session="s2")

    assert held.ledger.docket.lowerings == {}


def test_an_override_lowers_the_floor_for_a_time_and_no_longer(held: People) -> None:
    held.override("alice", for_s=600.0)
    assert held.rung == "paused"
    answer = held.override("bob", for_s=60.0)

    assert answer.text.startswith("ws4/trading is normal for 60 s more: alice and bob holds it, two people override")
    assert f"{'risk-threshold-alert (drawdown/gen)'} wants paused and loses: two people override it." in answer.text
    assert held.rung == "normal"
    assert held.met() == [("C1", "claim prevails", "override:ws4/trading")]

    held.wait(60.0)
    held.wake("lapses")
    assert held.rung == "paused"


def test_an_override_lowers_what_there_was_and_nothing_that_comes_later(held: People) -> None:
    held.override("alice")
    held.override("bob")
    held.answer_all()
    held.consider(3, breach(2, scope="rev"), session="s2")

    assert held.rung == "paused"


def test_an_override_says_nothing_of_a_hold_that_is_placed_anew_under_the_same_id(held: People) -> None:
    held.override("alice")
    held.override("bob")
    held.answer_all()
    held.consider(3, cleared(2), session="s2")
    held.answer_all()
    held.consider(4, breach(3), session="s3")

    assert held.rung == "paused"


def test_an_override_is_ended_by_one_person(held: People) -> None:
    held.override("alice")
    held.override("bob")
    held.answer_all()
    held.release("carol", "override:ws4/trading")

    assert held.rung == "paused"


def test_an_override_is_for_an_hour_at_most() -> None:
    with pytest.raises(ValueError, match="less than or equal to 3600"):
        OverrideFloor(about="a", resource="r/x", rung="normal", for_s=OVERRIDE_MAX_S + 1, by="alice", reason="x")


def test_where_nothing_is_held_there_is_nothing_to_override(desk: People) -> None:
    assert desk.override("alice").text == "nothing is held for safety above normal on ws4/trading"


# --- decided by people -----------------------------------------------------------------------------------------------


def test_where_people_decide_the_most_restrictive_is_in_force_until_they_do(desk: People) -> None:
    desk.place("night", "ws4/route", "reduce_only")
    verdict = desk.place("day", "ws4/route", "normal")

    assert verdict.outcome == "needs_ruling"
    assert (desk.met(), desk.rung_of("ws4/route")) == ([("C1", "", "")], "reduce_only")
    (asked,) = desk.said(Escalated)
    assert asked.choices == ("night", "day")
    (board,) = desk.said(ConflictsShown)
    assert [(one.question != "", one.choices) for one in board.open] == [(True, ("night", "day"))]

    answer = desk.decide("alice", "conflict-1", "day")

    assert answer.text == "conflict-1 is decided for day"
    assert [(fact.outcome, fact.winner) for fact in desk.said(ConflictClosed)] == [("decided", "day")]
    assert desk.rung_of("ws4/route") == "normal"


def test_the_most_restrictive_wish_is_in_force_whoever_would_go_first(desk: People) -> None:
    desk.place("day", "ws4/route", "normal", priority=9)
    desk.place("night", "ws4/route", "paused", tier="sync")

    assert (desk.met(), desk.rung_of("ws4/route")) == ([("C1", "", "")], "paused")


def test_a_decision_stands_as_long_as_its_claim(desk: People) -> None:
    desk.place("night", "ws4/route", "reduce_only")
    desk.place("day", "ws4/route", "normal", lease=Lease(until=1_100.0))
    desk.decide("alice", "conflict-1", "day")
    desk.wait(100.0)
    desk.wake("lapses")

    assert desk.rung_of("ws4/route") == "reduce_only"
    assert desk.ledger.docket.favoured == {}


def test_people_who_do_not_decide_are_asked_again_as_a_graver_matter_and_nothing_loosens(desk: People) -> None:
    desk.place("night", "ws4/route", "reduce_only")
    desk.place("day", "ws4/route", "normal")
    for _ in range(10):
        desk.wait(ESCALATION_S)
        desk.wake("people:conflict-1")

    assert [fact.grade for fact in desk.all_facts(Escalated)] == [1, 2, 3, 4]
    assert (desk.open_conflicts(), desk.rung_of("ws4/route")) == (["conflict-1"], "reduce_only")


@pytest.mark.parametrize(
    ("conflict", "choice", "text"),
    [
        ("conflict-9", "day", "conflict-9 is not open; `conflicts` lists those that are"),
        ("conflict-1", "dusk", "'dusk' is none of what conflict-1 is between: night, day"),
    ],
)
def test_only_what_is_asked_is_decided(desk: People, conflict: str, choice: str, text: str) -> None:
    desk.place("night", "ws4/route", "reduce_only")
    desk.place("day", "ws4/route", "normal")

    answer = desk.decide("alice", conflict, choice)

    assert (answer.ok, answer.text) == (False, text)


def test_a_conflict_of_which_one_side_is_gone_is_over(desk: People) -> None:
    desk.place("night", "ws4/route", "reduce_only", lease=Lease(until=1_010.0))
    desk.place("day", "ws4/route", "normal")
    desk.wait(10.0)
    desk.wake("lapses")

    assert [(fact.outcome, fact.winner) for fact in desk.said(ConflictClosed)] == [("over", "day")]
    assert desk.rung_of("ws4/route") == "normal"


def test_a_person_decides_who_has_a_mutex(desk: People) -> None:
    desk.place("first", "ws4/lock")
    verdict = desk.place("second", "ws4/lock")
    assert (verdict.outcome, verdict.position, desk.met()) == ("queued", 1, [("C2", "", "")])

    desk.decide("alice", "conflict-1", "second")

    assert list(desk.ledger.docket.granted) == ["second"]
    assert "first" not in desk.ledger.claims


# --- flapping --------------------------------------------------------------------------------------------------------


def test_a_rung_that_people_turn_again_and_again_is_latched_until_two_release_it(desk: People) -> None:
    for turn in range(7):
        if turn % 2:
            desk.release("alice", "ws4/trading")
        else:
            desk.claim("alice", want="paused")
        desk.wait(1.0)
    assert desk.rung == "paused"
    assert desk.met() == [("C5", "", "")]

    desk.release("alice", "ws4/trading")
    assert desk.rung == "paused"

    desk.release("alice", latch_id("ws4/trading"))
    assert desk.rung == "paused"
    desk.release("bob", latch_id("ws4/trading"))

    assert desk.rung == "normal"
    assert desk.open_conflicts() == []


def test_turns_that_are_far_apart_are_no_flapping(desk: People) -> None:
    for turn in range(20):
        if turn % 2:
            desk.release("alice", "ws4/trading")
        else:
            desk.claim("alice", want="paused")
        desk.wait(15.0)

    assert latch_id("ws4/trading") not in desk.ledger.claims
