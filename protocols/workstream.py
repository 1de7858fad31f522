"""The contract with a workstream program, in any language: JSON lines on its standard input and output.

Out: ``hello`` once, ``heartbeat`` each second, ``event``, ``claim`` and ``withdraw``, exactly one ``reply`` per
command, ``log``, ``progress``, ``state``.  In: ``{id, command, parameters, deadline_s}``.  Every line out carries
``ws``, ``seq`` (from 1 per start, no gaps), ``t`` (seconds since the start) and ``kind``.  The events a command causes
stand before its reply.

A program that shares data sets says in ``hello`` and in a ``reply`` which versions it has made (``datasets``), and
answers ``offer_datasets``, ``get_datasets``, ``digest_datasets`` and ``apply_datasets`` (``protocols/versions.py``).
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, NonNegativeFloat, NonNegativeInt, PositiveInt, TypeAdapter, model_validator

from alluse_hub.protocols.declared import Secret
from alluse_hub.protocols.detection import (
    DEVIATION_MIN_S,
    PAUSE_S,
    THRESHOLD,
    WINDOW,
    DetectorKind,
    DeviationMin,
    Pause,
    Threshold,
    Window,
)
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.lifecycle import ActorName, Intensity, RestartType
from alluse_hub.protocols.message import Fact, Json, Message, built
from alluse_hub.protocols.program_claims import CLAIM_SAID, WITHDRAWAL_SAID, ClaimRights, OneOrAll, OwnId
from alluse_hub.protocols.versions import EventCondition, Version

LINE_BYTES_MAX = 1_000_000
"""A longer line is refused: a thousand times the longest that the reference workstreams write."""

Seconds = Annotated[float, Field(gt=0, le=3600)]


class MonitorSpec(Message):
    """What a monitor needs to know of its workstream.

    Either ``command``, the command line of a program, in which ``{python}`` stands for the hub's own interpreter,
    ``{state}`` for the folder the hub keeps for this workstream and ``{home}`` for the hub's own; or ``python``, the
    class path ``module:Class`` of a workstream that lives inside the monitor's process, stepped by ``runner``.
    """

    workstream: ActorName
    name: str = ""
    command: tuple[str, ...] = ()
    python: Annotated[str, Field(pattern=r"^([\w.]+:\w+)?$")] = ""
    runner: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] = "alluse_hub.actors.workstreams.sdk:Runner"
    data: str = ""  # a file for the class at ``python``; empty: its own choice
    env: Annotated[dict[str, str], Secret()] = {}
    cwd: str = ""  # empty: the hub's home
    depends_on: tuple[ActorName, ...] = ()
    needed_by: tuple[ActorName, ...] = ()  # the monitors to tell when this program comes and goes
    datasets: tuple[str, ...] = ()  # those it shares whose versions the replicator wants to hear of
    sync_events: tuple[str, ...] = ()  # its events that the replicator waits for, whatever is in them
    sync_conditions: dict[str, EventCondition] = {}  # by sync: those that it waits for on a condition
    fields: dict[str, str] = {}  # where its events have what conditions call otherwise
    lockstep: bool = False  # what it says of claims goes the way of its events
    claims: ClaimRights = ClaimRights()
    restart: RestartType = RestartType.PERMANENT
    intensity: Intensity = Intensity()
    pause_first_s: Seconds = 0.1
    pause_factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    pause_cap_s: Seconds = 10.0
    pause_jitter: Annotated[float, Field(ge=0, le=1)] = 0.0  # of each pause, taken away at most
    pause_reset_s: Seconds = 30.0  # a program that was up for so long begins a new row of restarts
    detector: DetectorKind = DetectorKind.DEADLINE
    heartbeat_timeout_s: Seconds = 3.0  # the deadline; with phi the longest silence, whatever the rhythm
    phi_threshold: Threshold = THRESHOLD
    phi_window: Window = WINDOW
    phi_deviation_min_s: DeviationMin = DEVIATION_MIN_S
    phi_pause_s: Pause = PAUSE_S
    start_timeout_s: Seconds = 15.0  # from start to hello
    grace_s: Seconds = 5.0  # from end of input to TERM
    delivery_deadline_s: Seconds = 60.0
    latency_budget_ms: Annotated[float, Field(gt=0)] = 500.0
    window_s: Seconds = 60.0
    pulse_s: Seconds = 5.0

    @model_validator(mode="after")
    def _one_adapter(self) -> Self:
        if bool(self.command) == bool(self.python):
            raise ValueError(f"{self.workstream} needs either a command line or a class path, and not both")
        return self


class Line(Message):
    """What every line says.  Unknown keys are let through, so that a newer program can say more."""

    model_config = {"frozen": True, "extra": "ignore", "allow_inf_nan": False}

    ws: str
    seq: PositiveInt
    t: NonNegativeFloat


class Hello(Line):
    kind: Literal["hello"]
    name: str
    version: str
    pid: PositiveInt
    resumed: bool = False
    events: NonNegativeInt = 0
    datasets: dict[str, Version] = {}


class Heartbeat(Line):
    kind: Literal["heartbeat"]
    requests: NonNegativeInt = 0
    errors: NonNegativeInt = 0
    uptime_s: NonNegativeFloat = 0.0
    busy: str | None = None


class EventLine(Line):
    kind: Literal["event"]
    n: PositiveInt
    event: Annotated[str, Field(min_length=1, max_length=64)]
    session: str = ""
    cause: str = ""
    payload: Json = {}

    def as_event(self, n: int) -> Event:
        """The event under the hub's number ``n``.  Not validated again: every value was, when the line was read."""
        return built(
            Event,
            {
                "ws": self.ws,
                "n": n,
                "event": self.event,
                "session": self.session,
                "cause": self.cause,
                "payload": self.payload,
            },
        )


