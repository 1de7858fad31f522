"""What an actor left for its next incarnation: the latest snapshot, and the facts after it, in the order of its life.

Store and spools each have a part, and which is nobody's promise: with a long backlog the auditor may have stored what
a newer incarnation said before the rest of an older one.  So only numbers tell the order.

Pure.
"""

from collections.abc import Iterable
from typing import NamedTuple

from pydantic_core import from_json

from alluse_hub.protocols.message import Json
from alluse_hub.protocols.trail import Snapshot


class LeftFact(NamedTuple):
    """A fact of one actor; they sort as they were written."""

    incarnation: int
    n: int
    message: str
    body: str  # JSON


def left(facts: Iterable[LeftFact]) -> tuple[Json | None, list[tuple[str, bytes]]]:
    """``facts``: whatever there is of the kinds in question, and snapshots, each once."""
    ordered = sorted(facts)
    snapshots = [at for at, fact in enumerate(ordered) if fact.message == Snapshot.__name__]
    since = snapshots[-1] + 1 if snapshots else 0
    state: Json | None = from_json(ordered[since - 1].body)["state"] if snapshots else None
    return state, [(fact.message, fact.body.encode()) for fact in ordered[since:]]
