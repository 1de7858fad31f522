"""A coordinator in a world of lost, doubled and overtaken letters, silent monitors and its own deaths, by seed."""

from collections import Counter
from functools import cache

import pytest

from alluse_hub.actors.coordinator.arbiter import in_force
from alluse_hub.actors.coordinator.ledger import Phase
from alluse_hub.actors.coordinator.rounds import FIRINGS_MAX
from alluse_hub.protocols.claims import (
    ClaimEnded,
    ClaimPlaced,
    ConflictClosed,
    ConflictOpened,
    DirectiveIssued,
)
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.rules import (
    CommandIssued,
    RoundAbandoned,
    RoundClosed,
    RoundOpened,
    RuleActionDone,
    RuleCurbed,
    RuleFired,
)
from tests.actors.coordinator.worlds import TRADING, Desk, World, volatile

SEEDS = range(40)
ROUNDS = 12
STEPS_MAX = 20_000


def without_the_abandoned(facts: list[Fact]) -> list[Fact]:
    """The facts that hold: those of a round that was cut short are void."""
    held: list[Fact] = []
    for fact in facts:
        if isinstance(fact, RoundAbandoned):
            while not isinstance(held.pop(), RoundOpened):
                pass
        else:
            held.append(fact)
    return held


@cache
def run(seed: int) -> World:
    """Play until every round is considered and nothing is awaited, checking the floor and the fence on the way."""
    world = World(seed, ROUNDS)
    fence = 0
    for step in range(STEPS_MAX):
        ledger = world.desk.ledger
        assert step % 20 or ledger == world.desk.refolded(), "folding the facts gives the live state"
        ruling = in_force(TRADING, ledger.claims.values(), world.desk_now)
        assert all(
            TRADING.height(ruling.rung) >= TRADING.height(claim.want)
            for claim in ledger.claims.values()
            if claim.safety
        )
        told = ledger.directives.get("ws4/trading")
        if told is not None:
            assert told.issued.fence >= fence, "a fence never goes back"
            assert told.issued.rung == ruling.rung, "what was told is what is in force"
            fence = told.issued.fence
        if world.shown is None and ledger.phase is Phase.CLOSED and world.is_obeyed:
            return world
        if not world.step():
            break
    raise AssertionError(f"seed {seed}: round {world.round} never ended; {world.desk.ledger}")


@pytest.mark.parametrize("seed", SEEDS)
def test_every_round_is_considered_once_and_the_books_balance(seed: int) -> None:
    world = run(seed)

    facts = without_the_abandoned(world.desk.facts)
    assert world.considered == list(range(1, ROUNDS + 1))
    assert Counter(f.round for f in facts if isinstance(f, RoundClosed)) == Counter(range(1, ROUNDS + 1))
    placed = Counter(f.claim.id for f in facts if isinstance(f, ClaimPlaced))
    ended = Counter(f.id for f in facts if isinstance(f, ClaimEnded))
    assert placed - ended == Counter(list(world.desk.ledger.claims))
    assert not ended - placed
    opened = Counter(f.id for f in facts if isinstance(f, ConflictOpened))
    assert opened == Counter(f.id for f in facts if isinstance(f, ConflictClosed))
    assert set(opened.values()) <= {1}
    keys = Counter(f.key for f in facts if isinstance(f, CommandIssued))
    assert keys == Counter(f.key for f in facts if isinstance(f, RuleActionDone))
    assert set(keys.values()) <= {1}
    fences = [f.fence for f in facts if isinstance(f, DirectiveIssued)]
    assert fences == sorted(set(fences))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_workstream_ends_where_the_coordinator_wants_it_and_its_fence_never_went_back(seed: int) -> None:
    world = run(seed)

    program = world.programs["ws4"]
    assert program.rung == world.desk.rung
    assert program.applied == sorted(set(program.applied))


def test_the_worlds_are_not_tame() -> None:
    """The seeds reach what they are meant to reach."""
    worlds = [run(seed) for seed in SEEDS]

    assert sum(world.incarnation - 1 for world in worlds) > 20
    assert sum(len(world.desk.all_facts(RoundAbandoned)) for world in worlds) > 1
    assert sum(len(world.desk.all_facts(ConflictOpened)) for world in worlds) > 20
    assert any(not fact.ok for world in worlds for fact in world.desk.all_facts(RuleActionDone))


def test_a_storm_of_ten_thousand_equal_alerts_makes_one_claim_one_directive_and_bounded_work() -> None:
    desk = Desk()

    desk.consider(1, *(volatile(n) for n in range(1, 10_001)), session="s1")

    assert len(desk.all_facts(ClaimPlaced)) == 1
    assert len(desk.all_facts(DirectiveIssued)) == 1
    assert len(desk.all_facts(RuleFired)) == FIRINGS_MAX
    assert [fact.skipped for fact in desk.all_facts(RuleCurbed)] == [10_000 - FIRINGS_MAX]
    assert desk.all_facts(ConflictOpened) == []
