"""Life and death of actors: child specs, restart types, strategies, and the letters of starting and ending.

The words are Erlang/OTP's (supervisor(3)): a *permanent* child is always restarted, a *transient* one only after an
abnormal end, a *temporary* one never; *one_for_one*, *one_for_all* and *rest_for_one* say who goes down with it.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, PositiveInt, StrictBool, model_validator

from alluse_hub.protocols.declared import Secret
from alluse_hub.protocols.ending import EndPlan
from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.masking import ENVIRONMENT
from alluse_hub.protocols.message import Fact, Json, Message

ActorName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,47}$")]
"""The name of an actor: unique in the hub; a file name and a word on the command line."""


class RestartType(StrEnum):
    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Strategy(StrEnum):
    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"  # a pool: members made after one template, started on demand


class AutoShutdown(StrEnum):
    """Whether a supervisor ends, with ``shutdown``, when significant children have ended by themselves for good."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class ChildKind(StrEnum):
    WORKER = "worker"
    SUPERVISOR = "supervisor"


class Shutdown(StrEnum):
    """How a child is brought to its end."""

    GRACE = "grace"  # asked, and killed when its grace is over
    INFINITY = "infinity"  # asked, and waited for as long as it takes
    BRUTAL_KILL = "brutal_kill"  # killed without being asked


class OnLimit(StrEnum):
    """What a supervisor does when a child dies more often than its intensity allows."""

    ESCALATE = "escalate"  # Erlang/OTP's: stop all children, end with `shutdown`, let the parent decide
    PARK = "park"  # stop that child, mark it, go on with the rest until an operator releases it
    STOP = "stop"  # park that child and end the platform in order: what must not run without it stops with it


Specification = Annotated[Json, Secret(under=ENVIRONMENT)]
"""Of a role, as JSON; what it gives to the environment of a program is secret."""


class Intensity(Message):
    """At most ``restarts`` restarts within any ``period_s`` seconds of hub time; one more and it gives up."""

    restarts: Annotated[int, Field(ge=0)] = 5
    period_s: Annotated[float, Field(gt=0)] = 60.0


class Backoff(Message):
    """The pause before a restart, which grows while restarts of one child follow each other in a row.

    The first ``at_once`` restarts of a row wait for nothing; the next ``first_s``, then ``first_s * factor`` and so on,
    at most ``cap_s``, all in seconds.  ``jitter`` takes away up to that share of each pause, so that what failed at
    once is not tried at once.  A row is over when the child has been up for ``reset_s``, or when an operator starts it.
    """

    at_once: Annotated[int, Field(ge=0)] = 1
    first_s: Annotated[float, Field(gt=0, le=600)] = 0.1
    factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    cap_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    reset_s: Annotated[float, Field(gt=0, le=86_400)] = 30.0


class ChildStart(Message):
    """What a shell needs to bring an actor to life: the class path of its shell and the role's own specification."""

    actor: str
    spec: Specification = {}


GRACE_MAX_S = 4_294_967.0
"""As long as Erlang/OTP takes: 2**32 - 1 milliseconds."""


