"""Conditions against what workstreams declare of their events: the kinds of the fields of each."""

from alluse_hub.protocols.conditions.check import Kinds
from alluse_hub.protocols.conditions.tree import Kind
from alluse_hub.protocols.emitted import Emitted, FieldKind

KINDS = {
    FieldKind.NUMBER: Kind.NUMBER,
    FieldKind.TEXT: Kind.TEXT,
    FieldKind.TRUTH: Kind.TRUTH,
    FieldKind.LIST: Kind.LIST,
    FieldKind.MAP: Kind.MAP,
    FieldKind.ANY: Kind.ANY,
}


def kinds_of(emitted: Emitted, ws: str, event: str) -> Kinds | None:
    """None if nothing is declared of it: then it may be anything."""
    fields = emitted.get(ws, {}).get(event)
    return None if fields is None else {name: KINDS[kind] for name, kind in fields.items()}
