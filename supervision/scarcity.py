"""An actor whose spool has no space: what goes on, what waits, and what is said of it afterwards.

The law stays *write, then tell*.  A turn that cannot be written is not done: its decision is thrown away, which a pure
core allows, and its letter waits, with all that comes after it; timers wait too, since what would end them may be among
the letters.  They are tried again each ``RETRY_S``, in their order, so that the end of it needs nobody's hand.

Two sorts of turns go on.  One in which there is nothing but telemetry is done without a record; its letters then bear
no id, so that whoever hears them records them whole.  One that restricts takes the reserve of the spool.  Which are
which is declared in ``protocols.scarcity``.  At last a fact in the trail tells how much was not recorded, and why.

Pure; the spool is given.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from alluse_hub.protocols import wire
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.scarcity import PERISHABLE, RESTRICTING, TELEMETRY, SpoolGap
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.frames import fact_frame
from alluse_hub.supervision.ports import Ports, SpoolPort
from alluse_hub.supervision.spool import Frame, SpoolFullError

RETRY_S = 0.5

WAITING_MAX = 20_000
"""Letters; with more the actor fails, and its supervisor decides."""


class Waiting(NamedTuple):
    """A letter as it came, with the arguments of its turn."""

    body: Message
    sender: str
    letter: str
    cause: str
    correlation: str
    encoded: bytes


@dataclass(slots=True)
class Scarcity:
    """Of one incarnation.  ``why``: what stands in the way, in words; empty while all can be written."""

    why: str = ""
    since: float = 0.0
    _waiting: deque[Waiting] = field(default_factory=deque)
    _retry_at: float = 0.0
    _unrecorded: Counter[str] = field(default_factory=Counter)
    _refused: Counter[str] = field(default_factory=Counter)
    _waited: int = 0

    @property
    def holds(self) -> bool:
        """Whether letters wait; then timers do, too."""
        return bool(self._waiting)

    @property
    def next_retry(self) -> float | None:
        return self._retry_at if self.why else None

    @property
    def told(self) -> str:
        """For status; empty if there is nothing to tell."""
        return self.why and f"{self.why}; {len(self._waiting)} letters wait and go on by themselves when there is space"

    def keeps_back(self, letter: Waiting, now: float) -> bool:
        """Whether it has to wait for those that wait already, and now does."""
        if not self._waiting:
            return False
        kind = wire.kind_of(letter.body)
        if kind in RESTRICTING or kind in PERISHABLE or (kind in TELEMETRY and kind != "Woken"):
            return False  # what perishes is refused when it comes to be written, so that somebody can be told
        self.wait(letter, now)
        return True

    def wait(self, letter: Waiting, now: float) -> None:
        """Raises OverflowError beyond ``WAITING_MAX``."""
        kind = wire.kind_of(letter.body)
        if kind in PERISHABLE:
            self._refused[kind] += 1
            return
        if len(self._waiting) >= WAITING_MAX:
            raise OverflowError(f"{WAITING_MAX} letters wait: {self.why}")
        if not self._waiting:
            self._retry_at = now + RETRY_S
        self._waiting.append(letter)
        self._waited += 1

    def due(self, spool: SpoolPort, ports: Ports) -> Iterator[Waiting]:
        """Those that waited, to be tried again; whatever still cannot be written comes to wait again, in its order.
        When none does any more, the gap is told."""
        if not self.why or ports.now() < self._retry_at:
            return
        self._retry_at = ports.now() + RETRY_S
        tried, self._waiting = self._waiting, deque()
        waited = self._waited
        while tried and not self._waiting:
            yield tried.popleft()
        self._waiting.extend(tried)
        self._waited = waited
        if not self._waiting:
            self._tell(spool, ports.now(), ports.wall())  # later than those turns: in a spool time never falls

    def write(self, spool: SpoolPort, frames: Sequence[Frame], now: float, wall: float, *, can_wait: bool) -> bool:
        """False if the frames are telemetry that was not recorded: their letters go out without an id.

        Raises SpoolFullError for a turn that has to wait, and where not even the reserve has space.
        """
        if can_wait and self._waiting and self._must_not_overtake(frames):
            raise SpoolFullError(self.why)
        try:
            spool.write(frames, now, wall)
        except SpoolFullError as full:
            if not self.why:
                self.why, self.since, self._retry_at = str(full), now, now + RETRY_S
            if all(frame.kind is not EntryKind.FACT and frame.message in TELEMETRY for frame in frames):
                self._unrecorded.update(frame.message for frame in frames)
                return False
            # What loosens stands behind a Commit, and that is not done before the auditor has stored it.
            if can_wait and not any(frame.message in RESTRICTING for frame in frames):
                raise
            spool.write(frames, now, wall, urgent=True)
        return True

    @staticmethod
    def _must_not_overtake(frames: Sequence[Frame]) -> bool:
        """An order among those that find no space, while letters before it wait."""
        kinds = {frame.message for frame in frames}
        return bool(kinds & PERISHABLE) and not kinds & RESTRICTING and not kinds <= TELEMETRY

    def _tell(self, spool: SpoolPort, now: float, wall: float) -> None:
        """What was not recorded, if there is space for that already."""
        gap = SpoolGap(
            since=self.since,
            until=now,
            why=self.why,
            unrecorded=dict(self._unrecorded),
            refused=dict(self._refused),
            waited=self._waited,
        )
        try:
            spool.write([fact_frame(gap)], now, wall)
        except SpoolFullError:
            return
        self.why, self._waited = "", 0
        self._unrecorded.clear()
        self._refused.clear()
