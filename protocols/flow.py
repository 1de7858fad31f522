"""Events and the flows that carry them between workstreams.

An event is something that happened, told once: ``ws`` says who, ``n`` counts that workstream's events from 1 without a
gap over its whole life, ``session`` is the market session it belongs to, ``cause`` the command in whose handling it
arose.  The hub moves events in *rounds* (bulk-synchronous, after Valiant 1990): all that a round produced is delivered,
one letter a workstream, and then decided on by the coordinator; what both lead to is the next round.  When a round
produces nothing the session is settled and the source of time may open the next.  So two runs over the same data give
the same events and the same decisions, whatever the machine was doing.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from alluse_hub.protocols.message import Fact, Json, Message


class Event(Message):
    ws: str
    n: PositiveInt
    event: str
    session: str = ""
    cause: str = ""
    payload: Json = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """As it stands in the trail: ``ws3#17``."""
        return f"{self.ws}#{self.n}"


class FlowKind(StrEnum):
    REAL_TIME = "real-time"
    BATCH = "batch"
    EVENT = "event"


class OnPause(StrEnum):
    """What becomes of events that reach a paused flow."""

    HOLD = "hold"
    DROP = "drop"  # counted and recorded


class Flow(Message):
    """A declared edge: the ``events`` of ``source`` that go to ``target``."""

    source: str
    target: str
    events: tuple[str, ...]
    kind: FlowKind = FlowKind.EVENT
    on_pause: OnPause = OnPause.HOLD

    @property
    def name(self) -> str:
        return f"{self.source}-{self.target}"


# --- router <-> monitor --------------------------------------------------------------------------------------------


class Deliver(Message):
    """The router asks a monitor to have its program handle ``events`` (command ``deliver``) or open a session
    (command ``next_session``).  Said again with the same ``delivery`` until answered; done once."""

    delivery: str
    round: PositiveInt
    command: Annotated[str, Field(pattern="^(deliver|next_session|set_replay)$")] = "deliver"
    session: str = ""
    events: tuple[Event, ...] = ()
    parameters: Json = Field(default_factory=dict)
    taken: NonNegativeInt = 0  # the addressee's events up to this number are settled and may be forgotten

    def for_trail(self) -> "Delivered":
        """The events have entries of their own; here their ids are enough."""
        return Delivered(
            delivery=self.delivery,
            round=self.round,
            command=self.command,
            session=self.session,
            events=tuple(event.id for event in self.events),
            parameters=self.parameters,
            taken=self.taken,
        )


class Delivered(Message):
    """``Deliver`` as it stands in the trail."""

    delivery: str
    round: PositiveInt
    command: str
    session: str = ""
    events: tuple[str, ...] = ()
    parameters: Json = Field(default_factory=dict)
    taken: NonNegativeInt = 0


class Produced(Message):
    """A monitor hands events to the router: ``delivery`` names the finished delivery, or is empty for events that
    came by themselves.  ``through`` is the highest event number the monitor has heard."""

    workstream: str
    delivery: str = ""
    ok: bool = True
    error: str = ""
    result: Json = Field(default_factory=dict)
    events: tuple[Event, ...] = ()
    through: NonNegativeInt = 0
    latency_s: float = 0.0  # command written to reply read

    def for_trail(self) -> "ProducedIds":
        return ProducedIds(
            workstream=self.workstream,
            delivery=self.delivery,
            ok=self.ok,
            error=self.error,
            events=tuple(event.id for event in self.events),
            through=self.through,
            result=self.result,
            latency_s=self.latency_s,
        )


class ProducedIds(Message):
    """``Produced`` as it stands in the trail."""

    workstream: str
    delivery: str = ""
    ok: bool = True
    error: str = ""
    events: tuple[str, ...] = ()
    through: NonNegativeInt = 0
    result: Json = Field(default_factory=dict)
    latency_s: float = 0.0


class AskUnsettled(Message):
    """A new incarnation of the router asks a monitor for all events after ``taken``."""

    taken: NonNegativeInt


