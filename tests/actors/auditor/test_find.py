"""The search: what drives a question, what it costs, what it finds, and how far that can be relied on."""

import itertools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.auditor import find as finding
from alluse_hub.actors.auditor import indexer, plan, query
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.indexer import Indexer, advance, index_of, open_index
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import SpoolName
from tests.actors.auditor.words import until

CHAIN = "ws1/1/1"
BODIES = (
    '{"rule":"hold-orders","why":"orange volume > 2"}',
    '{"symbol":"AAPL","parameters":{"password":"hunter2"}}',
    '{"events":["ws3#17","ws3#18"],"blob":"orange juice"}',
    None,
)


def row(n: int, *, wall: float) -> Row:
    return Row(
        actor=f"ws{n % 3}",
        incarnation=1,
        n=n,
        kind=("heard", "fact", "sent")[n % 3],
        message=("Rare", *("Said",) * 9)[n % 10],
        peer=f"ws{n % 4}",
        letter="",
        cause=CHAIN if n % 7 == 0 else "",
        correlation=CHAIN if n % 5 == 0 else "",
        at=float(n),
        wall=wall,
        power=n % 11 == 0,
        subject=f"ws{n % 6}",
        body=BODIES[n % 4],
    )


def made(home: Path, walls: Sequence[float], *, index: bool = True) -> list[Row]:
    store = Store.open(home / "trail" / "trail.db")
    rows = [row(n, wall=wall) for n, wall in enumerate(walls, 1)]
    store.commit(rows, {SpoolName("ws1", 1): Place(1, len(rows))})
    store.close()
    if index:
        build(home)
    return rows


def build(home: Path) -> None:
    connection = open_index(home / "trail" / "trail.db", index_of(home))
    while advance(connection):
        pass
    connection.close()


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    home = tmp_path_factory.mktemp("find")
    return home, made(home, [1_000.0 + n for n in range(3_000)])


FILTERS: dict[str, dict[str, Any]] = {
    "after": {"after": 2_000},
    "before": {"before": 2_500},
    "since": {"since": 2_500.0},
    "until": {"until": 3_500.0},
    "workstream": {"workstream": "ws4"},
    "message": {"messages": ("Rare",)},
    "messages": {"messages": ("Rare", "Said")},
    "kind": {"kind": EntryKind.FACT},
    "actor": {"actor": "ws2"},
    "peer": {"peer": "ws3"},
    "correlation": {"correlation": CHAIN},
    "cause": {"cause": CHAIN},
    "power": {"power": True},
    "text": {"text": "orange"},
}
BOUNDS = {"after", "before", "since", "until"}
DRIVEN = {"workstream", "message", "correlation", "cause", "text"}
COMBINATIONS = [
    names
    for count in (0, 1, 2, 3)
    for names in itertools.combinations(FILTERS, count)
    if not {"message", "messages"} <= {*names}
]


def question(names: Sequence[str], **more: Any) -> Find:
    given_: dict[str, Any] = {}
    for name in names:
        given_ |= FILTERS[name]
    return Find(**given_, **more)


def fits(find: Find, leaf: int, one: Row) -> bool:
    """The meaning of every filter, said once more without any index."""
    return all(
        (
            find.after is None or leaf > find.after,
            find.before is None or leaf < find.before,
            find.since is None or one.wall >= find.since,
            find.until is None or one.wall < find.until,
            not find.workstream or one.subject == find.workstream,
            not find.messages or one.message in find.messages,
            find.kind is None or one.kind == find.kind.value,
            not find.actor or one.actor == find.actor,
            not find.peer or one.peer == find.peer,
            not find.correlation or one.correlation == find.correlation,
            not find.cause or one.cause == find.cause,
            find.power is None or one.power == find.power,
            not find.text or (one.body is not None and "why" in one.body),
        )
    )


# --- cost -------------------------------------------------------------------------------------------------------------


