"""`trail seal`, `trail expire` and `trail hold`, and what backup and restore make of segments."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.auditor import query
from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from tests.actors.auditor.classed import OLD, folders
from tests.actors.auditor.conftest import SmallHub

Capture = pytest.CaptureFixture[str]

WHO = ("--who", "Mira", "--reason", "past their duty")


@pytest.fixture
def home(hot: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(hot, tmp_path / "home"))


def run(capsys: Capture, home: Path, *words: str, status: int = failure.DONE) -> dict[str, Any]:
    """The document that the command gives, or its refusal."""
    assert main(["trail", *words, "--home", str(home), "--json"]) == status
    said = capsys.readouterr()
    found: dict[str, Any] = json.loads(said.err.splitlines()[-1] if status else said.out)
    return found


def test_old_entries_are_sealed_and_said_to_be(home: Path, capsys: Capture) -> None:
    SmallHub(home).drain(rounds=2)
    sealed = run(capsys, home, "seal", "--through", "300")["segments"]
    more = run(capsys, home, "seal", "--before", "1d")["segments"]
    again = run(capsys, home, "seal")["segments"]

    assert [(one["first"], one["last"]) for one in (*sealed, *more)] == [(1, 256), (257, 768)]
    assert again == []
    verified = run(capsys, home, "verify", str(home))
    assert (verified["whole"], verified["segments"]) == (True, 2)
    SmallHub(home).drain()
    assert [entry.body["last"] for entry in query.by_message(home, ["Sealed"])] == [768, 256]


def test_a_trail_without_its_key_is_not_sealed(home: Path, capsys: Capture) -> None:
    (home / "keys" / "trail.key").unlink()

    assert "which signs a segment" in run(capsys, home, "seal", status=failure.NOT_FOUND)["message"]


def test_expiry_says_first_what_it_would_do_and_wants_to_know_who_and_why(home: Path, capsys: Capture) -> None:
    run(capsys, home, "seal")

    would = run(capsys, home, "expire", "--dry-run")
    before = [path.name for path in folders(home)[0].iterdir()]
    refused = run(capsys, home, "expire", status=failure.USAGE)
    done = run(capsys, home, "expire", *WHO)

    assert would["entries"] == 0
    assert "books.bundles" in before
    assert refused["message"] == "--who is empty"
    assert done["entries"] == sum(one["entries"] for one in would["classes"] if not one["kept_by"]) > 0
    assert {path.name for path in folders(home)[0].iterdir()} >= {"order.bundles", "permanent.bundles"}
    assert run(capsys, home, "verify", str(home))["expired"] == done["entries"]


def test_a_duty_that_was_lengthened_is_kept_to(home: Path, capsys: Capture) -> None:
    run(capsys, home, "seal")
    (home / "hub.toml").write_text("[trail]\nkeep_books_days = 36525\n", encoding="utf-8")

    classes = {one["class"] for one in run(capsys, home, "expire", "--dry-run")["classes"]}

    assert "books" not in classes
    assert "security" in classes


def test_a_duty_below_its_minimum_is_refused_in_words(home: Path, capsys: Capture) -> None:
    (home / "hub.toml").write_text("[trail]\nkeep_ops_days = 30\n", encoding="utf-8")

    refused = run(capsys, home, "expire", "--dry-run", status=failure.USAGE)

    assert "entries of the class ops are kept for 366 days at least" in refused["message"]


def test_a_hold_is_placed_listed_and_lifted_and_keeps_what_it_covers(home: Path, capsys: Capture) -> None:
    run(capsys, home, "seal")
    owner = ("--owner", "Legal", "--reason", "case 7")
    placed = run(capsys, home, "hold", "place", *owner, "--message", "EventsTaken", "--since", "2001-01-01")
    listed = run(capsys, home, "hold", "list")["holds"]
    kept = run(capsys, home, "expire", *WHO)["classes"]
    lifted = run(capsys, home, "hold", "lift", placed["id"], "--reason", "settled")

    assert listed == [{key: placed[key] for key in listed[0]}]
    assert {one["kept_by"] for one in kept if one["class"] == "books"} == {f"the hold {placed['id']} of Legal: case 7"}
    assert lifted["id"] == placed["id"]
    assert run(capsys, home, "hold", "list")["holds"] == []
    assert (
        "see `trail hold list`"
        in run(capsys, home, "hold", "lift", placed["id"], "--reason", "again", status=failure.NOT_FOUND)["hint"]
    )
    assert "names nothing" in run(capsys, home, "hold", "place", *owner, status=failure.CONFLICT)["message"]


@pytest.mark.parametrize(("message", "notes"), [("EventsTaken", 0), ("EventTaken", 1)])
def test_a_hold_on_what_nobody_has_ever_said_is_placed_with_a_note(
    home: Path, capsys: Capture, message: str, notes: int
) -> None:
    words = ("trail", "hold", "place", "--owner", "Legal", "--reason", "case 7", "--message", message)

    assert main([*words, "--home", str(home)]) == failure.DONE

    assert capsys.readouterr().out.count(f"note: '{message}' is on no record so far") == notes


def test_a_backup_has_the_segments_as_they_are_and_a_restore_brings_them_back(
    home: Path, tmp_path: Path, capsys: Capture
) -> None:
    run(capsys, home, "seal", "--through", "600")
    run(capsys, home, "hold", "place", "--owner", "Legal", "--reason", "case 7", "--workstream", "ws4")
    run(capsys, home, "expire", *WHO)
    before = run(capsys, home, "verify", str(home))
    entries = query.tail(home, limit=2_000).entries

    run(capsys, home, "backup", str(tmp_path / "copy"))
    run(capsys, tmp_path / "new", "restore", str(tmp_path / "copy"))

    after = run(capsys, tmp_path / "new", "verify", str(tmp_path / "new"))
    assert (after["whole"], after["root"], after["expired"]) == (True, before["root"], before["expired"])
    assert after["segments"] == 1
    assert query.tail(tmp_path / "new", limit=2_000).entries == entries
    assert [hold["owner"] for hold in run(capsys, tmp_path / "new", "hold", "list")["holds"]] == ["Legal"]


def test_a_backup_of_which_a_bundle_was_altered_is_refused(home: Path, tmp_path: Path, capsys: Capture) -> None:
    run(capsys, home, "seal", "--through", "600")
    run(capsys, home, "backup", str(tmp_path / "copy"))
    bundle = next((tmp_path / "copy").rglob("books.bundles"))
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"x")

    refused = run(capsys, tmp_path / "new", "restore", str(tmp_path / "copy"), status=failure.FAILED)

    assert "books.bundles was altered since the backup was made" in refused["message"]


def test_lost_indexes_are_made_anew(home: Path, capsys: Capture) -> None:
    run(capsys, home, "seal", "--through", "600")
    (folders(home)[0] / "index.db").unlink()
    refused = run(capsys, home, "show", "ws3/1/1", status=failure.FAILED)

    assert "trail seal --mend" in refused["message"]
    assert run(capsys, home, "seal", "--mend")["segments"] == 1
    assert run(capsys, home, "show", "ws3/1/1")["wall"] == OLD + 1_001


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_what_root_writes_into_a_home_is_its_owners(
    home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    acted: list[int] = []
    monkeypatch.setattr(os, "setegid", acted.append)
    monkeypatch.setattr(os, "seteuid", acted.append)
    os.chown(home, 65_534, 65_533)

    for words in (
        ("seal",),
        ("hold", "place", "--owner", "Legal", "--reason", "case 7", "--actor", "router"),
        ("expire", *WHO),
    ):
        run(capsys, home, *words)
        assert acted == [65_533, 65_534], words
        acted.clear()
    run(capsys, home, "hold", "list")
    run(capsys, home, "expire", "--dry-run")
    assert acted == []
