"""Names that nobody bears: whoever mistypes one is told so, and what he may have meant, rather than that there is
nothing."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.meant import nearest
from alluse_hub.protocols.wire import KINDS


class NotInTrailError(CallerError):
    """Asked for by name or id, and nobody wrote of it."""


class Count(Protocol):
    @property
    def actor(self) -> str: ...
    @property
    def message(self) -> str: ...


class Trail(Protocol):
    def counts(self, home: Path) -> Sequence[Count]: ...


def likely(name: str, known: Iterable[str]) -> str:
    """As the end of a sentence; empty if nothing is like it."""
    near = nearest(name, known)
    return f"; did you mean {near!r}?" if near else ""


def refuse_unknown_kinds(trail: Trail, home: Path, names: Iterable[str]) -> None:
    """Raises CallerError for a kind of message that this version does not know and that is not on record either."""
    strange = [name for name in names if name not in KINDS]
    if not strange:
        return
    known = {*KINDS, *(count.message for count in trail.counts(home))}
    for name in strange:
        if name not in known:
            raise CallerError(f"{name!r} is no kind of message{likely(name, known) or '; MESSAGES.md has them all'}")


def refuse_unknown_actor(trail: Trail, home: Path, name: str) -> None:
    """Raises NotInTrailError."""
    known = {count.actor for count in trail.counts(home)}
    if name and known and name not in known:  # without any the store is not made yet
        raise NotInTrailError(f"nothing of {name!r} is on record{likely(name, known)}")
