"""`trail verify` and `trail key`: from the files alone, with words and exit statuses."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from alluse_hub.supervision.spool import SpoolName


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """The home of a hub that ended, with five entries under a checkpoint."""
    store = Store.open(tmp_path / "trail" / "trail.db")
    rows = [Row("ws1", 1, n, "fact", "Said", "", "", "", "", 1.0, 2.0, False, "ws1", '{"x":1}') for n in range(1, 6)]
    store.commit(rows, {SpoolName("ws1", 1): Place(500, 5)})
    notary = Notary(store, Head(tmp_path / "trail" / "head"), keys.make(keys.key_of(tmp_path), "alluse/1"))
    notary.begin()
    notary.seal()
    store.close()
    return tmp_path


def alter(home: Path) -> None:
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as db, db:
        db.execute("""UPDATE entries SET body = '{"x":2}' WHERE leaf = 3""")


def test_a_whole_trail_is_told_with_its_log_and_what_the_key_is_worth(
    signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trail", "verify", "--home", str(signed)]) == failure.DONE

    out = capsys.readouterr().out
    assert out.startswith(
        "the trail is whole: 5 entries of 1 incarnations, 0 more in spools, 1 checkpoints\nlog alluse/1"
    )
    assert "whoever could alter the trail could alter it as well" in out


def test_an_altered_trail_is_broken_and_says_where(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alter(signed)

    assert main(["trail", "verify", str(signed), "--json"]) == failure.TRAIL_BROKEN

    doc = json.loads(capsys.readouterr().out)
    assert (doc["schema"], doc["whole"]) == ("alluse-hub/verify", False)
    assert doc["findings"] == [
        "the entry at place 3, ws1/1/3, is not the one that the tree has there: it was altered or moved"
    ]


def test_what_cannot_be_verified_says_why(signed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trail", "verify", str(tmp_path / "nowhere")]) == failure.NOT_FOUND
    assert "there is no trail.db" in capsys.readouterr().err
    assert main(["trail", "verify", str(signed), "--vkey", "nonsense"]) == failure.USAGE
    assert "no public key" in capsys.readouterr().err
    with closing(sqlite3.connect(signed / "trail" / "trail.db")) as db, db:
        db.execute("DROP TABLE tiles")
    assert main(["trail", "verify", str(signed)]) == failure.FAILED
    assert "has no tree yet" in capsys.readouterr().err


def test_the_key_shown_verifies_and_a_new_one_goes_on_with_the_log(
    signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trail", "key", "--home", str(signed)]) == failure.DONE
    old = capsys.readouterr().out.strip()
    assert main(["trail", "key", "--new", "--home", str(signed), "--json"]) == failure.DONE
    new = json.loads(capsys.readouterr().out)["vkey"]

    assert new != old
    assert {key.partition("+")[0] for key in (old, new)} == {"alluse/1"}
    assert main(["trail", "verify", "--home", str(signed), "--vkey", old]) == failure.DONE
    assert main(["trail", "verify", "--home", str(signed), "--vkey", new]) == failure.TRAIL_BROKEN
    assert main(["trail", "verify", "--home", str(signed)]) == failure.DONE, "the old public key is kept beside"


def test_a_hub_that_never_ran_has_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["key"], ["key", "--new"]):
        assert main(["trail", *words, "--home", str(tmp_path)]) == failure.NOT_FOUND
        assert "start the hub once" in capsys.readouterr().err
