"""What a simulated hub has on record, run again."""

from collections import defaultdict
from functools import partial

from pydantic_core import to_json

from alluse_hub.actors.catalog import core_of
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.trail import Entry, EntryKind
from alluse_hub.supervision.judgement import Judgement
from alluse_hub.supervision.replay import CoreOf, replayed
from alluse_hub.supervision.spool import SpoolEntry


def shown(entry: Entry) -> SpoolEntry:
    """As it would be read from a spool."""
    body = to_json(entry.body).decode() if entry.body or not entry.letter else ""
    fixed = entry.message, entry.to, entry.letter, entry.cause, entry.correlation, entry.at, entry.wall, entry.power
    return SpoolEntry(entry.n, entry.kind.value, *fixed, body)


class Shelf:
    """All of it, at hand."""

    def __init__(self, trail: list[Entry]) -> None:
        self.incarnations: defaultdict[tuple[str, int], list[SpoolEntry]] = defaultdict(list)
        self._facts: defaultdict[str, list[tuple[int, str, bytes]]] = defaultdict(list)
        self._letters: dict[str, tuple[str, str]] = {}
        self._events: dict[str, Event] = {}
        for entry in trail:
            item = shown(entry)
            self.incarnations[entry.actor, entry.incarnation].append(item)
            if entry.kind is EntryKind.SENT:
                self._letters[entry.id] = item.message, item.body
            if entry.kind is EntryKind.FACT:
                self._facts[entry.actor].append((entry.incarnation, entry.message, item.body.encode()))
            if entry.message == "EventHeard":
                event = Event.model_validate(entry.body["event"])
                self._events[event.id] = event

    def letter(self, entry_id: str) -> tuple[str, str] | None:
        return self._letters.get(entry_id)

    def event(self, event_id: str) -> Event:
        return self._events[event_id]

    def left(self, actor: str, incarnation: int, kinds: frozenset[str]) -> tuple[Json | None, list[tuple[str, bytes]]]:
        facts = [(kind, body) for life, kind, body in self._facts[actor] if life < incarnation and kind in kinds]
        assert not any(kind == "Snapshot" for _, kind, _ in self._facts[actor]), "these runs are too short for one"
        return None, facts


def judged(trail: list[Entry], cores: CoreOf = core_of, actor: str = "") -> list[Judgement]:
    """All, or all incarnations of one actor."""
    shelf = Shelf(trail)
    return [
        replayed(name, incarnation, entries, cores, partial(shelf.left, name, incarnation), shelf)
        for (name, incarnation), entries in sorted(shelf.incarnations.items())
        if actor in {"", name}
    ]
