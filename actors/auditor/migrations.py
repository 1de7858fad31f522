"""The schema of the trail's store, as the list of steps that made it.

Each step runs in one transaction with the record that it ran, so an upgrade is whole or has not begun.  A step once
released is never changed; a new wish is a new step.  Readers look at the store before the auditor has upgraded it, so
a step may add tables, columns and indexes, and takes nothing away that ``query`` reads for recovery.
"""

from sqlite_utils import Database, Migrations

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
