"""What a round carries: which events it takes, to whom they go, what the coordinator is shown, what has settled.

Pure.
"""

from alluse_hub.actors.router.figures import count_dropped
from alluse_hub.actors.router.state import Phase, Router, evolve, extend_digest
from alluse_hub.protocols.effects import Effect, Record, Send, Wake
from alluse_hub.protocols.flow import Consider, Deliver, Event, EventsDropped, EventsHeld, OnPause, RoundSettled
from alluse_hub.protocols.names import COORDINATOR
from alluse_hub.protocols.program_claims import SAID
from alluse_hub.protocols.states import replace

AGAIN_S = 3.0
"""After this long without an answer everything still awaited is said again."""

HELD_MAX = 10_000
"""Events a paused flow keeps; beyond that they are dropped, and that is recorded."""

LOOSE_MAX = 100
"""Unanswered deliveries to a workstream outside the lockstep; beyond that the oldest is dropped, and recorded."""


def round_of(event: Event) -> int:
    """The round in which the event arose, from the command that caused it: ``r7/ws4`` or ``c/7/...``; 0 if neither."""
    head, _, rest = event.cause.partition("/")
    number = rest.partition("/")[0] if head == "c" else head[1:]
    return int(number) if head[:1] in {"r", "c"} and number.isdecimal() else 0


def wanted(state: Router) -> tuple[Event, ...]:
    """What rules listen to, and what programs in lockstep say of claims."""
    considers, lockstep = state.considers.union(state.spec.considers), state.spec.lockstep
    return tuple(
        event
        for event in state.batch
        if f"{event.ws}.{event.event}" in considers or (event.event in SAID and event.ws in lockstep)
    )


def consider(state: Router) -> Send:
    session = state.next_session or state.session
    return Send(COORDINATOR, Consider(round=state.next_round, session=session, events=wanted(state)))


def is_considered(state: Router) -> bool:
    """Whether all that the coordinator ordered because of the open round is done, and what it caused has come in."""
    return not wanted(state) or (state.considered is not None and not behind_watermarks(state))


def reached(state: Router, workstream: str) -> int:
    """The number up to which the workstream's events have come in without a gap."""
    have = state.unsettled.get(workstream, ())
    return have[-1].n if have else state.taken.get(workstream, 0)


def behind_watermarks(state: Router) -> frozenset[str]:
    """Workstreams whose events, caused by the coordinator's orders, have not all come in."""
    considered = state.considered or {}
    return frozenset(workstream for workstream, through in considered.items() if reached(state, workstream) < through)


def deliver(state: Router, batch: tuple[Event, ...], now: float) -> tuple[Router, list[Effect]]:
    """One letter to each target.  Paused flows hold or drop; a target that is out gets nothing, as is recorded."""
    effects: list[Effect] = []
    batches: dict[str, list[Event]] = {}
    told: dict[str, list[Event]] = {}
    for event in batch:
        told.setdefault(event.ws, []).append(event)
    for flow in state.spec.flows:
        if flow.source not in told and not state.released:
            continue
        events = list(state.released.get(flow.name, ()))
        fresh = [event for event in told.get(flow.source, ()) if event.event in flow.events]
        if flow.name in state.paused and fresh:
            room = HELD_MAX - len(state.held.get(flow.name, ()))
            if flow.on_pause is OnPause.HOLD and len(fresh) <= room:
                fact = EventsHeld(flow=flow.name, events=tuple(fresh))
                state = evolve(state, fact)
                effects.append(Record(fact))
            else:
                effects += dropped(tuple(fresh), flow.name, "the flow is paused")
                state = count_dropped(state, flow.name, len(fresh))
            fresh = []
        events += fresh
        if events and flow.target in state.out:
            effects += dropped(tuple(events), flow.name, "the workstream is out")
            state = count_dropped(state, flow.name, len(events))
        elif events:
            batches.setdefault(flow.target, []).extend(events)
    opened: dict[str, Deliver] = {}
    loose = dict(state.loose)
    for target in sorted(batches):
        delivery = Deliver(
            delivery=f"r{state.next_round}/{target}",
            round=state.next_round,
            session=state.next_session or state.session,
            events=tuple(sorted(batches[target], key=lambda event: (event.ws, event.n))),
            taken=state.taken.get(target, 0),
        )
        effects.append(Send(target, delivery))
        if target in state.spec.lockstep:
            opened[target] = delivery
            continue
        queue = (*loose.get(target, ()), delivery)
        if len(queue) > LOOSE_MAX:
            effects += dropped(queue[0].events, target, f"{LOOSE_MAX} deliveries are unanswered")
        loose[target] = queue[-LOOSE_MAX:]
    if opened:
        effects.append(Wake("again", AGAIN_S))
    return replace(state, phase=Phase.UNDER_WAY, batch=batch, open=opened, loose=loose, delivered_at=now), effects


def settle(state: Router) -> tuple[Router, list[Effect]]:
    consumed: dict[str, int] = {}
    digests: dict[str, str] = {}
    told: dict[str, list[Event]] = {}
    for event in state.batch:
        told.setdefault(event.ws, []).append(event)
    for ws, events in sorted(told.items()):
        consumed[ws] = events[-1].n
        digests[ws] = extend_digest(state.digests.get(ws, ""), events)
    opened_one = bool(state.next_session) and state.next_session != state.session
    fact = RoundSettled(
        round=state.next_round,
        session=state.next_session or state.session,
        consumed=consumed,
        digests=digests,
        sessions=state.sessions + opened_one,
        of=state.of,
        ended=state.ended,
        spanned=state.is_spanned,
    )
    left = {
        ws: rest
        for ws, events in state.unsettled.items()
        if (rest := tuple(event for event in events if event.n > consumed.get(ws, 0)))
    }
    state = replace(
        evolve(state, fact),
        phase=Phase.RESTING,
        unsettled=left,
        batch=(),
        is_shown=False,
        considered=None,
        next_session="",
        events=state.events + len(state.batch),
    )
    return state, [Record(fact)]


def dropped(events: tuple[Event, ...], flow: str, why: str) -> tuple[Effect, ...]:
    if not events:
        return ()
    return (Record(EventsDropped(flow=flow, events=tuple(event.id for event in events), why=why)),)
