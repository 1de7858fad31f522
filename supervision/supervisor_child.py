"""One child as its supervisor knows it: how it stands, what was tried, and how others see it.

Its life stands in the names of its timers, so that a late one is known for what it is.
"""

from dataclasses import dataclass

from alluse_hub.protocols.children import ChildShown
from alluse_hub.protocols.lifecycle import ChildSpec, ChildState, RestartType, Shutdown
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.restarts import should_restart

UP = frozenset({ChildState.READY, ChildState.DEGRADED, ChildState.HUNG})
"""States of a child that was started and was not told to stop."""

ALIVE = UP | {ChildState.STARTING, ChildState.STOPPING}
"""States in which a process may exist."""

PAUSE = "pause"
"""How the timers of pauses begin."""


@dataclass(frozen=True, slots=True)
class Child:
    """One child.  ``life`` counts the tries to start it; ``restarts`` the restarts it was the reason for."""

    spec: ChildSpec
    state: ChildState = ChildState.STOPPED
    life: int = 0
    incarnation: int = 0  # of this life; 0 until it is up
    pid: int = 0
    restarts: int = 0
    restart_times: tuple[float, ...] = ()  # its own budget, used where the limit parks; newest first
    last_exit: str = ""
    since: float = 0.0
    is_overdue: bool = False  # killed because it was not up in time
    allowed_s: float | None = None  # how long it may take to stop, where a deadline says so
    is_unjudged: bool = False  # it ended by itself, and that waits in line
    is_restarting: bool = False  # a try to restart it failed, and the next waits in line or for its time
    next_try: float | None = None  # hub time at which its pause is over
    awaits: str = ""  # it went down with this sibling, and is started with it when that one's pause is over
    row: int = 0  # restarts one after the other, with no quiet time between
    up_at: float = 0.0  # hub time at which this life came up
    up_s: float = 0.0  # how long the life that ended was up
    why: str = ""  # it says that it is degraded
    hung: str = ""  # why it was judged so
    close_life: int = 0  # the last life that was watched closely

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE

    @property
    def runs(self) -> bool:
        """As far as its supervisor has dealt with what it heard."""
        return self.is_unjudged or self.is_alive

    @property
    def is_temporary(self) -> bool:
        return self.spec.restart is RestartType.TEMPORARY

    @property
    def has_deadline(self) -> bool:
        """Whether it is killed if it does not end in time."""
        return self.spec.shutdown is Shutdown.GRACE

    @property
    def start_timer(self) -> str:
        return f"start {self.name} {self.life}"

    @property
    def stop_timer(self) -> str:
        return f"stop {self.name} {self.life}"

    @property
    def pause_timer(self) -> str:
        return f"{PAUSE} {self.name} {self.life}"

    @property
    def hung_timer(self) -> str:
        return f"hung {self.name} {self.life}"

    def ended(self, cause: str, at: float) -> "Child":
        """With this life over; how long it was up is what the next pause goes by."""
        up_s = at - self.up_at if self.state in UP else 0.0
        gone = replace(self, state=ChildState.STOPPED, pid=0, last_exit=cause, since=at)
        return replace(gone, is_overdue=False, hung="", up_s=up_s, why="")

    @property
    def cleared(self) -> "Child":
        """What waits in line about it is no matter any more."""
        return replace(self, is_unjudged=False, is_restarting=False, next_try=None, awaits="")

    @property
    def up_state(self) -> ChildState:
        """Of one that is up and gives signs of life."""
        return ChildState.DEGRADED if self.why else ChildState.READY

    @property
    def standing(self) -> ChildState:
        """As others see it: one that is down, and will be tried again without anybody's order, is restarting."""
        if self.state is not ChildState.STOPPED:
            return self.state
        is_due = self.is_unjudged and should_restart(self.spec.restart, self.last_exit)
        return ChildState.RESTARTING if self.is_restarting or self.awaits or is_due else ChildState.STOPPED

    def shown(self) -> ChildShown:
        return ChildShown(
            name=self.name,
            state=self.standing,
            restart=self.spec.restart,
            incarnation=self.incarnation,
            pid=self.pid,
            restarts=self.restarts,
            last_exit=self.last_exit,
            since=self.since,
            next_try=self.next_try,
            why=self.why,
            restart_times=self.restart_times,
        )


def told_of(spec: ChildSpec) -> tuple[str, ...]:
    """Who is meant when others are told that the child is down."""
    return spec.told_of or (spec.name,)
