"""The stored trail at one moment: the segments in the order of their places, and behind them the database.

Whoever asks says the places, more than one and up to another, as the last two values of the statement; each source is
asked for its own part of them.  A segment is opened when it is needed, and few are open at a time: so what costs is how
many segments a question has to go through.  For one entry and for the facts of one actor the store knows which they
are; pages go through them from one end until they are full.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.bundles import BundleError, Numbers
from alluse_hub.actors.auditor.reader import BUSY_TIMEOUT_S, reading, store_of
from alluse_hub.actors.auditor.sealed import Connection, Segment, opened, read_manifest, segments_dir, segments_in
from alluse_hub.actors.auditor.segments import CLASSES, NUMBERS
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.retention import class_of

OPEN_MAX = 8
"""Segments open at a time."""

PLACE_MAX = 2**62

T = TypeVar("T")

Row = tuple[Any, ...]  # Any: columns of several types


Which = Callable[["Moment"], Collection[int] | None]
"""The segments to ask, by their first places; None for all."""


def EVERYWHERE(_trail: "Moment") -> None:  # noqa: N802  # a constant, as ``Which`` has them
    """All of them."""


class Source(NamedTuple):
    """Whoever has the places of more than ``low`` up to ``high``; ``segment``: None for the database."""

    connection: Connection
    low: int
    high: int
    segment: Segment | None = None


class Moment:
    """``store``: the database, on which a transaction is open.  ``through``: the last place that is sealed."""

    def __init__(self, home: Path, store: Connection) -> None:
        self.store = store
        self._home = home
        self.look()
        self._open: OrderedDict[int, contextlib.ExitStack] = OrderedDict()
        self._connections: dict[int, Connection] = {}
        self._expired: dict[int, frozenset[int]] = {}

    def look(self) -> None:
        """At what is sealed: where the transaction is a new one."""
        self.segments = segments_in(self.store)
        self.through = self.segments[-1].last if self.segments else 0

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
        self._connections.clear()

    @property
    def newest(self) -> int:
        """The last place there is; 0 without any."""
        (found,) = self.store.execute("SELECT max(leaf) FROM entries").fetchone()
        return max(found or 0, self.through)

    @property
    def first_hot(self) -> int:
        return self.through + 1

    # --- which segments ----------------------------------------------------------------------------------------------

    def with_entry(self, actor: str, incarnation: int, n: int) -> set[int]:
        """The segments, by their first places, that can have it."""
        return self.with_numbers(actor, incarnation, n, n)

    def with_numbers(self, actor: str, incarnation: int, low: int, high: int) -> set[int]:
        """Those that can have any of these entries."""
        return self._sealed("AND incarnation = ? AND low <= ? AND high >= ?", (actor, incarnation, high, low))

    def with_actor(self, actor: str, after: tuple[int, int] = (0, 0), incarnation: int | None = None) -> set[int]:
        """Those with entries of that actor, or of one incarnation, behind an incarnation's entry."""
        found = "AND (incarnation, high) > (?, ?)"
        if incarnation is None:
            return self._sealed(found, (actor, *after))
        return self._sealed(f"{found} AND incarnation = ?", (actor, *after, incarnation))

    def sealed_names(self, actor: str = "") -> list[tuple[str, int]]:
        """Incarnations with sealed entries, of all actors or of one."""
        if not self.segments:
            return []
        sql = "SELECT DISTINCT actor, incarnation FROM sealed WHERE ? IN ('', actor) ORDER BY actor, incarnation"
        return [(name, incarnation) for name, incarnation in self.store.execute(sql, (actor,))]

    def _sealed(self, condition: str, values: Sequence[object]) -> set[int]:
        if not self.segments:
            return set()
        sql = f"SELECT segment FROM sealed WHERE actor = ? {condition}"  # noqa: S608  # from just above
        return {first for (first,) in self.store.execute(sql, values)}

    # --- asking them -------------------------------------------------------------------------------------------------

    def sources(
        self, low: int = 0, high: int = PLACE_MAX, only: Collection[int] | None = None, *, newest_first: bool = True
    ) -> Iterator[Source]:
        """Those with places of more than ``low`` up to ``high``; of the segments ``only`` these."""
        parts = [segment for segment in self.segments if segment.last > low and segment.first <= high]
        every: list[Segment | None] = [part for part in parts if only is None or part.first in only]
        if high > self.through:
            every.append(None)
        for segment in reversed(every) if newest_first else every:
            if segment is None:
                yield Source(self.store, max(low, self.through), high)
            else:
                connection = self._opened(segment)
                yield Source(connection, max(low, segment.first - 1), min(high, segment.last), segment)

    def rows(
        self,
        sql: str,
        values: Sequence[object],
        limit: int,
        low: int = 0,
        high: int = PLACE_MAX,
        only: Collection[int] | None = None,
        *,
        newest_first: bool = True,
    ) -> list[Row]:
        """``sql`` takes the values, the two places, and how many; in the order of places it is asked for."""
        found: list[Row] = []
        for source in self.sources(low, high, only, newest_first=newest_first):
            found += self.ask(source, sql, (*values, source.low, source.high, limit - len(found)))
            if len(found) >= limit:
                break
        return found

    def every(
        self,
        sql: str,
        values: Sequence[object],
        low: int = 0,
        high: int = PLACE_MAX,
        only: Collection[int] | None = None,
    ) -> list[Row]:
        """``sql`` takes the values and the two places; oldest source first."""
        return [
            row
            for source in self.sources(low, high, only, newest_first=False)
            for row in self.ask(source, sql, (*values, source.low, source.high))
        ]

    def one(self, sql: str, values: Sequence[object], only: Collection[int] | None = None) -> Row | None:
        """The newest; ``sql`` takes the values and the two places."""
        for source in self.sources(only=only):
            if found := self.ask(source, sql, (*values, source.low, source.high)):
                return found[0]
        return None

    def place_before(self, wall: float, low: int, high: int) -> int:
        """The last place of these written before ``wall``, seconds since 1970, by bisection: if the clock never went
        back."""
        sql = "SELECT wall FROM entries WHERE leaf > ? AND leaf <= ? ORDER BY leaf DESC LIMIT ?"
        first, end = low, high
        while first < end:
            middle = (first + end + 1) // 2
            found = self.rows(sql, (), 1, 0, middle)
            if not found or found[0][0] < wall:
                first = middle
            else:
                end = middle - 1
        return first

    def ask(self, source: Source, sql: str, values: Sequence[object]) -> list[Row]:
        """Raises TrailError for a segment that cannot be read, as SQLite does for the database."""
        try:
            rows: list[Row] = source.connection.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            if source.segment is None:
                raise
            raise self._unreadable(source.segment, error) from error
        return rows

    def each(self, source: Source, sql: str, values: Sequence[object]) -> Iterator[Row]:
        """One after the other, for those who want all of them."""
        try:
            yield from source.connection.execute(sql, values)
        except sqlite3.DatabaseError as error:
            if source.segment is None:
                raise
            raise self._unreadable(source.segment, error) from error

    def expired(self, segment: Segment) -> frozenset[int]:
        """The classes, by their numbers, that it had and has no more."""
        found = self._expired.get(segment.first)
        if found is None:
            folder = segments_dir(self._home) / segment.name
            parts = read_manifest(folder).classes
            gone = (CLASSES.index(one) for one, part in parts.items() if not (folder / part.file).exists())
            found = self._expired[segment.first] = frozenset(gone)
        return found

    def refuse_expired(
        self, actor: str, after: tuple[int, int], through: tuple[int, int], kinds: Collection[str]
    ) -> None:
        """Raises TrailError if facts of these kinds, of the actor and between those two, have expired."""
        wanted = {CLASSES.index(class_of(kind)) for kind in kinds}
        only = self.with_actor(actor, after)
        for segment in self.segments:
            gone = self.expired(segment) & wanted if segment.first in only else frozenset()
            if gone and any(
                number.retention in gone and after < (number.incarnation, number.n) <= through
                for number in self.numbers(segment)
                if number.actor == actor
            ):
                names = ", ".join(CLASSES[one] for one in sorted(gone))
                raise TrailError(f"entries of {actor} that this rests on have expired ({names} of {segment.name})")

    def numbers(self, segment: Segment) -> Numbers:
        """Who wrote which of its entries, those that expired among them.  Raises TrailError."""
        try:
            return Numbers.parse((segments_dir(self._home) / segment.name / NUMBERS).read_bytes())
        except (OSError, BundleError) as error:
            raise self._unreadable(segment, error) from error

    def _opened(self, segment: Segment) -> Connection:
        if segment.first in self._connections:
            self._open.move_to_end(segment.first)
            return self._connections[segment.first]
        while len(self._open) >= OPEN_MAX:
            first, stack = self._open.popitem(last=False)
            del self._connections[first]
            stack.close()
        with contextlib.ExitStack() as stack:
            try:
                found = stack.enter_context(opened(segments_dir(self._home) / segment.name))
            except (OSError, sqlite3.DatabaseError) as error:
                raise self._unreadable(segment, error) from error
            self._open[segment.first] = stack.pop_all()
        self._connections[segment.first] = found
        return found

    def _unreadable(self, segment: Segment, error: Exception) -> TrailError:
        return TrailError(
            f"cannot read the segment {segments_dir(self._home) / segment.name}: {error}; look with `trail verify`, and"
            " bring the folder back from a backup"
        )


