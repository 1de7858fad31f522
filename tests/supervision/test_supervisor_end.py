"""A supervisor's end under a deadline, and the root's in phases."""

import pytest

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.effects import Record, Send, Stop
from alluse_hub.protocols.ending import (
    CloseIntake,
    Drain,
    Drained,
    EndBegun,
    EndPlan,
    Flush,
    Flushed,
    HubEnded,
    IntakeClosed,
    Overran,
    Overrun,
    Phase,
    PhaseEnded,
)
from alluse_hub.protocols.lifecycle import ChildKind, PeerUp, Shutdown, Started, StopAsked
from alluse_hub.protocols.message import Message
from alluse_hub.supervision.supervisor import SUPERVISOR
from alluse_hub.supervision.supervisor_end import AGAIN_S
from alluse_hub.testing.family import Family, child, family

PLAN = EndPlan(total_s=30.0, intake=("gateway", "router"), drain=("router",), flush="auditor")
SHUT_DOWN = ShutDown(by="ann", reason="night")


def stops(sup: Family) -> list[Stop]:
    return [effect for _, effect in sup.performed if isinstance(effect, Stop) and effect.name != "sup"]


def sent(sup: Family, *kinds: type[Message]) -> list[tuple[str, Message]]:
    sends = (effect for _, effect in sup.performed if isinstance(effect, Send) and isinstance(effect.message, kinds))
    return [(effect.to, effect.message) for effect in sends]


def root(plan: EndPlan = PLAN) -> Family:
    return family(child("auditor", grace_s=5.0), "rest", child("gateway", grace_s=5.0), end=plan).up()


def phases(sup: Family) -> list[tuple[str, float, tuple[str, ...]]]:
    found = [fact for _, fact in sup.facts(PhaseEnded)]
    return [(fact.phase.value, fact.took_s, fact.late) for fact in found if isinstance(fact, PhaseEnded)]


# --- under a deadline ----------------------------------------------------------------------------------------------


def test_without_a_deadline_every_child_has_its_own_grace_and_they_add_up() -> None:
    sup = family(child("a", grace_s=40.0), child("b", grace_s=50.0)).up()

    sup.stop()

    assert stops(sup) == [Stop("b", "shutdown", 50.0, None), Stop("a", "shutdown", 40.0, None)]


def test_with_a_deadline_children_get_shares_in_proportion_and_are_told_so() -> None:
    sup = family(child("a", grace_s=10.0), child("b", grace_s=30.0)).up()

    sup.say(StopAsked(reason="shutdown", left_s=9.0))  # of which it keeps a tenth

    first = stops(sup)[0]
    assert first.name == "b"
    assert first.grace_s == pytest.approx(8.1 * 3 / 4)
    assert first.left_s == first.grace_s


def test_who_is_quick_leaves_its_time_to_the_others_but_nobody_gets_more_than_its_grace() -> None:
    sup = family(child("a", grace_s=3.0), child("b", grace_s=30.0), child("c", grace_s=30.0)).up()

    sup.say(StopAsked(reason="shutdown", left_s=20.0))

    shares = {stop.name: stop.grace_s for stop in stops(sup)}
    assert shares["c"] == pytest.approx(19.0 * 30 / 63)
    assert shares["b"] == pytest.approx(19.0 * 30 / 33)
    assert shares["a"] == 3.0


def test_an_infinite_wait_ends_with_the_share_too() -> None:
    supervisor = child("s", kind=ChildKind.SUPERVISOR, shutdown=Shutdown.INFINITY)
    sup = family(supervisor).up()

    sup.say(StopAsked(reason="shutdown", left_s=5.0))

    assert stops(sup) == [Stop("s", "shutdown", 4.5, 4.5)]


def test_brutal_kill_needs_no_share_and_is_no_overrun() -> None:
    sup = family(child("a", grace_s=10.0), child("b", shutdown=Shutdown.BRUTAL_KILL)).up()

    sup.say(StopAsked(reason="shutdown", left_s=10.0))

    assert stops(sup) == [Stop("a", "shutdown", 9.0, 9.0)]
    assert sup.facts(Overran) == []


def test_children_that_end_together_are_all_told_at_once_and_each_has_all_that_is_left() -> None:
    sup = family(child("a", grace_s=3.0), child("b", grace_s=30.0), child("c", grace_s=30.0), ends_together=True).up()
    sup.hangs_on_stop = {"a", "b", "c"}

    sup.say(StopAsked(reason="shutdown", left_s=20.0))

    assert [(stop.name, stop.grace_s) for stop in stops(sup)] == [("a", 3.0), ("b", 19.0), ("c", 19.0)]
    sup.crash("b", "a", cause="shutdown")
    assert "-c1" not in sup.story
    sup.crash("c", cause="shutdown")
    assert sup.over == "shutdown"


