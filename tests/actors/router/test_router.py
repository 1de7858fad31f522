from alluse_hub.actors.router.core import LATE_S, ROUTER, decide
from alluse_hub.actors.router.rounds import AGAIN_S, HELD_MAX, round_of
from alluse_hub.actors.router.state import Router, evolve, overall_digest
from alluse_hub.protocols.effects import Effect, Record, Send, Wake
from alluse_hub.protocols.ending import CloseIntake, Drain, Drained, IntakeClosed
from alluse_hub.protocols.flow import (
    AskUnsettled,
    Consider,
    Considered,
    Deliver,
    Event,
    EventsDropped,
    EventsHeld,
    Flow,
    FlowOrderDone,
    FlowResumed,
    FlowsShown,
    OnPause,
    PauseFlow,
    Present,
    Produced,
    ResumeFlow,
    RoundSettled,
    RouterSpec,
    Unsettled,
)
from alluse_hub.protocols.lifecycle import PeerUp, Started, Woken
from alluse_hub.protocols.message import Envelope, Fact, Message

SPEC = RouterSpec(
    workstreams=("ws3", "ws4", "ws9"),
    lockstep=("ws3", "ws4"),
    flows=(
        Flow(source="ws3", target="ws4", events=("bar",)),
        Flow(source="ws4", target="ws3", events=("fill",), on_pause=OnPause.DROP),
        Flow(source="ws3", target="ws9", events=("bar",)),
    ),
    considers=("ws3.bar",),
    source="ws3",
)


class Bench:
    """A router in hand: what it sends is kept, its facts too."""

    def __init__(self, spec: RouterSpec = SPEC) -> None:
        self.state = ROUTER.start("router", spec)
        self.folded = self.state
        self.now = 100.0
        self.sent: list[tuple[str, Message]] = []
        self.facts: list[Fact] = []
        self.wakes: dict[str, float] = {}

    def hear(self, body: Message, sender: str = "router") -> list[tuple[str, Message]]:
        decision = decide(self.state, Envelope("a/1/1", sender, "router", body, self.now))
        self.state = decision.state
        new: list[tuple[str, Message]] = []
        for effect in decision.effects:
            self._do(effect, new)
        self.sent += new
        return [(to, message) for to, message in new if to != "board"]

    def _do(self, effect: Effect, new: list[tuple[str, Message]]) -> None:
        match effect:
            case Send(to=to, message=message):
                new.append((to, message))
            case Record(fact=fact):
                self.facts.append(fact)
                self.folded = evolve(self.folded, fact) if type(fact) in ROUTER.facts else self.folded
            case Wake(timer=timer, after_s=after_s):
                self.wakes[timer] = after_s

    def ready(self) -> "Bench":
        self.hear(Started(incarnation=1))
        for workstream in SPEC.workstreams:
            self.hear(Unsettled(workstream=workstream, events=(), through=0), workstream)
        return self

    def open_session(self, events: tuple[Event, ...] = ()) -> list[tuple[str, Message]]:
        delivery = self.state.open["ws3"]
        result = {"session": "2008-09-29", "end": False, "of": 3}
        return self.hear(Produced(workstream="ws3", delivery=delivery.delivery, events=events, result=result), "ws3")


def bar(n: int, cause: str = "r1/ws3") -> Event:
    return Event(ws="ws3", n=n, event="bar", session="2008-09-29", cause=cause, payload={"close": n})


def fill(n: int, cause: str) -> Event:
    return Event(ws="ws4", n=n, event="fill", session="2008-09-29", cause=cause)


def durable(state: Router) -> tuple[object, ...]:
    return (state.round, state.session, state.sessions, state.taken, state.digests, state.paused, state.held)


def test_a_new_router_asks_every_monitor_what_is_unsettled_before_it_does_anything() -> None:
    bench = Bench()

    sent = bench.hear(Started(incarnation=1))

    assert sent == [(ws, AskUnsettled(taken=0)) for ws in SPEC.workstreams]
    assert bench.wakes["again"] == AGAIN_S


def test_when_nothing_is_unsettled_the_source_opens_a_session() -> None:
    bench = Bench().ready()

    to, delivery = bench.sent[-1]
    assert (to, type(delivery)) == ("ws3", Deliver)
    assert bench.state.open["ws3"].command == "next_session"


