"""How long entries of the trail are kept: the classes, their duties, and the class of every kind of message.

| class | what is in it | kept at least |
|---|---|---|
| ``permanent`` | what the trail says of itself: ends of spools, segments, expiries, holds, restores | for ever |
| ``books`` | what workstreams said and were told: events, rounds, deliveries | 6 years |
| ``order`` | claims, conflicts, directives, commands and rules; what no version of the hub knows | 7 years |
| ``security`` | what people asked and ordered | 7 years |
| ``ops`` | starts and ends, health, supervision | 1 year |
| ``heartbeat`` | signs of life and timers | 30 days |

Six years are FINRA rule 4511's; seven cover what MiFID II article 16(7) lets an authority ask for.  Whether a rule
binds somebody is theirs to judge.  A duty may be lengthened, and never be set below its minimum.

A message belongs to the class of the module that says what it is, unless it is named for itself.

Pure.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from alluse_hub.protocols.wire import KINDS


class Retention(StrEnum):
    """In the order in which a segment numbers them: this order is on disk, so new ones come last."""

    PERMANENT = "permanent"
    BOOKS = "books"
    ORDER = "order"
    SECURITY = "security"
    OPS = "ops"
    HEARTBEAT = "heartbeat"


DAYS_MIN: Mapping[Retention, int] = MappingProxyType(
    {
        Retention.BOOKS: 2_192,  # six years, two of them leap years
        Retention.ORDER: 2_557,  # seven
        Retention.SECURITY: 2_557,
        Retention.OPS: 366,
        Retention.HEARTBEAT: 30,
    }
)
"""The least that may be configured, and the default."""

DAYS_MAX = 36_525

UNKNOWN = Retention.ORDER
"""Of a message that this version does not know: kept as long as any that may expire."""

OF_MODULE: Mapping[str, Retention] = MappingProxyType(
    {
        "admin": Retention.SECURITY,
        "approvals": Retention.SECURITY,
        "arbitration": Retention.ORDER,
        "board": Retention.OPS,
        "children": Retention.OPS,
        "claims": Retention.ORDER,
        "ending": Retention.OPS,
        "erasure": Retention.PERMANENT,
        "flow": Retention.BOOKS,
        "foresight": Retention.SECURITY,
        "health": Retention.OPS,
        "keeping": Retention.PERMANENT,
        "lifecycle": Retention.OPS,
        "liveness": Retention.OPS,
        "program": Retention.BOOKS,
        "program_claims": Retention.ORDER,
        "quarantine": Retention.OPS,
        "resources": Retention.ORDER,
        "rules": Retention.ORDER,
        "ruleset": Retention.ORDER,
        "scarcity": Retention.PERMANENT,
        "sync": Retention.BOOKS,
        "trail": Retention.PERMANENT,
        "versions": Retention.BOOKS,
        "windows": Retention.ORDER,
        "workstream": Retention.ORDER,
    }
)
"""By the module of ``protocols`` that a message stands in."""

OF_MESSAGE: Mapping[str, Retention] = MappingProxyType(
    {
        # signs of life, and what is only heard from a clock
        "BeatsBack": Retention.HEARTBEAT,
        "Heartbeat": Retention.HEARTBEAT,
        "Present": Retention.HEARTBEAT,
        "Progress": Retention.HEARTBEAT,
        "Pulse": Retention.HEARTBEAT,
        "WentSilent": Retention.HEARTBEAT,
        "Woken": Retention.HEARTBEAT,
        # of workstreams, but about their programs only
        "ProgramEnded": Retention.OPS,
        "ProgramGreeted": Retention.OPS,
        "ProgramParked": Retention.OPS,
        "ProgramStarted": Retention.OPS,
        "ShimReplaced": Retention.OPS,
        # of the trail, but letters of the day
        "ClockStepped": Retention.OPS,
        "DamageFound": Retention.OPS,
        "Ingested": Retention.HEARTBEAT,
        "LetterMissed": Retention.OPS,
        "SpoolEnded": Retention.OPS,
        "Stored": Retention.HEARTBEAT,
        "TailBegun": Retention.OPS,
        "TailFailed": Retention.OPS,
        "TailSpools": Retention.OPS,
        "TailStrained": Retention.OPS,
        "TailStuck": Retention.OPS,
        "WitnessHeard": Retention.OPS,
        "SegmentSealed": Retention.OPS,
        "KeepingStuck": Retention.OPS,
        # a state of everything an actor knew, orders among it
        "Snapshot": Retention.ORDER,
    }
)
"""Messages that are not of the class of their module."""


def class_of(message: str) -> Retention:
    found = OF_MESSAGE.get(message)
    if found is not None:
        return found
    kind = KINDS.get(message)
    if kind is None:
        return UNKNOWN
    return OF_MODULE.get(kind.__module__.rpartition(".")[2], UNKNOWN)


def too_short(retention: Retention, days: int) -> str:
    """Why a class may not be kept for so many days only; empty if it may."""
    least = DAYS_MIN[retention]
    if days >= least:
        return ""
    return f"must be more: entries of the class {retention} are kept for {least} days at least"
