"""Rules that change while the hub runs: heard by the router, kept over deaths; and people who are asked in between."""

from collections.abc import Iterator
from typing import Any

import pytest

from alluse_hub.protocols.approvals import DecideApproval, Level, SetLevel
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.rules import Rule, Tell
from alluse_hub.protocols.ruleset import ChangeRules, CoordinationDone
from alluse_hub.testing import TestHub

SPAN = "[replay]\nfrom = 2008-09-15\nto = 2008-12-31\n"
CLOSING = Rule(
    id="closing",
    name="Closing",
    workstream="ws3",
    event="session_closed",
    tell=(Tell(workstream="ws1", command="agent_status", pure=True),),
)
"""It listens to what no shipped rule listens to."""


@pytest.fixture
def hub() -> Iterator[TestHub]:
    with TestHub(SPAN) as made:
        made.run_sessions(2)
        yield made


def ordered(hub: TestHub, order: Message) -> CoordinationDone:
    before = len(hub.answers)
    hub.tell("coordinator", order)
    hub.run_until(lambda: any(isinstance(a, CoordinationDone) for a in hub.answers[before:]))
    (answer,) = [a for a in hub.answers[before:] if isinstance(a, CoordinationDone)]
    return answer


def fired(hub: TestHub, rule: str) -> int:
    return sum(entry.body["rule"] == rule for entry in hub.facts("RuleFired"))


def test_a_rule_that_is_added_hears_events_that_nobody_listened_to_and_outlives_every_death(hub: TestHub) -> None:
    answer = ordered(hub, ChangeRules(about="a", how="add", by="ann", put=(CLOSING,)))
    assert answer.ok, answer
    hub.run_sessions(3)
    assert fired(hub, "closing") >= 2

    for actor in ("coordinator", "router"):
        seen = fired(hub, "closing")
        hub.crash(actor)
        hub.run_sessions(2)
        assert fired(hub, "closing") > seen, actor


def test_what_is_counted_of_a_rule_can_be_counted_again_from_the_trail(hub: TestHub) -> None:
    hub.run_sessions(8)
    hub.crash("coordinator")
    hub.run_sessions(8)
    hub.advance(5.0)
    facts: list[tuple[str, Any]] = [(e.message, e.body) for e in hub.trail if e.actor == "coordinator"]
    shown: Any = hub.view("rules")["rules"]

    for rule in shown:
        of_rule = [(kind, body) for kind, body in facts if body.get("rule") == rule["id"]]
        failed = [body for kind, body in of_rule if kind == "RuleActionDone" and not body["ok"]]
        refused = [body for kind, body in of_rule if kind == "RuleActionRefused"]
        assert rule["fired"] == sum(kind == "RuleFired" for kind, _ in of_rule)
        assert rule["undecided"] == sum(kind == "RuleUndecided" for kind, _ in of_rule)
        assert rule["failures"] == len(failed) + len(refused)
    assert sum(rule["fired"] for rule in shown) > 0


def test_an_act_that_people_agree_to_is_done_while_the_market_goes_on(hub: TestHub) -> None:
    ordered(hub, ChangeRules(about="a", how="add", by="ann", put=(CLOSING,)))
    ordered(hub, SetLevel(about="a", workstream="ws1", level=Level.MANUAL, by="ann"))
    hub.run_sessions(3)
    bodies: list[Any] = [entry.body for entry in hub.facts("ApprovalAsked")]
    asked = [body["proposal"]["id"] for body in bodies]
    done = len([e for e in hub.facts("RuleActionDone") if e.body["rule"] == "closing"])
    assert len(asked) >= 2

    hub.crash("coordinator")
    hub.run_sessions(1)
    answer = ordered(hub, DecideApproval(about="b", id=asked[0], approve=True, by="bob", reason="fine"))
    hub.advance(5.0)

    assert answer.ok, answer
    assert len([e for e in hub.facts("RuleActionDone") if e.body["rule"] == "closing"]) == done + 1
    assert not ordered(hub, DecideApproval(about="c", id=asked[0], approve=True, by="cid", reason="again")).ok
