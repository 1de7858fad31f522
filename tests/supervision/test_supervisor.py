import pytest

from alluse_hub.protocols.children import ActorOrderDone, Fault, FaultReported
from alluse_hub.protocols.effects import CancelWake, Kill, Record, Send, Spawn, Stop, Wake
from alluse_hub.protocols.lifecycle import (
    ChildEnded,
    ChildRestarted,
    ChildStarted,
    ChildState,
    ChildUp,
    Exited,
    GaveUp,
    PeerUp,
    RestartType,
    Started,
    Strategy,
    Woken,
)
from alluse_hub.protocols.message import Envelope
from alluse_hub.supervision.supervisor import SELF_GRACE_S, SUPERVISOR
from alluse_hub.supervision.supervisor_plans import KILL_MARGIN_S
from alluse_hub.testing.family import GRACE_S, START_TIMEOUT_S, child, family

TRANSIENT, TEMPORARY = RestartType.TRANSIENT, RestartType.TEMPORARY
ALL = Strategy.ONE_FOR_ALL


# --- starting ------------------------------------------------------------------------------------------------------


def test_next_child_is_spawned_when_the_one_before_is_up() -> None:
    sup = family("a", "b")

    sup.hear(Started(incarnation=1), "sup")

    assert sup.effects == [
        Record(ChildStarted(name="a", life=1)),
        Spawn("a", 1, child("a").start),
        Wake("start a 1", START_TIMEOUT_S),
        Send("board", sup.tree),
    ]
    assert sup.states == "a:starting b:stopped"

    sup.hear(ChildUp(name="a", life=1, incarnation=7, pid=70), "sup")

    assert sup.effects == [
        CancelWake("start a 1"),
        Record(ChildStarted(name="b", life=1)),
        Spawn("b", 1, child("b").start),
        Wake("start b 1", START_TIMEOUT_S),
        Send("board", sup.tree),
    ]
    assert (sup.tree.children[0].incarnation, sup.tree.children[0].pid) == (7, 70)


def test_supervisor_without_children_shows_itself_and_ends_when_asked() -> None:
    sup = family()

    sup.say(Started(incarnation=1))
    assert sup.effects == [Send("board", sup.tree)]

    sup.stop()
    assert sup.effects == [Stop("sup", "shutdown", SELF_GRACE_S)]


def test_supervisor_whose_own_start_fails_stops_what_it_started_and_says_why() -> None:
    sup = family("a", "b", "c", "d")
    sup.start_plans = {"c": ["fail"]}

    sup.say(Started(incarnation=1))

    assert sup.story == "+a1 +b1 !c1 -b1 -a1"
    assert sup.over == "failed_to_start_child: c: error: no start"
    assert [fact for _, fact in sup.facts(GaveUp)] == [GaveUp(child="c", cause="error: no start")]


def test_start_that_takes_too_long_is_killed_and_counts_as_failed() -> None:
    sup = family("a", "b").up()
    sup.start_plans = {"a": ["hang"]}
    sup.crash("a")
    sup.pass_time(START_TIMEOUT_S - 0.1)
    assert sup.story == "-a1 +a2"

    sup.pass_time(0.2)

    assert sup.story == "-a1 +a2 -a2 +a3"
    assert sup.states == "a:ready b:ready"
    assert ChildEnded(name="a", life=2, incarnation=0, cause="start_timeout") in [f for _, f in sup.facts(ChildEnded)]
    assert len(sup.facts(ChildRestarted)) == 2


def test_child_that_says_it_is_up_when_it_is_already_killed_is_not_counted_on() -> None:
    sup = family("a", "b").up()
    sup.start_plans = {"a": ["hang"]}
    sup.crash("a")
    sup.hear(Woken(timer="start a 2"), "sup")
    assert sup.effects == [Kill("a")]

    sup.hear(ChildUp(name="a", life=2, incarnation=2, pid=2), "sup")
    assert sup.state.child("a").state is ChildState.STARTING

    sup.deliver()
    assert sup.story == "-a1 +a2 -a2 +a3"
    assert ChildEnded(name="a", life=2, incarnation=2, cause="start_timeout") in [f for _, f in sup.facts(ChildEnded)]


# --- restarting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "cause", "story", "states"),
    [
        (RestartType.PERMANENT, "normal", "-a1 +a2", "a:ready b:ready"),
        (RestartType.PERMANENT, "killed", "-a1 +a2", "a:ready b:ready"),
        (TRANSIENT, "normal", "-a1", "a:stopped b:ready"),
        (TRANSIENT, "shutdown", "-a1", "a:stopped b:ready"),
        (TRANSIENT, "killed", "-a1 +a2", "a:ready b:ready"),
        (TEMPORARY, "normal", "-a1", "b:ready"),
        (TEMPORARY, "killed", "-a1", "b:ready"),
    ],
)
def test_restart_type_judges_the_end_of_a_child(restart: RestartType, cause: str, story: str, states: str) -> None:
    sup = family(child("a", restart), "b").up()

    sup.crash("a", cause=cause)

    assert sup.story == story
    assert sup.states == states


