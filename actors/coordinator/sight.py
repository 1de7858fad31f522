"""What a round's events, or a deadline, mean to the rules: which fire, which windows grow, where each rule stands.

Events are looked at one by one, so that each sees those before it and none after it.  Nothing counts until the facts
that come of it are recorded; so a round that is cut short is looked at afresh.  Pure.
"""

from collections.abc import Iterator, Sequence

from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.rules import Book, Compiled, Match
from alluse_hub.actors.coordinator.templates import FieldError, filled_text
from alluse_hub.actors.coordinator.timing import Moment, Standings, Timed, Timing, is_due, judged
from alluse_hub.actors.coordinator.watching import Reader
from alluse_hub.actors.coordinator.windows import Filling, Table
from alluse_hub.protocols.claims import Clock
from alluse_hub.protocols.conditions import NO_VALUE, Verdict, evaluate, holds, holds_walked, walked
from alluse_hub.protocols.conditions.sensitive import Sensitivity, sensitivity
from alluse_hub.protocols.conditions.values import Doubt, Unknown
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.rules import Rule
from alluse_hub.protocols.windows import (
    Heard,
    RulesLooked,
    RuleTimed,
    WindowFed,
    WindowKeysDropped,
    WindowsFed,
)

ANY_KEY = "?"
"""Key of an event that does not have what ``once_per`` asks for, or too much of it."""

KEY_MAX = 200
"""Characters of a key; those of longer ones share one, as with subjects of holds."""


