"""Recovery: what a durable actor left in the trail becomes its state again, and what it leaves as a snapshot.

By the law of durable actors the live state is what the facts make, so either may stand for the other.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Core
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.message import Fact, Json
from alluse_hub.protocols.trail import Snapshot

S = TypeVar("S")


def recovered(core: Core[S], fresh: S, snapshot: Json | None, facts: Sequence[tuple[str, bytes]]) -> S:
    """The latest snapshot, and the facts after it by kind and body, folded over ``fresh``."""
    state = fresh
    if snapshot is not None:
        try:
            kept: S = _adapter(state).validate_json(to_json(snapshot))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]  # what was given may be somebody's
            where = ".".join(map(str, first["loc"]))
            raise TrailError(f"a snapshot in the trail is none of this version: {where}: {first['msg']}") from None
        state = kept if core.restore is None else core.restore(state, kept)
    for kind, body in facts:
        fact = wire.decode(kind, body)
        assert isinstance(fact, Fact), f"{kind} is in the trail as a fact"
        assert core.evolve is not None, "only a durable actor recovers"
        state = core.evolve(state, fact)
    return state


def snapshot_of(core: Core[S], fresh: S, live: S) -> Snapshot:
    kept = live if core.restore is None else core.restore(fresh, live)
    return Snapshot(state=_adapter(kept).dump_python(kept, mode="json"))


def _adapter(state: S) -> TypeAdapter[Any]:  # the state's class is known only at run time
    return TypeAdapter(type(state))