def test_a_round_goes_to_the_workstreams_and_then_to_the_coordinator() -> None:
    """What is decided on a closing price comes after everybody has that price, and before what follows from it."""
    bench = Bench().ready()
    sent = bench.open_session((bar(1), bar(2)))
    assert [(to, type(message)) for to, message in sent] == [("ws4", Deliver), ("ws9", Deliver)]

    sent = bench.hear(Produced(workstream="ws4", delivery="r2/ws4", events=(fill(1, "r2/ws4"),)), "ws4")
    assert sent == [("coordinator", Consider(round=2, session="2008-09-29", events=(bar(1), bar(2))))]
    assert bench.state.round == 1

    bench.hear(Considered(round=2), "coordinator")
    assert bench.state.round == 2


def test_a_restriction_does_not_wait_for_a_workstream_that_hangs() -> None:
    bench = Bench().ready()
    bench.open_session((bar(1),))
    assert [message for _, message in bench.hear(Woken(timer="again")) if isinstance(message, Consider)] == []

    bench.now += LATE_S
    sent = bench.hear(Woken(timer="again"))

    assert [to for to, message in sent if isinstance(message, Consider)] == ["coordinator"]
    bench.hear(Considered(round=2), "coordinator")
    assert bench.state.round == 1  # the round itself does
    bench.hear(Produced(workstream="ws4", delivery="r2/ws4"), "ws4")
    assert bench.state.round == 2


def test_a_round_waits_for_events_that_the_coordinators_orders_caused() -> None:
    bench = Bench().ready()
    bench.open_session((bar(1),))
    bench.hear(Produced(workstream="ws4", delivery="r2/ws4"), "ws4")
    bench.hear(Considered(round=2, through={"ws4": 1}), "coordinator")
    assert bench.state.round == 1

    bench.hear(Produced(workstream="ws4", events=(fill(1, "c/2/rule/0"),), through=1), "ws4")
    assert bench.state.round == 2
    assert [event.n for event in bench.state.batch] == [1]  # the fill is carried in the next round


def test_what_a_round_produces_is_the_next_round_and_then_the_next_session() -> None:
    bench = Bench().ready()
    bench.open_session((bar(1),))
    bench.hear(Produced(workstream="ws4", delivery="r2/ws4", events=(fill(1, "r2/ws4"),)), "ws4")

    sent = bench.hear(Considered(round=2), "coordinator")
    assert [(to, m.events) for to, m in sent if isinstance(m, Deliver)] == [("ws3", (fill(1, "r2/ws4"),))]

    sent = bench.hear(Produced(workstream="ws3", delivery="r3/ws3"), "ws3")
    assert [m.command for _, m in sent if isinstance(m, Deliver)] == ["next_session"]
    assert bench.state.taken == {"ws3": 1, "ws4": 1}
    assert bench.state.sessions == 1


def test_nobody_outside_the_lockstep_holds_a_round_up() -> None:
    bench = Bench().ready()
    bench.open_session((bar(1),))
    bench.hear(Produced(workstream="ws4", delivery="r2/ws4"), "ws4")
    bench.hear(Considered(round=2), "coordinator")

    assert bench.state.round == 2
    assert [d.delivery for d in bench.state.loose["ws9"]] == ["r2/ws9"]


def test_events_said_twice_count_once_and_a_gap_is_not_stepped_over() -> None:
    bench = Bench().ready()
    bench.open_session((bar(1),))
    bench.hear(Produced(workstream="ws3", events=(bar(1), bar(3))), "ws3")

    assert [event.n for event in bench.state.unsettled["ws3"]] == [1]


def test_an_answer_ends_no_delivery_while_events_before_it_are_missing() -> None:
    """Seed 2032 of the harsh weather: a monitor's first words after its death were lost, its answer came in."""
    bench = Bench().ready()
    bench.open_session((bar(1),))
    late = fill(1, "r2/ws4")

    sent = bench.hear(Produced(workstream="ws4", delivery="r2/ws4", through=1), "ws4")
    assert sent == [("ws4", AskUnsettled(taken=0))]
    assert "ws4" in bench.state.open

    bench.hear(Unsettled(workstream="ws4", events=(late,), through=1), "ws4")
    assert ("ws4", bench.state.open["ws4"]) in bench.hear(Woken(timer="again"))
    bench.hear(Produced(workstream="ws4", delivery="r2/ws4", events=(late,), through=1), "ws4")
    bench.hear(Considered(round=2), "coordinator")

    assert bench.state.batch == (late,)  # of the next round, not of a later session's


