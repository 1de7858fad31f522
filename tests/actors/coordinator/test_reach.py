"""Workstreams that cannot be reached: what fails at once, what is waited for, and what is always sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.coordinator.commands import TRIES_MAX
from alluse_hub.actors.coordinator.directives import PATIENCE_S
from alluse_hub.protocols.claims import Directive, DirectiveAck, DirectiveAnswered
from alluse_hub.protocols.effects import Commit, Send, Wake
from alluse_hub.protocols.flow import Considered
from alluse_hub.protocols.lifecycle import ChildState, PeerDown, PeerUp, Woken
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.rules import CommandIssued, CoordinatorSpec, Rule, RuleActionDone, Tell
from alluse_hub.protocols.workstream import Command, CommandReply
from alluse_hub.supervision.breaker import FAILURES_MAX
from tests.actors.coordinator.worlds import TRADING, VOLATILITY_PAUSE, WORKSTREAMS, Desk, event, volatile

PARKED, RESTARTING, STOPPED = ChildState.PARKED, ChildState.RESTARTING, ChildState.STOPPED
RULE = Rule(
    id="one",
    name="One",
    workstream="ws2",
    event="e",
    tell=(Tell(workstream="ws4", command="send_alert", deadline_s=60),),
)
SPEC = CoordinatorSpec(rules=(RULE, VOLATILITY_PAUSE), modes=(TRADING,), workstreams=WORKSTREAMS)


@pytest.fixture
def desk() -> Desk:
    return Desk(SPEC)


def down(standing: ChildState = PARKED, incarnation: int = 1, next_try: float | None = None) -> PeerDown:
    return PeerDown(name="ws4", incarnation=incarnation, standing=standing, cause="error: boom", next_try=next_try)


def applied(fence: int) -> DirectiveAck:
    return DirectiveAck(resource="ws4/trading", fence=fence, outcome="applied")


# --- commands --------------------------------------------------------------------------------------------------------


def test_a_command_for_one_that_is_parked_fails_at_once_with_the_reason(desk: Desk) -> None:
    desk.tell(down())
    desk.consider(1, event("ws2", 1, "e"))

    assert desk.said(Command) == []
    assert desk.said(CommandIssued) == []
    assert desk.said(RuleActionDone)[0].error == "ws4 is parked: error: boom"
    assert desk.said(Considered), "the round does not wait"


def test_a_command_under_way_fails_when_its_addressee_is_parked(desk: Desk) -> None:
    desk.consider(1, event("ws2", 1, "e"))
    assert desk.said(Command)

    desk.tell(down())

    assert desk.said(RuleActionDone)[0].error == "ws4 is parked: error: boom"
    assert desk.said(Considered)


def test_one_that_is_back_within_the_deadline_is_waited_for_and_told_again(desk: Desk) -> None:
    desk.tell(down(RESTARTING, next_try=desk.at + 5.0))
    desk.consider(1, event("ws2", 1, "e"))
    assert desk.said(Considered) == []

    desk.tell(PeerUp(name="ws4", incarnation=2))
    assert [command.command for command in desk.said(Command)] == ["send_alert"]


def test_one_whose_next_start_is_later_than_the_deadline_is_not(desk: Desk) -> None:
    desk.tell(down(RESTARTING, next_try=desk.at + 100.0))
    desk.consider(1, event("ws2", 1, "e"))

    assert "ws4 is restarting: error: boom; its next start is due" in desk.said(RuleActionDone)[0].error


def test_word_of_an_incarnation_that_is_over_fails_nothing(desk: Desk) -> None:
    desk.tell(PeerUp(name="ws4", incarnation=2))
    desk.tell(down(incarnation=1))
    desk.consider(1, event("ws2", 1, "e"))

    assert desk.said(Command)


def test_commands_that_nobody_answers_open_it_and_an_answer_closes_it(desk: Desk) -> None:
    for serial in range(1, FAILURES_MAX + 1):
        desk.consider(serial, event("ws2", serial, "e"))
        for _ in range(TRIES_MAX + 1):
            desk.tell(Woken(timer=f"command:c/{serial}/one/1"))
        assert desk.said(Considered)

    desk.consider(9, event("ws2", 9, "e"))
    assert desk.said(Command) == []
    assert "3 requests in a row unanswered" in desk.said(RuleActionDone)[0].error

    desk.tell(applied(1))
    desk.consider(10, event("ws2", 10, "e"))
    assert desk.said(Command)


def test_after_a_while_one_command_is_tried(desk: Desk) -> None:
    for serial in range(1, FAILURES_MAX + 1):
        desk.consider(serial, event("ws2", serial, "e"))
        for _ in range(TRIES_MAX + 1):
            desk.tell(Woken(timer=f"command:c/{serial}/one/1"))
    desk.at += 1.0
    desk.consider(9, event("ws2", 9, "e"))
    (tried,) = desk.said(Command)

    desk.tell(CommandReply(key=tried.key, workstream="ws4", ok=True))
    desk.consider(10, event("ws2", 10, "e"))

    assert desk.said(Command), "it was answered: all is well again"


# --- directives ------------------------------------------------------------------------------------------------------


def test_a_restriction_for_one_that_is_parked_is_sent_recorded_as_failed_and_said_again_when_it_is_back(
    desk: Desk,
) -> None:
    desk.tell(down())
    desk.consider(1, volatile(1))

    assert len(desk.said(Directive)) == 1
    assert desk.said(DirectiveAnswered)[0].error == "ws4 is parked: error: boom"
    assert desk.said(Considered), "the round does not wait"

    desk.tell(PeerUp(name="ws4", incarnation=2))
    (again,) = desk.said(Directive)
    assert again.fence == 1
    desk.tell(applied(1))
    assert desk.said(DirectiveAnswered)[0].outcome == "applied"


def test_a_round_that_waits_for_a_directive_goes_on_when_its_addressee_is_parked(desk: Desk) -> None:
    desk.consider(1, volatile(1))
    assert desk.said(Considered) == []

    desk.tell(down())

    assert desk.said(DirectiveAnswered)[0].error == "ws4 is parked: error: boom"
    assert desk.said(Considered)


def test_a_directive_is_waited_for_as_long_as_its_addressee_will_be_back_in_time(desk: Desk) -> None:
    desk.tell(down(RESTARTING, next_try=desk.at + PATIENCE_S / 2))
    desk.consider(1, volatile(1))

    assert desk.said(Directive)
    assert desk.said(DirectiveAnswered) == []
    assert desk.said(Considered) == []


WORDS: list[Message] = [
    down(PARKED),
    down(STOPPED, 2),
    down(RESTARTING, 1, 3.0),
    down(RESTARTING, 3, 900.0),
    PeerUp(name="ws4", incarnation=2),
    PeerUp(name="ws4", incarnation=3),
    Woken(timer="command:c/1/one/1"),
]


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_no_breaker_delays_or_loses_a_restricting_directive(words: list[Message]) -> None:
    desk = Desk(SPEC)
    desk.consider(1, event("ws2", 1, "e"))
    for word in words:
        desk.tell(word)
    if not desk.ledger.round:
        return
    desk.tell(CommandReply(key="c/1/one/1", workstream="ws4", ok=True))
    desk.consider(2, volatile(2))

    sent = [e for e in desk.effects if isinstance(e, Send) and isinstance(e.message, Directive)]
    kinds = [type(effect) for effect in desk.effects]
    assert len(sent) == 1
    assert Commit not in kinds[: desk.effects.index(sent[0])], "a restriction waits for no disk"
    assert any(isinstance(e, Wake) and e.timer == "directive:ws4/trading" for e in desk.effects), "and is said again"
