"""The gateway's decisions: who is asked, what is ordered, what is answered when."""

from typing import Any

import pytest

from alluse_hub.actors.gateway.core import GATEWAY
from alluse_hub.actors.gateway.requests import OPEN_MAX, Gateway, GatewaySpec
from alluse_hub.protocols.admin import (
    Answer,
    Answered,
    AskBoard,
    Asked,
    Code,
    Listen,
    OrderGiven,
    PeopleTurnedAway,
    ReadTrail,
    ShutDown,
    TurnedAway,
)
from alluse_hub.protocols.board import BoardShown
from alluse_hub.protocols.children import ActorOrderDone, RestartActor, StartActor, StopActor
from alluse_hub.protocols.effects import CancelWake, Commit, Do, Effect, Record, Send, Wake
from alluse_hub.protocols.ending import CloseIntake, IntakeClosed
from alluse_hub.protocols.flow import FlowOrderDone, PauseFlow, ResumeFlow
from alluse_hub.protocols.lifecycle import Started, Woken
from alluse_hub.protocols.message import Envelope, Json, Message
from alluse_hub.protocols.sync import ForceSync, Play, SwitchSync, SyncOrderDone
from alluse_hub.protocols.workstream import Maintain, OrderDone, RestartProgram, StartProgram, StopProgram
from tests.actors.gateway.quick import decide

SPEC = GatewaySpec(
    workstreams=("ws1", "ws2"),
    supervisors={
        "auditor": "hub",
        "gateway": "hub",
        "ws1": "workstreams",
        "ws2": "workstreams",
        "router": "coordination",
    },
    flows=("ws1-ws2",),
    syncs=("prices",),
)


def start() -> Gateway:
    return GATEWAY.start("gateway", SPEC)


def given(ask: str, args: Json) -> Asked:
    return Asked(request="q1", ask=ask, args=args, uid=1000, pid=1, user="ann")


def asked(ask: str, request: str = "q1", **args: Any) -> Asked:
    return Asked(request=request, ask=ask, args=args, uid=1000, pid=1, user="ann")


def answer_in(effects: tuple[Effect, ...]) -> Answer:
    (answer,) = [e.job for e in effects if isinstance(e, Do) and isinstance(e.job, Answer)]
    return answer


def test_the_socket_is_opened_first() -> None:
    assert decide(start(), Started(incarnation=1)) == (start(), (Do(Listen()),))


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["status", "tree", "flows", "conflicts", "rules", "syncs", "progress"])
def test_a_view_is_asked_of_the_board_and_answered_as_it_comes(view: str) -> None:
    state, effects = decide(start(), asked(view, name="ws1"))
    assert effects == (Wake("q1", 5.0), Send("board", AskBoard(request="q1", view=view, args={"name": "ws1"})))

    state, effects = decide(state, BoardShown(request="q1", version=3, view={"a": 1}), "board")

    assert effects == (CancelWake("q1"), Do(Answer(request="q1", ok=True, result={"a": 1})))
    assert state == start()


def test_an_empty_view_means_that_nobody_of_that_name_is_known() -> None:
    state, _ = decide(start(), asked("status", name="ws9"))

    _, effects = decide(state, BoardShown(request="q1", version=3, view={}), "board")

    answer = answer_in(effects)
    assert (answer.code, answer.message) == (Code.NOT_FOUND, "'ws9' is not known here")


@pytest.mark.parametrize("ask", ["why", "summary"])
def test_why_and_summary_go_on_to_the_trail_with_what_the_board_knows(ask: str) -> None:
    state, _ = decide(start(), asked(ask, name="ws1"))

    state, effects = decide(state, BoardShown(request="q1", version=3, view={"kind": "workstream"}), "board")

    job = ReadTrail(request="q1", ask=ask, args={"name": "ws1"}, shown={"kind": "workstream"})
    assert effects == (CancelWake("q1"), Do(job))
    assert state == start()


def test_why_goes_on_to_the_trail_even_if_the_board_knows_nothing() -> None:
    state, _ = decide(start(), asked("why", name="ws1/1/4"))

    _, effects = decide(state, BoardShown(request="q1", version=3, view={}), "board")

    assert isinstance(effects[-1], Do)
    assert isinstance(effects[-1].job, ReadTrail)


def test_a_board_that_does_not_answer_is_told_of() -> None:
    state, _ = decide(start(), asked("status"))

    state, effects = decide(state, Woken(timer="q1"))

    answer = answer_in(effects)
    assert (answer.code, answer.message) == (Code.TIMED_OUT, "the board does not answer")
    assert state == start()


def test_a_late_board_changes_nothing() -> None:
    assert decide(start(), BoardShown(request="q1", version=3, view={"a": 1}), "board") == (start(), ())


