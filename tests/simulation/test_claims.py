"""Claims, epochs and yielding with the real monitors, and the three ways in which the shipped rules meet."""

from collections.abc import Iterator
from typing import Any

import pytest

from alluse_hub.protocols.arbitration import BOUND_S
from alluse_hub.protocols.claims import Claim, PlaceClaim
from alluse_hub.protocols.workstream import StopProgram
from alluse_hub.testing import TestHub
from tests.simulation.spans import AUTUMN, WORKSTREAMS, played, replay

POOLS = """
[[pool]]
resource = "ws5/gpu"
capacity = 1
policy = "negotiate"

[[pool]]
resource = "ws5/disk"
capacity = 1
preemptible = true
"""
SHORT = replay("2004-08-02", "2004-08-06", POOLS)


@pytest.fixture(scope="module")
def autumn() -> Iterator[TestHub]:
    with played(AUTUMN) as hub:
        yield hub


@pytest.fixture
def hub() -> Iterator[TestHub]:
    with played(SHORT) as hub:
        yield hub


def place(hub: TestHub, id_: str, resource: str, **how: Any) -> None:
    usual = {"id": id_, "resource": resource, "holder": id_, "reason": "a test", "tier": "sync", "at": "ws5"}
    hub.tell("coordinator", PlaceClaim(claim=Claim.model_validate({**usual, **how})))


def bodies(hub: TestHub, message: str) -> list[Any]:
    return [entry.body for entry in hub.facts(message)]


@pytest.mark.parametrize(
    ("klass", "outcome", "words"),
    [
        ("C1", "longer wins", "The longer wins: ws4/trading stays paused"),
        ("C2", "command waits", "Each is sent when there is enough, in the order of the claims. ws5/analysis"),
        ("C3", "command refused", "Refused: ws4/trading is paused, which permits only cancel."),
    ],
)
def test_the_shipped_rules_meet_in_three_ways_each_with_its_sentences(
    autumn: TestHub, klass: str, outcome: str, words: str
) -> None:
    opened = {body["id"]: body for body in bodies(autumn, "ConflictOpened") if body["klass"] == klass}
    closed = [body for body in bodies(autumn, "ConflictClosed") if body["id"] in opened]

    assert len(opened) == len(closed) > 0
    assert {body["outcome"] for body in closed} == {outcome}
    assert all(body["sentence"].startswith(words) for body in closed)
    assert all(body["sentence"].endswith(".") for body in opened.values())


def test_what_waits_for_its_turn_is_done_in_its_round(autumn: TestHub) -> None:
    waited = [body["key"] for body in bodies(autumn, "CommandIssued") if body["waits"]]
    done = [body["key"] for body in bodies(autumn, "RuleActionDone") if body["ok"]]

    assert waited == [body["key"] for body in bodies(autumn, "CommandGranted")] != []
    assert set(waited) <= set(done)


def test_every_monitor_knows_the_epoch_and_stands_the_last_one_down(hub: TestHub) -> None:
    assert {hub.state(name).kept.epoch for name in WORKSTREAMS} == {1}

    hub.crash("coordinator")
    hub.advance(20.0)

    assert hub.state("coordinator").ledger.docket.epoch == 2
    assert {hub.state(name).kept.epoch for name in WORKSTREAMS} == {2}


def test_a_holder_that_has_not_said_how_it_yields_keeps_it_and_people_are_asked_in_time(hub: TestHub) -> None:
    place(hub, "low", "ws5/gpu")
    place(hub, "high", "ws5/gpu", tier="workflow")
    begun = hub.now
    hub.advance(BOUND_S)

    (opened,) = [body for body in bodies(hub, "ConflictOpened") if body["resource"] == "ws5/gpu"]
    (asked,) = [entry for entry in hub.facts("Escalated") if entry.body["conflict"] == opened["id"]]
    assert asked.at - begun <= BOUND_S
    assert "ws5 has not said how it lets go of ws5/gpu" in str(asked.body["question"])
    assert list(hub.state("coordinator").ledger.docket.granted) == ["low"]


def test_a_program_that_does_not_run_lets_go(hub: TestHub) -> None:
    place(hub, "low", "ws5/disk", yields="flush")
    hub.tell("ws5", StopProgram(by="alice", reason="a test"))
    hub.advance(10.0)
    place(hub, "high", "ws5/disk", tier="operator")
    hub.advance(BOUND_S)

    assert list(hub.state("coordinator").ledger.docket.granted) == ["high"]
    assert [body["how"] for body in bodies(hub, "ClaimEnded") if body["id"] == "low"] == ["yielded"]
