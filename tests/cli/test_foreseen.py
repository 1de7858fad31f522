"""``restart --dry-run`` and ``stop --dry-run``, and one chain of the trail: what is asked, and what is shown."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub.cli.foreseen import foreseen
from alluse_hub.cli.main import main
from alluse_hub.cli.render import Style

if TYPE_CHECKING:
    from tests.cli.conftest import Daemon

TOLD: dict[str, Any] = {
    "name": "ws4",
    "order": "restart",
    "by": "workstreams",
    "strategy": "one_for_one",
    "refused": "",
    "goes_down": ["ws4"],
    "comes_back": ["ws4"],
    "below": [],
    "used": 1,
    "limit": {"restarts": 5, "period_s": 60.0},
    "failure": {"tries": 4, "pauses_s": [0.1, 0.2], "outcome": "parked", "goes_down": []},
    "notes": ["1 command under way: said again to the new one"],
    "needed_by": {"ws4": ["ws5"]},
}


def test_an_order_is_only_asked_about(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["restart"] = TOLD

    assert main(["restart", "ws4", "--monitor", "--dry-run"]) == 0

    (request,) = daemon.requests
    assert request["args"] == {"name": "ws4", "monitor": True, "dry_run": True, "timeout_s": 60.0}
    out = capsys.readouterr().out
    assert "restart ws4, by workstreams, would" in out
    assert out.rstrip().endswith("nothing was changed")


def test_one_that_would_be_refused_is_a_conflict(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["stop"] = TOLD | {"order": "stop", "refused": "ws4 is not a child", "failure": None}

    assert main(["stop", "ws4", "--dry-run"]) == 7

    assert "be refused: ws4 is not a child" in capsys.readouterr().out


def test_as_json_it_is_the_answer_itself(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["restart"] = TOLD

    assert main(["restart", "ws4", "--dry-run", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "alluse-hub/foreseen"
    assert document["needed_by"] == {"ws4": ["ws5"]}


def test_it_says_who_and_what_it_costs_and_what_if_it_failed() -> None:
    assert foreseen(Style(width=200), TOLD) == [
        "restart ws4, by workstreams, would",
        "  stop, in this order: ws4",
        "  start, in this order: ws4",
        "  leave for a while without ws4: ws5",
        "  cost nothing of the budget: 1 of 5 restarts in 1 min are used",
        "  if it did not start: 4 further tries, after pauses of 0.1 s, 0.2 s; then ws4 is parked until `start`",
        "  1 command under way: said again to the new one",
        "  nothing was changed",
    ]


@pytest.mark.parametrize("outcome", ["parked", "gives_up", "hub_ends", "tried_on", "stays_down"])
def test_every_outcome_has_its_words(outcome: str) -> None:
    failure = {"tries": 1, "pauses_s": [], "outcome": outcome, "goes_down": ["a", "b"]}

    (line,) = [line for line in foreseen(Style(width=200), TOLD | {"failure": failure}) if "did not start" in line]

    assert "1 further try; " in line
    assert line.endswith("; stopped in that: a, b")


def test_of_the_trail_one_chain_can_be_asked_for(daemon: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    daemon.replies["trail"] = {"entries": [daemon.entry], "leaf": 42}

    assert main(["trail", "tail", "--correlation", "ws3/1/7"]) == 0

    assert daemon.requests[0]["args"]["correlation"] == "ws3/1/7"
    assert "ws3/1/42" in capsys.readouterr().out
