"""The coordinator between letters, and a turn in the making.

A turn gathers what one letter leads to and puts it in the only order that is safe: first every fact, then what may go
at once (restrictions, words to the board), then, behind a ``Commit``, what orders or loosens.
"""

from dataclasses import dataclass, field

from alluse_hub.actors.coordinator.arbiter import Ruling, in_force
from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.ledger import Ledger, evolve
from alluse_hub.actors.coordinator.rules import Book
from alluse_hub.actors.coordinator.timing import Timing
from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.effects import CancelWake, Commit, Decision, Effect, Record, Send, Wake
from alluse_hub.protocols.message import Fact, Message
from alluse_hub.protocols.resources import Declared
from alluse_hub.protocols.rules import ActsCommitted, CoordinatorSpec
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.breaker import Breaker


@dataclass(frozen=True, slots=True)
class Coordinator:
    """``book`` comes from the specification and ``ledger`` from the facts; the rest is learned again after a start."""

    name: str
    book: Book
    ledger: Ledger = field(default_factory=Ledger)
    presence: dict[str, str] = field(default_factory=dict)  # of programs, as their monitors say
    tries: dict[str, int] = field(default_factory=dict)  # of what is being said again, by timer
    heard: dict[str, int] = field(default_factory=dict)  # by resource: the fence that its monitor says it has heard
    breakers: dict[str, Breaker] = field(default_factory=dict)  # towards the monitors
    approval_at: float | None = None  # hub time of the armed end of a proposal
    heeded: frozenset[str] = frozenset()  # monitors that know this term
    lapse_at: float | None = None  # hub time of the armed lapse
    due_at: float | None = None  # hub time of the armed deadline of a rule
    armed_for: Timing | None = None  # what it was armed for
    settled: Book | None = None  # the rules that windows were opened for


def start(name: str, spec: Message) -> Coordinator:
    assert isinstance(spec, CoordinatorSpec), "the core names its own specification"
    return Coordinator(name, Book.of(spec))


def restored(fresh: Coordinator, kept: Coordinator) -> Coordinator:
    """The configuration of now with the ledger of a snapshot."""
    return _with(fresh, kept.ledger)


def evolved(state: Coordinator, fact: Fact) -> Coordinator:
    return _with(state, evolve(state.ledger, fact))


def _with(state: Coordinator, ledger: Ledger) -> Coordinator:
    """Another ledger; with another set of rules, these are made ready for use."""
    rules = ledger.ruleset.rules
    if rules is state.ledger.ruleset.rules or not ledger.ruleset.revision:
        return replace(state, ledger=ledger)
    return replace(state, ledger=ledger, book=state.book.with_rules(tuple(rules.values())))


class Turn:
    """Everything that one letter leads to; lives no longer than the handling of it."""

    def __init__(self, state: Coordinator, at: float) -> None:
        self.state = state
        self.at = at
        self._facts: list[Effect] = []
        self._at_once: list[Effect] = []
        self._held: list[Effect] = []
        self._answers: list[Effect] = []
        self.led: dict[str, tuple[str, ...]] = {}  # by resource: the rules that have claimed or released it now
        self.roots: dict[str, str] = {}  # by resource: the event from outside behind the first of them
        self.moment = ""  # what else than an event a rule fires for: a deadline, or a person
        self._is_committed = False
        self.person = ""  # who ordered it, if a person did
        self.agreeing = 1  # people who stand for that order
        self.claims_before = state.ledger.claims
        self.ordered: frozenset[str] = frozenset()  # the resources that the order is about

    @property
    def ledger(self) -> Ledger:
        return self.state.ledger

    @property
    def now(self) -> Now:
        return Now(self.at, self.ledger.ordinal, self.ledger.session)

    def ruling(self, mode: Mode) -> Ruling:
        return in_force(mode, self.ledger.claims.values(), self.now, self.ledger.docket.favoured_on(mode.resource))

    def lead(self, resource: str, rules: tuple[str, ...], root: str) -> None:
        """These rules, one by the other, have led to what becomes of the resource."""
        self.led[resource] = tuple(dict.fromkeys((*self.led.get(resource, ()), *rules)))
        self.roots.setdefault(resource, root)

    def declared(self, resource: str) -> Declared | None:
        return next((known for known in self.state.book.spec.resources if known.resource == resource), None)

    def record(self, fact: Fact) -> None:
        self.state = evolved(self.state, fact)
        self._facts.append(Record(fact))

    def commit(self, fact: Fact) -> None:
        """What is answered, or said behind a commit, in this turn waits until the fact is safe against a power cut."""
        self.record(fact)
        self._is_committed = True

    def send(self, to: str, message: Message) -> None:
        self._at_once.append(Send(to, message))

    def send_and_wake(self, to: str, message: Message, timer: str, after_s: float, *, committed: bool) -> None:
        """The timer is set behind the same ``Commit``: nothing is said again that was not allowed out once."""
        effects = self._held if committed else self._at_once
        effects += [Send(to, message), Wake(timer, after_s)]

    def answer(self, to: str, message: Message) -> None:
        """Goes last, behind the ``Commit`` if there is one."""
        self._answers.append(Send(to, message))

    def wake(self, timer: str, after_s: float) -> None:
        self._at_once.append(Wake(timer, after_s))

    def cancel(self, timer: str) -> None:
        self._at_once.append(CancelWake(timer))

    def unreachable(self, workstream: str, within_s: float) -> str:
        """Why nobody there would answer within so many seconds; empty if somebody may."""
        if self.state.presence.get(workstream) == "out":
            return f"{workstream} is out"
        breaker = self.state.breakers.get(workstream)
        if breaker is None or not breaker.refuses(self.at) or breaker.is_back_within(within_s, self.at):
            return ""
        return breaker.why(workstream, self.at)

    def unanswered(self, workstream: str, reason: str) -> None:
        """A request to it came to its end without an answer."""
        breaker = self.state.breakers.get(workstream, Breaker()).unanswered(self.at, reason)
        self.state = replace(self.state, breakers={**self.state.breakers, workstream: breaker})

    def requested(self, workstream: str) -> None:
        """A request to it is made."""
        breaker = self.state.breakers.get(workstream)
        if breaker is not None and (asked := breaker.asked(self.at)) is not breaker:
            self.state = replace(self.state, breakers={**self.state.breakers, workstream: asked})

    def tried(self, timer: str) -> int:
        """Counts one more try; returns how many there were before."""
        before = self.state.tries.get(timer, 0)
        self.state = replace(self.state, tries={**self.state.tries, timer: before + 1})
        return before

    def forget(self, timer: str) -> None:
        """No more tries are counted, and the timer is cancelled if this life has set it."""
        if timer in self.state.tries:
            tries = {other: count for other, count in self.state.tries.items() if other != timer}
            self.state = replace(self.state, tries=tries)
            self.cancel(timer)

    def done(self) -> Decision[Coordinator]:
        effects = [*self._facts, *self._at_once]
        if self._held or self._is_committed:
            effects += [Commit(ActsCommitted(round=self.ledger.round)), *self._held]
        return Decision(self.state, (*effects, *self._answers))
