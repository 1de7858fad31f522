"""Claims of programs: what they may claim as, in which order, what ends them, and what their programs are told."""

import random
from typing import Any

import pytest

from alluse_hub.protocols.approvals import Level, SetLevel
from alluse_hub.protocols.claims import (
    ClaimEnded,
    ClaimPlaced,
    Directive,
    PlaceClaim,
)
from alluse_hub.protocols.effects import Commit, Send
from alluse_hub.protocols.flow import Present
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.program_claims import (
    LIVE_MAX,
    LIVE_OF_ALL_MAX,
    ClaimsHeard,
    ClaimsTold,
    Outcome,
    ProgramAnswered,
    claim_of,
    lease_of,
    words_of,
)
from alluse_hub.protocols.workstream import Command
from tests.actors.coordinator.claimers import RIGHTS, Programs
from tests.actors.coordinator.worlds import breach


@pytest.fixture
def desk() -> Programs:
    return Programs()


# --- by their monitors -----------------------------------------------------------------------------------------------


def test_a_grant_is_told_to_monitor_and_program_behind_a_commit(desk: Programs) -> None:
    verdict = desk.claims("ws5", "gpu")

    assert (verdict.outcome, verdict.serial, verdict.fence) == ("granted", 1, 1)
    (command,) = [message for message in desk.sent("ws5") if isinstance(message, Command)]
    assert command.command == "claims_told"
    assert command.parameters["claims"] == [{"id": "gpu", "outcome": "granted", "why": verdict.why, "fence": 1}]
    kinds = [type(e) for e in desk.effects if isinstance(e, Commit) or (isinstance(e, Send) and e.to == "ws5")]
    assert kinds == [Commit, Send, Send]


def test_a_word_said_again_is_answered_again_and_not_done_again(desk: Programs) -> None:
    first = desk.claims("ws5", "gpu")
    again = desk.claims("ws5", "gpu", serial=1)

    assert again == first
    assert desk.said(ProgramAnswered, ClaimPlaced, ClaimsTold) == []


def test_a_word_that_was_overtaken_is_passed_over(desk: Programs) -> None:
    desk.claims("ws5", "gpu")
    desk.withdraws("ws5", "gpu")
    words = words_of({"claim": {"resource": "ws4/feed", "reason": "late"}})
    assert not isinstance(words, str)
    claim = claim_of(words, "ws5", "gpu", rights=RIGHTS["ws5"], event="ws5#1", lease=lease_of(words, 0.0))
    desk.tell(PlaceClaim(claim=claim, serial=1), "ws5")

    assert desk.effects == ()
    assert desk.ledger.claims == {}


def test_a_withdrawal_may_take_back_the_claim_of_its_own_number_and_not_the_other_way_round(desk: Programs) -> None:
    desk.claims("ws5", "gpu", serial=4)
    assert desk.withdraws("ws5", "gpu", serial=4).outcome == "granted"
    assert desk.ledger.claims == {}


def test_what_it_does_not_have_cannot_be_withdrawn_and_it_is_told_what_it_has(desk: Programs) -> None:
    desk.claims("ws5", "gpu")
    verdict = desk.withdraws("ws5", "gpv")

    assert (verdict.outcome, verdict.why) == ("refused", "no claim 'gpv' of ws5 is live; there are gpu")


def test_all_of_one_program_are_withdrawn_and_nobody_elses(desk: Programs) -> None:
    desk.claims("ws5", "a")
    desk.claims("ws5", "b", "ws4/broker")
    desk.claims("ws3", "c", "ws4/broker")
    desk.withdraws("ws5", "*")

    assert list(desk.ledger.claims) == ["program:ws3/c"]


def test_a_claim_may_last_longer_and_never_shorter(desk: Programs) -> None:
    desk.claims("ws5", "gpu", lease_s=60)
    desk.wait(10.0)
    desk.claims("ws5", "gpu", lease_s=60)
    assert desk.ledger.claims["program:ws5/gpu"].lease.until == 1_070.0
    desk.claims("ws5", "gpu", lease_s=1)
    assert desk.ledger.claims["program:ws5/gpu"].lease.until == 1_070.0


