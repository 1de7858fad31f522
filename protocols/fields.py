"""Fields by the names that conditions know them by.

A workstream whose events call a thing otherwise needs no rules or syncs of its own: ``fields = { volume = "trade.qty"
}`` in its table says where its events have what conditions call ``volume``.  What an event does not have stays missing,
and the event in the trail is as it came.

Pure.
"""

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Json


def as_known(events: Iterable[Event], fields: Mapping[str, Mapping[str, str]]) -> tuple[Event, ...]:
    """``fields``: by workstream, the path in its payloads by the name in rules."""
    return tuple(_known(event, fields[event.ws]) if event.ws in fields else event for event in events)


def _known(event: Event, names: Mapping[str, str]) -> Event:
    payload: Json = {name: value for name, value in event.payload.items() if name not in names}
    for name, path in names.items():
        found = _at(event.payload, path)
        if found is not None:
            payload[name] = found[0]
    return event.model_copy(update={"payload": payload})


def _at(payload: JsonValue, path: str) -> tuple[JsonValue] | None:
    """In a tuple of one, since it may be null."""
    at = payload
    for step in path.split("."):
        if not isinstance(at, dict) or step not in at:
            return None
        at = at[step]
    return (at,)
