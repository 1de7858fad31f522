"""Sayings: what a turn says, as the entries that ``Life`` makes of it, and whether an entry of the trail is one.

``replay`` foretells with it what must stand in the trail.  That the two agree is held by every replay of a run.

Pure.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic_core import from_json

from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Commit, Do, Effect, Kill, Record, Send, Spawn, Stop, Terminate, Watch
from alluse_hub.protocols.lifecycle import DeadLetter, Failed
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.origins import UNKNOWN, Origin, unwrapped
from alluse_hub.supervision.outbox import Outbox
from alluse_hub.supervision.spool import SpoolEntry

PERFORMED = Spawn | Stop | Kill | Terminate | Watch
"""What leaves no entry, and may fail."""

IN_QUARANTINE = "in quarantine: "
"""So begins the reason why a shell hands a letter to nobody that its core would take."""


class Said(NamedTuple):
    """One entry as it is, or would be, in the trail, without its number and time."""

    kind: EntryKind
    message: str
    body: str  # JSON
    to: str = ""
    cause: str = ""
    correlation: str = ""
    power: bool = False

    @classmethod
    def of(cls, entry: SpoolEntry) -> "Said":
        kind = EntryKind(entry.kind)
        return cls(kind, entry.message, entry.body, entry.to, entry.cause, entry.correlation, bool(entry.power))


def said_by(effects: Iterable[Effect], turn: Origin, outbox: Outbox) -> list[Said]:
    """``outbox`` knows which directives are overtaken, and is told of these."""
    said = []
    for whole in effects:
        effect, origin = unwrapped(whole, turn)
        match effect:
            case Send(to=to, message=message):
                if outbox.is_overtaken(effect):
                    late = DeadLetter(to=to, kind=wire.kind_of(message), why="a later directive overtook it")
                    said.append(fact_said(late, origin))
                    continue
                body = wire.for_record(message).decode()
                said.append(Said(EntryKind.SENT, wire.kind_of(message), body, to, *origin))
            case Record(fact=fact):
                said.append(fact_said(fact, origin))
            case Commit(fact=fact):
                said.append(fact_said(fact, origin, power=True))
            case Do(job=job):
                body = wire.for_record(job).decode()
                said.append(Said(EntryKind.DID, wire.kind_of(job), body, "", *origin))
    return said


def fact_said(fact: Fact, origin: Origin, *, power: bool = False) -> Said:
    return Said(EntryKind.FACT, wire.kind_of(fact), wire.for_record(fact).decode(), "", *origin, power)


def is_silent(effects: Sequence[Effect]) -> bool:
    """Whether they leave no entry."""
    return not any(isinstance(unwrapped(each, UNKNOWN)[0], Send | Record | Commit | Do) for each in effects)


def is_same(one: Said, entry: SpoolEntry) -> bool:
    """The same JSON counts as the same body, however it is written."""
    return (
        one.kind == entry.kind
        and one.message == entry.message
        and one.to == entry.to
        and one.cause == entry.cause
        and one.correlation == entry.correlation
        and one.power == entry.power
        and (one.body == entry.body or from_json(one.body) == from_json(entry.body))
    )


def what_differs(decided: Said, recorded: Said) -> str:
    names = [name for name in Said._fields if getattr(decided, name) != getattr(recorded, name)]
    return f"other than recorded: {', '.join(names)}"


# --- what shells say by themselves -----------------------------------------------------------------------------------


def is_quarantine(entry: SpoolEntry) -> bool:
    """A letter was set aside, and its core never saw it."""
    is_dead = entry.kind == EntryKind.FACT and entry.message == DeadLetter.__name__
    return is_dead and str(from_json(entry.body)["why"]).startswith(IN_QUARANTINE)


def is_of_shell(entry: SpoolEntry) -> bool:
    """The last word of a life, and letters that nobody was there to get."""
    if entry.kind != EntryKind.FACT:
        return False
    return entry.message == Failed.__name__ or (entry.message == DeadLetter.__name__ and not entry.cause)


def is_disk_failure(entry: SpoolEntry) -> bool:
    return entry.message == Failed.__name__ and "TrailError" in str(from_json(entry.body)["error"])
