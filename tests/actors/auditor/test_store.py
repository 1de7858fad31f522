import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from alluse_hub.actors.auditor import bindings, migrations
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.leaves import ENTRY_COLUMNS, leaf_hashes
from alluse_hub.actors.auditor.merkle import Tree, node_hash
from alluse_hub.actors.auditor.migrations import MIGRATIONS
from alluse_hub.actors.auditor.reader import KNOWN_STEPS, SCHEMA_SET, reading
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.spool import SpoolName

WS3 = SpoolName("ws3", 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trail" / "trail.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store.open(path)
    yield opened
    opened.close()


def row(n: int, message: str = "Pulse") -> Row:
    return Row("ws3", 1, n, "sent", message, "board", "", "", "", 1.0, 2.0, False, "ws3", "{}")


def entries(store: Store) -> list[int]:
    return [n for (n,) in store._db.execute("SELECT n FROM entries ORDER BY leaf")]


def test_a_commit_stores_entries_and_the_place_behind_them(store: Store) -> None:
    store.commit([row(1), row(2)], {WS3: Place(200, 2, 1)})

    assert entries(store) == [1, 2]
    assert store.places() == {WS3: Place(200, 2, 1)}


def test_a_commit_that_fails_changes_nothing(store: Store) -> None:
    store.commit([row(1)], {WS3: Place(100, 1)})

    with pytest.raises(TrailError, match=r"trail\.db already has an entry.*backup"):
        store.commit([row(2), row(1)], {WS3: Place(300, 3)})

    assert entries(store) == [1]
    assert store.places() == {WS3: Place(100, 1)}


def test_a_closed_spool_stays_closed(store: Store) -> None:
    store.commit([row(1)], {WS3: Place(100, 1)})
    store.commit([], {}, closed=[WS3])
    store.commit([row(2)], {WS3: Place(200, 2)})

    assert store.places() == {WS3: Place(200, 2, 0, closed=True)}


def test_counts_are_kept_up_with_every_commit(store: Store) -> None:
    store.commit([row(1), row(2), row(3, "Hello")], {WS3: Place(300, 3)})
    store.commit([row(4)], {WS3: Place(400, 4)})

    counts = store._db.execute("SELECT actor, kind, message, entries FROM counts ORDER BY message").fetchall()
    assert counts == [("ws3", "sent", "Hello", 1), ("ws3", "sent", "Pulse", 3)]


def test_a_store_is_for_its_owner_only(store: Store) -> None:
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert store.path.with_name("trail.db-wal").stat().st_mode & 0o777 == 0o600


# --- which SQLite --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 53, 4), (4, 0, 0)])
def test_a_safe_sqlite_gets_a_write_ahead_log(
    path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    monkeypatch.setattr(bindings, "version", lambda: version)

    store = Store.open(path)

    assert (store.journal, store.warning) == ("wal", "")
    store.close()


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 2), (3, 7, 0)])
def test_an_unsafe_sqlite_gets_a_rollback_journal_and_a_warning(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, version: tuple[int, ...]
) -> None:
    Store.open(path).close()  # with a log, which the older one must leave
    monkeypatch.setattr(bindings, "version", lambda: version)

    store = Store.open(path)

    assert store.journal == "delete"
    assert "is older than 3.51.3: rollback journal" in store.warning
    assert store.warning in caplog.text
    store.close()


def test_commits_survive_a_power_cut(store: Store) -> None:
    synchronous = store._db.execute("PRAGMA synchronous").fetchone()[0]

    assert synchronous == 2  # FULL


# --- schema --------------------------------------------------------------------------------------------------------


def test_a_fresh_store_says_which_steps_made_it(store: Store) -> None:
    assert store.migrations == (
        *("entries_and_spools", "running_counts", "lives", "merkle_tree", "receipts", "sealed_segments"),
    )


def test_an_older_store_is_upgraded_with_what_it_holds(path: Path) -> None:
    path.parent.mkdir()
    with Database(sqlite3.connect(path)) as old:
        MIGRATIONS.apply(old, stop_before="running_counts")
        insert = (
            "INSERT INTO entries VALUES (NULL, 'ws3', 1, ?, 'fact', 'Said', '', '', '', '', 1.0, 2.0, 0, 'ws3', '{}')"
        )
        with old.atomic():
            old.conn.executemany(insert, [(1,), (2,)])

    store = Store.open(path)

    assert store.migrations == ("running_counts", "lives", "merkle_tree", "receipts", "sealed_segments")
    assert store._db.execute("SELECT * FROM counts").fetchall() == [("ws3", "fact", "Said", 2)]
    rows = store._db.execute(f"SELECT {ENTRY_COLUMNS} FROM entries ORDER BY leaf").fetchall()
    assert store.tree.now.root() == node_hash(*leaf_hashes(rows))
    store.close()


