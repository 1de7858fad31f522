"""How the workstreams are coordinated now: a word for each, each reached by what was shown, and the headline."""

from typing import Any

import pytest

from alluse_hub.protocols.claims import ConflictClass, ConflictOpened, ConflictShown, ResourceShown
from alluse_hub.protocols.health import Status
from alluse_hub.protocols.lifecycle import ChildState
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.rules import Hold, Priority, Release, Rule, RuleShown, RulesShown, Tell
from alluse_hub.protocols.sync import DisputesShown, EdgeShown, EdgeState, Play, SyncMode, SyncShown, SyncsShown
from tests.actors.board.test_board import after, ask, closed, opened, pulse, tree

RULE = RuleShown(
    id="pause",
    name="P",
    priority=Priority.HIGH,
    enabled=True,
    fired=2,
    undecided=0,
    failures=1,
    attached=("ws1", "ws2"),
)
OFF = RULE.model_copy(update={"id": "rest", "enabled": False, "fired": 5, "attached": ("ws1",)})


def test_open_conflicts_beyond_those_that_are_listed_are_counted_as_open() -> None:
    disputes = DisputesShown(open=(opened_one(),), conflicts=9, unshown=3)
    board = after(SyncsShown(disputes=disputes))

    headline = ask(board, "coordination")["headline"]
    assert (headline["conflicts_open"], headline["conflicts_closed"]) == (4, 5)
    assert ask(board, "conflicts")["open_count"] == 4


def opened_one() -> ConflictShown:
    fact = ConflictOpened(
        id="replicator-1", klass=ConflictClass.DIVERGENCE, resource="ws2/prices", parties=("ws1", "ws2"), sentence="s"
    )
    return ConflictShown.of(fact)


def rules(answer: str = "applied", *, auto: bool = True, shown: tuple[RuleShown, ...] = (RULE, OFF)) -> RulesShown:
    resource = ResourceShown(
        resource="ws2/trading", rung="paused", fence=3, answer=answer, claims=("c",), explanation="because"
    )
    return RulesShown(rules=shown, resources=(resource,), session="s", ordinal=1, round=4, open_commands=0, auto=auto)


def sync(state: EdgeState = EdgeState.ALIVE, mode: SyncMode = SyncMode.LIVE, **config: float) -> SyncsShown:
    edge = EdgeShown(target="ws2", state=state, why="for 31 s a due version is not verified", verified_at=7.0)
    shown = SyncShown(
        sync="prices", name="P", source="ws1", dataset="prices", mode=mode, play=Play.PLAYING, status="active",
        targets=(edge,), config={"pace_s": 2.0, "every_s": 60.0, **config},
    )  # fmt: skip
    return SyncsShown(syncs=(shown,))


WELL: tuple[Message, ...] = (
    tree("coordination", coordinator=ChildState.READY),
    tree("workstreams", ws1=ChildState.READY, ws2=ChildState.READY),
    pulse("ws1"),
    pulse("ws2", Status.IDLE),
    rules(),
    sync(),
)


def told(*more: Message, at: float = 10.0) -> dict[str, Any]:
    shown = ask(after(*WELL, *more), "coordination", at)
    return {one["id"]: one for one in shown["workstreams"]} | {"headline": shown["headline"]}


def test_all_is_coordinated_and_the_headline_counts_it() -> None:
    shown = told()

    assert [shown[name]["status"] for name in ("ws1", "ws2")] == ["coordinated"] * 2
    assert shown["headline"] == {
        "coordinated": 2,
        "workstreams": 2,
        "rules_active": 1,
        "rules": 2,
        "syncs_active": 1,
        "syncs": 1,
        "executions": 7,
        "conflicts_open": 0,
        "conflicts_closed": 0,
    }


@pytest.mark.parametrize(
    ("more", "status", "why"),
    [
        ((pulse("ws2", Status.MAINTENANCE, why="upgrade"), opened()), "maintenance", "upgrade"),
        ((opened(), pulse("ws2", Status.ERROR)), "conflict", "k1 on ws2/trading is open"),
        ((opened(), closed()), "coordinated", ""),
        ((pulse("ws2", Status.HUNG, why="no answer"),), "uncoordinated", "it is hung: no answer"),
        ((pulse("ws2", Status.STOPPED, why="by ann"),), "uncoordinated", "it is stopped: by ann"),
        ((tree("workstreams", ws2=ChildState.PARKED),), "uncoordinated", "nobody watches it: its monitor is parked"),
        ((tree("coordination", coordinator=ChildState.RESTARTING),), "uncoordinated", "the coordinator is not up"),
        ((rules(auto=False),), "uncoordinated", "automatic coordination is off"),
        ((rules("failed"),), "uncoordinated", "ws2/trading is to be paused, and the last answer was: failed"),
        ((rules(""),), "coordinated", ""),
        ((sync(EdgeState.LATE),), "uncoordinated", "prices: for 31 s a due version is not verified"),
        ((sync(EdgeState.QUIET),), "coordinated", ""),
        ((sync(EdgeState.STOPPED),), "coordinated", ""),
    ],
)
def test_each_word_comes_of_what_was_shown(more: tuple[Message, ...], status: str, why: str) -> None:
    shown = told(*more)["ws2"]

    assert (shown["status"], shown["why"]) == (status, why)


def test_what_is_not_heard_of_is_not_coordinated() -> None:
    assert told(at=100.0)["ws1"]["why"] == "nothing was heard of it for 90 s"
    assert {one["status"] for one in ask(after(), "coordination")["workstreams"]} == {"uncoordinated"}


def test_what_nothing_reaches_is_not_coordinated() -> None:
    shown = told(rules(shown=()), SyncsShown(syncs=(), afresh=True))["ws1"]

    assert (shown["status"], shown["why"]) == ("uncoordinated", "no rule, no resource and no sync reaches it")


def test_the_rules_and_syncs_of_each_workstream_are_told_and_what_is_overdue() -> None:
    shown = told(sync(EdgeState.DIVERGED))

    assert (shown["ws1"]["rules"], shown["ws2"]["rules"]) == (["pause", "rest"], ["pause"])
    for name in ("ws1", "ws2"):
        assert (shown[name]["syncs"], shown[name]["sync_every_s"], shown[name]["sync_last_at"]) == (
            ["prices"],
            2.0,
            7.0,
        )
        assert shown[name]["overdue"] == ["prices at ws2: for 31 s a due version is not verified"]
    assert shown["ws1"]["status"] == "coordinated", "it has what it has; the target has not"


@pytest.mark.parametrize(
    ("mode", "every"), [(SyncMode.LIVE, 2.0), (SyncMode.PERIODIC, 60.0), (SyncMode.ON_EVENT, None)]
)
def test_how_often_is_the_pace_the_period_or_no_number(mode: SyncMode, every: float | None) -> None:
    assert told(sync(mode=mode))["ws2"]["sync_every_s"] == every


def test_no_rule_is_active_while_automatic_coordination_is_off() -> None:
    assert told(rules(auto=False))["headline"]["rules_active"] == 0


def test_a_rule_is_attached_to_whom_it_hears_holds_releases_and_tells() -> None:
    rule = Rule(
        id="r", name="R", workstream="ws3", event="e",
        hold=(Hold(resource="ws4/trading", rung="paused"),),
        release=(Release(resource="ws2/trading", of="r"),),
        tell=(Tell(workstream="ws1", command="c"), Tell(workstream="ws4", command="c")),
    )  # fmt: skip

    assert rule.attached == ("ws3", "ws4", "ws2", "ws1")
