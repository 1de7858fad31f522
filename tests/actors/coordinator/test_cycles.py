"""C5 and P7: what a rule does comes round to it, and is stopped; storms make one claim and bounded work."""

import random
from collections import Counter

import pytest

from alluse_hub.actors.coordinator import chains
from alluse_hub.actors.coordinator.cycles import DEPTH_MAX, LED_MAX, origin
from alluse_hub.actors.coordinator.docket import FLAPS_MAX
from alluse_hub.actors.coordinator.flapping import latch_id
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.arbitration import ClaimResource
from alluse_hub.protocols.claims import ClaimPlaced, Clock, ConflictOpened, Directive, DirectiveAck, DirectiveIssued
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.rules import (
    CommandIssued,
    CoordinatorSpec,
    DirectiveLed,
    Hold,
    Release,
    Rule,
    RuleFired,
    RuleLed,
    RuleStopped,
    Tell,
)
from alluse_hub.protocols.workstream import CommandReply
from tests.actors.coordinator.worlds import TRADING, WORKSTREAMS, Desk, event

PLAIN = 2_000
"""Cases; ten times as many, others, by name."""

BRIEF = Hold(resource="ws4/trading", rung="paused", clock=Clock.HUB, until_cleared=True)
"""A hold that a release ends at once, and not with the session."""


def rule(id_: str, listens: str, *tells: str, **how: object) -> Rule:
    """``listens`` and ``tells`` as ``ws1.name``: a program answers the command ``name`` with an event of that name."""
    ws, _, name = listens.partition(".")
    tell = tuple(Tell(workstream=told.partition(".")[0], command=told.partition(".")[2]) for told in tells)
    said = {"id": id_, "name": id_, "workstream": ws, "event": name, "tell": tell, **how}
    return Rule.model_validate(said)


class Echo:
    """Programs that answer every command, and every directive, with an event, or so many, naming it as the cause."""

    def __init__(self, spec: CoordinatorSpec, times: int = 1) -> None:
        self.desk = Desk(spec)
        self.times = times
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
            before = len(self.desk.facts)
            self.desk.consider(self.round, *waiting, session="s1")
            self.answer_all()
            waiting = []
            for fact in self.desk.facts[before:]:
                match fact:
                    case CommandIssued(key=key, workstream=told, command=command):
                        waiting += [self.event(told, command, key) for _ in range(self.times)]
                    case DirectiveIssued(resource=resource, fence=fence, rung=rung, round=number):
                        cause = f"c/{number}/directive/{resource}/{fence}"
                        waiting += [self.event("ws4", f"trading_{rung}", cause) for _ in range(self.times)]

    def answer_all(self) -> None:
        desk = self.desk
        while told := next((d.issued for d in desk.ledger.directives.values() if not d.is_obeyed), None):
            desk.tell(DirectiveAck(resource=told.resource, fence=told.fence, outcome="applied"), "ws4")
        while asked := next(iter(desk.ledger.commands.values()), None):
            desk.tell(CommandReply(key=asked.key, workstream=asked.workstream, ok=True), asked.workstream)

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
    assert conflict.sentence == "ping would fire on ws1#2, but it came round: ping -> pong -> ping."


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


@pytest.mark.parametrize("cause", ["", "r7/ws4", "c/7", "c/7/", "yield/conflict-1"])
def test_a_cause_that_is_none_of_ours_is_from_outside(cause: str) -> None:
    desk = Desk()

    assert origin(Turn(desk.state, 0.0), event("ws1", 3, "go").model_copy(update={"cause": cause})) == ((), "ws1#3")


@pytest.mark.parametrize("cause", ["c/x/y", "c/7/directive/ws4/trading/9", "c/7/gone/1"])
def test_what_names_a_cause_that_is_forgotten_has_gone_too_far(cause: str) -> None:
    hold = Hold(resource="ws4/trading", rung="paused", safety=True)
    desk = Desk(spec(rule("one", "ws1.go", "ws2.ring", hold=(hold,))))
    desk.consider(1, event("ws1", 1, "go").model_copy(update={"cause": cause}), session="s1")

    (stopped,) = desk.all_facts(RuleStopped)
    assert (stopped.chain, stopped.why) == (("?",), f"what led to {cause} is too long ago to be known")
    assert [fact.claim.want for fact in desk.all_facts(ClaimPlaced)] == ["paused"]
    assert desk.all_facts(CommandIssued, RuleFired) == []


def test_what_a_forgotten_cause_has_led_to_goes_no_further_either() -> None:
    hold = Hold(resource="ws4/trading", rung="paused", safety=True)
    rules = (rule("one", "ws1.go", hold=(hold,)), rule("two", "ws4.trading_paused", "ws2.ring"))
    echo = Echo(spec(*rules))

    echo.play(echo.event("ws1", "go", "c/0/gone/1"))

    assert [fact.rule for fact in echo.desk.all_facts(RuleStopped)] == ["one", "two"]


def test_a_directive_that_a_person_has_led_to_is_the_beginning_of_a_chain() -> None:
    echo = Echo(spec(rule("one", "ws4.trading_paused", "ws2.ring")))
    order = ClaimResource(about="a", resource="ws4/trading", want="paused", by="ann", reason="she said so")
    echo.desk.tell(order, "gateway")
    (told,) = echo.desk.said(Directive)
    echo.desk.answer_all()

    echo.play(echo.event("ws4", "trading_paused", f"c/{told.round}/directive/ws4/trading/{told.fence}"))

    assert echo.fired() == 1


