"""Those whom an actor writes to: the incarnation it knows of each, and how many letters that was sent.

Letters to somebody who has not been introduced wait, in their order, up to a bound.  Who bears the name anew is
another: the count of letters begins again.

Pure.
"""

from collections import deque
from dataclasses import dataclass, field

from alluse_hub.supervision.parcel import Parcel

UNKNOWN_MAX = 10_000
"""Letters kept for an actor that has not been introduced yet; the oldest is dead-lettered beyond that."""


@dataclass(slots=True)
class _Peer:
    incarnation: int
    sent: int = 0


@dataclass(slots=True)
class Peers:
    _known: dict[str, _Peer] = field(default_factory=dict)
    _waiting: dict[str, deque[Parcel]] = field(default_factory=dict)

    def meet(self, name: str, incarnation: int) -> bool:
        """Whether that is news."""
        known = self._known.get(name)
        if known is not None and incarnation <= known.incarnation:
            return False
        self._known[name] = _Peer(incarnation)
        return True

    def waited(self, name: str) -> deque[Parcel]:
        """The letters that waited for somebody who can be written to now; they wait no longer."""
        return self._waiting.pop(name, deque())

    def addressed(self, to: str, parcel: Parcel) -> Parcel | None:
        """As it goes out; None for a letter that waits from now on."""
        peer = self._known.get(to)
        if peer is None:
            self._waiting.setdefault(to, deque()).append(parcel)
            return None
        peer.sent += 1
        return parcel.addressed(peer.incarnation, peer.sent)

    def too_many(self, to: str) -> Parcel | None:
        """The oldest letter that waits for ``to``, if there are more than may."""
        waiting = self._waiting.get(to, ())
        return self._waiting[to].popleft() if len(waiting) > UNKNOWN_MAX else None
