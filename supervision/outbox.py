"""Effects in order, and the wait at a ``Commit``.

A turn's effects up to its first ``Commit`` go out at once; the rest is held until the auditor has stored that commit.
It holds back the rest of *its own turn* and nothing else.  A held directive that a later one of the same resource has
meanwhile overtaken is dropped: a fence never goes back.

Pure.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from alluse_hub.protocols.claims import Directive
from alluse_hub.protocols.effects import Commit, Effect, Send

HELD_TURNS_MAX = 10_000
"""Turns that may wait for the auditor: some minutes of a busy hub without it."""


@dataclass(frozen=True, slots=True)
class Held:
    """The rest of a turn, waiting until entry ``n`` is stored; ``cause`` and ``correlation`` are the turn's."""

    n: int
    effects: tuple[Effect, ...]
    cause: str
    correlation: str


def split(effects: Sequence[Effect]) -> tuple[tuple[Effect, ...], tuple[Effect, ...]]:
    """Effects that go out now, ending with the first ``Commit`` if there is one, and those that wait for it."""
    for at, effect in enumerate(effects):
        if isinstance(effect, Commit):
            return tuple(effects[: at + 1]), tuple(effects[at + 1 :])
    return tuple(effects), ()


@dataclass(slots=True)
class Outbox:
    _held: deque[Held] = field(default_factory=deque)
    _fences: dict[str, int] = field(default_factory=dict)

    def hold(self, held: Held) -> None:
        """Raises OverflowError when more turns wait than ``HELD_TURNS_MAX``: the actor stops rather than forget."""
        if len(self._held) >= HELD_TURNS_MAX:
            raise OverflowError(f"{HELD_TURNS_MAX} turns wait for the auditor")
        self._held.append(held)

    def released(self, stored: int) -> Iterator[Held]:
        """Turns whose commit is on disk now that entries up to ``stored`` are."""
        while self._held and self._held[0].n <= stored:
            yield self._held.popleft()

    def is_overtaken(self, effect: Effect) -> bool:
        """Whether ``effect`` is a directive older than one already sent; remembers the fence if not."""
        match effect:
            case Send(message=Directive(resource=resource, fence=fence)):
                if fence < self._fences.get(resource, 0):
                    return True
                self._fences[resource] = fence
        return False

    def __len__(self) -> int:
        return len(self._held)
