"""What can be configured: the models of the tables of ``hub.toml``, with their defaults, ranges and units.

How a text becomes these, and what is checked across tables, is in ``config``.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from alluse_hub.protocols.claims import Mode
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
from alluse_hub.protocols.flow import Flow
from alluse_hub.protocols.lifecycle import RESIDENTS_MAX, ActorName, Intensity
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.rules import Rule

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
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = "alluse"
    reference: bool = True
    allow_users: tuple[int | str, ...] = ()
    control_group: str = ""
    base: Base = Base.ENGINE
    monitors_per_process: Annotated[int, Field(ge=1, le=RESIDENTS_MAX)] = 1


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


class Supervision(Message):
    """``[supervision]``: how often each supervisor may restart its children before it gives up, or parks them."""

    root: Intensity = Intensity(restarts=5, period_s=60)
    coordination: Intensity = Intensity(restarts=5, period_s=60)
    workstreams: Intensity = Intensity(restarts=5, period_s=60)


class WorkstreamConfig(Message):
    """``[[workstream]]``: a program, or a Python class as ``package.module:Class``.

    In ``program`` and ``env``, ``{python}``, ``{home}`` and ``{state}`` stand for the interpreter, the hub's folder and
    the workstream's own folder.  ``lockstep`` workstreams hold the next session back until they have answered.
    ``restart`` says how often the program may be restarted before it is parked.  ``detector`` judges its silence: after
    ``heartbeat_timeout_s``, or by phi, which the keys that begin so are for, and then after so long at the latest.
    """

    id: ActorName
    name: Annotated[str, Field(min_length=1, max_length=80)]
    program: tuple[Annotated[str, Field(max_length=4096)], ...] = ()
    python: Annotated[str, Field(pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$")] = ""
    depends_on: tuple[str, ...] = ()
    lockstep: bool = False
    heartbeat_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    detector: DetectorKind = DetectorKind.DEADLINE
    phi_threshold: Threshold = THRESHOLD
    phi_window: Window = WINDOW
    phi_deviation_min_s: DeviationMin = DEVIATION_MIN_S
    phi_pause_s: Pause = PAUSE_S
    latency_budget_ms: Annotated[float, Field(gt=0, le=3_600_000)] = 250.0
    start_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    grace_s: Annotated[float, Field(gt=0, le=600)] = 5.0
    restart: Intensity = Intensity()
    env: Annotated[dict[str, str], Field(default_factory=dict)]


class HubConfig(Message):
    """Everything together, in the order of the files: the reference first, then what was added."""

    hub: HubSection = HubSection()
    replay: Replay = Replay()
    supervision: Supervision = Supervision()
    workstreams: tuple[WorkstreamConfig, ...] = ()
    flows: tuple[Flow, ...] = ()
    resources: tuple[Mode, ...] = ()
    rules: tuple[Rule, ...] = ()