def test_a_picture_does_not_answer_an_order() -> None:
    state, _ = decide(start(), asked("restart", name="ws1"))

    assert decide(state, BoardShown(request="q1", version=3, view={"a": 1}), "board") == (state, ())


def test_an_unknown_question_is_refused_with_what_can_be_asked() -> None:
    _, effects = decide(start(), asked("weather"))

    answer = answer_in(effects)
    assert (answer.ok, answer.code) == (False, Code.USAGE)
    assert "status" in answer.hint


def test_no_more_than_so_many_requests_are_open() -> None:
    state = start()
    for n in range(OPEN_MAX):
        state, _ = decide(state, asked("status", f"q{n}"))

    state, effects = decide(state, asked("status", "one more"))

    assert answer_in(effects).code == Code.CONFLICT
    assert len(state.open) == OPEN_MAX


# --- orders -----------------------------------------------------------------------------------------------------------

BY = {"by": "ann", "reason": "r"}
FORCED = ForceSync(sync="prices", by="ann", reason="r", keep="target", request="q1")


def switched(sync: str, play: Play) -> SwitchSync:
    return SwitchSync(sync=sync, play=play, by="ann", reason="r", request="q1")


ORDERS: list[tuple[str, Json, str, Message, type[Record] | type[Commit]]] = [
    ("restart", {"name": "ws1"}, "ws1", RestartProgram(by="ann", reason="r"), Commit),
    ("start", {"name": "ws1"}, "ws1", StartProgram(by="ann", reason="r"), Commit),
    ("stop", {"name": "ws1"}, "ws1", StopProgram(by="ann", reason="r"), Record),
    ("maintenance", {"name": "ws2", "on": True}, "ws2", Maintain(on=True, by="ann", reason="r"), Record),
    ("maintenance", {"name": "ws2", "on": False}, "ws2", Maintain(on=False, by="ann", reason="r"), Commit),
    (
        "restart",
        {"name": "ws1", "monitor": True},
        "workstreams",
        RestartActor(name="ws1", reason="asked by ann: r"),
        Commit,
    ),
    ("restart", {"name": "router"}, "coordination", RestartActor(name="router", reason="asked by ann: r"), Commit),
    ("restart", {"name": "auditor"}, "hub", RestartActor(name="auditor", reason="asked by ann: r"), Commit),
    ("stop", {"name": "router"}, "coordination", StopActor(name="router", reason="asked by ann: r"), Record),
    ("start", {"name": "router"}, "coordination", StartActor(name="router"), Commit),
    ("flow", {"name": "ws1-ws2", "on": False}, "router", PauseFlow(flow="ws1-ws2"), Record),
    ("flow", {"name": "ws1-ws2", "on": True}, "router", ResumeFlow(flow="ws1-ws2"), Commit),
    ("sync", {"name": "prices", "do": "pause"}, "replicator", switched("prices", Play.PAUSED), Record),
    ("sync", {"name": "all", "do": "stop"}, "replicator", switched("all", Play.STOPPED), Record),
    ("sync", {"name": "prices", "do": "play"}, "replicator", switched("prices", Play.PLAYING), Commit),
    ("sync", {"name": "prices", "do": "force", "keep": "target"}, "replicator", FORCED, Commit),
]


@pytest.mark.parametrize(("ask", "args", "to", "message", "how"), ORDERS)
def test_an_order_is_written_before_it_is_sent_and_a_loosening_one_waits_for_the_disk(
    ask: str, args: Json, to: str, message: Message, how: type[Record] | type[Commit]
) -> None:
    args = args | {"reason": "r"}

    _, effects = decide(start(), given(ask, args))

    written = how(OrderGiven(ask=ask, args=args, by="ann", allowed=True))
    assert effects == (Wake("q1", 60.0), written, Send(to, message))


CELLS = SPEC.model_copy(
    update={
        "supervisors": {"auditor": "hub", "gateway": "hub", "cell-1": "workstreams"},
        "cells": {"ws1": "cell-1", "ws2": "cell-1"},
    }
)


@pytest.mark.parametrize("ask", ["restart", "stop", "start"])
def test_a_monitor_in_a_cell_takes_no_order_for_itself_and_the_person_is_told_what_does(ask: str) -> None:
    state = GATEWAY.start("gateway", CELLS)

    _, effects = decide(state, given(ask, {"name": "ws1", "monitor": True}))

    told = answer_in(effects)
    assert (told.ok, told.code) == (False, Code.CONFLICT)
    assert told.message == f"the monitor of ws1 lives in cell-1, one process for 2: there is no {ask} for it alone"
    assert f"`{ask} ws1`" in told.hint
    assert isinstance(effects[0], Record)


