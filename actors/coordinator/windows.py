"""Windows: what streams said lately, kept as it comes and forgotten as it ages.

A window of length w holds, at time t, what came after t - w up to and with t.  Time is trail time: hub seconds of the
letters, or ordinals of market sessions; so a replay of the trail counts the same.  Windows are shared: two rules that
ask for the same stream, filter, field, length and key read one state.

It is exact up to ``EXACT_MAX`` events of one key.  Beyond, events are kept as sums over 60 slices of the length; the
oldest slice lies across the edge and is counted whole, so the answer is exact for a length between w and w + w/60.  For
p95 the values of a slice become a histogram of 1 % steps (Masson, Rim and Lee, DDSketch, 2019).

Pure.  ``Filling`` is a table in the making: it is thrown away with the turn.
"""

import json
import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter

from alluse_hub.actors.coordinator.pieces import CHUNK, Item, Piece, Value, bounded, middle_of, piece_of, sliced
from alluse_hub.protocols.claims import Clock
from alluse_hub.protocols.conditions.values import NUMBERS
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.windows import Heard, WindowOpened

EXACT_MAX = 10_000
"""Events of one key that are kept one by one."""

KEYS_MAX = 10_000
"""Values of ``by`` that one window tells apart."""

CELLS_MAX = 50_000
"""Events and slices that one window keeps, over all keys."""

DOUBT = "?"
"""The key of events whose own could not be read: they may belong to any."""


