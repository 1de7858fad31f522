"""Rules in time over lives: dying anywhere changes nothing, and the facts are all that is needed."""

import random
from typing import Any

import pytest

from alluse_hub.actors.coordinator import timing
from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.deadlines import DUE
from alluse_hub.protocols.effects import Commit, Record
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.rules import RuleFired, RuleUndecided
from alluse_hub.protocols.windows import WindowClosed
from tests.actors.coordinator.timed import HOLD, Timed, rule
from tests.actors.coordinator.worlds import SNAPSHOTS, event

RULES = (
    rule(true_for="10s", hold=(HOLD,), keep="15s"),
    rule(id="many", when='count(ws2.risk, "20s", where(level > 0.5), by(scope), partial()) > 2', cooldown="30s"),
    rule(id="silent", when="age(ws3.tick) > 12", every="7s", once_per=""),
    rule(id="mean", when='avg(ws2.risk.level, "3 sessions", partial()) > 0.6', once_per="", true_for="1 session"),
)


def lived(seed: int, *, deaths: bool) -> Timed:
    """Rules in time over random events; with ``deaths`` the coordinator dies somewhere in most of its letters."""
    dice, fate = random.Random(seed), random.Random(seed) if deaths else None
    desk, at = Timed(*RULES), 0.0
    for number in range(1, 36):
        at += dice.choice((0.5, 1.0, 3.0, 9.0))
        while desk.due is not None and desk.due <= at:
            desk = mortal(desk, desk.due, Woken(timer=DUE), fate)
        desk.round = number
        events = [
            event("ws2", number * 3 + k, "risk", scope=dice.choice("ab"), level=dice.choice((0.2, 0.9, 0.9, "x")))
            for k in range(dice.randrange(3))
        ]
        events += [event("ws3", number, "tick")] if dice.random() < 0.3 else []
        desk = mortal(desk, at, (number, tuple(events), f"s{number // 6}"), fate)
    return desk


def mortal(desk: Timed, at: float, word: Any, fate: random.Random | None) -> Timed:
    while True:
        kept = list(desk.facts)
        desk.at = at
        if isinstance(word, Woken):
            desk.due = None
            effects = desk.tell(word)
        else:
            effects = desk.consider(word[0], *word[1], session=word[2])
        if fate is None or fate.random() < 0.5:
            desk.answer_all()
            return desk
        cut = fate.randrange(len(effects) + 1)
        kept += [e.fact for e in effects[:cut] if isinstance(e, Record | Commit)]
        desk = Timed(*RULES, facts=kept, at=at)
        if isinstance(word, Woken) and (desk.due is None or desk.due > at):
            desk.answer_all()
            return desk  # it was met before the death


def decisions(desk: Timed) -> list[Any]:
    return [(fact.rule, fact.event, fact.why) for fact in desk.all_facts(RuleFired)]


@pytest.mark.parametrize("seed", range(8))
def test_dying_anywhere_changes_nothing_that_is_decided(seed: int) -> None:
    calm, rough = lived(seed, deaths=False), lived(seed, deaths=True)

    assert calm.ledger.timing.standings == rough.ledger.timing.standings
    assert calm.ledger.timing.tables == rough.ledger.timing.tables
    assert set(decisions(calm)) == set(decisions(rough))
    assert {claim.id for claim in calm.ledger.claims.values()} == {claim.id for claim in rough.ledger.claims.values()}


@pytest.mark.parametrize("seed", range(4))
def test_folding_the_facts_gives_the_live_ledger_and_so_does_a_snapshot(seed: int) -> None:
    desk = lived(seed, deaths=False)

    assert desk.refolded() == desk.ledger
    fresh = COORDINATOR.start("coordinator", desk.spec)
    assert COORDINATOR.restore is not None
    told = SNAPSHOTS.dump_json(COORDINATOR.restore(fresh, desk.state))
    assert COORDINATOR.restore(fresh, SNAPSHOTS.validate_json(told)).ledger == desk.ledger


@pytest.mark.parametrize("seed", range(3))
def test_unknown_never_fires(seed: int) -> None:
    """Whatever the rule, its event had what the condition asks for, and a reason that shows it."""
    desk = lived(seed, deaths=False)
    fired = [fact for fact in desk.all_facts(RuleFired) if fact.rule == "high"]
    undecided = {fact.event for fact in desk.all_facts(RuleUndecided) if fact.rule == "high"}

    assert fired
    assert undecided
    assert [fact.why for fact in fired if "(level = 0.9)" not in fact.why] == []
    assert {fact.event for fact in fired} & undecided == set()


def test_every_fact_of_time_is_folded() -> None:
    kinds = {type(fact) for seed in range(3) for fact in lived(seed, deaths=False).facts}

    assert timing.FACTS - kinds <= {WindowClosed, *(k for k in timing.FACTS if "Keys" in k.__name__)}
