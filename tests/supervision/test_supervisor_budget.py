"""The limit: budgets that are kept, shown and cleared; and a platform that stops for one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.children import BudgetUsed, PlatformStopped, RemoveActor, StartActor, StopActor
from alluse_hub.protocols.effects import Record, Send
from alluse_hub.protocols.lifecycle import OnLimit, Started, Strategy
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.supervisor_state import Supervisor
from alluse_hub.testing.family import Family, family

PARK, STOP = OnLimit.PARK, OnLimit.STOP


def reborn(sup: Family) -> Family:
    """The next incarnation, which has nothing but the facts."""
    after = Family(sup.spec, now=sup.now)
    after.state = folded(sup)
    after.say(Started(incarnation=2))
    after.log.clear()
    return after


def folded(sup: Family) -> Supervisor:
    state = SUPERVISOR.start("sup", sup.spec)
    assert SUPERVISOR.evolve is not None
    for _, effect in sup.performed:
        if isinstance(effect, Record) and type(effect.fact) in SUPERVISOR.facts:
            state = SUPERVISOR.evolve(state, effect.fact)
    return state


def budgets(state: Supervisor) -> dict[str, tuple[float, ...]]:
    own = {child.name: child.restart_times for child in state.children if child.restart_times}
    return own | ({"": state.restart_times} if state.restart_times else {})


# --- kept ----------------------------------------------------------------------------------------------------------


def test_restarts_count_over_a_restart_of_the_supervisor() -> None:
    sup = family("a", restarts=2, keeps_budget=True).up()
    sup.crash("a")
    sup.crash("a")

    again = reborn(sup)
    assert len(again.tree.restart_times) == 2
    again.crash("a")

    assert again.over == "shutdown"


def test_what_a_child_has_used_counts_over_a_restart_of_the_supervisor() -> None:
    sup = family("a", "b", restarts=1, on_limit=PARK, keeps_budget=True).up()
    sup.crash("a")

    again = reborn(sup)
    again.crash("a")
    again.crash("b")

    assert again.states == "a:parked b:ready"


def test_windows_are_exact_over_a_restart_of_the_supervisor() -> None:
    sup = family("a", restarts=1, period_s=10.0, keeps_budget=True).up()
    sup.crash("a")
    sup.pass_time(10.001)

    again = reborn(sup)
    again.crash("a")

    assert again.over == ""


def test_giving_up_clears_the_budget() -> None:
    sup = family("a", restarts=1, keeps_budget=True).up()
    sup.crash("a")
    sup.crash("a")
    assert sup.over == "shutdown"

    assert budgets(folded(sup)) == {}


@pytest.mark.parametrize("release", [StartActor, RemoveActor])
def test_parking_and_the_operators_release_clear_the_budget(release: type[StartActor | RemoveActor]) -> None:
    sup = family("a", "b", restarts=2, on_limit=PARK, keeps_budget=True).up()
    for _ in range(3):
        sup.crash("a")
    assert budgets(folded(sup)) == {}

    sup.crash("b")
    sup.say(StopActor(name="b"))
    sup.say(release(name="b"))

    assert budgets(folded(sup)) == {}


def test_without_being_asked_to_a_supervisor_keeps_nothing() -> None:
    sup = family("a", restarts=1).up()
    sup.crash("a")

    assert sup.facts(BudgetUsed) == []
    assert SUPERVISOR.recovers is not None
    assert not SUPERVISOR.recovers(sup.state)


def test_facts_of_a_child_that_is_gone_from_the_specification_are_passed_over() -> None:
    assert SUPERVISOR.evolve is not None
    state = family("a", keeps_budget=True).state

    assert SUPERVISOR.evolve(state, BudgetUsed(child="gone", times=(1.0,))) == state


def test_a_snapshot_holds_the_budgets_and_takes_the_specification_of_today() -> None:
    assert SUPERVISOR.restore is not None
    sup = family("a", "b", restarts=3, on_limit=PARK, keeps_budget=True).up()
    sup.crash("a")
    adapter = TypeAdapter(Supervisor)
    kept = adapter.validate_json(adapter.dump_json(SUPERVISOR.restore(SUPERVISOR.start("sup", sup.spec), sup.state)))

    today = SUPERVISOR.restore(family("a", "c", restarts=5, on_limit=PARK, keeps_budget=True).state, kept)

    assert budgets(today) == {"a": (0.0,)}
    assert today.spec.intensity.restarts == 5
    assert today.order == ("a", "c")


acts = st.lists(
    st.one_of(
        st.builds(lambda name, times: lambda sup: [sup.crash(name) for _ in range(times)],
                  st.sampled_from("abc"), st.integers(1, 5)),
        st.builds(lambda kind, name: lambda sup: sup.say(kind(name=name)),
                  st.sampled_from([StartActor, StopActor]), st.sampled_from("abc")),
        st.builds(lambda seconds: lambda sup: sup.pass_time(seconds), st.sampled_from([0.5, 3.0, 11.0])),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(acts=acts, on_limit=st.sampled_from(OnLimit), strategy=st.sampled_from([*Strategy][:3]))
def test_folding_the_facts_of_any_run_gives_the_live_budgets(
    acts: list[object], on_limit: OnLimit, strategy: Strategy
) -> None:
    sup = family("a", "b", "c", strategy=strategy, restarts=3, period_s=10.0, on_limit=on_limit, keeps_budget=True).up()

    for act in acts:
        act(sup)  # type: ignore[operator]  # hypothesis builds them untyped

    assert budgets(folded(sup)) == budgets(sup.state)


# --- on_limit = stop -----------------------------------------------------------------------------------------------


def test_over_a_limit_that_stops_the_platform_the_root_is_told_who_and_why() -> None:
    sup = family("a", "b", restarts=1, on_limit=STOP).up()
    sup.crash("a")
    sup.end("a", "error: boom")
    sup.deliver(letters=1)

    (order,) = [e.message for e in sup.effects if isinstance(e, Send) and e.to == "hub"]
    assert order == ShutDown(
        by="sup",
        reason="a used up the restarts that sup allows: error: boom",
        fault="a used up the restarts that sup allows: error: boom",
    )
    assert [fact for _, fact in sup.facts(PlatformStopped)] == [PlatformStopped(child="a", cause="error: boom")]
    assert sup.states == "a:parked b:ready"


def test_one_budget_is_shared_where_the_limit_stops_the_platform() -> None:
    sup = family("a", "b", restarts=1, on_limit=STOP).up()

    sup.crash("a")
    sup.crash("b")

    assert sup.over == "shutdown"
    assert len(sup.facts(PlatformStopped)) == 1


def test_a_failed_first_start_is_tried_again_where_the_limit_stops_the_platform() -> None:
    sup = family("a", "b", restarts=1, on_limit=STOP)
    sup.start_plans = {"a": ["fail"]}

    sup.say(Started(incarnation=1))

    assert sup.states == "a:ready b:ready"


# --- shown ---------------------------------------------------------------------------------------------------------


def test_what_is_used_of_a_budget_is_shown_where_it_is_kept() -> None:
    shared = family("a", restarts=3).up()
    shared.pass_time(2.0)
    shared.crash("a")
    own = family("a", "b", restarts=3, on_limit=PARK).up()
    own.crash("b")

    assert (shared.tree.restart_times, shared.tree.children[0].restart_times) == ((2.0,), ())
    assert (own.tree.restart_times, [c.restart_times for c in own.tree.children]) == ((), [(), (0.0,)])
