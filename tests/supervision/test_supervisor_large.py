"""A family of thousands costs each of its members no more than a small one does."""

import sys
from types import FrameType
from typing import Any

import pytest

from alluse_hub.protocols.children import TreeShown
from alluse_hub.protocols.effects import Send
from alluse_hub.protocols.lifecycle import Started, Strategy
from alluse_hub.supervision.supervisor_shown import SHOW_EVERY_S, SHOWN_AT_ONCE_MAX
from alluse_hub.testing.family import Family, family


class Large(Family):
    """Its books are not kept: what a test reads afterwards grows with the family, too."""

    def hear(self, body: Any, sender: str) -> None:
        super().hear(body, sender)
        self.performed.clear()


def of(size: int, **how: Any) -> Large:
    return Large(family(*(f"n{number}" for number in range(size)), **how).spec)


def lines_run(sup: Family, *, crash: int | None = None) -> int:
    """Lines of the hub that run from the start to the end of a family, with a crash between if said."""
    count = 0

    def local(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return local

    def called(frame: FrameType, _event: str, _argument: object) -> Any:
        return local if "/supervision/" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(called)
    try:
        sup.say(Started(incarnation=1))
        if crash is not None:
            sup.crash(f"n{crash}")
        sup.stop()
    finally:
        sys.settrace(before)
    assert sup.over == "shutdown"
    return count


@pytest.mark.parametrize("siblings_wait", [True, False])
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_to_start_and_stop_four_times_as_many_takes_four_times_as_much(strategy: Strategy, siblings_wait: bool) -> None:
    few, many = (
        lines_run(of(size, strategy=strategy, siblings_wait=siblings_wait), crash=size // 2) for size in (250, 1_000)
    )

    assert many / few < 4.6


def test_a_small_family_is_shown_at_every_change_and_a_large_one_no_more_often_than_is_said() -> None:
    pictures = {}
    for size in (SHOWN_AT_ONCE_MAX, SHOWN_AT_ONCE_MAX + 1):
        sup = family(*(f"n{number}" for number in range(size))).up()
        shown = [e for _, e in sup.performed if isinstance(e, Send) and isinstance(e.message, TreeShown)]
        pictures[size] = len(shown)
    sup.pass_time(SHOW_EVERY_S)

    assert pictures == {SHOWN_AT_ONCE_MAX: SHOWN_AT_ONCE_MAX + 1, SHOWN_AT_ONCE_MAX + 1: 1}
    assert {shown.state for shown in sup.tree.children} == {"ready"}


def test_the_last_picture_of_a_large_family_is_sent_when_it_ends() -> None:
    sup = family(*(f"n{number}" for number in range(SHOWN_AT_ONCE_MAX + 1))).up()

    sup.stop()

    assert {shown.state for shown in sup.tree.children} == {"stopped"}
