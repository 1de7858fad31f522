"""Hung children: who is watched, what becomes of one that hangs, and what its end counts as."""

import pytest

from alluse_hub.protocols.children import Fault, FaultReported, StopActor
from alluse_hub.protocols.effects import Kill, Record, Spawn, Terminate, Wake, Watch
from alluse_hub.protocols.lifecycle import ChildEnded, ChildParked, ChildState, OnLimit, RestartType, Strategy
from alluse_hub.protocols.liveness import SUSPECTED, ChildHung, Hung, Liveness, LookAfter
from alluse_hub.supervision.supervisor_hung import TERM_GRACE_S
from alluse_hub.testing.family import Family, child, family

LIVENESS = Liveness()
SILENT = "no answer to a ping for 15.1 s"


def watched(*names: str, strategy: Strategy = Strategy.ONE_FOR_ONE, restarts: int = 20) -> Family:
    return family(*(child(name, liveness=LIVENESS) for name in names), strategy=strategy, restarts=restarts)


def hang(sup: Family, name: str, life: int = 1) -> None:
    sup.say(Hung(name=name, life=life, why=SILENT), "sup")


def ends(sup: Family) -> list[tuple[str, str]]:
    return [(fact.name, fact.cause) for _, fact in sup.facts(ChildEnded) if isinstance(fact, ChildEnded)]


def test_a_child_is_watched_from_when_it_is_up_and_again_in_each_life() -> None:
    sup = watched("a").up()
    sup.crash("a")

    watches = [effect for _, effect in sup.performed if isinstance(effect, Watch)]
    assert watches == [Watch("a", LIVENESS)] * 2


def test_without_a_liveness_nobody_is_watched() -> None:
    sup = family("a").up()

    assert [effect for _, effect in sup.performed if isinstance(effect, Watch)] == []


def test_a_hung_child_is_asked_by_the_kernel_to_end_and_recorded_with_the_grounds() -> None:
    sup = watched("a").up()
    hang(sup, "a")

    assert sup.effects[:3] == [
        Record(ChildHung(name="a", life=1, incarnation=1, why=SILENT)),
        Terminate("a"),
        Wake("hung a 1", TERM_GRACE_S),
    ]
    assert sup.states == "a:hung"


def test_one_that_does_not_obey_is_killed_after_the_grace_and_restarted() -> None:
    sup = watched("a").up()
    hang(sup, "a")
    sup.pass_time(TERM_GRACE_S - 0.1)
    assert sup.story == ""

    sup.pass_time(0.2)
    assert sup.story == "-a1 +a2"
    assert Kill("a") in [effect for _, effect in sup.performed]
    assert ends(sup) == [("a", f"hung: {SILENT}")]


def test_one_that_obeys_has_failed_all_the_same() -> None:
    sup = watched("a").up()
    hang(sup, "a")
    sup.end("a", "shutdown")
    sup.deliver()

    assert ends(sup) == [("a", f"hung: {SILENT}")]
    assert sup.story == "-a1 +a2"
    sup.pass_time(2 * TERM_GRACE_S)
    assert Kill("a") not in [effect for _, effect in sup.performed]


def test_a_transient_child_that_hung_is_restarted_though_it_ended_with_shutdown() -> None:
    sup = family(child("a", RestartType.TRANSIENT, liveness=LIVENESS)).up()
    hang(sup, "a")
    sup.end("a", "shutdown")
    sup.deliver()

    assert sup.story == "-a1 +a2"


def test_the_end_of_a_hung_child_is_reported_like_any_failure() -> None:
    sup = watched("a").up()
    hang(sup, "a")
    sup.pass_time(TERM_GRACE_S)

    reports = [fact for _, fact in sup.facts(FaultReported)]
    assert reports == [FaultReported(fault=Fault.CHILD_TERMINATED, child="a", cause=f"hung: {SILENT}")]


def test_a_verdict_on_an_earlier_life_or_a_stranger_says_nothing() -> None:
    sup = watched("a").up()
    sup.crash("a")
    sup.log.clear()

    for name, life in (("a", 1), ("nobody", 1)):
        sup.say(Hung(name=name, life=life, why=SILENT), "sup")
        assert sup.effects == []