def test_no_combination_of_filters_makes_sqlite_look_beyond_its_index_or_its_bound(
    trail: tuple[Path, list[Row]],
) -> None:
    connection = sqlite3.connect(trail[0] / "trail" / "trail.db")
    for names, oldest_first in itertools.product(COMBINATIONS, (False, True)):
        find = question(names, oldest_first=oldest_first)
        try:
            made_ = plan.plan(find)
        except CallerError:
            continue
        statements = [(made_.sql, (*made_.values, 0, 9, 9))]
        statements += [(made_.reach, (*made_.driven, 0, 9, 9))] if made_.reach else []
        for sql, values in statements:
            steps = [step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
            by = (
                "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
                if made_.driver in {plan.BY_PLACE, plan.BY_TEXT}
                else f"INDEX {made_.driver} ("
            )
            assert len(steps) == 1, (names, steps)
            assert steps[0].startswith("SEARCH entries "), (names, steps)
            assert by in steps[0], (names, steps)
            assert "rowid>? AND rowid<?" in steps[0], (names, steps)
    connection.close()


@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_words_are_found_in_the_order_of_their_places_without_a_sort(trail: tuple[Path, list[Row]], order: str) -> None:
    connection = sqlite3.connect(index_of(trail[0]))
    sql = f"EXPLAIN QUERY PLAN {finding.WORDS_FOUND.format(order)}"
    steps = [step[3] for step in connection.execute(sql, ("orange", 0, 9, 9))]
    connection.close()

    assert len(steps) == 1
    assert "VIRTUAL TABLE INDEX" in steps[0]


@pytest.mark.parametrize("names", [names for names in COMBINATIONS if len(names) < 3], ids="+".join)
def test_a_question_without_index_and_bound_is_refused_with_what_to_add(names: tuple[str, ...]) -> None:
    is_cheap = not names or bool({*names} & (BOUNDS | DRIVEN))
    if is_cheap:
        plan.plan(question(names))
    else:
        with pytest.raises(CallerError, match="--since, --until, --after or --before"):
            plan.plan(question(names))


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("oldest_first", [False, True])
def test_every_combination_finds_exactly_what_fits_however_it_is_paged(
    trail: tuple[Path, list[Row]], monkeypatch: pytest.MonkeyPatch, oldest_first: bool
) -> None:
    monkeypatch.setattr(finding, "WINDOW_LEAVES", 700)
    monkeypatch.setattr(finding, "WINDOW_ROWS", 60)
    home, rows = trail
    for names in COMBINATIONS[:: 3 if oldest_first else 2]:
        find = question(names, oldest_first=oldest_first, limit=333)
        wanted = [leaf for leaf, one in enumerate(rows, 1) if fits(find, leaf, one)]
        try:
            plan.plan(find)
        except CallerError:
            continue
        found: list[int] = []
        while True:
            page = finding.find(home, find, "leaf, n")
            found += [leaf for leaf, _ in page.rows]
            assert all(page.first <= leaf <= page.last for leaf, _ in page.rows)
            assert [leaf for leaf, _ in page.rows] == sorted(
                (leaf for leaf in wanted if page.first <= leaf <= page.last), reverse=not oldest_first
            ), (names, "complete for the places that it names")
            if page.next is None:
                break
            find = find.model_copy(update={"after" if oldest_first else "before": page.next})
        assert sorted(found) == wanted, names


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.integers(-5_000, 5_000), min_size=1, max_size=60),
    since=st.integers(-9_000, 9_000),
    width=st.integers(0, 9_000),
    indexed=st.integers(0, 60),
)
def test_times_are_found_however_the_clock_was_set(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], since: int, width: int, indexed: int
) -> None:
    home = tmp_path_factory.mktemp("clock")
    walls = [float(wall) for wall in itertools.accumulate(steps) for _ in range(40)]
    made(home, walls[: indexed * 40])
    store = Store.open(home / "trail" / "trail.db")
    store.commit(
        [row(n, wall=wall) for n, wall in enumerate(walls, 1)][indexed * 40 :], {SpoolName("ws1", 1): Place(1, 1)}
    )
    store.close()

    found = finding.find(home, Find(limit=10_000, since=since, until=since + width), "leaf, wall")

    assert sorted(leaf for leaf, _ in found.rows) == [
        leaf for leaf, wall in enumerate(walls, 1) if since <= wall < since + width
    ]


def test_without_an_index_times_are_found_by_bisection(tmp_path: Path) -> None:
    made(tmp_path, [1_000.0 + n for n in range(3_000)], index=False)

    found = finding.find(tmp_path, Find(limit=10_000, since=1_500, until=1_510), "leaf, wall")

    assert [wall for _, wall in found.rows] == [1_509.0 - n for n in range(10)]
    assert found.last - found.first < 200


def test_an_empty_home_has_nothing_to_find(tmp_path: Path) -> None:
    assert finding.find(tmp_path, Find(), "leaf").rows == []


def test_the_answer_names_the_checkpoint_that_covers_it(home: Path) -> None:
    newest = query.find(home, Find(limit=3))
    older = query.find(home, Find(limit=3, before=100))

    sizes = [int(found.checkpoint.split("\n")[1]) for found in (newest, older)]
    assert len(newest.entries) == len(older.entries) == 3
    assert sizes[0] >= newest.last == newest.stored
    assert older.last == 99 <= sizes[1] < sizes[0]


# --- words ------------------------------------------------------------------------------------------------------------


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
    made(tmp_path, [2.0] * 50, index=False)

    with pytest.raises(CallerError, match="there is no index"):
        finding.find(tmp_path, Find(text="orange"), "leaf")
    build(tmp_path)
    assert finding.find(tmp_path, Find(text="orange"), "leaf").indexed == 50


def test_the_indexer_follows_the_store_and_makes_what_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "LINGER_S", 0.001)
    store = Store.open(tmp_path / "trail" / "trail.db")
    running = Indexer(store.path, index_of(tmp_path))
    store.grown = running.behind
    running.start()

    def reaches(place: int) -> bool:
        return finding.find(tmp_path, Find(limit=1), "leaf").indexed == place

    store.commit([row(1, wall=1.0)], {SpoolName("ws1", 1): Place(1, 1)})
    until(lambda: reaches(1))
    for path in (tmp_path / "trail").glob("index.db*"):
        path.unlink()
    store.commit([row(2, wall=1.0)], {SpoolName("ws1", 1): Place(2, 2)})
    store.grown()
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
