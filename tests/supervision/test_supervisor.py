import pytest

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.effects import CancelWake, Kill, Record, Send, Spawn, Stop, Wake
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.lifecycle import (
    ActorOrderDone,
    ChildEnded,
    ChildParked,
    ChildRestarted,
    ChildStarted,
    ChildState,
    ChildUp,
    Exited,
    GaveUp,
    OnLimit,
    PeerUp,
    RestartActor,
    RestartType,
    StartActor,
    Started,
    StopActor,
    StopAsked,
    Strategy,
    SupervisorSpec,
    Woken,
)
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.supervision.supervisor import (
    KEEP_WORKSTREAMS,
    KILL_MARGIN_S,
    ORDERS_WAITING_MAX,
    SELF_GRACE_S,
    SUPERVISOR,
)
from alluse_hub.testing.family import GRACE_S, START_TIMEOUT_S, child, family

TRANSIENT, TEMPORARY = RestartType.TRANSIENT, RestartType.TEMPORARY
ALL, REST = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE
PARK = OnLimit.PARK


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
    assert sup.states == "a:starting b:down"

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


def test_two_children_of_one_name_are_refused() -> None:
    with pytest.raises(CallerError, match="given twice: a"):
        SUPERVISOR.start("sup", SupervisorSpec(children=(child("a"), child("b"), child("a"))))


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
    assert sup.states == "a:up b:up"
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
        (RestartType.PERMANENT, "normal", "-a1 +a2", "a:up b:up"),
        (RestartType.PERMANENT, "killed", "-a1 +a2", "a:up b:up"),
        (TRANSIENT, "normal", "-a1", "a:down b:up"),
        (TRANSIENT, "shutdown", "-a1", "a:down b:up"),
        (TRANSIENT, "killed", "-a1 +a2", "a:up b:up"),
        (TEMPORARY, "normal", "-a1", "b:up"),
        (TEMPORARY, "killed", "-a1", "b:up"),
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
        Record(ChildRestarted(name="a", life=1, cause="killed", count=1)),
        Record(ChildStarted(name="a", life=2)),
        Spawn("a", 2, child("a").start),
        Wake("start a 2", START_TIMEOUT_S),
        Send("board", sup.tree),
    ]
    shown = sup.tree.children[0]
    assert (shown.state, shown.last_exit, shown.restarts, shown.since) == (ChildState.STARTING, "killed", 1, 5.0)
    assert sup.tree.recent_restarts == 1


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


def test_child_slow_to_start_keeps_no_sibling_waiting_under_one_for_one() -> None:
    sup = family("a", "b").up()
    sup.start_plans = {"a": ["hang"]}

    sup.crash("a", "b")

    assert sup.story == "-a1 -b1 +a2 +b2"
    assert sup.states == "a:starting b:up"


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
    assert sup.states == "a:down b:up c:stopping"

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


# --- the limit -----------------------------------------------------------------------------------------------------


