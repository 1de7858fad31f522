"""Epochs: each life says it once to every monitor; P8, that nothing an earlier life said is done after that."""

import random

import pytest

from alluse_hub.protocols.arbitration import StandDown, StoodDown, TermBegun
from alluse_hub.protocols.claims import ConflictOpened, Directive, DirectiveAck
from alluse_hub.protocols.effects import Wake
from alluse_hub.protocols.flow import Present
from alluse_hub.protocols.lifecycle import Started, Woken
from tests.actors.coordinator.desks import People
from tests.actors.coordinator.worlds import Desk, Program, breach, cleared


def met(desk: Desk, ws: str = "ws4") -> list[int]:
    """The epochs that it is told when it is there."""
    desk.tell(Present(workstream=ws, presence="up"), ws)
    return [word.epoch for word in desk.said(StandDown)]


def test_each_life_has_an_epoch_above_all_earlier_ones() -> None:
    first = Desk()
    second = Desk(facts=first.facts)

    assert [fact.epoch for fact in second.all_facts(TermBegun)] == [1, 2]
    assert second.ledger.docket.epoch == 2


def test_a_monitor_is_told_when_it_shows_and_once() -> None:
    desk = Desk()
    assert met(desk) == [1]
    desk.tell(StoodDown(workstream="ws4", epoch=1), "ws4")

    assert met(desk) == []


def test_it_is_said_again_until_it_is_answered() -> None:
    desk = Desk()
    met(desk)
    pauses = []
    for _ in range(12):
        desk.tell(Woken(timer="term:ws4"), "coordinator")
        assert desk.said(StandDown)
        pauses += [e.after_s for e in desk.effects if isinstance(e, Wake) and e.timer == "term:ws4"]

    assert (pauses[0], pauses[-1]) == (1.0, 300.0)


def test_every_directive_carries_the_epoch() -> None:
    desk = Desk(facts=Desk().facts)
    desk.consider(1, breach(1))

    assert [directive.epoch for directive in desk.said(Directive)] == [2]


def test_a_monitor_that_knows_a_higher_epoch_has_the_term_begin_again_above_it() -> None:
    desk = Desk()
    met(desk)
    desk.tell(StoodDown(workstream="ws4", epoch=7), "ws4")

    assert [fact.epoch for fact in desk.said(TermBegun)] == [8]
    assert [word.epoch for word in desk.said(StandDown)] == [8]
    assert [fact.klass for fact in desk.said(ConflictOpened)] == ["C7"]


def test_a_workstream_that_has_seen_a_higher_fence_is_a_conflict_of_authority() -> None:
    desk = Desk()
    desk.consider(1, breach(1))
    desk.tell(DirectiveAck(resource="ws4/trading", fence=1, outcome="stale", seen=40), "ws4")

    assert [fact.klass for fact in desk.said(ConflictOpened)] == ["C7"]
    assert [directive.fence for directive in desk.said(Directive)] == [41]


def test_a_claim_made_under_an_earlier_epoch_is_refused() -> None:
    desk = People(facts=People().facts)
    verdict = desk.place("step", "ws4/strategy", "v1", epoch=1)

    assert (verdict.outcome, verdict.klass) == ("refused", "C7")
    assert verdict.why == "it was made under epoch 1, and this is epoch 2"
    assert desk.met() == [("C7", "claim refused", "")]


@pytest.mark.parametrize("seed", range(100))
def test_nothing_that_an_earlier_life_said_is_done_after_the_next_one_stood_it_down(seed: int) -> None:
    """P8: letters of several lives, each lost, doubled, late or overtaken, to a program that keeps the highest."""
    rng = random.Random(seed)
    program = Program("ws4")
    desk = Desk()
    mail: list[Directive | StandDown] = []
    facts = desk.facts
    for life in range(4):
        desk = Desk(facts=facts, at=float(life))
        mail += [StandDown(epoch=desk.ledger.docket.epoch), *desk.said(Directive)]
        for number in range(life * 3 + 1, life * 3 + 4):
            desk.consider(number, rng.choice((breach(number), cleared(number))), session=f"s{number}")
            mail += desk.said(Directive)
            desk.answer_all()
        facts = desk.facts

    post = [letter for letter in mail for _ in range(rng.choice((0, 1, 1, 2)))]
    rng.shuffle(post)
    for letter in post:
        before, epoch = list(program.applied), program.epoch
        program.hear(letter)
        if isinstance(letter, Directive) and letter.epoch < epoch:
            assert program.applied == before
    assert program.applied == sorted(set(program.applied))


def test_a_restart_of_the_same_life_in_a_test_does_not_repeat_an_epoch() -> None:
    desk = Desk()
    desk.tell(Started(incarnation=1))

    assert desk.ledger.docket.epoch == 2


def test_a_claim_that_names_no_epoch_is_taken() -> None:
    desk = People(facts=People().facts)

    assert desk.place("step", "ws4/strategy", "v1").outcome == "granted"