class ChildSpec(Message):
    """One child of a supervisor; children start in the order given and stop in reverse.

    A supervisor is given as long as it takes to end, unless its ``shutdown`` or ``grace_s`` is said.  So is any start,
    unless there is a ``start_timeout_s``.  ``liveness``: how it is found out that it hangs; None: it is not.
    ``told``: who hears by ``PeerDown`` that it is down and not back at once;
    ``told_of``: who goes down with it and is meant by that, as the residents of a cell; if empty, the child itself.
    """

    name: ActorName
    start: ChildStart
    restart: RestartType = RestartType.PERMANENT
    kind: ChildKind = ChildKind.WORKER
    significant: StrictBool = False
    shutdown: Shutdown = Shutdown.GRACE
    grace_s: Annotated[float, Field(strict=True, ge=0, le=GRACE_MAX_S)] = 5.0
    start_timeout_s: Annotated[float, Field(gt=0, le=600)] | None = None
    liveness: Liveness | None = None
    told: tuple[ActorName, ...] = ()
    told_of: tuple[ActorName, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _supervisor_takes_its_time(cls, given: Any) -> Any:  # whatever came from outside
        is_said = not isinstance(given, dict) or {"shutdown", "grace_s"} & given.keys()
        if not is_said and given.get("kind") == ChildKind.SUPERVISOR:
            return {**given, "shutdown": Shutdown.INFINITY}
        return given


class SupervisorSpec(Message):
    """``siblings_wait``: nothing else is done while a child starts or stops, as in Erlang/OTP.  If not, and only under
    one_for_one and in pools, each child has a line of its own: one that is slow keeps none of its siblings waiting.
    ``backoff``: None for a restart at once, as in Erlang/OTP.  ``keeps_budget``: restarts that count are facts, and
    still count when the supervisor itself, or the whole hub, was started again.
    """

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = Intensity()
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    on_limit: OnLimit = OnLimit.ESCALATE
    siblings_wait: bool = True
    backoff: Backoff | None = None
    keeps_budget: bool = False
    ends_together: bool = False  # at its own end: children stop side by side, as a pool's do
    end: EndPlan | None = None  # of the root: phases, and a deadline for all
    children: tuple[ChildSpec, ...] = ()  # of a pool: the one template


RESIDENTS_MAX = 250
"""Actors in one cell: each has threads of its own, and all share one interpreter."""


class ResidentSpec(Message):
    """One light actor of a cell: a name, mail and a trail of its own, but no process, and no children."""

    name: ActorName
    start: ChildStart
    grace_s: Annotated[float, Field(gt=0, le=600)] = 5.0


class CellSpec(Message):
    """One process that hosts many light actors, which start together and end together."""

    residents: Annotated[tuple[ResidentSpec, ...], Field(min_length=1, max_length=RESIDENTS_MAX)]


# --- from the shell to its core ------------------------------------------------------------------------------------


class Started(Message):
    """The first letter of every incarnation: the state is recovered, the mail is open."""

    incarnation: PositiveInt
    recovered: int = 0  # facts folded from earlier incarnations


class Woken(Message):
    timer: str


class StopAsked(Message):
    """The parent wants the actor to end.  A core that takes this letter ends itself with ``Stop(own name, ...)``
    when it is ready; for any other the shell ends at once.  With the reason ``KILLED`` it is not a wish: the parent has
    died, and whoever may still do so ends in order, with that cause.  ``left_s``: it is killed after that, and may
    share it out among its own; None: as long as its specification says."""

    reason: str
    left_s: Annotated[float, Field(ge=0)] | None = None


KEEP_WORKSTREAMS = "keep-workstreams"
"""The reason of a ``StopAsked`` that ends the hub and lets the programs of the workstreams go on."""


KILLED = "killed"
"""The cause of an end that nobody could prepare for."""

IGNORE = "ignore"
"""The cause of a child that ends before it is up because there is nothing for it to run.  That is no failure: it stays
down, and its supervisor goes on as if it had started."""


class ChildUp(Message):
    """A child has recovered and opened its mail."""

    name: str
    life: PositiveInt
    incarnation: PositiveInt
    pid: int


class ChildCondition(Message):
    """A child that is up says that it, or something below it, is not as it should be; empty: all is well again."""

    name: str
    life: PositiveInt
    degraded: str


class Exited(Message):
    """A child has ended.  ``cause``: ``normal``, ``shutdown``, ``killed`` or the text of an error.  Two notices for
    one exit are normal: an orderly child says goodbye, and then its process ends."""

    name: str
    life: PositiveInt
    cause: str


# --- between actors ------------------------------------------------------------------------------------------------


class PeerUp(Message):
    """From the root, when an actor (re)started: what was promised to its earlier incarnation may have to be said
    again."""

    name: str
    incarnation: PositiveInt


class ChildState(StrEnum):
    """How a child stands, as its supervisor sees it.  A process may exist in all but the last three."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"  # up, and says itself that something below it or in it is not as it should be
    HUNG = "hung"  # up, and gives no sign of life
    STOPPING = "stopping"
    RESTARTING = "restarting"  # down, and will be tried again
    PARKED = "parked"  # down until somebody releases it: it used up its budget
    STOPPED = "stopped"  # down until somebody starts it: stopped by order, ended for good, or had nothing to run


class PeerDown(Message):
    """From its supervisor to those that need an actor: it is down for a while, or until somebody starts it.

    ``standing``: ``restarting``, ``parked`` or ``stopped``; said again when that changes, and to each new incarnation
    of those that are told.  ``PeerUp`` with a higher incarnation ends it.  ``incarnation``: the last that its
    supervisor knows of, 0 if none; whoever has heard of a higher one by ``PeerUp`` ignores this.  ``next_try``: hub
    time of the next start of one that is ``restarting``; None if nothing is planned.
    """

    name: str
    incarnation: Annotated[int, Field(ge=0)]
    standing: ChildState
    cause: str
    next_try: float | None = None


# --- facts ---------------------------------------------------------------------------------------------------------


class Booted(Fact):
    """First entry of an incarnation.  ``actor`` and ``spec``: the class path and the specification it was born with, so
    that it can be run again from the trail alone; what a specification gives to a program's environment is left out."""

    pid: int
    start_ticks: int  # of the process, so that pid and start together name it for ever
    parent: str
    version: str
    actor: str = ""
    spec: Specification = Field(default_factory=dict)


class Failed(Fact):
    """Last entry of an incarnation that raised: the letter in hand and the error."""

    letter: str
    error: str


class ChildStarted(Fact):
    name: str
    life: PositiveInt


class ChildEnded(Fact):
    """``closed_at``: always 0; it stands in every trail there is."""

    name: str
    life: PositiveInt
    incarnation: int
    cause: str
    closed_at: int = 0


class ChildRestarted(Fact):
    """``count`` restarts of this child since its supervisor started.  ``pause_s``: how long it waits before the first
    start, in seconds."""

    name: str
    life: PositiveInt
    cause: str
    count: PositiveInt
    pause_s: float = 0.0


class ChildParked(Fact):
    name: str
    cause: str


class GaveUp(Fact):
    """A supervisor reached its intensity and ends; the fault climbs."""

    child: str
    cause: str


class DeadLetter(Fact):
    """A letter that could not be delivered or was not of the addressee's union."""

    to: str
    kind: str
    why: str