class ClaimLine(Line):
    """``claim``: as ``ClaimWords``; if it is none, the program is told so.  ``n``: one number of its events."""

    kind: Literal["claim"]
    n: PositiveInt
    id: OwnId
    claim: Json
    session: str = ""
    cause: str = ""

    @property
    def as_event(self) -> EventLine:
        return _said(self, CLAIM_SAID, {"id": self.id, "claim": self.claim})


class WithdrawLine(Line):
    """Of one claim, or of all."""

    kind: Literal["withdraw"]
    n: PositiveInt
    id: OneOrAll
    reason: Annotated[str, Field(max_length=500)] = ""
    session: str = ""
    cause: str = ""

    @property
    def as_event(self) -> EventLine:
        return _said(self, WITHDRAWAL_SAID, {"id": self.id, "reason": self.reason})


def _said(line: ClaimLine | WithdrawLine, event: str, payload: Json) -> EventLine:
    where = {name: getattr(line, name) for name in ("ws", "seq", "t", "n", "session", "cause")}
    return built(EventLine, {**where, "kind": "event", "event": event, "payload": payload})


class Reply(Line):
    kind: Literal["reply"]
    id: str
    ok: bool
    result: JsonValue = None
    error: str | None = None
    ms: NonNegativeFloat = 0.0
    datasets: dict[str, Version] = {}


class Log(Line):
    kind: Literal["log"]
    level: str = "info"
    text: str = ""


class Progress(Line):
    kind: Literal["progress"]
    id: str
    fraction: Annotated[float, Field(ge=0, le=1)] = 0.0


class StateLine(Line):
    kind: Literal["state"]
    id: str = ""
    snapshot: JsonValue = None
    digest: str = ""


ProgramLine = Hello | Heartbeat | EventLine | Reply | Log | Progress | StateLine
"""As the core hears them: a claim and a withdrawal are events by then."""

PROGRAM_LINE: TypeAdapter[ProgramLine | ClaimLine | WithdrawLine] = TypeAdapter(
    Annotated[ProgramLine | ClaimLine | WithdrawLine, Field(discriminator="kind")]
)


# --- coordinator (and later orchestrator) <-> monitor ----------------------------------------------------------------


class Command(Message):
    """Have the workstream do ``command``.  ``key`` is the idempotency key: said again, it is done once and answered
    the same.  ``deadline_s`` counts from the first time the monitor hears it."""

    key: str
    command: str
    parameters: Json = {}
    deadline_s: Annotated[float, Field(gt=0, le=3600)] = 30.0


class CommandReply(Message):
    """``events_through``: the workstream's highest event number when it replied."""

    key: str
    workstream: str
    ok: bool
    result: JsonValue = None
    error: str = ""
    events_through: NonNegativeInt = 0
    latency_s: NonNegativeFloat = 0.0


