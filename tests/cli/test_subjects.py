"""``trail erase``, ``trail keys`` and ``--open``, on the files of a hub that does not run."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.auditor import query
from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from alluse_hub.protocols.flow import Event, EventHeard
from alluse_hub.protocols.names import KEEPER
from alluse_hub.protocols.personal import PersonalField
from alluse_hub.supervision.frames import fact_frame
from alluse_hub.supervision.keyring import Keyring
from alluse_hub.supervision.spool import Spool
from alluse_hub.supervision.veil import Veil

ADA = "ACC-7161"
DECLARED = '[[trail.personal]]\nevent = "filled"\nfield = "account"\nsubject = "account"\n'
WHY = ("--who", "Eve", "--reason", "asked by letter")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "hub"
    field = PersonalField(event="filled", field="account", subject="account")
    spool = Spool.open(folder / "trail" / "spool", "ws4", Veil(Keyring(folder), (field,)))
    event = Event(ws="ws4", n=1, event="filled", payload={"account": ADA, "quantity": 3})
    spool.write([fact_frame(EventHeard(event=event))], 1.0, 2_000_000_000.0)
    spool.close()
    (folder / "hub.toml").write_text(DECLARED, encoding="utf-8")
    return folder


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def ran(*words: str) -> tuple[int, str, str]:
        status = main([*words, "--home", str(home)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return ran


def document(run: Run, *words: str) -> Any:  # JSON
    status, out, err = run(*words, "--json")
    assert status == failure.DONE, err
    return json.loads(out)


def free(home: Path) -> None:
    (home / "hub.toml").write_text(DECLARED + "duty = false\n", encoding="utf-8")


def test_a_field_is_shown_as_a_sentence_in_json_as_it_stands_and_opened_when_that_is_asked_for(
    run: Run, home: Path
) -> None:
    subject = Keyring(home).pseudonym(ADA)

    assert f"(sealed: subject {subject})" in run("trail", "show", "ws4/1/1")[1]
    sealed = document(run, "trail", "show", "ws4/1/1")["body"]["event"]["payload"]["account"]
    opened = document(run, "trail", "show", "ws4/1/1", "--open")["body"]["event"]["payload"]["account"]

    assert (sealed["sealed"], opened) == (subject, ADA)


def test_what_is_opened_is_recorded_with_who_and_how_much(run: Run, home: Path) -> None:
    run("trail", "show", "ws4/1/1")
    run("trail", "show", "ws4/1/1", "--open")

    (found,) = query.facts_of(home, KEEPER, frozenset({"SealedOpened"}))
    fact = json.loads(found[1])
    assert (fact["fields"], fact["command"], "(uid " in fact["by"]) == (1, "entry", True)


def test_where_it_cannot_be_recorded_that_is_said(run: Run, home: Path) -> None:
    (home / "clock.json").write_text("no clock", encoding="utf-8")
    (home / "trail" / "spool").chmod(0o500)
    (home / "clock.json").unlink()
    (home / "clock.json").mkdir()

    status, out, err = run("trail", "show", "ws4/1/1", "--open")

    (home / "trail" / "spool").chmod(0o700)
    assert (status, ADA in out) == (failure.DONE, True)
    assert "1 sealed fields were opened is not recorded" in err


def test_a_duty_is_in_the_way_until_a_day_that_is_told(run: Run) -> None:
    told = run("trail", "erase", ADA, *WHY)
    doc = run("trail", "erase", ADA, *WHY, "--dry-run", "--json")

    assert (told[0], doc[0]) == (failure.CONFLICT, failure.CONFLICT)
    assert "1 fields of the class books" in told[2]
    assert "possible from 2039-05-20" in told[2]  # six years after 2033-05-18, at the end of the day
    assert {name: json.loads(doc[1])[name] for name in ("fields", "possible", "erased")} == {
        "fields": 1,
        "possible": False,
        "erased": False,
    }


def test_an_erasure_is_done_once_and_shows_from_then_on(run: Run, home: Path) -> None:
    free(home)
    assert run("trail", "erase", ADA, *WHY, "--dry-run")[0] == failure.DONE
    assert ADA in run("trail", "show", "ws4/1/1", "--open")[1]

    done = document(run, "trail", "erase", ADA, *WHY)

    assert (done["erased"], done["by"], done["through"]) == (True, "Eve", {"ws4": 1})
    assert "(erased: subject " in run("trail", "show", "ws4/1/1", "--open")[1]
    assert run("trail", "erase", ADA, *WHY)[0] == failure.NOT_FOUND
    assert document(run, "trail", "keys", "list")["erased"][0]["subject"] == done["subject"]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("trail", "erase", "nobody", *WHY), failure.NOT_FOUND, "nothing of it is sealed"),
        (("trail", "erase", ADA, "--who", " ", "--reason", "x"), failure.USAGE, "--who is empty"),
        (("trail", "erase", ADA, "--who", "Eve", "--reason", f"of {ADA}"), failure.USAGE, "leave the subject out"),
        (("trail", "erase", ADA, "--who", "Eve"), failure.USAGE, "--reason"),
        (("trail", "keys", "backup", "{home}/copy"), failure.CONFLICT, "in the home"),
        (("trail", "keys", "restore", "{home}/trail"), failure.CONFLICT, "has no keys"),
        (("trail", "tail", "--open", "-f"), failure.USAGE, "--open does not go with -f"),
    ],
)
def test_what_cannot_be_done_is_refused(run: Run, home: Path, words: tuple[str, ...], status: int, told: str) -> None:
    found, out, err = run(*(word.replace("{home}", str(home)) for word in words))

    assert (found, told in err) == (status, True), out + err


def test_keys_are_listed_rotated_copied_and_brought_back(run: Run, home: Path, tmp_path: Path) -> None:
    before = document(run, "trail", "keys", "list")
    subject = document(run, "trail", "keys", "list", ADA)["subject"]

    turned = document(run, "trail", "keys", "rotate")
    assert run("trail", "keys", "backup", str(tmp_path / "copy"))[0] == failure.DONE
    Keyring(home).path_of(subject).unlink()
    back = document(run, "trail", "keys", "restore", str(tmp_path / "copy"))

    after = document(run, "trail", "keys", "list")
    assert (before["keys"], before["saved"], before["erased"]) == (1, None, [])
    assert before["wrapped_by"] == [turned["was"]] != [turned["now"]] == after["wrapped_by"]
    assert after["here"] == {turned["now"]: "kek"}
    assert (after["saved"] is not None, back["keys"], back["refused"]) == (True, 1, 0)
    assert ADA in run("trail", "show", "ws4/1/1", "--open")[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_what_root_does_is_left_to_the_owner_of_the_home(home: Path) -> None:
    """Else the hub could not read its own keys and spools any more."""
    with tempfile.TemporaryDirectory() as reachable:  # by anybody, which the folders of tests are not
        theirs = Path(shutil.copytree(home, Path(reachable) / "hub"))
        for path in [Path(reachable), theirs, *theirs.rglob("*")]:
            os.chown(path, 65534, 65534)
        words = (["show", "ws4/1/1", "--open"], ["keys", "rotate"])
        for each in words:  # all is imported by who can read the interpreter's own files
            main(["trail", *each, "--home", str(home)])
        child = os.fork()
        if not child:  # it is for the rest of the process, so in one of its own
            status = 1
            try:
                status = max(main(["trail", *each, "--home", str(theirs)]) for each in words)
            finally:
                os._exit(status)

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert {path.stat().st_uid for path in theirs.rglob("*")} == {65534}
        assert len(query.facts_of(theirs, KEEPER, frozenset({"SealedOpened", "KeysRotated"}))) == 2
