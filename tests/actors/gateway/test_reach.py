"""Orders for somebody who is not there, and orders that are only asked about."""

from typing import Any

import pytest

from alluse_hub.actors.gateway.core import GATEWAY
from alluse_hub.actors.gateway.requests import Gateway, GatewaySpec
from alluse_hub.protocols.admin import Answer, Code, OrderGiven
from alluse_hub.protocols.effects import Commit, Do, Effect, Record, Send, Wake
from alluse_hub.protocols.foresight import FailureForeseen, Foresee, Foreseen, Foretold, Outcome
from alluse_hub.protocols.lifecycle import ChildState, PeerDown, PeerUp, Woken
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.workstream import OrderDone, RestartProgram
from alluse_hub.supervision.breaker import FAILURES_MAX
from tests.actors.gateway import quick
from tests.actors.gateway.test_gateway_core import asked

PARKED, RESTARTING = ChildState.PARKED, ChildState.RESTARTING
SPEC = GatewaySpec(
    workstreams=("ws1", "ws2"),
    supervisors={"gateway": "hub", "workstreams": "hub", "ws1": "workstreams", "cell-1": "workstreams"},
    cells={"ws2": "cell-1"},
    needed_by={"ws1": ("ws2",)},
)


def decide(state: Gateway, body: Message, sender: str = "gateway", at: float = 5.0) -> tuple[Gateway, list[Effect]]:
    after, effects = quick.decide(state, body, sender, at)
    return after, list(effects)


def start() -> Gateway:
    return GATEWAY.start("gateway", SPEC)


def down(
    name: str = "ws1", standing: ChildState = PARKED, incarnation: int = 1, next_try: float | None = None
) -> PeerDown:
    return PeerDown(name=name, incarnation=incarnation, standing=standing, cause="error: boom", next_try=next_try)


def answers(effects: list[Effect]) -> list[Answer]:
    return [effect.job for effect in effects if isinstance(effect, Do) and isinstance(effect.job, Answer)]


# --- nobody there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "next_try", "message", "hint"),
    [
        (PARKED, None, "ws1 is parked: error: boom", "`start ws1 --monitor` starts it again"),
        (ChildState.STOPPED, None, "ws1 is stopped: error: boom", "`start ws1 --monitor` starts it again"),
        (RESTARTING, 8.0, "ws1 is restarting: error: boom; its next start is due within 4.0 s", "ask again when"),
    ],
)
def test_an_order_for_a_program_whose_monitor_is_down_is_refused_at_once_with_the_reason_and_what_to_do(
    standing: ChildState, next_try: float | None, message: str, hint: str
) -> None:
    state, _ = decide(start(), down(standing=standing, next_try=next_try))

    state, effects = decide(state, asked("restart", name="ws1"))

    (answer,) = answers(effects)
    assert (answer.code, answer.message) == (Code.CONFLICT, message)
    assert hint in answer.hint
    assert [e.fact.allowed for e in effects if isinstance(e, Record) and isinstance(e.fact, OrderGiven)] == [False]
    assert state.open == {}


def test_of_one_that_lives_in_a_cell_the_cell_is_what_to_start() -> None:
    state, _ = decide(start(), down("ws2"))

    _, effects = decide(state, asked("restart", name="ws2"))

    assert "`start cell-1`" in answers(effects)[0].hint


def test_the_order_that_brings_it_back_goes_to_its_supervisor_and_is_taken() -> None:
    state, _ = decide(start(), down())

    _, effects = decide(state, asked("start", name="ws1", monitor=True))

    assert [effect.to for effect in effects if isinstance(effect, Send)] == ["workstreams"]


def test_when_it_is_back_orders_are_taken_again() -> None:
    state, _ = decide(start(), down())
    state, _ = decide(state, PeerUp(name="ws1", incarnation=2), "hub")

    _, effects = decide(state, asked("restart", name="ws1"))

    assert [type(effect.message) for effect in effects if isinstance(effect, Send)] == [RestartProgram]


def test_word_of_an_incarnation_that_is_over_refuses_nothing() -> None:
    state, _ = decide(start(), PeerUp(name="ws1", incarnation=2), "hub")
    state, _ = decide(state, down(incarnation=1))

    _, effects = decide(state, asked("restart", name="ws1"))

    assert answers(effects) == []


def test_whoever_waits_for_one_that_goes_down_is_told_so_and_not_left_to_wait() -> None:
    state, _ = decide(start(), asked("restart", name="ws1"))

    state, effects = decide(state, down(standing=RESTARTING, next_try=6.0))

    (answer,) = answers(effects)
    assert answer.code is Code.CONFLICT
    assert "whether restart is done is not known" in answer.message
    assert state.open == {}


