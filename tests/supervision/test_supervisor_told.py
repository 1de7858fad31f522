"""Those that need a child hear that it is down; the parent hears that something is."""

from typing import Any

import pytest

from alluse_hub.protocols.children import RemoveActor, RestartActor, StartActor, StopActor
from alluse_hub.protocols.effects import Send
from alluse_hub.protocols.lifecycle import Backoff, ChildCondition, ChildState, OnLimit, PeerDown, PeerUp, Strategy
from alluse_hub.protocols.liveness import Hung
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.supervisor_told import ILL_SHOWN
from alluse_hub.testing.family import Family, child, family

PARKED, RESTARTING, STOPPED = ChildState.PARKED, ChildState.RESTARTING, ChildState.STOPPED
SOON = Backoff(at_once=0, first_s=1.0, factor=2.0, cap_s=8.0, jitter=0.0)


def needed(*told: str, **more: Any) -> Family:
    """A family whose child ``a`` others need."""
    return family(child("a", told=told), "b", **{"backoff": SOON, **more}).up()


def words(sup: Family, to: str = "gateway") -> list[tuple[str, int, ChildState, float | None]]:
    said = [e.message for _, e in sup.performed if isinstance(e, Send) and e.to == to]
    return [(w.name, w.incarnation, w.standing, w.next_try) for w in said if isinstance(w, PeerDown)]


# --- those that need a child ---------------------------------------------------------------------------------------


def test_who_needs_a_child_hears_when_it_waits_for_a_restart_and_when_that_is() -> None:
    sup = needed("gateway", "ws2")

    sup.crash("a")

    assert words(sup) == words(sup, "ws2") == [("a", 1, RESTARTING, 1.0)]


def test_nothing_is_said_of_one_that_is_back_at_once() -> None:
    sup = needed("gateway", backoff=None)

    sup.crash("a")
    sup.say(RestartActor(name="a"))

    assert words(sup) == []


def test_nobody_hears_of_a_child_that_nobody_needs() -> None:
    sup = needed("gateway")

    sup.crash("b")

    assert [e for _, e in sup.performed if isinstance(e, Send) and isinstance(e.message, PeerDown)] == []


def test_each_try_that_fails_is_told_with_the_time_of_the_next() -> None:
    sup = needed("gateway")
    sup.start_plans = {"a": ["fail", "fail"]}

    sup.crash("a")
    sup.pass_time(3.0)

    assert words(sup) == [("a", 1, RESTARTING, 1.0), ("a", 1, RESTARTING, 3.0), ("a", 1, RESTARTING, 7.0)]


def test_a_parked_child_is_told_as_parked_and_why() -> None:
    sup = needed("gateway", restarts=0, on_limit=OnLimit.PARK)

    sup.crash("a")

    assert sup.effects[-2:-1] == [
        Send("gateway", PeerDown(name="a", incarnation=1, standing=PARKED, cause="error: boom"))
    ]


def test_a_child_stopped_by_order_is_told_as_stopped() -> None:
    sup = needed("gateway")

    sup.say(StopActor(name="a"))

    assert words(sup) == [("a", 1, STOPPED, None)]


def test_what_was_said_is_not_said_again_when_nothing_of_it_has_changed() -> None:
    sup = needed("gateway", restarts=0, on_limit=OnLimit.PARK)
    sup.crash("a")

    sup.say(StopActor(name="a"))

    assert words(sup) == [("a", 1, PARKED, None)]


def test_a_stop_between_two_tries_is_told() -> None:
    sup = needed("gateway")
    sup.crash("a")

    sup.say(StopActor(name="a"))

    assert words(sup) == [("a", 1, RESTARTING, 1.0), ("a", 1, STOPPED, None)]


def test_one_that_goes_down_with_another_is_told_with_the_time_of_that_ones_next_try() -> None:
    sup = family(child("a", told=("gateway",)), "b", strategy=Strategy.ONE_FOR_ALL, backoff=SOON).up()

    sup.crash("b")

    assert words(sup) == [("a", 1, RESTARTING, 1.0)]


def test_while_its_supervisor_starts_or_ends_nothing_is_said() -> None:
    sup = family("b", child("a", told=("gateway",)), backoff=SOON).up()
    assert words(sup) == []

    sup.stop()

    assert (words(sup), sup.over) == ([], "shutdown")


def test_all_that_live_in_a_child_are_told_of() -> None:
    cell = child("cell-1", told=("gateway", "ws2", "ws9"), told_of=("ws1", "ws2"))
    sup = family(cell, backoff=SOON).up()
    for name, incarnation in (("ws1", 4), ("ws2", 7)):
        sup.say(PeerUp(name=name, incarnation=incarnation), "hub")

    sup.crash("cell-1")

    assert words(sup) == [("ws1", 4, RESTARTING, 1.0), ("ws2", 7, RESTARTING, 1.0)]
    assert words(sup, "ws9") == words(sup)
    assert words(sup, "ws2") == []  # it is down itself


