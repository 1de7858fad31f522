"""The guardian's book of starts and deaths."""

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.supervision.clock import Clock
from alluse_hub.supervision.starts import ENTRIES_MAX, LOOP, Book, Entry, Event, failures, read, warning, with_begin

BEGUN, DIED, ENDED, GAVE_UP, KILLED = Event


def entries(*events: Event, step_s: float = 1.0) -> tuple[Entry, ...]:
    return tuple(Entry(event, at * step_s, 0.0) for at, event in enumerate(events))


def said_in(home: Path) -> list[str]:
    """The events in the book, in order."""
    return [entry.event.value for entry in read(home)]


def book(home: Path, lines: list[str] | None = None) -> Book:
    made = Book(home, Clock(), (lines if lines is not None else []).append)
    made.begin()
    return made


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((), (BEGUN,)),
        ((BEGUN, ENDED), (BEGUN, ENDED, BEGUN)),
        ((BEGUN, GAVE_UP), (BEGUN, GAVE_UP, BEGUN)),
        ((BEGUN,), (BEGUN, KILLED, BEGUN)),
        ((BEGUN, DIED), (BEGUN, DIED, KILLED, BEGUN)),
    ],
)
def test_a_daemon_that_left_no_word_of_its_end_was_killed(before: tuple[Event, ...], after: tuple[Event, ...]) -> None:
    assert tuple(entry.event for entry in with_begin(entries(*before), 9.0, 0.0)) == after


@pytest.mark.parametrize(("count", "is_loop"), [(LOOP.restarts, False), (LOOP.restarts + 1, True)])
@pytest.mark.parametrize("event", [DIED, GAVE_UP, KILLED])
def test_more_failures_than_allowed_within_the_window_are_a_loop(event: Event, count: int, *, is_loop: bool) -> None:
    assert bool(warning(entries(*[event] * count), now=count)) is is_loop


def test_ends_that_were_asked_for_are_no_failures() -> None:
    assert failures(entries(*[BEGUN, ENDED] * 20), now=40.0) == ()


def test_what_is_older_than_the_window_does_not_count() -> None:
    old = entries(*[KILLED] * 10)

    assert failures(old, now=9.0 + LOOP.period_s) == (9.0,)
    assert warning(old, now=9.0 + LOOP.period_s) == ""


def test_a_warning_tells_the_last_failure() -> None:
    told = warning((*entries(*[KILLED] * 3), Entry(DIED, 4.0, 0.0, "the host died"), Entry(BEGUN, 5.0, 0.0)), now=5.0)

    assert told == "a crash loop: 4 failures of the daemon or its tree in 600 s; the last: the tree died: the host died"


@given(st.lists(st.sampled_from(Event), max_size=12), st.floats(0, 1e6))
def test_after_any_history_the_last_word_is_that_a_daemon_has_begun(events: list[Event], at: float) -> None:
    after = with_begin(entries(*events), at, 0.0)

    assert after[-1].event is BEGUN
    assert after[: len(events)] == entries(*events)


# --- the file ------------------------------------------------------------------------------------------------------


def test_a_book_is_carried_on_by_the_next_daemon(tmp_path: Path) -> None:
    first = book(tmp_path)
    first.tree_died()
    first.end(ENDED, "as asked")

    book(tmp_path)

    assert said_in(tmp_path) == ["begun", "tree_died", "ended", "begun"]


def test_what_was_said_last_is_why_the_tree_died(tmp_path: Path) -> None:
    lines: list[str] = []
    one = book(tmp_path, lines)

    one.overhear("ready: pid 7")
    one.tree_died()
    one.tree_begins()
    one.overhear("the host died")
    one.tree_died()

    assert [entry.why for entry in read(tmp_path)] == ["", "its root ended", "the host died"]
    assert lines == ["ready: pid 7", "the host died"]


def test_a_crash_loop_is_said_at_the_start_and_stands_in_the_book(tmp_path: Path) -> None:
    lines: list[str] = []
    for _ in range(LOOP.restarts + 2):
        book(tmp_path, lines)

    (line,) = lines
    assert line.startswith("warning: a crash loop: 4 failures")
    shown = json.loads((tmp_path / "starts.json").read_text(encoding="utf-8"))
    assert (shown["failures"], shown["allowed"], len(shown["frees_at"])) == (4, 3, 4)


def test_the_book_is_bounded_and_closed_to_others(tmp_path: Path) -> None:
    one = book(tmp_path)
    for _ in range(3 * ENTRIES_MAX):
        one.tree_died()

    assert len(read(tmp_path)) == ENTRIES_MAX
    assert stat.S_IMODE((tmp_path / "starts.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["starts.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"entries": [{"event": "unknown"}]}', '{"entries": 3}'])
def test_a_book_that_cannot_be_read_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "starts.json").write_text(text, encoding="utf-8")

    book(tmp_path)

    assert said_in(tmp_path) == ["begun"]
