"""Why: what the board knows of a thing now, and what the trail knows of how it came.

A name is a workstream, an actor, a resource, a rule, a flow or a conflict; an id is an entry (``coordinator/1/42``), an
event (``ws3#17``) or a claim (``program:ws5/gpu``), and its answer is the chain of causes above it and of effects
below.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from alluse_hub.actors.gateway.incidents import TOLD, incident, is_an_incident
from alluse_hub.actors.gateway.known import NotInTrailError
from alluse_hub.actors.gateway.trail import Trail, Why, entry_of
from alluse_hub.protocols.flow import EventHeard
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.trail import Entry, EntryKind

LATEST = 5
CHAIN_MAX = 1_000
"""Facts of one incident that are read."""

LIVING = frozenset({"workstream", "actor"})
"""Kinds of things that are started and stopped."""

LOOKED_AT = 1_000
"""Entries of a kind looked through, newest first, for those about the thing asked for."""

ON_EVENTS = ("RuleFired", "RuleUndecided", "RuleActionRefused", "CommandIssued", "RuleActionDone", "ProgramAnswered")
"""Facts that name the event they rest on."""

EVENT = re.compile(r"([a-z][a-z0-9_.-]*)#([1-9][0-9]*)")

SPEAKING: dict[str, dict[str, str]] = {
    "workstream": {
        "HealthChanged": "workstream",
        "ProgramStarted": "workstream",
        "ProgramEnded": "workstream",
        "ProgramParked": "workstream",
        "WantedChanged": "workstream",
        "LineRefused": "workstream",
        "CommandSetAside": "workstream",
        "ClaimUnanswered": "workstream",
    },
    "actor": {
        "ChildStarted": "name",
        "ChildEnded": "name",
        "ChildRestarted": "name",
        "ChildParked": "name",
        "ChildHung": "name",
        "DiedInHand": "name",
        "LetterSetAside": "name",
    },
    "resource": {"DirectiveIssued": "resource", "DirectiveAnswered": "resource", "ConflictOpened": "resource"},
    "rule": {"RuleFired": "rule", "RuleUndecided": "rule", "RuleActionDone": "rule", "RuleActionRefused": "rule"},
    "flow": {"FlowPaused": "flow", "FlowResumed": "flow", "EventsDropped": "flow"},
    "conflict": {"ConflictOpened": "id", "ConflictClosed": "id"},
}
"""By kind of thing: the facts that speak of it, and the key in which they name it."""


def why(trail: Trail, home: Path, args: Json, shown: Json) -> Json:
    """``shown`` is the board's view of the name, empty if it knows none.  Raises NotInTrailError, CallerError."""
    name = str(args.get("name", ""))
    kind = str(shown.get("kind", ""))
    if kind:
        latest = _latest(trail, home, kind, name)
        last = _last_incident(trail, home, name) if kind in LIVING else {}
        told: Json = {"incident": last} if last else {}
        return shown | {"name": name, "latest": [entry_of(entry) for entry in latest]} | told
    event = EVENT.fullmatch(name)
    above: list[Entry] = []
    found: Why | None = None
    decided: list[Entry] = []
    if event:
        heard = _event(trail, home, event[1], int(event[2]))
        found = trail.why(home, heard.id) if heard else None
        decided = _decided_on(trail, home, name)
    elif (placed := _placed(trail, home, name)) is not None:
        found = trail.why(home, placed.id)
        above = _said_by(trail, home, placed)
    elif name.count("/") >= len(("incarnation", "n")):
        found = trail.why(home, name)
    if found is None:
        raise NotInTrailError(
            f"nothing is known of {name!r}; ask for a workstream, an actor, a resource, a rule, a flow,"
            " an event (ws3#17), an entry (ws3/1/42) or a claim, as `resources` lists them"
        )
    chain = {entry.id for entry in found.causes}
    causes: list[JsonValue] = [
        entry_of(entry) for entry in (*(one for one in above if one.id not in chain), *found.causes)
    ]
    known = {entry.id for entry in found.effects}
    below = sorted([*found.effects, *(entry for entry in decided if entry.id not in known)], key=lambda one: one.leaf)
    depths = _depths(found.entry, below)
    effects: list[JsonValue] = [entry_of(entry) | {"depth": depths[entry.id]} for entry in below]
    return {"name": name, "kind": "entry", "entry": entry_of(found.entry), "causes": causes, "effects": effects}


def _placed(trail: Trail, home: Path, claim: str) -> Entry | None:
    """Where a claim of this id was placed last, if one was."""
    if ":" not in claim:
        return None
    facts = (e for e in trail.by_message(home, ("ClaimPlaced",), LOOKED_AT) if e.kind is EntryKind.FACT)
    return next((e for e in facts if isinstance(body := e.body.get("claim"), dict) and body.get("id") == claim), None)


def _said_by(trail: Trail, home: Path, placed: Entry) -> list[Entry]:
    """The event because of which a claim was placed: it may have come with others in one letter."""
    claim = placed.body.get("claim")
    event = EVENT.fullmatch(str(claim.get("cause"))) if isinstance(claim, dict) else None
    heard = _event(trail, home, event[1], int(event[2])) if event else None
    return [heard] if heard is not None else []


def _depths(top: Entry, below: Sequence[Entry]) -> dict[str, int]:
    """How far each entry is from the one asked for, along the causes."""
    depths = {top.letter or top.id: 0, top.id: 0}
    for entry in below:
        depths[entry.id] = depths.get(entry.cause, 0) + 1
    return depths


def _last_incident(trail: Trail, home: Path, name: str) -> Json:
    """The last that this actor, or this workstream's program, was stopped or started in; empty if there was none."""
    newest = next(iter(trail.lives(home, name, 1)), None)
    first = trail.entry(home, newest.correlation) if newest is not None and newest.correlation else None
    if first is None:
        return {}
    told = trail.correlated(home, first.id, CHAIN_MAX, TOLD)
    return incident(first, told) if is_an_incident(first, told) else {}


def _decided_on(trail: Trail, home: Path, event: str) -> list[Entry]:
    """What rules made of an event: the coordinator gets a round's events in one letter, so it names each by its id."""
    found = trail.by_message(home, ON_EVENTS, LOOKED_AT)
    facts = (entry for entry in reversed(found) if entry.kind is EntryKind.FACT)
    return [entry for entry in facts if entry.body.get("event") == event]


def _latest(trail: Trail, home: Path, kind: str, name: str) -> list[Entry]:
    speaking = SPEAKING.get(kind, {})
    entries = trail.by_message(home, tuple(speaking), LOOKED_AT) if speaking else []
    facts = (entry for entry in entries if entry.kind is EntryKind.FACT)
    return [entry for entry in facts if entry.body.get(speaking[entry.message]) == name][:LATEST]


def _event(trail: Trail, home: Path, ws: str, n: int) -> Entry | None:
    """By bisection: a workstream's events are in the trail in the order of their numbers."""
    message = EventHeard.__name__
    low, high = 0, trail.tail(home, limit=1, after_leaf=None).leaf
    while low < high:
        middle = (low + high) // 2
        page = trail.tail(home, limit=1, after_leaf=middle, message=message, workstream=ws)
        event = page.entries[0].body.get("event") if page.entries else None
        number = event.get("n") if isinstance(event, dict) else None
        if number == n:
            return page.entries[0]
        if isinstance(number, int) and number < n:
            low = page.entries[0].leaf
        else:
            high = middle
    return None