def test_orders_for_a_cell_and_for_the_programs_of_those_who_live_in_it_go_where_they_always_went() -> None:
    state = GATEWAY.start("gateway", CELLS)

    _, for_cell = decide(state, given("restart", {"name": "cell-1"}))
    _, for_program = decide(state, given("stop", {"name": "ws1"}))

    assert for_cell[-1] == Send("workstreams", RestartActor(name="cell-1", reason="asked by ann"))
    assert for_program[-1] == Send("ws1", StopProgram(by="ann", reason=""))


@pytest.mark.parametrize(
    ("ask", "args", "done"),
    [
        ("restart", {"name": "ws1"}, OrderDone(workstream="ws1", ok=True, text="pid 8")),
        ("restart", {"name": "router"}, ActorOrderDone(name="router", ok=True, text="pid 8")),
        ("restart", {"name": "ws1", "monitor": True}, ActorOrderDone(name="ws1", ok=True, text="pid 8")),
        ("flow", {"name": "ws1-ws2", "on": False}, FlowOrderDone(flow="ws1-ws2", ok=True, text="pid 8")),
        ("sync", {"name": "prices", "do": "pause"}, SyncOrderDone(sync="prices", ok=True, text="pid 8")),
    ],
)
def test_the_person_is_answered_when_it_is_done(ask: str, args: Json, done: Message) -> None:
    state, _ = decide(start(), given(ask, args))

    state, effects = decide(state, done, "whoever")

    assert effects == (CancelWake("q1"), Do(Answer(request="q1", ok=True, result={"text": "pid 8"})))
    assert state == start()


def test_a_refusal_of_the_addressee_is_a_conflict_with_its_words() -> None:
    state, _ = decide(start(), asked("start", name="ws1"))

    _, effects = decide(state, OrderDone(workstream="ws1", ok=False, text="it runs already"), "ws1")

    answer = answer_in(effects)
    assert (answer.code, answer.message) == (Code.CONFLICT, "it runs already")


def test_an_order_about_a_program_is_not_answered_by_word_of_its_monitor() -> None:
    state, _ = decide(start(), asked("restart", name="ws1"))

    assert decide(state, ActorOrderDone(name="ws1", ok=True), "workstreams") == (state, ())


def test_an_order_not_done_in_time_says_so_and_its_late_end_changes_nothing() -> None:
    state, effects = decide(start(), asked("restart", name="ws1", timeout_s=2))
    assert effects[0] == Wake("q1", 2.0)

    state, effects = decide(state, Woken(timer="q1"))

    answer = answer_in(effects)
    assert (answer.code, answer.message) == (Code.TIMED_OUT, "restart of ws1 is not done yet")
    assert decide(state, OrderDone(workstream="ws1", ok=True, text=""), "ws1") == (start(), ())


def test_a_second_order_about_the_same_thing_is_told_of_the_first() -> None:
    state, _ = decide(start(), asked("restart", name="ws1"))

    _, effects = decide(state, asked("stop", "q2", name="ws1"))

    answer = answer_in(effects)
    assert (answer.request, answer.code) == ("q2", Code.CONFLICT)
    assert answer.message == "restart of ws1 by ann is still under way"
    assert not any(isinstance(effect, Send) for effect in effects)


def test_orders_about_two_things_do_not_wait_for_each_other() -> None:
    state, _ = decide(start(), asked("restart", name="ws1"))

    state, effects = decide(state, asked("restart", "q2", name="ws2"))

    assert effects[-1] == Send("ws2", RestartProgram(by="ann"))
    assert len(state.open) == 2


def test_a_shutdown_is_answered_before_it_is_ordered() -> None:
    state, effects = decide(start(), asked("shutdown", reason="night", keep_workstreams=True))

    assert [type(effect) for effect in effects] == [Record, Do, Send]
    assert effects[-1] == Send("hub", ShutDown(by="ann", reason="night", keep_workstreams=True))
    assert state == start()


def test_the_gateway_answers_before_it_has_itself_restarted() -> None:
    state, effects = decide(start(), asked("restart", name="gateway"))

    assert [type(effect) for effect in effects] == [Commit, Do, Send]
    assert effects[-1] == Send("hub", RestartActor(name="gateway", reason="asked by ann"))
    assert state == start()


