"""The board: letters in, one picture, views of it."""

from typing import Any

import pytest

from alluse_hub.actors.board.core import BOARD
from alluse_hub.actors.board.health import system_health
from alluse_hub.actors.board.picture import CLOSED_MAX, Board, BoardSpec, WorkstreamKnown
from alluse_hub.protocols.admin import AskBoard
from alluse_hub.protocols.board import BoardShown, BoardVersion
from alluse_hub.protocols.children import ChildShown, TreeShown
from alluse_hub.protocols.claims import (
    ConflictClass,
    ConflictClosed,
    ConflictOpened,
    ConflictShown,
    ConflictsShown,
    ResourceShown,
)
from alluse_hub.protocols.effects import Send
from alluse_hub.protocols.flow import FlowKind, FlowShown, FlowsShown
from alluse_hub.protocols.health import HealthChanged, Pulse, Status, Window
from alluse_hub.protocols.lifecycle import ChildState, Intensity, RestartType, Started, Strategy
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.rules import Priority, RuleShown, RulesShown
from alluse_hub.protocols.sync import Counts, DisputesShown, EdgeShown, EdgeState, Play, SyncMode, SyncShown, SyncsShown

SPEC = BoardSpec(
    hub="test",
    workstreams=(
        WorkstreamKnown(id="ws1", name="One"),
        WorkstreamKnown(id="ws2", name="Two", depends_on=("ws1",)),
    ),
)


def letter(body: Message, at: float = 10.0, sender: str = "somebody") -> Envelope:
    return Envelope(id="somebody/1/1", sender=sender, to="board", body=body, at=at)


def after(*bodies: Message, at: float = 10.0) -> Board:
    state = BOARD.start("board", SPEC)
    for body in bodies:
        state = BOARD.decide(state, letter(body, at)).state
    return state


def pulse(workstream: str, status: Status = Status.ACTIVE, health: float = 100.0, why: str = "beats") -> Pulse:
    return Pulse(
        workstream=workstream, name="N", status=status, health=health, why=why, window=Window(window_s=60.0), pid=7
    )


def tree(supervisor: str, **children: ChildState) -> TreeShown:
    return TreeShown(
        supervisor=supervisor,
        strategy=Strategy.ONE_FOR_ONE,
        intensity=Intensity(),
        restart_times=(4.0,),
        children=tuple(
            ChildShown(name=name, state=state, restart=RestartType.PERMANENT, restarts=2, since=4.0)
            for name, state in children.items()
        ),
    )


def cell(name: str, **residents: ChildState) -> TreeShown:
    return tree(name, **residents).model_copy(update={"cell": True})


def flows(session: str = "2004-08-02") -> FlowsShown:
    shown = FlowShown(flow="ws1-ws2", kind=FlowKind.EVENT, status="active", events=3)
    return FlowsShown(flows=(shown,), session=session, sessions=1, of=9, round=4, ended=False, digest="d", events=3)


def rules() -> RulesShown:
    rule = RuleShown(id="pause", name="P", priority=Priority.HIGH, enabled=True, fired=2, undecided=0, failures=1)
    resource = ResourceShown(
        resource="ws2/trading", rung="paused", fence=3, answer="applied", claims=("c",), explanation="because"
    )
    return RulesShown(rules=(rule,), resources=(resource,), session="s", ordinal=1, round=4, open_commands=0)


def syncs(conflicts: int = 0) -> SyncsShown:
    edge = EdgeShown(target="ws2", state=EdgeState.ALIVE, ever=Counts(verified=3), hour=Counts(verified=3), success=1.0)
    shown = SyncShown(
        sync="prices", name="P", source="ws1", dataset="prices", mode=SyncMode.LIVE, play=Play.PLAYING, status="active",
        targets=(edge,),
    )  # fmt: skip
    conflict = ConflictShown(
        id="replicator-1", klass=ConflictClass.DIVERGENCE, resource="ws2/prices", parties=("ws1", "ws2"), opened="a, b"
    )
    disputes = DisputesShown(open=(conflict,) * conflicts, conflicts=conflicts)
    return SyncsShown(syncs=(shown,), afresh=True, disputes=disputes)


def opened(id_: str = "k1") -> ConflictOpened:
    return ConflictOpened(
        id=id_, klass=ConflictClass.CLASH, resource="ws2/trading", parties=("a", "b"), sentence="a against b"
    )


def closed(id_: str = "k1") -> ConflictClosed:
    return ConflictClosed(id=id_, outcome="floor", winner="a", sentence="a wins")


def ask(state: Board, view: str, at: float = 10.0, **args: str) -> Any:
    decision = BOARD.decide(state, letter(AskBoard(request="q1", view=view, args=dict(args)), at, "gateway"))
    (effect,) = decision.effects
    assert isinstance(effect, Send)
    assert effect.to == "gateway"
    assert isinstance(effect.message, BoardShown)
    assert effect.message.request == "q1"
    return effect.message.view


