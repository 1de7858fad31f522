"""C5 and P7: what a rule does comes round to it, and is stopped; storms make one claim and bounded work."""

import random
from collections import Counter

import pytest

from alluse_hub.actors.coordinator.cycles import DEPTH_MAX, chain_of
from alluse_hub.actors.coordinator.docket import FLAPS_MAX
from alluse_hub.actors.coordinator.flapping import latch_id
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import ClaimPlaced, Clock, ConflictOpened, Directive, DirectiveIssued
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.rules import (
    CommandIssued,
    CoordinatorSpec,
    Hold,
    Release,
    Rule,
    RuleFired,
    RuleStopped,
    Tell,
)
from alluse_hub.protocols.workstream import Command
from tests.actors.coordinator.worlds import TRADING, WORKSTREAMS, Desk, event

BRIEF = Hold(resource="ws4/trading", rung="paused", clock=Clock.HUB, until_cleared=True)
"""A hold that a release ends at once, and not with the session."""


def rule(id_: str, listens: str, *tells: str, **how: object) -> Rule:
    """``listens`` and ``tells`` as ``ws1.name``: a program answers the command ``name`` with an event of that name."""
    ws, _, name = listens.partition(".")
    tell = tuple(Tell(workstream=told.partition(".")[0], command=told.partition(".")[2]) for told in tells)
    said = {"id": id_, "name": id_, "workstream": ws, "event": name, "tell": tell, **how}
    return Rule.model_validate(said)


class Echo:
    """Programs that answer every command, and every directive, with an event that names it as its cause."""

    def __init__(self, spec: CoordinatorSpec) -> None:
        self.desk = Desk(spec)
        self.round = 0
        self.numbers: Counter[str] = Counter()

    def event(self, ws: str, name: str, cause: str = "") -> Event:
        self.numbers[ws] += 1
        return Event(ws=ws, n=self.numbers[ws], event=name, cause=cause)

    def play(self, *events: Event, rounds_max: int = 200) -> None:
        """Rounds, until nothing comes of anything any more."""
        waiting = list(events)
        while waiting:
            self.round += 1
            assert self.round <= rounds_max, "it goes on and on"
            self.desk.consider(self.round, *waiting, session="s1")
            said = [*self.desk.sent(), *self.desk.answer_all()]
            waiting = []
            for message in said:
                match message:
                    case Command(key=key, command=command):
                        ws = self.desk.all_facts(CommandIssued)
                        told = next(issued.workstream for issued in ws if issued.key == key)
                        waiting.append(self.event(told, command, key))
                    case Directive(resource=resource, fence=fence, rung=rung, round=number):
                        cause = f"c/{number}/directive/{resource}/{fence}"
                        waiting.append(self.event("ws4", f"trading_{rung}", cause))

    def fired(self) -> int:
        return len(self.desk.all_facts(RuleFired))


def spec(*rules: Rule) -> CoordinatorSpec:
    return CoordinatorSpec(rules=rules, modes=(TRADING,), workstreams=WORKSTREAMS)


def test_a_rule_that_leads_to_itself_over_another_is_stopped_and_told() -> None:
    echo = Echo(spec(rule("ping", "ws1.ball", "ws2.ring"), rule("pong", "ws2.ring", "ws1.ball")))

    echo.play(echo.event("ws1", "ball"))

    assert [fact.rule for fact in echo.desk.all_facts(RuleFired)] == ["ping", "pong"]
    (stopped,) = echo.desk.all_facts(RuleStopped)
    assert (stopped.rule, stopped.chain) == ("ping", ("ping", "pong"))
    (conflict,) = echo.desk.all_facts(ConflictOpened)
    assert conflict.klass == "C5"
    assert conflict.sentence == ("ping would fire on ws1#2, which it has led to itself: ping -> pong -> ping.")


def test_an_event_from_outside_is_the_beginning_of_no_cycle() -> None:
    echo = Echo(spec(rule("ping", "ws1.ball", "ws2.ring"), rule("pong", "ws2.ring", "ws1.ball")))

    echo.play(echo.event("ws1", "ball"), echo.event("ws1", "ball"))
    echo.play(echo.event("ws1", "ball"))

    assert echo.fired() == 6


def test_a_chain_through_a_directive_is_known_as_well() -> None:
    pause = rule(
        "pause", "ws1.go", hold=(Hold(resource="ws4/trading", rung="paused", safety=True, until_cleared=True),)
    )
    resume = rule("resume", "ws4.trading_paused", "ws1.go", release=(Release(resource="ws4/trading", of="pause"),))
    echo = Echo(spec(pause, resume))

    echo.play(echo.event("ws1", "go"))

    assert [fact.rule for fact in echo.desk.all_facts(RuleFired)] == ["pause", "resume"]
    assert ("pause", ("pause", "resume")) in [(fact.rule, fact.chain) for fact in echo.desk.all_facts(RuleStopped)]
    assert echo.desk.rung == "paused"


