"""What can be configured: the models of the tables of ``hub.toml``, with their defaults, ranges and units.

How a text becomes these, and what is checked across tables, is in ``config``.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from alluse_hub.protocols import detection
from alluse_hub.protocols.approvals import APPROVERS_MAX, Level
from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.declared import Secret
from alluse_hub.protocols.emitted import EmittedFields, FieldKind
from alluse_hub.protocols.flow import Flow
from alluse_hub.protocols.lifecycle import RESIDENTS_MAX, ActorName, Backoff, Intensity, OnLimit
from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.personal import FIELDS_MAX, PersonalField
from alluse_hub.protocols.program_claims import ClaimRights
from alluse_hub.protocols.resources import Dataset, Declared, Mutex, Pool, Value
from alluse_hub.protocols.retention import DAYS_MAX, DAYS_MIN, Retention, too_short
from alluse_hub.protocols.rules import Rule
from alluse_hub.protocols.sync import Sync

WORKSTREAMS_MAX = 500
"""Each is at least two processes, its shim and its program: more than one machine will like."""

MONITORS_ALONE_MAX = 100
"""Beyond this, monitors have to share processes."""


class Base(StrEnum):
    """What carries letters between actors: Thespian's stock transport, the hub's own engine, or a call in the one
    process that all share."""

    STOCK = "stock"
    ENGINE = "engine"
    DENSE = "dense"


class HubSection(Message):
    """``[hub]``.  The owner of the hub's process and root may always ask; ``allow_users`` names others by user name or
    number.  They reach the control socket only if ``control_group``, a group the owner is in, is given as well.
    ``monitors_per_process``: above 1, so many monitors, in the order of the file, share a process, a *cell*.
    ``shutdown_s``: how long the whole hub may take to end in order; who is slower than its share is killed.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = "alluse"
    reference: bool = True
    allow_users: tuple[int | str, ...] = ()
    control_group: str = ""
    base: Base = Base.ENGINE
    monitors_per_process: Annotated[int, Field(ge=1, le=RESIDENTS_MAX)] = 1
    shutdown_s: Annotated[float, Field(ge=1, le=3600)] = 30.0


class TrailSection(Message):
    """``[trail]``.  ``witness``: a program that cosigns every head of the log, at ``unix:`` and the path of its socket;
    ``witness_key``: its public key, without which whatever it answers is kept, and only the verifier judges it;
    ``index``: whether words are searchable; ``personal``: which fields of events are somebody's, and are sealed.
    What is older than ``seal_after_s``, and more than ``seal_entries``, is moved into segments; 0 s: never by itself.
    ``keep_…_days``: how long each class of entries is kept, never shorter than its duty.  ``approvers``: so many people
    have to agree to an expiry, and to lifting a hold.
    """

    witness: Annotated[str, Field(pattern=r"^(unix:/.+)?$", max_length=112)] = ""
    witness_key: Annotated[str, Field(max_length=300)] = ""
    index: bool = True
    personal: Annotated[tuple[PersonalField, ...], Field(max_length=FIELDS_MAX)] = ()
    seal_after_s: Annotated[float, Field(ge=0, le=3_153_600_000)] = 86_400.0
    seal_entries: Annotated[int, Field(ge=1_024, le=10_000_000)] = 2_000_000
    approvers: Annotated[int, Field(ge=1, le=2)] = 1
    keep_books_days: Annotated[int, Field(le=DAYS_MAX)] = DAYS_MIN[Retention.BOOKS]
    keep_order_days: Annotated[int, Field(le=DAYS_MAX)] = DAYS_MIN[Retention.ORDER]
    keep_security_days: Annotated[int, Field(le=DAYS_MAX)] = DAYS_MIN[Retention.SECURITY]
    keep_ops_days: Annotated[int, Field(le=DAYS_MAX)] = DAYS_MIN[Retention.OPS]
    keep_heartbeat_days: Annotated[int, Field(le=DAYS_MAX)] = DAYS_MIN[Retention.HEARTBEAT]

    @field_validator("keep_books_days", "keep_order_days", "keep_security_days", "keep_ops_days", "keep_heartbeat_days")
    @classmethod
    def _keeps_to_the_duty(cls, days: int, about: ValidationInfo) -> int:
        name = str(about.field_name).removeprefix("keep_").removesuffix("_days")
        if wrong := too_short(Retention(name), days):
            raise ValueError(wrong)
        return days

    @property
    def duties(self) -> dict[Retention, int]:
        """Days that each class is kept; what is not in it is kept for ever."""
        return {retention: int(getattr(self, f"keep_{retention}_days")) for retention in DAYS_MIN}


