"""Severity in the search: SQLite works out what the table says, the index has it, and nothing stored knows of it."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.auditor import find as finding
from alluse_hub.actors.auditor import plan, query
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.graveness import LEVEL, at_least
from alluse_hub.actors.auditor.indexer import index_of, remove
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.severity import SEVERITIES, Depends, Severity, severity_of
from alluse_hub.supervision.spool import SpoolName
from tests.actors.auditor.found import build, row

KEYS = sorted({found.key for found in SEVERITIES.values() if isinstance(found, Depends)})
WORDS = sorted({str(value) for found in SEVERITIES.values() if isinstance(found, Depends) for value in found.values})
VALUES = st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(WORDS) | st.text(max_size=5)
BODIES = st.dictionaries(st.sampled_from(KEYS), VALUES | st.lists(st.sampled_from(WORDS), max_size=2), max_size=4)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["fact", "fact", "fact", "sent"]),
    message=st.sampled_from([*SEVERITIES, "EventHeard"]),
    body=BODIES,
)
def test_sqlite_works_out_the_severity_that_the_table_says(kind: str, message: str, body: dict[str, object]) -> None:
    severity = severity_of(kind, message, body)  # type: ignore[arg-type]  # bodies as JSON has them
    table = sqlite3.connect(":memory:")
    table.execute("CREATE TABLE entries (kind TEXT, message TEXT, body TEXT)")
    table.execute("INSERT INTO entries VALUES (?, ?, ?)", (kind, message, json.dumps(body)))

    if kind == "fact":
        assert table.execute(f"SELECT {LEVEL} FROM entries").fetchone() == (severity.level,)
    for asked in Severity:
        found = table.execute(f"SELECT count(*) FROM entries WHERE {at_least(asked)}").fetchone()[0]
        assert bool(found) == (
            severity.level >= asked.level > 0 or (asked is Severity.INFO and kind == "fact" and message in SEVERITIES)
        )
    table.close()


@pytest.mark.parametrize("body", [None, "", "no JSON {"])
def test_a_body_that_is_no_json_is_taken_for_an_empty_one(body: str | None) -> None:
    table = sqlite3.connect(":memory:")
    table.execute("CREATE TABLE entries (kind TEXT, message TEXT, body TEXT)")
    table.execute("INSERT INTO entries VALUES ('fact', 'CommandClosed', ?)", (body,))

    assert table.execute(f"SELECT {LEVEL} FROM entries").fetchone() == (0,)
    table.close()


def stored(home: Path, *, start: int = 1, count: int = 400) -> None:
    store = Store.open(home / "trail" / "trail.db")
    rows = [row(n, wall=1_000.0 + n) for n in range(start, start + count)]
    store.commit(rows, {SpoolName("ws1", 1): Place(1, start + count - 1)})
    store.close()


def errors_of(first: int, last: int) -> list[int]:
    rows = [(n, row(n, wall=0.0)) for n in range(first, last + 1)]
    return [n for n, one in rows if severity_of(one.kind, one.message, json.loads(one.body or "{}")).level >= 3]


@pytest.mark.parametrize("oldest_first", [False, True])
def test_what_the_index_does_not_have_yet_is_found_as_well(tmp_path: Path, oldest_first: bool) -> None:
    stored(tmp_path)
    build(tmp_path)
    stored(tmp_path, start=401, count=50)

    found = finding.find(tmp_path, Find(severity=Severity.ERROR, oldest_first=oldest_first, limit=100), "leaf")

    assert found.indexed == 400
    assert (found.first, found.last, found.next) == (1, 450, None)
    assert [leaf for (leaf,) in found.rows] == sorted(errors_of(1, 450), reverse=not oldest_first)
    assert any(leaf > 400 for (leaf,) in found.rows)


def test_without_an_index_a_severity_needs_a_bound(tmp_path: Path) -> None:
    stored(tmp_path)

    with pytest.raises(CallerError, match="no index that knows severities yet"):
        finding.find(tmp_path, Find(severity=Severity.ERROR), "leaf")
    found = finding.find(tmp_path, Find(severity=Severity.ERROR, after=100), "leaf")

    assert [leaf for (leaf,) in found.rows] == sorted(errors_of(101, 400), reverse=True)


def test_info_is_no_filter_and_needs_no_index(tmp_path: Path) -> None:
    assert plan.plan(Find(severity=Severity.INFO)).sql == plan.plan(Find()).sql


def test_an_index_that_is_made_anew_knows_the_same(tmp_path: Path) -> None:
    stored(tmp_path)
    build(tmp_path)
    question = Find(severity=Severity.NOTICE)
    before = finding.find(tmp_path, question, "leaf")

    remove(index_of(tmp_path))
    build(tmp_path)

    assert finding.find(tmp_path, question, "leaf") == before


def test_the_newest_entries_are_read_by_severity_too(tmp_path: Path) -> None:
    stored(tmp_path)

    page = query.tail(tmp_path, limit=5, severity=Severity.ERROR)

    assert [one.leaf for one in page.entries] == errors_of(1, 400)[-5:]
    assert all(one.severity.level >= Severity.ERROR.level for one in page.entries)


def test_leaves_do_not_know_of_severities(tmp_path: Path) -> None:
    stored(tmp_path, count=3)
    store = sqlite3.connect(tmp_path / "trail" / "trail.db")
    columns = [name for _, name, *_ in store.execute("PRAGMA table_info(entries)")]
    store.close()

    assert "severity" not in columns
    assert [*Row._fields] == [name for name in columns if name != "leaf"]
