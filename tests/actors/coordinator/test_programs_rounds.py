"""Claims of programs in lockstep: taken with their round, in order; told last of all; and any mixture of it all."""

import random

import pytest

from alluse_hub.protocols.arbitration import YieldAsked
from alluse_hub.protocols.claims import ClaimEnded, ClaimPlaced
from alluse_hub.protocols.flow import Considered, Present
from alluse_hub.protocols.lifecycle import Started, Woken
from alluse_hub.protocols.program_claims import WORDS_MAX, ProgramAnswered
from alluse_hub.protocols.workstream import CommandReply
from tests.actors.coordinator.claimers import FREE, IN_ROUNDS, Programs, said, withdrawn
from tests.actors.coordinator.worlds import SNAPSHOTS, breach


def test_in_lockstep_words_are_taken_in_order_and_the_round_waits_until_all_have_heard() -> None:
    desk = Programs(IN_ROUNDS)
    desk.consider(1, said("ws1", 4, "b"), said("ws2", 2, "a"), withdrawn("ws2", 3, "none"))

    answered = [(fact.workstream, fact.news.id, fact.news.outcome.value) for fact in desk.said(ProgramAnswered)]
    assert answered == [("ws1", "b", "granted"), ("ws2", "a", "queued"), ("ws2", "none", "refused")]
    assert desk.said(Considered) == []
    desk.hears("ws2")
    assert desk.said(Considered) == []
    desk.hears("ws1")
    (considered,) = desk.said(Considered)
    assert considered.through == {"ws1": 3, "ws2": 3}


def test_they_are_told_when_nothing_else_of_the_round_is_awaited() -> None:
    desk = Programs(IN_ROUNDS)
    desk.consider(1, said("ws3", 4, "b"), breach(1))
    assert desk.news() == []
    desk.answer_all()

    assert [told.workstream for told in desk.ledger.tellings.open.values()] == ["ws3"]
    desk.hears("ws3")
    assert desk.said(Considered)


def test_of_all_that_are_withdrawn_in_the_round_that_places_them_each_is_told() -> None:
    desk = Programs(IN_ROUNDS)
    desk.consider(1, said("ws3", 4, "b"), withdrawn("ws3", 5, "*"))

    assert desk.news() == [("b", "granted"), ("*", "withdrawn"), ("b", "ended")]
    desk.hears("ws3")
    assert desk.ledger.tellings.told == {}


def test_claims_of_a_round_look_at_no_clock() -> None:
    placed = []
    for at in (1_000.0, 2_000.0):
        desk = Programs(IN_ROUNDS, at=at)
        desk.consider(1, said("ws3", 4, "b", sessions=2))
        placed.append([fact.claim for fact in desk.said(ClaimPlaced)])

    assert placed[0] == placed[1]
    assert placed[0][0].since == 0.0


def test_a_bad_word_of_a_round_is_refused_with_what_would_be_right() -> None:
    desk = Programs(IN_ROUNDS)
    desk.consider(1, said("ws3", 4, "b", amuont=2), said("ws3", 5, "c", "ws4/fed"))

    whys = [fact.news.why for fact in desk.said(ProgramAnswered)]
    assert whys[0] == "'amuont' is no key of a claim; did you mean 'amount'?"
    assert whys[1].startswith("'ws4/fed' is no resource; there are ")


def test_the_round_waits_for_what_is_talked_over_in_it() -> None:
    desk = Programs(IN_ROUNDS)
    desk.consider(1, said("ws3", 4, "low", yields="let_go"))
    desk.hears("ws3")
    desk.consider(2, said("ws5", 1, "high"))
    (asked,) = desk.all_facts(YieldAsked)
    assert (asked.round, asked.must) == (2, True)

    desk.tell(CommandReply(key=f"yield/{asked.conflict}", workstream="ws3", ok=True, events_through=9), "ws3")
    assert desk.said(Considered) == []
    assert desk.news("ws3") == [("low", "ended")]
    assert desk.news("ws5") == [("high", "queued"), ("high", "granted")]
    desk.all_hear()
    assert desk.said(Considered)[0].through == {"ws3": 9, "ws5": 3}


def test_so_many_words_of_one_program_are_looked_at_in_a_round() -> None:
    desk = Programs(IN_ROUNDS)
    desk.consider(1, *(withdrawn("ws3", n, f"c{n}") for n in range(1, WORDS_MAX + 11)), said("ws5", 1, "a"))

    answers = desk.said(ProgramAnswered)
    assert [fact.workstream for fact in answers].count("ws3") == WORDS_MAX + 1
    assert "10 more words about claims were not looked at" in answers[-1].news.why
    assert "program:ws5/a" in desk.ledger.claims


def test_a_word_outside_the_lockstep_is_not_taken_twice() -> None:
    desk = Programs()
    desk.consider(1, said("ws3", 4, "b"))

    assert desk.ledger.claims == {}


@pytest.mark.parametrize("seed", range(16))
def test_folding_the_facts_gives_the_live_ledger_and_the_books_balance(seed: int) -> None:
    rng = random.Random(seed)
    desk = Programs(IN_ROUNDS if seed % 2 else FREE)
    number = 0
    for n in range(1, 41):
        match rng.choice(("say", "say", "withdraw", "hear", "wait", "out", "up", "die")):
            case "say" if seed % 2:
                number += 1
                desk.all_hear()
                desk.consider(number, said(rng.choice(("ws3", "ws5")), n, rng.choice("abc"), priority=rng.randrange(5)))
            case "say":
                desk.claims(rng.choice(("ws3", "ws5")), rng.choice("abc"), priority=rng.randrange(5), lease_s=20)
            case "withdraw":
                desk.withdraws(rng.choice(("ws3", "ws5")), rng.choice("abc*"))
            case "hear" if desk.ledger.tellings.open:
                desk.hears(next(iter(desk.ledger.tellings.open.values())).workstream, ok=rng.random() < 0.8)
            case "wait":
                desk.wait(rng.choice((1.0, 30.0)))
                desk.tell(Woken(timer="lapses"), "coordinator")
            case "out" | "up" as presence:
                desk.tell(Present(workstream="ws5", presence=presence), "ws5")
            case "die":
                facts, at, serials = desk.facts, desk.at, desk.serials
                desk = Programs(desk.spec, facts=facts, at=at)
                desk.serials = serials
        assert desk.refolded() == desk.ledger
        assert SNAPSHOTS.validate_json(SNAPSHOTS.dump_json(desk.state)).ledger == desk.ledger
        told = desk.ledger.tellings
        assert len({one.workstream for one in told.open.values()}) == len(told.open)
    placed = len(desk.all_facts(ClaimPlaced))
    assert placed == len(desk.all_facts(ClaimEnded)) + len(desk.ledger.claims)
    desk.tell(Started(incarnation=9))
