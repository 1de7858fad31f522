"""What can be claimed besides a mode: pools, mutexes, values and data sets, each declared in the configuration.

A *pool* has so much of something, such as connections; a claim takes an amount until it ends, and what is not left is
waited for in a queue.  A *mutex* is a pool of one.  A *value* is what the first of its claimants says.  A *dataset* is
held in versions, one number per writer; of two versions either one covers the other or they have diverged.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from alluse_hub.protocols.claims import Mode, Policy, Resource
from alluse_hub.protocols.message import Json, Message

AMOUNT_MAX = 1_000_000


Amount = Annotated[int, Field(ge=1, le=AMOUNT_MAX)]


class Pool(Message):
    """``preemptible``: a holder of a lower tier that has said how it yields is made to.  ``age_s``: waiting so long
    adds one to a claim's priority, so that nobody waits for ever.
    """

    resource: Resource
    capacity: Amount
    policy: Literal[Policy.FAIR_SHARE, Policy.PRIORITY, Policy.FIRST_HOLDER, Policy.NEGOTIATE, Policy.HUMAN] = (
        Policy.FAIR_SHARE
    )
    preemptible: bool = False
    age_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0

    @property
    def workstream(self) -> str:
        return self.resource.partition("/")[0]


class Mutex(Message):
    """A pool of one."""

    resource: Resource
    policy: Literal[Policy.FIRST_HOLDER, Policy.PRIORITY, Policy.NEGOTIATE, Policy.HUMAN] = Policy.FIRST_HOLDER
    preemptible: bool = False
    age_s: Annotated[float, Field(gt=0, le=86_400)] = 60.0

    @property
    def pool(self) -> Pool:
        return Pool(
            resource=self.resource, capacity=1, policy=self.policy, preemptible=self.preemptible, age_s=self.age_s
        )


class Form(StrEnum):
    """What a value may be."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"  # true or false


class Value(Message):
    """``policy``: *first-holder* belongs to who said it first, *recent* to who said it last.  ``default``: its text
    while nobody claims.
    """

    resource: Resource
    form: Form = Form.TEXT
    policy: Literal[
        Policy.FIRST_HOLDER, Policy.RECENT, Policy.PRIORITY, Policy.SPECIFIC_FIRST, Policy.NEGOTIATE, Policy.HUMAN
    ] = Policy.FIRST_HOLDER
    default: Annotated[str, Field(max_length=1_000)] = ""

    @property
    def workstream(self) -> str:
        return self.resource.partition("/")[0]


class Dataset(Message):
    """``policy``: which of two versions that have diverged stands."""

    resource: Resource
    policy: Literal[Policy.FIRST_HOLDER, Policy.RECENT, Policy.PRIORITY, Policy.HUMAN] = Policy.FIRST_HOLDER

    @property
    def workstream(self) -> str:
        return self.resource.partition("/")[0]


Declared = Mode | Pool | Value | Dataset
"""A resource as the coordinator knows it; a mutex comes to it as the pool it is."""

Take = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,47}(/[A-Za-z0-9_.-]{1,64}){1,4}(:[1-9][0-9]{0,5})?$")]
"""A resource and the amount taken of it, such as ``ws4/broker:2``; 1 if none is given."""


def taken(take: str) -> tuple[str, PositiveInt]:
    """Resource and amount."""
    resource, _, amount = take.partition(":")
    return resource, int(amount or 1)


def covers(one: Json | dict[str, int], other: Json | dict[str, int]) -> bool:
    """Whether the first version vector has seen all that the second has."""
    return all(_count(one, writer) >= _count(other, writer) for writer in other)


def _count(versions: Json | dict[str, int], writer: str) -> int:
    count = versions.get(writer, 0)
    return count if isinstance(count, int) else 0
