"""``resources``, ``conflicts``, and what people claim, release, override and decide."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub.cli import failure
from alluse_hub.cli.main import main

if TYPE_CHECKING:
    from tests.cli.conftest import Daemon

TRADING: dict[str, Any] = {
    "resource": "ws4/trading",
    "kind": "mode",
    "rung": "paused",
    "fence": 3,
    "answer": "applied",
    "claims": ["rule:r@ws4/trading"],
    "explanation": "ws4/trading is paused until it is cleared: r holds it.",
    "asks": ["alice asks to release rule:r@ws4/trading, because x; a second person has to agree."],
}
BROKER: dict[str, Any] = {
    "resource": "ws4/broker",
    "kind": "pool",
    "rung": "2 of 2 taken",
    "fence": 4,
    "answer": "",
    "claims": [],
    "explanation": "ws4/broker has 2 of 2 taken.",
    "asks": [],
}
OPEN: dict[str, Any] = {
    "id": "conflict-4",
    "klass": "C2",
    "resource": "ws4/broker",
    "parties": ["low", "high"],
    "opened": "high takes 2 of ws4/broker.",
    "outcome": "",
    "winner": "",
    "closed": "",
    "question": "Who is to have ws4/broker?",
    "choices": ["low", "high"],
}


def fact(message: str, n: int, **body: Any) -> dict[str, Any]:
    return {"id": f"coordinator/1/{n}", "message": message, "body": body}


def recorded(facts: list[dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A trail that reads far back for one kind of message, and only a little for several."""

    def page(request: dict[str, Any]) -> dict[str, Any]:
        (kind,) = request["args"]["messages"]
        return {"entries": [one for one in facts if one["message"] == kind], "leaf": 9}

    return page


@pytest.fixture
def stage(daemon: "Daemon") -> "Daemon":
    daemon.replies["conflicts"] = {
        "now": 12.0,
        "resources": [TRADING, BROKER],
        "open": [OPEN],
        "closed": [],
        "count": 4,
    }
    for ask in ("claim", "release", "override", "decide"):
        daemon.replies[ask] = {"text": f"{ask}: so it is"}
    return daemon


