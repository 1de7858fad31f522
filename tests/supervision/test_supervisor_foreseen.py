"""What an order would do: told by rehearsal, so it has to be what the order then does; and nothing may change."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.children import RestartActor, StopActor
from alluse_hub.protocols.effects import Send
from alluse_hub.protocols.foresight import Foresee, Foreseen, Foretold, Outcome
from alluse_hub.protocols.lifecycle import (
    Backoff,
    CellSpec,
    ChildKind,
    ChildSpec,
    ChildStart,
    OnLimit,
    ResidentSpec,
    RestartType,
    Strategy,
    SupervisorSpec,
)
from alluse_hub.protocols.message import Envelope
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.testing.family import Family, child, family

PARK, STOP = OnLimit.PARK, OnLimit.STOP


def foreseen(sup: Family, name: str, order: Foretold = Foretold.RESTART) -> Foreseen:
    """As whoever asks gets it; the state must be the very same after it."""
    letter = Envelope("gateway/1/1", "gateway", "sup", Foresee(name=name, order=order), sup.now)
    decision = SUPERVISOR.decide(sup.state, letter)
    assert decision.state is sup.state
    (said,) = decision.effects
    assert isinstance(said, Send)
    assert isinstance(said.message, Foreseen)
    assert said.to == "gateway"
    return said.message


def test_a_restart_stops_and_starts_the_child_and_costs_nothing() -> None:
    told = foreseen(family("a", "b", "c").up(), "b")

    assert (told.goes_down, told.comes_back) == (("b",), ("b",))
    assert (told.used, told.limit.restarts, told.strategy) == (0, 20, Strategy.ONE_FOR_ONE)


def test_a_stop_only_stops_it() -> None:
    told = foreseen(family("a", "b").up(), "a", Foretold.STOP)

    assert (told.goes_down, told.comes_back, told.failure) == (("a",), (), None)


def test_what_is_used_of_the_budget_is_told() -> None:
    sup = family("a", "b").up()
    sup.crash("a")
    sup.crash("a")

    assert foreseen(sup, "b").used == 2
    sup.pass_time(31.0)
    assert foreseen(sup, "b").used == 0


def test_where_the_limit_parks_the_budget_is_the_childs_own() -> None:
    sup = family("a", "b", on_limit=PARK).up()
    sup.crash("a")

    assert (foreseen(sup, "a").used, foreseen(sup, "b").used) == (1, 0)


@pytest.mark.parametrize(
    ("more", "outcome", "goes_down"),
    [
        ({}, Outcome.GIVES_UP, ("c", "a")),
        ({"on_limit": PARK}, Outcome.PARKED, ()),
        ({"on_limit": STOP}, Outcome.HUB_ENDS, ()),
        ({"strategy": Strategy.ONE_FOR_ALL}, Outcome.GIVES_UP, ("c", "a")),
        ({"strategy": Strategy.REST_FOR_ONE, "on_limit": PARK}, Outcome.PARKED, ("c",)),
    ],
)
def test_if_it_did_not_start_the_limit_says_what_becomes_of_it_and_who_goes_too(
    more: dict[str, Any], outcome: Outcome, goes_down: tuple[str, ...]
) -> None:
    failure = foreseen(family("a", "b", "c", restarts=3, **more).up(), "b").failure

    assert failure is not None
    assert (failure.tries, failure.outcome, failure.goes_down) == (3, outcome, goes_down)


def test_pauses_are_told_and_time_passes_in_them() -> None:
    sup = family("a", restarts=3, on_limit=PARK, siblings_wait=False, backoff=Backoff(jitter=0.0)).up()
    failure = foreseen(sup, "a").failure

    assert failure is not None
    assert failure.pauses_s == (0.1, 0.2)


def test_restarts_so_far_apart_that_no_limit_is_broken_go_on() -> None:
    slow = Backoff(at_once=0, first_s=60.0, cap_s=60.0)
    sup = family("a", restarts=3, period_s=30.0, on_limit=PARK, siblings_wait=False, backoff=slow).up()
    failure = foreseen(sup, "a").failure

    assert failure is not None
    assert failure.outcome is Outcome.TRIED_ON


def test_one_that_is_not_restarted_stays_down() -> None:
    sup = family(child("a", RestartType.TEMPORARY)).up()
    failure = foreseen(sup, "a").failure

    assert failure is not None
    assert (failure.tries, failure.outcome) == (0, Outcome.STAYS_DOWN)


def test_an_order_that_would_be_refused_is_told_so() -> None:
    told = foreseen(family("a").up(), "x")

    assert "'x' is not a child of sup; known: a" in told.refused
    assert (told.goes_down, told.comes_back, told.failure) == ((), (), None)


def test_what_is_under_way_is_taken_to_end_well_first() -> None:
    sup = family("a", "b")
    sup.start_plans = {"b": ["hang"]}
    sup.up()

    told = foreseen(sup, "b")

    assert (told.goes_down, told.comes_back) == (("b",), ("b",))


def test_who_lives_below_goes_along() -> None:
    cell = CellSpec(residents=(ResidentSpec(name="x", start=ChildStart(actor="m")),))
    inner = SupervisorSpec(
        children=(
            ChildSpec(name="leaf", start=ChildStart(actor="m")),
            ChildSpec(name="cell-1", start=ChildStart(actor="cell", spec=cell.model_dump(mode="json"))),
        )
    )
    start = ChildStart(actor="sup", spec=inner.model_dump(mode="json"))
    sup = family("a", ChildSpec(name="inner", start=start, kind=ChildKind.SUPERVISOR)).up()

    assert foreseen(sup, "inner").below == ("leaf", "cell-1", "x")
    assert foreseen(sup, "a").below == ()


FAMILIES = st.builds(
    lambda strategy, on_limit, waits, restarts, crashes: (strategy, on_limit, waits, restarts, crashes),
    st.sampled_from([Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE]),
    st.sampled_from([OnLimit.ESCALATE, PARK]),
    st.booleans(),
    st.integers(2, 4),
    st.lists(st.sampled_from("abc"), max_size=2),
)


@given(FAMILIES, st.sampled_from("abc"), st.sampled_from(list(Foretold)))
def test_the_order_does_what_was_foreseen(world: Any, name: str, order: Foretold) -> None:
    strategy, on_limit, waits, restarts, crashes = world
    sup = family("a", "b", "c", strategy=strategy, on_limit=on_limit, siblings_wait=waits, restarts=restarts).up()
    for crashed in crashes:
        sup.crash(crashed)
    told = foreseen(sup, name, order)
    sup.log.clear()

    sup.say(RestartActor(name=name) if order is Foretold.RESTART else StopActor(name=name))

    assert tuple(word[1:-1] for word in sup.log if word.startswith("-")) == told.goes_down
    assert tuple(word[1:-1] for word in sup.log if word.startswith("+")) == told.comes_back
    assert sup.answers[-1].ok is not bool(told.refused)


@given(FAMILIES, st.sampled_from("abc"))
def test_a_start_that_fails_takes_the_course_that_was_foreseen(world: Any, name: str) -> None:
    strategy, on_limit, waits, restarts, crashes = world
    sup = family("a", "b", "c", strategy=strategy, on_limit=on_limit, siblings_wait=waits, restarts=restarts).up()
    for crashed in crashes:
        sup.crash(crashed)
    failure = foreseen(sup, name).failure
    assert failure is not None
    sup.log.clear()
    sup.start_plans = {name: ["fail"] * 50}

    sup.say(RestartActor(name=name))

    assert sum(word.startswith(f"!{name}") for word in sup.log) == failure.tries + 1
    assert bool(sup.over) is (failure.outcome is Outcome.GIVES_UP)
