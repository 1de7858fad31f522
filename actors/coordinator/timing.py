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
from itertools import islice

from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.windows import Table, fed, opened
from alluse_hub.protocols.claims import Clock
from alluse_hub.protocols.conditions.lex import span_of
from alluse_hub.protocols.conditions.tree import Clock as Unit
from alluse_hub.protocols.conditions.tree import Span
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.rules import Rule
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.windows import (
    RulesLooked,
    RulesTimed,
    RuleTimed,
    RuleTimingDropped,
    WindowClosed,
    WindowKeysDropped,
    WindowOpened,
    WindowsFed,
)

KEYS_MAX = 1_000
"""Values of ``once_per`` that one rule tells apart; beyond, those that changed least lately are given up."""

LOOKED_AT = 20
"""Of those, when one is to be given up."""

FACTS: frozenset[type[Fact]] = frozenset(
    {WindowOpened, WindowClosed, WindowsFed, WindowKeysDropped, RulesTimed, RulesLooked}
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
        case RulesTimed():
            return replace(timing, standings=_stood(timing.standings, fact))
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


def _stood(standings: Mapping[str, dict[str, RuleTimed]], fact: RulesTimed) -> dict[str, dict[str, RuleTimed]]:
    """Of a rule's keys the first has changed least lately."""
    rules = {one.rule for one in fact.dropped} | {one.rule for one in fact.stand}
    changed = {rule: dict(standings.get(rule, {})) for rule in rules}
    for gone in fact.dropped:
        for key in gone.keys:
            changed[gone.rule].pop(key, None)
    for one in fact.stand:
        put(changed[one.rule], one)
    return {rule: of for rule, of in {**standings, **changed}.items() if of}


def put(of_rule: dict[str, RuleTimed], standing: RuleTimed) -> None:
    of_rule.pop(standing.key, None)
    if not is_nothing(standing):
        of_rule[standing.key] = standing


class Standings:
    """Where rules stand, in the making: it is thrown away with the turn, and ``fact`` is what remains."""

    def __init__(self, standings: Mapping[str, dict[str, RuleTimed]]) -> None:
        self._before = standings
        self._own: dict[str, dict[str, RuleTimed]] = {}
        self._changed: dict[tuple[str, str], RuleTimed] = {}
        self._dropped: dict[str, list[str]] = {}

    def of(self, rule: str) -> Mapping[str, RuleTimed]:
        own = self._own.get(rule)
        return self._before.get(rule, {}) if own is None else own

    def put(self, after: RuleTimed, before: RuleTimed | None) -> None:
        if after == before or (before is None and is_nothing(after)):
            return
        rule = after.rule
        own = self._own.setdefault(rule, dict(self._before.get(rule, {})))
        if before is None and len(own) >= KEYS_MAX:
            self._give_up(rule, own)
        put(own, after)
        self._changed.pop((rule, after.key), None)
        self._changed[rule, after.key] = after

    def _give_up(self, rule: str, own: dict[str, RuleTimed]) -> None:
        """One that nothing is awaited of, if there is one among those that have changed least lately."""
        oldest = islice(own.items(), LOOKED_AT)
        key = next((key for key, at in oldest if at.phase in {"idle", "firing"}), next(iter(own)))
        del own[key]
        self._changed.pop((rule, key), None)
        self._dropped.setdefault(rule, []).append(key)

    def fact(self) -> RulesTimed | None:
        if not self._changed and not self._dropped:
            return None
        why = f"it stands somewhere for {KEYS_MAX} values already"
        dropped = tuple(
            RuleTimingDropped(
                rule=rule,
                keys=tuple(key for key in keys if key in self._before.get(rule, {})),
                count=len(keys),
                why=why,
            )
            for rule, keys in self._dropped.items()
        )
        return RulesTimed(dropped=dropped, stand=tuple(self._changed.values()))


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
