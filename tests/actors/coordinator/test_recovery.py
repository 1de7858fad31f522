"""Death of the coordinator at any point: a round is decided afresh if nothing was sent, or goes on."""

import json
from collections.abc import Callable

import pytest

from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.ledger import Ledger, Phase
from alluse_hub.protocols import wire
from alluse_hub.protocols.claims import (
    Claim,
    ClaimEnded,
    ClaimPlaced,
    ConflictClosed,
    ConflictOpened,
    Directive,
    DirectiveIssued,
    Lease,
    Mode,
    PlaceClaim,
    Tier,
    WithdrawClaim,
)
from alluse_hub.protocols.effects import Commit, Send, Wake
from alluse_hub.protocols.flow import Considered
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.rules import CommandIssued, RoundAbandoned, RoundDecided, RuleFired
from alluse_hub.protocols.workstream import Command, CommandReply
from tests.actors.coordinator.worlds import (
    SHIPPED,
    SNAPSHOTS,
    SPEC,
    TRADING,
    Desk,
    breach,
    busy,
    cleared,
    model,
    volatile,
)

CLAIM = Claim(
    id="operator:alice",
    resource="ws4/trading",
    want="reduce_only",
    tier=Tier.OPERATOR,
    holder="alice",
    reason="she said so",
)


def history(desk: Desk, on_letter: Callable[[], None] = lambda: None) -> None:
    """A life in which everything happens once: holds, conflicts, refusals, releases, people, lapses."""
    desk.consider(1, breach(1), busy(1), model(1), session="s1")
    on_letter()
    desk.answer_all()
    desk.tell(PlaceClaim(claim=CLAIM), "gateway")
    on_letter()
    desk.answer_all()
    desk.consider(2, volatile(2), cleared(2), session="s2")
    on_letter()
    desk.answer_all()
    desk.tell(WithdrawClaim(id=CLAIM.id, by="alice", reason="done"), "gateway")
    on_letter()
    desk.answer_all()
    for number in range(3, 11):
        desk.consider(number, *([busy(3)] if number == 4 else []), session=f"s{number}")
        on_letter()
        desk.answer_all()


def settled(ledger: Ledger) -> tuple[object, ...]:
    """What must not depend on where a coordinator was killed: what is in force, and the counts."""
    return (
        {id_: claim.lease for id_, claim in ledger.claims.items()},
        {resource: directed.issued.rung for resource, directed in ledger.directives.items()},
        ledger.tallies,
        ledger.commands,
        ledger.conflicts,
        ledger.conflicts_count,
        ledger.round,
        ledger.phase,
        ledger.session,
        ledger.ordinal,
        ledger.before,
    )


def test_folding_the_facts_gives_the_live_state() -> None:
    desk = Desk()
    history(desk, lambda: assert_equal(desk.refolded(), desk.ledger))

    assert_equal(desk.refolded(), desk.ledger)


def assert_equal(one: object, other: object) -> None:
    assert one == other


def test_a_snapshot_of_the_state_gives_it_back() -> None:
    desk = Desk()

    def check() -> None:
        kept = json.dumps(SNAPSHOTS.dump_python(desk.state, mode="json"))
        assert SNAPSHOTS.validate_json(kept) == desk.state

    history(desk, check)


def test_all_that_is_recorded_and_sent_survives_the_wire() -> None:
    desk = Desk()

    def check() -> None:
        for said in (*desk.facts, *desk.sent()):
            assert wire.decode(wire.kind_of(said), wire.encode(said)) == said

    history(desk, check)


def test_a_snapshot_is_taken_up_under_the_configuration_of_now() -> None:
    desk = Desk()
    desk.consider(1, breach(1))
    changed = SPEC.model_copy(update={"rules": SHIPPED[:2]})
    assert COORDINATOR.restore is not None

    state = COORDINATOR.restore(COORDINATOR.start("coordinator", changed), desk.state)

    assert (state.book.spec, state.ledger) == (changed, desk.ledger)


def test_killed_at_any_fact_the_round_said_again_comes_to_the_same() -> None:
    """The sweep: every prefix of the facts, up to each point of the life, then the same letters once more."""
    whole = Desk()
    history(whole)
    letters = 0

    for cut in range(len(whole.facts) + 1):
        desk = Desk(facts=whole.facts[:cut])
        assert desk.refolded() == desk.ledger
        assert desk.ledger.phase is not Phase.DECIDING
        desk.answer_all()
        history(desk)
        letters += 1
        assert desk.refolded() == desk.ledger
        assert desk.rung == whole.rung
        assert desk.ledger.claims == {}
        assert (desk.ledger.round, desk.ledger.phase, desk.ledger.pending()) == (10, Phase.CLOSED, False)

    assert letters > 60


def test_killed_within_the_deciding_of_a_round_it_is_decided_once() -> None:
    before = Desk()
    before.consider(1, volatile(1), session="s1")
    before.answer_all()
    kept = list(before.facts)
    before.consider(2, breach(2), busy(2), volatile(3, "IBM"), session="s2")
    facts = [fact for fact in before.facts[len(kept) :] if not isinstance(fact, RoundDecided)]
    before.answer_all()

    for cut in range(1, len(facts)):
        desk = Desk(facts=[*kept, *facts[:cut]])
        assert desk.said(RoundAbandoned) == [RoundAbandoned(round=2)]
        assert desk.said(Directive, Command) == []
        desk.consider(2, breach(2), busy(2), volatile(3, "IBM"), session="s2")
        desk.answer_all()

        assert settled(desk.ledger) == settled(before.ledger)


