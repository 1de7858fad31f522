"""Contents of versions: asked for, checked when they come, kept as long as needed, written out for a target.

How long one is, and how many records it has, is counted here: what its source says of it is checked and not relied on.
"""

from hashlib import sha256

from alluse_hub.protocols.message import Json
from alluse_hub.protocols.versions import CANONICAL, DATASET_BYTES_MAX, Held, Version, is_same

from .exchanges import GET, ITEMS_MAX, ask, is_free
from .state import Payload, Turn, at

HOLD_OFF_S = 5.0
"""After an answer that makes no sense, a program is left alone for this long."""


def want(turn: Turn, workstream: str, dataset: str) -> None:
    """Its content, unless that is asked for already."""
    under_way = turn.state.exchanges.get(f"{GET}:{workstream}")
    if under_way is not None and dataset in under_way.names:
        return
    wanted = turn.state.wanted.get(workstream, frozenset())
    turn.set(wanted={**turn.state.wanted, workstream: wanted | {dataset}})


def fetch(turn: Turn, workstream: str) -> None:
    names = sorted(turn.state.wanted.get(workstream, ()))[:ITEMS_MAX]
    if names and is_free(turn, GET, workstream):
        ask(turn, GET, workstream, list(names))


def hold_off(turn: Turn, workstream: str, why: str) -> None:
    """It is asked nothing for a while."""
    turn.set(
        dark={**turn.state.dark, workstream: why},
        held_off={**turn.state.held_off, workstream: turn.now + HOLD_OFF_S},
        is_shown=False,
    )


def checked(dataset: str, held: Held) -> tuple[int, str]:
    """Bytes of a program's content, and why it cannot be that: empty if it can, or if it has none."""
    if held.outcome == "refused":
        return 0, held.why
    text = b"" if held.data is None else CANONICAL.encode(held.data).encode("ascii")
    counted = (len(text), len(held.data or {}))
    if counted[0] > DATASET_BYTES_MAX:
        return counted[
            0
        ], f"its content of {dataset} has {counted[0]} bytes; a data set has at most {DATASET_BYTES_MAX}"
    if held.version.digest != (sha256(text).hexdigest() if held.data is not None else ""):
        return counted[0], f"its content of {dataset} has another digest than it says"
    said = (held.version.bytes, held.version.records)
    if said not in {(0, 0), counted}:
        told = f"{counted[0]} bytes in {counted[1]} records; it says {said[0]} in {said[1]}"
        return counted[0], f"its content of {dataset} has {told}"
    return counted[0], ""


def order_for(payload: Payload, sample: int = 0) -> Json:
    """``sample``: so many of its records are enough to prove it."""
    version = payload.version
    order: Json = {
        "vector": dict(version.vector),
        "digest": version.digest,
        "form": version.form,
        "session": version.session,
        "data": payload.data,
    }
    return order if sample == 0 else {**order, "sample": sample}


def drop(turn: Turn) -> None:
    """Contents that no delivery and no mending needs any more."""
    if not turn.state.payloads:
        return
    mended = set()
    for key, mending in turn.state.mending.items():
        mended |= {key, at(mending.edge.partition(">")[2], key.partition("/")[2])}
    kept: dict[str, tuple[Payload, ...]] = {}
    for key, found in turn.state.payloads.items():
        needed = found[-1:] if key in mended else ()
        versions = _open_versions(turn, key)
        if left := tuple(each for each in found if each in needed or any(is_same(each.version, v) for v in versions)):
            kept[key] = left
    turn.set(payloads=kept)


def _open_versions(turn: Turn, key: str) -> list[Version]:
    return [
        delivery.version
        for sync in turn.state.sources.get(key, ())
        for target in turn.state.syncs[sync].targets
        for delivery in turn.edge(f"{sync}>{target}").open.values()
    ]
