"""The router decides what goes where, and when a round is over.

A round: gather what the last one produced; deliver it to every target in one letter and wait for all answers; then show
the coordinator the events it wants to see and wait until all it orders because of them is done.  So what is decided
comes after what it was decided on, and before anything that follows from it: a command made on a closing price cannot
trade at that price.  Only where somebody keeps all waiting for ``LATE_S`` is the coordinator shown the round before
the last answer: a restriction does not wait for a workstream that hangs.  A round that would be empty opens the next
session instead.  Every wait is said again after ``AGAIN_S``; monitors and programs recognise what
they have done already, so saying it twice does it once.

Only workstreams in lockstep are waited for; others get their events and cannot hold anybody up.
"""

from alluse_hub.actors.router.figures import count, show
from alluse_hub.actors.router.rounds import (
    AGAIN_S,
    behind_watermarks,
    consider,
    deliver,
    dropped,
    is_considered,
    reached,
    round_of,
    settle,
    wanted,
)
from alluse_hub.actors.router.state import FACTS, FlowOrder, Phase, Router, evolve, restore
from alluse_hub.protocols.effects import CancelWake, Core, Decision, Effect, Record, Send, Wake
from alluse_hub.protocols.ending import CloseIntake, Drain, Drained, IntakeClosed
from alluse_hub.protocols.flow import (
    AskUnsettled,
    Considered,
    Deliver,
    Event,
    FlowOrderDone,
    FlowPaused,
    FlowResumed,
    PauseFlow,
    Present,
    Produced,
    ResumeFlow,
    RouterSpec,
    Unsettled,
)
from alluse_hub.protocols.lifecycle import PeerUp, Started, Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.names import BOARD, COORDINATOR
from alluse_hub.protocols.ruleset import ConsiderChanged, ConsiderThese
from alluse_hub.protocols.states import replace

LATE_S = 15.0
"""After this long the coordinator is shown a round that somebody has not answered.  Longer than any repair of a death
and any letter said again: a round shown early may be obeyed by a workstream that has not had it yet, and then two runs
differ.  So only a workstream that truly hangs comes to this."""

ORDERS_MAX = 64
"""Orders of people that may wait for the end of a round."""


def start(_name: str, spec: Message) -> Router:
    assert isinstance(spec, RouterSpec), "the shell validated it"
    return Router(spec=spec)


def decide(state: Router, letter: Envelope) -> Decision[Router]:
    now = letter.at
    match letter.body:
        case Started():
            awaited = frozenset(state.spec.workstreams)
            return ask_again(replace(state, phase=Phase.GATHERING, awaited=awaited), now)
        case Woken(timer="again"):
            return ask_again(state, now)
        case Woken(timer="pace"):
            return advance(replace(state, is_paced=False), now)
        case Woken(timer="show"):
            return show(state, now)
        case PeerUp(name=name):
            return greet(state, name, now)
        case Present(workstream=workstream, presence=presence):
            return presence_changed(state, workstream, presence, now)
        case Unsettled() as word:
            state = take(state, word.workstream, word.events, now)
            if state.phase is Phase.GATHERING:
                state = replace(state, awaited=state.awaited - {word.workstream})
            return advance(state, now)
        case Produced() as word:
            return produced(state, word, now)
        case Considered(round=number, through=through):
            if not state.is_shown or number != state.next_round:
                return Decision(state)
            return advance(replace(state, considered=dict(through)), now)
        case ConsiderThese(events=events):
            return advance(replace(state, considers_next=events), now)
        case CloseIntake():
            return Decision(replace(state, is_closing=True), (Send(letter.sender, IntakeClosed()),))
        case Drain():
            return advance(replace(state, is_closing=True, drained_to=letter.sender), now)
        case PauseFlow(flow=flow) | ResumeFlow(flow=flow):
            order = FlowOrder(flow, isinstance(letter.body, PauseFlow), letter.sender)
            return flow_order(state, order, now)
        case other:
            raise TypeError(f"a router does not take {type(other).__name__}")


# --- words in ---------------------------------------------------------------------------------------------------------


def take(state: Router, workstream: str, events: tuple[Event, ...], now: float) -> Router:
    """Add what is new, in order and without a gap."""
    have = state.unsettled.get(workstream, ())
    last = reached(state, workstream)
    fresh: list[Event] = []
    for event in events:
        if event.n == last + 1:
            fresh.append(event)
            last = event.n
    if not fresh:
        return state
    return replace(
        state,
        unsettled=state.unsettled | {workstream: (*have, *fresh)},
        arrived=state.arrived | {workstream: now},
    )


