"""What a supervisor knows: its children, the plans in hand, and what waits for its turn.

A *plan* stops some children, one after the other, and then starts some, each when the one before is up.  A *matter*
is what calls for a plan: a child's failure or somebody's order.  No child is ever in two plans.  Under one_for_one
every child has its own line, so that a child that is slow to start or stop keeps none of its siblings waiting; under
the group strategies there is one line for all.  Matters are taken in the order in which they came.  A failed start
goes to the end of its line, so that orders are answered between two tries, as in Erlang/OTP.

State and questions about it; the decisions stand in ``supervisor``.
"""

from dataclasses import dataclass

from alluse_hub.protocols.lifecycle import (
    ChildShown,
    ChildSpec,
    ChildState,
    OnLimit,
    RestartActor,
    RestartType,
    StartActor,
    StopActor,
    Strategy,
    SupervisorSpec,
    TreeShown,
)
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.restarts import SHUTDOWN, recent

ALIVE = frozenset({ChildState.STARTING, ChildState.UP, ChildState.STOPPING})
"""States in which a process may exist."""


@dataclass(frozen=True, slots=True)
class Child:
    """One child.  ``life`` counts the tries to start it; ``restarts`` the restarts it was the reason for."""

    spec: ChildSpec
    state: ChildState = ChildState.DOWN
    life: int = 0
    incarnation: int = 0  # of this life; 0 until it is up
    pid: int = 0
    restarts: int = 0
    restart_times: tuple[float, ...] = ()  # its own budget, used where the limit parks; newest first
    last_exit: str = ""
    since: float = 0.0
    is_overdue: bool = False  # killed because it was not up in time

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE

    @property
    def is_temporary(self) -> bool:
        return self.spec.restart is RestartType.TEMPORARY

    # The life stands in the timer's name, so that a late one is known for what it is.
    @property
    def start_timer(self) -> str:
        return f"start {self.name} {self.life}"

    @property
    def stop_timer(self) -> str:
        return f"stop {self.name} {self.life}"


@dataclass(frozen=True, slots=True)
class Failure:
    """Life number ``life`` of a child ended and calls for a restart; ``in_start``: it was never up."""

    name: str
    life: int
    cause: str
    in_start: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """Somebody's wish for one child, answered by ``ActorOrderDone``."""

    asker: str
    ask: StartActor | StopActor | RestartActor

    @property
    def name(self) -> str:
        return self.ask.name


Matter = Failure | Order


@dataclass(frozen=True, slots=True)
class Plan:
    """Stop these, in this order, then start those, in that order.  No matter: the supervisor's own start."""

    matter: Matter | None
    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    reason: str = SHUTDOWN  # said to those that are stopped

    def touches(self, name: str) -> bool:
        return name in self.stop or name in self.start


@dataclass(frozen=True, slots=True)
class Ending:
    """The supervisor ends: what it tells its children, and with what cause it goes itself."""

    reason: str
    cause: str
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Supervisor:
    """``children`` in start order.  ``restart_times``: the budget where the limit escalates, newest first."""

    name: str
    spec: SupervisorSpec
    children: tuple[Child, ...]
    restart_times: tuple[float, ...] = ()
    plans: tuple[Plan, ...] = ()
    waiting: tuple[Matter, ...] = ()
    ending: Ending | None = None

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(child.name for child in self.children)

    @property
    def has_started(self) -> bool:
        """Whether its own start is over: every child was started once, or is left down for a stated reason."""
        return self.ending is None and not any(plan.matter is None for plan in self.plans)

    @property
    def parks(self) -> bool:
        return self.spec.on_limit is OnLimit.PARK

    @property
    def last_alive(self) -> Child | None:
        return next((child for child in reversed(self.children) if child.is_alive), None)

    def find(self, name: str) -> Child | None:
        return next((child for child in self.children if child.name == name), None)

    def child(self, name: str) -> Child:
        found = self.find(name)
        assert found is not None, f"{name} is not a child of {self.name}"
        return found

    def put(self, child: Child) -> "Supervisor":
        return replace(self, children=tuple(child if c.name == child.name else c for c in self.children))

    def forget(self, name: str) -> "Supervisor":
        return replace(self, children=tuple(child for child in self.children if child.name != name))

    def begin(self, plan: Plan) -> "Supervisor":
        return replace(self, plans=(*self.plans, plan))

    def swap(self, plan: Plan, changed: Plan) -> "Supervisor":
        return replace(self, plans=tuple(changed if p is plan else p for p in self.plans))

    def drop(self, plan: Plan) -> "Supervisor":
        return replace(self, plans=tuple(p for p in self.plans if p is not plan))

    def wait(self, matter: Matter) -> "Supervisor":
        return replace(self, waiting=(*self.waiting, matter))

    def take(self, matter: Matter) -> "Supervisor":
        return replace(self, waiting=tuple(m for m in self.waiting if m is not matter))

    def has_failure(self, name: str) -> bool:
        """Whether a restart of this child waits for its turn."""
        return any(isinstance(matter, Failure) and matter.name == name for matter in self.waiting)

    def without_failure(self, name: str) -> "Supervisor":
        """The failures of a child that is being stopped are settled by that."""
        return replace(self, waiting=tuple(m for m in self.waiting if not (isinstance(m, Failure) and m.name == name)))

    def is_turn(self, matter: Matter) -> bool:
        """Whether the matter may be taken up now, if all before it in ``waiting`` were looked at first."""
        if self.spec.strategy is Strategy.ONE_FOR_ONE:
            return not any(plan.touches(matter.name) for plan in self.plans)
        return not self.plans

    def revived(self, group: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``group`` that a group restart starts, whatever they were: all but the parked ones, and of the
        temporary ones those that had no start yet.
        """
        children = (self.child(name) for name in group)
        return tuple(
            c.name for c in children if c.state is not ChildState.PARKED and not (c.is_temporary and c.life > 0)
        )

    def shown(self, at: float) -> TreeShown:
        intensity = self.spec.intensity
        budgets = [child.restart_times for child in self.children] if self.parks else [self.restart_times]
        return TreeShown(
            supervisor=self.name,
            strategy=self.spec.strategy,
            intensity=intensity,
            recent_restarts=sum(len(recent(times, at, intensity.period_s)) for times in budgets),
            children=tuple(
                ChildShown(
                    name=child.name,
                    state=child.state,
                    restart=child.spec.restart,
                    incarnation=child.incarnation,
                    pid=child.pid,
                    restarts=child.restarts,
                    last_exit=child.last_exit,
                    since=child.since,
                )
                for child in self.children
            ),
        )