def test_of_a_rule_that_is_stopped_only_its_holds_for_safety_are_placed() -> None:
    hold = Hold(resource="ws4/trading", rung="paused", safety=True)
    soft = Hold(resource="ws4/trading", rung="reduce_only", subject="soft")
    echo = Echo(spec(rule("loop", "ws1.go", "ws1.go", hold=(hold, soft))))
    echo.desk.consider(1, echo.event("ws1", "go", "c/1/loop/1"), session="s1")

    assert [fact.claim.want for fact in echo.desk.all_facts(ClaimPlaced)] == ["paused"]
    assert echo.desk.all_facts(CommandIssued, RuleFired) == []


def test_a_chain_is_no_longer_than_its_bound() -> None:
    rules = [rule(f"r{n}", f"ws1.e{n}", f"ws1.e{n + 1}") for n in range(DEPTH_MAX + 5)]
    echo = Echo(spec(*rules))

    echo.play(echo.event("ws1", "e0"))

    assert echo.fired() == DEPTH_MAX
    assert len(echo.desk.all_facts(RuleStopped)) == 1


@pytest.mark.parametrize(
    "cause", ["", "r7/ws4", "c/7", "c/x/y", "c/7/directive/ws4/trading/9", "c/7/directive/gone/x/1", "yield/conflict-1"]
)
def test_a_cause_that_leads_to_no_rule_is_from_outside(cause: str) -> None:
    desk = Desk()

    assert chain_of(Turn(desk.state, 0.0), cause) in {(), ("y",)}


@pytest.mark.parametrize("seed", range(40))
def test_any_rules_come_to_an_end(seed: int) -> None:
    """P7: fully connected or at random, with holds and releases among them."""
    rng = random.Random(seed)
    count = rng.randrange(1, 5)
    names = [f"ws{rng.randrange(1, 6)}.e{n}" for n in range(count)]
    rules: list[Rule] = []
    for n, listens in enumerate(names):
        tells = [name for name in names if seed % 4 == 0 or rng.random() < 0.6]
        how: dict[str, object] = {}
        if rng.random() < 0.4:
            how["hold"] = (
                Hold(resource="ws4/trading", rung=rng.choice(("paused", "reduce_only")), until_cleared=True),
            )
        rules.append(rule(f"r{n}", listens, *tells, **how))
    holding = [one.id for one in rules if one.hold]
    if holding:
        release = (Release(resource="ws4/trading", of=rng.choice(holding)),)
        rules.append(rule("freed", "ws4.trading_paused", release=release))
        rules.append(rule("again", "ws4.trading_normal", names[0]))
    echo = Echo(spec(*rules))

    ws, _, name = names[0].partition(".")
    echo.play(echo.event(ws, name), rounds_max=2_000)

    per_chain = Counter(fact.event for fact in echo.desk.all_facts(RuleFired))
    assert max(per_chain.values(), default=0) <= len(rules)
    assert not echo.desk.ledger.pending()


def test_one_event_leads_to_at_most_rules_times_depth_firings_in_a_ring() -> None:
    rules = [rule(f"r{n}", f"ws1.e{n}", f"ws1.e{(n + 1) % 6}") for n in range(6)]
    echo = Echo(spec(*rules))

    echo.play(echo.event("ws1", "e0"))

    assert echo.fired() == 6 <= 6 * DEPTH_MAX


def test_a_rung_that_rounds_turn_without_a_cause_is_latched_within_the_session() -> None:
    """A loop through the world outside: nobody says what caused what."""
    pause = rule("pause", "ws1.hot", hold=(BRIEF,))
    resume = rule("resume", "ws1.cold", release=(Release(resource="ws4/trading", of="pause"),))
    desk = Desk(spec(pause, resume))
    for number in range(1, 30):
        desk.consider(number, event("ws1", number, "hot" if number % 2 else "cold"), session="s1")
        desk.answer_all()

    rungs = [fact.rung for fact in desk.all_facts(DirectiveIssued)]
    assert latch_id("ws4/trading") in desk.ledger.claims
    turns = sum(rung != before for rung, before in zip(rungs, ["normal", *rungs], strict=False))
    assert turns <= FLAPS_MAX + 1
    assert desk.rung == "paused"
    assert [one.klass for one in desk.ledger.conflicts.values()] == ["C5"]


def test_the_same_turns_in_sessions_of_their_own_are_no_flapping() -> None:
    pause = rule("pause", "ws1.hot", hold=(BRIEF,))
    resume = rule("resume", "ws1.cold", release=(Release(resource="ws4/trading", of="pause"),))
    desk = Desk(spec(pause, resume))
    for number in range(1, 30):
        desk.consider(number, event("ws1", number, "hot" if number % 2 else "cold"), session=f"s{number}")
        desk.answer_all()

    assert latch_id("ws4/trading") not in desk.ledger.claims


def test_a_rule_may_be_called_as_a_part_of_a_key() -> None:
    """A chain tells its commands from directives all the same."""
    echo = Echo(CoordinatorSpec(rules=(rule("directive", "ws1.again", "ws1.again"),), workstreams=WORKSTREAMS))

    echo.play(echo.event("ws1", "again"))

    assert [fact.chain for fact in echo.desk.all_facts(RuleStopped)] == [("directive",)]
