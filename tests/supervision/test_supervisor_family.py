"""Pools, children that come and go, questions, significance, reports: beyond what was recorded from Erlang/OTP."""

from typing import Any, TypeVar

import pytest

from alluse_hub.protocols.children import (
    AddActor,
    AskChildren,
    AskChildSpec,
    AskCounts,
    AutoShutdownBegun,
    ChildListed,
    ChildrenCounted,
    ChildrenListed,
    ChildSpecTold,
    Fault,
    FaultReported,
    OrderError,
    RemoveActor,
    RestartActor,
    Standing,
    StartActor,
    StartMember,
    StopActor,
    StopMember,
)
from alluse_hub.protocols.effects import Kill, Send, Spawn, Stop, Wake
from alluse_hub.protocols.lifecycle import (
    KILLED,
    AutoShutdown,
    ChildKind,
    RestartType,
    Shutdown,
    Started,
    StopAsked,
    Strategy,
)
from alluse_hub.protocols.message import Message
from alluse_hub.supervision.supervisor_plans import KILL_MARGIN_S
from alluse_hub.testing.family import GRACE_S, Family, child, family

TRANSIENT, TEMPORARY = RestartType.TRANSIENT, RestartType.TEMPORARY
M = TypeVar("M", bound=Message)


def pool(restart: RestartType = RestartType.PERMANENT, **more: Any) -> Family:
    return family(child("tpl", restart), strategy=Strategy.SIMPLE_ONE_FOR_ONE, **more).up()


def with_members(sup: Family, *names: str) -> Family:
    for name in names:
        sup.say(StartMember(name=name))
    sup.log.clear()
    return sup


def added(name: str, **more: Any) -> AddActor:
    return AddActor(spec=child(name, **more).model_dump(mode="json"))


def last(sup: Family, kind: type[M]) -> M:
    """The last word of that kind that the supervisor said."""
    return [e.message for _, e in sup.performed if isinstance(e, Send) and isinstance(e.message, kind)][-1]


def reports(sup: Family) -> list[FaultReported]:
    return [fact for _, fact in sup.facts(FaultReported) if isinstance(fact, FaultReported)]


# --- pools ---------------------------------------------------------------------------------------------------------


def test_a_pool_starts_empty_and_its_members_are_made_after_the_template() -> None:
    sup = pool()
    assert sup.story == ""

    sup.say(StartMember(name="p1", spec={"lane": 1}))

    assert sup.story == "+p11"
    spawn = next(effect for _, effect in sup.performed if isinstance(effect, Spawn))
    assert (spawn.start.actor, spawn.start.spec) == ("fake.tpl", {"lane": 1})
    assert sup.answers[-1].ok


def test_members_are_stopped_together_and_reported_once_per_cause() -> None:
    sup = with_members(pool(), "a", "b", "c", "d")
    sup.hangs_on_stop = {"b", "d"}

    sup.stop()
    assert sup.story == "-a1 -c1"

    sup.pass_time(GRACE_S + KILL_MARGIN_S)
    assert sup.over == "shutdown"
    assert reports(sup) == [FaultReported(fault=Fault.SHUTDOWN_ERROR, child="tpl", cause="killed", children=2)]


def test_killed_members_are_reported_together_whatever_killed_them() -> None:
    sup = with_members(pool(restarts=0), "a", "b", "c")
    sup.hangs_on_stop = {"a", "b"}

    sup.crash("c", "a", cause="killed")
    sup.end("b", "killed: it did not end within its grace")
    sup.deliver()

    assert reports(sup)[-1] == FaultReported(fault=Fault.SHUTDOWN_ERROR, child="tpl", cause="killed", children=2)


def test_a_member_found_dead_when_the_pool_gives_up_is_counted_among_the_improper_ends() -> None:
    sup = with_members(pool(restarts=0), "a", "b", "c")

    sup.crash("c", "a")

    assert sup.story == "-c1 -a1 -b1"
    assert [(r.fault, r.child) for r in reports(sup)] == [
        (Fault.CHILD_TERMINATED, "c"), (Fault.SHUTDOWN, "c"), (Fault.SHUTDOWN_ERROR, "tpl"),
    ]  # fmt: skip


def test_an_improper_end_of_a_member_stopped_alone_is_reported_by_its_name() -> None:
    sup = with_members(pool(), "a", "b")
    sup.hangs_on_stop = {"a"}

    sup.say(StopMember(name="a"))
    sup.pass_time(GRACE_S + KILL_MARGIN_S)

    assert reports(sup) == [FaultReported(fault=Fault.SHUTDOWN_ERROR, child="a", cause="killed")]
    assert sup.answers[-1].text == "a is down"
    assert sup.states == "b:ready"


