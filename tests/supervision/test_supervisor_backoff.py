"""Restarts that wait: what goes down at once, what waits, and what the supervisor does meanwhile."""

import pytest

from alluse_hub.protocols.children import (
    AskChildren,
    ChildrenListed,
    OrderError,
    RemoveActor,
    RestartActor,
    Standing,
    StartActor,
    StartMember,
    StopActor,
    StopMember,
)
from alluse_hub.protocols.effects import Record, Send, Wake
from alluse_hub.protocols.lifecycle import Backoff, ChildRestarted, ChildState, OnLimit, RestartType, Strategy, Woken
from alluse_hub.testing.family import START_TIMEOUT_S, Family, child, family

ALL, REST, POOL = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE, Strategy.SIMPLE_ONE_FOR_ONE
EVEN = Backoff(at_once=0, first_s=1.0, factor=2.0, cap_s=6.0, jitter=0.0, reset_s=20.0)
"""1, 2, 4, 6, 6 ... s."""


def pauses(sup: Family) -> list[float]:
    return [fact.pause_s for _, fact in sup.facts(ChildRestarted) if isinstance(fact, ChildRestarted)]


def standings(sup: Family) -> str:
    sup.say(AskChildren())
    listed = [e.message for _, e in sup.performed if isinstance(e, Send) and isinstance(e.message, ChildrenListed)]
    return " ".join(f"{each.name}:{each.standing}" for each in listed[-1].children)


def next_tries(sup: Family) -> dict[str, float | None]:
    return {shown.name: shown.next_try for shown in sup.tree.children}


# --- the pause -----------------------------------------------------------------------------------------------------


def test_a_restart_waits_longer_from_one_to_the_next_of_a_row_and_never_longer_than_the_cap() -> None:
    sup = family("a", backoff=EVEN).up()

    for _ in range(6):
        sup.crash("a")
        sup.pass_time(6.0)

    assert pauses(sup) == [1.0, 2.0, 4.0, 6.0, 6.0, 6.0]
    assert sup.states == "a:ready"


def test_without_a_back_off_nothing_waits() -> None:
    sup = family("a").up()

    sup.crash("a")

    assert (pauses(sup), sup.story) == ([0.0], "-a1 +a2")


def test_the_first_restarts_of_a_row_wait_for_nothing() -> None:
    sup = family("a", backoff=EVEN.model_copy(update={"at_once": 2})).up()

    for _ in range(4):
        sup.crash("a")
        sup.pass_time(6.0)

    assert pauses(sup) == [0.0, 0.0, 1.0, 2.0]


@pytest.mark.parametrize(("up_s", "second"), [(19.9, 2.0), (20.0, 1.0)])
def test_a_row_is_over_when_the_child_was_up_for_a_quiet_time(up_s: float, second: float) -> None:
    sup = family("a", backoff=EVEN).up()

    sup.crash("a")
    sup.pass_time(1.0)
    sup.pass_time(up_s)
    sup.crash("a")

    assert pauses(sup) == [1.0, second]


def test_a_time_in_which_it_did_not_come_up_is_not_quiet() -> None:
    sup = family("a", backoff=EVEN, restarts=3).up()
    sup.start_plans = {"a": ["hang", "hang"]}

    sup.crash("a")
    sup.pass_time(1.0 + START_TIMEOUT_S + 2.0 + START_TIMEOUT_S)

    assert pauses(sup) == [1.0, 2.0, 4.0]


def test_a_start_that_hangs_is_killed_and_counted_under_back_off_too() -> None:
    sup = family("a", "b", backoff=EVEN, restarts=1, on_limit=OnLimit.PARK, siblings_wait=False).up()
    sup.start_plans = {"a": ["hang"]}

    sup.crash("a")
    sup.pass_time(1.0 + START_TIMEOUT_S)

    assert sup.story == "-a1 +a2 -a2"
    assert sup.states == "a:parked b:ready"
    assert sup.tree.children[0].last_exit == "start_timeout"


def test_jitter_tells_children_that_failed_together_apart_and_is_the_same_every_time() -> None:
    names = [f"c{n}" for n in range(20)]
    families = [family(*names, backoff=EVEN.model_copy(update={"jitter": 0.5})).up() for _ in range(2)]

    for sup in families:
        sup.crash(*names)

    assert pauses(families[0]) == pauses(families[1])
    assert len(set(pauses(families[0]))) == len(names)
    assert all(0.5 < pause <= 1.0 for pause in pauses(families[0]))