def test_killed_after_the_decision_everything_open_is_said_again_in_the_safe_order() -> None:
    before = Desk()
    before.consider(1, breach(1), session="s1")

    desk = Desk(facts=before.facts)

    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in desk.effects]
    assert kinds.index(Directive) < kinds.index(Commit) < kinds.index(Command)
    assert [m.fence for m in desk.said(Directive)] == [1]
    assert [m.key for m in desk.said(Command)] == [f"c/1/risk-threshold-alert/{n}" for n in (1, 2)]
    timers = [effect.timer.partition(":")[0] for effect in desk.effects if isinstance(effect, Wake)]
    assert sorted(timer for timer in timers if timer != "term") == ["command", "command", "directive"]
    assert [m for m in desk.answer_all() if isinstance(m, Considered)]
    assert len(desk.all_facts(RuleFired)) == 1


def test_killed_between_answers_the_numbers_of_earlier_answers_are_kept() -> None:
    before = Desk()
    before.consider(1, model(1))
    while len(before.ledger.commands) > 1:
        (key, issued) = next(iter(before.ledger.commands.items()))
        before.tell(reply(key, issued.workstream))

    desk = Desk(facts=before.facts)

    (key, issued) = next(iter(desk.ledger.commands.items()))
    desk.tell(reply(key, issued.workstream))
    assert desk.said(Considered)[0].through == {"ws1": 9, "ws2": 9, "ws3": 9, "ws4": 9}


def reply(key: str, workstream: str) -> CommandReply:
    return CommandReply(key=key, workstream=workstream, ok=True, events_through=9)


def test_killed_after_the_last_answer_the_round_is_closed_at_the_start() -> None:
    before = Desk()
    before.consider(1, breach(1))
    before.answer_all()

    desk = Desk(facts=before.facts[:-1])

    assert desk.said(Considered) == [Considered(round=1, through={"ws1": 7, "ws5": 7})]


@pytest.mark.parametrize("kept", [3, 4, 5])  # the first two are the term and the set of rules
def test_a_persons_claim_that_was_recorded_is_carried_out_after_a_death(kept: int) -> None:
    before = Desk()
    before.tell(PlaceClaim(claim=CLAIM), "gateway")

    desk = Desk(facts=before.facts[:kept])

    assert [message.rung for message in desk.said(Directive)] == ["reduce_only"]


def test_a_conflict_left_open_by_a_death_is_closed_by_what_is_in_force() -> None:
    before = Desk()
    before.consider(1, breach(1), session="s1")
    before.answer_all()
    before.tell(PlaceClaim(claim=CLAIM.model_copy(update={"want": "normal"})), "gateway")
    facts: list[Fact] = []
    for fact in before.facts:
        facts.append(fact)
        if isinstance(fact, ConflictOpened):
            break

    desk = Desk(facts=facts)

    (closed,) = desk.said(ConflictClosed)
    assert closed.winner == "rule:risk-threshold-alert@ws4/trading:drawdown/gen"
    assert desk.ledger.conflicts == {}


def test_leases_of_the_hubs_clock_that_ran_out_meanwhile_lapse_at_the_start() -> None:
    before = Desk()
    before.tell(PlaceClaim(claim=CLAIM.model_copy(update={"lease": Lease(until=50.0)})), "gateway")
    before.answer_all()

    early, late = Desk(facts=before.facts, at=49.0), Desk(facts=before.facts, at=51.0)

    assert Wake("lapses", 1.0) in early.effects
    assert [fact.how for fact in late.said(ClaimEnded)] == ["lapsed"]
    assert late.rung == "normal"


def test_claims_and_directives_on_what_the_configuration_no_longer_has_end() -> None:
    before = Desk()
    before.consider(1, volatile(1))
    other = Mode(resource="ws5/models", rungs=TRADING.rungs)

    desk = Desk(SPEC.model_copy(update={"modes": (other,)}), facts=before.facts)

    assert [(fact.how, fact.by) for fact in desk.said(ClaimEnded)] == [("withdrawn", "configuration")]
    assert desk.said(Considered)
    assert desk.said(Directive) == []


def test_a_rung_that_the_configuration_no_longer_has_is_left_for_one_that_it_has() -> None:
    before = Desk()
    before.consider(1, volatile(1))
    fewer = TRADING.model_copy(update={"rungs": TRADING.rungs[:2], "fail_safe": ""})

    desk = Desk(SPEC.model_copy(update={"modes": (fewer,), "rules": SHIPPED[:1]}), facts=before.facts)

    assert [(m.rung, m.fence) for m in desk.said(Directive)] == [("normal", 2)]


def test_no_fact_of_a_life_says_what_the_clock_said() -> None:
    """Market leases and rules do not look at hub time, so two runs decide the same whatever the machine was doing."""
    early, late = Desk(at=0.0), Desk(at=12_345.6)
    history(early)
    history(late)

    assert list(map(timeless, early.facts)) == list(map(timeless, late.facts))


def timeless(fact: Fact) -> Fact:
    """Without when a person did what it is about: people look at clocks."""
    match fact:
        case ClaimPlaced(claim=claim) if claim.tier is Tier.OPERATOR:
            return fact.model_copy(update={"claim": claim.model_copy(update={"since": 0.0})})
        case ClaimEnded(by="alice") | DirectiveIssued():
            return fact.model_copy(update={"at": 0.0})
        case _:
            return fact


def test_the_sweep_covers_every_kind_of_fact() -> None:
    desk = Desk()
    history(desk)
    kinds = {type(fact) for fact in desk.facts}

    assert {ClaimPlaced, ClaimEnded, ConflictOpened, DirectiveIssued, CommandIssued, RoundDecided} <= kinds