@pytest.mark.parametrize("restart", [TRANSIENT, TEMPORARY])
def test_a_member_that_is_not_restarted_leaves_its_pool(restart: RestartType) -> None:
    sup = with_members(pool(restart), "a", "b")

    sup.crash("a", cause="normal")

    assert sup.states == "b:ready"


def test_a_member_whose_restart_has_nothing_to_run_leaves_its_pool() -> None:
    sup = with_members(pool(), "a", "b")
    sup.start_plans = {"a": ["ignore"]}

    sup.crash("a")

    assert sup.story == "-a1 ~a2"
    assert sup.states == "b:ready"


def test_a_member_stopped_between_two_tries_is_gone_and_counts_as_nothing() -> None:
    """Where Erlang/OTP 25 is one out in its count of those that run."""
    sup = with_members(pool(), "a", "b")
    sup.start_plans = {"a": ["hang"]}
    sup.crash("a")
    sup.mail.extend([StopMember(name="a"), AskCounts()])
    sup.deliver()

    sup.end("a", "error: no start")
    sup.deliver()

    counted = ChildrenCounted(supervisor="sup", specs=1, active=1, supervisors=0, workers=1)
    assert last(sup, ChildrenCounted) == counted


@pytest.mark.parametrize(
    "order", [StartActor(name="a"), StopActor(name="a"), RestartActor(name="a"), RemoveActor(name="a"), added("x")]
)
def test_orders_by_name_are_not_for_pools(order: Message) -> None:
    sup = with_members(pool(), "a")

    sup.say(order)

    assert sup.answers[-1].error is OrderError.SIMPLE_ONE_FOR_ONE
    assert sup.story == ""


def test_a_member_of_the_same_name_is_refused_and_one_that_is_not_there_is_stopped_already() -> None:
    sup = with_members(pool(), "a")

    sup.say(StartMember(name="a"))
    assert sup.answers[-1].error is OrderError.ALREADY_STARTED

    sup.say(StopMember(name="z"))
    assert sup.answers[-1].ok


def test_members_are_for_pools_only() -> None:
    sup = family("a").up()

    sup.say(StartMember(name="b"))
    assert (sup.answers[-1].error, sup.answers[-1].cause) == (OrderError.INVALID, "invalid_child_spec")

    sup.say(StopMember(name="a"))
    assert sup.answers[-1].error is OrderError.NOT_FOUND
    assert sup.story == ""


def test_a_pool_of_significant_members_ends_with_the_last_one() -> None:
    sup = with_members(
        family(
            child("tpl", TEMPORARY, significant=True),
            strategy=Strategy.SIMPLE_ONE_FOR_ONE,
            auto_shutdown=AutoShutdown.ALL_SIGNIFICANT,
        ).up(),
        "a",
        "b",
    )

    sup.crash("a")
    assert sup.over == ""

    sup.crash("b")
    assert sup.over == "shutdown"
    assert [fact for _, fact in sup.facts(AutoShutdownBegun)] == [AutoShutdownBegun(child="b", cause="error: boom")]


# --- children that come and go -------------------------------------------------------------------------------------


def test_an_added_child_is_last_in_line_and_a_removed_one_is_forgotten() -> None:
    sup = family("a", strategy=Strategy.ONE_FOR_ALL).up()

    sup.say(added("b"))
    sup.crash("a")
    assert sup.story == "+b1 -a1 -b1 +a2 +b2"

    sup.say(StopActor(name="a"))
    sup.say(RemoveActor(name="a"))
    assert sup.states == "b:ready"
    assert sup.answers[-1].text == "a is forgotten"


def test_a_child_that_runs_is_not_removed() -> None:
    sup = family("a").up()

    sup.say(RemoveActor(name="a"))

    assert sup.answers[-1].error is OrderError.RUNNING
    assert sup.states == "a:ready"


def test_an_added_child_that_does_not_start_is_not_taken_in() -> None:
    sup = family("a").up()
    sup.start_plans = {"b": ["fail"]}

    sup.say(added("b"))

    answer = sup.answers[-1]
    assert (answer.error, answer.cause) == (OrderError.START_FAILED, "error: no start")
    assert answer.text == "b did not start: error: no start; it is not taken in"
    assert sup.states == "a:ready"
    assert reports(sup) == []


def test_an_added_child_with_nothing_to_run_is_known_and_down_unless_it_is_temporary() -> None:
    sup = family("a").up()
    sup.start_plans = {"b": ["ignore"], "t": ["ignore"]}

    sup.say(added("b"))
    sup.say(added("t", restart=TEMPORARY))

    assert [(done.ok, done.ignored) for done in sup.answers] == [(True, True), (True, True)]
    assert sup.states == "a:ready b:stopped"


def test_a_refused_specification_is_told_by_word_and_changes_nothing() -> None:
    sup = family("a").up()
    before = sup.state

    sup.say(AddActor(spec={"name": "b", "start": {"actor": "x"}, "restart": "eternal"}))

    answer = sup.answers[-1]
    assert (answer.name, answer.error, answer.cause) == ("b", OrderError.INVALID, "invalid_restart_type: 'eternal'")
    assert sup.state == before


