"""D5 and D13: a slow disk, a reader that never ends: told while it lasts, by name, and bounded where it is ours."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alluse_hub.actors.auditor import reader, strain
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.core import CORE
from alluse_hub.actors.auditor.reader import reading
from alluse_hub.actors.auditor.store import AUTOCHECKPOINT_PAGES, Row, Store
from alluse_hub.actors.auditor.strain import Strain, readers_of
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.trail import AuditorSpec, TailStrained
from tests.actors.auditor.words import SAID

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallHub

READ_FOR_EVER = """
import sys
from alluse_hub.actors.auditor.bindings import sqlite3
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM entries").fetchone()
print("reads", flush=True)
sys.stdin.read()
"""


def rows(first: int, count: int, size: int = 20) -> list[Row]:
    body = '{"x":"%s"}' % ("y" * size)
    return [
        Row("ws1", 1, first + n, "fact", "Said", "", "", "", "", 1.0, 2.0, False, "ws1", body) for n in range(count)
    ]


def test_a_slow_disk_is_told_once_and_again_when_it_is_over(tmp_path: Path) -> None:
    looked = Strain(tmp_path / "trail.db")

    said = [looked.look(took_s) for took_s in (0.003, 2.1, 2.5, 0.7, 0.003, 0.003)]

    assert said[0] is None
    assert said[1] is not None
    assert said[1].startswith("the disk is slow: it took 2.1 s to store")
    assert said[2:] == [None, None, "", None]


def test_a_log_that_grows_is_told_at_each_doubling_with_whoever_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strain, "LOG_BYTES_MAX", 4_000_000)
    looked = Strain(tmp_path / "trail.db")
    log = tmp_path / "trail.db-wal"

    said = []
    for size in (1_000_000, 4_000_000, 5_000_000, 8_000_000, 15_000_000, 32_000_000, 0):
        with log.open("wb") as file:
            file.truncate(size)
        said.append(looked.look(0.0, lambda _path: ["process 17 (sqlite3)"]))

    assert [bool(each) for each in said] == [False, True, False, True, False, True, False]
    assert said[1] == (
        f"{log} has grown beyond 4 MB, since process 17 (sqlite3) reads the trail without an end; end that, and it"
        " shrinks by itself"
    )
    assert said[-1] == ""


def test_whoever_holds_the_store_is_named_and_nobody_else(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "trail.db")
    store.commit(rows(1, 3), {})
    command = [sys.executable, "-c", READ_FOR_EVER, str(store.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reads:
        assert reads.stdout is not None
        assert reads.stdin is not None
        assert reads.stdout.readline() == "reads\n"

        named = readers_of(store.path)

        reads.stdin.close()
        reads.wait()
    assert len(named) == 1
    assert named[0].startswith(f"process {reads.pid} (")
    assert readers_of(store.path) == []
    store.close()


def test_when_the_reader_has_ended_the_log_shrinks_by_itself(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "trail.db")
    log = tmp_path / "trail.db-wal"
    page = 4_096
    n = 1
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM entries").fetchone()
        while log.stat().st_size < 2 * AUTOCHECKPOINT_PAGES * page:
            store.commit(rows(n, 200, 40_000), {})
            n += 200
    for _ in range(3):
        store.commit(rows(n, 200, 40_000), {})
        n += 200

    assert log.stat().st_size <= 1.2 * AUTOCHECKPOINT_PAGES * page
    store.close()


def test_a_reader_of_the_hubs_own_ends_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path / "trail" / "trail.db")
    store.commit(rows(1, 3), {})
    store.close()
    monkeypatch.setattr(reader, "READ_S_MAX", 0.0)

    with pytest.raises(TrailError, match=r"took longer than 0 s.*ask for less"):
        count_to(tmp_path, 9_000_000)
    monkeypatch.undo()
    assert count_to(tmp_path, 9_000) == 9_000


def count_to(home: Path, n: int) -> int:
    """In a reader's connection."""
    with reading(home) as connection:
        assert connection is not None
        sql = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT ?) SELECT max(i) FROM n"
        (last,) = connection.execute(sql, (n,)).fetchone()
        return int(last)


def test_an_auditor_that_takes_in_says_so_while_somebody_reads_without_an_end(
    hub: "SmallHub", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strain, "LOG_BYTES_MAX", 100_000)
    hub.say("ws3", SAID)
    hub.drain()
    said: list[Message] = []

    with reading(hub.home) as connection:
        assert connection is not None
        connection.execute("SELECT count(*) FROM entries").fetchone()
        for _ in range(20):
            hub.say("ws3", *[SAID] * 50)
        hub.ingest(said.append)

    words = [word.why for word in said if isinstance(word, TailStrained)]
    assert len(words) >= 1
    assert "trail.db-wal has grown beyond" in words[0]


def test_the_auditor_is_degraded_for_as_long_as_it_lasts() -> None:
    state = CORE.start("auditor", AuditorSpec())
    said = []

    for why in ("the disk is slow", ""):
        letter = Envelope("auditor/1/2", "auditor", "auditor", TailStrained(why=why), 1.0)
        state = CORE.decide(state, letter).state
        assert CORE.degraded is not None
        said.append(CORE.degraded(state))

    assert said == ["the disk is slow", ""]
