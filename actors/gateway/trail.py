"""Reading the trail for people: pages of events and entries, one entry, the check of wholeness.

The module that knows the store is given by class path, because a role does not import another; ``Trail`` says what is
asked of it.  Nothing here writes, and every answer is bounded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field, JsonValue, ValidationError

from alluse_hub.protocols.admin import LIMIT_MAX
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.flow import EventHeard
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.severity import Severity
from alluse_hub.protocols.trail import Entry, EntryKind, Wholeness

LOOKED_AT_MAX = 10_000
"""Entries read for one answer, where the store's own filters do not say it all."""


class NotInTrailError(CallerError):
    """Asked for by name or id, and nobody wrote of it."""


class Page(Protocol):
    @property
    def entries(self) -> list[Entry]: ...
    @property
    def leaf(self) -> int: ...


class Answered(Protocol):
    @property
    def entries(self) -> list[Entry]: ...
    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...
    @property
    def next(self) -> int | None: ...
    @property
    def stored(self) -> int: ...
    @property
    def indexed(self) -> int: ...
    @property
    def checkpoint(self) -> str: ...


class Why(Protocol):
    @property
    def entry(self) -> Entry: ...
    @property
    def causes(self) -> list[Entry]: ...
    @property
    def effects(self) -> list[Entry]: ...