def silent() -> Gateway:
    state = start()
    for number in range(FAILURES_MAX):
        state, _ = decide(state, asked("restart", request=f"q{number}", name="ws1"))
        state, _ = decide(state, Woken(timer=f"q{number}"))
    return state


def test_after_so_many_orders_without_an_answer_the_next_is_refused_and_later_one_is_tried() -> None:
    state = silent()

    _, effects = decide(state, asked("restart", name="ws1"), at=5.5)
    assert "ws1 left 3 requests in a row unanswered" in answers(effects)[0].message

    state, effects = decide(state, asked("restart", name="ws1"), at=6.5)
    assert answers(effects) == []
    _, effects = decide(state, asked("maintenance", name="ws1", on=False, request="q9"), at=6.6)
    assert answers(effects), "only one is tried"


@pytest.mark.parametrize("ask", [{"ask": "stop"}, {"ask": "maintenance", "on": True}])
def test_what_restricts_is_sent_to_one_that_is_only_silent(ask: dict[str, Any]) -> None:
    _, effects = decide(silent(), asked(str(ask["ask"]), name="ws1", **{k: v for k, v in ask.items() if k != "ask"}))

    assert [effect.to for effect in effects if isinstance(effect, Send)] == ["ws1"]
    assert not any(isinstance(effect, Commit) for effect in effects)


def test_an_answer_that_comes_too_late_is_an_answer() -> None:
    state, _ = decide(silent(), OrderDone(workstream="ws1", ok=True, text=""), "ws1")

    assert state.breakers == {}


def test_a_supervisor_that_stays_silent_is_not_asked_for_ever() -> None:
    state = start()
    for number in range(FAILURES_MAX):
        state, _ = decide(state, asked("restart", request=f"q{number}", name="ws1", monitor=True))
        state, _ = decide(state, Woken(timer=f"q{number}"))

    _, effects = decide(state, asked("start", name="ws1", monitor=True))

    assert "`restart workstreams`" in answers(effects)[0].hint


# --- only asked ------------------------------------------------------------------------------------------------------


def test_a_rehearsed_order_is_a_question_to_whom_the_order_would_go_and_no_order_is_recorded() -> None:
    state, effects = decide(start(), asked("restart", name="ws1", monitor=True, dry_run=True))

    assert effects == [
        Wake("q1", 60.0),
        Send("workstreams", Foresee(name="ws1", order=Foretold.RESTART)),
    ]

    failure = FailureForeseen(tries=5, outcome=Outcome.PARKED)
    told = Foreseen(
        name="ws1",
        order=Foretold.RESTART,
        by="workstreams",
        goes_down=("ws1",),
        comes_back=("ws1",),
        failure=failure,
    )
    state, effects = decide(state, told, "workstreams")

    (answer,) = answers(effects)
    assert answer.result["goes_down"] == ["ws1"]
    assert answer.result["needed_by"] == {"ws1": ["ws2"]}
    assert state.open == {}


def test_of_a_workstream_the_program_is_meant_and_its_monitor_is_asked() -> None:
    _, effects = decide(start(), asked("stop", name="ws1", dry_run=True))

    assert [(e.to, e.message) for e in effects if isinstance(e, Send)] == [
        ("ws1", Foresee(name="ws1", order=Foretold.STOP))
    ]


@pytest.mark.parametrize("ask", ["start", "shutdown", "maintenance"])
def test_other_orders_cannot_be_rehearsed(ask: str) -> None:
    _, effects = decide(start(), asked(ask, name="ws1", on=True, dry_run=True))

    assert answers(effects)[0].code is Code.USAGE
    assert not any(isinstance(effect, Send) for effect in effects)


def test_an_order_that_would_be_refused_is_refused_in_the_rehearsal_too() -> None:
    state, _ = decide(start(), down())

    _, effects = decide(state, asked("restart", name="ws1", dry_run=True))
    assert answers(effects)[0].message == "ws1 is parked: error: boom"

    _, effects = decide(state, asked("restart", name="ws2", monitor=True, dry_run=True))
    assert "no restart for it alone" in answers(effects)[0].message


def test_a_rehearsal_while_the_order_itself_is_under_way_is_answered() -> None:
    state, _ = decide(start(), asked("restart", name="ws1"))

    _, effects = decide(state, asked("restart", name="ws1", request="q2", dry_run=True))

    assert [type(e.message) for e in effects if isinstance(e, Send)] == [Foresee]
