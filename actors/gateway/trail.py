"""Reading the trail for people: pages of events and entries, one entry, the check of wholeness.

The module that knows the store is given by class path, because a role does not import another; ``Trail`` says what is
asked of it.  Nothing here writes, and every answer is bounded.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field, JsonValue, ValidationError

from alluse_hub.actors.gateway.known import NotInTrailError, likely, refuse_unknown_actor, refuse_unknown_kinds
from alluse_hub.protocols.admin import LIMIT_MAX
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.flow import EventHeard
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.severity import Severity
from alluse_hub.protocols.trail import Entry, EntryKind, Wholeness

LOOKED_AT_MAX = 10_000
"""Entries read for one answer, where the store's own filters do not say it all."""


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


class Spanned(Protocol):
    """More than ``since`` and up to ``until``, in seconds of hub time; ``low`` and ``high``: the places that were
    looked through.  ``is_cut``: begun later than was asked; ``is_complete``: nothing of it has expired."""

    @property
    def entries(self) -> list[Entry]: ...
    @property
    def since(self) -> float: ...
    @property
    def until(self) -> float: ...
    @property
    def wall_since(self) -> float: ...
    @property
    def wall_until(self) -> float: ...
    @property
    def low(self) -> int: ...
    @property
    def high(self) -> int: ...
    @property
    def is_cut(self) -> bool: ...
    @property
    def is_complete(self) -> bool: ...


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
    def span(
        self,
        home: Path,
        kinds: Sequence[str],
        lasting: Sequence[str] = (),
        *,
        since: float | str | None = None,
        until: float | str | None = None,
        last_s: float | None = None,
    ) -> Spanned | None: ...
    def facts_before(self, home: Path, message: str, entries: Collection[Entry]) -> list[Entry]: ...
    def events_heard(self, home: Path, ids: Collection[str], low: int, high: int) -> dict[str, float]: ...
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
    note = ""
    if asked.after is None and not entries:
        _refuse_unknown_event(trail, home, asked)
    if asked.after is None and len(entries) < asked.limit and len(page.entries) == LOOKED_AT_MAX:
        note = f"only the newest {LOOKED_AT_MAX} events were looked at; `trail search` and --since go further back"
    shown: list[JsonValue] = [event_of(entry) for entry in entries]
    answer: Json = {"events": shown, "leaf": leaf}
    return answer | {"note": note} if note else answer


def _refuse_unknown_event(trail: Trail, home: Path, asked: EventsAsked) -> None:
    """Raises NotInTrailError where nothing was found, and nothing of that name ever happened, as far as is looked."""
    _refuse_unknown_names(trail, home, "", asked.source)
    if not asked.type:
        return
    newest = trail.tail(home, limit=LOOKED_AT_MAX, after_leaf=None, message=EventHeard.__name__).entries
    names = {str(event["event"]) for entry in newest if isinstance(event := entry.body.get("event"), dict)}
    if asked.type not in names:
        close = likely(asked.type, names) or f"; there are: {', '.join(sorted(names)) or 'none'}"
        raise NotInTrailError(f"no event {asked.type!r} is among the newest {len(newest)}{close}")


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
    """Each kind of message is asked for by itself, where an index has it; then they are put together, as far as all of
    them have been looked through."""
    refuse_unknown_kinds(trail, home, asked.messages)
    pages = [_page(trail, home, asked, message) for message in dict.fromkeys(asked.messages or ("",))]
    through = min(page.leaf for page in pages)
    found = sorted(
        (entry for page in pages for entry in page.entries if entry.leaf <= through), key=lambda one: one.leaf
    )
    entries = found[-asked.limit :] if asked.after is None else found[: asked.limit]
    leaf = entries[-1].leaf if asked.after is not None and len(found) > asked.limit else through
    if asked.after is None and not entries:
        _refuse_unknown_names(trail, home, asked.actor, asked.source)
    shown: list[JsonValue] = [entry_of(entry) for entry in entries]
    return {"entries": shown, "leaf": leaf}


def _page(trail: Trail, home: Path, asked: EntriesAsked, message: str) -> Page:
    return trail.tail(
        home,
        limit=asked.limit,
        after_leaf=asked.after,
        actor=asked.actor,
        message=message,
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


def _refuse_unknown_names(trail: Trail, home: Path, actor: str, workstream: str) -> None:
    """Raises NotInTrailError where nothing was found: a name may be mistyped."""
    refuse_unknown_actor(trail, home, actor)
    if workstream and not trail.tail(home, limit=1, after_leaf=None, workstream=workstream).entries:
        refuse_unknown_actor(trail, home, workstream)


def _found(trail: Trail, home: Path, asked: FindAsked) -> Json:
    """``complete``: between which places all that fits is in the answer, and the signed head that covers them."""
    refuse_unknown_kinds(trail, home, asked.messages)
    found = trail.find(home, asked)
    if not found.entries and found.next is None:
        _refuse_unknown_names(trail, home, asked.actor, asked.workstream)
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
