import pytest

from alluse_hub.protocols.children import REACHED_MAX_INTENSITY, ActorOrderDone, Fault, FaultReported, StartActor
from alluse_hub.protocols.effects import Record, Stop
from alluse_hub.protocols.lifecycle import ChildEnded, ChildParked, GaveUp, OnLimit, RestartType, Started, Strategy
from alluse_hub.supervision.supervisor import SELF_GRACE_S
from alluse_hub.testing.family import GRACE_S, child, family

TRANSIENT, TEMPORARY = RestartType.TRANSIENT, RestartType.TEMPORARY
ALL, REST = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE
PARK = OnLimit.PARK


def test_supervisor_over_its_limit_stops_all_in_reverse_and_ends_with_shutdown() -> None:
    sup = family("a", "b", "c", restarts=1).up()
    sup.crash("b")

    sup.end("b", "killed")
    sup.deliver(letters=1)

    assert sup.effects[:5] == [
        Record(ChildEnded(name="b", life=2, incarnation=2, cause="killed")),
        Record(FaultReported(fault=Fault.CHILD_TERMINATED, child="b", cause="killed")),
        Record(FaultReported(fault=Fault.SHUTDOWN, child="b", cause=REACHED_MAX_INTENSITY)),
        Record(GaveUp(child="b", cause="killed")),
        Stop("c", "shutdown", GRACE_S),
    ]
    sup.deliver()
    assert sup.story == "-b1 +b2 -b2 -c1 -a1"
    assert sup.effects[-1] == Stop("sup", "shutdown", SELF_GRACE_S)


def test_restarts_older_than_the_period_do_not_count() -> None:
    sup = family("a", restarts=1, period_s=10).up()

    for _ in range(5):
        sup.crash("a")
        sup.pass_time(10.001)

    assert sup.states == "a:ready"
    assert sup.over == ""


def test_temporary_and_orderly_transient_ends_cost_nothing() -> None:
    sup = family(child("t", TEMPORARY), child("n", TRANSIENT), "a", restarts=0).up()

    sup.crash("t")
    sup.crash("n", cause="normal")

    assert sup.states == "n:stopped a:ready"


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_temporary_member_gets_its_first_start_though_one_before_it_failed(strategy: Strategy) -> None:
    sup = family("a", child("t", TEMPORARY), child("u", TEMPORARY), "b", strategy=strategy, on_limit=PARK)
    sup.start_plans = {"a": ["fail"], "u": ["fail"]}

    sup.say(Started(incarnation=1))

    assert sup.story == "!a1 +a2 +t1 !u1 +b1"
    assert sup.states == "a:ready t:ready b:ready"


def test_child_over_its_limit_is_parked_and_the_rest_goes_on() -> None:
    sup = family("a", "b", restarts=1, on_limit=PARK).up()

    sup.crash("a")
    sup.crash("a")
    sup.crash("b")

    assert sup.story == "-a1 +a2 -a2 -b1 +b2"
    assert sup.states == "a:parked b:ready"
    assert [fact for _, fact in sup.facts(ChildParked)] == [ChildParked(name="a", cause="error: boom")]


def test_parked_child_is_released_by_start_with_a_fresh_budget() -> None:
    sup = family("a", restarts=1, on_limit=PARK).up()
    sup.crash("a")
    sup.crash("a")

    sup.say(StartActor(name="a"), "gateway")
    assert sup.answers == [ActorOrderDone(name="a", ok=True, text="a is up")]

    sup.crash("a")
    assert sup.states == "a:ready"
    sup.crash("a")
    assert sup.states == "a:parked"


def test_failed_first_start_is_tried_again_where_the_limit_parks() -> None:
    sup = family("a", "b", "c", restarts=1, on_limit=PARK)
    sup.start_plans = {"b": ["fail"], "a": ["fail", "fail"]}

    sup.say(Started(incarnation=1))

    assert sup.states == "a:parked b:ready c:ready"


@pytest.mark.parametrize(
    ("strategy", "story"),
    [
        (ALL, "+a1 !b1 -a1 +a2 +b2 +c1"),
        (REST, "+a1 !b1 +b2 +c1"),
    ],
)
def test_failed_first_start_of_a_group_is_tried_again_as_its_strategy_says(strategy: Strategy, story: str) -> None:
    sup = family("a", "b", "c", strategy=strategy, restarts=1, on_limit=PARK)
    sup.start_plans = {"b": ["fail"]}

    sup.say(Started(incarnation=1))

    assert sup.story == story


@pytest.mark.parametrize(
    ("strategy", "story"),
    [
        (ALL, "-a1 -d1 -c1 -b1 +a2 !b2 -a2 +a3 !b3 +c2 +d2"),
        (REST, "-a1 -d1 -c1 -b1 +a2 !b2 !b3 +c2 +d2"),
    ],
)
def test_member_parked_in_the_restart_of_its_group_does_not_keep_the_others_down(
    strategy: Strategy, story: str
) -> None:
    sup = family("a", "b", "c", "d", strategy=strategy, restarts=1, on_limit=PARK).up()
    sup.start_plans = {"b": ["fail", "fail"]}

    sup.crash("a")

    assert sup.story == story
    assert sup.states == "a:ready b:parked c:ready d:ready"


def test_parked_member_is_not_revived_by_its_group() -> None:
    sup = family("a", "b", strategy=ALL, restarts=1, on_limit=PARK).up()
    sup.crash("b")
    sup.crash("b")
    sup.log.clear()

    sup.crash("a")

    assert sup.story == "-a2 +a3"
    assert sup.states == "a:ready b:parked"