# --- folding ----------------------------------------------------------------------------------------------------------


def test_the_first_letter_changes_nothing() -> None:
    assert after(Started(incarnation=1)) == BOARD.start("board", SPEC)


def test_every_change_is_a_new_version_and_asking_is_none() -> None:
    state = after(pulse("ws1"), flows(), rules())

    assert state.version == 3
    decision = BOARD.decide(state, letter(AskBoard(request="q", view="status")))
    assert decision.state == state


def test_everything_that_is_accepted_is_taken() -> None:
    bodies: tuple[Message, ...] = (
        Started(incarnation=1),
        AskBoard(request="q", view="status"),
        tree("hub"),
        pulse("ws1"),
        HealthChanged(workstream="ws1", was=Status.IDLE, now=Status.BUSY, health=90.0, why="w"),
        flows(),
        rules(),
        syncs(),
        ConflictsShown(open=(), closed=(), count=0),
        opened(),
        closed(),
    )

    assert {type(body) for body in bodies} == BOARD.accepts
    after(*bodies)


def test_anything_else_is_refused_loudly() -> None:
    with pytest.raises(TypeError, match="does not take BoardVersion"):
        after(BoardVersion(request="q", version=1))


def test_syncs_are_shown_all_or_one_and_an_unknown_one_is_nothing() -> None:
    state = after(syncs())

    assert [sync["sync"] for sync in ask(state, "syncs")["syncs"]] == ["prices"]
    assert ask(state, "syncs", name="prices")["syncs"][0]["targets"][0]["success"] == 1.0
    assert ask(state, "syncs", name="quotes") == {}
    assert ask(after(), "syncs")["syncs"] == []
    assert ask(state, "why", name="prices")["kind"] == "sync"


def test_conflicts_about_data_sets_stand_beside_those_about_resources() -> None:
    state = after(opened(), syncs(conflicts=1), ConflictsShown(open=(), closed=(), count=0), opened("k2"))

    shown = ask(state, "conflicts")

    assert [conflict["id"] for conflict in shown["open"]] == ["k2", "replicator-1"]
    assert shown["count"] == 2


def test_a_conflict_is_counted_once_however_often_it_is_told() -> None:
    state = after(opened(), opened())

    assert (state.conflicts.count, len(state.conflicts.open)) == (1, 1)


def test_a_closed_conflict_keeps_both_sentences() -> None:
    view = ask(after(opened(), closed()), "conflicts")

    assert view["open"] == []
    assert (view["closed"][0]["opened"], view["closed"][0]["closed"]) == ("a against b", "a wins")
    assert view["closed"][0]["outcome"] == "floor"


def test_the_end_of_an_unknown_conflict_changes_nothing() -> None:
    assert after(closed()).conflicts == after().conflicts


def test_only_the_latest_closed_conflicts_are_kept_and_all_are_counted() -> None:
    bodies = [body for n in range(CLOSED_MAX + 5) for body in (opened(f"k{n}"), closed(f"k{n}"))]

    state = after(*bodies)

    assert (len(state.conflicts.closed), state.conflicts.count) == (CLOSED_MAX, CLOSED_MAX + 5)
    assert state.conflicts.closed[-1].id == f"k{CLOSED_MAX + 4}"


def test_a_restarted_board_is_told_the_conflicts_there_are() -> None:
    shown = ConflictShown(id="k", klass=ConflictClass.CLASH, resource="r", parties=(), opened="o")

    state = after(ConflictsShown(open=(shown,), closed=(), count=12), closed("k"))

    assert (state.conflicts.count, state.conflicts.open, state.conflicts.closed[0].id) == (12, (), "k")


# --- health of the whole ----------------------------------------------------------------------------------------------

UP, DOWN, PARKED = ChildState.READY, ChildState.STOPPED, ChildState.PARKED
ALL_UP = tree("hub", auditor=UP, router=UP, coordinator=UP, ws1=UP, ws2=UP)


