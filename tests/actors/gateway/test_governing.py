"""What people order of the coordinator: the message it becomes, who it is by, and how the answer comes back."""

from typing import Any

import pytest

from alluse_hub.actors.gateway.core import GATEWAY
from alluse_hub.actors.gateway.governing import ASKS
from alluse_hub.actors.gateway.requests import Gateway, GatewaySpec
from alluse_hub.protocols.admin import ORDERS, Answer, Asked, Code, OrderGiven
from alluse_hub.protocols.approvals import DecideApproval, Level, SetLevel
from alluse_hub.protocols.effects import Commit, Do, Effect, Record, Send
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.ruleset import AskRules, ChangeRules, CoordinationDone, RunRule, SwitchAuto, SwitchRule
from tests.actors.gateway.quick import decide

RULE = {"id": "a", "name": "A", "workstream": "ws3", "event": "e"}


def start() -> Gateway:
    return GATEWAY.start("gateway", GatewaySpec(workstreams=("ws1",)))


def hear(state: Gateway, body: Message, sender: str = "gateway") -> tuple[Gateway, tuple[Effect, ...]]:
    return decide(state, body, sender)


def ask(state: Gateway, what: str, request: str = "q1", **args: Any) -> tuple[Gateway, tuple[Effect, ...]]:
    return hear(state, Asked(request=request, ask=what, args=args, uid=1000, pid=1, user="root"))


def sent(effects: tuple[Effect, ...]) -> list[tuple[str, Message]]:
    return [(effect.to, effect.message) for effect in effects if isinstance(effect, Send)]


def answer(effects: tuple[Effect, ...]) -> Answer:
    (told,) = [effect.job for effect in effects if isinstance(effect, Do)]
    assert isinstance(told, Answer)
    return told


@pytest.mark.parametrize(
    ("what", "args", "message"),
    [
        (
            "rules-change",
            {"how": "add", "put": [RULE], "who": "ann", "reason": "r", "timeout_s": 5},
            ChangeRules.model_validate(
                {"about": "rules:the rules", "how": "add", "by": "ann", "reason": "r", "put": [RULE]}
            ),
        ),
        (
            "rules-switch",
            {"rule": "a", "on": False},
            SwitchRule(about="rules:the rules", rule="a", on=False, by="root"),
        ),
        ("rules-auto", {"on": True, "who": ""}, SwitchAuto(about="rules:the rules", on=True, by="root")),
        ("rules-auto", {"on": True, "who": " ann  lee "}, SwitchAuto(about="rules:the rules", on=True, by="ann lee")),
        (
            "rules-run",
            {"rule": "a", "payload": {"x": 1}},
            RunRule(about="rules:the rules", rule="a", payload={"x": 1}, by="root"),
        ),
        (
            "approve",
            {"id": "approval-3", "approve": True, "reason": "seen", "who": "bob"},
            DecideApproval(about="approval:approval-3", id="approval-3", approve=True, reason="seen", by="bob"),
        ),
        (
            "level",
            {"workstream": "ws1", "level": "manual"},
            SetLevel(about="level:ws1", workstream="ws1", level=Level.MANUAL, by="root"),
        ),
    ],
)
def test_an_order_goes_to_the_coordinator_once_it_is_on_disk(what: str, args: dict[str, Any], message: Message) -> None:
    _, effects = ask(start(), what, **args)

    (given,) = [effect.fact for effect in effects if isinstance(effect, Commit)]
    assert isinstance(given, OrderGiven)
    assert (given.ask, given.by, given.allowed) == (what, "root", True), "the user stands beside the person"
    assert sent(effects) == [("coordinator", message)]


def test_a_question_changes_nothing_and_is_not_recorded_as_an_order() -> None:
    _, effects = ask(start(), "rules-set")

    assert sent(effects) == [("coordinator", AskRules(about="told:q1"))]
    assert not [effect for effect in effects if isinstance(effect, Commit | Record)]


@pytest.mark.parametrize(
    ("what", "args", "said"),
    [
        ("rules-switch", {"rule": "a"}, "on: Field required"),
        ("rules-switch", {"rule": "a", "on": True, "other": 1}, "other: Extra inputs"),
        ("rules-change", {"how": "guess"}, "how: String should match pattern"),
        ("rules-auto", {"on": True, "who": "x" * 81}, "who is a name of at most 80 characters"),
        ("rules-auto", {"on": True, "who": "a\nb"}, "who is a name"),
        ("rules-auto", {"on": True, "who": "  "}, "who is a name"),
        ("rules-auto", {"on": True, "timeout_s": 0}, "timeout_s is a number of seconds above 0"),
        ("approve", {"id": "approval-1", "approve": True}, "reason: Field required"),
        ("approve", {"approve": True, "reason": "r"}, "id: Field required"),
        ("level", {"workstream": "ws1", "level": "wild"}, "level must be 'autonomous', 'supervised' or 'manual'"),
    ],
)
def test_what_cannot_be_asked_so_is_refused_with_the_field(what: str, args: dict[str, Any], said: str) -> None:
    _, effects = ask(start(), what, **args)

    told = answer(effects)
    assert (told.ok, told.code) == (False, Code.USAGE)
    assert said in told.message
    assert sent(effects) == []


def test_the_answer_goes_to_who_asked_with_all_that_is_wrong() -> None:
    state, _ = ask(start(), "rules-switch", rule="a", on=True)
    state, effects = hear(
        state,
        CoordinationDone(about="rules:the rules", ok=False, text="refused: one", problems=("one", "two")),
        "coordinator",
    )

    told = answer(effects)
    assert (told.request, told.ok, told.code, told.message) == ("q1", False, Code.CONFLICT, "refused: one\ntwo")
    assert state.open == {}


def test_one_change_of_the_rules_is_under_way_at_a_time_and_approvals_go_side_by_side() -> None:
    state, _ = ask(start(), "rules-switch", rule="a", on=True)
    _, effects = ask(state, "rules-auto", "q2", on=True)
    assert (answer(effects).code, "still under way" in answer(effects).message) == (Code.CONFLICT, True)

    state, _ = ask(state, "approve", "q3", id="approval-1", approve=True, reason="r")
    state, effects = ask(state, "approve", "q4", id="approval-2", approve=True, reason="r")
    assert len(sent(effects)) == 1


def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    _, effects = hear(start(), CoordinationDone(about="rules:the rules", ok=True, text="t"), "coordinator")

    assert effects == ()


def test_whatever_is_asked_of_the_coordinator_is_one_of_the_orders() -> None:
    assert set(ASKS) <= set(ORDERS)
