"""A trial held against a really different run: as long as the loop is closed, both decide the same; by seed.

The world draws its dice for itself, so that a coordinator which tells nobody anything else is met by the same letters
at the same times, and one that does by the same letters until then.
"""

import random
from collections import Counter
from functools import cache

import pytest

from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.tally import orders_in
from alluse_hub.actors.coordinator.whatif import Trial
from alluse_hub.protocols.config_trial import Candidate, Overlay
from alluse_hub.protocols.flow import Consider
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.rules import CoordinatorSpec, Rule, RuleFired
from alluse_hub.supervision.relive import Relived
from tests.actors.coordinator.timed import rule as timed_rule
from tests.actors.coordinator.worlds import SHIPPED, SPEC, Desk, World

SEEDS = range(4)
ROUNDS = 12
STEPS_MAX = 20_000
DEATHS = 0.1
"""Of the rounds so many are the last that a coordinator hears, or is not heard any more."""

NOBODYS = SHIPPED[4].release[0].model_copy(update={"subject": "nobody"})


class Recorded(World):
    """Keeps what each life of the coordinator heard, with its state before it."""

    def __init__(self, seed: int, spec: CoordinatorSpec) -> None:
        self.lives: list[list[Relived]] = [[]]
        self.deaths = random.Random(seed + 1_000)
        super().__init__(seed, ROUNDS, crash=0.0, spec=spec)

    def post(self, sender: str, to: str, message: Message) -> None:
        if "coordinator" in {sender, to} and {sender, to} & {"router", *self.programs}:
            super().post(sender, to, message)

    def hear(self, sender: str, message: Message) -> None:
        is_last = isinstance(message, Consider) and self.deaths.random() < DEATHS
        if is_last and self.deaths.random() < 0.5:
            self._begin_again()
            return
        before = self.desk.state
        self.desk.at = self.now
        effects = self.desk.tell(message, sender)
        n = sum(map(len, self.lives))
        letter = Envelope(f"l/1/{n}", sender, "coordinator", message, self.now)
        self.lives[-1].append(Relived(letter, f"coordinator/{len(self.lives)}/{n}", self.now, effects, before))
        if is_last:
            self._begin_again()
        else:
            self.perform(effects)

    def _begin_again(self) -> None:
        self.timers.clear()
        self.incarnation += 1
        self.desk = Desk(self.desk.spec, facts=self.desk.facts, at=self.now)
        self.lives.append([])
        self.perform(self.desk.effects)
        self.show()

    @property
    def letters(self) -> list[Relived]:
        return [letter for life in self.lives for letter in life]


def changed(*rules: Rule) -> tuple[Rule, ...]:
    put = {rule.id: rule for rule in rules}
    return (*(put.pop(rule.id, rule) for rule in SHIPPED), *put.values())


def watcher(when: str, **more: str) -> Rule:
    return timed_rule(
        id="watcher", event="risk_threshold_exceeded", when=when, once_per="", tell=(), release=(NOBODYS,), **more
    )


CANDIDATES = {
    "nothing": SHIPPED,
    "a watcher": changed(watcher("risk_level > 0.4")),
    "a patient watcher": changed(watcher("risk_level > 0.4", true_for="4s")),
    "another that rests": changed(watcher("risk_level > 0.4", cooldown="10s")),
    "a lower bound": changed(SHIPPED[1].model_copy(update={"when": "risk_level > 0.4"})),
    "a shorter pause": changed(
        SHIPPED[3].model_copy(update={"hold": (SHIPPED[3].hold[0].model_copy(update={"for_sessions": 1}),)})
    ),
    "no updates": changed(SHIPPED[0].model_copy(update={"enabled": False})),
}


@cache
def run(seed: int, name: str) -> Recorded:
    world = Recorded(seed, SPEC.model_copy(update={"rules": CANDIDATES[name]}))
    for _ in range(STEPS_MAX):
        if world.shown is None or not world.step():
            break
    assert world.shown is None, f"seed {seed} has not come to an end: round {world.round} of {ROUNDS}"
    return world


def tried(world: Recorded, candidate: Candidate, since: float = 0.0) -> Trial:
    trial = Trial(candidate, since)
    for life in world.lives:
        trial.begin(COORDINATOR.start("coordinator", world.desk.spec))
        for letter in life:
            trial.hear(letter)
    trial.end()
    return trial


def same_until(one: Recorded, other: Recorded) -> float:
    """Hub time of the first letter on which somebody is told something else."""
    theirs = iter(_told(other))
    for at, told in _told(one):
        found = next(theirs, None)
        if found is None or found[1] != told:
            return at if found is None else min(at, found[0])
    left = next(theirs, None)
    return float("inf") if left is None else left[0]


def _told(world: Recorded) -> list[tuple[float, object]]:
    return [(one.letter.at, orders) for one in world.letters if (orders := orders_in(one.facts))]


def firings(one: Relived) -> Counter[tuple[str, str, float]]:
    """By rule, event, and time to the millisecond."""
    at = round(one.letter.at, 3)
    return Counter((fact.rule, fact.event, at) for fact in one.facts if isinstance(fact, RuleFired))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_in_force_decides_what_was_decided_whoever_died(seed: int) -> None:
    world = run(seed, "nothing")

    for since in (0.0, 20.0):
        trial = tried(world, Candidate(SHIPPED), since)
        if trial.is_forked:
            assert (trial.first, trial.open_since, trial.assumed) == (None, "", 0)
            assert trial.recorded == trial.tried


@pytest.mark.parametrize("name", [name for name in CANDIDATES if name != "nothing"])
def test_until_the_loop_opens_a_trial_fires_what_a_really_different_run_does(name: str) -> None:
    closed = opened = 0
    for seed in SEEDS:
        trial = tried(run(seed, "nothing"), Candidate(CANDIDATES[name]))
        other = run(seed, name)
        until = same_until(run(seed, "nothing"), other)
        opened += bool(trial.open_since)
        closed += not trial.open_since

        really = Counter[tuple[str, str, float]]()
        for one in other.letters:
            if one.letter.at < until:
                really += firings(one)
        found = Counter(
            (rule, firing.event, round(firing.at, 3))
            for rule, of in trial.tried.fired.items()
            for firing in of
            if firing.at < until
        )
        assert found == really, f"seed {seed}: until {until}"
        assert bool(trial.open_since) == (until != float("inf")), f"seed {seed}"
    if "watcher" in name or "rests" in name:
        assert closed == len(SEEDS), "it tells nobody anything"
    else:
        assert opened > 0


def test_a_watcher_that_is_patient_fires_between_the_letters_too() -> None:
    woken = fired = 0
    for seed in SEEDS:
        world = run(seed, "a patient watcher")
        woken += sum(isinstance(one.letter.body, Woken) and bool(firings(one)) for one in world.letters)
        trial = tried(run(seed, "nothing"), Candidate(CANDIDATES["a patient watcher"]))
        fired += len(trial.tried.fired.get("watcher", ()))

    assert woken > 0, "else the test above says nothing of timers"
    assert fired >= woken


def test_an_overlay_that_says_what_was_there_changes_nothing() -> None:
    for seed in SEEDS:
        trial = tried(run(seed, "nothing"), Candidate(SHIPPED, Overlay(resources=SPEC.modes)))

        assert (trial.first, trial.open_since) == (None, "")