def test_one_for_one_restart_happens_in_the_same_letter_and_is_recorded() -> None:
    sup = family("a").up()
    sup.now = 5.0
    sup.end("a", "killed")

    sup.deliver(letters=1)

    assert sup.effects == [
        Record(ChildEnded(name="a", life=1, incarnation=1, cause="killed")),
        Record(FaultReported(fault=Fault.CHILD_TERMINATED, child="a", cause="killed")),
        Record(ChildRestarted(name="a", life=1, cause="killed", count=1)),
        Record(ChildStarted(name="a", life=2)),
        Spawn("a", 2, child("a").start),
        Wake("start a 2", START_TIMEOUT_S),
        Send("board", sup.tree),
    ]
    shown = sup.tree.children[0]
    assert (shown.state, shown.last_exit, shown.restarts, shown.since) == (ChildState.STARTING, "killed", 1, 5.0)
    assert len(sup.tree.restart_times) == 1


def test_second_notice_of_one_exit_changes_nothing() -> None:
    sup = family("a").up()
    sup.crash("a")
    before = sup.state

    for late in sup.notices:
        sup.say(late)

    assert sup.effects == []
    assert sup.state == before


def test_notice_of_an_unknown_child_changes_nothing() -> None:
    sup = family("a").up()

    sup.say(Exited(name="x", life=1, cause="killed"))
    sup.say(ChildUp(name="x", life=1, incarnation=1, pid=1))

    assert sup.story == ""


@pytest.mark.parametrize(
    ("siblings_wait", "story", "states"),
    [(True, "-a1 -b1 +a2", "a:starting b:restarting"), (False, "-a1 -b1 +a2 +b2", "a:starting b:ready")],
)
def test_child_slow_to_start_keeps_its_siblings_waiting_only_if_siblings_wait(
    siblings_wait: bool, story: str, states: str
) -> None:
    sup = family("a", "b", siblings_wait=siblings_wait).up()
    sup.start_plans = {"a": ["hang"]}

    sup.crash("a", "b")

    assert sup.story == story
    assert sup.states == states


def test_each_try_of_a_failed_restart_costs_one_restart() -> None:
    sup = family("a", "b", restarts=3).up()
    sup.start_plans = {"a": ["fail", "fail", "fail"]}

    sup.crash("a")

    assert sup.story == "-a1 !a2 !a3 !a4 -b1"
    assert sup.over == "shutdown"


def test_group_stops_one_after_the_other_and_starts_when_all_are_down() -> None:
    sup = family("a", "b", "c", strategy=ALL).up()
    sup.hangs_on_stop = {"c"}

    sup.crash("a")
    assert sup.story == "-a1"
    assert sup.states == "a:stopped b:ready c:stopping"

    sup.end("c", "shutdown")
    sup.deliver()
    assert sup.story == "-a1 -c1 -b1 +a2 +b2 +c2"


def test_child_that_does_not_stop_is_killed_after_its_grace_and_a_margin() -> None:
    sup = family("a", "b", "c", strategy=ALL).up()
    sup.hangs_on_stop = {"b"}
    sup.crash("a")
    assert Stop("b", "shutdown", GRACE_S) in [effect for _, effect in sup.performed]

    sup.pass_time(GRACE_S + KILL_MARGIN_S - 0.1)
    assert sup.story == "-a1 -c1"

    sup.pass_time(0.2)
    assert sup.story == "-a1 -c1 -b1 +a2 +b2 +c2"
    assert ChildEnded(name="b", life=1, incarnation=1, cause="killed") in [f for _, f in sup.facts(ChildEnded)]


def test_member_that_dies_while_its_group_starts_makes_it_start_once_more() -> None:
    sup = family("a", "b", strategy=ALL).up()
    sup.start_plans = {"b": ["hang"]}
    sup.crash("a")
    sup.crash("a")
    assert sup.story == "-a1 -b1 +a2 +b2 -a2"

    sup.say(ChildUp(name="b", life=2, incarnation=2, pid=2))

    assert sup.story == "-a1 -b1 +a2 +b2 -a2 -b2 +a3 +b3"


# --- the board -----------------------------------------------------------------------------------------------------


def test_each_letter_sends_at_most_one_picture_and_only_if_it_changed() -> None:
    sup = family("a", "b", "c", strategy=ALL).up()
    sup.end("a", "killed")

    while sup.mail:
        sup.deliver(letters=1)
        assert sum(isinstance(effect, Send) and effect.to == "board" for effect in sup.effects) == 1

    sup.say(Exited(name="a", life=1, cause="killed"))
    assert sup.effects == []


def test_new_board_is_shown_the_tree_and_other_peers_are_not_answered() -> None:
    sup = family("a").up()

    sup.say(PeerUp(name="coordinator", incarnation=2))
    assert sup.effects == []

    sup.say(PeerUp(name="board", incarnation=2))
    assert sup.effects == [Send("board", sup.tree)]


def test_foreign_message_raises() -> None:
    sup = family("a").up()

    with pytest.raises(TypeError, match="does not take ActorOrderDone"):
        SUPERVISOR.decide(sup.state, Envelope("x/1/1", "x", "sup", ActorOrderDone(name="a", ok=True), 0.0))


def test_every_message_of_the_union_is_taken() -> None:
    assert {kind.__name__ for kind in SUPERVISOR.accepts} == {
        "Started", "ChildUp", "Exited", "Woken", "StartActor", "StopActor", "RestartActor", "ShutDown", "StopAsked",
        "PeerUp", "AddActor", "RemoveActor", "StartMember", "StopMember", "AskChildren", "AskCounts", "AskChildSpec",
        "ChildCondition", "Hung", "LookAfter", "Overrun", "Drained", "IntakeClosed", "Flushed", "Foresee",
    }  # fmt: skip