def test_the_next_try_is_shown_until_it_is_made() -> None:
    sup = family("a", "b", backoff=EVEN).up()

    sup.crash("a")
    assert (sup.states, next_tries(sup)) == ("a:restarting b:ready", {"a": 1.0, "b": None})

    sup.pass_time(1.0)
    assert (sup.states, next_tries(sup)) == ("a:ready b:ready", {"a": None, "b": None})


# --- the group -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "at_once", "later"),
    [
        (Strategy.ONE_FOR_ONE, "-b1", "-b1 +b2"),
        (REST, "-b1 -c1", "-b1 -c1 +b2 +c2"),
        (ALL, "-b1 -c1 -a1", "-b1 -c1 -a1 +a2 +b2 +c2"),
    ],
)
def test_who_goes_down_with_it_goes_at_once_and_the_start_waits(strategy: Strategy, at_once: str, later: str) -> None:
    sup = family("a", "b", "c", strategy=strategy, backoff=EVEN).up()

    sup.crash("b")
    assert sup.story == at_once
    sup.pass_time(0.999)
    assert sup.story == at_once
    sup.pass_time(0.001)

    assert sup.story == later
    assert sup.states == "a:ready b:ready c:ready"


def test_siblings_that_went_down_with_it_are_shown_as_restarting() -> None:
    sup = family("a", "b", "c", strategy=REST, backoff=EVEN).up()

    sup.crash("b")

    assert sup.states == "a:ready b:restarting c:restarting"


def test_a_pause_over_before_its_group_is_down_waits_for_that() -> None:
    sup = family("a", child("b", grace_s=5.0), strategy=ALL, backoff=EVEN).up()
    sup.hangs_on_stop = {"b"}

    sup.crash("a")
    sup.pass_time(1.0)
    assert sup.story == "-a1"
    sup.pass_time(10.0)

    assert sup.story == "-a1 -b1 +a2 +b2"


def test_a_try_of_the_group_that_fails_waits_longer_and_counts() -> None:
    sup = family("a", "b", strategy=ALL, backoff=EVEN, restarts=2).up()
    sup.start_plans = {"b": ["fail", "fail"]}

    sup.crash("b")
    sup.pass_time(3.0)

    assert pauses(sup) == [1.0, 2.0]
    assert sup.story == "-b1 -a1 +a2 !b2 -a2 +a3 !b3 -a3"
    assert sup.over == "shutdown"


def test_another_childs_failure_does_not_wait_for_a_pause() -> None:
    sup = family("a", "b", backoff=EVEN.model_copy(update={"at_once": 1})).up()
    sup.crash("a")
    sup.crash("a")

    sup.crash("b")

    assert sup.states == "a:restarting b:ready"
    assert sup.story == "-a1 +a2 -a2 -b1 +b2"


# --- orders meanwhile ----------------------------------------------------------------------------------------------


def test_while_it_waits_it_counts_as_restarting() -> None:
    sup = family("a", "b", backoff=EVEN).up()

    sup.crash("a")

    assert standings(sup) == f"a:{Standing.RESTARTING} b:{Standing.RUNNING}"


def test_a_stop_by_order_ends_the_attempts_and_leaves_the_rest_of_its_group_down() -> None:
    sup = family("a", "b", strategy=ALL, backoff=EVEN).up()
    sup.crash("a")

    sup.say(StopActor(name="a"))

    assert sup.answers[-1].text == "a is down"
    assert sup.states == "a:stopped b:stopped"
    assert sup.timers == {}
    sup.pass_time(60.0)
    assert sup.story == "-a1 -b1"


@pytest.mark.parametrize("order", [StartActor, RestartActor])
def test_a_start_by_order_does_not_wait(order: type[StartActor | RestartActor]) -> None:
    sup = family("a", "b", strategy=ALL, backoff=EVEN).up()
    sup.crash("a")

    sup.say(order(name="a"))

    assert sup.answers[-1].ok
    assert sup.story == "-a1 -b1 +a2 +b2"
    assert sup.timers == {}