def of_actor(actor: str, incarnation: int | None = None, after: tuple[int, int] = (0, 0)) -> Which:
    return lambda trail: trail.with_actor(actor, after, incarnation)


def of_numbers(actor: str, incarnation: int, low: int, high: int) -> Which:
    return lambda trail: trail.with_numbers(actor, incarnation, low, high)


class Pieces:
    """For those who go through much: one short transaction after the other, so that nobody is kept from working."""

    def __init__(self, home: Path) -> None:
        uri = f"{store_of(home).absolute().as_uri()}?mode=ro"
        self._store = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        self._trail = Moment(home, self._store)

    def close(self) -> None:
        self._trail.close()
        self._store.close()

    @contextlib.contextmanager
    def piece(self) -> Iterator[Moment]:
        """Raises TrailError."""
        try:
            self._store.execute("BEGIN")
            try:
                self._trail.look()
                yield self._trail
            finally:
                self._store.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise TrailError(f"the trail cannot be read on: {error}; if it stays so, bring back a backup") from error


@contextlib.contextmanager
def moment(home: Path) -> Iterator[Moment | None]:
    """None while there is no store.  Raises TrailError as ``reading`` does."""
    with reading(home) as store:
        if store is None:
            yield None
            return
        with contextlib.closing(Moment(home, store)) as made:
            yield made


def looking(home: Path, look: Callable[[Moment | None], T]) -> Callable[[Connection | None], T]:
    """For ``at_one_moment``: a look at store and segments."""

    def looked(store: Connection | None) -> T:
        if store is None:
            return look(None)
        with contextlib.closing(Moment(home, store)) as made:
            return look(made)

    return looked
