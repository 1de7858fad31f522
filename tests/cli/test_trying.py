"""``whatif`` and ``explain`` on a trail on disk, of a hub whose actors died on the way."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.auditor import turns
from alluse_hub.actors.auditor.history import History
from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from alluse_hub.protocols.trail import Entry
from alluse_hub.testing import TestHub
from tests.actors.auditor.test_rerun import written
from tests.simulation.spans import RESTARTS, replay

CLOSING = """
[[rule]]
id = "closing"
name = "Closing"
workstream = "ws3"
event = "session_closed"
[[rule.tell]]
workstream = "ws1"
command = "agent_status"
pure = true
"""
LADDER = """
[[resource]]
resource = "ws4/trading"
rungs = [
  { name = "normal", uses = ["open", "close", "cancel"], command = "set_mode" },
  { name = "reduce_only", uses = ["open", "close", "cancel"], command = "set_mode" },
  { name = "paused", uses = ["open", "cancel"], command = "set_mode" },
]
"""
CALM = """
[[rule]]
id = "volatility-pause"
name = "Volatility Pause"
workstream = "ws3"
event = "volatility_regime_changed"
when = 'regime == "nothing"'
[[rule.hold]]
resource = "ws4/trading"
rung = "paused"
for_sessions = 5
"""


@pytest.fixture(scope="module")
def trail() -> list[Entry]:
    with TestHub(replay("2008-09-15", "2008-09-30", RESTARTS)) as hub:
        for actor in ("coordinator", "router", "ws3"):
            hub.run_sessions(2)
            hub.crash(actor)
        hub.run_sessions(2)
        return hub.trail


@pytest.fixture(scope="module")
def home(trail: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tried")
    written(trail, folder, 1.0)
    return folder


def tried(home: Path, capsys: pytest.CaptureFixture[str], text: str, *words: str) -> dict[str, Any]:
    file = home / "rules.toml"
    file.write_text(text, encoding="utf-8")
    status = main(["whatif", str(file), *words, "--json", "--home", str(home)])
    said = capsys.readouterr()
    assert (status, said.err) == (failure.DONE, "")
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_the_rules_of_then_change_nothing_whoever_died(
    home: Path, trail: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    found = tried(home, capsys, "")

    lives = {entry.incarnation for entry in trail if entry.actor == "coordinator"}
    heard = [entry for entry in trail if entry.actor == "coordinator" and entry.kind == "heard"]
    assert len(lives) > 1
    assert (found["first"], found["open_since"], found["assumed"], found["shown_anew"]) == (None, "", 0, 0)
    assert found["recorded"] == found["tried"]
    assert len(heard) - found["letters"] <= 2 * len(lives), "what was stored is no letter to a core"


def test_a_rule_on_events_that_no_rule_listened_to_fires_on_every_one_of_them(
    home: Path, trail: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    found = tried(home, capsys, CLOSING)

    bodies: list[Any] = [entry.body for entry in trail if entry.message == "EventHeard"]
    closed = {f"ws3#{body['event']['n']}" for body in bodies if body["event"]["event"] == "session_closed"}
    fired = set(found["firings"]["closing"]["added"])
    assert fired <= closed
    assert len(closed - fired) <= 1, "the last may have come when the trail had ended"
    assert found["open_since"]


def test_tried_from_a_moment_on_only_what_comes_after_it_differs(
    home: Path, trail: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    fired = [entry for entry in trail if entry.message == "RuleFired" and "volatility-pause" in str(entry.body)]

    whole = tried(home, capsys, CALM)
    after = tried(home, capsys, CALM, "--from", fired[-1].id)

    assert whole["firings"]["volatility-pause"]["removed_count"] == whole["firings"]["volatility-pause"]["recorded"] > 0
    assert after["firings"].get("volatility-pause", {"removed_count": 0})["removed_count"] <= 1


def test_with_whole_the_rules_of_then_are_gone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = tried(home, capsys, CLOSING, "--whole")

    assert found["tried"]["firings"] == found["firings"]["closing"]["tried"]


def test_a_ladder_and_a_level_are_tried_and_whatever_else_stands_in_the_file_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lax = LADDER + '[[workstream]]\nid = "ws5"\nlevel = "manual"\n[[flow]]\nsource = "ws3"\n'

    found = tried(home, capsys, lax)

    assert (found["changed"], found["passed"]) == (["ws4/trading", "ws5 level"], ["flow"])
    assert {one["command"] for one in found["allowed"]} <= {"update_positions"}
    assert found["recorded"]["asked"] == 0
    assert found["tried"]["asked"] == sum(one["tried"] for one in found["asked"].values()) > 0
    assert {one["now"] for one in found["blocked"]} == {"asked"}


def test_what_a_trial_cost_and_where_rungs_stood_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = tried(home, capsys, CALM)

    cost = found["cost"]
    assert cost["letters"] == found["letters"]
    assert cost["events"] == found["events"] > 0
    assert cost["entries_read"] > cost["letters"]
    assert cost["seconds"] > 0 < cost["cpu_seconds"]
    assert cost["events_per_s"] > 0
    spent = {world: sum(found[world]["minutes"]["ws4/trading"].values()) for world in ("recorded", "tried")}
    assert spent["recorded"] == pytest.approx(spent["tried"], abs=0.01)
    file = home / "rules.toml"
    assert main(["whatif", str(file), "--home", str(home)]) == failure.DONE
    told = capsys.readouterr().out
    assert "rules fire" in told
    assert "min recorded" in told


def test_a_trail_that_the_rules_of_then_do_not_give_is_refused(
    trail: list[Entry], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(trail, tmp_path, 1.0)
    fired = next(entry for entry in trail if entry.message == "RuleFired")
    with closing(sqlite3.connect(tmp_path / "trail" / "trail.db")) as store, store:
        where = "WHERE actor = ? AND incarnation = ? AND n = ?"
        values = (fired.actor, fired.incarnation, fired.n)
        store.execute(f"UPDATE entries SET body = json_set(body, '$.event', 'ws3#1') {where}", values)
    file = tmp_path / "rules.toml"
    file.write_text("", encoding="utf-8")

    assert main(["whatif", str(file), "--home", str(tmp_path)]) == failure.FAILED

    told = capsys.readouterr().err
    assert f"at {fired.id} the same rules decide otherwise than was recorded" in told
    assert "a trial would mean nothing" in told


def test_rules_that_are_wrong_are_refused_with_line_and_key(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "bad.toml"
    file.write_text(CALM.replace("regime ==", "regime ="), encoding="utf-8")

    assert main(["whatif", str(file), "--home", str(home)]) == failure.USAGE
    assert f"{file}:2: rule[volatility-pause] condition" in capsys.readouterr().err
    file.write_text(LADDER.replace('"paused"', '"halted"'), encoding="utf-8")
    assert main(["whatif", str(file), "--home", str(home)]) == failure.USAGE
    told = capsys.readouterr().err
    assert f"{file}:2: resource[ws4/trading] does not go with volatility-pause of then" in told
    assert "nothing was tried" in told


def test_why_a_rule_did_not_fire_is_told_for_the_latest_events_up_to_a_moment(
    home: Path, trail: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    def explained(*words: str) -> dict[str, Any]:
        assert main(["explain", "--not-fired", *words, "--json", "--home", str(home)]) == failure.DONE
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    fired = next(entry for entry in trail if entry.message == "RuleFired" and "volatility-pause" in str(entry.body))
    body: Any = fired.body

    then = explained("volatility-pause", "--at", fired.id, "--events", "50")
    assert "fired" in {one["answer"] for one in then["reasons"] if one["event"] == body["event"]}
    assert explained("learning-model-update")["answer"] == "no event"
    assert explained("market-data-sync", "--events", "2")["reasons"][0]["why"].startswith(
        "its condition was false: volume"
    )
    assert main(["explain", "--not-fired", "nobody", "--home", str(home)]) == failure.NOT_FOUND
    assert main(["explain", "--not-fired", "volatility-pause", "--events", "0", "--home", str(home)]) == failure.USAGE


def test_what_was_heard_is_found_however_far_back_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(History.of(home)) as history:
        at_once = turns.heard(history, "coordinator", "Consider", None, 1_000)
        monkeypatch.setattr(turns, "STEP", 7)
        in_steps = turns.heard(history, "coordinator", "Consider", None, 1_000)
        few = turns.heard(history, "coordinator", "Consider", at_once[3].leaf, 2)

    assert in_steps == at_once == sorted(at_once, reverse=True)
    assert few == at_once[3:5]