def test_a_new_incarnation_of_one_that_needs_it_is_told_again() -> None:
    sup = needed("gateway", "ws2", restarts=0, on_limit=OnLimit.PARK)
    sup.crash("a")

    sup.say(PeerUp(name="gateway", incarnation=2), "hub")

    assert words(sup) == [("a", 1, PARKED, None)] * 2
    assert words(sup, "ws2") == [("a", 1, PARKED, None)]


def test_an_incarnation_heard_of_late_is_told_again_with_it() -> None:
    """It came up for a moment, so that those that need it heard of it, and its supervisor only now."""
    sup = needed("gateway", restarts=0, on_limit=OnLimit.PARK)
    sup.crash("a")

    sup.say(PeerUp(name="a", incarnation=2), "hub")

    assert words(sup) == [("a", 1, PARKED, None), ("a", 2, PARKED, None)]


def test_an_incarnation_never_goes_back() -> None:
    sup = needed("gateway")
    sup.say(PeerUp(name="a", incarnation=9), "hub")
    sup.say(PeerUp(name="a", incarnation=8), "hub")

    sup.crash("a")

    assert words(sup) == [("a", 9, RESTARTING, 1.0)]


@pytest.mark.parametrize(("name", "heeded"), [("board", True), ("a", True), ("gateway", True), ("b", False)])
def test_it_heeds_those_that_it_tells_and_those_of_whom(name: str, heeded: bool) -> None:
    sup = needed("gateway")

    assert SUPERVISOR.heeds is not None
    assert SUPERVISOR.heeds(sup.state, name) is heeded


# --- the parent ----------------------------------------------------------------------------------------------------


def degraded(sup: Family) -> str:
    assert SUPERVISOR.degraded is not None
    return SUPERVISOR.degraded(sup.state)


def test_a_supervisor_is_degraded_while_a_child_waits_for_a_restart() -> None:
    sup = needed()

    sup.crash("a")
    assert degraded(sup) == "a is restarting"
    sup.pass_time(1.0)

    assert degraded(sup) == ""


def test_a_supervisor_is_degraded_while_a_child_is_parked() -> None:
    sup = needed(restarts=0, on_limit=OnLimit.PARK)

    sup.crash("a")
    assert degraded(sup) == "a is parked"
    sup.say(StartActor(name="a"))

    assert degraded(sup) == ""


def test_a_supervisor_is_degraded_while_a_child_is_hung() -> None:
    sup = needed()

    sup.say(Hung(name="a", life=1, why="no sign of life"))

    assert degraded(sup) == "a is hung"


def test_a_child_stopped_by_order_degrades_nobody() -> None:
    sup = needed()

    sup.say(StopActor(name="a"))

    assert (degraded(sup), sup.states) == ("", "a:stopped b:ready")


def test_that_a_child_is_degraded_climbs_until_all_is_well_again() -> None:
    sup = needed()

    sup.say(ChildCondition(name="a", life=1, degraded="x is parked"))
    assert (sup.states, sup.tree.children[0].why, degraded(sup)) == (
        "a:degraded b:ready",
        "x is parked",
        "a is degraded",
    )
    sup.say(ChildCondition(name="a", life=1, degraded=""))

    assert (sup.states, degraded(sup)) == ("a:ready b:ready", "")


def test_a_degraded_child_that_fails_is_restarted_and_not_degraded_any_more() -> None:
    sup = needed(backoff=None)
    sup.say(ChildCondition(name="a", life=1, degraded="x is parked"))

    sup.crash("a")

    assert (sup.states, sup.story) == ("a:ready b:ready", "-a1 +a2")


def test_a_word_from_an_earlier_life_is_not_heard() -> None:
    sup = needed(backoff=None)
    sup.crash("a")

    sup.say(ChildCondition(name="a", life=1, degraded="x is parked"))

    assert sup.states == "a:ready b:ready"


def test_of_many_children_a_few_are_named() -> None:
    names = [f"c{n:02}" for n in range(ILL_SHOWN + 3)]
    sup = family(*names, backoff=SOON).up()

    sup.crash(*reversed(names))

    assert degraded(sup).endswith("c04 is restarting and 3 more")
    assert degraded(sup).startswith("c00 is restarting, c01 is restarting")


def test_a_child_that_is_removed_is_not_ill_any_more() -> None:
    sup = needed(restarts=0, on_limit=OnLimit.PARK)
    sup.crash("a")

    sup.say(RemoveActor(name="a"))

    assert degraded(sup) == ""