@pytest.mark.parametrize(
    ("ask", "args", "code", "word"),
    [
        ("restart", {"name": "ws3"}, Code.NOT_FOUND, "ws"),
        ("restart", {}, Code.NOT_FOUND, "known:"),
        ("restart", {"name": "hub"}, Code.CONFLICT, ""),
        ("restart", {"name": 3}, Code.USAGE, ""),
        ("restart", {"name": "ws1", "reason": "x" * 501}, Code.USAGE, ""),
        ("restart", {"name": "ws1", "timeout_s": 0}, Code.USAGE, ""),
        ("restart", {"name": "ws1", "timeout_s": 601}, Code.USAGE, ""),
        ("restart", {"name": "ws1", "timeout_s": True}, Code.USAGE, ""),
        ("restart", {"name": "ws1", "timeout_s": "1"}, Code.USAGE, ""),
        ("stop", {"name": "auditor"}, Code.CONFLICT, "restart"),
        ("stop", {"name": "gateway"}, Code.CONFLICT, "restart"),
        ("maintenance", {"name": "router", "on": True}, Code.NOT_FOUND, "known: ws1, ws2"),
        ("maintenance", {"name": "ws1"}, Code.USAGE, ""),
        ("flow", {"name": "ws1-ws22", "on": True}, Code.NOT_FOUND, "did you mean ws1-ws2?"),
        ("flow", {"name": "ws1-ws2", "on": "yes"}, Code.USAGE, ""),
        ("sync", {"name": "price", "do": "play"}, Code.NOT_FOUND, "did you mean prices?"),
        ("sync", {"name": "prices", "do": "dance"}, Code.USAGE, ""),
        ("sync", {"name": "prices", "do": "play", "keep": "source"}, Code.USAGE, ""),
        ("sync", {"name": "prices", "do": "force", "keep": "mine"}, Code.USAGE, ""),
    ],
)
def test_an_order_that_cannot_be_is_refused_recorded_and_not_sent(ask: str, args: Json, code: Code, word: str) -> None:
    state, effects = decide(start(), given(ask, args))

    assert state == start()
    assert [type(effect) for effect in effects] == [Record, Do]
    assert isinstance(effects[0], Record)
    assert isinstance(effects[0].fact, OrderGiven)
    assert (effects[0].fact.allowed, effects[0].fact.by) == (False, "ann")
    answer = answer_in(effects)
    assert (answer.ok, answer.code) == (False, code)
    assert word in answer.hint


def test_who_was_turned_away_is_recorded() -> None:
    _, effects = decide(start(), TurnedAway(uid=7, pid=8, user="eve", count=3))

    assert effects == (Record(PeopleTurnedAway(uid=7, pid=8, user="eve", count=3)),)


def test_anything_else_is_refused_loudly() -> None:
    with pytest.raises(TypeError, match="does not take Listen"):
        decide(start(), Listen())


def test_in_the_trail_an_answer_is_who_was_answered_and_how() -> None:
    answer = Answer(request="q", ok=True, result={"much": "more"})

    assert answer.for_trail() == Answered(request="q", ok=True, code=Code.DONE, message="")


# --- the hub ends -----------------------------------------------------------------------------------------------------


def test_an_order_of_the_end_tells_its_phases_and_how_long_they_may_take() -> None:
    _, effects = decide(start(), asked("shutdown"))

    result = {"text": "the hub ends", "phases": ["intake", "drain", "flush", "close"], "within_s": 30.0}
    assert answer_in(effects) == Answer(request="q1", ok=True, result=result)


def test_when_the_hub_ends_orders_are_refused_with_the_reason_and_questions_are_not() -> None:
    state, effects = decide(start(), CloseIntake(left_s=30.0), "hub")
    assert effects == (Send("hub", IntakeClosed()),)

    _, refused = decide(state, asked("restart", name="ws1"))

    answer = answer_in(refused)
    assert (answer.ok, answer.code) == (False, Code.CONFLICT)
    assert answer.message == "the hub ends, within 30 s, and takes no more orders"
    assert [effect.fact.allowed for effect in refused if isinstance(effect, Record)] == [False]  # type: ignore[attr-defined]  # OrderGiven
    assert Send("board", AskBoard(request="q1", view="status", args={})) in decide(state, asked("status"))[1]


def test_an_end_that_is_ordered_again_is_no_error_and_no_second_order() -> None:
    state, _ = decide(start(), CloseIntake(left_s=30.0), "hub")

    _, effects = decide(state, asked("shutdown"))

    assert answer_in(effects).result["text"] == "the hub ends already"
    assert not any(isinstance(effect, Send) for effect in effects)


def test_an_order_that_could_not_be_recorded_is_refused_at_once_in_words() -> None:
    assert GATEWAY.unrecorded is not None
    letter = Envelope(id="gateway/1/1", sender="gateway", to="gateway", body=asked("restart", name="ws1"), at=5.0)

    (effect,) = GATEWAY.unrecorded(start(), letter, "disk full: free some space (/x)")

    assert isinstance(effect, Do)
    assert isinstance(effect.job, Answer)
    assert (effect.job.request, effect.job.ok, effect.job.code) == ("q1", False, Code.CONFLICT)
    assert effect.job.message == "not done, since it could not be recorded: disk full: free some space (/x)"