# --- a monitor's durable facts -------------------------------------------------------------------------------------


class CommandKind(StrEnum):
    COMMAND = "command"
    DELIVERY = "delivery"  # its body stays with the router, who says it again
    DIRECTIVE = "directive"
    CLAIM = "claim"  # the monitor's own word about a claim; nobody else waits for its answer


class CommandOpened(Fact):
    """A command is about to be written to the program; it stays open until its reply.  Said again, with a later
    deadline, when a new start of the program gets it."""

    key: str
    kind: CommandKind
    command: str
    parameters: Json = {}
    deadline_at: float
    asked_by: str
    resource: str = ""  # of a directive
    fence: NonNegativeInt = 0


class CommandClosed(Fact):
    key: str
    ok: bool
    error: str = ""


class ProgramStarted(Fact):
    """``adopted``: it was running before, and its shim gave it to this incarnation of the monitor."""

    workstream: str
    pid: int
    start_ticks: int
    shim_pid: int
    shim_ticks: int
    adopted: bool
    count: PositiveInt


class ShimReplaced(Fact):
    """A program was not taken over but ended in order, because its shim speaks ``protocol`` and this version of the hub
    speaks ``spoken``: a program of before an upgrade or a downgrade that has to begin anew."""

    workstream: str
    pid: PositiveInt
    protocol: int
    spoken: tuple[int, ...]


class ProgramGreeted(Fact):
    """The program said hello.  ``base`` is what the hub adds to its event numbers: for one that starts counting afresh
    the highest number heard, for one that remembers what it said 0, or less by as many as were ever lost."""

    workstream: str
    pid: int
    start_ticks: int
    name: str
    version: str
    base: int = 0


class EventsLost(Fact):
    """The program told of events, by its own numbers ``first`` to ``last``, that never came: what held them died with
    them.  From here on the hub's numbers are lower by their count, so that they stay without a gap."""

    workstream: str
    first: PositiveInt
    last: PositiveInt


class ProgramEnded(Fact):
    """``restarts``: the times, in hub seconds, newest first, that count against the intensity.  ``row``: which restart
    of a row follows, from 1; 0 if none does.  ``in_hand``: key of the command that it was at when it ended by itself;
    empty if there was none."""

    workstream: str
    pid: int
    cause: str
    restarts: tuple[float, ...] = ()
    row: int = 0
    in_hand: str = ""


class CommandSetAside(Fact):
    """A command that no program survived: so many in a row died while they were at it.  It is answered *no*.

    ``events``: ids of the first of ``count`` events that a delivery carries.  ``cause``: of the last death.
    """

    workstream: str
    key: str
    kind: CommandKind
    command: str
    events: tuple[str, ...] = ()
    count: NonNegativeInt = 0
    deaths: PositiveInt
    cause: str

    @property
    def sentence(self) -> str:
        shown = self.events[:3]
        more = f" and {self.count - len(shown)} more" if self.count > len(shown) else ""
        events = f" with {', '.join(shown)}{more}" if shown else ""
        what = f"{self.command} ({self.key}){events}"
        return f"{what} is set aside: {self.deaths} programs died over it, the last of: {self.cause}"


class ProgramParked(Fact):
    workstream: str
    why: str


class LineRefused(Fact):
    """A line of the program that broke the contract; its beginning is kept so that somebody can mend it.  Three a
    minute are recorded; ``count`` counts all, of this incarnation of the monitor."""

    workstream: str
    why: str
    beginning: str
    count: PositiveInt


class WantedChanged(Fact):
    """What the operator wants of the program; survives everything."""

    workstream: str
    wanted: "Wanted"
    by: str
    reason: str = ""


class Wanted(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"
    MAINTENANCE = "maintenance"


# --- operator -> monitor --------------------------------------------------------------------------------------------


class StartProgram(Message):
    by: str
    reason: str = ""


class StopProgram(Message):
    by: str
    reason: str = ""


class RestartProgram(Message):
    by: str
    reason: str = ""


class Maintain(Message):
    on: bool
    by: str
    reason: str = ""


class OrderDone(Message):
    """Answer to the four orders above."""

    workstream: str
    ok: bool
    text: str
