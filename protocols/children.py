"""A supervisor's children: starting and stopping, adding and removing, pools, questions, what is reported and shown.

The orders are Erlang/OTP's (supervisor(3)) in the hub's words, and complete; of a restart by order it has none:

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

from alluse_hub.protocols.lifecycle import (
    ActorName,
    ChildKind,
    ChildSpec,
    ChildState,
    Intensity,
    OnLimit,
    RestartType,
    Specification,
    Strategy,
)
from alluse_hub.protocols.message import Fact, Message

# --- orders --------------------------------------------------------------------------------------------------------


class StartActor(Message):
    """To a supervisor: start a stopped or parked child."""

    name: str


class StopActor(Message):
    """To a supervisor: stop a child and leave it down."""

    name: str
    reason: str = "asked"


class RestartActor(Message):
    """To a supervisor: stop and start a child; costs nothing of its intensity."""

    name: str
    reason: str = "asked"


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


class OrderError(StrEnum):
    """Why an order was not carried out: Erlang/OTP's words, and two of ours."""

    ALREADY_STARTED = "already_started"  # a child of that name runs
    ALREADY_PRESENT = "already_present"  # one is known, and does not run
    NOT_FOUND = "not_found"
    RUNNING = "running"
    RESTARTING = "restarting"  # between two tries
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"  # not of a pool
    INVALID = "invalid"  # the specification is refused
    START_FAILED = "start_failed"
    ENDING = "ending"  # the supervisor is on its way out
    BUSY = "busy"  # too many orders wait already


class ActorOrderDone(Message):
    """Answer to an order for one child.  ``cause``: of the start that failed, or what is wrong with the specification.
    ``ignored``: the child had nothing to run and is down, which is no error."""

    name: str
    ok: bool
    text: str = ""
    error: OrderError | None = None
    cause: str = ""
    ignored: bool = False


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


# --- the picture ---------------------------------------------------------------------------------------------------


class ChildShown(Message):
    """One child as its supervisor sees it.  ``why``: it is degraded.  ``restart_times``: what it has used of a budget
    of its own, where there is one: hub times, newest first.  ``next_try``: hub time at which it is started again.
    """

    name: str
    state: ChildState
    restart: RestartType
    incarnation: int = 0
    pid: int = 0
    restarts: int = 0
    last_exit: str = ""
    since: float = 0.0  # hub time of the last change
    next_try: float | None = None
    why: str = ""
    restart_times: tuple[float, ...] = ()


class TreeShown(Message):
    """From a supervisor to the board, at every change.  ``cell``: it is a cell, and the children are its residents.
    ``restart_times``: what is used of the budget that all children share, as of one child's own.
    """

    supervisor: str
    strategy: Strategy
    intensity: Intensity
    children: tuple[ChildShown, ...]
    cell: bool = False
    on_limit: OnLimit = OnLimit.ESCALATE
    restart_times: tuple[float, ...] = ()


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
