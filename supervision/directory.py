"""The directory that the root keeps: who is where, and who is to be told of a newborn.

Everybody is told of the newborn, and the newborn of everybody; a cell once for all who live in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from thespian.actors import ActorAddress

from alluse_hub.supervision.words import Introduce, Register


@dataclass(slots=True)
class Directory:
    """``_doors``: whom to tell, by name; residents of a cell have none of their own."""

    _book: dict[str, tuple[int, ActorAddress]] = field(default_factory=dict)
    _doors: dict[str, ActorAddress] = field(default_factory=dict)

    def enter(self, newborn: Register, root: str) -> Iterator[tuple[ActorAddress, Introduce]]:
        """What is to be sent; the root itself is told by whoever asks."""
        fresh = newborn.introduction
        for name, address in self._doors.items():
            if name not in {root, newborn.name}:
                yield address, fresh
        self._doors[newborn.name] = newborn.address
        self._book.update({name: (incarnation, address) for name, incarnation, address in fresh.peers})
        if newborn.name != root:
            known = tuple((name, incarnation, address) for name, (incarnation, address) in self._book.items())
            yield newborn.address, Introduce(known, newborn.origin)