# --- what they may claim as ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged",
    [
        {"id": "operator:alice@ws4/feed"},
        {"id": "program:ws3/gpu"},
        {"holder": "alice"},
        {"tier": "operator"},
        {"tier": "rule"},
        {"tier": "schedule"},
    ],
)
def test_nobody_claims_in_anothers_name_or_as_more_than_configured(desk: Programs, forged: dict[str, str]) -> None:
    base = {"id": "program:ws5/gpu", "resource": "ws4/feed", "tier": "workflow", "holder": "ws5", "reason": "x"}
    word = PlaceClaim.model_validate({"claim": {**base, **forged}, "serial": 1})

    verdict = desk.say("ws5", word)

    assert verdict.outcome == "refused"
    assert "its own id, as workflow" in verdict.why
    assert desk.ledger.claims == {}


def test_for_safety_only_where_it_is_configured_and_then_two_people_lower_it(desk: Programs) -> None:
    assert desk.claims("ws3", "stop", "ws4/trading", want="paused", safety=True).outcome == "refused"
    assert desk.claims("ws5", "stop", "ws4/trading", want="paused", safety=True).outcome == "granted"

    desk.release("alice", "program:ws5/stop")
    assert desk.rung == "paused"
    assert desk.release("bob", "program:ws5/stop").ok
    assert desk.rung == "normal"


def test_no_priority_takes_a_program_before_people_or_rules_or_below_the_floor(desk: Programs) -> None:
    desk.claim("alice", want="paused")
    desk.claims("ws5", "go", "ws4/trading", want="normal", priority=1_000)
    assert desk.rung == "paused"

    desk.release("alice", "ws4/trading")
    desk.consider(1, breach(1))
    assert desk.rung == "paused"
    assert desk.claims("ws5", "go", "ws4/trading", want="normal", priority=999).outcome != "granted"
    assert desk.rung == "paused"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_programs_claim_people_and_safety_are_never_below_what_they_hold(seed: int) -> None:
    rng = random.Random(seed)
    desk = Programs()
    rungs = [rung.name for rung in desk.state.book.modes["ws4/trading"].rungs]
    held = ""
    for number in range(1, 25):
        match rng.choice(("program", "program", "withdraw", "alice", "breach")):
            case "program":
                words: dict[str, Any] = {"want": rng.choice(rungs), "priority": rng.randrange(1_000)}
                desk.claims(rng.choice(("ws3", "ws5")), rng.choice("ab"), "ws4/trading", **words)
            case "withdraw":
                desk.withdraws(rng.choice(("ws3", "ws5")), rng.choice("ab"))
            case "alice":
                held = rng.choice(rungs[1:])
                desk.claim("alice", want=held)
            case "breach":
                desk.consider(number, breach(number))
                desk.answer_all()
        floor = max((rungs.index(c.want) for c in desk.ledger.claims.values() if c.safety), default=0)
        alices = rungs.index(held) if held else 0
        assert rungs.index(desk.rung_of("ws4/trading")) >= max(floor, alices)
        if held and floor <= alices:
            assert desk.rung_of("ws4/trading") == held


def test_a_withdrawal_by_a_program_is_no_order_of_a_person(desk: Programs) -> None:
    desk.claims("ws5", "calm", "ws4/trading", want="paused")
    desk.answer_all()
    desk.ask(SetLevel(about="a", workstream="ws4", level=Level.MANUAL, by="alice", reason="care"))
    desk.withdraws("ws5", "calm")

    assert desk.said(Directive) == []  # loosening waits for people
    assert desk.rung == "paused"


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_so_many_claims_of_one_program_live(desk: Programs) -> None:
    for n in range(LIVE_MAX):
        assert desk.claims("ws5", f"c{n}").outcome in {"granted", "queued"}
    assert desk.claims("ws5", "more").why == f"{LIVE_MAX} of its claims are live; withdraw one first"
    assert desk.claims("ws5", "c0").outcome == "granted"  # one that lives may last longer


def test_so_many_of_all_programs_live_and_people_still_find_room(desk: Programs) -> None:
    outcomes = [desk.claims(ws, f"c{n}").outcome for ws in ("ws1", "ws2", "ws3", "ws5") for n in range(LIVE_MAX)]

    assert len(desk.ledger.claims) == LIVE_OF_ALL_MAX
    assert outcomes[-1] == "refused"
    assert desk.claim("alice", want="paused").ok


# --- told later ------------------------------------------------------------------------------------------------------


def test_a_queued_claim_is_told_when_it_is_granted_and_the_other_when_it_ends(desk: Programs) -> None:
    desk.claims("ws5", "gpu", lease_s=5)
    assert desk.claims("ws3", "gpu").outcome == "queued"
    assert desk.news("ws3") == [("gpu", "queued")]
    desk.all_hear()

    desk.wait(6.0)
    desk.tell(Woken(timer="lapses"), "coordinator")
    assert desk.news("ws3") == [("gpu", "granted")]
    (ended,) = [each for fact in desk.said(ClaimsTold) if fact.workstream == "ws5" for each in fact.news]
    assert (ended.outcome, ended.how) == (Outcome.ENDED, "lapsed")


