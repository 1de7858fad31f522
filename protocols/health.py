"""Health of a workstream: evidence in, one number and one word out.

The formula stands in ``actors/monitor/health.py``; here are the words it speaks in.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from alluse_hub.protocols.message import Fact, Message

Share = Annotated[float, Field(ge=0, le=1)]


class Status(StrEnum):
    """Each is reached and left by a real cause; see ``actors/monitor/README.md``."""

    STARTING = "starting"
    ACTIVE = "active"
    IDLE = "idle"
    BUSY = "busy"
    HUNG = "hung"
    ERROR = "error"
    MAINTENANCE = "maintenance"
    STOPPING = "stopping"
    STOPPED = "stopped"
    PARKED = "parked"


class Window(Message):
    """Figures over a sliding window of ``window_s`` seconds; times in milliseconds."""

    window_s: float
    requests: int = 0
    errors: int = 0
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    latency_p99_ms: float = 0.0
    latency_mean_ms: float = 0.0
    per_second: float = 0.0
    error_rate: Share = 0.0


class Pulse(Message):
    """What a monitor knows of its workstream, sent to the board each interval and at every change."""

    workstream: str
    name: str
    status: Status
    health: Annotated[float, Field(ge=0, le=100)]
    why: str
    pid: int = 0
    program_starts: int = 0
    staleness_s: float = 0.0
    uptime: Share = 0.0
    window: Window
    events: int = 0  # highest event number heard
    open_commands: int = 0
    fence: int = 0
    dependencies: tuple[str, ...] = ()


class HealthChanged(Fact):
    workstream: str
    was: Status
    now: Status
    health: float
    why: str