class Count(Protocol):
    @property
    def actor(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def entries(self) -> int: ...


class Trail(Protocol):
    """What a module that reads the trail offers.  All may raise TrailError; ids that are none, CallerError."""

    def tail(
        self,
        home: Path,
        *,
        limit: int,
        after_leaf: int | None,
        actor: str = "",
        message: str = "",
        kind: EntryKind | None = None,
        workstream: str = "",
        since: float | None = None,
        until: float | None = None,
        correlation: str = "",
        cause: str = "",
        peer: str = "",
        power: bool | None = None,
        severity: Severity | None = None,
    ) -> Page: ...
    def find(self, home: Path, question: Find) -> Answered: ...
    def entry(self, home: Path, entry_id: str) -> Entry | None: ...
    def gone(self, home: Path, entry_id: str) -> str: ...
    def why(self, home: Path, entry_id: str) -> Why | None: ...
    def by_message(self, home: Path, names: Sequence[str], limit: int) -> list[Entry]: ...
    def correlated(
        self, home: Path, correlation: str, limit: int = 1_000, messages: Sequence[str] = ()
    ) -> list[Entry]: ...
    def lives(self, home: Path, name: str, limit: int = 1) -> list[Entry]: ...
    def counts(self, home: Path) -> Sequence[Count]: ...
    def wholeness(self, home: Path) -> Wholeness: ...


class EventsAsked(Message):
    """``type`` is the event's name, ``source`` its workstream, ``text`` any text in its body, whatever its case."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 50
    after: Annotated[int, Field(ge=0)] | None = None
    type: str = ""
    source: str = ""
    since: float | None = None
    text: str = ""


class EntriesAsked(Message):
    """``messages``: only facts and letters of these kinds.  ``correlation``: only what began with this letter."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 50
    after: Annotated[int, Field(ge=0)] | None = None
    actor: str = ""
    messages: tuple[str, ...] = ()
    kind: EntryKind | None = None
    source: str = ""
    since: float | None = None
    until: float | None = None
    correlation: str = ""
    cause: str = ""
    peer: str = ""
    power: bool | None = None
    severity: Severity | None = None


class FindAsked(Find):
    """As ``Find``, with pages as long as the control socket takes them."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 50


class EntryAsked(Message):
    id: Annotated[str, Field(min_length=1, max_length=200)]


class NothingAsked(Message):
    """``check`` takes no arguments."""


def read(trail: Trail, home: Path, ask: str, args: Json) -> Json:
    """Raises CallerError for arguments that do not fit, NotInTrailError, TrailError."""
    try:
        match ask:
            case "events":
                return _events(trail, home, EventsAsked.model_validate(args))
            case "trail":
                return _entries(trail, home, EntriesAsked.model_validate(args))
            case "find":
                return _found(trail, home, FindAsked.model_validate(args))
            case "entry":
                return _entry(trail, home, EntryAsked.model_validate(args))
            case "check":
                NothingAsked.model_validate(args)
                return checked(trail, home)
            case other:
                raise CallerError(f"the trail is not asked for {other!r}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CallerError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _events(trail: Trail, home: Path, asked: EventsAsked) -> Json:
    is_filtered = bool(asked.type or asked.text)
    page = trail.tail(
        home,
        limit=LOOKED_AT_MAX if is_filtered else asked.limit,
        after_leaf=asked.after,
        message=EventHeard.__name__,
        workstream=asked.source,
        since=asked.since,
    )
    found = [entry for entry in page.entries if _is_asked_for(entry, asked)]
    entries = found[-asked.limit :] if asked.after is None else found[: asked.limit]
    leaf = entries[-1].leaf if asked.after is not None and len(found) > asked.limit else page.leaf
    return {"events": [event_of(entry) for entry in entries], "leaf": leaf}


def _is_asked_for(entry: Entry, asked: EventsAsked) -> bool:
    event = entry.body.get("event")
    if not isinstance(event, dict):
        return False
    if asked.type and event.get("event") != asked.type:
        return False
    return not asked.text or asked.text.casefold() in str(event).casefold()


def event_of(entry: Entry) -> Json:
    """The event that an ``EventHeard`` carries, with its place in the trail."""
    event = entry.body.get("event")
    shown: Json = dict(event) if isinstance(event, dict) else {}
    ident = f"{shown.get('ws', '')}#{shown.get('n', '')}"
    return shown | {"id": ident, "entry": entry.id, "leaf": entry.leaf, "wall": entry.wall, "at": entry.at}


def entry_of(entry: Entry) -> Json:
    return {"id": entry.id} | entry.model_dump(mode="json") | {"severity": entry.severity.value}


def _entries(trail: Trail, home: Path, asked: EntriesAsked) -> Json:
    one = asked.messages[0] if len(asked.messages) == 1 else ""
    page = trail.tail(
        home,
        limit=LOOKED_AT_MAX if len(asked.messages) > 1 else asked.limit,
        after_leaf=asked.after,
        actor=asked.actor,
        message=one,
        kind=asked.kind,
        workstream=asked.source,
        since=asked.since,
        until=asked.until,
        correlation=asked.correlation,
        cause=asked.cause,
        peer=asked.peer,
        power=asked.power,
        severity=asked.severity,
    )
    found = [entry for entry in page.entries if not asked.messages or entry.message in asked.messages]
    entries = found[-asked.limit :] if asked.after is None else found[: asked.limit]
    leaf = entries[-1].leaf if asked.after is not None and len(found) > asked.limit else page.leaf
    shown: list[JsonValue] = [entry_of(entry) for entry in entries]
    return {"entries": shown, "leaf": leaf}


def _found(trail: Trail, home: Path, asked: FindAsked) -> Json:
    """``complete``: between which places all that fits is in the answer, and the signed head that covers them."""
    found = trail.find(home, asked)
    shown: list[JsonValue] = [entry_of(entry) for entry in found.entries]
    complete: Json = {"first": found.first, "last": found.last, "checkpoint": found.checkpoint}
    where: Json = {"stored": found.stored, "indexed": found.indexed}
    return {"entries": shown, "next": found.next, "complete": complete} | where


def _entry(trail: Trail, home: Path, asked: EntryAsked) -> Json:
    found = trail.entry(home, asked.id)
    if found is None:
        raise NotInTrailError(trail.gone(home, asked.id) or f"nobody wrote {asked.id}")
    return {"entry": entry_of(found)}


def checked(trail: Trail, home: Path) -> Json:
    found = trail.wholeness(home)
    return {"whole": found.is_whole} | found.model_dump(mode="json")