def test_a_person_that_releases_it_is_named(desk: Programs) -> None:
    desk.claims("ws5", "gpu")
    desk.all_hear()
    desk.release("alice", "program:ws5/gpu")

    ((news,),) = [fact.news for fact in desk.said(ClaimsTold)]
    assert (news.outcome, news.how, news.why) == (Outcome.ENDED, "withdrawn", "withdrawn by alice: it is over")


def test_one_is_told_at_a_time_and_what_comes_up_meanwhile_is_in_the_next(desk: Programs) -> None:
    desk.claims("ws5", "gpu")
    desk.claims("ws5", "seat", "ws4/broker")
    desk.withdraws("ws5", "gpu")
    assert [told.key for told in desk.ledger.tellings.open.values()] == ["c/0/claims/ws5/1"]

    desk.hears("ws5")
    assert desk.news() == [("seat", "granted"), ("gpu", "withdrawn")]


def test_one_that_ends_before_its_program_has_heard_of_it_is_told_as_ended(desk: Programs) -> None:
    desk.claims("ws5", "seat", "ws4/broker")
    desk.claims("ws5", "gpu")
    desk.release("alice", "program:ws5/gpu")

    desk.hears("ws5")
    assert desk.news() == [("gpu", "granted"), ("gpu", "ended")]
    desk.hears("ws5")
    assert desk.ledger.tellings.told == {"program:ws5/seat": Outcome.GRANTED}
    assert desk.ledger.tellings.ended == {}


def test_what_it_did_not_take_in_comes_again_with_what_is_told_next(desk: Programs) -> None:
    desk.claims("ws5", "gpu")
    desk.hears("ws5", ok=False, error="no answer within its deadline")
    desk.claims("ws5", "seat", "ws4/broker")

    assert desk.news() == [("gpu", "granted"), ("seat", "granted")]


def test_what_nobody_was_there_to_hear_is_told_when_somebody_is(desk: Programs) -> None:
    desk.tell(Present(workstream="ws5", presence="up"), "ws5")
    desk.claims("ws5", "rung", "ws4/trading", want="paused")
    desk.tell(Present(workstream="ws5", presence="out"), "ws5")
    assert [fact.ok for fact in desk.said(ClaimsHeard)] == [False]

    desk.tell(Present(workstream="ws5", presence="up"), "ws5")
    assert desk.news() == [("rung", "granted")]


def test_a_program_that_does_not_know_the_command_is_not_told_again_and_again(desk: Programs) -> None:
    desk.claims("ws5", "gpu")
    desk.hears("ws5", ok=False, error="not a command")

    assert desk.ledger.tellings.open == {}
    assert desk.news() == []


def test_it_is_said_again_and_given_up_in_the_end(desk: Programs) -> None:
    desk.claims("ws5", "gpu")
    pauses = []
    while told := next(iter(desk.ledger.tellings.open.values()), None):
        desk.wake(f"told:{told.key}")
        pauses += [after for timer, after in desk.timers().items() if timer.startswith("told")]

    assert pauses == [10.0, 20.0, 40.0]
    assert [fact.error for fact in desk.said(ClaimsHeard)] == ["no answer after 4 tries"]


def test_a_new_coordinator_goes_on_telling(desk: Programs) -> None:
    desk.claims("ws5", "gpu")
    next_life = Programs(facts=desk.facts)

    assert [m.key for m in next_life.sent("ws5") if isinstance(m, Command)] == ["c/0/claims/ws5/1"]
    assert next_life.ledger.claims.keys() == desk.ledger.claims.keys()


# --- out -------------------------------------------------------------------------------------------------------------


def test_of_a_workstream_that_is_out_what_it_takes_ends_and_what_it_says_stands(desk: Programs) -> None:
    desk.claims("ws5", "gpu")
    desk.claims("ws5", "calm", "ws4/trading", want="paused")
    desk.claims("ws3", "gpu")
    desk.tell(Present(workstream="ws5", presence="out"), "ws5")

    assert [fact.id for fact in desk.said(ClaimEnded)] == ["program:ws5/gpu"]
    assert list(desk.ledger.docket.granted) == ["program:ws3/gpu"]
    assert desk.rung == "paused"
    assert desk.claims("ws5", "new").why == "ws5 is out, so it uses nothing"
