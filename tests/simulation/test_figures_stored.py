"""The same figures through the store: read by span from database and segments, and counted again with plain SQL."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alluse_hub import offline
from alluse_hub.actors.auditor import query, spans
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.trail import Entry
from alluse_hub.supervision.spool import Frame
from alluse_hub.testing import TestHub
from tests.actors.auditor.classed import seal_through
from tests.actors.auditor.conftest import SmallHub
from tests.simulation.recount import Recount, Row
from tests.simulation.test_figures import SHORT, torn

START = 1_700_000_000.0
"""Wall time of the first moment; it runs beside the hub's."""


@pytest.fixture(scope="module")
def run() -> list[Entry]:
    """With a death of the coordinator in the middle of a round, and one of the board."""
    with TestHub(SHORT, seed=9) as hub, torn(hub, "DirectiveIssued"):
        hub.run_sessions(6)
        hub.crash("board")
        hub.run_sessions(20)
        hub.advance(30.0)
        return hub.trail


def stored(home: Path, entries: list[Entry], *, sealed: bool) -> None:
    """The auditor of the simulation stores nothing itself; here a true one does, but for its own entries."""
    hub = SmallHub(home)
    lives: dict[str, int] = {}
    others = [one for one in entries if one.actor != "auditor"]
    for place, one in enumerate(others, start=1):
        if lives.setdefault(one.actor, 1) != one.incarnation:
            lives[one.actor] = one.incarnation
            hub.restart(one.actor)
        body = json.dumps(one.body, separators=(",", ":")).encode() if one.body else b""
        frame = Frame(one.kind, one.message, body, one.to, one.letter, one.cause, one.correlation, one.power)
        hub.say(one.actor, frame, at=one.at, wall=START + one.at)
        if place % 2_000 == 0:
            hub.ingest(lambda _word: None)
    hub.ingest(lambda _word: None)
    hub.sign()
    hub.close()
    if sealed:
        assert seal_through(home, 2_000) is not None
        assert seal_through(home, 4_000) is not None


@pytest.fixture(scope="module", params=[False, True], ids=["hot", "sealed"])
def home(run: list[Entry], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    made = tmp_path_factory.mktemp("figures")
    stored(made, run, sealed=request.param)
    return made


SQL = """
SELECT actor, incarnation, n, kind, message, cause, at, body FROM entries
WHERE actor <> 'auditor' AND kind IN ('fact', 'sent') AND message IN (
  'EventHeard', 'RoundOpened', 'RoundAbandoned', 'RuleFired', 'RuleActionRefused', 'RuleActionDone', 'CommandIssued',
  'DirectiveIssued', 'DirectiveAnswered', 'Directive', 'Command', 'DeliveriesMoved', 'DriftFound', 'ConflictOpened',
  'ConflictClosed', 'Escalated')
"""


def rows_in(home: Path, run: Sequence[Entry] = ()) -> list[Row]:
    """By SQL from the database, and what is sealed from the run itself: whatever the store's own readers do."""
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as store:
        found = [Row._make((*row[:-1], json.loads(row[-1]))) for row in store.execute(SQL)]
    known = {(row.actor, row.incarnation, row.n) for row in found}
    more = [one for one in run if one.actor != "auditor" and (one.actor, one.incarnation, one.n) not in known]
    return found + [
        Row(one.actor, one.incarnation, one.n, one.kind.value, one.message, one.cause, one.at, one.body)
        for one in more
        if one.message in SQL and one.kind.value in {"fact", "sent"}
    ]


def ask(home: Path, **args: Any) -> Any:  # JSON
    return offline.ask(home, "figures", args)


def test_the_figures_of_the_whole_and_of_spans_are_those_counted_again_with_sql(home: Path, run: list[Entry]) -> None:
    rows = rows_in(home, run)
    end = max(row.at for row in rows)

    whole = ask(home, last_s=0)
    assert (whole["since"], whole["is_cut"], whole["is_complete"]) == (None, False, True)
    assert whole["until"] >= end
    Recount(rows, float("-inf"), whole["until"]).check(whole)
    assert whole["executions"] > 0
    for since, until in ((0.1, end / 2), (end / 3, end), (end / 2, end + 100)):
        told = ask(home, since=START + since, until=START + until)
        assert told["since"] == pytest.approx(since, abs=1e-3)
        assert told["until"] == pytest.approx(until, abs=1e-3)
        Recount(rows, told["since"], told["until"]).check(told)


def test_a_span_may_begin_and_end_with_an_entry(home: Path, run: list[Entry]) -> None:
    fired = [one for one in run if one.message == "RuleFired" and one.kind.value == "fact"]

    told = ask(home, since=fired[1].id, until=fired[-1].id)

    assert (told["since"], told["until"]) == (fired[1].at, fired[-1].at)
    Recount(rows_in(home, run), told["since"], told["until"]).check(told)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"since": START + 50, "until": START + 10}, "ends before it begins"),
        ({"since": "ws3/1/999999"}, "nobody wrote ws3/1/999999"),
        ({"since": "yesterday"}, "is no entry"),
        ({"until": [1]}, "until"),
    ],
)
def test_a_span_that_is_none_is_refused_in_words(home: Path, args: dict[str, Any], words: str) -> None:
    with pytest.raises(CallerError, match=words):
        ask(home, **args)


