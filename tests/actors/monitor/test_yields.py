"""Whether a workstream lets go of what it holds, and whose word its monitor heeds."""

import random
from typing import Any

import pytest

from alluse_hub.protocols.arbitration import (
    AskYield,
    EpochRaised,
    OfferYield,
    Option,
    RuleYield,
    StandDown,
    StoodDown,
    YieldDone,
)
from alluse_hub.protocols.claims import Claim, Clock, Directive, DirectiveAck, Lease
from alluse_hub.protocols.workstream import CommandReply, StopProgram
from tests.actors.monitor.bench import Bench, reply

KEY = "yield/conflict-1"


def claim(**how: Any) -> Claim:
    usual = {"id": "low", "resource": "ws9/broker", "holder": "low", "reason": "it runs", "at": "ws9"}
    return Claim.model_validate({**usual, **how})


def ask(bench: Bench, epoch: int = 0, **how: Any) -> OfferYield:
    question = AskYield(conflict="conflict-1", claim=claim(**how), to="high", round=1, epoch=epoch)
    bench.tell(question, "coordinator")
    offer: OfferYield = bench.said(OfferYield, "coordinator")[-1]
    return offer


def rule(bench: Bench, **how: Any) -> Bench:
    word = RuleYield(conflict="conflict-1", claim=claim(**how), option=Option.RELEASE, reason="high goes first")
    return bench.tell(word, "coordinator")


def directive(fence: int, epoch: int) -> Directive:
    return Directive(resource="ws9/m", rung="r", command="go", fence=fence, reason="a test", epoch=epoch)


def test_a_claim_that_says_how_it_yields_is_let_go(bench: Bench) -> None:
    offer = ask(bench.boot().up(), yields="flush")

    assert (offer.option, offer.why) == ("release", "ws9 lets go by flush")


def test_a_program_that_does_not_run_uses_nothing(bench: Bench) -> None:
    bench.boot().up().tell(StopProgram(by="alice", reason="x"), "gateway")

    assert ask(bench).option == "release"
    assert [done.ok for done in rule(bench, yields="flush").said(YieldDone)] == [True]


def test_a_claim_that_ends_by_itself_is_finished(bench: Bench) -> None:
    bench.boot().up()
    offer = ask(bench, lease=Lease(until=bench.at + 12.0))

    assert (offer.option, offer.in_s) == ("finish", 12.0)


@pytest.mark.parametrize("lease", [Lease(), Lease(clock=Clock.MARKET, until=3), Lease(until=2e9, until_cleared=True)])
def test_any_other_is_refused_with_the_reason(bench: Bench, lease: Lease) -> None:
    offer = ask(bench.boot().up(), lease=lease)

    assert (offer.option, offer.why) == ("refuse", "ws9 has not said how it lets go of ws9/broker")


def test_the_program_is_told_once_however_often_it_is_said_and_its_answer_is_passed_on(bench: Bench) -> None:
    rule(rule(bench.boot().up(), yields="flush"), yields="flush")
    assert [asked["command"] for asked in bench.written()] == ["flush"]
    assert bench.written()[0]["parameters"] == {"claim": "low", "resource": "ws9/broker", "reason": "high goes first"}

    bench.hears(reply(KEY))
    assert [(word.key, word.ok) for word in bench.said(CommandReply, "coordinator")] == [(KEY, True)]
    rule(bench, yields="flush")
    assert [word.key for word in bench.said(CommandReply, "coordinator")] == [KEY, KEY]


def test_a_claim_without_a_command_is_let_go_at_once(bench: Bench) -> None:
    assert [done.ok for done in rule(bench.boot().up()).said(YieldDone)] == [True]


def test_a_program_that_is_not_up_cannot_be_told(bench: Bench) -> None:
    (done,) = rule(bench.boot(), yields="flush").said(YieldDone)

    assert (done.ok, done.error) == (False, "ws9 is not up")


# --- epochs ----------------------------------------------------------------------------------------------------------


def test_it_stands_down_and_says_the_highest_epoch_it_knows(bench: Bench) -> None:
    bench.boot().tell(StandDown(epoch=4), "coordinator").tell(StandDown(epoch=3), "coordinator")

    assert [word.epoch for word in bench.said(StoodDown, "coordinator")] == [4, 4]
    assert [fact.epoch for fact in bench.recorded(EpochRaised)] == [4]


def test_the_epoch_outlives_the_monitor(bench: Bench) -> None:
    bench.boot().tell(StandDown(epoch=4), "coordinator").die()

    assert bench.state.kept.epoch == 4


def test_what_an_earlier_coordinator_says_is_neither_done_nor_answered(bench: Bench) -> None:
    bench.boot().up().tell(StandDown(epoch=4), "coordinator").tell(directive(1, 3), "coordinator")

    assert bench.written() == []
    assert bench.said(DirectiveAck) == []
    bench.tell(AskYield(conflict="c", claim=claim(), to="high", round=1, epoch=3), "coordinator")
    assert bench.said(OfferYield) == []


def test_the_first_directive_of_a_new_coordinator_stands_the_old_one_down(bench: Bench) -> None:
    bench.boot().up().tell(directive(1, 2), "coordinator").tell(directive(2, 1), "coordinator")

    assert [asked["id"] for asked in bench.written()] == ["c/0/directive/ws9/m/1"]


@pytest.mark.parametrize("seed", range(100))
def test_after_it_stood_down_no_directive_of_a_lower_epoch_is_done(seed: int) -> None:
    """P8 at the monitor: delayed, doubled and overtaken words of several lives, with deaths of its own between."""
    rng = random.Random(seed)
    bench = Bench().boot().up()
    words = [
        directive(fence, epoch) for fence, epoch in zip(range(1, 9), sorted(rng.choices(range(1, 5), k=8)), strict=True)
    ]
    post = [*words, *rng.choices(words, k=4), *(StandDown(epoch=epoch) for epoch in range(1, 5))]
    rng.shuffle(post)
    for word in post:
        assert isinstance(word, Directive | StandDown)
        epoch, before = bench.state.kept.epoch, len(bench.written())
        bench.tell(word, "coordinator")
        if word.epoch < epoch:
            assert len(bench.written()) == before
        if rng.random() < 0.1:
            bench.die().boot().up(adopted=True)
    fences = [int(asked["id"].rpartition("/")[2]) for asked in bench.written()]
    assert list(dict.fromkeys(fences)) == sorted(set(fences))
