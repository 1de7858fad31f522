"""The keeper's own log: what people decide about keeping is a fact in its spool, and is read back from there.

One decision at a time.  Whoever places or lifts a hold, erases a subject or has entries expire does it under
``deciding``: the look for what stands in the way, and all up to the fact on the disk.  So a hold is seen by whatever is
decided after it, and nothing is decided between a look and the deed.

A command that needs several locks takes them in this order: that of the segments, this one, that of the errands, that
of the keys.
"""

import contextlib
import json
from collections.abc import Collection
from pathlib import Path

from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.locks import held
from alluse_hub.actors.auditor.moments import Moment, looking
from alluse_hub.actors.auditor.reader import at_one_moment, spools_of
from alluse_hub.protocols import wire
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.names import KEEPER
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.clock import anchored
from alluse_hub.supervision.spool import Frame, Spool

DECIDING = "keeping.lock"
DECIDING_S = 60.0
"""A command waits so long for another one, which may have to look through all of the trail: seconds for each million
entries."""

_FACTS = (
    "SELECT incarnation, n, wall, message, body FROM entries INDEXED BY entries_facts"
    " WHERE kind = 'fact' AND actor = ? AND message IN ({}) AND leaf > ? AND leaf <= ?"
)


def deciding(home: Path, wait_s: float = DECIDING_S) -> contextlib.AbstractContextManager[None]:
    """Raises CallerError if somebody else takes too long over it."""
    path = home / "trail" / DECIDING
    return held(
        path,
        wait_s,
        f"somebody else places a hold, erases or has entries expire here, for more than {wait_s:g} s ({path}); wait"
        " until that is done, then try again",
    )


def say(home: Path, fact: Fact) -> str:
    """Power-safe when it returns; the entry's id."""
    spool = Spool.open(spools_of(home), KEEPER)
    try:
        clock = anchored(home)
        frame = Frame(EntryKind.FACT, wire.kind_of(fact), wire.encode(fact), power=True)
        n = spool.write([frame], clock.now(), clock.wall())
        spool.sync()
        return f"{KEEPER}/{spool.incarnation}/{n}"
    finally:
        spool.close()


def say_once(home: Path, fact: Fact, errand: str) -> None:
    """For each errand."""
    kinds = frozenset({wire.kind_of(fact)})
    if not any(json.loads(body).get("errand") == errand for _, body in query.facts_of(home, KEEPER, kinds)):
        say(home, fact)


def said(home: Path, actor: str, kinds: Collection[type[Fact]]) -> list[tuple[str, float, Fact]]:
    """Id, wall time and fact, in the order in which they were written; also what is still in a spool."""
    names = sorted(kind.__name__ for kind in kinds)
    sql = _FACTS.format(", ".join("?" * len(names)))

    def look(trail: Moment | None) -> list[tuple[int, int, float, str, str]]:
        found = [] if trail is None else trail.every(sql, (actor, *names), only=trail.with_actor(actor))
        return [(row[0], row[1], row[2], row[3], row[4]) for row in found]

    found, tails = at_one_moment(home, lambda name: name.actor == actor, looking(home, look))
    for name, entries in tails.items():
        found += [
            (name.incarnation, entry.n, entry.wall, entry.message, entry.body)
            for entry in entries
            if entry.kind == EntryKind.FACT and entry.message in names
        ]
    return [(f"{actor}/{life}/{n}", wall, _fact(message, body)) for life, n, wall, message, body in sorted(found)]


def _fact(message: str, body: str) -> Fact:
    fact = wire.decode(message, body)
    assert isinstance(fact, Fact), "the kinds are those of facts"
    return fact