@pytest.mark.parametrize("order", [StartActor, RestartActor])
def test_a_start_by_order_that_fails_is_told_and_the_attempts_go_on_with_a_new_row(
    order: type[StartActor | RestartActor],
) -> None:
    sup = family("a", backoff=EVEN).up()
    sup.start_plans = {"a": ["fail", "fail", "fail"]}
    sup.crash("a")
    sup.pass_time(1.0)

    sup.say(order(name="a"))

    assert sup.answers[-1].error is OrderError.START_FAILED
    assert sup.states == "a:restarting"
    assert pauses(sup) == [1.0, 2.0, 1.0]
    sup.pass_time(3.0)
    assert sup.states == "a:ready"


def test_a_start_by_order_releases_the_row() -> None:
    sup = family("a", backoff=EVEN).up()
    for _ in range(3):
        sup.crash("a")
        sup.pass_time(6.0)

    sup.say(StopActor(name="a"))
    sup.say(StartActor(name="a"))
    sup.crash("a")

    assert pauses(sup)[-1] == 1.0


def test_one_that_waits_cannot_be_removed() -> None:
    sup = family("a", backoff=EVEN).up()
    sup.crash("a")

    sup.say(RemoveActor(name="a"))

    assert sup.answers[-1].error is OrderError.RESTARTING


def test_a_sibling_started_by_order_meanwhile_is_restarted_with_its_group() -> None:
    sup = family("a", "b", strategy=ALL, backoff=EVEN).up()
    sup.crash("a")
    sup.say(StartActor(name="b"))
    assert sup.states == "a:restarting b:ready"

    sup.pass_time(1.0)

    assert sup.story == "-a1 -b1 +b2 -b2 +a2 +b3"


def test_a_failure_of_its_group_meanwhile_starts_it_with_the_others() -> None:
    sup = family("a", "b", "c", strategy=REST, backoff=EVEN.model_copy(update={"at_once": 1})).up()
    sup.crash("b")
    sup.crash("b")
    assert sup.states == "a:ready b:restarting c:restarting"

    sup.crash("a")

    assert sup.states == "a:ready b:ready c:ready"
    assert sup.timers == {}


def test_a_member_of_a_pool_waits_too_and_is_forgotten_when_it_is_stopped() -> None:
    sup = family("tpl", strategy=POOL, backoff=EVEN).up()
    for name in ("m1", "m2"):
        sup.say(StartMember(name=name))
    sup.crash("m1", "m2")
    assert sup.states == "m1:restarting m2:restarting"

    sup.say(StopMember(name="m1"))
    sup.pass_time(1.0)

    assert sup.states == "m2:ready"
    assert sup.timers == {}


def test_the_end_does_not_wait_for_a_pause() -> None:
    sup = family("a", "b", strategy=ALL, backoff=EVEN).up()
    sup.crash("a")

    sup.stop()

    assert sup.over == "shutdown"


def test_temporary_members_are_not_awaited() -> None:
    sup = family("a", child("t", RestartType.TEMPORARY), strategy=ALL, backoff=EVEN).up()

    sup.crash("a")
    sup.pass_time(1.0)

    assert sup.story == "-a1 -t1 +a2"


def test_a_late_timer_of_a_pause_changes_nothing() -> None:
    sup = family("a", backoff=EVEN).up()
    sup.crash("a")
    (timer,) = sup.timers
    sup.say(StartActor(name="a"))
    before = sup.state

    sup.timers[timer] = sup.now
    sup.pass_time(1.0)

    assert sup.state == before
    assert not any(isinstance(effect, Record | Wake) for effect in sup.effects)


def test_a_timer_of_an_earlier_pause_does_not_end_a_later_one() -> None:
    sup = family("a", backoff=EVEN).up()
    sup.start_plans = {"a": ["fail"]}
    sup.crash("a")
    (timer,) = sup.timers
    sup.say(StartActor(name="a"))
    assert sup.states == "a:restarting"

    sup.say(Woken(timer=timer), "sup")

    assert sup.states == "a:restarting"


# --- at the limit --------------------------------------------------------------------------------------------------


def test_over_the_limit_nothing_waits_any_more() -> None:
    sup = family("a", "b", backoff=EVEN, restarts=1, on_limit=OnLimit.PARK).up()
    sup.crash("a")
    sup.pass_time(1.0)

    sup.crash("a")

    assert sup.states == "a:parked b:ready"
    assert sup.timers == {}
    assert sup.state.child("a").standing is ChildState.PARKED
