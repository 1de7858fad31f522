"""What stood out in the recorded sessions: listings, splits told from falls, models handed over, pauses by risk.

Read off the events that the workstreams told, in one pass; and one digest over all that the coordinator decided, so
that two runs can be compared in a line.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from alluse_hub.actors.gateway.trail import LOOKED_AT_MAX, Trail
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.trail import Entry, EntryKind

PAGES_MAX = 100
"""Pages of ``LOOKED_AT_MAX`` entries that one pass may take; what lies beyond is not looked at, and that is said."""

FALLS_SHOWN = 3
"""The deepest falls in a session that were no splits."""

MOMENTS_MAX = 60

DECISIONS = ("RuleFired", "ClaimPlaced", "ClaimEnded", "DirectiveIssued", "ConflictClosed", "RuleActionRefused")
"""Facts in which the coordinator decided something."""

DOUBT = "doubt-"
"""How the ids of conflicts begin that are about an answer, and not about a decision."""


def events(trail: Trail, home: Path) -> Iterator[Json]:
    """Every event in the store, oldest first, as it was heard."""
    for entry in pages(trail, home, "EventHeard"):
        event = entry.body.get("event")
        if isinstance(event, dict):
            yield event


def pages(trail: Trail, home: Path, message: str) -> Iterator[Entry]:
    leaf = 0
    for _ in range(PAGES_MAX):
        page = trail.tail(home, limit=LOOKED_AT_MAX, after_leaf=leaf, message=message)
        yield from (entry for entry in page.entries if entry.kind is EntryKind.FACT)
        if page.leaf <= leaf:
            return
        leaf = page.leaf


def moments(trail: Trail, home: Path) -> list[Json]:
    """In order of session; each ``{session, what, text}``."""
    found: list[Json] = []
    falls: list[tuple[float, str, str]] = []
    for event in events(trail, home):
        payload = event.get("payload")
        if not isinstance(payload, dict):
            continue
        session, symbol = str(event.get("session")), str(payload.get("symbol"))
        match event.get("event"), payload:
            case "symbol_listed", _:
                found.append(_moment(session, "new symbol", f"{symbol} appears; no gap is alarmed"))
            case "corporate_action", {"kind": "split", "raw_change": float(raw), "adjusted_change": float(real)}:
                text = f"{symbol}: {raw:+.1%} on the tape was a split, told as such and not as a fall: {real:+.1%}"
                found.append(_moment(session, "split", text))
            case "market_data_update", {"change": float(change)} if change < 0:
                falls = sorted([*falls, (change, session, symbol)])[:FALLS_SHOWN]
            case "model_updated", {"version": version, "accuracy_improvement": float(gain)}:
                text = f"{version} predicts {gain:.1%} better out of sample and is handed over"
                found.append(_moment(session, "model", text))
            case "risk_threshold_exceeded", {"scope": scope, "risk_level": float(level), "risk_kind": kind}:
                found.append(_moment(session, "risk", f"{kind} of {scope} at {level:.0%} of its limit"))
    found += [
        _moment(session, "fall", f"{symbol} {change:+.1%} in a session, splits left out")
        for change, session, symbol in falls
    ]
    return sorted(found, key=lambda moment: str(moment["session"]))[:MOMENTS_MAX]


def _moment(session: str, what: str, text: str) -> Json:
    return {"session": session, "what": what, "text": text}


def decisions_digest(trail: Trail, home: Path) -> str:
    """SHA-256 over the coordinator's decisions in order, without their times: the same run gives the same digest.  A
    doubt about an answer, which closes when that comes, is none."""
    chain = hashlib.sha256()
    decided = sorted(
        (entry for message in DECISIONS for entry in pages(trail, home, message) if entry.actor == "coordinator"),
        key=lambda entry: entry.leaf,
    )
    for entry in decided:
        if str(entry.body.get("id", "")).startswith(DOUBT):
            continue
        chain.update(json.dumps([entry.message, entry.body], sort_keys=True).encode())
    return chain.hexdigest()
