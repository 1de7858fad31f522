"""What the router knows, and how facts alone rebuild the durable part of it.

Durable: which events are settled, the round and session reached, the digests, paused flows and what they hold.  All
else is asked again from the monitors, who keep every event until it is settled.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from alluse_hub.protocols.flow import (
    Deliver,
    Event,
    EventsHeld,
    FlowPaused,
    FlowResumed,
    RoundSettled,
    RouterSpec,
)
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.ruleset import ConsiderChanged
from alluse_hub.protocols.states import replace


class Phase(StrEnum):
    GATHERING = "gathering"  # a new incarnation asks the monitors what is unsettled
    RESTING = "resting"  # nothing to carry
    UNDER_WAY = "under way"  # a round is with the workstreams, then with the coordinator


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one flow.  ``minutes``: (minute of hub time, events), newest last, at most an hour."""

    events: int = 0
    dropped: int = 0
    minutes: tuple[tuple[int, int], ...] = ()
    latencies_s: tuple[float, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class FlowOrder:
    """A person's order that waits for the end of the round."""

    flow: str
    pause: bool
    asker: str


@dataclass(frozen=True, slots=True)
class Router:
    spec: RouterSpec
    # durable
    round: int = 0  # the last one settled
    session: str = ""
    sessions: int = 0
    of: int = 0
    ended: bool = False
    is_spanned: bool = False  # the source knows the span to replay
    taken: dict[str, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    held: dict[str, tuple[Event, ...]] = field(default_factory=dict)
    released: dict[str, tuple[Event, ...]] = field(default_factory=dict)  # by flow: resumed, not yet delivered
    considers: frozenset[str] = frozenset()  # what the coordinator's rules listen to, besides those configured
    # volatile
    phase: Phase = Phase.GATHERING
    unsettled: dict[str, tuple[Event, ...]] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)  # by workstream: when its latest events came in
    awaited: frozenset[str] = frozenset()  # whose word the phase waits for
    out: frozenset[str] = frozenset()
    batch: tuple[Event, ...] = ()  # the events of the open round
    is_shown: bool = False  # the coordinator has the open round
    considered: dict[str, int] | None = None  # its watermarks, once it has answered
    open: dict[str, Deliver] = field(default_factory=dict)
    loose: dict[str, tuple[Deliver, ...]] = field(default_factory=dict)  # to workstreams outside the lockstep
    orders: tuple[FlowOrder, ...] = ()
    considers_next: tuple[str, ...] | None = None  # the coordinator's word, until the round is over
    delivered_at: float = 0.0
    session_at: float = 0.0
    is_paced: bool = False  # the next session has to wait for its time
    next_session: str = ""
    figures: dict[str, Figures] = field(default_factory=dict)
    shown_at: float = 0.0
    is_over_shown: bool = False
    events: int = 0
    is_closing: bool = False  # the hub ends: no further session is opened
    drained_to: str = ""  # who waits to hear that nothing is in hand any more

    @property
    def next_round(self) -> int:
        return self.round + 1


FACTS: frozenset[type[Fact]] = frozenset({RoundSettled, FlowPaused, FlowResumed, EventsHeld, ConsiderChanged})


def evolve(state: Router, fact: Fact) -> Router:
    match fact:
        case RoundSettled():
            return replace(
                state,
                round=fact.round,
                session=fact.session,
                sessions=fact.sessions,
                of=fact.of,
                ended=fact.ended,
                is_spanned=fact.spanned,
                taken=state.taken | fact.consumed,
                digests=state.digests | fact.digests,
                released={},
            )
        case ConsiderChanged(events=events):
            return replace(state, considers=frozenset(events))
        case FlowPaused(flow=flow):
            return replace(state, paused=state.paused | {flow})
        case EventsHeld(flow=flow, events=events):
            return replace(state, held=state.held | {flow: state.held.get(flow, ()) + events})
        case FlowResumed(flow=flow):
            held = {name: events for name, events in state.held.items() if name != flow}
            freed = state.released.get(flow, ()) + state.held.get(flow, ())
            released = state.released | {flow: freed} if freed else state.released
            return replace(state, paused=state.paused - {flow}, held=held, released=released)
        case _:
            raise TypeError(f"a router is not changed by {type(fact).__name__}")


def restore(fresh: Router, kept: Router) -> Router:
    """The durable part of a snapshot, under today's specification."""
    return replace(
        fresh,
        round=kept.round,
        session=kept.session,
        sessions=kept.sessions,
        of=kept.of,
        ended=kept.ended,
        taken=kept.taken,
        digests=kept.digests,
        paused=kept.paused,
        held=kept.held,
        released=kept.released,
        considers=kept.considers,
    )


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def extend_digest(digest: str, events: Iterable[Event]) -> str:
    """The chain over a workstream's events: SHA-256 over the digest so far and (session, ws, n, event, payload)."""
    for event in events:
        text = _CANONICAL.encode([event.session, event.ws, event.n, event.event, event.payload])
        digest = hashlib.sha256(f"{digest}{text}".encode()).hexdigest()
    return digest


def overall_digest(digests: dict[str, str]) -> str:
    """One digest over all workstreams' chains, whatever the order in which they were extended."""
    return hashlib.sha256("\n".join(f"{ws} {digests[ws]}" for ws in sorted(digests)).encode()).hexdigest()
