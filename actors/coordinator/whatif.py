"""What if something else had been in force: the recorded letters, decided on again with other rules, resources, levels
or names of fields.

Up to the fork the recorded set decides, so that the state at the fork is the true one.  From there on the candidate
does, as if the coordinator had been started with it there.  As long as every directive, command, request to yield and
word to a program about its claims is the same, the world would have answered the same, and its recorded answers count.
From the first that differs on, the trial is an *open loop*: nobody knows what the world would have said to that, and
the events that came are those of another course.  Then every directive and command, also one to let go, is *assumed* to
be obeyed at once, timers are the trial's own, and recorded answers are passed over; all that is counted after it is
marked so.

Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from alluse_hub.actors.coordinator import approving, claiming, commands, compared, directives, taking
from alluse_hub.actors.coordinator.compared import Shown
from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.ledger import led_as_well
from alluse_hub.actors.coordinator.rules import Book
from alluse_hub.actors.coordinator.ruleset import change_of
from alluse_hub.actors.coordinator.state import Coordinator, Turn
from alluse_hub.actors.coordinator.tally import Difference, World, difference, orders_in
from alluse_hub.actors.coordinator.templates import FieldError, filled_text
from alluse_hub.protocols.approvals import DecideApproval, LevelSet, SetLevel
from alluse_hub.protocols.arbitration import DecideConflict, OfferYield, YieldDone
from alluse_hub.protocols.claims import DirectiveAck, DirectiveHeard
from alluse_hub.protocols.config_trial import Candidate
from alluse_hub.protocols.effects import CancelWake, Commit, Effect, Record, Wake
from alluse_hub.protocols.fields import as_known
from alluse_hub.protocols.flow import Consider, Event
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.rules import Rule
from alluse_hub.protocols.ruleset import ChangeRules, SwitchRule
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.workstream import CommandReply
from alluse_hub.supervision.relive import Relived
from alluse_hub.supervision.replay import ROUNDING_S

TRIAL = "whatif"
"""Who puts the candidate in force, in the trial."""

ASSUMED_MAX = 10_000
"""Answers that are assumed because of one letter; more are of a trial that comes to no end."""

ANSWERS: frozenset[type[Message]] = frozenset(
    {CommandReply, DirectiveAck, DirectiveHeard, OfferYield, YieldDone, Woken}
)
"""What the recorded world said to what was recorded, and is not asked in an open loop."""

UNKNOWN_SUBJECT = "?"

Timers = dict[str, float]
"""When each comes up, in hub seconds."""


@dataclass(slots=True)
class Trial:
    """``since``: wall time of the fork.  ``timers``: the trial's; ``then``: the recorded ones."""

    candidate: Candidate
    since: float
    state: Coordinator | None = None
    is_forked: bool = False
    timers: Timers = field(default_factory=dict)
    then: Timers = field(default_factory=dict)
    recorded: World = field(default_factory=World)
    tried: World = field(default_factory=World)
    first: Difference | None = None
    open_since: str = ""  # entry of the first directive or command that differs
    events: int = 0
    letters: int = 0
    before: int = 0  # letters before the fork
    assumed: int = 0
    changes_passed: int = 0
    words_passed: int = 0
    at: float = 0.0

    def begin(self, fresh: Coordinator) -> None:
        """A life of the coordinator begins; after the fork with what the trial came to."""
        assert COORDINATOR.restore is not None, "the coordinator is durable"
        self.timers, self.then = {}, {}
        if self.is_forked and self.state is not None:
            self.state = _with_candidate(COORDINATOR.restore(fresh, self.state), self.candidate)

    def hear(self, relived: Relived) -> None:
        """The letters in their order, each with the recorded state before it."""
        letter = relived.letter
        if not self.is_forked:
            if relived.wall < self.since:
                self.before += 1
                self._then_set(relived)
                return
            self._fork(relived)
        self.at = letter.at
        self.letters += 1
        self.events += len(letter.body.events) if isinstance(letter.body, Consider) else 0
        facts = relived.facts
        self.recorded.take(facts, self.at, _subjects(relived.state, letter))
        if not self.open_since:
            self._wake_closed(relived)
        due = self._then_set(relived)
        if self.open_since:
            self._remember(facts)
        if self._is_passed(relived):
            return
        if self.open_since:
            self._in_the_open(letter)
        else:
            self._compare(relived, facts, self._as_then(letter, due))

    def end(self) -> None:
        """The range is over."""
        for world in (self.recorded, self.tried):
            world.close(self.at)

    def _then_set(self, relived: Relived) -> float | None:
        """The recorded timers after a letter; when the one that came up with it was due."""
        body, due = relived.letter.body, None
        if isinstance(body, Woken):
            due = self.then.pop(body.timer, None)
        _set(self.then, relived.effects, relived.letter.at)
        return due

    # --- the fork -----------------------------------------------------------------------------------------------------

    def _fork(self, relived: Relived) -> None:
        then: Coordinator = relived.state
        self.is_forked = True
        self.at = relived.letter.at
        self.timers = dict(self.then)
        self.state = _with_candidate(then, self.candidate)
        for world, state in ((self.recorded, then), (self.tried, self.state)):
            for mode in state.book.modes.values():
                told = then.ledger.directives.get(mode.resource)
                rung = told.issued.rung if told else mode.rungs[0].name
                world.stands(mode.resource, rung, self.at, then.ledger.ordinal)
        self._compare(relived, (), self._take_up(relived.letter))

    def _take_up(self, letter: Envelope) -> list[Fact]:
        """What a start with the candidate leads to: claims on what is gone end, others may have what is free now, and
        whoever has to be directed otherwise is."""
        turn = Turn(self._state, self.at)
        approving.void_of_changed_rules(turn)
        if not self.candidate.overlay.is_nothing:
            claiming.drop_undeclared(turn)
            directives.settle(turn)
            taking.grant_standing(turn)
            commands.grant_freed(turn)
        decision = turn.done()
        return self._done(letter, decision.state, decision.effects)

    # --- deciding -----------------------------------------------------------------------------------------------------

    @property
    def _state(self) -> Coordinator:
        assert self.state is not None, "nothing is decided before the fork"
        return self.state

    def _decide(self, letter: Envelope) -> list[Fact]:
        if isinstance(letter.body, Woken):
            self.timers.pop(letter.body.timer, None)
        decision = COORDINATOR.decide(self._state, letter)
        return self._done(letter, decision.state, decision.effects)

    def _done(self, letter: Envelope, after: Coordinator, effects: Sequence[Effect]) -> list[Fact]:
        facts = [effect.fact for effect in effects if isinstance(effect, Record | Commit)]
        self.tried.take(facts, letter.at, _subjects(self._state, letter))
        self.state = after
        _set(self.timers, effects, letter.at)
        return facts

    # --- as long as nobody is told anything else ----------------------------------------------------------------------

    def _as_then(self, letter: Envelope, due: float | None) -> list[Fact]:
        """A timer comes up when it did, if the trial has set it for then; another comes up in its own time."""
        if isinstance(letter.body, Woken):
            ours = self.timers.get(letter.body.timer)
            if ours is None or due is None or abs(ours - due) > ROUNDING_S:
                return []
        return self._decide(letter)

    def _wake_closed(self, relived: Relived) -> None:
        """Timers of the trial that were not set then, and come up before the letter."""
        while not self.open_since and (due := self._due(relived.letter.at, but=self.then)):
            at, timer = min(due)
            letter = _woken(relived.letter, timer, at)
            self._compare(relived._replace(letter=letter), (), self._decide(letter))

    def _due(self, until: float, but: Timers) -> list[tuple[float, str]]:
        return [
            (at, timer)
            for timer, at in self.timers.items()
            if at <= until and not (timer in but and abs(but[timer] - at) <= ROUNDING_S)
        ]

    def _compare(self, relived: Relived, was: Sequence[Fact], now: Sequence[Fact]) -> None:
        if self.first is None:
            self.first = difference(relived, was, now)
        if orders_in(was) != orders_in(now):
            self.open_since = relived.entry
            self.recorded.opens()
            self.tried.opens()
            self._assume(relived.letter)

    # --- in the open --------------------------------------------------------------------------------------------------

    def _remember(self, facts: Sequence[Fact]) -> None:
        """What led to the recorded commands and directives: recorded events name them as their causes."""
        self.state = replace(self._state, ledger=led_as_well(self._state.ledger, facts))

    def _in_the_open(self, letter: Envelope) -> None:
        while due := self._due(letter.at, but={}):
            at, timer = min(due)
            woken = _woken(letter, timer, at)
            self._decide(woken)
            self._assume(woken)
        if type(letter.body) not in ANSWERS:
            self._decide(letter)
            self._assume(letter)

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
        ledger = self._state.ledger
        for resource, directed in ledger.directives.items():
            if not directed.is_obeyed and self._state.presence.get(resource.partition("/")[0]) != "out":
                return DirectiveAck(resource=resource, fence=directed.issued.fence, outcome="applied")
        for conflict, yielding in ledger.docket.yielding.items():
            if yielding.offered is not None:  # it is told to let go, no longer asked
                return YieldDone(conflict=conflict, workstream=yielding.asked.workstream, ok=True)
        issued = next(commands.first_of_each(Turn(self._state, self.at)), None)
        told = issued or next(iter(ledger.tellings.open.values()), None)
        return None if told is None else CommandReply(key=told.key, workstream=told.workstream, ok=True)

    # --- what is passed over ------------------------------------------------------------------------------------------

    def _is_passed(self, relived: Relived) -> bool:
        """What people said that the candidate stands for itself, or about what is something else in the trial."""
        body = relived.letter.body
        if isinstance(body, ChangeRules | SwitchRule):
            self.changes_passed += 1
            return True
        if isinstance(body, SetLevel) and body.workstream in self.candidate.overlay.levels:
            self.changes_passed += 1
            return True
        if isinstance(body, DecideApproval | DecideConflict) and _asked(relived.state, body) != _asked(
            self._state, body
        ):
            self.words_passed += 1
            return True
        return False