def test_a_refusal_ends_its_delivery_and_the_gap_before_it_is_asked_about() -> None:
    bench = Bench().ready()
    bench.open_session((bar(1),))

    sent = bench.hear(Produced(workstream="ws4", delivery="r2/ws4", ok=False, error="no", through=1), "ws4")

    assert ("ws4", AskUnsettled(taken=0)) in sent
    assert "ws4" not in bench.state.open


def test_a_gap_in_the_words_of_a_workstream_nobody_waits_for_is_asked_about() -> None:
    bench = Bench().ready()
    second = Event(ws="ws9", n=2, event="note", session="2008-09-29", cause="")

    sent = bench.hear(Produced(workstream="ws9", events=(second,), through=2), "ws9")

    assert sent == [("ws9", AskUnsettled(taken=0))]


def test_everything_unanswered_is_said_again() -> None:
    bench = Bench().ready()
    bench.open_session((bar(1),))
    first = bench.state.open["ws4"]

    assert ("ws4", first) in bench.hear(Woken(timer="again"))
    assert ("ws4", first) in bench.hear(PeerUp(name="ws4", incarnation=2), "hub")


def test_a_workstream_that_is_out_does_not_hold_the_round_and_its_loss_is_recorded() -> None:
    bench = Bench().ready()
    bench.open_session((bar(1),))

    bench.hear(Present(workstream="ws4", presence="out"), "ws4")
    bench.hear(Considered(round=2), "coordinator")

    assert bench.state.round == 2
    assert EventsDropped(flow="ws4", events=("ws3#1",), why="the workstream is out") in bench.facts


def test_a_paused_flow_holds_its_events_and_delivers_them_first_when_resumed() -> None:
    bench = Bench().ready()
    bench.hear(PauseFlow(flow="ws3-ws4"), "gateway")
    answer = bench.open_session((bar(1),))  # an order is carried out between rounds
    assert answer[0] == ("gateway", FlowOrderDone(flow="ws3-ws4", ok=True, text="ws3-ws4 is paused"))
    assert [to for to, m in answer if isinstance(m, Deliver) and m.command == "deliver"] == ["ws9"]
    bench.hear(Considered(round=2), "coordinator")
    assert EventsHeld(flow="ws3-ws4", events=(bar(1),)) in bench.facts

    bench.hear(ResumeFlow(flow="ws3-ws4"), "gateway")
    two = Produced(workstream="ws3", delivery="r3/ws3", events=(bar(2, "r3/ws3"),), result={"session": "x"})
    sent = bench.hear(two, "ws3")
    assert FlowResumed(flow="ws3-ws4") in bench.facts
    assert [m.events for to, m in sent if isinstance(m, Deliver) and to == "ws4"] == [(bar(1), bar(2, "r3/ws3"))]


def test_a_paused_flow_that_drops_says_so() -> None:
    bench = Bench().ready()
    bench.hear(PauseFlow(flow="ws4-ws3"), "gateway")
    bench.open_session((bar(1),))
    bench.hear(Produced(workstream="ws4", delivery="r2/ws4", events=(fill(1, "r2/ws4"),)), "ws4")
    bench.hear(Considered(round=2), "coordinator")

    assert EventsDropped(flow="ws4-ws3", events=("ws4#1",), why="the flow is paused") in bench.facts
    assert bench.state.figures["ws4-ws3"].dropped == 1


def test_an_unknown_flow_is_refused_with_the_known_ones() -> None:
    bench = Bench().ready()

    answer = bench.hear(PauseFlow(flow="ws3-ws8"), "gateway")

    assert isinstance(answer[0][1], FlowOrderDone)
    assert not answer[0][1].ok
    assert "ws3-ws4" in answer[0][1].text


def test_a_source_that_fails_is_asked_again_later_not_at_once() -> None:
    bench = Bench().ready()

    sent = bench.hear(Produced(workstream="ws3", delivery="r1/ws3", ok=False, error="no bars"), "ws3")

    assert sent == []
    assert bench.wakes["pace"] == AGAIN_S


