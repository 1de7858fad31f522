"""Whose data an entry holds, and what stands in the way of erasing a subject.

A legal hold on an entry is one on all that is sealed in it.  A retention duty is one on the fields for which it is
declared: a trade has to be kept, and often whose it was, but not by everybody and not every field.  What is declared
nowhere any more counts as under duty.

Pure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from alluse_hub.actors.auditor.holds import Header, Hold, covering
from alluse_hub.protocols.personal import DEPTH_MAX, PersonalField, sealed_in
from alluse_hub.protocols.retention import Retention, class_of

DAY_S = 86_400.0

NEVER = float("inf")
"""Of a class that is kept for ever."""


class Bearer(NamedTuple):
    """An entry with something of a subject in it."""

    header: Header
    body: JsonValue


class Field(NamedTuple):
    """``event``: its name, empty in a message of the hub's own; ``path``: in the payload."""

    event: str
    workstream: str
    path: tuple[str, ...]


class Obstacles(NamedTuple):
    """``entries`` and ``fields``: how many there are at all.  ``until``: seconds since 1970; 0 if no duty is left."""

    entries: int
    fields: int
    holds: tuple[Hold, ...]
    until: float
    duties: Mapping[str, int]  # fields under duty, by class

    @property
    def any(self) -> bool:
        return bool(self.holds or self.until)


def fields_of(body: JsonValue, subject: str) -> Iterator[Field]:
    """What is sealed of that pseudonym in a body; boxes that are empty hold nothing."""
    yield from _fields(body, subject, "", "", ())


def _fields(value: JsonValue, subject: str, event: str, ws: str, path: tuple[str, ...]) -> Iterator[Field]:
    if len(path) > DEPTH_MAX:
        return
    if isinstance(value, list):
        for each in value:
            yield from _fields(each, subject, event, ws, path)  # a list on the way is no step: as declared
    elif isinstance(value, dict):
        sealed = sealed_in(value)
        if sealed is not None:
            if sealed.subject == subject and sealed.box:
                yield Field(event, ws, path)
            return
        name, payload = value.get("event"), value.get("payload")
        if isinstance(name, str) and isinstance(payload, dict):
            yield from _fields(payload, subject, name, str(value.get("ws", "")), ())
            return
        for key, each in value.items():
            yield from _fields(each, subject, event, ws, (*path, key))


def obstacles(
    bearers: Iterable[Bearer],
    subject: str,
    fields: Sequence[PersonalField],
    holds: Sequence[Hold],
    days: Mapping[Retention, int],
    now: float,
) -> Obstacles:
    """``fields``: as declared now; ``days``: how long each class is kept."""
    entries = found = 0
    on: dict[str, Hold] = {}
    until = 0.0
    duties: dict[str, int] = {}
    for bearer in bearers:
        here = list(fields_of(bearer.body, subject))
        if not here:
            continue
        entries, found = entries + 1, found + len(here)
        on |= {hold.id: hold for hold in covering(holds, bearer.header)}
        retention = class_of(bearer.header.message)
        kept_until = bearer.header.wall + days[retention] * DAY_S if retention in days else NEVER
        due = sum(_is_duty(each, fields) for each in here)
        if due and kept_until > now:
            until = max(until, kept_until)
            duties[retention.value] = duties.get(retention.value, 0) + due
    return Obstacles(entries, found, tuple(on.values()), until, duties)


def _is_duty(field: Field, declared: Sequence[PersonalField]) -> bool:
    meant = [
        each
        for each in declared
        if each.event == field.event
        and each.workstream in {"", field.workstream}
        and tuple(each.field.split(".")) == field.path
    ]
    return not meant or any(each.duty for each in meant)
