"""Questions about one chain, and about the last start or end of somebody: answered from an index, never by a scan."""

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.reader import IS_LIFE, LIFE_OF, store_of
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallHub

CRASH = "workstreams/1/1"


def fact(message: str, correlation: str, **body: object) -> Frame:
    return Frame(EntryKind.FACT, message, json.dumps(body).encode(), cause=correlation, correlation=correlation)


@pytest.fixture
def crashed(hub: "SmallHub") -> "SmallHub":
    hub.say(
        "workstreams",
        Frame(EntryKind.HEARD, "Exited", b'{"name":"ws3"}', "workstreams", correlation=CRASH),
        fact("ChildEnded", CRASH, name="ws3", life=1),
        fact("ChildStarted", CRASH, name="ws3", life=2),
        fact("ChildEnded", "hub/1/9", name="ws4", life=1),
        at=1.0,
    )
    hub.say(
        "ws3", fact("Booted", CRASH), fact("ProgramStarted", CRASH, workstream="ws3"), fact("Failed", "x/1/1"), at=2
    )
    hub.drain()
    return hub


def test_a_page_can_be_of_one_chain_only(crashed: "SmallHub") -> None:
    page = query.tail(crashed.home, correlation=CRASH)

    assert [entry.message for entry in page.entries] == [
        "Exited",
        "ChildEnded",
        "ChildStarted",
        "Booted",
        "ProgramStarted",
    ]
    assert [e.message for e in query.tail(crashed.home, correlation=CRASH, limit=2).entries] == [
        "Booted",
        "ProgramStarted",
    ]
    assert [e.message for e in query.tail(crashed.home, correlation=CRASH, after_leaf=1, limit=2).entries] == [
        "ChildEnded",
        "ChildStarted",
    ]
    assert query.tail(crashed.home, correlation=CRASH, actor="ws3", message="Booted").entries[0].id == "ws3/1/1"


def test_of_a_chain_only_some_messages_may_be_wanted(crashed: "SmallHub") -> None:
    found = query.correlated(crashed.home, CRASH, messages=("ChildEnded", "ProgramStarted"))

    assert [entry.message for entry in found] == ["ChildEnded", "ProgramStarted"]


def test_the_last_start_or_end_of_an_actor_or_a_program_is_found_by_name(crashed: "SmallHub") -> None:
    assert [entry.message for entry in query.lives(crashed.home, "ws3", 3)] == [
        "ProgramStarted",
        "ChildStarted",
        "ChildEnded",
    ]
    assert query.lives(crashed.home, "ws4")[0].correlation == "hub/1/9"
    assert query.lives(crashed.home, "ws9") == []


@pytest.mark.parametrize(
    ("where", "index"),
    [
        (f"{IS_LIFE} AND {LIFE_OF} = 'ws3' ORDER BY leaf DESC LIMIT 1", "entries_lives"),
        ("correlation = 'a/1/1' AND correlation <> '' ORDER BY leaf LIMIT 9", "entries_correlation"),
        ("leaf > 0 AND correlation = 'a/1/1' AND correlation <> '' ORDER BY leaf DESC LIMIT 9", "entries_correlation"),
    ],
)
def test_neither_scans_nor_sorts(crashed: "SmallHub", where: str, index: str) -> None:
    with sqlite3.connect(store_of(crashed.home)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM entries WHERE {where}").fetchall()
    connection.close()

    assert [index in row[3] and row[3].startswith("SEARCH") for row in plan] == [True]


def test_what_came_of_a_failure_is_followed_over_the_death(hub: "SmallHub") -> None:
    """Whoever died of a letter names it; and what was done about the death names the failure."""
    hub.say("board", Frame(EntryKind.SENT, "Ask", b"{}", "ws3", correlation="board/1/1"))
    hub.say("ws3", Frame(EntryKind.FACT, "Failed", b"{}", cause="board/1/1", correlation="ws3/1/1"))
    hub.say("sup", Frame(EntryKind.HEARD, "Exited", b"{}", "sup", cause="ws3/1/1", correlation="ws3/1/1"))
    hub.drain()

    found = query.why(hub.home, "board/1/1")

    assert found is not None
    assert {entry.message for entry in found.effects} == {"Failed", "Exited"}
