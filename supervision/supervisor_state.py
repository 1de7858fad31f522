"""What a supervisor knows: its children, the plan in hand, and what waits for its turn.

A *matter* is what a supervisor has to deal with: a child's end, a further try of a failed restart, somebody's order or
question.  A *plan* is what it does about one: it stops some children, one after the other, and then starts some, each
when the one before is up.

While a plan is in hand, matters wait in line in the order in which they came; that is what an Erlang/OTP supervisor's
mailbox does while it is busy with a child.  A failed start goes to the end of the line, so that orders are answered
between two tries.  A matter that has been settled meanwhile, as a child's end is when its group is stopped, stays in
line and is passed over when its turn comes: the child knows.  Where siblings do not wait for each other, each child has
a line of its own, and no child is ever in two plans.

State and questions about it; the decisions stand in ``supervisor``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

from alluse_hub.protocols.children import (
    AddActor,
    AskChildren,
    AskChildSpec,
    AskCounts,
    RemoveActor,
    RestartActor,
    StartActor,
    StartMember,
    StopActor,
    StopMember,
    TreeShown,
)
from alluse_hub.protocols.lifecycle import ChildSpec, ChildState, OnLimit, Strategy, SupervisorSpec
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.farewell import Farewell
from alluse_hub.supervision.origins import UNKNOWN, Origin
from alluse_hub.supervision.restarts import SHUTDOWN, affected
from alluse_hub.supervision.roster import Roster
from alluse_hub.supervision.supervisor_child import Child, told_of


@dataclass(frozen=True, slots=True)
class End:
    """Life number ``life`` of a child, which was up, ended by itself.  ``origin``, here and below: the letter it came
    with."""

    name: str
    life: int
    cause: str
    origin: Origin = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True, slots=True)
class Retry:
    """Life number ``life`` of a child failed to start; it is to be tried again."""

    name: str
    life: int
    cause: str
    origin: Origin = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True, slots=True)
class Resume:
    """The pause after the end of life number ``life`` of a child is over: it is started, and who awaits it."""

    name: str
    life: int
    cause: str
    origin: Origin = field(default=UNKNOWN, compare=False)


Ask = (
    StartActor
    | StopActor
    | RestartActor
    | AddActor
    | RemoveActor
    | StartMember
    | StopMember
    | AskChildren
    | AskCounts
    | AskChildSpec
)


@dataclass(frozen=True, slots=True)
class Order:
    """Somebody's wish or question.  ``name``: the child it is about; empty if it is about none."""

    asker: str
    ask: Ask
    name: str
    origin: Origin = field(default=UNKNOWN, compare=False)


Matter = End | Retry | Resume | Order


@dataclass(frozen=True, slots=True)
class Plan:
    """Stop these, in this order, then start those, in that order.  No matter: the supervisor's own start.

    ``stopped`` and ``started`` count how far it has come.
    """

    matter: Matter | None
    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    reason: str = SHUTDOWN  # said to those that are stopped
    stopped: int = 0
    started: int = 0
    awaits: str = ""  # those that are stopped are started again with this one, when its pause is over

    @property
    def to_stop(self) -> str | None:
        """Who is stopped next, or just now."""
        return self.stop[self.stopped] if self.stopped < len(self.stop) else None

    @property
    def to_start(self) -> str | None:
        """Who is started next, or just now, when all are stopped."""
        return self.start[self.started] if self.started < len(self.start) else None

    @property
    def origin(self) -> Origin:
        return UNKNOWN if self.matter is None else self.matter.origin

    def touches(self, name: str) -> bool:
        return name in self.stop[self.stopped :] or name in self.start[self.started :]


@dataclass(frozen=True, slots=True)
class Ending:
    """The supervisor ends: what it tells its children, and with what cause it goes itself.

    ``line``: the children in the order in which they stop, of which ``stopped`` have been dealt with.  A pool stops its
    members together: ``left`` of them are still there, and ``faults`` counts improper ends by cause.  ``until``: hub
    time by which all are to have ended, if there is a deadline.
    """

    reason: str
    cause: str
    line: tuple[str, ...]
    stopped: int = 0
    left: int | None = None
    faults: tuple[tuple[str, int], ...] = ()
    is_over: bool = False
    until: float | None = None
    origin: Origin = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True, slots=True)