def test_who_had_to_be_killed_is_a_fact_and_is_told_to_the_root() -> None:
    sup = family("a", child("b", grace_s=2.0)).up()
    sup.hangs_on_stop = {"b"}
    sup.say(StopAsked(reason="shutdown", left_s=10.0))

    sup.pass_time(2.0)
    sup.crash("b", cause="killed: it did not end within its grace")

    told = Overrun(name="b", of="sup", allowed_s=2.0, took_s=2.0, killed=True)
    assert [fact for _, fact in sup.facts(Overran)] == [Overran(overrun=told)]
    assert sent(sup, Overrun) == [("hub", told)]


def test_who_took_longer_than_its_share_is_told_of_though_it_ended_by_itself() -> None:
    sup = family(child("a", grace_s=2.0)).up()
    sup.hangs_on_stop = {"a"}
    sup.say(StopAsked(reason="shutdown", left_s=10.0))

    sup.pass_time(2.25)
    sup.crash("a", cause="shutdown")

    assert sent(sup, Overrun) == [
        ("hub", Overrun(name="a", of="sup", allowed_s=2.0, took_s=2.25, killed=False)),
    ]


def test_without_a_deadline_nobody_overruns() -> None:
    sup = family("a").up()
    sup.hangs_on_stop = {"a"}
    sup.stop()

    sup.pass_time(1.0)
    sup.crash("a", cause="killed: it did not end within its grace")

    assert sup.over
    assert sup.facts(Overran) == []


# --- phases --------------------------------------------------------------------------------------------------------


def test_the_root_without_a_plan_ends_at_once() -> None:
    sup = family("a", "b").up()

    sup.say(SHUT_DOWN)

    assert sup.story == "-b1 -a1"
    assert SUPERVISOR.last_word is not None
    assert SUPERVISOR.last_word(sup.state) is None


def test_the_phases_follow_one_another_as_they_are_answered() -> None:
    sup = root()
    sup.say(SHUT_DOWN)
    assert sent(sup, CloseIntake) == [("gateway", CloseIntake(left_s=30.0)), ("router", CloseIntake(left_s=30.0))]
    sup.pass_time(0.25)
    sup.say(IntakeClosed(), "router")
    assert sent(sup, Drain) == []
    sup.say(IntakeClosed(), "gateway")
    assert sent(sup, Drain) == [("router", Drain(left_s=29.75))]
    assert sup.story == ""  # everybody is up still
    sup.pass_time(0.125)
    sup.say(Drained(), "router")
    assert sup.story == "-gateway1 -rest1"
    assert sent(sup, Flush) == [("auditor", Flush())]
    sup.pass_time(0.0625)

    sup.say(Flushed(), "auditor")

    assert sup.over == "shutdown"
    assert sup.story == "-gateway1 -rest1 -auditor1"
    assert phases(sup) == [("intake", 0.25, ()), ("drain", 0.125, ()), ("flush", 0.0625, ()), ("close", 0.0, ())]


def test_the_root_leaves_how_it_went_as_its_last_fact_and_last_word() -> None:
    sup = root()
    sup.say(SHUT_DOWN)
    for answer, name in ((IntakeClosed(), "gateway"), (IntakeClosed(), "router"), (Drained(), "router")):
        sup.say(answer, name)
    late = Overrun(name="ws3", of="workstreams", allowed_s=1.0, took_s=1.0, killed=True)
    sup.say(late, "workstreams")
    sup.say(Flushed(), "auditor")

    [(_, told)] = sup.facts(HubEnded)
    assert isinstance(told, HubEnded)
    assert (told.total_s, told.overran, told.is_in_order) == (30.0, (late,), False)
    assert [phase.phase for phase in told.phases] == list(Phase)
    assert SUPERVISOR.last_word is not None
    assert SUPERVISOR.last_word(sup.state) == told
    assert [fact for _, fact in sup.facts(EndBegun)] == [
        EndBegun(by="ann", reason="night", keep_workstreams=False, total_s=30.0)
    ]
    assert Record(told) in sup.effects


