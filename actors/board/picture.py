"""The picture: the latest of everything that supervisors, monitors, router and coordinator have shown.

Nothing in it is measured here and nothing outlives a restart: ``PeerUp`` makes the others say again what they last
said, so a new incarnation of the board is up to date within one interval of the monitors.
"""

from dataclasses import dataclass, field

from pydantic import Field, NonNegativeInt

from alluse_hub.protocols.children import ChildShown, TreeShown
from alluse_hub.protocols.claims import ConflictClosed, ConflictShown
from alluse_hub.protocols.flow import FlowsShown
from alluse_hub.protocols.health import HealthChanged, Pulse
from alluse_hub.protocols.lifecycle import ChildState
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.rules import RulesShown
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.sync import DisputesShown, SyncShown, SyncsShown

GONE = frozenset({ChildState.STOPPED, ChildState.RESTARTING, ChildState.PARKED})
"""States without a process."""

BLIND = GONE | {ChildState.HUNG}
"""States in which a monitor knows nothing of its workstream."""

CLOSED_MAX = 50
"""Closed conflicts on the board, the latest; all of them are in the trail."""


class WorkstreamKnown(Message):
    """A workstream that is configured, whether or not it was ever heard of."""

    id: str
    name: str
    depends_on: tuple[str, ...] = ()


class BoardSpec(Message):
    """``hub``: its name, for people.  ``fragile_s``: a pulse older than this says nothing about now."""

    hub: str = "alluse"
    workstreams: tuple[WorkstreamKnown, ...] = ()
    fragile_s: float = Field(default=15.0, gt=0)


@dataclass(frozen=True, slots=True)
class Heard:
    """A pulse, and the hub time at which it came."""

    pulse: Pulse
    at: float


@dataclass(frozen=True, slots=True)
class Turn:
    """The latest change of a workstream's status."""

    change: HealthChanged
    at: float


@dataclass(frozen=True, slots=True)
class Conflicts:
    """``open`` and ``closed`` oldest first; ``count`` of all ever opened; ``unshown``: open ones that are not
    in ``open``."""

    open: tuple[ConflictShown, ...] = ()
    closed: tuple[ConflictShown, ...] = ()
    count: NonNegativeInt = 0
    unshown: NonNegativeInt = 0

    @property
    def open_count(self) -> int:
        return len(self.open) + self.unshown

    def opened(self, conflict: ConflictShown) -> "Conflicts":
        if any(other.id == conflict.id for other in (*self.open, *self.closed)):
            return self
        return replace(self, open=(*self.open, conflict), count=self.count + 1)

    def ended(self, fact: ConflictClosed) -> "Conflicts":
        conflict = next((other for other in self.open if other.id == fact.id), None)
        if conflict is None:
            return self
        rest = tuple(other for other in self.open if other.id != fact.id)
        return replace(self, open=rest, closed=(*self.closed, conflict.ended(fact))[-CLOSED_MAX:])


@dataclass(frozen=True, slots=True)
class Syncs:
    """All syncs as they were last shown, in the order of the configuration; only what has changed is shown again."""

    known: dict[str, SyncShown] = field(default_factory=dict)
    disputes: DisputesShown = field(default_factory=DisputesShown)

    @property
    def syncs(self) -> tuple[SyncShown, ...]:
        return tuple(self.known.values())

    def with_(self, shown: SyncsShown) -> "Syncs":
        come = {sync.sync: sync for sync in shown.syncs}
        known = {} if shown.afresh else self.known
        configs = {name: sync.config for name, sync in known.items()}
        merged = known | {
            name: sync if sync.config else sync.model_copy(update={"config": configs.get(name, {})})
            for name, sync in come.items()
        }
        return Syncs(merged, shown.disputes if shown.disputes is not None else self.disputes)


@dataclass(frozen=True, slots=True)
class Board:
    """``version`` grows with every letter that changed something."""

    spec: BoardSpec
    version: int = 0
    trees: dict[str, TreeShown] = field(default_factory=dict)
    pulses: dict[str, Heard] = field(default_factory=dict)
    turns: dict[str, Turn] = field(default_factory=dict)
    flows: FlowsShown | None = None
    rules: RulesShown | None = None
    syncs: Syncs = field(default_factory=Syncs)
    conflicts: Conflicts = Conflicts()

    @property
    def disputes(self) -> Conflicts:
        """All conflicts: the coordinator's, and those about data sets."""
        disputes = self.syncs.disputes
        if not disputes.conflicts:
            return self.conflicts
        return Conflicts(
            (*self.conflicts.open, *disputes.open),
            (*self.conflicts.closed, *disputes.closed)[-CLOSED_MAX:],
            self.conflicts.count + disputes.conflicts,
            disputes.unshown,
        )

    def child(self, name: str) -> ChildShown | None:
        """As its supervisor sees it; None before its supervisor has shown anything."""
        children = (child for tree in self.trees.values() for child in tree.children)
        return next((child for child in children if child.name == name), None)

    def child_state(self, name: str) -> str:
        """``unknown`` before its supervisor has shown anything."""
        child = self.child(name)
        return child.state.value if child is not None else "unknown"

    def unwatched(self, workstream: str) -> str:
        """Why what was last heard of it says nothing of now: its monitor is parked, say; empty while it has one."""
        child = self.child(workstream)
        return f"nobody watches it: its monitor is {child.state.value}" if child and child.state in BLIND else ""

    def cell_of(self, name: str) -> str:
        """The cell that the actor lives in; empty if it has a process of its own."""
        cells = (tree for tree in self.trees.values() if tree.cell)
        return next((cell.supervisor for cell in cells if any(child.name == name for child in cell.children)), "")


def with_subtree(trees: dict[str, TreeShown], shown: TreeShown) -> dict[str, TreeShown]:
    """With what a supervisor shows.  One that is down, or a cell, has taken all below it along and cannot say so."""
    trees = trees | {shown.supervisor: shown}
    for child in shown.children:
        below = trees.get(child.name)
        if below is not None and child.state in GONE:
            trees = with_subtree(trees, below.model_copy(update={"children": tuple(map(_gone, below.children))}))
    return trees


def _gone(child: ChildShown) -> ChildShown:
    """A parked child stays parked: nothing else is known of it."""
    state = child.state if child.state is ChildState.PARKED else ChildState.STOPPED
    return child.model_copy(update={"state": state, "pid": 0, "next_try": None, "why": ""})
