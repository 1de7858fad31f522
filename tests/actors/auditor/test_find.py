"""The search: what drives a question, what it costs, what it finds, and how far that can be relied on."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.auditor import find as finding
from alluse_hub.actors.auditor import indexer, plan, query
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.severity import Severity, severity_of
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import SpoolName
from tests.actors.auditor.found import CHAIN, made, row


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
    "notice": {"severity": Severity.NOTICE},
    "error": {"severity": Severity.ERROR},
}
BOUNDS = {"after", "before", "since", "until"}
DRIVEN = {"workstream", "message", "correlation", "cause", "text", "notice", "error"}
COMBINATIONS = [
    names
    for count in (0, 1, 2, 3)
    for names in itertools.combinations(FILTERS, count)
    if not ({"message", "messages"} <= {*names} or {"notice", "error"} <= {*names})
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
            find.severity is None or _severity(one).level >= find.severity.level,
            not find.text or (one.body is not None and "why" in one.body),
        )
    )


def _severity(one: Row) -> Severity:
    return severity_of(one.kind, one.message, json.loads(one.body) if one.body else {})


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
                if made_.driver in {plan.BY_PLACE, *plan.LOOKED_UP}
                else f"INDEX {made_.driver} ("
            )
            assert len(steps) == 1, (names, steps)
            assert steps[0].startswith("SEARCH entries "), (names, steps)
            assert by in steps[0], (names, steps)
            assert "rowid>? AND rowid<?" in steps[0], (names, steps)
    connection.close()


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
    for names in COMBINATIONS[:: 7 if oldest_first else 5]:
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


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize(
    ("names", "places"), [(("after", "kind"), 700), (("message", "peer"), 610), (("text", "peer"), 244)]
)
def test_what_is_not_there_is_looked_for_in_a_window_and_no_further(
    trail: tuple[Path, list[Row]],
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, ...],
    places: int,
    oldest_first: bool,
) -> None:
    monkeypatch.setattr(finding, "WINDOW_LEAVES", 700)
    monkeypatch.setattr(finding, "WINDOW_ROWS", 60)
    find = question(names, oldest_first=oldest_first).model_copy(
        update={"kind": None, "peer": "nobody", "after": 0 if "after" in names else None}
    )

    found = finding.find(trail[0], find, "leaf")

    assert (found.rows, found.next is None) == ([], False)
    assert found.last - found.first < places


@settings(max_examples=12, deadline=None)
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexer, "BATCH_LEAVES", 150)  # several to a block
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


@pytest.mark.parametrize(
    ("usual", "odd", "question_"), [(1_000.0, 10.0, {"until": 20}), (10.0, 1_000.0, {"since": 500})]
)
def test_a_moment_of_another_clock_is_found_within_its_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usual: float, odd: float, question_: dict[str, float]
) -> None:
    monkeypatch.setattr(indexer, "BATCH_LEAVES", 150)
    made(tmp_path, [usual] * 200 + [odd] * 200 + [usual] * 2_000)

    found = finding.find(tmp_path, Find(limit=10_000, **question_), "leaf, wall")

    assert sorted(leaf for leaf, _ in found.rows) == list(range(201, 401))
    assert found.last - found.first < 2_400


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
