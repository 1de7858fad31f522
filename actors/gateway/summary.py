"""The summary: what happened in this hub since its first start, from the trail, with the flows of the board.

Figures are counted by the store; sentences and accounts are read from the entries themselves.  Premiums are modelled,
and every summary says so.
"""

from collections import Counter
from pathlib import Path

from pydantic import JsonValue

from alluse_hub.actors.gateway.coordination import FiguresAsked, asked_figures
from alluse_hub.actors.gateway.moments import decisions_digest, moments
from alluse_hub.actors.gateway.trail import LOOKED_AT_MAX, Trail, checked
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.trail import Entry, EntryKind

NOTE = "Premiums are modelled, prices are recorded; nothing here is a claim of returns."
CONFLICTS_SHOWN = 10
SETTLEMENT = "daily_settlement"


def summary(trail: Trail, home: Path, shown: Json) -> Json:
    """``shown``: the board's view of that name; may be empty.  Raises TrailError."""
    rules = shown.get("rules")
    counts = Counter[str]()
    kinds = Counter[str]()
    for count in trail.counts(home):
        kinds[count.kind] += count.entries
        if count.kind == "fact":
            counts[count.message] += count.entries
    return {
        **shown,
        "entries": sum(kinds.values()),
        "messages": kinds["sent"],
        "by_kind": dict(kinds),
        "actor_restarts": counts["ChildRestarted"],
        "actor_starts": counts["ChildStarted"],
        "program_starts": counts["ProgramStarted"],
        "program_ends": counts["ProgramEnded"],
        "rules": _rules(trail, home, [str(rule) for rule in rules] if isinstance(rules, list) else []),
        "conflicts": _conflicts(trail, home, counts),
        "coordination": asked_figures(trail, home, FiguresAsked(last_s=0)),
        "accounts": _accounts(trail, home),
        "digests": _digests(trail, home),
        "decisions_digest": decisions_digest(trail, home),
        "moments": [*moments(trail, home)],
        "trail": checked(trail, home),
        "note": NOTE,
    }


def _rules(trail: Trail, home: Path, known: list[str]) -> Json:
    """By rule; those that never fired are among them."""
    fired = Counter(str(entry.body.get("rule")) for entry in facts(trail, home, "RuleFired"))
    done = facts(trail, home, "RuleActionDone")
    failed = Counter(str(entry.body.get("rule")) for entry in done if entry.body.get("ok") is not True)
    refusals = facts(trail, home, "RuleActionRefused")
    refused = Counter(str(entry.body.get("rule")) for entry in refusals)
    names = sorted({*known, *fired, *failed, *refused})
    return {name: {"fired": fired[name], "failed": failed[name], "refused": refused[name]} for name in names}


def _conflicts(trail: Trail, home: Path, counts: Counter[str]) -> Json:
    """Oldest first; all are counted, the first few told in full."""
    opened = facts(trail, home, "ConflictOpened")[::-1]
    closed = {str(entry.body.get("id")): entry for entry in facts(trail, home, "ConflictClosed")}
    outcomes = Counter(str(entry.body.get("outcome")) for entry in closed.values())
    told: list[JsonValue] = [_conflict(entry, closed.get(str(entry.body.get("id")))) for entry in _first(opened)]
    return {
        "opened": counts["ConflictOpened"],
        "closed": counts["ConflictClosed"],
        "outcomes": dict(sorted(outcomes.items())),
        "first": told,
    }


def facts(trail: Trail, home: Path, message: str) -> list[Entry]:
    """The newest facts of that kind, newest first; a fact may be told to others as well, and counts once."""
    found = trail.by_message(home, (message,), LOOKED_AT_MAX)
    return [entry for entry in found if entry.kind is EntryKind.FACT]


def _first(opened: list[Entry]) -> list[Entry]:
    """One of each kind and parties before a second of any, so that the few shown are not all alike."""
    seen: set[str] = set()
    fresh: list[Entry] = []
    again: list[Entry] = []
    for entry in opened:
        likeness = f"{entry.body.get('klass')} {entry.body.get('parties')}"
        (again if likeness in seen else fresh).append(entry)
        seen.add(likeness)
    return sorted([*fresh, *again][:CONFLICTS_SHOWN], key=lambda entry: entry.leaf)


def _conflict(opened: Entry, closed: Entry | None) -> Json:
    end = closed.body if closed else {}
    return {
        "id": opened.body.get("id"),
        "klass": opened.body.get("klass"),
        "resource": opened.body.get("resource"),
        "parties": opened.body.get("parties"),
        "opened": opened.body.get("sentence"),
        "outcome": end.get("outcome", "open"),
        "winner": end.get("winner", ""),
        "closed": end.get("sentence", ""),
        "entry": opened.id,
    }


def _accounts(trail: Trail, home: Path) -> Json:
    """The latest settlement that ws4 told, as it told it: money is text, to the cent."""
    page = trail.tail(home, limit=LOOKED_AT_MAX, after_leaf=None, message="EventHeard", workstream="ws4")
    for entry in reversed(page.entries):
        event = entry.body.get("event")
        if isinstance(event, dict) and event.get("event") == SETTLEMENT and isinstance(event.get("payload"), dict):
            return {"session": event.get("session"), "entry": entry.id, "settlement": event["payload"]}
    return {}


def _digests(trail: Trail, home: Path) -> Json:
    """Of each workstream's events; a round names only those it changed, so the newest of each is taken."""
    digests: Json = {}
    for entry in facts(trail, home, "RoundSettled"):
        said = entry.body.get("digests")
        if isinstance(said, dict):
            digests = said | digests
    return digests
