"""Where the configuration says so, two people lift a hold or have entries expire; one person is never two of them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.auditor import keeper, two_people
from alluse_hub.actors.auditor.keeper_log import said
from alluse_hub.cli import approvals, failure
from alluse_hub.cli.home import note_config
from alluse_hub.cli.main import main
from alluse_hub.cli.render import Style
from alluse_hub.protocols.keeping import Expired, HoldLifted, HoldPlaced
from alluse_hub.protocols.names import KEEPER
from tests.actors.auditor.classed import folders

Capture = pytest.CaptureFixture[str]

HOLD = HoldPlaced(owner="Noor", reason="a case", workstream="ws9")


@pytest.fixture
def home(sealed: Path, tmp_path: Path) -> Path:
    made = Path(shutil.copytree(sealed, tmp_path / "home"))
    (made / "hub.toml").write_text("[trail]\napprovers = 2\n", encoding="utf-8")
    return made


def run(capsys: Capture, home: Path, *words: str, status: int = failure.DONE) -> dict[str, Any]:
    """The document that the command gives, or its refusal."""
    assert main(["trail", *words, "--home", str(home), "--json"]) == status
    given = capsys.readouterr()
    found: dict[str, Any] = json.loads(given.err.splitlines()[-1] if status else given.out)
    return found


def expire(capsys: Capture, home: Path, who: str, why: str = "past duty", status: int = failure.DONE) -> dict[str, Any]:
    return run(capsys, home, "expire", "--who", who, "--reason", why, status=status)


def test_the_first_of_two_people_has_nothing_expire_and_the_second_has(home: Path, capsys: Capture) -> None:
    before = [sorted(path.name for path in folder.iterdir()) for folder in folders(home)]

    asked = expire(capsys, home, "Mira")
    assert [sorted(path.name for path in folder.iterdir()) for folder in folders(home)] == before
    done = expire(capsys, home, "Noor", "I agree")

    assert asked["asked"] is True
    assert done["entries"] > 0
    facts = [fact for _, _, fact in said(home, KEEPER, (Expired,)) if isinstance(fact, Expired)]
    assert {(fact.who, fact.reason) for fact in facts} == {("Mira and Noor", "past duty; I agree")}
    assert two_people.waiting(home) == []
    assert run(capsys, home, "verify", str(home))["whole"]


@pytest.mark.parametrize("again", ["Mira", "  mira ", "MIRA"])
def test_one_person_who_asks_twice_is_no_second_one(home: Path, capsys: Capture, again: str) -> None:
    expire(capsys, home, "Mira")

    refused = expire(capsys, home, again, status=failure.CONFLICT)

    assert "the second has to be somebody else" in refused["message"]
    assert said(home, KEEPER, (Expired,)) == []


def test_words_of_a_first_that_leave_none_to_the_second_are_refused(home: Path, capsys: Capture) -> None:
    refused = [
        expire(capsys, home, "Mira", "x" * (two_people.REASON_EACH_MAX + 1), status=failure.CONFLICT),
        expire(capsys, home, "M" * (two_people.WHO_EACH_MAX + 1), status=failure.CONFLICT),
    ]
    expire(capsys, home, "M" * two_people.WHO_EACH_MAX, "x" * two_people.REASON_EACH_MAX)
    done = expire(capsys, home, "N" * two_people.WHO_EACH_MAX, "y" * two_people.REASON_EACH_MAX)

    assert ["say it in 999" in refused[0]["message"], "say it in 97" in refused[1]["message"]] == [True, True]
    assert done["entries"] > 0


def test_whoever_only_looks_what_waits_writes_nothing_into_the_home(home: Path, capsys: Capture) -> None:
    expire(capsys, home, "Mira")
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.suffix in {".json", ".spool"}}

    assert [asked.who for asked in two_people.waiting(home)] == ["Mira"]

    assert home / "clock.json" in before
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_is_due_has_to_be_what_the_first_has_seen(home: Path, capsys: Capture) -> None:
    expire(capsys, home, "Mira")
    keeper.place(home, HoldPlaced(owner="Eve", reason="a case", message="Woken"))  # so that less may go

    assert expire(capsys, home, "Noor")["asked"] is True

    assert said(home, KEEPER, (Expired,)) == []
    assert [asked.who for asked in two_people.waiting(home)] == ["Noor", "Mira"]


def test_a_first_word_is_over_after_a_quarter_of_an_hour(
    home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_people, "TWO_PEOPLE_S", -1.0)
    expire(capsys, home, "Mira")
    monkeypatch.undo()

    assert two_people.waiting(home) == []
    assert expire(capsys, home, "Noor")["asked"] is True


def test_a_hold_is_lifted_by_two_and_by_no_two_for_another_hold(home: Path, capsys: Capture) -> None:
    one, other = keeper.place(home, HOLD), keeper.place(home, HOLD)

    first = run(capsys, home, "hold", "lift", one.id, "--who", "Mira", "--reason", "closed")
    of_other = run(capsys, home, "hold", "lift", other.id, "--who", "Noor", "--reason", "closed")
    assert first["asked"] is of_other["asked"] is True
    assert len(keeper.holds_in(home)) == 2
    run(capsys, home, "hold", "lift", one.id, "--who", "Noor", "--reason", "seen")

    assert keeper.holds_in(home) == (other,)
    ((_, _, fact),) = said(home, KEEPER, (HoldLifted,))
    assert isinstance(fact, HoldLifted)
    assert (fact.who, fact.reason) == ("Mira and Noor", "closed; seen")


def test_whoever_names_no_configuration_is_held_to_the_one_that_the_hub_was_started_with(
    home: Path, tmp_path: Path, capsys: Capture
) -> None:
    named = (home / "hub.toml").rename(tmp_path / "elsewhere.toml")
    (home / "run").mkdir(exist_ok=True)
    note_config(home, str(named))
    hold = keeper.place(home, HOLD)

    assert run(capsys, home, "hold", "lift", hold.id, "--who", "Mira", "--reason", "closed")["asked"] is True
    assert expire(capsys, home, "Mira")["asked"] is True

    assert keeper.holds_in(home) == (hold,)
    named.unlink()
    refused = expire(capsys, home, "Noor", status=failure.USAGE)
    assert refused["message"] == f"{named}, which the hub was last started with, is not there"
    assert refused["hint"] == "give --config FILE"


def test_where_the_configuration_asks_for_one_person_one_is_enough(home: Path, capsys: Capture) -> None:
    (home / "hub.toml").unlink()
    hold = keeper.place(home, HOLD)

    assert run(capsys, home, "hold", "lift", hold.id, "--who", "Mira", "--reason", "closed")["id"] == hold.id
    assert expire(capsys, home, "Mira")["entries"] > 0


def test_what_waits_for_a_second_person_stands_in_the_inbox(home: Path, capsys: Capture) -> None:
    hold = keeper.place(home, HOLD)
    run(capsys, home, "hold", "lift", hold.id, "--who", "Mira", "--reason", "closed")
    expire(capsys, home, "Eve")

    lines = approvals.inbox(Style(), {"open": [], "levels": {}, "now": 1.0, "keeping": approvals._keeping(home)})

    text = " ".join(" ".join(lines).split())
    assert (
        f"Mira asks for `trail hold lift {hold.id}`, because closed; a second person has to ask for the same." in text
    )
    assert "Eve asks for `trail expire` of " in text