def _woken(letter: Envelope, timer: str, at: float) -> Envelope:
    return replace(letter, body=Woken(timer=timer), sender=letter.to, at=at)


def _set(timers: Timers, effects: Sequence[Effect], at: float) -> None:
    for effect in effects:
        if isinstance(effect, Wake):
            timers[effect.timer] = at + effect.after_s
        elif isinstance(effect, CancelWake):
            timers.pop(effect.timer, None)


def _asked(state: Coordinator, word: DecideApproval | DecideConflict) -> object:
    """What people were asked under that id, without when."""
    if isinstance(word, DecideConflict):
        opened = state.ledger.conflicts.get(word.conflict)
        return None if opened is None else (opened.klass, opened.resource, opened.parties)
    proposal = state.ledger.approvals.open.get(word.id)
    return state.ledger.docket.lowerings.get(word.id) if proposal is None else proposal.digest


def _with_candidate(state: Coordinator, candidate: Candidate) -> Coordinator:
    """As if its configuration had been taken already: a start does not take it again."""
    assert COORDINATOR.evolve is not None, "the coordinator is durable"
    state = replace(state, book=Book.of(candidate.overlay.over(state.book.spec)))
    fact = change_of(state.ledger.ruleset, candidate.rules, "reload", TRIAL, "tried", configured=state.book.spec.rules)
    assert fact is not None, "the configured set alone makes it one"
    for workstream, level in candidate.overlay.levels.items():
        set_ = LevelSet(workstream=workstream, level=level, by=TRIAL, reason="tried")
        state = COORDINATOR.evolve(state, set_)
    return COORDINATOR.evolve(state, fact)