@pytest.mark.parametrize(
    ("stopped", "error"), [(False, OrderError.ALREADY_STARTED), (True, OrderError.ALREADY_PRESENT)]
)
def test_a_name_that_is_taken_is_not_added(stopped: bool, error: OrderError) -> None:
    sup = family("a").up()
    if stopped:
        sup.say(StopActor(name="a"))

    sup.say(added("a"))

    assert sup.answers[-1].error is error


# --- questions -----------------------------------------------------------------------------------------------------


def test_children_are_listed_counted_and_told_as_specified() -> None:
    sup = family("a", child("m", kind=ChildKind.SUPERVISOR), child("t", TRANSIENT)).up()
    sup.crash("t", cause="normal")

    for question in (AskChildren(), AskCounts(), AskChildSpec(name="t")):
        sup.say(question)

    assert last(sup, ChildrenListed).children == (
        ChildListed(name="a", kind=ChildKind.WORKER, standing=Standing.RUNNING, life=1),
        ChildListed(name="m", kind=ChildKind.SUPERVISOR, standing=Standing.RUNNING, life=1),
        ChildListed(name="t", kind=ChildKind.WORKER, standing=Standing.STOPPED, life=1),
    )
    assert last(sup, ChildrenCounted) == ChildrenCounted(supervisor="sup", specs=3, active=2, supervisors=1, workers=2)
    assert last(sup, ChildSpecTold).spec == child("t", TRANSIENT)


def test_a_question_for_a_stranger_is_answered_that_it_is_one() -> None:
    sup = family("a").up()

    sup.say(AskChildSpec(name="x"))

    assert sup.answers[-1].error is OrderError.NOT_FOUND


def test_questions_wait_while_a_child_starts_only_if_siblings_wait() -> None:
    for siblings_wait in (True, False):
        sup = family("a", "b", siblings_wait=siblings_wait).up()
        sup.start_plans = {"a": ["hang"]}
        sup.crash("a")

        sup.say(AskCounts())

        answered = [e for e in sup.effects if isinstance(e, Send) and isinstance(e.message, ChildrenCounted)]
        assert bool(answered) is not siblings_wait


# --- significance --------------------------------------------------------------------------------------------------


def test_a_significant_child_between_two_tries_is_not_gone_yet() -> None:
    significant = [child(name, TRANSIENT, significant=True) for name in "ab"]
    sup = family(*significant, auto_shutdown=AutoShutdown.ALL_SIGNIFICANT, siblings_wait=False).up()
    sup.start_plans = {"a": ["hang"]}

    sup.crash("a")
    sup.crash("b", cause="normal")

    assert sup.over == ""
    assert sup.states == "a:starting b:stopped"


# --- ways to stop --------------------------------------------------------------------------------------------------


def test_brutal_kill_asks_nobody_and_infinity_waits_without_end() -> None:
    sup = family(child("a", shutdown=Shutdown.BRUTAL_KILL), child("b", shutdown=Shutdown.INFINITY)).up()
    sup.hangs_on_stop = {"b"}
    page = len(sup.performed)

    sup.stop()
    sup.pass_time(1_000_000.0)
    assert [e for _, e in sup.performed[page:] if isinstance(e, Stop | Wake | Kill)] == [Stop("b", "shutdown", None)]

    sup.end("b", "shutdown")
    sup.deliver()
    assert sup.story == "-b1 -a1"
    assert Kill("a") in [effect for _, effect in sup.performed]
    assert reports(sup) == []


def test_a_supervisor_whose_parent_was_killed_stops_its_children_in_order_and_ends_with_that_cause() -> None:
    sup = family("a", "b").up()

    sup.say(StopAsked(reason=KILLED))

    assert sup.story == "-b1 -a1"
    assert sup.over == KILLED
    assert Stop("b", "shutdown", GRACE_S) in [effect for _, effect in sup.performed]


# --- starts that are nothing ---------------------------------------------------------------------------------------


def test_a_child_with_nothing_to_run_is_left_down_and_the_next_one_starts() -> None:
    sup = family("a", "b", child("t", TEMPORARY), "c")
    sup.start_plans = {"b": ["ignore"], "t": ["ignore"]}

    sup.say(Started(incarnation=1))

    assert sup.story == "+a1 ~b1 ~t1 +c1"
    assert sup.states == "a:ready b:stopped c:ready"
    assert reports(sup) == []


def test_a_restart_by_order_that_has_nothing_to_run_is_answered_so() -> None:
    sup = family("a").up()
    sup.start_plans = {"a": ["ignore"]}

    sup.say(RestartActor(name="a"))

    assert sup.answers[-1].ignored
    assert sup.story == "-a1 ~a2"
