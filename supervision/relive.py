"""A letter relived: as its core heard it, with the state in which it did, and what it decided.

For whoever asks what else could have been decided.  ``replay`` hands them over as it goes, each when it is known that
it was decided so; what a shell kept from its core (what was stored, what was set aside) is not among them.  Pure.
"""

from typing import Any, NamedTuple

from alluse_hub.protocols.effects import Commit, Effect, Record
from alluse_hub.protocols.message import Envelope, Fact


class Relived(NamedTuple):
    """``entry``: id of its receipt; ``wall``: when that was written, in seconds since 1970.  ``state``: before it."""

    letter: Envelope
    entry: str
    wall: float
    effects: tuple[Effect, ...] = ()
    state: Any = None  # each core has one of its own

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(effect.fact for effect in self.effects if isinstance(effect, Record | Commit))
