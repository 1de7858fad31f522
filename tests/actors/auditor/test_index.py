"""The index of words: what it has, whose it is, and how it follows."""

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.auditor import find as finding
from alluse_hub.actors.auditor import indexer, plan
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.indexer import Indexer, advance, index_of, open_index
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.find import Find
from alluse_hub.supervision.spool import SpoolName
from tests.actors.auditor.found import build, made, row
from tests.actors.auditor.words import until


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    home = tmp_path_factory.mktemp("find")
    return home, made(home, [1_000.0 + n for n in range(3_000)])


@pytest.mark.parametrize(
    ("text", "query_"),
    [
        ("orange", '"orange"'),
        ("oran*", '"oran"*'),
        ('"2 volume" hold', '"2 volume" "hold"'),
        ("coordinator/1/42", '"coordinator/1/42"'),
        ('a"b NOT c', '"a""b" "NOT" "c"'),
        ("rule:x OR (y)", '"rule:x" "OR" "(y)"'),
        ('"unended', '"""unended"'),
    ],
)
def test_a_text_is_words_and_no_language(text: str, query_: str) -> None:
    assert plan.matching(text) == query_


@pytest.mark.parametrize("text", ["*", '""', "- / >", '"*"'])
def test_a_text_without_a_word_is_refused(text: str) -> None:
    with pytest.raises(CallerError, match="no word"):
        plan.matching(text)


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_no_text_is_an_error_of_the_index(text: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5(said)")
    try:
        connection.execute("SELECT rowid FROM words WHERE words MATCH ?", (plan.matching(text),)).fetchall()
    except CallerError:
        pass
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("text", "n"),
    [("orange", 0), ("ORANGE volume", 0), ("hold*", 0), ("aapl", 1), ('"ws3 18"', 2), ("hunter2", -1), ("juice", -1)],
)
def test_only_declared_keys_are_searched(trail: tuple[Path, list[Row]], text: str, n: int) -> None:
    found = finding.find(trail[0], Find(text=text, limit=10_000), "leaf, n")

    assert {one % 4 for _, one in found.rows} == ({n} if n >= 0 else set())
    assert len(found.rows) == (750 if n >= 0 else 0)


def test_nothing_of_a_body_stands_in_the_index_but_declared_words(trail: tuple[Path, list[Row]]) -> None:
    raw = b"".join(path.read_bytes() for path in (trail[0] / "trail").glob("index.db*"))

    assert b"orange" in raw
    assert b"hunter2" not in raw
    assert b"juice" not in raw


def test_a_search_says_through_which_entry_its_words_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, [1.0] * 40, index=False)
    monkeypatch.setattr(indexer, "BATCH_LEAVES", 25)
    connection = open_index(tmp_path / "trail" / "trail.db", index_of(tmp_path))
    advance(connection)
    connection.close()

    found = finding.find(tmp_path, Find(text="orange"), "leaf")

    assert (found.indexed, found.stored, found.last) == (25, 40, 25)
    assert found.rows == [(leaf,) for leaf in (24, 20, 16, 12, 8, 4)]


def test_without_an_index_a_text_is_refused_with_the_reason(tmp_path: Path) -> None:
    made(tmp_path, [1.0] * 4, index=False)

    with pytest.raises(CallerError, match="there is no index of words"):
        finding.find(tmp_path, Find(text="orange"), "leaf")


def test_an_index_of_another_trail_is_no_index_and_is_made_anew(tmp_path: Path) -> None:
    made(tmp_path, [1.0] * 40)
    for path in (tmp_path / "trail").glob("trail.db*"):
        path.unlink()
    store = Store.open(tmp_path / "trail" / "trail.db")
    store.commit([row(n, wall=2.0) for n in range(2, 52)], {SpoolName("ws1", 1): Place(1, 50)})
    store.close()

    with pytest.raises(CallerError, match="there is no index"):
        finding.find(tmp_path, Find(text="orange"), "leaf")
    build(tmp_path)
    found = finding.find(tmp_path, Find(text="orange"), "leaf")
    assert found.indexed == 50
    assert found.rows == [(leaf,) for leaf in range(47, 0, -4)]


def test_the_indexer_follows_the_store_and_makes_what_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "LINGER_S", 0.001)
    store = Store.open(tmp_path / "trail" / "trail.db")
    running = Indexer(store.path, index_of(tmp_path))
    store.grown.append(running.behind)
    running.start()

    def reaches(place: int) -> bool:
        return finding.find(tmp_path, Find(limit=1), "leaf").indexed == place

    store.commit([row(1, wall=1.0)], {SpoolName("ws1", 1): Place(1, 1)})
    until(lambda: reaches(1))
    for path in (tmp_path / "trail").glob("index.db*"):
        path.unlink()
    store.commit([row(2, wall=1.0)], {SpoolName("ws1", 1): Place(2, 2)})
    store.grown[0]()
    until(lambda: reaches(2))
    running.close()
    store.close()
    assert "index" not in {thread.name for thread in threading.enumerate()}


def test_a_damaged_index_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer, "LINGER_S", 0.001)
    made(tmp_path, [1.0] * 40)
    for path in (tmp_path / "trail").glob("index.db?*"):
        path.unlink()
    index_of(tmp_path).write_bytes(b"no database " * 1_000)
    running = Indexer(tmp_path / "trail" / "trail.db", index_of(tmp_path))
    running.start()

    def is_made() -> bool:
        return bool(index_of(tmp_path).exists() and index_of(tmp_path).read_bytes()[:6] == b"SQLite")

    until(is_made)
    until(lambda: finding.find(tmp_path, Find(limit=1), "leaf").indexed == 40)
    running.close()


@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_words_are_found_in_the_order_of_their_places_without_a_sort(trail: tuple[Path, list[Row]], order: str) -> None:
    connection = sqlite3.connect(index_of(trail[0]))
    sql = f"EXPLAIN QUERY PLAN {finding.WORDS_FOUND.format(order)}"
    steps = [step[3] for step in connection.execute(sql, ("orange", 0, 9, 9))]
    connection.close()

    assert len(steps) == 1
    assert "VIRTUAL TABLE INDEX" in steps[0]
