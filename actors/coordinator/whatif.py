"""What if other rules had been in force: the recorded letters, decided on again with those.

Up to the fork the recorded rules decide, so that the state at the fork is the true one.  From there on the candidate
rules do.  As long as every directive and every command is the same, the world would have answered the same, and its
recorded answers count.  From the first that differs on, the trial is an *open loop*: nobody knows what the world
would have said to that, and the events that came are those of another course.  Then every directive and command is
*assumed* to be obeyed at once, timers are the trial's own, and recorded answers are passed over; all that is counted
after it is marked so.

Pure.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from alluse_hub.actors.coordinator.commands import first_of_each
from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.ruleset import change_of
from alluse_hub.actors.coordinator.state import Coordinator, Turn
from alluse_hub.actors.coordinator.tally import Difference, World, difference, orders_in
from alluse_hub.protocols.claims import DirectiveAck
from alluse_hub.protocols.effects import CancelWake, Commit, Decision, Record, Wake
from alluse_hub.protocols.flow import Consider
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.rules import Rule
from alluse_hub.protocols.ruleset import ChangeRules, SwitchRule
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.workstream import CommandReply
from alluse_hub.supervision.relive import Relived

TRIAL = "whatif"
"""Who puts the candidate rules in force, in the trial."""

ASSUMED_MAX = 10_000
"""Answers that are assumed because of one letter; more are of a trial that comes to no end."""

ANSWERS: frozenset[type[Message]] = frozenset({CommandReply, DirectiveAck, Woken})
"""What the recorded world said to what was recorded, and is not asked in an open loop."""

CHANGES: frozenset[type[Message]] = frozenset({ChangeRules, SwitchRule})
"""Changes of the rules that people made meanwhile: the candidate rules stay."""


@dataclass(slots=True)
class Trial:
    """``rules``: the candidates; the set as it is to be.  ``since``: wall time of the fork."""

    rules: tuple[Rule, ...]
    since: float
    state: Coordinator | None = None
    is_forked: bool = False
    timers: dict[str, float] = field(default_factory=dict)
    recorded: World = field(default_factory=World)
    tried: World = field(default_factory=World)
    first: Difference | None = None
    open_since: str = ""  # entry of the first directive or command that differs
    open_at: float = 0.0
    events: int = 0
    letters: int = 0
    assumed: int = 0
    changes_passed: int = 0
    at: float = 0.0

    def begin(self, fresh: Coordinator, recovered: Coordinator) -> None:
        """A life of the coordinator begins: as it was before the fork, with what the trial came to after it."""
        assert COORDINATOR.restore is not None, "the coordinator is durable"
        if self.is_forked and self.state is not None:
            self.state = _with_rules(COORDINATOR.restore(fresh, self.state), self.rules)
        else:
            self.state = recovered
        self.timers = {}

    def hear(self, relived: Relived) -> None:
        assert self.state is not None, "a life begins before it hears"
        if not self.is_forked and relived.wall >= self.since:
            self._fork(relived.letter.at)
        if not self.is_forked:
            self._decide(relived.letter)
            return
        body = relived.letter.body
        self.at = relived.letter.at
        self.letters += 1
        self.events += len(body.events) if isinstance(body, Consider) else 0
        self.recorded.take(relived.facts, self.at)
        if type(body) in CHANGES:
            self.changes_passed += 1
            return
        if not self.open_since:
            self._compare(relived, self._decide(relived.letter))
        else:
            self._in_the_open(relived)

    def end(self) -> None:
        """The range is over."""
        for world in (self.recorded, self.tried):
            world.close(self.at)

    # --- before and at the fork ---------------------------------------------------------------------------------------

    def _fork(self, at: float) -> None:
        assert self.state is not None, "checked by the caller"
        self.is_forked = True
        self.at = at
        ledger = self.state.ledger
        for world in (self.recorded, self.tried):
            for mode in self.state.book.modes.values():
                told = ledger.directives.get(mode.resource)
                world.stands(mode.resource, told.issued.rung if told else mode.rungs[0].name, at, ledger.ordinal)
        self.state = _with_rules(self.state, self.rules)

    def _decide(self, letter: Envelope) -> list[Fact]:
        assert self.state is not None, "checked by the caller"
        if isinstance(letter.body, Woken):
            self.timers.pop(letter.body.timer, None)
        decision: Decision[Coordinator] = COORDINATOR.decide(self.state, letter)
        self.state = decision.state
        facts: list[Fact] = []
        for effect in decision.effects:
            match effect:
                case Record(fact) | Commit(fact):
                    facts.append(fact)
                case Wake(timer=timer, after_s=after_s):
                    self.timers[timer] = letter.at + after_s
                case CancelWake(timer=timer):
                    self.timers.pop(timer, None)
                case _:
                    pass
        if self.is_forked:
            self.tried.take(facts, letter.at)
        return facts

    # --- after it -----------------------------------------------------------------------------------------------------

    def _compare(self, relived: Relived, facts: Sequence[Fact]) -> None:
        if self.first is None:
            self.first = difference(relived, facts)
        if orders_in(facts) != orders_in(relived.facts):
            self.open_since, self.open_at = relived.entry, relived.letter.at
            self.recorded.opens()
            self.tried.opens()
            self._assume(relived.letter)

    def _in_the_open(self, relived: Relived) -> None:
        self._wake(relived.letter)
        if type(relived.letter.body) in ANSWERS:
            return
        self._decide(relived.letter)
        self._assume(relived.letter)

    def _wake(self, letter: Envelope) -> None:
        """Timers of the trial that come up before the letter."""
        while due := [(at, timer) for timer, at in self.timers.items() if at <= letter.at]:
            at, timer = min(due)
            del self.timers[timer]
            woken = replace(letter, body=Woken(timer=timer), sender=letter.to, at=at)
            self._decide(woken)
            self._assume(woken)

    def _assume(self, letter: Envelope) -> None:
        """Whoever was told something obeys at once."""
        for _ in range(ASSUMED_MAX):
            answer = self._next_answer()
            if answer is None:
                return
            self.assumed += 1
            self._decide(replace(letter, body=answer))
        raise AssertionError(f"{ASSUMED_MAX} answers to one letter are not enough")

    def _next_answer(self) -> Message | None:
        assert self.state is not None, "checked by the caller"
        for resource, directed in self.state.ledger.directives.items():
            if not directed.is_obeyed:
                return DirectiveAck(resource=resource, fence=directed.issued.fence, outcome="applied")
        turn = Turn(self.state, self.at)
        issued = next(first_of_each(turn), None)
        return None if issued is None else CommandReply(key=issued.key, workstream=issued.workstream, ok=True)


def _with_rules(state: Coordinator, rules: tuple[Rule, ...]) -> Coordinator:
    """As if the configuration had been taken already: a start does not take it again."""
    fact = change_of(state.ledger.ruleset, rules, "reload", TRIAL, "tried", configured=state.book.spec.rules)
    assert fact is not None, "the configured set alone makes it one"
    assert COORDINATOR.evolve is not None, "the coordinator is durable"
    return COORDINATOR.evolve(state, fact)


Shown = dict[str, Any]  # Any: JSON


def shown(trial: Trial) -> Shown:
    """The report: what was recorded, what the trial gives, and the difference."""
    first = trial.first
    return {
        "letters": trial.letters,
        "events": trial.events,
        "assumed": trial.assumed,
        "changes_passed": trial.changes_passed,
        "first": None if first is None else first._asdict(),
        "open_since": trial.open_since,
        "recorded": trial.recorded.shown(),
        "tried": trial.tried.shown(),
        "firings": _changes(trial.recorded.fired, trial.tried.fired),
        "undecided": _changes(trial.recorded.undecided, trial.tried.undecided),
        "conflicts": _changes(trial.recorded.conflicts, trial.tried.conflicts),
        "commands": _changes(trial.recorded.commands, trial.tried.commands),
        "refusals": _changes(trial.recorded.refusals, trial.tried.refusals),
    }


CHANGES_SHOWN = 50
"""Of each sort; all are counted."""


def _changes(before: dict[str, list[str]], after: dict[str, list[str]]) -> Shown:
    """By what they are counted under: how many were and are, and those that are only in one of the two."""
    found: Shown = {}
    for name in dict.fromkeys((*before, *after)):
        was, now = Counter(before.get(name, ())), Counter(after.get(name, ()))
        added, removed = list((now - was).elements()), list((was - now).elements())
        found[name] = {
            "recorded": was.total(),
            "tried": now.total(),
            "added": added[:CHANGES_SHOWN],
            "added_count": len(added),
            "removed": removed[:CHANGES_SHOWN],
            "removed_count": len(removed),
        }
    return found