def test_a_second_verdict_changes_nothing() -> None:
    sup = watched("a").up()
    hang(sup, "a")
    hang(sup, "a")

    assert sup.effects == []
    assert len(sup.facts(ChildHung)) == 1


def test_a_child_that_is_starting_or_stopping_is_judged_by_the_limits_of_those() -> None:
    sup = watched("a")
    sup.start_plans["a"] = ["hang"]
    sup.up()
    hang(sup, "a")
    assert sup.facts(ChildHung) == []

    sup = watched("a").up()
    sup.hangs_on_stop.add("a")
    sup.say(StopActor(name="a"))
    hang(sup, "a")
    assert sup.facts(ChildHung) == []


def test_a_hung_child_that_is_to_stop_is_stopped_as_any_other() -> None:
    sup = watched("a").up()
    hang(sup, "a")
    sup.hangs_on_stop.add("a")
    sup.say(StopActor(name="a"))
    assert sup.states == "a:stopping"

    sup.pass_time(TERM_GRACE_S)
    assert "a" not in sup.alive
    assert sup.states == "a:stopped"


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
def test_a_hung_child_takes_its_group_with_it_as_the_strategy_says(strategy: Strategy) -> None:
    sup = watched("a", "b", strategy=strategy).up()
    hang(sup, "a")
    sup.pass_time(TERM_GRACE_S)

    assert sup.story == "-a1 -b1 +a2 +b2"


def test_hangs_count_against_the_limit() -> None:
    sup = family(child("a", liveness=LIVENESS), restarts=2, on_limit=OnLimit.PARK).up()
    for life in (1, 2, 3):
        hang(sup, "a", life)
        sup.pass_time(TERM_GRACE_S)

    assert [fact for _, fact in sup.facts(ChildParked)] == [ChildParked(name="a", cause=f"hung: {SILENT}")]
    assert len([effect for _, effect in sup.performed if isinstance(effect, Spawn)]) == 3


def test_whatever_hangs_the_supervisor_ends_when_it_is_asked_to() -> None:
    sup = watched("a", "b").up()
    hang(sup, "a")
    sup.stop()

    assert sup.over == "shutdown"


def test_a_supervisor_is_watched_like_any_child() -> None:
    sup = family(child("a", kind="supervisor", liveness=LIVENESS)).up()
    hang(sup, "a")

    assert sup.tree.children[0].state is ChildState.HUNG


# --- looked after -----------------------------------------------------------------------------------------------------


def looked(sup: Family, name: str) -> list[Watch]:
    sup.say(LookAfter(name=name, why="it left a directive unheard"), "coordinator")
    return [effect for effect in sup.effects if isinstance(effect, Watch)]


def test_a_child_that_left_somebody_without_an_answer_is_watched_closely_as_long_as_it_lives() -> None:
    sup = watched("a", "b").up()

    assert looked(sup, "a") == [Watch("a", SUSPECTED)]
    assert looked(sup, "a") == [], "to be asked anew would put off the verdict"
    sup.crash("a")
    assert [effect for _, effect in sup.performed if isinstance(effect, Watch)][-1] == Watch("a", LIVENESS)
    assert looked(sup, "a") == [Watch("a", SUSPECTED)]


def test_whoever_is_watched_more_closely_already_is_watched_so_and_its_other_limits_stay() -> None:
    strict = Liveness(interval_s=0.5, limit_s=1.0, job_limit_s=None, mail_limit_s=7.0)
    sup = family(child("a", liveness=strict)).up()

    assert looked(sup, "a") == [Watch("a", strict)]


def test_what_runs_in_a_child_is_looked_after_with_it() -> None:
    sup = family(child("cell-1", liveness=LIVENESS, told_of=("ws1", "ws2"))).up()

    assert looked(sup, "ws2") == [Watch("cell-1", SUSPECTED)]


@pytest.mark.parametrize("name", ["nobody", "down", "unwatched", "hung"])
def test_nobody_else_is_looked_after(name: str) -> None:
    sup = family(
        child("down", liveness=LIVENESS), child("unwatched"), child("hung", liveness=LIVENESS), restarts=20
    ).up()
    sup.say(StopActor(name="down"), "operator")
    sup.say(Hung(name="hung", life=1, why=SILENT), "sup")

    assert looked(sup, name) == []