def test_whoever_does_not_answer_is_asked_again_and_then_gone_on_without() -> None:
    sup = root()
    sup.say(SHUT_DOWN)
    sup.say(IntakeClosed(), "gateway")

    sup.pass_time(AGAIN_S)
    assert [to for to, _ in sent(sup, CloseIntake)] == ["gateway", "router", "gateway", "router"]
    sup.pass_time(2.0)
    assert [to for to, _ in sent(sup, Drain)][:1] == ["router"]
    sup.pass_time(10.0)
    assert sup.story == "-gateway1 -rest1"
    sup.pass_time(5.0)

    assert sup.over == "shutdown"
    assert [(phase, late) for phase, _, late in phases(sup)] == [
        ("intake", ("router",)),
        ("drain", ("router",)),
        ("flush", ("auditor",)),
        ("close", ()),
    ]
    [(_, told)] = sup.facts(HubEnded)
    assert isinstance(told, HubEnded)
    assert not told.is_in_order


def test_while_it_drains_a_new_incarnation_of_somebody_closed_is_told_again() -> None:
    sup = root()
    sup.say(SHUT_DOWN)
    for name in ("gateway", "router"):
        sup.say(IntakeClosed(), name)
    page = len(sup.performed)

    sup.pass_time(AGAIN_S)

    said = [(effect.to, type(effect.message)) for _, effect in sup.performed[page:] if isinstance(effect, Send)]
    assert said == [("gateway", CloseIntake), ("router", Drain)]


@pytest.mark.parametrize("phase", [CloseIntake, Drain])
def test_a_new_incarnation_of_one_who_takes_part_is_told_at_once(phase: type[Message]) -> None:
    sup = root()
    sup.say(SHUT_DOWN)
    sup.say(IntakeClosed(), "router")
    if phase is Drain:
        sup.say(IntakeClosed(), "gateway")
    page = len(sup.performed)
    assert SUPERVISOR.heeds is not None
    assert SUPERVISOR.heeds(sup.state, "router")

    sup.say(PeerUp(name="router", incarnation=2), "hub")

    said = [(effect.to, type(effect.message)) for _, effect in sup.performed[page:] if isinstance(effect, Send)]
    assert ("router", phase) in said


def test_until_all_is_drained_the_root_supervises_as_ever() -> None:
    sup = root()
    sup.say(SHUT_DOWN)

    sup.crash("rest")

    assert sup.story == "-rest1 +rest2"


def test_everything_ends_within_the_deadline_though_nobody_listens() -> None:
    sup = root()
    sup.hangs_on_stop = {"auditor", "rest", "gateway"}
    sup.say(SHUT_DOWN)

    for _ in range(300):
        sup.pass_time(0.1)
        for stop in stops(sup):
            told_at = next(at for at, effect in sup.performed if effect is stop)
            if stop.name in sup.alive and stop.grace_s is not None and sup.now >= told_at + stop.grace_s:
                sup.crash(stop.name, cause="killed: it did not end within its grace")  # as the shell does

    assert sup.over
    [(_, told)] = sup.facts(HubEnded)
    assert isinstance(told, HubEnded)
    assert told.took_s <= 30.0
    assert [late.name for late in told.overran] == ["gateway", "rest", "auditor"]


def test_answers_that_come_late_or_twice_change_nothing() -> None:
    sup = root()
    sup.say(Drained(), "router")
    sup.say(SHUT_DOWN)
    sup.say(SHUT_DOWN)
    sup.say(Flushed(), "auditor")
    for name in ("gateway", "gateway", "router", "router"):
        sup.say(IntakeClosed(), name)
    sup.say(Drained(), "router")
    sup.say(Flushed(), "auditor")

    assert [phase for phase, _, _ in phases(sup)] == ["intake", "drain", "flush", "close"]


def test_a_root_that_is_not_up_yet_asks_nobody() -> None:
    sup = family(child("auditor"), "rest", end=PLAN)
    sup.start_plans["rest"] = ["hang"]
    sup.say(Started(incarnation=1))

    sup.say(SHUT_DOWN)

    assert sent(sup, CloseIntake, Drain) == []
    assert [(phase, late) for phase, _, late in phases(sup)][:2] == [("intake", ()), ("drain", ())]


def test_a_child_that_was_to_have_everything_and_is_gone_is_told_of() -> None:
    sup = root()
    sup.say(SHUT_DOWN)
    for answer, name in ((IntakeClosed(), "gateway"), (IntakeClosed(), "router"), (Drained(), "router")):
        sup.say(answer, name)

    sup.crash("auditor")

    assert sup.over == "shutdown"
    assert [(phase, late) for phase, _, late in phases(sup)][2:] == [("flush", ("auditor",)), ("close", ())]