@dataclass(frozen=True, slots=True)
class Series:
    """The events of one key, oldest first.  ``prior``: the last value that has left the window."""

    born: float
    last: float
    pieces: tuple[Piece, ...] = ()
    tail: tuple[Item, ...] = ()
    is_coarse: bool = False
    prior: Value = None
    tail_doubtful: int = 0

    @property
    def cells(self) -> int:
        return len(self.tail) + sum(len(piece.items) or 1 for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Table:
    """One window, key by key; the key silent longest comes first.  ``lost_at``: when keys were last given up."""

    kind: str  # events, numbers, values
    clock: Clock
    length: float | None
    opened: float
    keys: dict[str, Series] = field(default_factory=dict)
    cells: int = 0
    dropped: int = 0
    lost_at: float | None = None


def opened(fact: WindowOpened) -> Table:
    return Table(fact.kind, fact.clock, fact.length, fact.opened)


def key_of(value: object) -> str | None:
    """A value of ``by`` as a key; None if it cannot be one."""
    if isinstance(value, bool | str) or type(value) in NUMBERS:
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= KEY_MAX else None
    return None


KEY_MAX = 200
"""Characters of a key, or of a value that is told from others."""


# --- filling ----------------------------------------------------------------------------------------------------------


class Filling:
    """A table that is being filled."""

    def __init__(self, table: Table) -> None:
        self.kind, self.clock, self.length, self.opened = table.kind, table.clock, table.length, table.opened
        self.keys = dict(table.keys)
        self.cells, self.dropped, self.lost_at = table.cells, table.dropped, table.lost_at

    def add(self, at: float, heard: Heard) -> None:
        n, key, value = heard
        old = self.keys.pop(key, None)
        series = old or Series(at, at)
        at = max(at, series.last)
        series = self._grown(series, (at, n, value))
        self.keys[key] = series
        self.cells += series.cells - (old.cells if old is not None else 0)
        self._forget(at)
        while (len(self.keys) > KEYS_MAX or self.cells > CELLS_MAX) and len(self.keys) > 1:
            self._drop(next(iter(self.keys)))
            self.dropped, self.lost_at = self.dropped + 1, at

    def _grown(self, series: Series, item: Item) -> Series:
        at = item[0]
        if self.length is None:  # only the last one, and the last that was sure
            last = item if item[2] is not None or not series.tail else series.tail[0]
            return replace(series, last=at, tail=(item,) if last is item else (last, item))
        series = pruned(series, at - self.length)
        if not series.is_coarse and _count(series) >= EXACT_MAX:
            series = coarse(series, self.length)
        if series.is_coarse:
            return replace(series, last=at, pieces=sliced(series.pieces, item, self.length))
        tail = (*series.tail, item)
        if len(tail) < CHUNK:
            return replace(series, last=at, tail=tail, tail_doubtful=series.tail_doubtful + (item[2] is None))
        return replace(series, last=at, pieces=(*series.pieces, piece_of(tail)), tail=(), tail_doubtful=0)

    def _forget(self, at: float) -> None:
        """Keys that have nothing left in the window; but whether a value has changed is asked of the last one, too."""
        if self.length is None or self.kind == "values":
            return
        for _ in range(2):  # one comes at most, so this gains on them
            key = next(iter(self.keys))
            if self.keys[key].last > at - self.length:
                return
            self._drop(key)

    def _drop(self, key: str) -> None:
        self.cells -= self.keys.pop(key).cells

    def table(self) -> Table:
        return Table(self.kind, self.clock, self.length, self.opened, self.keys, self.cells, self.dropped, self.lost_at)


def fed(table: Table, at: float, events: Iterable[Heard]) -> Table:
    filling = Filling(table)
    for heard in events:
        filling.add(at, heard)
    return filling.table()


def _count(series: Series) -> int:
    return len(series.tail) + sum(piece.count for piece in series.pieces)


def pruned(series: Series, after: float) -> Series:
    """Without the pieces and items that came no later than ``after``; a piece across that edge stays whole."""
    pieces, tail, prior = series.pieces, series.tail, series.prior
    gone = 0
    while gone < len(pieces) and pieces[gone].last <= after:
        gone += 1
    if gone:
        prior, pieces = pieces[gone - 1].last_value, pieces[gone:]
    if not pieces and tail and tail[0][0] <= after:
        kept = next((n for n, item in enumerate(tail) if item[0] > after), len(tail))
        prior, tail = tail[kept - 1][2], tail[kept:]
    if pieces is series.pieces and tail is series.tail:
        return series
    doubtful = sum(value is None for _, _, value in tail) if series.tail_doubtful else 0
    is_coarse = series.is_coarse and bool(pieces)
    return replace(series, pieces=pieces, tail=tail, prior=prior, is_coarse=is_coarse, tail_doubtful=doubtful)


def coarse(series: Series, length: float) -> Series:
    slices: tuple[Piece, ...] = ()
    for piece in series.pieces:
        for item in piece.items:
            slices = sliced(slices, item, length)
    for item in series.tail:
        slices = sliced(slices, item, length)
    return replace(series, pieces=slices, tail=(), is_coarse=True, tail_doubtful=0)


# --- asking -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Summary:
    """Of the events of one key that came after a time.  ``edge``: how many of ``count`` are in a slice that lies across
    that time.  ``values``: of those kept one by one."""

    count: int = 0
    doubtful: int = 0
    total: float = 0.0
    least: float = 0.0
    most: float = 0.0
    n_first: int = 0
    n_last: int = 0
    has_changed: bool = False
    edge: int = 0
    is_blurred: bool = False
    values: tuple[Value, ...] = ()
    steps: tuple[tuple[int, int], ...] = ()
    kinds: frozenset[str] = frozenset()


def tallied(series: Series | None, after: float) -> Summary:
    """Only how many, how many doubtful, and which were the first and the last."""
    if series is None:
        return Summary()
    series = pruned(series, after)
    pieces, tail = series.pieces, series.tail
    count = len(tail) + sum(piece.count for piece in pieces)
    if not count:
        return Summary()
    doubtful = series.tail_doubtful + sum(piece.doubtful for piece in pieces)
    n_first, edge = pieces[0].n_first if pieces else tail[0][1], 0
    if pieces and pieces[0].first <= after:
        items = pieces[0].items
        if items:
            kept = bisect_right(items, after, key=itemgetter(0))
            count, n_first = count - kept, items[kept][1]
            doubtful -= sum(value is None for _, _, value in items[:kept]) if pieces[0].doubtful else 0
        else:
            edge = pieces[0].count
    n_last = tail[-1][1] if tail else pieces[-1].n_last
    return Summary(count=count, doubtful=doubtful, n_first=n_first, n_last=n_last, edge=edge)


def summary(series: Series | None, after: float, *, with_values: bool = False) -> Summary:
    """``with_values``: also what ``p95`` and ``distinct`` need."""
    if series is None:
        return Summary()
    series = pruned(series, after)
    pieces, prior, edge = list(series.pieces), series.prior, 0
    if pieces and pieces[0].first <= after:
        if pieces[0].items:
            kept = next(n for n, item in enumerate(pieces[0].items) if item[0] > after)
            prior = pieces[0].items[kept - 1][2]
            pieces[0] = piece_of(pieces[0].items[kept:])
        else:
            edge = pieces[0].count
    if series.tail:
        pieces.append(piece_of(series.tail))
    if not pieces:
        return Summary()
    befores = [prior, *(piece.last_value for piece in pieces)]
    numbers = [piece for piece in pieces if piece.doubtful < piece.count]
    found = Summary(
        count=sum(piece.count for piece in pieces),
        doubtful=sum(piece.doubtful for piece in pieces),
        total=bounded(sum(piece.total for piece in pieces)),
        least=min((piece.least for piece in numbers), default=0),
        most=max((piece.most for piece in numbers), default=0),
        n_first=pieces[0].n_first,
        n_last=pieces[-1].n_last,
        has_changed=any(
            piece.changes or (before is not None and before != piece.first_value)
            for before, piece in zip(befores, pieces, strict=False)
        ),
        edge=edge,
        is_blurred=any(piece.is_blurred for piece in pieces),
    )
    if not with_values:
        return found
    steps: dict[int, int] = {}
    for piece in pieces:
        for step, count in piece.steps:
            steps[step] = steps.get(step, 0) + count
    values = tuple(item[2] for piece in pieces for item in piece.items)
    kinds = {kind for piece in pieces for kind in piece.kinds} | {value for value in values if isinstance(value, str)}
    return replace(found, values=values, steps=tuple(sorted(steps.items())), kinds=frozenset(kinds))


def quantile(found: Summary, share: float) -> float:
    """By nearest rank, of one event or more; within 1 % where slices take part."""
    if not found.steps:
        numbers = sorted(value for value in found.values if isinstance(value, int | float))
        return numbers[max(0, math.ceil(share * len(numbers)) - 1)]
    wanted = math.ceil(share * sum(count for _, count in found.steps))
    for step, count in found.steps:
        wanted -= count
        if wanted <= 0:
            return min(max(middle_of(step), found.least), found.most)
    return found.most


def is_complete(table: "Table | Filling", key: str, now: float) -> bool:
    """Whether nothing that belongs to the key now was given up."""
    if table.lost_at is None or (table.length is not None and table.lost_at <= now - table.length):
        return True
    series = table.keys.get(key)
    return series is not None and series.born < table.lost_at