class Unsettled(Message):
    workstream: str
    events: tuple[Event, ...]
    through: NonNegativeInt

    def for_trail(self) -> ProducedIds:
        return ProducedIds(workstream=self.workstream, events=tuple(e.id for e in self.events), through=self.through)


class Present(Message):
    """A monitor tells the router and the coordinator whether its program can be counted on (``up``), will come back
    (``down``) or will not by itself (``out``: parked, stopped or in maintenance)."""

    workstream: str
    presence: Annotated[str, Field(pattern="^(up|down|out)$")]


# --- router <-> coordinator ----------------------------------------------------------------------------------------


class Consider(Message):
    """The router shows the coordinator the events of a round when everybody has them, and before anything they lead to
    is carried: authority goes ahead of what it governs."""

    round: PositiveInt
    session: str
    events: tuple[Event, ...]

    def for_trail(self) -> "ConsiderIds":
        return ConsiderIds(round=self.round, session=self.session, events=tuple(event.id for event in self.events))


class ConsiderIds(Message):
    round: PositiveInt
    session: str
    events: tuple[str, ...]


class Considered(Message):
    """All that the round's events caused is decided, and every directive and command is answered.  ``through``: per
    workstream, the highest event number that its replies mentioned."""

    round: PositiveInt
    through: dict[str, NonNegativeInt] = Field(default_factory=dict)


# --- the router's specification --------------------------------------------------------------------------------------


class RouterSpec(Message):
    """``considers``: the events, as ``ws3.session_opened``, that the coordinator wants to see before they are
    delivered.  ``source``: the workstream that opens sessions, or empty.  ``speed``: sessions a second, 0 for as fast
    as all is answered."""

    workstreams: tuple[str, ...]
    lockstep: tuple[str, ...] = ()
    flows: tuple[Flow, ...] = ()
    considers: tuple[str, ...] = ()
    source: str = ""
    first: str = ""
    last: str = ""
    speed: Annotated[float, Field(ge=0)] = 0.0


# --- to the router from people ------------------------------------------------------------------------------------


class PauseFlow(Message):
    flow: str


class ResumeFlow(Message):
    flow: str


class FlowOrderDone(Message):
    """Answer to the two orders above."""

    flow: str
    ok: bool
    text: str


# --- facts ---------------------------------------------------------------------------------------------------------


class EventHeard(Fact):
    """A workstream said this; the only entry that carries the event's body."""

    event: Event


class EventsTaken(Fact):
    """The router has settled a workstream's events up to ``through``."""

    workstream: str
    through: NonNegativeInt


class RoundSettled(Fact):
    """A round is over: what it consumed, per workstream, and the digest of all events so far."""

    round: PositiveInt
    session: str
    consumed: dict[str, NonNegativeInt]
    digests: dict[str, str]
    sessions: NonNegativeInt
    of: NonNegativeInt = 0
    ended: bool = False
    spanned: bool = False  # the source of sessions knows the span to replay


class FlowPaused(Fact):
    flow: str


class FlowResumed(Fact):
    flow: str


class EventsHeld(Fact):
    """Events that reached a paused flow, with their bodies: nobody else keeps them."""

    flow: str
    events: tuple[Event, ...]


class EventsDropped(Fact):
    """A paused flow that drops, or a workstream that is out: which events did not get there, and why."""

    flow: str
    events: tuple[str, ...]
    why: str


class FlowShown(Message):
    """A flow as measured: ``per_hour`` counts the events of the last hour; times are from the source's event heard to
    the target's reply."""

    flow: str
    kind: FlowKind
    status: Annotated[str, Field(pattern="^(active|idle|paused|error)$")]
    events: NonNegativeInt = 0
    held: NonNegativeInt = 0
    dropped: NonNegativeInt = 0
    per_hour: float = 0.0
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    latency_p99_ms: float = 0.0


class FlowsShown(Message):
    """From the router to the board.  ``ended``: the replay is over, and whatever came of it is settled."""

    flows: tuple[FlowShown, ...]
    session: str
    sessions: NonNegativeInt
    of: NonNegativeInt
    round: NonNegativeInt
    ended: bool
    digest: str
    events: NonNegativeInt
