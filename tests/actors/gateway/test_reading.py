"""Questions to the trail, as the gateway answers them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub.actors.auditor import query
from alluse_hub.actors.gateway import trail
from alluse_hub.actors.gateway.known import NotInTrailError
from alluse_hub.actors.gateway.reasons import why
from alluse_hub.actors.gateway.summary import CONFLICTS_SHOWN, summary
from alluse_hub.protocols.admin import Code
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.trail import Entry, EntryKind

if TYPE_CHECKING:
    from tests.actors.gateway.conftest import Hub

HOME = Path("/nowhere")


def entry(n: int, message: str, actor: str = "coordinator", kind: EntryKind = EntryKind.FACT, **body: Any) -> Entry:
    return Entry(
        actor=actor,
        incarnation=1,
        n=n,
        kind=kind,
        message=message,
        body=body,
        at=float(n),
        wall=1_000_000.0 + n,
        leaf=n,
    )


def heard(leaf: int, n: int, name: str = "market_data_update", ws: str = "ws3", **payload: Any) -> Entry:
    event = {"ws": ws, "n": n, "event": name, "session": "2004-08-02", "cause": "", "payload": payload}
    return entry(leaf, "EventHeard", ws, event=event)


def test_events_come_oldest_first_with_their_place_in_the_trail(hub: "Hub") -> None:
    hub.trail.entries = [heard(n, n) for n in range(1, 6)]

    result = hub.ask("events", limit=2)["result"]

    assert [event["id"] for event in result["events"]] == ["ws3#4", "ws3#5"]
    assert result["leaf"] == 5
    assert result["events"][0]["entry"] == "ws3/1/4"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"type": "risk"}, [2, 4]),
        ({"source": "ws2"}, [3]),
        ({"text": "AaPl"}, [4]),
        ({"since": 1_000_003.0}, [3, 4]),
        ({"type": "risk", "text": "aapl"}, [4]),
        ({"after": 2}, [3, 4]),
        ({"after": 0, "limit": 1, "type": "risk"}, [2]),
        ({"limit": 1, "type": "risk"}, [4]),
        ({"text": "nothing of the kind"}, []),
    ],
)
def test_events_are_filtered(hub: "Hub", args: dict[str, Any], expected: list[int]) -> None:
    hub.trail.entries = [
        heard(1, 1),
        heard(2, 2, "risk"),
        heard(3, 1, ws="ws2"),
        heard(4, 3, "risk", symbol="AAPL"),
    ]

    result = hub.ask("events", **args)["result"]

    assert [event["leaf"] for event in result["events"]] == expected


def test_asking_on_misses_nothing_and_repeats_nothing(hub: "Hub") -> None:
    hub.trail.entries = [heard(n, n, "even" if n % 2 == 0 else "odd") for n in range(1, 30)]

    seen: list[int] = []
    leaf = 0
    while True:
        result = hub.ask("events", after=leaf, limit=4, type="even")["result"]
        if not result["events"]:
            break
        seen += [event["n"] for event in result["events"]]
        leaf = result["leaf"]

    assert seen == list(range(2, 30, 2))


def test_entries_of_several_kinds(hub: "Hub") -> None:
    hub.trail.entries = [entry(1, "RuleFired"), entry(2, "ConflictOpened"), entry(3, "Booted")]

    result = hub.ask("trail", messages=["RuleFired", "ConflictOpened"])["result"]

    assert [(one["id"], one["message"]) for one in result["entries"]] == [
        ("coordinator/1/1", "RuleFired"),
        ("coordinator/1/2", "ConflictOpened"),
    ]


def test_a_search_says_for_which_places_it_is_complete(hub: "Hub") -> None:
    hub.trail.entries = [entry(1, "RuleFired"), entry(2, "Booted", actor="ws1"), entry(3, "RuleFired")]

    result = hub.ask("find", actor="coordinator", after=1, oldest_first=True)["result"]

    assert [one["id"] for one in result["entries"]] == ["coordinator/1/3"]
    assert result["complete"] == {"first": 2, "last": 3, "checkpoint": "note"}
    assert (result["next"], result["stored"], result["indexed"]) == (None, 3, 0)


@pytest.mark.parametrize("args", [{"limit": 1_001}, {"kind": "nonsense"}, {"text": "x" * 501}, {"colour": "red"}])
def test_a_search_that_makes_no_sense_is_wrong_usage(hub: "Hub", args: dict[str, Any]) -> None:
    assert hub.ask("find", **args)["code"] == Code.USAGE


def test_one_entry_and_one_that_nobody_wrote(hub: "Hub") -> None:
    hub.trail.entries = [entry(1, "RuleFired", rule="r")]

    assert hub.ask("entry", id="coordinator/1/1")["result"]["entry"]["body"] == {"rule": "r"}
    missing = hub.ask("entry", id="coordinator/1/2")
    assert (missing["code"], missing["message"]) == (Code.NOT_FOUND, "nobody wrote coordinator/1/2")
    gone = hub.ask("entry", id="coordinator/1/9")
    assert (gone["code"], gone["message"]) == (Code.NOT_FOUND, "coordinator/1/9 expired at noon")


def test_the_check_says_whether_the_trail_is_whole(hub: "Hub") -> None:
    hub.trail.entries = [entry(1, "Booted")]

    assert hub.ask("check")["result"] == {
        "whole": True,
        "entries": 1,
        "incarnations": 1,
        "gaps": [],
        "doubles": [],
        "unrecorded": [],
        "witness": "",
    }


@pytest.mark.parametrize(
    ("ask", "args"),
    [
        ("events", {"limit": 0}),
        ("events", {"limit": 1_001}),
        ("events", {"limt": 3}),
        ("events", {"after": -1}),
        ("trail", {"kind": "gossip"}),
        ("entry", {}),
        ("check", {"deep": True}),
    ],
)
def test_arguments_that_do_not_fit_are_refused(hub: "Hub", ask: str, args: dict[str, Any]) -> None:
    assert hub.ask(ask, **args)["code"] == Code.USAGE


# --- why --------------------------------------------------------------------------------------------------------------


def test_why_of_a_workstream_has_the_boards_view_and_the_latest_changes(hub: "Hub") -> None:
    hub.view = {"now": 1.0, "kind": "workstream", "workstream": {"id": "ws1"}}
    hub.trail.entries = [entry(n, "HealthChanged", "ws1", workstream="ws1" if n % 2 else "ws2") for n in range(1, 20)]

    result = hub.ask("why", name="ws1")["result"]

    assert result["workstream"] == {"id": "ws1"}
    assert [one["n"] for one in result["latest"]] == [19, 17, 15, 13, 11]


def test_why_of_an_entry_is_its_chain(hub: "Hub") -> None:
    hub.view = {}
    hub.trail.entries = [entry(1, "EventHeard"), entry(2, "RuleFired"), entry(3, "DirectiveIssued")]

    result = hub.ask("why", name="coordinator/1/2")["result"]

    assert result["kind"] == "entry"
    assert [one["n"] for one in (*result["causes"], result["entry"], *result["effects"])] == [1, 2, 3]


@pytest.mark.parametrize("n", [1, 2, 500, 999, 1_000])
def test_why_of_an_event_finds_its_entry(hub: "Hub", n: int) -> None:
    hub.view = {}
    events = [heard(2 * k, k) for k in range(1, 1_001)]
    others = [heard(2 * k - 1, k, ws="ws2") for k in range(1, 1_001)]
    hub.trail.entries = sorted([*events, *others], key=lambda one: one.leaf)

    result = hub.ask("why", name=f"ws3#{n}")["result"]

    assert result["entry"]["body"]["event"]["n"] == n
    assert result["entry"]["actor"] == "ws3"


@pytest.mark.parametrize("name", ["ws3#2001", "ws3#0", "nobody", "", "a/1/1", "ws9#1"])
def test_why_of_nothing_known_tells_what_can_be_asked(hub: "Hub", name: str) -> None:
    hub.view = {}
    hub.trail.entries = [heard(1, 1), heard(2, 2)]

    answer = hub.ask("why", name=name)

    assert answer["code"] == Code.NOT_FOUND
    assert "ws3#17" in answer["message"]


# --- summary ----------------------------------------------------------------------------------------------------------


def whole_story() -> list[Entry]:
    settlement = {"session": "s2", "accounts": {"Gen-Acc": {"equity": "100.01"}}, "reconciled": True}
    return [
        entry(1, "Consider", kind=EntryKind.SENT),
        entry(2, "RuleFired", rule="pause", event="ws3#1"),
        entry(3, "RuleFired", rule="pause", event="ws3#2"),
        entry(4, "RuleActionDone", rule="pause", key="c/1/pause/1", workstream="ws4", ok=False),
        entry(5, "RuleActionRefused", rule="sync"),
        entry(6, "ConflictOpened", id="k1", klass="C1", resource="r", parties=["a", "b"], sentence="a against b"),
        entry(7, "ConflictClosed", id="k1", outcome="floor", winner="a", sentence="a wins"),
        entry(70, "ConflictClosed", kind=EntryKind.SENT, id="k1", outcome="told to the board"),
        entry(8, "ConflictOpened", id="k2", klass="C1", resource="r", parties=["a", "b"], sentence="again"),
        entry(80, "ConflictOpened", kind=EntryKind.SENT, id="k2", klass="C1", parties=["a", "b"], sentence="told on"),
        entry(9, "ChildRestarted", "hub", name="router"),
        entry(10, "ProgramStarted", "ws1"),
        heard(11, 1, "daily_settlement", "ws4", session="s1"),
        heard(12, 2, "daily_settlement", "ws4", **settlement),
        heard(13, 3, "position_update", "ws4"),
        entry(14, "RoundSettled", "router", digests={"ws3": "old", "ws4": "four"}),
        entry(15, "RoundSettled", "router", digests={"ws3": "new"}),
    ]


def test_the_summary_counts_and_tells(hub: "Hub") -> None:
    hub.view = {"flows": [], "sessions": 2, "rules": ["pause", "resume"]}
    hub.trail.entries = whole_story()

    result = hub.ask("summary")["result"]

    assert (result["messages"], result["entries"], result["sessions"]) == (3, 17, 2)
    assert (result["actor_restarts"], result["program_starts"]) == (1, 1)
    assert result["rules"]["pause"] == {"fired": 2, "failed": 1, "refused": 0}
    assert result["rules"]["resume"] == {"fired": 0, "failed": 0, "refused": 0}
    assert result["rules"]["sync"] == {"fired": 0, "failed": 0, "refused": 1}
    assert (result["conflicts"]["opened"], result["conflicts"]["closed"]) == (2, 1)
    assert result["conflicts"]["outcomes"] == {"floor": 1}
    assert [conflict["outcome"] for conflict in result["conflicts"]["first"]] == ["floor", "open"]
    assert result["accounts"]["settlement"]["accounts"]["Gen-Acc"]["equity"] == "100.01"
    assert result["digests"] == {"ws3": "new", "ws4": "four"}
    assert result["trail"]["whole"] is True
    assert "modelled" in result["note"]


def test_the_conflicts_shown_are_few_and_not_all_alike(hub: "Hub") -> None:
    same = [
        entry(n, "ConflictOpened", id=f"k{n}", klass="C1", resource="r", parties=["a", "b"], sentence="s")
        for n in range(1, 40)
    ]
    other = entry(50, "ConflictOpened", id="other", klass="C3", resource="r", parties=["c"], sentence="s")
    hub.trail.entries = [*same, other]

    first = hub.ask("summary")["result"]["conflicts"]["first"]

    assert len(first) == CONFLICTS_SHOWN
    assert first[-1]["id"] == "other"


def test_a_hub_that_has_done_nothing_has_a_summary_too(hub: "Hub") -> None:
    result = hub.ask("summary")["result"]

    assert (result["messages"], result["accounts"], result["digests"]) == (0, {}, {})


# --- the module of the auditor ----------------------------------------------------------------------------------------


def test_the_auditors_module_is_what_is_asked_for(tmp_path: Path) -> None:
    module: trail.Trail = query

    assert trail.read(module, tmp_path, "events", {}) == {"events": [], "leaf": 0}
    assert trail.read(module, tmp_path, "trail", {"after": 3}) == {"entries": [], "leaf": 3}
    assert trail.read(module, tmp_path, "check", {})["whole"] is True
    assert summary(module, tmp_path, {})["entries"] == 0
    assert why(module, tmp_path, {"name": "ws1"}, {"kind": "workstream"})["latest"] == []
    with pytest.raises(NotInTrailError):
        why(module, tmp_path, {"name": "ws1/1/1"}, {})
    with pytest.raises(CallerError, match="is no entry"):
        trail.read(module, tmp_path, "entry", {"id": "nonsense"})


def test_why_an_event_tells_what_rules_made_of_it(hub: "Hub") -> None:
    hub.trail.entries = [
        heard(1, 1),
        heard(2, 2),
        entry(3, "RuleFired", rule="alert", event="ws3#2", why="volume > 2"),
        entry(4, "RuleFired", rule="alert", event="ws3#1", why="volume > 2"),
        entry(5, "CommandIssued", rule="alert", event="ws3#2", key="c/1/alert/0"),
    ]

    told = why(hub.trail, HOME, {"name": "ws3#2"}, {})

    assert [one["id"] for one in told["effects"]] == ["coordinator/1/3", "coordinator/1/5"]  # type: ignore[index, union-attr, call-overload]  # JSON
