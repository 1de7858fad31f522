import pytest

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.children import ActorOrderDone, OrderError, RestartActor, StartActor, StopActor
from alluse_hub.protocols.effects import Send, Stop
from alluse_hub.protocols.lifecycle import KEEP_WORKSTREAMS, RestartType, StopAsked, Strategy
from alluse_hub.protocols.message import Message
from alluse_hub.supervision.supervisor import SELF_GRACE_S
from alluse_hub.supervision.supervisor_orders import ORDERS_WAITING_MAX
from alluse_hub.supervision.supervisor_plans import KILL_MARGIN_S
from alluse_hub.testing.family import GRACE_S, child, family

ALL = Strategy.ONE_FOR_ALL


# --- ending --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "reason"),
    [
        (StopAsked(reason="shutdown"), "shutdown"),
        (StopAsked(reason=KEEP_WORKSTREAMS), KEEP_WORKSTREAMS),
        (ShutDown(by="ann", reason="tired"), "shutdown"),
        (ShutDown(by="ann", reason="upgrade", keep_workstreams=True), KEEP_WORKSTREAMS),
    ],
)
def test_children_are_stopped_in_reverse_and_told_why_then_the_supervisor_ends(letter: Message, reason: str) -> None:
    sup = family("a", "b", "c").up()
    page = len(sup.performed)

    sup.say(letter)

    assert [effect for _, effect in sup.performed[page:] if isinstance(effect, Stop)] == [
        Stop("c", reason, GRACE_S),
        Stop("b", reason, GRACE_S),
        Stop("a", reason, GRACE_S),
        Stop("sup", "shutdown", SELF_GRACE_S),
    ]
    assert sup.states == "a:stopped b:stopped c:stopped"


def test_ending_takes_over_from_a_restart_in_progress() -> None:
    sup = family("a", "b", "c", strategy=ALL).up()
    sup.start_plans = {"b": ["hang"]}
    sup.crash("c")

    sup.stop()

    assert sup.story == "-c1 -b1 -a1 +a2 +b2 -b2 -a2"
    assert sup.over == "shutdown"
    assert sup.timers == {}


def test_ending_waits_for_a_child_that_was_already_stopping() -> None:
    sup = family("a", "b", "c").up()
    sup.hangs_on_stop = {"b"}
    sup.say(StopActor(name="b"))

    sup.stop()
    assert sup.story == "-c1"
    text = "sup is ending; nothing is started or stopped by order any more"
    assert sup.answers == [ActorOrderDone(name="b", ok=False, text=text, error=OrderError.ENDING)]

    sup.pass_time(GRACE_S + KILL_MARGIN_S)
    assert sup.story == "-c1 -b1 -a1"
    assert sup.over == "shutdown"


def test_child_that_dies_while_its_supervisor_ends_is_not_restarted() -> None:
    sup = family("a", "b", "c").up()
    sup.hangs_on_stop = {"c"}
    sup.stop()

    sup.crash("a")
    sup.crash("c")

    assert sup.story == "-a1 -c1 -b1"
    assert sup.over == "shutdown"


def test_being_asked_twice_to_end_changes_nothing() -> None:
    sup = family("a").up()
    sup.hangs_on_stop = {"a"}
    sup.stop()
    before = sup.state

    sup.stop()

    assert sup.effects == []
    assert sup.state == before


# --- orders of people ----------------------------------------------------------------------------------------------


def test_stopped_child_stays_down_until_started_and_both_are_answered_when_done() -> None:
    sup = family("a", "b", restarts=0).up()
    sup.hangs_on_stop = {"a"}

    sup.say(StopActor(name="a", reason="repair"), "gateway")
    assert sup.effects[0] == Stop("a", "repair", GRACE_S)
    assert sup.answers == []

    sup.end("a", "shutdown")
    sup.deliver()
    sup.say(StartActor(name="a"), "orchestrator")

    assert sup.story == "-a1 +a2"
    answers = [e for _, e in sup.performed if isinstance(e, Send) and isinstance(e.message, ActorOrderDone)]
    assert answers == [
        Send("gateway", ActorOrderDone(name="a", ok=True, text="a is down")),
        Send("orchestrator", ActorOrderDone(name="a", ok=True, text="a is up")),
    ]


