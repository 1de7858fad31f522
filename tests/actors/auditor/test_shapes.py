"""Whether a program can read what the trail may hold is settled before anything is started."""

from pathlib import Path

import pytest

from alluse_hub.actors.auditor.shapes import admit, lacking, shapes_of
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.flow import EventHeard, FlowPaused
from alluse_hub.protocols.lifecycle import ChildState
from alluse_hub.protocols.message import Fact, Message


class Inner(Message):
    how: str


class Said(Fact):
    text: str
    inner: Inner | None = None
    state: ChildState = ChildState.STOPPED


class SaidMore(Fact):
    text: str
    inner: Inner | None = None
    state: ChildState = ChildState.STOPPED
    since: float = 0.0


SaidMore.__name__ = "Said"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "trail").mkdir()
    return tmp_path


def test_shapes_name_the_fields_of_a_fact_of_what_is_in_it_and_the_words_of_closed_sets() -> None:
    found = shapes_of([Said])

    assert found["Said"] == ["inner", "state", "text"]
    assert found["Inner"] == ["how"]
    assert "=stopped" in found["ChildState"]


def test_what_a_program_lacks_is_named_field_by_field() -> None:
    held = {"Said": ["text", "since"], "Gone": ["x"], "Inner": ["how"]}

    assert lacking(held, shapes_of([Said])) == ["Gone", "Said.since"]


def test_a_newer_version_with_a_further_field_is_admitted_and_the_older_refused_from_then_on(home: Path) -> None:
    admit(home, [Said], "1.0")
    admit(home, [Said], "1.0")
    admit(home, [SaidMore, FlowPaused], "1.1")

    with pytest.raises(CallerError) as refused:
        admit(home, [Said], "1.0")

    assert "what version 1.0 cannot read: FlowPaused, Said.since; start version 1.1 or later" in str(refused.value)
    admit(home, [SaidMore, FlowPaused, EventHeard], "1.2")


def test_an_older_version_that_knows_all_is_admitted(home: Path) -> None:
    admit(home, [Said], "1.1")

    admit(home, [Said], "1.0")


def test_a_damaged_note_is_an_error_with_a_remedy(home: Path) -> None:
    (home / "trail" / "shapes.json").write_text("{", encoding="utf-8")

    with pytest.raises(CallerError, match="bring it back from a backup"):
        admit(home, [Said], "1.0")


def test_a_store_with_unknown_steps_is_refused_before_anything_starts(home: Path, tmp_path: Path) -> None:
    from alluse_hub.actors.auditor.bindings import sqlite3  # noqa: PLC0415
    from alluse_hub.actors.auditor.store import Store  # noqa: PLC0415

    Store.open(home / "trail" / "trail.db").close()
    with sqlite3.connect(home / "trail" / "trail.db") as later:
        sql = "UPDATE _sqlite_migrations SET name = 'of_the_future' WHERE name = 'running_counts'"
        later.execute(sql)
    later.close()

    with pytest.raises(CallerError, match="written by a newer hub"):
        admit(home, [Said], "1.0")