def test_where_nothing_is_stored_there_is_no_data(tmp_path: Path) -> None:
    told = ask(tmp_path)

    assert (told["score"], told["executions"], told["until"]) == (None, 0, None)


def test_too_much_to_read_is_a_shorter_span_and_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "EARLIER_S", 0.01)
    kinds = ("RuleFired", "DirectiveIssued", "CommandIssued", "RuleActionDone")
    whole = query.span(home, kinds)
    assert whole is not None

    part = query.span(home, kinds, limit=len(whole.entries) // 2)

    assert part is not None
    assert part.is_cut
    assert whole.since < part.since < part.until
    inside = [one.id for one in part.entries if one.at > part.since]
    assert inside == [one.id for one in whole.entries if one.at > part.since], "what it says it has, it has whole"


def test_a_span_shorter_than_what_leads_to_it_is_cut_to_its_second_half_and_not_to_nothing(home: Path) -> None:
    kinds = ("RuleFired", "DirectiveIssued", "CommandIssued", "RuleActionDone")
    whole = query.span(home, kinds)
    assert whole is not None
    assert whole.until < 2 * spans.EARLIER_S, "the run is short enough for this test"

    part = query.span(home, kinds, limit=len(whole.entries) // 2)

    assert part is not None
    assert part.is_cut
    assert part.since < part.until, "there is something in it"
    inside = [one.id for one in part.entries if one.at > part.since]
    assert inside == [one.id for one in whole.entries if one.at > part.since]


def test_more_conflicts_than_are_read_make_it_incomplete_and_are_not_all_read(home: Path) -> None:
    lasting = ("ConflictOpened", "ConflictClosed")
    whole = query.span(home, ("RuleFired",), lasting)
    assert whole is not None
    every = [one for one in whole.entries if one.message in lasting]

    part = query.span(home, ("RuleFired",), lasting, limit=len(every) // 2)

    assert part is not None
    assert len([one for one in part.entries if one.message in lasting]) <= len(every) // 2
    assert (whole.is_complete, part.is_complete) == (True, False)
    closed = [one.id for one in part.entries if one.message == "ConflictClosed" and one.at > part.since]
    assert closed == [one.id for one in every if one.message == "ConflictClosed" and one.at > part.since]


def test_a_workstream_that_nobody_knows_is_said_to_be_none(home: Path) -> None:
    with pytest.raises(CallerError, match="nothing of 'ws44' is on record"):
        offline.ask(home, "happenings", {"last_s": 0, "workstream": "ws44"})


def test_events_of_coordination_come_newest_first_by_type_and_with_their_resolution(
    home: Path, run: list[Entry]
) -> None:
    def events(**args: Any) -> list[Any]:
        told: Any = offline.ask(home, "happenings", {"last_s": 0, "limit": 1_000, **args})
        return list(told["events"])

    every = events()
    assert [one["at"] for one in every] == sorted((one["at"] for one in every), reverse=True)
    conflicts = events(type="conflict")
    assert conflicts
    assert all(one["resolved"] and one["resolution"] and one["severity"] == "warning" for one in conflicts)
    assert len(events(type="resolution")) == len(conflicts)
    fired = ask(home, last_s=0)["fired"]
    (rule, times) = next(iter(fired.items()))
    assert sum("fired on" in one["text"] for one in events(rule=rule)) == times
    assert {"ws4"} <= {name for one in events(workstream="ws4") for name in one["workstreams"]}
    assert len(events(limit=2)) == 2
    assert all(one["severity"] != "info" for one in events(severity="warning"))
    known = {one.id for one in run}
    assert all(one["id"] in known for one in every), "each is an entry of the trail"
