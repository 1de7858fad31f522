"""Personal data: what is declared of the events of workstreams, and what a sealed field looks like.

Workstreams say what they like in the payload of an event, so which of it is somebody's is declared in the
configuration: a field, and the field that holds the id of whom it is about, the *subject*.  In the trail the field
stands sealed, as an object of three texts::

    {"sealed": "3f9a2b7c01d4e855", "key": "9c01d2aa", "box": "…"}

``sealed`` is the subject's pseudonym, ``key`` says with which of its keys it was sealed, ``box`` is what was there,
encrypted.  An empty box is of a subject that had been erased by then.  Whoever cannot open it, or does not, puts a
sentence in its place.

Pure: what encrypts is given.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, NamedTuple

from pydantic import Field, JsonValue
from pydantic_core import to_json

from alluse_hub.protocols.declared import EACH, Personal
from alluse_hub.protocols.message import Json, Message

FIELDS_MAX = 64
"""Declared fields in one configuration."""

DEPTH_MAX = 64
"""Levels that are looked through; JSON of the hub's own has a dozen."""

FieldPath = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*){0,7}$", max_length=200)]
"""A key of the payload; ``client.name`` reads into a map."""

UNKNOWN = "unknown"
"""Subject of what does not say whose it is."""

SEALED, KEY, BOX = "sealed", "key", "box"

MARK = '"sealed":'
"""In every body that has a sealed field, as the hub writes JSON; and in others, see ``has_sealed``."""

_KEYS = {SEALED, KEY, BOX}
_PSEUDONYM = re.compile(r"[0-9a-f]{16}")
_KEY_ID = re.compile(r"[0-9a-f]{8}")

Path = tuple[str, ...]


class PersonalField(Message):
    """``[[trail.personal]]``: ``field`` in the payload of ``event`` is about whom the payload's ``subject`` names.
    ``workstream``: only if this one says it; empty for all.  ``duty``: whether it must be kept for as long as its
    entry; if not, its subject may be erased at any time.
    """

    event: Annotated[str, Field(min_length=1, max_length=64)]
    field: FieldPath
    subject: FieldPath
    workstream: Annotated[str, Field(max_length=48)] = ""
    duty: bool = True


def as_told(fields: Iterable[PersonalField]) -> tuple[str, ...]:
    """As they are told to a newborn actor."""
    return tuple(each.model_dump_json() for each in fields)


class Sealed(NamedTuple):
    """A sealed field.  ``box``: base64, or nothing."""

    subject: str
    key: str
    box: str

    def as_json(self) -> Json:
        return {SEALED: self.subject, KEY: self.key, BOX: self.box}


class Said(NamedTuple):
    """Which event a field belongs to."""

    ws: str
    n: int


Seal = Callable[[str, Path, JsonValue, Said | None], Sealed]
"""From a subject's id, the field's place in the body, its value, and the event."""

Open = Callable[[Path, Sealed], JsonValue]
"""What is put in the place of a sealed field."""


def sealed_in(value: JsonValue) -> Sealed | None:
    if not isinstance(value, dict) or value.keys() != _KEYS:
        return None
    subject, key, box = value[SEALED], value[KEY], value[BOX]
    if not (isinstance(subject, str) and isinstance(key, str) and isinstance(box, str)):
        return None
    # What a program says may look like one; and these two become names of files.
    is_ours = _PSEUDONYM.fullmatch(subject) is not None and _KEY_ID.fullmatch(key) is not None
    return Sealed(subject, key, box) if is_ours else None


def has_sealed(value: JsonValue, depth: int = 0) -> bool:
    """Whether a field of it is sealed: by its form, since a program may say the word."""
    if depth > DEPTH_MAX:
        return False
    if isinstance(value, dict):
        return sealed_in(value) is not None or any(has_sealed(each, depth + 1) for each in value.values())
    return isinstance(value, list) and any(has_sealed(each, depth + 1) for each in value)


