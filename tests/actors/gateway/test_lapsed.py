"""An order that is not on the disk by its deadline: answered then, never given, and the trail tells both."""

import pytest

from alluse_hub.actors.gateway.core import GATEWAY, RECORDED
from alluse_hub.actors.gateway.requests import OPEN_MAX, Gateway
from alluse_hub.protocols.admin import Answer, Code, OrderGiven
from alluse_hub.protocols.effects import Commit, Do, Effect, Record, Send, Wake
from alluse_hub.protocols.lifecycle import ChildState, PeerDown, Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.ruleset import CoordinationDone
from alluse_hub.protocols.scarcity import TELEMETRY
from alluse_hub.protocols.workstream import OrderDone, StartProgram
from tests.actors.gateway.test_gateway_core import asked, start

STORED = Woken(timer=f"{RECORDED}q1")


def decide(state: Gateway, body: Message) -> tuple[Gateway, tuple[Effect, ...]]:
    decision = GATEWAY.decide(state, Envelope("gateway/1/1", "gateway", "gateway", body, 5.0))
    return decision.state, decision.effects


def test_an_order_that_loosens_is_given_when_it_is_on_the_disk_and_not_before() -> None:
    state, before = decide(start(), asked("start", name="ws1", timeout_s=7))

    state, after = decide(state, STORED)

    given = OrderGiven(ask="start", args={"name": "ws1", "timeout_s": 7}, by="ann", allowed=True)
    assert before == (Wake("q1", 7.0), Commit(given), Wake(STORED.timer, 0.0))
    assert after == (Send("ws1", StartProgram(by="ann", reason="")),)
    assert decide(state, STORED)[1] == (), "once"


def test_one_that_is_not_on_the_disk_in_time_is_answered_then_in_words_that_need_no_record() -> None:
    state, _ = decide(start(), asked("start", name="ws1", timeout_s=7))

    _, effects = decide(state, Woken(timer="q1"))

    ((answer,),) = [[effect.job for effect in effects if isinstance(effect, Do)]]
    assert isinstance(answer, Answer)
    assert (answer.ok, answer.code) == (False, Code.TIMED_OUT)
    assert answer.message == "start of ws1 was not done: the trail did not store it in time"
    assert "a disk that is full" in answer.hint
    assert len(effects) == 1, "with a fact in it the turn would wait for the disk as well"
    assert {"Woken", "Answer"} <= TELEMETRY


def test_it_is_never_given_later_and_the_trail_tells_that_it_was_not() -> None:
    state, _ = decide(start(), asked("start", name="ws1"))
    state, _ = decide(state, Woken(timer="q1"))

    state, effects = decide(state, STORED)

    (record,) = effects
    assert isinstance(record, Record)
    assert isinstance(record.fact, OrderGiven)
    assert (record.fact.ask, record.fact.by, record.fact.allowed) == ("start", "ann", False)
    assert record.fact.why == "it was recorded too late"
    assert state == start()


def test_the_same_may_be_ordered_again_meanwhile() -> None:
    state, _ = decide(start(), asked("start", name="ws1"))
    state, _ = decide(state, Woken(timer="q1"))

    state, effects = decide(state, asked("start", "q2", name="ws1"))
    _, given = decide(decide(state, STORED)[0], Woken(timer=f"{RECORDED}q2"))

    assert any(isinstance(effect, Commit) for effect in effects)
    assert given == (Send("ws1", StartProgram(by="ann", reason="")),)


def test_whoever_is_told_that_nobody_is_there_is_told_that_it_was_not_given() -> None:
    state, _ = decide(start(), asked("start", name="ws1"))

    state, effects = decide(state, PeerDown(name="ws1", incarnation=1, standing=ChildState.PARKED, cause="it crashed"))

    told = next(effect.job for effect in effects if isinstance(effect, Do))
    assert isinstance(told, Answer)
    assert told.message.endswith("; start was not given")
    assert [type(effect) for effect in decide(state, STORED)[1]] == [Record]


def test_no_more_than_so_many_that_lapsed_are_kept_in_mind() -> None:
    state = start()
    for n in range(OPEN_MAX + 3):
        state, _ = decide(state, asked("start", f"q{n}", name="ws1"))
        state, _ = decide(state, Woken(timer=f"q{n}"))

    assert len(state.lapsed) == OPEN_MAX
    assert state.open == {}


@pytest.mark.parametrize("kind", ["OrderDone", "ActorOrderDone", "FlowOrderDone", "SyncOrderDone", "CoordinationDone"])
def test_an_answer_to_an_order_waits_for_no_disk_so_that_deadlines_do_not_wait_behind_it(kind: str) -> None:
    assert kind in TELEMETRY


def test_a_late_answer_to_an_earlier_order_is_not_taken_for_one_to_an_order_that_is_not_given_yet() -> None:
    state, _ = decide(start(), asked("stop", name="ws1"))
    state, _ = decide(state, Woken(timer="q1"))
    state, _ = decide(state, asked("start", "q2", name="ws1"))

    state, told = decide(state, OrderDone(workstream="ws1", ok=True, text="it has stopped"))
    _, given = decide(state, Woken(timer=f"{RECORDED}q2"))

    assert told == ()
    assert given == (Send("ws1", StartProgram(by="ann", reason="")),)


def test_a_late_word_of_the_coordinator_is_not_taken_for_one_to_an_order_that_is_not_given_yet() -> None:
    waiting, _ = decide(start(), asked("rules-switch", rule="calm", on=True))
    about = waiting.open["q1"].about

    after, told = decide(waiting, CoordinationDone(about=about, ok=True, text="it is off"))

    assert after.open == waiting.open
    assert told == ()