# --- P7 ---------------------------------------------------------------------------------------------------------------


def any_rules(rng: random.Random, rules_max: int) -> tuple[Rule, ...]:
    """Fully connected or at random, with holds and releases among them."""
    count = rng.randrange(1, rules_max + 1)
    names = [f"ws{rng.randrange(1, 6)}.e{n}" for n in range(count)]
    is_full = rng.random() < 0.25
    rules: list[Rule] = []
    for n, listens in enumerate(names):
        tells = [name for name in names if is_full or rng.random() < 0.4]
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
    return tuple(rules)


def bounded(seed: int, monkeypatch: pytest.MonkeyPatch, rules_max: int = 3) -> None:
    """One event from outside, or several at once; programs that answer a command with one event or with many; and a
    table of chains that is long enough, or far too short."""
    rng = random.Random(seed)
    monkeypatch.setattr(chains, "KEYS_MAX", rng.choice((1, 3, 20, 2_048)))
    rules = any_rules(rng, rules_max)
    echo = Echo(spec(*rules), times=rng.choice((1, 1, 1, 2, 3)))
    outside = rng.choice((1, 1, 1, 2))

    ws, name = rules[0].workstream, rules[0].event
    echo.play(*(echo.event(ws, name) for _ in range(outside)), rounds_max=2_000)

    assert echo.fired() <= outside * len(rules) * DEPTH_MAX, f"seed {seed}"
    by_root = Counter((fact.rule, fact.root) for fact in echo.desk.all_facts(RuleLed))
    assert max(by_root.values(), default=0) <= LED_MAX, f"seed {seed}"
    assert not echo.desk.ledger.pending(), f"seed {seed}"
    assert len(echo.desk.ledger.chains.led) <= chains.KEYS_MAX, f"seed {seed}"


@pytest.mark.parametrize("part", range(4))
def test_one_event_leads_to_no_more_firings_than_rules_times_depth(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(part * PLAIN // 4, (part + 1) * PLAIN // 4):
        bounded(seed, monkeypatch)


@pytest.mark.deep
@pytest.mark.parametrize("part", range(20))
def test_one_event_leads_to_no_more_firings_than_rules_times_depth_20_000_times(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(100_000 + part * 1_000, 100_000 + (part + 1) * 1_000):
        bounded(seed, monkeypatch, rules_max=4)


def test_four_hundred_chains_at_a_time_are_each_told_from_the_others() -> None:
    echo = Echo(spec(rule("ping", "ws1.ball", "ws2.ring"), rule("pong", "ws2.ring", "ws1.ball")))

    echo.play(*(echo.event("ws1", "ball") for _ in range(400)))

    assert echo.fired() == 800


def test_of_more_chains_than_are_remembered_those_forgotten_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "KEYS_MAX", 50)
    echo = Echo(spec(rule("ping", "ws1.ball", "ws2.ring"), rule("pong", "ws2.ring", "ws1.ball")))

    echo.play(*(echo.event("ws1", "ball") for _ in range(400)))

    assert 400 < echo.fired() <= 450


def test_a_program_that_answers_with_many_events_has_no_more_firings_for_it() -> None:
    echo = Echo(spec(rule("ask", "ws1.go", "ws2.ring"), rule("each", "ws2.ring", "ws3.note")), times=100)

    echo.play(echo.event("ws1", "go"))

    assert echo.fired() == 1 + LED_MAX
    assert {fact.why for fact in echo.desk.all_facts(RuleStopped)} == {
        f"it has fired {LED_MAX} times on what comes of ws1#1"
    }
    assert len(echo.desk.all_facts(RuleStopped)) == 100 - LED_MAX


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


# --- what led to what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_count_is_kept_as_long_as_anything_is_left_that_comes_of_its_event(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "KEYS_MAX", 10)
    rng = random.Random(seed)
    now = chains.Chains()
    counted: Counter[tuple[str, str]] = Counter()
    for n in range(300):
        root, who = f"ws1#{rng.randrange(8)}", f"r{rng.randrange(3)}"
        now = chains.folded(now, DirectiveLed(key=f"c/{n}/{who}/1", chain=(who,), root=root))
        left = {led.root for led in now.led.values()}
        counted = Counter({key: times for key, times in counted.items() if key[0] in left})
        if rng.random() < 0.7:
            known = rng.choice(sorted(left))
            now = chains.folded(now, RuleLed(rule=who, event="e", root=known))
            counted[known, who] += 1
        assert {(r, w): t for r, by in now.firings.items() for w, t in by.items()} == dict(counted)
        assert len(now.led) <= 10


def test_of_a_deadline_it_does_not_matter_that_its_event_is_of_long_ago() -> None:
    """Time is what it fires for."""
    waits = rule("waits", "ws1.go", "ws2.ring", true_for="5s")
    again = rule("again", "ws1.go", "ws2.ring", every="10s")
    desk = Desk(spec(waits, again))
    led = event("ws1", 1, "go").model_copy(update={"cause": "c/1/gone/1"})
    desk.consider(1, led, session="s1")
    assert [fact.rule for fact in desk.all_facts(RuleStopped)] == ["again"]
    desk.at = 5.0
    desk.tell(Woken(timer="rules"))
    desk.at = 10.0
    desk.tell(Woken(timer="rules"))

    assert "waits" in {fact.rule for fact in desk.all_facts(RuleFired)}
    assert [fact.rule for fact in desk.all_facts(RuleStopped)] == ["again"]
