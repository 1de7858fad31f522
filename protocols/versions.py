"""Versions of a data set: who has seen what of whom, and what the content is.

A *version vector* (Parker et al., Detection of Mutual Inconsistency in Distributed Systems, 1983) counts, for each
writer, how many changes of that writer the version contains.  Of two vectors one may cover the other, or neither: then
both sides have changed it without seeing each other, and no clock can say who is right.

The *digest* is SHA-256 over the canonical JSON of the content: keys sorted, no spaces, all beyond ASCII escaped, floats
in their shortest form.  Two copies are the same if their digests are; vectors only say which of two is the later.

Pure.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from heapq import nsmallest
from typing import Annotated

from pydantic import Field, JsonValue, NonNegativeInt, PositiveInt

from alluse_hub.protocols.message import Fact, Json, Message

WRITERS_MAX = 32
"""Writers of one data set: its source, its targets and the hub."""

DATASET_BYTES_MAX = 256_000
"""Of one version in canonical JSON: a quarter of the longest line, so that several travel in one."""

HUB = "hub"
"""The hub as a writer: what it makes of two versions that have not seen each other is a version of its own."""

CANONICAL = json.JSONEncoder(separators=(",", ":"), allow_nan=False, sort_keys=True)

Vector = Annotated[dict[str, PositiveInt], Field(max_length=WRITERS_MAX)]
Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
DatasetName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]


class Order(StrEnum):
    """Of a first vector to a second."""

    EQUAL = "equal"
    BEFORE = "before"  # the second contains all of the first, and more
    AFTER = "after"
    CONCURRENT = "concurrent"


def order_of(first: Mapping[str, int], second: Mapping[str, int]) -> Order:
    """A writer that is not named has written nothing."""
    if first == second:  # nearly always
        return Order.EQUAL
    lacks = any(count > first.get(writer, 0) for writer, count in second.items())
    leads = any(count > second.get(writer, 0) for writer, count in first.items())
    match leads, lacks:
        case False, False:
            return Order.EQUAL
        case False, True:
            return Order.BEFORE
        case True, False:
            return Order.AFTER
        case _:
            return Order.CONCURRENT


def joined(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    """The least vector that covers both."""
    return {writer: max(first.get(writer, 0), second.get(writer, 0)) for writer in sorted({*first, *second})}


def digest_of(content: JsonValue) -> str:
    return sha256(CANONICAL.encode(content).encode("ascii")).hexdigest()


def sample_of(content: Json, vector: Mapping[str, int], digest: str, count: int) -> Json:
    """``count`` records of a version, drawn so that whoever draws from it gets the same: those of which the SHA-256 of
    ``VECTOR DIGEST NAME``, the vector in canonical JSON, is the least (bottom-k sampling; Cohen and Kaplan, 2007)."""
    salt = f"{CANONICAL.encode(dict(vector))} {digest} "
    names = nsmallest(count, content, key=lambda name: sha256(f"{salt}{name}".encode()).digest())
    return {name: content[name] for name in names}


class Version(Message):
    """One version of a data set, without its content.  ``session``: the market session it was made in, if any;
    ``form`` counts the changes of its shape.  A program may say more than that.  No vector: there is none yet."""

    model_config = {"frozen": True, "extra": "ignore", "allow_inf_nan": False}

    vector: Vector = {}
    digest: Digest = ""
    bytes: NonNegativeInt = 0  # in canonical JSON
    records: NonNegativeInt = 0  # entries at the top level
    form: PositiveInt = 1
    session: Annotated[str, Field(max_length=32)] = ""

    def by(self, writer: str) -> int:
        """How many changes of ``writer`` it contains."""
        return self.vector.get(writer, 0)

    @property
    def label(self) -> str:
        """For people: ``ws3:17 9f86d081``."""
        if not self.vector:
            return "none"
        return f"{'+'.join(f'{writer}:{count}' for writer, count in sorted(self.vector.items()))} {self.digest[:8]}"


NO_VERSION = Version()


def is_same(one: Version, other: Version) -> bool:
    """The same version, with the same content."""
    return one.digest == other.digest and order_of(one.vector, other.vector) is Order.EQUAL


class EventCondition(Message):
    """What a sync waits for: ``event`` of its source, if ``when`` is true of it."""

    event: str
    when: str


class EventAsked(Message):
    """What a sync's condition said of the events it was asked of, since the monitor began to watch: how often what; and
    of the last one, number ``n``, the value (None: unknown) and why."""

    true: NonNegativeInt = 0
    false: NonNegativeInt = 0
    unknown: NonNegativeInt = 0
    n: NonNegativeInt = 0
    value: bool | None = None
    why: Annotated[str, Field(max_length=2_000)] = ""


class SyncEventMet(Fact):
    """An event for which the condition of ``sync`` is true: the newest version is due.  Kept until the replicator has
    been told of it, or of a later one."""

    workstream: str
    sync: str
    n: PositiveInt  # of the event
    why: str


class SyncEventsTold(Fact):
    """The replicator has them: by sync, the number of the event."""

    workstream: str
    met: dict[str, PositiveInt]


class DatasetsTold(Message):
    """A monitor tells the replicator which versions its program has made, and which events it waits for have come.
    ``serial`` counts these words of this incarnation of the monitor.  By sync that has a condition, ``met``: the last
    event for which that was true; ``asked``: what it said so far, if it was asked since the last word."""

    workstream: str
    serial: PositiveInt = 1
    versions: dict[str, Version] = {}
    events: tuple[str, ...] = ()
    met: dict[str, PositiveInt] = {}
    asked: dict[str, EventAsked] = {}


class AskDatasets(Message):
    """The replicator is ready for the next such word; until it asks, newer versions replace older ones unsaid.
    ``heard``: the last one that it has; if that is not the last one said, that is said again.  ``number`` grows with
    each question, over all incarnations of the replicator, so that one that comes twice, or late, is not answered."""

    number: PositiveInt = 1
    heard: NonNegativeInt = 0


class Held(Message):
    """What a program answers for one data set.  ``outcome`` of a question: *have*, *want* or *diverged*; of a version
    to be stored: *applied*, *have*, *diverged* or *refused*, and ``why``.  ``version``: what it has stored after that,
    with the digest worked out from it.  ``data``: the content, where that was asked for.  ``sample``: where a sample
    was asked for, the digest of those records as they are stored; the version's digest is then the one it was told."""

    model_config = {"frozen": True, "extra": "ignore", "allow_inf_nan": False}

    outcome: Annotated[str, Field(pattern="^(have|want|diverged|applied|refused)$")] = "have"
    version: Version = Version()
    why: Annotated[str, Field(max_length=1_000)] = ""
    data: Json | None = None
    sample: Digest = ""
