"""The state of a durable actor at some earlier moment, folded from its facts.

By the law of durable actors it is what the actor would have known, had it been started anew then.
"""

from typing import Any, NamedTuple

from pydantic import ValidationError

from alluse_hub.actors.auditor.history import History
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.lifecycle import Booted
from alluse_hub.protocols.message import EntryId, Json
from alluse_hub.supervision.recovery import snapshot_of
from alluse_hub.supervision.replay import CoreOf, recovered_by


class Past(NamedTuple):
    """``through``: id of the last entry of the actor that it counts with; ``wall``: when that was written.  ``facts``:
    how many were folded, after a snapshot if ``has_snapshot``."""

    actor: str
    incarnation: int
    version: str
    through: str
    at: float
    wall: float
    facts: int
    has_snapshot: bool
    state: Json


def state_at(history: History, actor: str, core_of: CoreOf, last: int | None = None) -> Past:
    """As of that place of the store, or now.  Raises CallerError for an actor that was not there, or keeps nothing."""
    through, at, wall = history.through(actor, last)
    booted, fresh, state, folded, has_snapshot = _recovered(history, through, core_of)
    core = core_of(booted.actor)
    assert core is not None, "it has just been started"
    kept = snapshot_of(core, fresh, state).state
    return Past(actor, through.incarnation, booted.version, str(through), at, wall, folded, has_snapshot, kept)


def live_at(history: History, through: EntryId, core_of: CoreOf) -> Any:  # each core has a state of its own
    """The state itself when its actor had written that entry.  Raises CallerError as ``state_at``."""
    return _recovered(history, through, core_of)[2]


def _recovered(history: History, through: EntryId, core_of: CoreOf) -> tuple[Booted, Any, Any, int, bool]:
    """How it was born, its state then, its state at that entry, the facts folded for that, and whether on a
    snapshot."""
    actor = through.actor
    booted = Booted.model_validate_json(history.born(through))
    core = core_of(booted.actor)
    if core is None:
        was = booted.actor or "of a version that did not record its specification"
        raise CallerError(f"{actor} was then {was}, which this version cannot start")
    snapshots: list[Json | None] = []

    def recover(kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]:
        snapshot, facts = history.left_at(through, kinds)
        snapshots.append(snapshot)
        return snapshot, facts

    try:
        fresh: Any = core.start(actor, core.spec.model_validate(booted.spec))  # each core has a state of its own
    except ValidationError as error:
        raise CallerError(f"{actor} cannot be started as it was: {error}") from error
    state, folded = recovered_by(core, fresh, recover)
    if not snapshots:
        raise CallerError(f"{actor} keeps nothing over its death; `trail rerun --actor {actor}` decides it all again")
    return booted, fresh, state, folded, snapshots[0] is not None