@pytest.mark.parametrize(
    ("bodies", "word", "score"),
    [
        ((), "starting", 0.0),
        ((pulse("ws1"),), "starting", 25.0),
        ((pulse("ws1"), pulse("ws2", Status.STARTING, 50.0)), "starting", 62.5),
        ((ALL_UP, pulse("ws1"), pulse("ws2")), "healthy", 100.0),
        ((ALL_UP, pulse("ws1"), pulse("ws2", Status.IDLE, 81.0)), "healthy", 85.8),
        ((ALL_UP, pulse("ws1"), pulse("ws2", Status.BUSY, 60.0)), "degraded", 70.0),
        ((ALL_UP, pulse("ws1"), pulse("ws2", Status.ERROR, 0.0)), "critical", 25.0),
        ((ALL_UP, pulse("ws1"), pulse("ws2", Status.HUNG, 90.0)), "degraded", 92.5),
        ((ALL_UP, pulse("ws1"), pulse("ws2", Status.PARKED, 0.0)), "critical", 25.0),
        ((ALL_UP, pulse("ws1"), pulse("ws2", Status.MAINTENANCE, 0.0)), "healthy", 100.0),
        ((ALL_UP, pulse("ws1"), pulse("ws2", Status.STOPPED, 0.0)), "healthy", 100.0),
        ((ALL_UP, pulse("ws1", Status.STOPPED, 0.0), pulse("ws2", Status.STOPPED, 0.0)), "healthy", 100.0),
        ((tree("hub", auditor=DOWN, ws1=UP), pulse("ws1"), pulse("ws2")), "critical", 100.0),
        ((tree("hub", auditor=UP, ws1=PARKED), pulse("ws1"), pulse("ws2")), "critical", 25.0),
        ((tree("hub", auditor=UP, ws1=UP, ws2=PARKED), pulse("ws1")), "critical", 25.0),
        ((tree("hub", coordinator=ChildState.STARTING), pulse("ws1"), pulse("ws2")), "critical", 100.0),
    ],
)
def test_health_of_the_whole(bodies: tuple[Message, ...], word: str, score: float) -> None:
    found = system_health(after(*bodies), 10.0)

    assert (found.word, found.score) == (word, score), found.why


def test_an_actor_that_says_what_it_lacks_is_told_before_all_else_and_its_supervisors_only_in_the_tree() -> None:
    lacking = tree("hub", auditor=ChildState.DEGRADED, coordination=ChildState.DEGRADED, ws1=UP, ws2=UP)
    children = tuple(child.model_copy(update={"why": f"{child.name}'s reason"}) for child in lacking.children)
    below = tree("coordination", router=UP, coordinator=UP)

    found = system_health(
        after(lacking.model_copy(update={"children": children}), below, pulse("ws1"), pulse("ws2", Status.HUNG, 90.0)),
        10.0,
    )

    assert found.word == "degraded"
    assert found.why.startswith("auditor: auditor's reason; ws2 is hung")


def test_a_workstream_not_heard_of_for_long_counts_as_nothing() -> None:
    found = system_health(after(ALL_UP, pulse("ws1"), pulse("ws2"), at=10.0), 40.0)

    assert (found.word, found.score) == ("critical", 0.0)
    assert "nothing was heard of ws1 for 30 s" in found.why


def test_the_sentence_names_the_cause_and_the_needed_ones_first() -> None:
    state = after(tree("hub", board=DOWN, router=DOWN), pulse("ws1"), pulse("ws2", Status.HUNG, 0.0, "no beat for 6 s"))

    assert system_health(state, 10.0).why == "router is not up; board is not up; ws2 is hung: no beat for 6 s"


# --- views ------------------------------------------------------------------------------------------------------------


def test_status_shows_every_configured_workstream_heard_of_or_not() -> None:
    view = ask(after(pulse("ws1"), tree("hub", ws1=UP)), "status", at=12.0)

    one, two = view["workstreams"]
    assert (one["id"], one["status"], one["pid"], one["heard_s"], one["needed_by"]) == (
        "ws1",
        "active",
        7,
        2.0,
        ["ws2"],
    )
    assert one["monitor"]["state"] == "ready"
    assert (two["id"], two["status"], two["heard_s"], two["depends_on"]) == ("ws2", "unknown", None, ["ws1"])


def test_status_of_one_name() -> None:
    state = after(pulse("ws1"), tree("hub", router=UP))

    assert ask(state, "status", name="ws1")["workstream"]["status"] == "active"
    assert ask(state, "status", name="router")["actor"]["state"] == "ready"
    assert ask(state, "status", name="hub")["hub"]["name"] == "test"
    assert ask(state, "status", name="nobody") == {}


@pytest.mark.parametrize("state", [PARKED, DOWN, ChildState.HUNG, ChildState.RESTARTING])
def test_what_nobody_watches_is_unknown_whatever_was_heard_of_it_last(state: ChildState) -> None:
    board = after(tree("hub", workstreams=UP), tree("workstreams", ws1=state, ws2=UP), pulse("ws1"), pulse("ws2"))

    shown = ask(board, "status", 12.0, name="ws1")["workstream"]
    assert (shown["status"], shown["health"]) == ("unknown", 0.0)
    assert shown["why"] == f"nobody watches it: its monitor is {state}; 2 s ago it was active"
    assert ask(board, "progress")["workstreams"] == {"ws1": "unknown", "ws2": "active"}


