"""Rules in time: ``true_for``, ``keep``, ``every``, ``cooldown`` and ``once_per``, around the condition.

For each value of ``once_per`` a rule stands somewhere between its condition's becoming true and its being over:

    idle --true--> pending --true_for has passed--> firing --false--> keeping --keep has passed--> idle

It fires as it comes to *firing*, and then not again before it has been over, or with ``cooldown`` not before that has
passed.  Unknown is not true: it ends *pending*.  And it is not false: it ends neither *firing* nor *keeping*, so that a
hold is only let go after a definite word.  The shape is that of Prometheus's alerts.

Pure.  Where rules stand, what windows hold and when rules are looked at again is durable; ``folded`` keeps it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from alluse_hub.actors.coordinator.conditions.lex import span_of
from alluse_hub.actors.coordinator.conditions.tree import Clock as Unit
from alluse_hub.actors.coordinator.conditions.tree import Span
from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.windows import Table, fed, opened
from alluse_hub.protocols.claims import Clock
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.rules import Rule
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.windows import (
    RulesLooked,
    RuleTimed,
    RuleTimingDropped,
    WindowClosed,
    WindowKeysDropped,
    WindowOpened,
    WindowsFed,
)

KEYS_MAX = 1_000
"""Values of ``once_per`` that one rule tells apart; beyond, those that changed least lately are given up."""

FACTS: frozenset[type[Fact]] = frozenset(
    {WindowOpened, WindowClosed, WindowsFed, WindowKeysDropped, RuleTimed, RuleTimingDropped, RulesLooked}
)


@dataclass(frozen=True, slots=True)
class Timing:
    """``heard``: events that came to any window, ever.  ``looks``: when rules with ``every`` are looked at next, in hub
    seconds.  ``looks_count``: times that a timer led to a look."""

    tables: dict[str, Table] = field(default_factory=dict)
    heard: int = 0
    late: int = 0
    standings: dict[str, dict[str, RuleTimed]] = field(default_factory=dict)  # by rule and key
    looks: dict[str, float] = field(default_factory=dict)
    looks_count: int = 0


def folded(timing: Timing, fact: Fact) -> Timing:
    match fact:
        case WindowOpened(window=window):
            return replace(timing, tables={**timing.tables, window: opened(fact)})
        case WindowClosed(window=window):
            return replace(timing, tables={name: table for name, table in timing.tables.items() if name != window})
        case WindowsFed():
            return _fed(timing, fact)
        case WindowKeysDropped():
            return timing
        case RuleTimed():
            return replace(timing, standings=_stood(timing.standings, fact))
        case RuleTimingDropped(rule=rule, keys=keys):
            left = {key: at for key, at in timing.standings.get(rule, {}).items() if key not in set(keys)}
            others = {name: of for name, of in timing.standings.items() if name != rule}
            return replace(timing, standings={**others, rule: left} if left else others)
        case RulesLooked(due=due, count=count):
            return replace(timing, looks=due, looks_count=count)
        case other:
            raise TypeError(f"the timing of rules is not changed by {type(other).__name__}")


def _fed(timing: Timing, fact: WindowsFed) -> Timing:
    tables = dict(timing.tables)
    heard = timing.heard
    for one in fact.fed:
        table = tables[one.window]
        at = fact.ordinal if table.clock is Clock.MARKET else fact.at
        tables[one.window] = fed(table, float(at), one.events)
        heard = max(heard, max((n for n, _, _ in one.events), default=0))
    return replace(timing, tables=tables, heard=heard, late=timing.late + fact.late)


def _stood(standings: Mapping[str, dict[str, RuleTimed]], fact: RuleTimed) -> dict[str, dict[str, RuleTimed]]:
    of_rule = {key: at for key, at in standings.get(fact.rule, {}).items() if key != fact.key}
    if not is_nothing(fact):
        of_rule[fact.key] = fact  # behind the others: the first has changed least lately
    others = {rule: of for rule, of in standings.items() if rule != fact.rule}
    return {**others, fact.rule: of_rule} if of_rule else others


# --- one rule ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Timed:
    """The times that a rule names."""

    true_for: Span | None
    keep: Span | None
    every_s: float | None
    cooldown: Span | None
    once_per: str

    @classmethod
    def of(cls, rule: Rule) -> "Timed | None":
        """None for a rule that names none: it fires whenever its condition is true.  Raises ValueError."""
        every = span_of(rule.every).length if rule.every else None
        spans = [span_of(text) if text else None for text in (rule.true_for, rule.keep, rule.cooldown)]
        if not any(spans) and every is None and not rule.once_per:
            return None
        return cls(spans[0], spans[1], every, spans[2], rule.once_per)

    @property
    def has_phases(self) -> bool:
        """Whether it matters when the condition is over; not to one that only has to rest."""
        return self.true_for is not None or self.keep is not None or self.cooldown is None


@dataclass(frozen=True, slots=True)
class Moment:
    """The condition of a rule, asked at a time: for whom, of which event, and what it was."""

    rule: str
    key: str
    event: Event
    value: bool | None
    now: Now


def on(clock: Clock, now: Now) -> float:
    return float(now.ordinal) if clock is Clock.MARKET else now.hub_s


def clock_of(span: Span) -> Clock:
    return Clock.MARKET if span.clock is Unit.MARKET else Clock.HUB


def is_nothing(standing: RuleTimed) -> bool:
    """Whether it is as if the condition had never been asked."""
    return standing.phase == "idle" and standing.event is None and standing.rests_until is None


def is_due(standing: RuleTimed, now: Now) -> bool:
    return standing.due is not None and on(standing.clock, now) >= standing.due


def is_resting(standing: RuleTimed, now: Now) -> bool:
    return standing.rests_until is not None and on(standing.rests_clock, now) < standing.rests_until


def judged(timed: Timed, standing: RuleTimed | None, moment: Moment) -> tuple[RuleTimed, bool]:
    """Where the rule stands after that, and whether it fires."""
    was = standing or RuleTimed(rule=moment.rule, key=moment.key, phase="idle")
    if moment.value is True:
        return _true(timed, was, moment)
    event = moment.event if timed.every_s is not None else None
    if was.phase == "pending":
        return _at(was, "idle", event=event), False
    if moment.value is False and was.phase == "firing":
        if timed.keep is None:
            return _at(was, "idle", event=event), False
        return _until(was, "keeping", timed.keep, moment, event), False
    if moment.value is None and was.phase == "keeping":
        return _at(was, "firing", event=event), False
    return was.model_copy(update={"event": event}), False


def _true(timed: Timed, was: RuleTimed, moment: Moment) -> tuple[RuleTimed, bool]:
    event = moment.event if timed.every_s is not None else None
    if was.phase in {"idle", "pending"} and timed.true_for is not None:
        if was.phase == "idle":
            return _until(was, "pending", timed.true_for, moment, moment.event), False
        if not is_due(was, moment.now):
            return was.model_copy(update={"event": moment.event}), False
    is_new = was.phase in {"idle", "pending"}
    fires = not is_resting(was, moment.now) and (is_new or timed.cooldown is not None)
    firing = _at(was, "firing" if timed.has_phases else "idle", event=event)
    if fires and timed.cooldown is not None:
        clock = clock_of(timed.cooldown)
        rests = {"rests_clock": clock, "rests_until": on(clock, moment.now) + timed.cooldown.length}
        firing = firing.model_copy(update=rests)
    return firing, fires


def _at(was: RuleTimed, phase: str, *, event: Event | None) -> RuleTimed:
    return was.model_copy(update={"phase": phase, "since": 0.0, "due": None, "event": event})


def _until(was: RuleTimed, phase: str, span: Span, moment: Moment, event: Event | None) -> RuleTimed:
    clock = clock_of(span)
    since = on(clock, moment.now)
    update = {"phase": phase, "clock": clock, "since": since, "due": since + span.length, "event": event}
    return was.model_copy(update=update)


def next_due_s(timing: Timing) -> float | None:
    """Hub time of the first deadline on the hub's clock."""
    dues = [
        standing.due
        for of_rule in timing.standings.values()
        for standing in of_rule.values()
        if standing.due is not None and standing.clock is Clock.HUB
    ]
    return min((*dues, *timing.looks.values()), default=None)
