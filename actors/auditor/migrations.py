"""The schema of the trail's store, as the list of steps that made it.

Each step runs in one transaction with the record that it ran, so an upgrade is whole or has not begun.  A step once
released is never changed; a new wish is a new step.  Readers look at the store before the auditor has upgraded it, so
a step may add tables, columns and indexes, and takes nothing away that ``query`` reads for recovery.
"""

import itertools
import logging

from sqlite_utils import Database, Migrations

from alluse_hub.actors.auditor.leaves import ENTRY_COLUMNS, leaf_hashes
from alluse_hub.actors.auditor.merkle import Tree
from alluse_hub.actors.auditor.reader import IS_LIFE, LIFE_OF
from alluse_hub.actors.auditor.stored_tree import PUT_TILE
from alluse_hub.protocols.errors import TrailError

HASHED_AT_A_TIME = 25_600
"""Entries; a whole number of tiles, so that each of them is written once."""

log = logging.getLogger(__name__)

MIGRATIONS = Migrations("trail")


@MIGRATIONS()
def entries_and_spools(db: Database) -> None:
    """The entries in their global order, and how far each spool has been read.

    ``peer``: addressee of a sent letter, sender of a heard one.  ``subject``: the workstream that the body names, else
    the actor.  An index on text keeps entries in order of ``leaf`` within equal text, so newest-first needs no sort.
    """
    db.table("entries").create(
        {
            "leaf": int,
            "actor": str,
            "incarnation": int,
            "n": int,
            "kind": str,
            "message": str,
            "peer": str,
            "letter": str,
            "cause": str,
            "correlation": str,
            "at": float,
            "wall": float,
            "power": int,
            "subject": str,
            "body": str,
        },
        pk="leaf",
        not_null={"actor", "incarnation", "n", "kind", "message", "peer", "letter", "cause", "correlation", "subject"}
        | {"at", "wall", "power"},
        strict=True,
    )
    db.table("spools").create(
        {
            "actor": str,
            "incarnation": int,
            "file": str,
            "offset": int,
            "n": int,
            "power_n": int,
            "closed": int,
        },
        pk=("actor", "incarnation"),
        not_null={"file", "offset", "n", "power_n", "closed"},
        strict=True,
    )
    for statement in (
        "CREATE UNIQUE INDEX entries_once ON entries (actor, incarnation, n)",
        "CREATE INDEX entries_facts ON entries (actor, message, incarnation, n) WHERE kind = 'fact'",
        "CREATE INDEX entries_message ON entries (message)",
        "CREATE INDEX entries_subject ON entries (subject)",
        "CREATE INDEX entries_cause ON entries (cause) WHERE cause <> ''",
        "CREATE INDEX entries_correlation ON entries (correlation) WHERE correlation <> ''",
        "CREATE INDEX entries_letter ON entries (letter) WHERE letter <> ''",
    ):
        db.execute(statement)


@MIGRATIONS()
def running_counts(db: Database) -> None:
    """How many entries of each message each actor has, kept up with every transaction; no reader scans to count."""
    db.table("counts").create(
        {"actor": str, "kind": str, "message": str, "entries": int},
        pk=("actor", "kind", "message"),
        not_null={"entries"},
        strict=True,
    )
    db.execute(
        "INSERT INTO counts (actor, kind, message, entries)"
        " SELECT actor, kind, message, count(*) FROM entries GROUP BY actor, kind, message"
    )


@MIGRATIONS()
def lives(db: Database) -> None:
    """Starts and ends of each actor and program by its name, so that the last is found without a look at the others."""
    db.execute(f"CREATE INDEX entries_lives ON entries ({LIFE_OF}) WHERE {IS_LIFE}")


@MIGRATIONS()
def merkle_tree(db: Database) -> None:
    """Tiles of the tree over the entries, and what was signed over it.  Entries that are there already are hashed:
    some seconds for a million."""
    db.table("tiles").create(
        {"level": int, "place": int, "hashes": bytes}, pk=("level", "place"), not_null={"hashes"}, strict=True
    )
    db.table("checkpoints").create({"size": int, "note": str}, pk="size", not_null={"note"}, strict=True)
    rows = db.conn.execute(f"SELECT leaf, {ENTRY_COLUMNS} FROM entries ORDER BY leaf")  # noqa: S608  # no value in it
    tree = Tree()
    while some := list(itertools.islice(rows, HASHED_AT_A_TIME)):
        if some[-1][0] != tree.size + len(some):
            raise TrailError(
                f"entries are missing before the one at place {some[-1][0]} of the store, so no tree can be built over"
                " it; bring back a backup"
            )
        tree, tiles = tree.grown(leaf_hashes(row[1:] for row in some))
        db.conn.executemany(PUT_TILE, tiles)
        log.info("a tree is built over the trail's entries: %d so far", tree.size)


@MIGRATIONS()
def receipts(db: Database) -> None:
    """Letters that somebody heard, and that are not on their sender's record yet: the highest of each incarnation."""
    db.table("receipts").create(
        {"actor": str, "incarnation": int, "n": int, "receipt": str, "told": int},
        pk=("actor", "incarnation"),
        not_null={"n", "receipt", "told"},
        strict=True,
    )


@MIGRATIONS()
def sealed_segments(db: Database) -> None:
    """Ranges of places that were moved out into a segment, and which entries of whom are in it: ``low`` to ``high``.

    From its row on a segment has the entries of its places, and what the table of entries still has of them counts for
    nothing and is taken away."""
    db.table("segments").create(
        {"first": int, "last": int, "written_from": float, "written_until": float, "root": str, "manifest": str},
        pk="first",
        not_null={"last", "written_from", "written_until", "root", "manifest"},
        strict=True,
    )
    db.table("sealed").create(
        {"actor": str, "incarnation": int, "segment": int, "low": int, "high": int},
        pk=("actor", "incarnation", "segment"),
        not_null={"low", "high"},
        strict=True,
    )