def older_store(path: Path, leaves: Iterable[int]) -> None:
    path.parent.mkdir()
    with Database(sqlite3.connect(path)) as old:
        MIGRATIONS.apply(old, stop_before="merkle_tree")
        insert = "INSERT INTO entries VALUES (?, 'ws3', 1, ?, 'fact', 'Said', '', '', '', '', 1.0, 2.0, 0, 'ws3', '{}')"
        with old.atomic():
            old.conn.executemany(insert, [(leaf, n) for n, leaf in enumerate(leaves, 1)])


def test_a_store_without_a_tree_gets_one_over_all_it_holds_and_tells_how_far_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    older_store(path, range(1, 1_301))
    monkeypatch.setattr(migrations, "HASHED_AT_A_TIME", 512)
    caplog.set_level("INFO")

    store = Store.open(path)

    rows = store._db.execute(f"SELECT {ENTRY_COLUMNS} FROM entries ORDER BY leaf").fetchall()
    tree, tiles = Tree().grown(leaf_hashes(rows))
    assert store.tree.now == tree
    assert sorted(tiles) == sorted(store._db.execute("SELECT level, place, hashes FROM tiles").fetchall())
    assert [record.args for record in caplog.records if "a tree is built" in record.msg] == [(512,), (1_024,), (1_300,)]
    store.close()


def test_no_tree_is_built_over_a_store_in_which_entries_are_missing(path: Path) -> None:
    older_store(path, (1, 2, 4))

    with pytest.raises(TrailError, match="entries are missing before the one at place 4"):
        Store.open(path)


def test_a_store_is_upgraded_once(path: Path) -> None:
    Store.open(path).close()

    again = Store.open(path)

    assert again.migrations == ()
    again.close()


def test_a_failed_step_leaves_the_store_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(path).close()

    def broken(db: Database) -> None:
        db.execute("CREATE TABLE half (x)")
        raise TrailError("out of space")

    steps = [*MIGRATIONS._migrations, MIGRATIONS._Migration("broken", broken)]
    with monkeypatch.context() as patch:
        patch.setattr(MIGRATIONS, "_migrations", steps)
        with pytest.raises(TrailError, match="out of space"):
            Store.open(path)

    store = Store.open(path)
    assert "half" not in store._db.table_names()
    store.close()


def make_newer(path: Path) -> None:
    Store.open(path).close()
    with Database(sqlite3.connect(path)) as database:
        database.table("_sqlite_migrations").insert(
            {"migration_set": "trail", "name": "from_the_future", "applied_at": "2030-01-01"}
        )


def test_half_a_first_step_that_a_failing_disk_left_is_taken_back(path: Path) -> None:
    """Found by the sweep, with a rollback journal: the step's transaction was gone, and its first table stayed."""
    path.parent.mkdir()
    with Database(sqlite3.connect(path)) as broken:
        MIGRATIONS.ensure_migrations_table(broken)
        broken.table("entries").create({"leaf": int}, pk="leaf")

    store = Store.open(path)

    assert store.migrations[0] == "entries_and_spools"
    store.commit([row(1)], {WS3: Place(100, 1)})
    store.close()


def test_a_store_of_a_newer_hub_is_refused_and_left_alone(path: Path) -> None:
    make_newer(path)
    before = path.read_bytes()

    with pytest.raises(TrailError, match=r"trail\.db was written by a newer hub \(it knows from_the_future\); install"):
        Store.open(path)

    assert path.read_bytes() == before


def test_a_store_of_a_newer_hub_is_not_read_either(path: Path) -> None:
    make_newer(path)

    with pytest.raises(TrailError, match="newer hub"), reading(path.parent.parent):
        pass


def test_readers_know_the_same_steps_as_the_writer() -> None:
    assert {migration.name for migration in MIGRATIONS._migrations} == KNOWN_STEPS
    assert MIGRATIONS.name == SCHEMA_SET


# --- damage --------------------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_named_with_the_remedy(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are not the pages you are looking for" * 100)

    with pytest.raises(TrailError, match=r"trail\.db is damaged: .*move it and its -wal and -shm files aside"):
        Store.open(path)


def test_a_damaged_page_is_named_with_the_remedy(path: Path) -> None:
    store = Store.open(path)
    store.commit([row(n) for n in range(1, 200)], {WS3: Place(100, 199)})
    store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))

    with pytest.raises(TrailError, match=r"trail\.db is damaged"):
        store = Store.open(path)


def test_a_place_where_no_store_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "trail").touch()

    with pytest.raises(TrailError, match=r"cannot make .*trail/trail\.db"):
        Store.open(tmp_path / "trail" / "trail.db")


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_store_that_was_taken_away_while_in_use_is_noticed_before_anything_is_acknowledged(
    store: Store, path: Path, how: str
) -> None:
    store.commit([row(1)], {WS3: Place(100, 1)})
    if how == "deleted":
        path.unlink()
    else:
        path.rename(path.with_suffix(".aside"))
    if how == "replaced":
        path.write_bytes(path.with_suffix(".aside").read_bytes())

    with pytest.raises(TrailError, match=r"trail\.db was deleted, moved or replaced while it was in use"):
        store.commit([row(2)], {WS3: Place(200, 2)})

    assert entries(store) == [1]