class Sight:
    """Of one turn.  ``ended``: rules and keys whose ``keep`` has passed, so that their holds end."""

    def __init__(self, book: Book, timing: Timing, now: Now) -> None:
        self._book = book
        self._before = timing
        self._standings = Standings(timing.standings)
        self._now = now
        self._tables: dict[str, Table | Filling] = dict(timing.tables)
        self._reader = Reader(book.watch, self._tables, now)
        self._fed: dict[str, list[Heard]] = {}
        self._heard = timing.heard
        self._late = 0
        self._told: set[str] = set()  # rules that were said to be undecided because of a stream
        self.ended: list[tuple[Rule, str]] = []

    # --- events -------------------------------------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Into the windows that are fed by such events."""
        for feed in self._book.watch.by_stream.get((event.ws, event.event), ()):
            table = self._tables.get(feed.id)
            if table is None:
                continue  # the rule that asks for it came in this very turn
            if table.clock is Clock.MARKET and event.session not in {"", self._now.session}:
                self._late += 1
                continue
            heard = feed.heard(event, self._heard + 1)
            if heard is None:
                continue
            self._heard += 1
            if not isinstance(table, Filling):
                table = self._tables[feed.id] = Filling(table)
            at = float(self._now.ordinal) if table.clock is Clock.MARKET else self._now.hub_s
            table.add(at, heard)
            self._fed.setdefault(feed.id, []).append(heard)

    def matches(self, event: Event) -> list[Match]:
        """In the order of the rules: those that fire, and those that are undecided."""
        found: list[Match] = []
        payload, windows = event.payload, self._reader.value
        for compiled in self._book.rules.get((event.ws, event.event), ()):
            try:
                value: bool | None = compiled.condition.fast(payload, windows)
            except NO_VALUE:
                value = holds_walked(compiled.condition, payload, self._reader)
            if value is False and compiled.timed is None:
                continue  # most rules of most events: nothing more is to be done for them
            match = self._judged(compiled, event, value)
            if match is not None:
                found.append(match)
        return found

    def asked(self, compiled: Compiled, event: Event) -> Verdict:
        """What a rule's condition says of an event, and nothing else of the rule."""
        return evaluate(compiled.condition, event.payload, self._reader)

    def turned_by(self, compiled: Compiled, event: Event) -> tuple[Sensitivity, ...]:
        """With which other value of each field the condition would have come out otherwise."""
        return sensitivity(compiled.condition, event.payload, self._reader)

    def stands(self, compiled: Compiled, event: Event) -> RuleTimed | None:
        """Where the rule stands, for the key of that event."""
        if compiled.timed is None:
            return None
        return self._standings.of(compiled.rule.id).get(_key(compiled.timed, event))

    def _match(self, compiled: Compiled, event: Event) -> Match | None:
        return self._judged(compiled, event, holds(compiled.condition, event.payload, self._reader))

    def _judged(self, compiled: Compiled, event: Event, value: bool | None) -> Match | None:
        if compiled.timed is not None:
            return self._timed(compiled, compiled.timed, event, value)
        if value is None:
            return self._undecided(compiled, event)
        return Match(compiled.rule, event, fires=True, why=self._why(compiled, event)) if value else None

    def _undecided(self, compiled: Compiled, event: Event) -> Match | None:
        """Of a stream that cannot tell, as while a window is warming, it is said once a round."""
        found = walked(compiled.condition, event.payload, self._reader)
        if isinstance(found, Unknown) and found.doubt is Doubt.STREAM:
            if compiled.rule.id in self._told:
                return None
            self._told.add(compiled.rule.id)
        return Match(compiled.rule, event, fires=False, why=self._why(compiled, event))

    def _why(self, compiled: Compiled, event: Event) -> str:
        condition = compiled.condition
        if not condition.fields and not condition.windows:
            return f"{event.event} happened"
        return evaluate(condition, event.payload, self._reader).why

    def _timed(self, compiled: Compiled, timed: Timed, event: Event, value: bool | None) -> Match | None:
        rule = compiled.rule
        key = _key(timed, event)
        standing = self._standings.of(rule.id).get(key)
        after, fires = judged(timed, standing, Moment(rule.id, key, event, value, self._now))
        why = self._why(compiled, event) if fires or after.phase == "pending" else after.why
        if fires and timed.true_for is not None:
            why = f"{why}, without a break for {timed.true_for}"
        self._standings.put(after.model_copy(update={"why": why}), standing)
        if value is None:
            return self._undecided(compiled, event)
        return Match(rule, event, fires=True, why=why) if fires else None

    # --- deadlines ----------------------------------------------------------------------------------------------

    def due(self) -> list[Match]:
        """What deadlines that have passed lead to; rules with ``every`` are looked at again."""
        found = [match for compiled in self._timed_rules() for match in self._deadlines(compiled)]
        looks = {rule: at for rule, at in self._before.looks.items() if at <= self._now.hub_s}
        for compiled in self._timed_rules():
            if compiled.rule.id in looks:
                found += self._look(compiled)
        return found

    def looked(self) -> RulesLooked:
        """That a timer led to a look, and when the next is due."""
        every = {c.rule.id: c.timed.every_s for c in self._timed_rules() if c.timed and c.timed.every_s is not None}
        due = dict(self._before.looks)
        for rule, at in due.items():
            if at <= self._now.hub_s and rule in every:
                due[rule] = self._now.hub_s + every[rule]
        return RulesLooked(due=due, count=self._before.looks_count + 1)

    def _timed_rules(self) -> Iterator[Compiled]:
        for rules in self._book.rules.values():
            for compiled in rules:
                if compiled.timed is not None:
                    yield compiled

    def _deadlines(self, compiled: Compiled) -> Iterator[Match]:
        for key, standing in tuple(self._standings.of(compiled.rule.id).items()):
            if not is_due(standing, self._now):
                continue
            if standing.phase == "keeping":
                self.ended.append((compiled.rule, key))
                self._standings.put(standing.model_copy(update={"phase": "idle", "due": None, "since": 0.0}), standing)
            elif standing.event is not None:
                match = self._match(compiled, standing.event)
                if match is not None:
                    yield match

    def _look(self, compiled: Compiled) -> Iterator[Match]:
        for standing in tuple(self._standings.of(compiled.rule.id).values()):
            if standing.event is not None and (match := self._match(compiled, standing.event)) is not None:
                yield match

    # --- what came of it ----------------------------------------------------------------------------------------

    def facts(self) -> Sequence[Fact]:
        fed: list[Fact] = []
        if self._fed or self._late:
            windows = tuple(WindowFed(window=id_, events=tuple(events)) for id_, events in self._fed.items())
            fed.append(WindowsFed(at=self._now.hub_s, ordinal=self._now.ordinal, fed=windows, late=self._late))
        for id_ in self._fed:
            table, before = self._tables[id_], self._before.tables[id_]
            if table.dropped > before.dropped:
                fed.append(WindowKeysDropped(window=id_, dropped=table.dropped - before.dropped))
        timed = self._standings.fact()
        return fed if timed is None else [*fed, timed]


def _key(timed: Timed, event: Event) -> str:
    if not timed.once_per:
        return ""
    try:
        key = filled_text(timed.once_per, event.payload)
    except FieldError:
        return ANY_KEY
    return key if len(key) <= KEY_MAX else ANY_KEY