def test_the_replay_ends_when_the_source_says_so() -> None:
    bench = Bench().ready()

    sent = bench.hear(Produced(workstream="ws3", delivery="r1/ws3", result={"end": True, "of": 3}), "ws3")

    assert sent == []
    assert bench.state.ended
    assert bench.facts[-1] == RoundSettled(round=1, session="", consumed={}, digests={}, sessions=0, of=3, ended=True)


def shown(bench: Bench) -> list[FlowsShown]:
    return [message for _, message in bench.sent if isinstance(message, FlowsShown)]


def test_that_all_is_over_is_shown_at_once_and_once() -> None:
    bench = Bench().ready()
    before = len(shown(bench))

    bench.hear(Produced(workstream="ws3", delivery="r1/ws3", result={"end": True, "of": 3}), "ws3")
    bench.hear(Produced(workstream="ws3", delivery="r1/ws3", result={"end": True, "of": 3}), "ws3")

    assert [each.ended for each in shown(bench)[before:]] == [True]


def test_it_is_not_over_while_what_came_of_the_last_session_is_under_way() -> None:
    bench = Bench().ready()
    result = {"session": "2008-09-29", "end": True, "of": 1}
    bench.hear(Produced(workstream="ws3", delivery="r1/ws3", events=(bar(1),), result=result), "ws3")
    bench.now += 1.0
    bench.hear(Woken(timer="show"))

    assert bench.state.ended
    assert not shown(bench)[-1].ended


def test_folding_the_facts_gives_the_live_state() -> None:
    bench = Bench().ready()
    bench.hear(PauseFlow(flow="ws3-ws4"), "gateway")
    bench.open_session((bar(1),))
    bench.hear(Considered(round=2), "coordinator")
    bench.hear(ResumeFlow(flow="ws3-ws4"), "gateway")
    bench.hear(Produced(workstream="ws3", delivery="r3/ws3", result={"session": "2008-09-30"}), "ws3")

    assert durable(bench.folded) == durable(bench.state)


def test_a_router_that_died_in_the_middle_builds_the_same_round_again() -> None:
    bench = Bench().ready()
    bench.open_session((bar(1), bar(2)))
    before = bench.state.open
    reborn = Bench()
    reborn.state = bench.folded

    reborn.hear(Started(incarnation=2))
    reborn.hear(Unsettled(workstream="ws3", events=(bar(1), bar(2)), through=2), "ws3")
    reborn.hear(Unsettled(workstream="ws9", events=(), through=0), "ws9")
    later = fill(1, "r2/ws4")  # the old router's delivery was done meanwhile; its event belongs to the next round
    reborn.hear(Unsettled(workstream="ws4", events=(later,), through=1), "ws4")

    assert reborn.state.open["ws4"].events == before["ws4"].events
    assert reborn.state.open["ws4"].delivery == before["ws4"].delivery


def test_the_round_of_an_event_is_read_off_its_cause() -> None:
    assert [round_of(bar(1, cause)) for cause in ("r7/ws4", "c/12/rule/0", "", "other", "d/3/ws4/8")] == [
        7,
        12,
        0,
        0,
        0,
    ]


def test_the_overall_digest_does_not_depend_on_the_order_of_workstreams() -> None:
    assert overall_digest({"a": "1", "b": "2"}) == overall_digest({"b": "2", "a": "1"})
    assert HELD_MAX > 0


# --- the hub ends -----------------------------------------------------------------------------------------------------


def test_a_closed_router_opens_no_further_session() -> None:
    bench = Bench()
    bench.hear(Started(incarnation=1))
    assert bench.hear(CloseIntake(left_s=30.0), "hub") == [("hub", IntakeClosed())]

    for workstream in SPEC.workstreams:
        bench.hear(Unsettled(workstream=workstream, events=(), through=0), workstream)

    assert bench.state.open == {}
    assert bench.hear(Drain(left_s=29.0), "hub") == [("hub", Drained())]


def test_a_router_is_drained_when_the_rounds_of_the_open_session_are_over() -> None:
    bench = Bench().ready()
    assert bench.state.open  # it has asked for a session

    assert bench.hear(Drain(left_s=30.0), "hub") == []
    assert bench.hear(Drain(left_s=29.0), "hub") == []
    sent = bench.open_session()

    assert ("hub", Drained()) in sent
    assert [message for _, message in sent if isinstance(message, Deliver)] == []
    assert [message for _, message in bench.sent if isinstance(message, Drained)] == [Drained()]