class Replay(Message):
    """``[replay]``: which recorded sessions are played.  ``speed`` in sessions per second, 0 for as fast as all
    answer; ``source`` is the workstream that opens the sessions, or empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    start: Annotated[date | None, Field(alias="from")] = None
    end: Annotated[date | None, Field(alias="to")] = None
    speed: Annotated[float, Field(ge=0, le=100_000)] = 0.0
    autostart: bool = True
    source: str = "ws3"


class Limit(Intensity):
    """How often a supervisor may restart its children, and what it does beyond that: *escalate*, *park* or *stop*."""

    on_limit: OnLimit = OnLimit.ESCALATE

    @property
    def intensity(self) -> Intensity:
        return Intensity(restarts=self.restarts, period_s=self.period_s)


class Supervision(Message):
    """``[supervision]``: a limit for each supervisor, and the pause that all of them make before a restart.

    Where nothing else is said, ``workstreams`` parks.  ``tree``: how often the guardian starts the whole tree again.
    ``liveness``: when an actor that is up counts as hung, and is ended and started again.
    """

    tree: Intensity = Intensity()
    root: Limit = Limit()
    coordination: Limit = Limit()
    workstreams: Limit = Limit(on_limit=OnLimit.PARK)
    backoff: Backoff = Backoff()
    liveness: Liveness = Liveness()

    @field_validator("workstreams", mode="before")
    @classmethod
    def _parks(cls, given: Any) -> Any:  # whatever came from outside
        return {"on_limit": OnLimit.PARK, **given} if isinstance(given, dict) else given


FieldName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
EventName = Annotated[str, Field(min_length=1, max_length=64)]
FieldPath = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$", max_length=200)]


class WorkstreamConfig(Message):
    """``[[workstream]]``: a program, or a Python class as ``package.module:Class``.

    In ``program`` and ``env``, ``{python}``, ``{home}`` and ``{state}`` stand for the interpreter, the hub's folder and
    the workstream's own folder.  ``lockstep`` workstreams hold the next session back until they have answered.
    ``restart`` says how often the program may be restarted before it is parked.  ``detector`` judges its silence: after
    ``heartbeat_timeout_s``, or by phi, which the keys that begin so are for, and then after so long at the latest.
    ``fields``: by the name in rules, where its events have a field, such as ``trade.qty``.  ``emits``: by event, the
    fields that rules may ask for and their kinds; of an event that is not declared they may ask for any.
    ``level``: how far it is left to the rules, and ``approvers``: so many people have to agree where one has to.
    ``claims``: what its program may claim as, ``tier`` and ``safety``.
    """

    id: ActorName
    name: Annotated[str, Field(min_length=1, max_length=80)]
    program: tuple[Annotated[str, Field(max_length=4096)], ...] = ()
    python: Annotated[str, Field(pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$")] = ""
    depends_on: tuple[str, ...] = ()
    lockstep: bool = False
    heartbeat_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    detector: detection.DetectorKind = detection.DetectorKind.DEADLINE
    phi_threshold: detection.Threshold = detection.THRESHOLD
    phi_window: detection.Window = detection.WINDOW
    phi_deviation_min_s: detection.DeviationMin = detection.DEVIATION_MIN_S
    phi_pause_s: detection.Pause = detection.PAUSE_S
    latency_budget_ms: Annotated[float, Field(gt=0, le=3_600_000)] = 250.0
    start_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    grace_s: Annotated[float, Field(gt=0, le=600)] = 5.0
    restart: Intensity = Intensity()
    env: Annotated[dict[str, str], Secret(), Field(default_factory=dict)]
    fields: Annotated[dict[FieldName, FieldPath], Field(default_factory=dict)]
    emits: Annotated[dict[EventName, dict[FieldPath, FieldKind]], Field(default_factory=dict)]
    level: Level = Level.AUTONOMOUS
    approvers: Annotated[int, Field(ge=1, le=APPROVERS_MAX)] = 1
    claims: ClaimRights = ClaimRights()


class HubConfig(Message):
    """Everything together, in the order of the files: the reference first, then what was added."""

    hub: HubSection = HubSection()
    trail: TrailSection = TrailSection()
    replay: Replay = Replay()
    supervision: Supervision = Supervision()
    workstreams: tuple[WorkstreamConfig, ...] = ()
    flows: tuple[Flow, ...] = ()
    resources: tuple[Mode, ...] = ()
    pools: tuple[Pool, ...] = ()
    mutexes: tuple[Mutex, ...] = ()
    values: tuple[Value, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    rules: tuple[Rule, ...] = ()
    syncs: tuple[Sync, ...] = ()

    @property
    def claimable(self) -> tuple[Declared, ...]:
        """All that can be claimed, as the coordinator knows it."""
        return (*self.resources, *self.pools, *(mutex.pool for mutex in self.mutexes), *self.values, *self.datasets)

    @property
    def emitted(self) -> dict[str, dict[str, EmittedFields]]:
        """By workstream and event, what is declared of its fields."""
        return {workstream.id: dict(workstream.emits) for workstream in self.workstreams if workstream.emits}

    @property
    def events(self) -> dict[str, tuple[str, ...]]:
        """By workstream, the events that flow from it, and those that it declares."""
        found = {workstream.id: dict.fromkeys(workstream.emits) for workstream in self.workstreams if workstream.emits}
        for flow in self.flows:
            found.setdefault(flow.source, {}).update(dict.fromkeys(flow.events))
        return {source: tuple(sorted(events)) for source, events in found.items()}
