"""A trail in memory, for hubs that live inside a test: spools that outlive their writers, and facts to recover from.

Pure: it holds what it is given and reads no clock and no disk.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from alluse_hub.protocols import wire
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.trail import Entry, EntryKind, Snapshot
from alluse_hub.supervision.spool import Frame


@dataclass(slots=True)
class MemorySpool:
    """A spool that survives its writer: what a real one holds after any death of a process."""

    actor: str
    incarnation: int
    trail: "MemoryTrail"
    n: int = 0

    def write(self, frames: Sequence[Frame], at: float, wall: float, *, urgent: bool = False) -> int:  # noqa: ARG002
        for frame in frames:
            self.n += 1
            self.trail.append(self, frame, at, wall)
        return self.n


@dataclass(slots=True)
class MemoryTrail:
    """Every entry, in the order of writing."""

    entries: list[Entry] = field(default_factory=list)
    facts: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    incarnations: dict[str, int] = field(default_factory=dict)
    on_power: Callable[[str, int, int], None] = lambda _actor, _incarnation, _n: None

    def spool(self, actor: str) -> MemorySpool:
        self.incarnations[actor] = self.incarnations.get(actor, 0) + 1
        return MemorySpool(actor, self.incarnations[actor], self)

    def append(self, spool: MemorySpool, frame: Frame, at: float, wall: float) -> None:
        self.entries.append(
            Entry.model_construct(
                actor=spool.actor,
                incarnation=spool.incarnation,
                n=spool.n,
                kind=frame.kind,
                message=frame.message,
                body=json.loads(frame.body) if frame.body else {},
                to=frame.to,
                letter=frame.letter,
                cause=frame.cause,
                correlation=frame.correlation,
                at=at,
                wall=wall,
                power=frame.power,
            )
        )
        if frame.kind is EntryKind.FACT:
            self.facts.setdefault(spool.actor, []).append((frame.message, frame.body))
        if frame.power:
            self.on_power(spool.actor, spool.incarnation, spool.n)

    def recover(self, actor: str, kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]:
        snapshot: Json | None = None
        facts: list[tuple[str, bytes]] = []
        for kind, body in self.facts.get(actor, []):
            if kind == Snapshot.__name__:
                kept = wire.decode(kind, body)
                assert isinstance(kept, Snapshot), "the kind says so"
                snapshot, facts = kept.state, []
            elif kind in kinds:
                facts.append((kind, body))
        return snapshot, facts
