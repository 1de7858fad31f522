"""Commands: once each, said again until answered, failed when nobody answers."""

import pytest

from alluse_hub.actors.coordinator.commands import TRIES_MAX, timer_of
from alluse_hub.protocols.effects import Commit, Send, Wake
from alluse_hub.protocols.flow import Considered
from alluse_hub.protocols.lifecycle import PeerUp, Woken
from alluse_hub.protocols.rules import CommandIssued, CoordinatorSpec, Rule, RuleActionDone, Tell
from alluse_hub.protocols.workstream import Command, CommandReply
from tests.actors.coordinator.worlds import Desk, busy, event

RULE = Rule(
    id="one",
    name="One",
    workstream="ws2",
    event="e",
    tell=(Tell(workstream="ws1", command="send_alert", deadline_s=60),),
)
KEY = "c/1/one/1"


@pytest.fixture
def asked() -> Desk:
    desk = Desk(CoordinatorSpec(rules=(RULE,), workstreams=("ws1", "ws2")))
    desk.consider(1, event("ws2", 1, "e"))
    return desk


def test_a_reply_is_recorded_and_ends_the_wait(asked: Desk) -> None:
    asked.tell(CommandReply(key=KEY, workstream="ws1", ok=False, error="no person", events_through=3))

    (done,) = asked.said(RuleActionDone)
    assert (done.ok, done.error, done.events_through, done.rule, done.event) == (False, "no person", 3, "one", "ws2#1")
    assert asked.said(Considered) == [Considered(round=1, through={"ws1": 3})]


def test_a_reply_said_twice_is_one(asked: Desk) -> None:
    reply = CommandReply(key=KEY, workstream="ws1", ok=True)
    asked.tell(reply)
    asked.tell(reply)

    assert asked.effects == ()


def test_silence_is_met_with_three_resends_and_then_it_failed(asked: Desk) -> None:
    pauses = []
    while not asked.said(Considered):
        pauses += [effect.after_s for effect in asked.effects if isinstance(effect, Wake)]
        assert [message.key for message in asked.said(Command)] == [KEY]
        asked.tell(Woken(timer=f"command:{KEY}"))

    assert pauses == [10, 20, 40, 80]
    assert asked.said(RuleActionDone)[0].error == "no answer after 4 tries"


def test_a_reply_after_it_failed_changes_nothing(asked: Desk) -> None:
    for _ in range(4):
        asked.tell(Woken(timer=f"command:{KEY}"))
    asked.tell(CommandReply(key=KEY, workstream="ws1", ok=True))

    assert asked.effects == ()


def test_a_new_monitor_is_told_its_open_commands_behind_a_commit(asked: Desk) -> None:
    asked.tell(PeerUp(name="ws1", incarnation=2))

    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in asked.effects]
    assert kinds.index(Commit) < kinds.index(Command)
    asked.tell(PeerUp(name="ws2", incarnation=2))
    assert asked.effects == ()


def test_the_timer_is_set_behind_the_commit(asked: Desk) -> None:
    kinds = [type(effect) for effect in asked.effects]

    assert kinds.index(Commit) < kinds.index(Wake)


def test_a_workstream_has_one_command_at_a_time_in_the_order_of_their_issue() -> None:
    desk = Desk()
    desk.consider(7, busy(1), busy(2))
    issued = [fact for fact in desk.all_facts(CommandIssued) if fact.workstream == "ws4"]
    assert len(issued) > 1
    answered: list[str] = []

    for fact in issued:
        said = [message.key for message in desk.sent() if isinstance(message, Command) and message.key == fact.key]
        assert said == [fact.key]
        answered.append(fact.key)
        desk.tell(CommandReply(key=fact.key, workstream="ws4", ok=True))

    assert answered == [fact.key for fact in issued]


def test_nobody_waits_for_each_command_of_a_workstream_that_answers_none() -> None:
    desk = Desk()
    desk.consider(7, busy(1), busy(2))
    first = next(fact for fact in desk.all_facts(CommandIssued) if fact.workstream == "ws4")
    for _ in range(TRIES_MAX + 1):
        desk.tell(Woken(timer=timer_of(first.key)))

    assert not any(fact.workstream == "ws4" for fact in desk.ledger.commands.values())