def opened(value: JsonValue, open_: Open, path: Path = ()) -> JsonValue:
    """With what ``open_`` gives in the place of every sealed field, at whatever depth."""
    if len(path) > DEPTH_MAX:
        return value
    if isinstance(value, dict):
        if (sealed := sealed_in(value)) is not None:
            return open_(path, sealed)
        return {key: opened(each, open_, (*path, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [opened(each, open_, (*path, str(at))) for at, each in enumerate(value)]
    return value


def sealed_sentence(_path: Path, sealed: Sealed) -> JsonValue:
    """For whoever does not open it."""
    return f"(sealed: subject {sealed.subject})" if sealed.box else erased_sentence(sealed.subject)


def erased_sentence(subject: str) -> str:
    return f"(erased: subject {subject})"


def without_key_sentence(subject: str) -> str:
    return f"(sealed: subject {subject}, whose key is not here)"


# --- events ----------------------------------------------------------------------------------------------------------


class Rules:
    """What is declared, by event.  ``marks``: one of these is in every body with such an event."""

    def __init__(self, fields: Iterable[PersonalField]) -> None:
        self._by_event: dict[str, list[PersonalField]] = {}
        for each in fields:
            self._by_event.setdefault(each.event, []).append(each)
        self.marks = tuple(_mark(event) for event in self._by_event)

    def __bool__(self) -> bool:
        return bool(self._by_event)

    def may_be_in(self, body: bytes) -> bool:
        """Whether it is worth a closer look: cheap, and never wrongly no."""
        return any(mark in body for mark in self.marks)

    def seal(self, body: JsonValue, seal: Seal, path: Path = ()) -> None:
        """Every declared field of every event in it, in place."""
        if len(path) > DEPTH_MAX:
            return
        if isinstance(body, list):
            for at, each in enumerate(body):
                self.seal(each, seal, (*path, str(at)))
        elif isinstance(body, dict):
            name, payload = body.get("event"), body.get("payload")
            if isinstance(name, str) and isinstance(payload, dict):
                self._seal_event(body, name, payload, seal, (*path, "payload"))
                return
            for key, each in body.items():
                self.seal(each, seal, (*path, key))

    def _seal_event(self, event: Json, name: str, payload: Json, seal: Seal, path: Path) -> None:
        ws, n = event.get("ws"), event.get("n")
        said = Said(ws, n) if isinstance(ws, str) and isinstance(n, int) else None
        due = [each for each in self._by_event.get(name, ()) if each.workstream in {"", ws}]
        subjects = [subject_of(payload, each.subject) for each in due]  # before any of them is sealed
        for each, subject in zip(due, subjects, strict=True):
            _seal_at(payload, tuple(each.field.split(".")), path, partial(_of, seal, subject, said))


def _of(seal: Seal, subject: str, said: Said | None, path: Path, value: JsonValue) -> Sealed:
    return seal(subject, path, value, said)


def subject_of(payload: Mapping[str, JsonValue], path: str) -> str:
    """The id there; ``UNKNOWN`` if there is none."""
    at: JsonValue = dict(payload)
    for step in path.split("."):
        at = at.get(step) if isinstance(at, dict) else None
    if isinstance(at, bool) or not isinstance(at, str | int) or at == "":
        return UNKNOWN
    return str(at)


def _seal_at(value: JsonValue, steps: Path, path: Path, seal: Callable[[Path, JsonValue], Sealed]) -> None:
    """A list on the way stands for each of its elements.  Nothing is nothing, and is not sealed."""
    if isinstance(value, list):
        for at, each in enumerate(value):
            _seal_at(each, steps, (*path, str(at)), seal)
    elif isinstance(value, dict) and steps[0] in value:
        here = (*path, steps[0])
        if len(steps) > 1:
            _seal_at(value[steps[0]], steps[1:], here, seal)
        elif value[steps[0]] is not None:
            value[steps[0]] = seal(here, value[steps[0]]).as_json()


# --- fields of messages ----------------------------------------------------------------------------------------------


def seal_typed(body: JsonValue, fields: Iterable[tuple[Path, Personal]], seal: Seal) -> None:
    """Every declared field, in place."""
    found = [
        (holder, path, name, subject_of(holder, marker.subject))
        for (*above, name), marker in fields
        for path, holder in _holders(body, tuple(above), ())
    ]  # before any of them is sealed
    for holder, path, name, subject in found:
        value = holder.get(name)
        if isinstance(value, str) and value:
            holder[name] = seal(subject, (*path, name), value, None).as_json()


def _holders(value: JsonValue, steps: Path, path: Path) -> Iterator[tuple[Path, Json]]:
    if not steps:
        if isinstance(value, dict):
            yield path, value
    elif isinstance(value, dict):
        for key in value if steps[0] == EACH else (steps[0],):
            yield from _holders(value.get(key), steps[1:], (*path, key))
    elif isinstance(value, list) and steps[0] == EACH:
        for at, each in enumerate(value):
            yield from _holders(each, steps[1:], (*path, str(at)))


def _mark(event: str) -> bytes:
    """As the hub writes it: in JSON without spaces, letters as they are."""
    return b'"event":' + to_json(event)