def test_restart_by_order_costs_nothing_and_touches_no_sibling() -> None:
    sup = family("a", "b", "c", strategy=ALL, restarts=0).up()

    sup.say(RestartActor(name="b"))

    assert sup.story == "-b1 +b2"
    assert sup.answers == [ActorOrderDone(name="b", ok=True, text="b is up")]
    assert len(sup.tree.restart_times) == 0


@pytest.mark.parametrize("order", [StartActor(name="x"), StopActor(name="x"), RestartActor(name="x")])
def test_order_for_a_stranger_is_refused_and_names_the_children(order: Message) -> None:
    sup = family("a", "b").up()

    sup.say(order)

    text = "'x' is not a child of sup; known: a, b"
    assert sup.answers == [ActorOrderDone(name="x", ok=False, text=text, error=OrderError.NOT_FOUND)]


def test_starting_what_is_up_is_refused() -> None:
    sup = family("a").up()

    sup.say(StartActor(name="a"))

    assert sup.answers == [ActorOrderDone(name="a", ok=False, text="a is up already", error=OrderError.RUNNING)]


def test_stopping_what_is_down_is_done_at_once() -> None:
    sup = family("a").up()
    sup.say(StopActor(name="a"))

    sup.say(StopActor(name="a"))

    assert sup.answers == [ActorOrderDone(name="a", ok=True, text="a is down")] * 2


def test_stopped_temporary_child_is_forgotten_and_a_restarted_one_is_not() -> None:
    sup = family("a", child("t", RestartType.TEMPORARY)).up()

    sup.say(RestartActor(name="t"))
    assert sup.states == "a:ready t:ready"

    sup.say(StopActor(name="t"))
    assert sup.states == "a:ready"


def test_start_by_order_that_fails_is_told_and_not_tried_again() -> None:
    sup = family("a", "b").up()
    sup.say(StopActor(name="a"))
    sup.start_plans = {"a": ["fail"]}

    sup.say(StartActor(name="a"))

    assert sup.answers[-1] == ActorOrderDone(
        name="a",
        ok=False,
        text="a did not start: error: no start; it stays down",
        error=OrderError.START_FAILED,
        cause="error: no start",
    )
    assert sup.story == "-a1 !a2"


def test_restart_by_order_that_fails_is_told_and_goes_on_as_any_failure() -> None:
    sup = family("a", "b").up()
    sup.start_plans = {"a": ["fail"]}

    sup.say(RestartActor(name="a"))

    assert [done.ok for done in sup.answers] == [False]
    assert sup.story == "-a1 !a2 +a3"
    assert len(sup.tree.restart_times) == 1


def test_order_is_answered_between_two_tries_and_stopping_ends_them() -> None:
    sup = family("a", "b").up()
    sup.start_plans = {"a": ["hang", "fail"]}
    sup.crash("a")
    sup.say(StartActor(name="a"))
    sup.say(StopActor(name="a"))

    sup.end("a", "error: no start")
    sup.deliver()

    assert sup.story == "-a1 +a2 -a2"
    assert [(done.ok, done.text) for done in sup.answers] == [
        (False, "a is being restarted already"),
        (True, "a is down"),
    ]


def test_more_orders_than_may_wait_are_refused_at_once() -> None:
    sup = family("a").up()
    sup.hangs_on_stop = {"a"}
    sup.say(StopActor(name="a"))

    for _ in range(ORDERS_WAITING_MAX + 1):
        sup.say(StopActor(name="a"))

    assert [done.ok for done in sup.answers] == [False]


def test_order_to_a_supervisor_that_ends_is_refused() -> None:
    sup = family("a").up()
    sup.hangs_on_stop = {"a"}
    sup.stop()

    sup.say(StartActor(name="a"))

    assert [done.ok for done in sup.answers] == [False]
