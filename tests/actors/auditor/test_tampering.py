"""Whatever is done to the files of a trail, the verifier says what and where; what it cannot see, it does not claim.

Each attack comes in two strengths: on the entries alone, and followed by a tree made anew over what is left, with all
counts put right, as somebody would who knows the program but has no key.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.leaves import ENTRY_COLUMNS, leaf_hashes
from alluse_hub.actors.auditor.merkle import Tree
from alluse_hub.hub_verify import Report, verify
from tests.actors.auditor.conftest import SmallHub

Attack = Callable[[sqlite3.Connection], object]

COLUMNS = f"leaf, {ENTRY_COLUMNS}"
EDIT = "UPDATE entries SET body = replace(body, 'x', 'y') WHERE leaf = 201"


def db_of(home: Path) -> Path:
    return home / "trail" / "trail.db"


def attack(home: Path, *steps: str | Attack) -> None:
    with closing(sqlite3.connect(db_of(home))) as db, db:
        for step in steps:
            if isinstance(step, str):
                db.execute(step)
            else:
                step(db)


def renumber(db: sqlite3.Connection) -> None:
    """Places without gaps, as far as they had gaps."""
    rows = db.execute(f"SELECT {COLUMNS} FROM entries ORDER BY leaf").fetchall()
    db.execute("DELETE FROM entries")
    marks = ", ".join("?" * len(rows[0]))
    db.executemany(
        f"INSERT INTO entries ({COLUMNS}) VALUES ({marks})", [(n, *row[1:]) for n, row in enumerate(rows, 1)]
    )


def rebuild(db: sqlite3.Connection) -> None:
    """A whole tree over what is there, and the spools' counts to fit; without a key, no checkpoint."""
    rows = db.execute(f"SELECT {ENTRY_COLUMNS} FROM entries ORDER BY leaf").fetchall()
    _, tiles = Tree().grown(leaf_hashes(rows))
    db.execute("DELETE FROM tiles")
    db.executemany("INSERT INTO tiles (level, place, hashes) VALUES (?, ?, ?)", tiles)
    db.execute(
        "UPDATE spools SET n = (SELECT coalesce(max(n), 0) FROM entries AS e"
        " WHERE e.actor = spools.actor AND e.incarnation = spools.incarnation)"
    )


def insert(db: sqlite3.Connection) -> None:
    """A forged entry in the middle; those behind it move up."""
    db.execute("UPDATE entries SET leaf = -leaf WHERE leaf > 201")
    db.execute(
        f"INSERT INTO entries ({COLUMNS}) SELECT 202, 'ws3', 9, 1, kind, message, peer, letter, cause, correlation, at,"
        " wall, power, subject, body FROM entries WHERE leaf = 201"
    )
    db.execute("UPDATE entries SET leaf = 1 - leaf WHERE leaf < 0")


def swap(db: sqlite3.Connection) -> None:
    """Two letters of one sender change places, as rows that begin with their new place."""
    one, other = db.execute(f"SELECT {COLUMNS} FROM entries WHERE actor = 'ws3' AND n IN (20, 21) LIMIT 2").fetchall()
    for row in (one, other):
        db.execute("DELETE FROM entries WHERE leaf = ?", (row[0],))
    marks = ", ".join("?" * len(one))
    rows = [(one[0], *other[1:]), (other[0], *one[1:])]
    db.executemany(f"INSERT INTO entries ({COLUMNS}) VALUES ({marks})", rows)


FORGE = (
    f"INSERT INTO entries ({ENTRY_COLUMNS}) SELECT 'ws4', 1, 321, 'heard', message, peer, letter, cause, correlation,"
    " at, wall, power, subject, body FROM entries WHERE actor = 'ws4' AND n = 320"
)


def said_by(report: Report) -> str:
    return "\n".join(report.findings)


def test_a_trail_as_it_was_written_is_whole(home: Path) -> None:
    report = verify(home)

    assert report.findings == []
    assert report.figures["entries"] == report.figures["size"] > 640
    assert (report.figures["checkpoints"], report.figures["signatures"]) == (4, 5)
    assert report.figures["signed"] == report.figures["size"]


@pytest.mark.parametrize(
    ("steps", "sentences", "rebuilt"),
    [
        ([EDIT], ["entry at place 201, ws", "altered or moved"], ["vouches for another tree"]),
        (
            ["DELETE FROM entries WHERE leaf = 201"],
            ["the entry at place 201 is missing", "is missing, or stands behind"],
            ["the entry at place 201 is missing", "is missing, or stands behind"],
        ),
        (
            ["DELETE FROM entries WHERE leaf = 201", renumber],
            ["entry at place 201, ws", "is missing, or stands behind"],
            ["vouches for another tree", "is missing, or stands behind"],
        ),
        ([swap], ["altered or moved", "stands behind a later entry of its sender"], ["vouches for another tree"]),
        ([insert], ["entry at place 202, ws3/9/1, is not the one"], ["vouches for another tree"]),
        (
            ["DELETE FROM entries WHERE leaf > (SELECT max(leaf) - 100 FROM entries)"],
            ["is missing", "were taken from its spool"],
            ["the trail was cut short, or an older copy was put in its place"],
        ),
        (
            [FORGE],
            ["ws4/1/321, is not in the tree: somebody else added it", "320 were taken from its spool"],
            [],
        ),
        (["UPDATE entries SET leaf = 1000000000000 WHERE leaf = 201"], ["place 201 is missing"], ["is missing"]),
        (["UPDATE entries SET leaf = -7 WHERE leaf = 201"], ["place -7, ws", "place 201 is missing"], ["place -7"]),
        (["UPDATE entries SET n = 90000000000 WHERE leaf = 201"], ["altered"], ["another tree"]),
        (["UPDATE entries SET kind = 'did' WHERE actor = 'ws3' AND n = 5"], ["altered"], ["but nobody sent it"]),
        (["UPDATE tiles SET hashes = zeroblob(64) WHERE level = 1"], ["the tiles of level 1 are not those"], []),
        (["DELETE FROM tiles WHERE level = 0 AND place = 1"], ["tiles of the tree are missing"], []),
    ],
    ids=[
        "edit", "delete", "delete-and-renumber", "swap", "insert", "truncate", "append", "far-away", "below", "number",
        "unsend", "upper-tile", "no-tile",
    ],
)  # fmt: skip
def test_what_was_done_is_said(home: Path, steps: list[str | Attack], sentences: list[str], rebuilt: list[str]) -> None:
    attack(home, *steps)
    report = verify(home)
    for sentence in sentences:
        assert sentence in said_by(report)

    attack(home, rebuild)
    report = verify(home)
    for sentence in rebuilt:
        assert sentence in said_by(report)
    assert bool(report.findings) == bool(rebuilt)