def _subjects(state: Coordinator, letter: Envelope) -> Callable[[str, str], str]:
    """What a firing is about: as the rule's holds or ``once_per`` name it."""

    def subject(rule_id: str, event_id: str) -> str:
        rule = next((rule for rule in state.book.running if rule.id == rule_id), None)
        template = "" if rule is None else _template(rule)
        if not template:
            return ""
        event = _event(state, letter, rule_id, event_id)
        try:
            return UNKNOWN_SUBJECT if event is None else filled_text(template, event.payload)
        except FieldError:
            return UNKNOWN_SUBJECT

    return subject


def _template(rule: Rule) -> str:
    held, released = (hold.subject for hold in rule.hold), (release.subject for release in rule.release)
    return next((template for template in (rule.once_per, *held, *released) if template), "")


def _event(state: Coordinator, letter: Envelope, rule: str, event_id: str) -> Event | None:
    """One that was shown, or that the rule remembers."""
    if isinstance(letter.body, Consider):
        for event in letter.body.events:
            if event.id == event_id:
                return as_known((event,), state.book.spec.fields)[0]
    remembered = (standing.event for standing in state.ledger.timing.standings.get(rule, {}).values())
    return next((event for event in remembered if event is not None and event.id == event_id), None)


def shown(trial: Trial) -> Shown:
    """The report: what was recorded, what the trial gives, and the difference."""
    return {
        "letters": trial.letters,
        "events": trial.events,
        "changed": trial.candidate.overlay.named(),
        "passed": list(trial.candidate.passed),
        "changes_passed": trial.changes_passed,
        "words_passed": trial.words_passed,
        "first": None if trial.first is None else trial.first._asdict(),
        "open_since": trial.open_since,
        "assumed": trial.assumed,
        **compared.worlds(trial.recorded, trial.tried),
    }
