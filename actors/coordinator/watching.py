"""Which events feed which windows, and what functions of streams say of the event in hand.

A function of a stream is unknown while its window is warming, while an event that could not be read may belong to it,
and where keys had to be given up: what cannot be told is never taken for none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from alluse_hub.actors.coordinator.leases import Now
from alluse_hub.actors.coordinator.pieces import SLICES
from alluse_hub.actors.coordinator.windows import (
    DOUBT,
    Filling,
    Summary,
    Table,
    is_complete,
    key_of,
    quantile,
    summary,
    tallied,
)
from alluse_hub.protocols.claims import Clock
from alluse_hub.protocols.conditions.calls import OF_EVENTS
from alluse_hub.protocols.conditions.condition import Condition, condition_of, holds
from alluse_hub.protocols.conditions.explain import shown as as_text
from alluse_hub.protocols.conditions.text import text_of
from alluse_hub.protocols.conditions.tree import Clock as Unit
from alluse_hub.protocols.conditions.tree import Node, Stream, Window, parts_of
from alluse_hub.protocols.conditions.values import NUMBER_MAX, NUMBERS, Doubt, Unknown, Value, step_into
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.windows import Heard

WINDOWS_MAX = 500
"""Different windows of one set of rules."""

CLOCKS = {Unit.HUB: Clock.HUB, Unit.MARKET: Clock.MARKET}


@dataclass(frozen=True, slots=True)
class Feed:
    """What one window takes from one stream.  ``id`` says all of it, so equal feeds are one."""

    id: str
    stream: Stream
    kind: str  # events, numbers, values
    clock: Clock
    length: float | None
    where: Condition | None
    by: tuple[str, ...]

    def heard(self, event: Event, n: int) -> Heard | None:
        """The event as the window keeps it; None if it is none of its own."""
        is_ours = holds(self.where, event.payload) if self.where is not None else True
        if is_ours is False:
            return None
        key = ""
        if self.by:
            key = key_of(step_into(event.payload, self.by, "")) or DOUBT
        return (n, key, self._value(event.payload) if is_ours else None)

    def _value(self, payload: Mapping[str, Any]) -> int | float | str | None:
        if self.kind == "events":
            return 1
        found = step_into(payload, self.stream.path, "")
        if self.kind == "values":
            return key_of(found)
        return found if type(found) in NUMBERS and -NUMBER_MAX <= found <= NUMBER_MAX else None


def feeds_of(window: Window) -> tuple[Feed, ...]:
    kind = "events" if window.function in OF_EVENTS else "numbers"
    if window.function in {"distinct", "changed"}:
        kind = "values"
    where = condition_of(window.where) if window.where is not None else None
    length = window.span.length if window.span is not None else None
    by = window.by.theirs if window.by is not None else ()
    feeds = []
    for stream in window.streams:
        parts = [kind, stream.text, str(window.span) if window.span else f"last in {window.clock}"]
        parts += [f"where({where.text})"] if where is not None else []
        parts += [f"by({'.'.join(by)})"] if by else []
        feeds.append(Feed(" ".join(parts), stream, kind, CLOCKS[window.clock], length, where, by))
    return tuple(feeds)


@dataclass(frozen=True, slots=True)
class Watch:
    """All windows of a set of rules."""

    feeds: dict[str, Feed]
    of: dict[Window, tuple[Feed, ...]]
    by_stream: dict[tuple[str, str], tuple[Feed, ...]]
    by_node: dict[int, tuple[Feed, ...]]  # as ``of``, by the identity of the node: to hash a tree takes longer
    trees: tuple[Node, ...]  # what those identities belong to

    @classmethod
    def over(cls, conditions: Iterable[Condition]) -> "Watch":
        trees = tuple(condition.tree for condition in conditions if condition.windows)
        nodes = [node for tree in trees for node in parts_of(tree) if isinstance(node, Window)]
        of = {window: feeds_of(window) for window in dict.fromkeys(nodes)}
        feeds = {feed.id: feed for found in of.values() for feed in found}
        by_stream: dict[tuple[str, str], tuple[Feed, ...]] = {}
        for feed in feeds.values():
            key = (feed.stream.ws, feed.stream.event)
            by_stream[key] = (*by_stream.get(key, ()), feed)
        return cls(feeds, of, by_stream, {id(node): of[node] for node in nodes}, trees)


class Reader:
    """What functions of streams say at a time; ``tables`` may be in the making."""

    def __init__(self, watch: Watch, tables: Mapping[str, Table | Filling], now: Now) -> None:
        self._watch = watch
        self._tables = tables
        self._now = now

    def value(self, window: Window, payload: Mapping[str, Any]) -> Value:
        found = self._summaries(window, payload)
        return found if isinstance(found, Unknown) else _value(window, found)

    def shown(self, window: Window, payload: Mapping[str, Any]) -> str:
        found = self._summaries(window, payload)
        value = found if isinstance(found, Unknown) else _value(window, found)
        if isinstance(value, Unknown):
            return f"unknown: {value.why}"
        edge = max((one.edge for one in found if isinstance(one, Summary)), default=0) if isinstance(found, list) else 0
        if not edge or window.span is None:
            return as_text(value)
        within = ", p95 within 1 %" if window.function == "p95" else ""
        more = f"up to 1/{SLICES} longer than {window.span}{within}"
        return f"{as_text(value)} over {more}: {edge} of the events may be older"

    def _summaries(self, window: Window, payload: Mapping[str, Any]) -> "list[Summary | float] | Unknown":
        feeds = self._watch.by_node.get(id(window)) or self._watch.of.get(window, ())
        key = ""
        if window.by is not None:
            ours = step_into(payload, window.by.ours.path, window.by.ours.name)
            if isinstance(ours, Unknown):
                return ours
            name = key_of(ours)
            if name is None:
                return Unknown(f"{window.by.ours.name} cannot tell events apart; take a short text or a number")
            key = name
        found: list[Summary | float] = []
        for feed in feeds:
            table = self._tables.get(feed.id)
            if table is None:
                return _in_doubt(window, "is not watched yet")
            one = self._age(window, table, key) if feed.length is None else self._summary(window, table, key)
            if isinstance(one, Unknown):
                return one
            found.append(one)
        return found or _in_doubt(window, "is not watched yet")

    def _at(self, table: Table | Filling) -> float:
        return float(self._now.ordinal) if table.clock is Clock.MARKET else self._now.hub_s

    def _summary(self, window: Window, table: Table | Filling, key: str) -> Summary | Unknown:
        assert table.length is not None, "only age() has no length"
        now = self._at(table)
        if now - table.opened < table.length and not window.is_partial:
            return _in_doubt(window, f"is warming: watched for {now - table.opened:.0f} of {window.span}")
        after = now - table.length
        doubt, series = tallied(table.keys.get(DOUBT), after), table.keys.get(key)
        if table.kind == "events":
            found = tallied(series, after)
        else:
            found = summary(series, after, with_values=window.function in {"p95", "distinct"})
        if lost := doubt.count + found.doubtful:
            return _in_doubt(window, f"cannot be told: {lost} of its events could not be read")
        if not is_complete(table, key, now):
            return _in_doubt(window, "cannot be told: it has more keys than are kept")
        return found

    def _age(self, window: Window, table: Table | Filling, key: str) -> float | Unknown:
        series, doubt = table.keys.get(key), table.keys.get(DOUBT)
        last = series.tail[-1] if series is not None else None
        if (last is not None and last[2] is None) or (doubt is not None and (last is None or doubt.last >= last[0])):
            return _in_doubt(window, "cannot be told: the last of its events could not be read")
        if not is_complete(table, key, self._at(table)):
            return _in_doubt(window, "cannot be told: it has more keys than are kept")
        return max(0.0, self._at(table) - (last[0] if last is not None else table.opened))


def _in_doubt(window: Window, why: str) -> Unknown:
    return Unknown(f"{text_of(window)} {why}", Doubt.STREAM)


def _value(window: Window, found: "list[Summary | float]") -> Value:
    match window.function, found:
        case "age", [float() as age]:
            return age
        case "before", [Summary() as one, Summary() as other]:
            return one.count > 0 and other.count > 0 and one.n_first < other.n_last
        case _, [Summary() as one]:
            return _of_one(window, one)
        case _:
            raise AssertionError(f"{window.function}() is of one stream")


def _of_one(window: Window, one: Summary) -> Value:
    assert window.span is not None, "only age() has no length"
    match window.function:
        case "count":
            return one.count
        case "rate":
            return one.count / window.span.length
        case "sum":
            return one.total
        case "changed":
            return one.has_changed
        case "distinct":
            if one.is_blurred:
                return _in_doubt(window, "has more different values than are told apart")
            return len(one.kinds)
        case _ if not one.count:
            return _in_doubt(window, "has no event")
        case "avg":
            return one.total / one.count
        case "min":
            return one.least
        case "max":
            return one.most
        case _:
            return _in_doubt(window, "is too widely spread") if one.is_blurred else quantile(one, 0.95)