def test_a_well_formed_entry_behind_the_last_checkpoint_is_told_as_unsigned(home: Path) -> None:
    """Nothing shows that it is forged: so the window is a second long, and the verifier says how many stand in it."""
    attack(home, FORGE, rebuild)

    report = verify(home)

    assert report.findings == []
    assert "the last 1 entries are under no signature yet" in report.told


def test_one_edited_byte_is_named_by_place_and_sender_and_no_other_entry_is(home: Path) -> None:
    attack(home, EDIT)

    report = verify(home)

    assert len(report.findings) == 1
    assert report.findings[0].startswith("the entry at place 201, ws")


# --- rolled back ---------------------------------------------------------------------------------------------------


def older(home: Path, hub_home: Path) -> Path:
    """A copy of the trail as it was some entries ago, with all that was signed until then."""
    copy = Path(shutil.copytree(home, hub_home / "older"))
    with closing(sqlite3.connect(db_of(copy))) as db, db:
        sizes = [size for (size,) in db.execute("SELECT size FROM checkpoints ORDER BY size")]
        (note,) = db.execute("SELECT note FROM checkpoints WHERE size = ?", (sizes[-2],)).fetchone()
        db.execute("DELETE FROM entries WHERE leaf > ?", (sizes[-2],))
        db.execute("DELETE FROM checkpoints WHERE size > ?", (sizes[-2],))
        db.execute(
            "DELETE FROM spools WHERE NOT EXISTS (SELECT 1 FROM entries AS e"
            " WHERE e.actor = spools.actor AND e.incarnation = spools.incarnation)"
        )
        rebuild(db)
        places = db.execute("SELECT actor, incarnation, n FROM spools").fetchall()
    (copy / "trail" / "head").write_text(note, encoding="utf-8")
    shutil.rmtree(copy / "trail" / "spool")
    assert places
    return copy


def test_a_rolled_back_database_is_seen_by_the_head_beside_it(home: Path, tmp_path: Path) -> None:
    shutil.copy(db_of(older(home, tmp_path)), db_of(home))

    assert "`head`, vouches for" in said_by(verify(home))


def test_a_rollback_of_everything_is_seen_only_by_a_checkpoint_kept_elsewhere(home: Path, tmp_path: Path) -> None:
    kept = Path(shutil.copy(home / "trail" / "head", tmp_path / "kept"))
    back = older(home, tmp_path)

    assert verify(back).findings == []
    assert "kept, kept elsewhere, vouches for" in said_by(verify(back, kept=[kept]))


def test_a_kept_checkpoint_of_an_earlier_day_is_met(home: Path, tmp_path: Path) -> None:
    kept = Path(shutil.copy(older(home, tmp_path) / "trail" / "head", tmp_path / "kept"))

    assert verify(home, kept=[kept]).findings == []


def test_a_trail_signed_anew_with_another_key_is_not_taken_for_the_true_one(home: Path) -> None:
    true_key = hub_verify.Key.parse((home / "keys" / "trail.vkey").read_text(encoding="utf-8"))
    attack(home, EDIT, rebuild, "DELETE FROM checkpoints")
    (home / "trail" / "head").unlink()
    forger = keys.make(keys.key_of(home), true_key.name)
    SmallHub(home).sign()

    assert verify(home, [hub_verify.Key.parse(str(forger.vkey))]).findings == []
    assert "is not signed with the key given" in said_by(verify(home, [true_key]))


def test_a_checkpoint_whose_signature_was_altered_is_named(home: Path) -> None:
    other = "(SELECT note FROM checkpoints ORDER BY size LIMIT 1)"
    attack(
        home,
        "UPDATE checkpoints SET note = substr(note, 1, instr(note, char(10, 10)) + 1)"
        f" || substr({other}, instr({other}, char(10, 10)) + 2) WHERE size = (SELECT max(size) FROM checkpoints)",
    )

    assert "has a signature that is not of its text" in said_by(verify(home))


def test_an_entry_without_a_kind_is_not_taken_for_one_that_has_expired(home: Path) -> None:
    """The table is made anew without its constraints: then a kind may be missing."""
    attack(
        home,
        "CREATE TABLE others AS SELECT * FROM entries",
        "DROP TABLE entries",
        "ALTER TABLE others RENAME TO entries",
        "UPDATE entries SET message = NULL, body = '{}' WHERE leaf = 201",
    )

    assert "the entry at place 201, ws" in said_by(verify(home))
