"""Links that part, pause or are given up, and what peers must not notice of it."""

import os
from collections.abc import Callable

import pytest
from thespian.system.transport import ReceiveEnvelope

from alluse_hub.supervision.engine import switchboard
from alluse_hub.supervision.engine.door import BusyError
from alluse_hub.supervision.engine.letters import Letter
from alluse_hub.supervision.engine.transport import Transport
from tests.engine.conftest import MOMENT, eventually, hear, settle


def met(make: Callable[..., Transport]) -> tuple[Transport, Transport]:
    """Two that have a link, with nothing under way on it."""
    a, b = make(), make()
    a.send(Letter(b.myAddress, "hello"))
    settle(a)
    assert hear(b) == ["hello"]

    def is_idle() -> bool:
        settle(a, b)  # the count of what b has handled is on its way
        return a.exchange.board.links()[0].is_idle

    eventually(is_idle)
    return a, b


def test_the_end_of_a_process_is_told_although_its_link_has_parted_meanwhile(make: Callable[..., Transport]) -> None:
    a, b = met(make)
    told: list[str] = []
    a.exchange.board.close_idle()
    settle(b)  # it agrees, and a has not read that yet
    a.exchange.after_last_word(os.getpid(), lambda: told.append("ended"))

    settle(a)
    a.run(None, MOMENT)

    assert told == ["ended"]
    assert a.exchange.board.links() == []


def test_the_end_of_a_process_is_told_after_all_that_it_wrote(make: Callable[..., Transport]) -> None:
    a, b = met(make)
    told: list[object] = []
    for number in (1, 2):
        b.send(Letter(a.myAddress, number))
    b.close()
    a.exchange.after_last_word(os.getpid(), lambda: told.append("ended"))

    def is_told() -> bool:
        envelope = a.run(None, MOMENT)
        if isinstance(envelope, ReceiveEnvelope):
            told.append(envelope.message)
        return "ended" in told

    eventually(is_told)
    assert told == [1, 2, "ended"]


def test_a_peer_that_thespian_takes_for_lost_is_still_heard_and_still_hears(make: Callable[..., Transport]) -> None:
    a, b = met(make)

    a.lostRemote(b.myAddress)
    a.send(Letter(b.myAddress, "still there?"))
    settle(a)

    assert hear(b) == ["still there?"]


def test_callers_wait_while_there_are_no_descriptors_and_are_then_taken(
    make: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "ACCEPT_PAUSE_S", 0.0)
    a, b = make(), make()
    door = b.exchange.board.door

    def no_more() -> None:
        raise BusyError

    with monkeypatch.context() as busy:
        busy.setattr(door, "accept", no_more)
        a.send(Letter(b.myAddress, "patience"))
        settle(a)
        b.exchange.board.accept()
        b.exchange.board.accept()  # as when a child ends during the pause
        b.run(None, MOMENT)

    assert hear(b) == ["patience"]