def test_the_tree_hangs_supervisors_below_their_own_and_programs_below_their_monitors() -> None:
    state = after(tree("hub", auditor=UP, workstreams=UP), tree("workstreams", ws1=UP), pulse("ws1"))

    root = ask(state, "tree", at=14.0)["tree"]

    assert [child["name"] for child in root["children"]] == ["auditor", "workstreams"]
    assert root["children"][0]["age_s"] == 10.0
    (one,) = root["children"][1]["children"]
    assert (one["name"], one["restarts"], one["program"]["pid"]) == ("ws1", 2, 7)


def test_the_tree_shows_cells_and_who_lives_in_them() -> None:
    state = after(
        tree("workstreams", cell_1=UP), cell("cell_1", ws1=UP, ws2=UP), tree("hub", workstreams=UP), pulse("ws1")
    )

    (shown,) = ask(state, "tree")["tree"]["children"][0]["children"]

    assert (shown["name"], shown["state"], shown["cell"]) == ("cell_1", "ready", True)
    assert [child["name"] for child in shown["children"]] == ["ws1", "ws2"]
    assert shown["children"][0]["program"]["pid"] == 7


def test_a_cell_tells_who_lives_in_it_and_a_monitor_where_it_lives() -> None:
    state = after(tree("workstreams", cell_1=UP), cell("cell_1", ws1=UP, ws2=UP), pulse("ws1"))

    assert ask(state, "status", name="cell_1")["actor"]["residents"] == ["ws1", "ws2"]
    assert ask(state, "status", name="ws1")["workstream"]["monitor"]["cell"] == "cell_1"
    assert ask(state, "why", name="cell_1")["actor"]["residents"] == ["ws1", "ws2"]
    assert ask(state, "why", name="ws1")["kind"] == "workstream"


@pytest.mark.parametrize("state", [DOWN, ChildState.PARKED])
def test_what_is_below_a_supervisor_or_cell_that_is_down_is_down_with_it(state: ChildState) -> None:
    board = after(
        tree("hub", workstreams=UP), tree("workstreams", cell_1=UP), cell("cell_1", ws1=UP, ws2=ChildState.PARKED)
    )
    assert board.child_state("ws1") == "ready"

    board = BOARD.decide(board, letter(tree("workstreams", cell_1=state))).state

    assert [board.child_state(name) for name in ("ws1", "ws2")] == ["stopped", "parked"]
    board = BOARD.decide(board, letter(cell("cell_1", ws1=UP, ws2=UP))).state
    assert board.child_state("ws1") == "ready"


def test_a_supervisor_that_is_down_takes_the_cells_below_it_along() -> None:
    board = after(tree("hub", workstreams=UP), tree("workstreams", cell_1=UP), cell("cell_1", ws1=UP))

    board = BOARD.decide(board, letter(tree("hub", workstreams=DOWN))).state

    assert [board.child_state(name) for name in ("cell_1", "ws1")] == ["stopped", "stopped"]


def test_flows_rules_and_progress_show_what_was_last_told() -> None:
    state = after(flows(), flows("2004-08-03"), rules(), pulse("ws1"))

    assert ask(state, "flows")["session"] == "2004-08-03"
    assert ask(state, "flows")["flows"][0]["events"] == 3
    assert ask(state, "rules")["rules"][0]["fired"] == 2
    progress = ask(state, "progress")
    assert (progress["fired"], progress["rungs"]) == ({"pause": 2}, {"ws2/trading": "paused"})
    assert progress["workstreams"] == {"ws1": "active", "ws2": "unknown"}
    assert (progress["sessions"], progress["of"], progress["ended"]) == (1, 9, False)


def test_before_anything_was_told_every_view_can_be_shown() -> None:
    for view in ("status", "tree", "flows", "conflicts", "rules", "progress", "summary"):
        assert ask(after(), view)["now"] == 10.0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ws1", "workstream"),
        ("ws2/trading", "resource"),
        ("pause", "rule"),
        ("ws1-ws2", "flow"),
        ("k1", "conflict"),
        ("router", "actor"),
        ("hub", "hub"),
        ("ws3#17", None),
    ],
)
def test_why_knows_a_thing_by_its_name(name: str, kind: str | None) -> None:
    turn = HealthChanged(workstream="ws1", was=Status.IDLE, now=Status.BUSY, health=90.0, why="a long command")
    state = after(pulse("ws1"), turn, rules(), flows(), opened(), tree("hub", router=UP))

    view = ask(state, "why", at=13.0, name=name)

    assert view.get("kind") == kind
    if kind == "workstream":
        assert (view["changed"]["why"], view["changed"]["age_s"]) == ("a long command", 3.0)


def test_an_unknown_view_is_empty() -> None:
    assert ask(after(), "weather") == {}


def test_in_the_trail_a_picture_is_its_version() -> None:
    shown = BoardShown(request="q", version=3, view={"much": "more"})

    assert shown.for_trail() == BoardVersion(request="q", version=3)
