import pytest

from alluse_hub.protocols.claims import Directive
from alluse_hub.protocols.effects import Commit, Effect, Record, Send, Wake
from alluse_hub.protocols.flow import FlowPaused
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.supervision.outbox import HELD_TURNS_MAX, Held, Outbox, split

FACT = FlowPaused(flow="a-b")


def directive(fence: int) -> Send:
    return Send("ws4", Directive(resource="ws4/trading", rung="paused", command="pause", fence=fence, reason="test"))


def test_effects_after_a_commit_wait_and_those_before_do_not() -> None:
    effects: tuple[Effect, ...] = (Record(FACT), Wake("a", 1.0), Commit(FACT), Send("b", Woken(timer="x")))

    assert split(effects) == (effects[:3], effects[3:])


def test_a_turn_without_a_commit_goes_out_whole() -> None:
    effects = (Record(FACT), Send("b", Woken(timer="x")))

    assert split(effects) == (effects, ())


def test_held_turns_are_released_in_order_once_their_commit_is_stored() -> None:
    outbox = Outbox()
    turns = [Held(n, (), "", "") for n in (3, 5, 9)]
    for held in turns:
        outbox.hold(held)

    assert list(outbox.released(5)) == turns[:2]
    assert list(outbox.released(5)) == []
    assert list(outbox.released(9)) == turns[2:]


def test_a_directive_that_a_later_one_overtook_is_not_sent() -> None:
    outbox = Outbox()

    assert not outbox.is_overtaken(directive(7))
    assert outbox.is_overtaken(directive(6))
    assert not outbox.is_overtaken(directive(7))


def test_more_held_turns_than_the_bound_are_an_error_not_a_loss() -> None:
    outbox = Outbox()
    for n in range(HELD_TURNS_MAX):
        outbox.hold(Held(n, (), "", ""))

    with pytest.raises(OverflowError):
        outbox.hold(Held(HELD_TURNS_MAX, (), "", ""))
