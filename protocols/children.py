"""A supervisor's children: adding and removing, pools, questions, and what is reported of them.

The orders are Erlang/OTP's (supervisor(3)) in the hub's words; with those of ``lifecycle`` they are complete:

    start_child       AddActor; in a pool StartMember
    terminate_child   StopActor; in a pool StopMember
    restart_child     StartActor
    delete_child      RemoveActor
    which_children    AskChildren
    count_children    AskCounts
    get_childspec     AskChildSpec

Each order is answered by ``ActorOrderDone``, and so is a question that cannot be answered.
"""

from enum import StrEnum

from pydantic import PositiveInt

from alluse_hub.protocols.lifecycle import ActorName, ChildKind, ChildSpec, Specification
from alluse_hub.protocols.message import Fact, Message

# --- orders --------------------------------------------------------------------------------------------------------


class AddActor(Message):
    """To a supervisor: take in a new child, last in line, and start it.  ``spec`` is a ``ChildSpec`` as it came from
    outside: the supervisor says what is wrong with it.  A child that fails to start is not taken in.  One taken in is
    lost when its supervisor is restarted."""

    spec: Specification


class RemoveActor(Message):
    """To a supervisor: forget a child that is down.  It is back when its supervisor is restarted."""

    name: str


class StartMember(Message):
    """To a pool: a further member, made after the template.  ``spec`` is laid over the specification of its role."""

    name: ActorName
    spec: Specification = {}


class StopMember(Message):
    """To a pool: stop a member and forget it.  That nobody of that name is there is no error: it may just have
    ended."""

    name: str
    reason: str = "asked"


# --- questions -----------------------------------------------------------------------------------------------------


class AskChildren(Message):
    """To a supervisor: who are your children?"""


class Standing(StrEnum):
    RUNNING = "running"
    RESTARTING = "restarting"  # between two tries
    STOPPED = "stopped"


class ChildListed(Message):
    """``life`` counts the tries to start it under this incarnation of its supervisor."""

    name: str
    kind: ChildKind
    standing: Standing
    life: int


class ChildrenListed(Message):
    """In start order."""

    supervisor: str
    children: tuple[ChildListed, ...]


class AskCounts(Message):
    """To a supervisor: how many children have you?"""


class ChildrenCounted(Message):
    """``specs``: known; in a pool 1, the template.  ``active``: they run.  Of those known, or in a pool of the members,
    so many are supervisors and workers."""

    supervisor: str
    specs: int
    active: int
    supervisors: int
    workers: int


class AskChildSpec(Message):
    """To a supervisor: how is that child specified?"""

    name: str


class ChildSpecTold(Message):
    spec: ChildSpec


# --- facts ---------------------------------------------------------------------------------------------------------


class Fault(StrEnum):
    """What Erlang/OTP's supervisor reports to whoever operates it."""

    CHILD_TERMINATED = "child_terminated"  # any end of a permanent child, a failure of any other
    START_ERROR = "start_error"  # in the supervisor's own start or in a restart
    SHUTDOWN_ERROR = "shutdown_error"  # a child that was to stop ended otherwise than it should
    SHUTDOWN = "shutdown"  # the supervisor gives up


REACHED_MAX_INTENSITY = "reached_max_restart_intensity"
"""The cause in a report of kind ``SHUTDOWN``."""


class FaultReported(Fact):
    """Of a supervisor.  A pool that ends reports once per cause, of its template, how many ``children`` it was."""

    fault: Fault
    child: str
    cause: str
    children: PositiveInt = 1


class AutoShutdownBegun(Fact):
    """A significant child ended, and its supervisor ends with it."""

    child: str
    cause: str


class BudgetUsed(Fact):
    """The restarts that count against a limit from now on: hub times, newest first.  ``child`` is empty where all
    children share one budget.  Only of a supervisor that keeps its budgets."""

    child: str
    times: tuple[float, ...]


class PlatformStopped(Fact):
    """A child used up a budget that the platform is not to run without: the hub ends in order."""

    child: str
    cause: str