def produced(state: Router, word: Produced, now: float) -> Decision[Router]:
    """A monitor has heard up to ``through``: of what is missing here, a letter was lost, and the monitor is asked for
    it.  An answer with such a gap ends no delivery, for what is missing may belong to its round; it is given again,
    with all that is unsettled, when the delivery is said again."""
    state = take(state, word.workstream, word.events, now)
    gap: tuple[Effect, ...] = ()
    if reached(state, word.workstream) < word.through:
        gap = (Send(word.workstream, AskUnsettled(taken=state.taken.get(word.workstream, 0))),)
    asked = state.open.get(word.workstream)
    if asked is not None and asked.delivery == word.delivery:
        if gap and word.ok:
            return Decision(state, gap)
        state = replace(state, open={ws: d for ws, d in state.open.items() if ws != word.workstream})
        state = count(state, asked, now, ok=word.ok)
        if asked.command == "deliver":
            return advance(state, now, gap)
        if not word.ok:
            return advance(replace(state, is_paced=True), now, (*gap, Wake("pace", AGAIN_S)))
        if asked.command == "set_replay":
            return advance(replace(state, is_spanned=True), now)
        return advance(session_answered(state, word), now)
    loose = state.loose.get(word.workstream, ())
    if any(delivery.delivery == word.delivery for delivery in loose):
        for delivery in loose:
            if delivery.delivery == word.delivery:
                state = count(state, delivery, now, ok=word.ok)
        left = tuple(delivery for delivery in loose if delivery.delivery != word.delivery)
        state = replace(state, loose=state.loose | {word.workstream: left})
    return advance(state, now, gap)


def session_answered(state: Router, word: Produced) -> Router:
    result = word.result
    of = result.get("of")
    return replace(
        state,
        next_session=str(result.get("session") or state.session),
        ended=bool(result.get("end", False)),
        of=of if isinstance(of, int) else state.of,
    )


def presence_changed(state: Router, workstream: str, presence: str, now: float) -> Decision[Router]:
    if presence != "out":
        return advance(replace(state, out=state.out - {workstream}), now)
    state = replace(state, out=state.out | {workstream}, awaited=state.awaited - {workstream})
    effects: tuple[Effect, ...] = ()
    if (lost := state.open.get(workstream)) is not None:
        effects = dropped(lost.events, workstream, "the workstream is out")
        state = replace(state, open={ws: d for ws, d in state.open.items() if ws != workstream})
    return advance(state, now, effects)


def greet(state: Router, name: str, now: float) -> Decision[Router]:
    """A new incarnation of somebody we wait for must be told again what the earlier one was told."""
    if name == BOARD:
        return show(replace(state, shown_at=0.0), now)
    if name == COORDINATOR and state.is_shown and state.considered is None:
        return Decision(state, (consider(state),))
    if name not in state.spec.workstreams:
        return Decision(state)
    effects: list[Effect] = [Send(name, AskUnsettled(taken=state.taken.get(name, 0)))]
    if name in state.open:
        effects.append(Send(name, state.open[name]))
    effects += [Send(name, delivery) for delivery in state.loose.get(name, ())]
    return Decision(state, tuple(effects))


def ask_again(state: Router, now: float) -> Decision[Router]:
    """Say again whatever is unanswered."""
    effects: list[Effect] = [Wake("again", AGAIN_S)]
    match state.phase:
        case Phase.GATHERING:
            effects += [Send(ws, AskUnsettled(taken=state.taken.get(ws, 0))) for ws in sorted(state.awaited)]
        case Phase.UNDER_WAY:
            effects += [Send(ws, delivery) for ws, delivery in sorted(state.open.items())]
            is_late = now - state.delivered_at >= LATE_S
            if wanted(state) and state.considered is None and (state.is_shown or is_late):
                state = replace(state, is_shown=True)
                effects.append(consider(state))
            behind = sorted(behind_watermarks(state))
            effects += [Send(ws, AskUnsettled(taken=state.taken.get(ws, 0))) for ws in behind]
        case Phase.RESTING:
            return Decision(state)
    return Decision(state, tuple(effects))


# --- rounds -----------------------------------------------------------------------------------------------------------