def test_supervisor_over_its_limit_stops_all_in_reverse_and_ends_with_shutdown() -> None:
    sup = family("a", "b", "c", restarts=1).up()
    sup.crash("b")

    sup.end("b", "killed")
    sup.deliver(letters=1)

    assert sup.effects[:3] == [
        Record(ChildEnded(name="b", life=2, incarnation=2, cause="killed")),
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

    assert sup.states == "a:up"
    assert sup.over == ""


def test_temporary_and_orderly_transient_ends_cost_nothing() -> None:
    sup = family(child("t", TEMPORARY), child("n", TRANSIENT), "a", restarts=0).up()

    sup.crash("t")
    sup.crash("n", cause="normal")

    assert sup.states == "n:down a:up"


@pytest.mark.parametrize("strategy", [ALL, REST])
def test_temporary_member_gets_its_first_start_though_one_before_it_failed(strategy: Strategy) -> None:
    sup = family("a", child("t", TEMPORARY), child("u", TEMPORARY), "b", strategy=strategy, on_limit=PARK)
    sup.start_plans = {"a": ["fail"], "u": ["fail"]}

    sup.say(Started(incarnation=1))

    assert sup.story == "!a1 +a2 +t1 !u1 +b1"
    assert sup.states == "a:up t:up b:up"


def test_child_over_its_limit_is_parked_and_the_rest_goes_on() -> None:
    sup = family("a", "b", restarts=1, on_limit=PARK).up()

    sup.crash("a")
    sup.crash("a")
    sup.crash("b")

    assert sup.story == "-a1 +a2 -a2 -b1 +b2"
    assert sup.states == "a:parked b:up"
    assert [fact for _, fact in sup.facts(ChildParked)] == [ChildParked(name="a", cause="error: boom")]


def test_parked_child_is_released_by_start_with_a_fresh_budget() -> None:
    sup = family("a", restarts=1, on_limit=PARK).up()
    sup.crash("a")
    sup.crash("a")

    sup.say(StartActor(name="a"), "gateway")
    assert sup.answers == [ActorOrderDone(name="a", ok=True, text="a is up")]

    sup.crash("a")
    assert sup.states == "a:up"
    sup.crash("a")
    assert sup.states == "a:parked"


def test_failed_first_start_is_tried_again_where_the_limit_parks() -> None:
    sup = family("a", "b", "c", restarts=1, on_limit=PARK)
    sup.start_plans = {"b": ["fail"], "a": ["fail", "fail"]}

    sup.say(Started(incarnation=1))

    assert sup.states == "a:parked b:up c:up"


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
    assert sup.states == "a:up b:parked c:up d:up"


def test_parked_member_is_not_revived_by_its_group() -> None:
    sup = family("a", "b", strategy=ALL, restarts=1, on_limit=PARK).up()
    sup.crash("b")
    sup.crash("b")
    sup.log.clear()

    sup.crash("a")

    assert sup.story == "-a2 +a3"
    assert sup.states == "a:up b:parked"


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
    assert sup.states == "a:down b:down c:down"


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
    assert sup.answers == [
        ActorOrderDone(name="b", ok=False, text="sup is ending; nothing is started or stopped by order any more")
    ]

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
    assert sup.tree.recent_restarts == 0


@pytest.mark.parametrize("order", [StartActor(name="x"), StopActor(name="x"), RestartActor(name="x")])
def test_order_for_a_stranger_is_refused_and_names_the_children(order: Message) -> None:
    sup = family("a", "b").up()

    sup.say(order)

    assert sup.answers == [ActorOrderDone(name="x", ok=False, text="'x' is not a child of sup; known: a, b")]


def test_starting_what_is_up_is_refused() -> None:
    sup = family("a").up()

    sup.say(StartActor(name="a"))

    assert sup.answers == [ActorOrderDone(name="a", ok=False, text="a is up already")]


def test_stopping_what_is_down_is_done_at_once() -> None:
    sup = family("a").up()
    sup.say(StopActor(name="a"))

    sup.say(StopActor(name="a"))

    assert sup.answers == [ActorOrderDone(name="a", ok=True, text="a is down")] * 2


def test_stopped_temporary_child_is_forgotten_and_a_restarted_one_is_not() -> None:
    sup = family("a", child("t", TEMPORARY)).up()

    sup.say(RestartActor(name="t"))
    assert sup.states == "a:up t:up"

    sup.say(StopActor(name="t"))
    assert sup.states == "a:up"


def test_start_by_order_that_fails_is_told_and_not_tried_again() -> None:
    sup = family("a", "b").up()
    sup.say(StopActor(name="a"))
    sup.start_plans = {"a": ["fail"]}

    sup.say(StartActor(name="a"))

    assert sup.answers[-1] == ActorOrderDone(name="a", ok=False, text="a did not start: error: no start; it stays down")
    assert sup.story == "-a1 !a2"


def test_restart_by_order_that_fails_is_told_and_goes_on_as_any_failure() -> None:
    sup = family("a", "b").up()
    sup.start_plans = {"a": ["fail"]}

    sup.say(RestartActor(name="a"))

    assert [done.ok for done in sup.answers] == [False]
    assert sup.story == "-a1 !a2 +a3"
    assert sup.tree.recent_restarts == 1


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
        "PeerUp",
    }  # fmt: skip