def test_resources_are_listed_with_what_waits_for_a_second_person(
    stage: "Daemon", capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resources"]) == 0

    out = capsys.readouterr().out
    assert "ws4/trading  paused  fence 3  applied" in out
    assert "ws4/broker  2 of 2 taken\n" in out
    assert "a second person has to agree" in out
    assert [request["ask"] for request in stage.requests] == ["conflicts"]


def test_a_resource_in_doubt_is_marked_and_its_conflict_leaves_nothing_to_decide(
    stage: "Daemon", capsys: pytest.CaptureFixture[str]
) -> None:
    doubt = "ws4 was told to bring ws4/trading to paused (fence 3) and is not known to have done so: it said no."
    opened = {**OPEN, "id": "doubt-1", "klass": "C9", "opened": doubt, "question": "Does ws4?", "choices": []}
    stage.replies["conflicts"] = {
        "now": 12.0,
        "resources": [{**TRADING, "answer": "failed", "doubt": doubt}],
        "open": [opened],
        "closed": [],
        "count": 1,
    }
    assert main(["conflicts"]) == 0

    out = capsys.readouterr().out
    assert "ws4/trading  paused  fence 3  failed  in doubt" in out
    assert "Does ws4?" in out
    assert "`decide" not in out


def test_one_resource_is_shown_with_its_claims(stage: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resources", "show", "ws4/trading"]) == 0

    out = capsys.readouterr().out
    assert "claim rule:r@ws4/trading" in out
    assert "ws4/broker" not in out


def test_a_resource_that_is_not_there_is_told_with_those_that_are(
    stage: "Daemon", capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resources", "show", "ws4/x"]) == failure.NOT_FOUND

    assert "there are ws4/trading, ws4/broker" in capsys.readouterr().err


def test_an_open_conflict_is_listed_with_its_class_and_what_people_are_asked(
    stage: "Daemon", capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conflicts"]) == 0

    out = capsys.readouterr().out
    assert "conflict-4  C2  ws4/broker  open" in out
    assert "Who is to have ws4/broker? `decide conflict-4` one of these." in out
    assert "4 in all, 1 open" in out


def test_one_conflict_is_told_step_by_step(stage: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    stage.replies["trail"] = recorded(
        [
            fact("ConflictOpened", 1, id="conflict-4", klass="C2", resource="ws4/broker", sentence="high takes 2."),
            fact("ConflictOpened", 2, id="conflict-5", klass="C1", resource="x/y", sentence="another one."),
            fact("YieldAsked", 3, conflict="conflict-4", workstream="ws5", claim="low", to="high", must=False),
            fact("YieldOffered", 4, conflict="conflict-4", silent=True, option="refuse", why="no answer"),
            fact("Escalated", 5, conflict="conflict-4", grade=1, question="Who?", choices=["low", "high"]),
            fact("ConflictDecided", 6, conflict="conflict-4", by="alice", winner="high", reason="it is"),
            fact("ConflictClosed", 7, id="conflict-4", outcome="decided", sentence="alice has decided."),
        ]
    )

    assert main(["conflicts", "show", "conflict-4"]) == 0

    assert [line.partition(" ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "C2 on ws4/broker: high takes 2.",
        "ws5 is asked to let go of low for high",
        "it says nothing: no answer",
        "people are asked, for the 1. time: Who? low or high",
        "alice has decided for high: it is",
        "decided: alice has decided.",
    ]


def test_as_json_the_facts_of_a_conflict_are_one_document(stage: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    stage.replies["trail"] = recorded([fact("ConflictOpened", 1, id="conflict-4")])

    assert main(["conflicts", "show", "conflict-4", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["id"], len(document["facts"])) == ("alluse-hub/conflict", "conflict-4", 1)


@pytest.mark.parametrize(
    ("words", "status"),
    [(["conflicts", "show", "conflict-9"], failure.NOT_FOUND), (["conflicts", "show"], failure.USAGE)],
)
def test_a_conflict_that_nobody_knows(stage: "Daemon", words: list[str], status: int) -> None:
    stage.replies["trail"] = {"entries": [], "leaf": 9}

    assert main(words) == status


SAID = {"reason": "it must be", "who": "alice"}
ALWAYS = ["--reason", "it must be", "--who", "alice"]


@pytest.mark.parametrize(
    ("words", "ask", "args"),
    [
        (
            ["claim", "ws4/trading", "paused", "--for", "60", "--safety"],
            "claim",
            {"resource": "ws4/trading", "want": "paused", "amount": 1, "for_s": 60.0, "safety": True},
        ),
        (
            ["claim", "ws4/broker", "--amount", "2"],
            "claim",
            {"resource": "ws4/broker", "want": "", "amount": 2, "for_s": 0.0, "safety": False},
        ),
        (["release", "ws4/trading"], "release", {"claim": "ws4/trading"}),
        (
            ["override", "ws4/trading", "normal", "--for", "600"],
            "override",
            {"resource": "ws4/trading", "rung": "normal", "for_s": 600.0},
        ),
        (
            ["override", "ws4/trading", "normal", "--for", "10m"],
            "override",
            {"resource": "ws4/trading", "rung": "normal", "for_s": 600.0},
        ),
        (["decide", "conflict-4", "high"], "decide", {"conflict": "conflict-4", "choice": "high"}),
    ],
)
def test_what_people_order_is_asked_with_who_and_why(
    stage: "Daemon", capsys: pytest.CaptureFixture[str], words: list[str], ask: str, args: dict[str, Any]
) -> None:
    assert main([*words, *ALWAYS]) == 0

    (request,) = stage.requests
    assert request["ask"] == ask
    assert request["args"] == {**args, **SAID, "timeout_s": 60.0}
    assert capsys.readouterr().out == f"{ask}: so it is\n"


def test_no_order_goes_without_a_reason(stage: "Daemon") -> None:
    assert main(["claim", "ws4/trading", "paused"]) == failure.USAGE
    assert stage.requests == []


def test_a_refusal_is_the_exit_status(stage: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    stage.replies["release"] = lambda _request: {
        "ok": False,
        "code": 7,
        "message": "alice has asked already",
        "hint": "",
    }

    assert main(["release", "x", *ALWAYS]) == failure.CONFLICT
    assert "alice has asked already" in capsys.readouterr().err