class Supervisor:
    """``children`` in start order; of a pool, its members, made after ``template``.  ``restart_times``: the budget
    where the limit escalates, newest first."""

    name: str
    spec: SupervisorSpec
    children: Roster[Child]
    template: ChildSpec | None = None
    restart_times: tuple[float, ...] = ()
    plans: tuple[Plan, ...] = ()
    waiting: tuple[Matter, ...] = ()
    ending: Ending | None = None
    farewell: Farewell | None = None  # of the root: it was told to end, in phases
    has_started: bool = False  # every child was started once, or is left down for a stated reason
    is_unshown: bool = False  # something has changed since the last picture for the board
    ill: Mapping[str, ChildState] = field(default_factory=dict)  # children that are not as they should be
    degraded: str = ""  # the same in words
    met: Mapping[str, int] = field(default_factory=dict)  # of those that others are told of: highest incarnation
    listeners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # who is told: the children it is told of

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(child.name for child in self.children)

    @property
    def parks(self) -> bool:
        """Whether each child has a budget of its own."""
        return self.spec.on_limit is OnLimit.PARK

    @property
    def escalates(self) -> bool:
        return self.spec.on_limit is OnLimit.ESCALATE

    @property
    def siblings_wait(self) -> bool:
        """Whether there is one line for all."""
        return self.spec.siblings_wait or self.spec.strategy in {Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE}

    def find(self, name: str) -> Child | None:
        return self.children.get(name)

    def child(self, name: str) -> Child:
        found = self.find(name)
        assert found is not None, f"{name} is not a child of {self.name}"
        return found

    def group(self, name: str) -> tuple[str, ...]:
        """Whom the strategy restarts together with that child, in start order."""
        if self.spec.strategy in {Strategy.ONE_FOR_ONE, Strategy.SIMPLE_ONE_FOR_ONE}:
            return (name,)
        return affected(self.spec.strategy, self.order, name)

    def put(self, child: Child) -> "Supervisor":
        return replace(self, children=self.children.put(child))

    def add(self, child: Child) -> "Supervisor":
        return replace(self, children=self.children.add(child)).acquainted(child.spec)

    def acquainted(self, spec: ChildSpec) -> "Supervisor":
        """With who is to be told of that child."""
        if not spec.told:
            return self
        met = {name: self.met.get(name, 0) for name in told_of(spec)}
        listeners = {name: (*self.listeners.get(name, ()), spec.name) for name in spec.told}
        return replace(self, met={**self.met, **met}, listeners={**self.listeners, **listeners})

    def forget(self, name: str) -> "Supervisor":
        return replace(self, children=self.children.remove(name))

    def heeds(self, name: str) -> bool:
        """Whether that actor's new incarnations matter to those that are told of our children, or to us."""
        return name in self.met or name in self.listeners

    def meet(self, name: str, incarnation: int) -> "Supervisor":
        if incarnation <= self.met.get(name, incarnation):
            return self
        return replace(self, met={**self.met, name: incarnation})

    def released(self, name: str) -> "Supervisor":
        """Nobody awaits that child any more."""
        freed = (replace(child, awaits="") for child in self.children if child.awaits == name)
        return replace(self, children=reduce(Roster.put, freed, self.children))

    def begin(self, plan: Plan) -> "Supervisor":
        return replace(self, plans=(*self.plans, plan))

    def swap(self, plan: Plan, changed: Plan) -> "Supervisor":
        return replace(self, plans=tuple(changed if p is plan else p for p in self.plans))

    def drop(self, plan: Plan) -> "Supervisor":
        rest = tuple(p for p in self.plans if p is not plan)
        return replace(self, plans=rest, has_started=self.has_started or plan.matter is None)

    def wait(self, matter: Matter) -> "Supervisor":
        return replace(self, waiting=(*self.waiting, matter))

    def take(self, matter: Matter) -> "Supervisor":
        is_first = self.waiting[0] is matter
        rest = self.waiting[1:] if is_first else tuple(m for m in self.waiting if m is not matter)
        return replace(self, waiting=rest)

    @property
    def next_matter(self) -> Matter | None:
        """The first in line whose turn it is."""
        if self.siblings_wait:
            return self.waiting[0] if self.waiting and not self.plans else None
        is_free = (m for m in self.waiting if not (m.name and any(plan.touches(m.name) for plan in self.plans)))
        return next(is_free, None)

    def revived(self, group: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``group`` that a group restart starts, whatever they were: all but the parked ones, and of the
        temporary ones those that had no start yet.
        """
        children = (self.child(name) for name in group)
        return tuple(
            c.name for c in children if c.state is not ChildState.PARKED and not (c.is_temporary and c.life > 0)
        )

    def shown(self) -> TreeShown:
        return TreeShown(
            supervisor=self.name,
            strategy=self.spec.strategy,
            intensity=self.spec.intensity,
            children=tuple(child.shown() for child in self.children),
            on_limit=self.spec.on_limit,
            restart_times=self.restart_times,
        )