def advance(state: Router, now: float, effects: tuple[Effect, ...] = ()) -> Decision[Router]:
    """As far as possible without a further answer."""
    out: list[Effect] = list(effects)
    while True:
        before = state.phase
        match state.phase:
            case Phase.GATHERING if not state.awaited:
                state = replace(state, phase=Phase.RESTING)
            case Phase.RESTING:
                state, more = open_round(state, now)
                out += more
            case Phase.UNDER_WAY if not state.open and wanted(state) and not state.is_shown:
                state = replace(state, is_shown=True)
                out += [consider(state), Wake("again", AGAIN_S)]
            case Phase.UNDER_WAY if not state.open and is_considered(state):
                state, more = settle(state)
                out += more
            case _:
                pass
        if state.phase is before:
            break
    if state.drained_to and state.phase is Phase.RESTING and not awaits_loose(state):
        out.append(Send(state.drained_to, Drained()))
        state = replace(state, drained_to="")
    shown = show(state, now)
    return Decision(shown.state, (*out, *shown.effects))


def awaits_loose(state: Router) -> bool:
    """Whether somebody outside the lockstep, who can be counted on, has not answered yet."""
    return any(queue for workstream, queue in state.loose.items() if workstream not in state.out)


def open_round(state: Router, now: float) -> tuple[Router, list[Effect]]:
    state, effects = carry_out(state)
    batch = tuple(
        event for ws in sorted(state.unsettled) for event in state.unsettled[ws] if round_of(event) < state.next_round
    )
    if batch or state.released:
        state, more = deliver(state, batch, now)
        return state, [*effects, *more]
    source = state.spec.source
    if not source or state.ended or state.is_paced or state.is_closing or source in state.out:
        return state, [*effects, CancelWake("again")]
    if state.spec.speed and state.session_at and (wait := state.session_at + 1 / state.spec.speed - now) > 0:
        return replace(state, is_paced=True), [*effects, Wake("pace", wait), CancelWake("again")]
    has_span = bool(state.spec.first or state.spec.last)
    is_span = has_span and not state.sessions and not state.is_spanned
    delivery = Deliver(
        delivery=f"r{state.next_round}/{source}",
        round=state.next_round,
        command="set_replay" if is_span else "next_session",
        parameters={"from": state.spec.first or None, "to": state.spec.last or None} if is_span else {},
        taken=state.taken.get(source, 0),
    )
    state = replace(state, phase=Phase.UNDER_WAY, batch=(), open={source: delivery}, session_at=now, delivered_at=now)
    return state, [*effects, Send(source, delivery), Wake("again", AGAIN_S)]


# --- orders of people -------------------------------------------------------------------------------------------------


def flow_order(state: Router, order: FlowOrder, now: float) -> Decision[Router]:
    """Taken at once if it can be refused; carried out between rounds, so that a round built again is the same round."""
    known = sorted(each.name for each in state.spec.flows)
    if order.flow not in known:
        text = f"{order.flow!r} is not a flow; known: {', '.join(known)}"
        return Decision(state, (Send(order.asker, FlowOrderDone(flow=order.flow, ok=False, text=text)),))
    if len(state.orders) >= ORDERS_MAX:
        text = f"{ORDERS_MAX} orders wait already"
        return Decision(state, (Send(order.asker, FlowOrderDone(flow=order.flow, ok=False, text=text)),))
    return advance(replace(state, orders=(*state.orders, order)), now)


def carry_out(state: Router) -> tuple[Router, list[Effect]]:
    effects: list[Effect] = []
    if (told := state.considers_next) is not None:
        state = replace(state, considers_next=None)
        if state.considers.union(state.spec.considers) != frozenset(told).union(state.spec.considers):
            changed = ConsiderChanged(events=told)
            state = evolve(state, changed)
            effects.append(Record(changed))
    if not state.orders:
        return state, effects
    for order in state.orders:
        word = "paused" if order.pause else "running"
        text = f"{order.flow} is {word}"
        if order.pause == (order.flow in state.paused):
            text = f"{order.flow} is already {word}"
        else:
            fact = FlowPaused(flow=order.flow) if order.pause else FlowResumed(flow=order.flow)
            state = evolve(state, fact)
            effects.append(Record(fact))
        effects.append(Send(order.asker, FlowOrderDone(flow=order.flow, ok=True, text=text)))
    return replace(state, orders=()), effects


ROUTER: Core[Router] = Core(
    start=start,
    decide=decide,
    spec=RouterSpec,
    accepts=frozenset(
        {
            Started,
            Woken,
            PeerUp,
            Present,
            Unsettled,
            Produced,
            Considered,
            ConsiderThese,
            PauseFlow,
            ResumeFlow,
            CloseIntake,
            Drain,
        }
    ),
    evolve=evolve,
    facts=FACTS,
    restore=restore,
)
