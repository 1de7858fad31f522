"""Questions about coordination to the trail: the figures of a span, and what happened in it.

With what the board knows of now they are what ``coordination`` shows; alone they need no daemon.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, JsonValue

from alluse_hub.actors.gateway import happenings
from alluse_hub.actors.gateway.deeds import FACTS, LASTING, LETTERS, OPENED, gathered
from alluse_hub.actors.gateway.figures import Span, figures
from alluse_hub.actors.gateway.known import refuse_unknown_actor
from alluse_hub.actors.gateway.trail import Spanned, Trail
from alluse_hub.protocols.admin import LIMIT_MAX
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.trail import Entry

LAST_S = 3_600.0
"""What is asked for without a span: the last hour."""

When = Annotated[float | str, Field(union_mode="left_to_right")]


class FiguresAsked(Message):
    """``since`` and ``until``: seconds since 1970, or the id of an entry.  Without ``since`` the ``last_s`` before
    ``until``; of 0 seconds: from the beginning."""

    since: When | None = None
    until: When | None = None
    last_s: Annotated[float, Field(ge=0)] = LAST_S


class HappeningsAsked(FiguresAsked):
    """Newest first, ``limit`` of those that fit; ``severity``: as grave as that, or graver."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = 50
    type: Annotated[str, Field(pattern="^(sync|conflict|resolution|rule_execution|error|)$")] = ""
    severity: Annotated[str, Field(pattern="^(info|warning|error|critical|)$")] = ""
    workstream: str = ""
    rule: str = ""
    open: bool = False  # only conflicts that are not resolved


def asked_figures(trail: Trail, home: Path, asked: FiguresAsked) -> Json:
    """Raises CallerError for a span that is none, TrailError."""
    known = _span(trail, home, asked, (*FACTS, *LETTERS))
    if known is None:
        return {"since": None, "until": None, "entries": 0} | figures(gathered(()), {}, Span(0.0, 0.0))
    deeds = gathered(_entries(trail, home, known), known.until)
    heard = trail.events_heard(home, deeds.acts, known.low, known.high)
    return _head(known) | figures(deeds, heard, Span(known.since, known.until))


def asked_happenings(trail: Trail, home: Path, asked: HappeningsAsked) -> Json:
    """Raises as above, and NotInTrailError for a workstream of which nothing is on record."""
    known = _span(trail, home, asked, happenings.FACTS)
    if known is None:
        return {"since": None, "until": None, "entries": 0, "events": []}
    found = happenings.happened(_entries(trail, home, known), known.since, known.until)
    fit = [one for one in found if happenings.fits(one, asked.type, asked.severity, asked.workstream, asked.rule)]
    if asked.workstream and not fit:
        refuse_unknown_actor(trail, home, asked.workstream)
    if asked.open:
        fit = [one for one in fit if one["resolved"] is False]
    events: list[JsonValue] = [*fit[-asked.limit :][::-1]]
    return _head(known) | {"events": events, "found": len(fit)}


def mixed(trail: Trail, home: Path, shown: Json) -> Json:
    """What the board knows of now, and the figures of the last hour."""
    last: Any = asked_figures(trail, home, FiguresAsked())  # Any: JSON of our own
    headline: Any = shown.get("headline") or {}
    told = {
        "score": last["score"],
        "average_latency_ms": last["latency_ms"]["event_to_last_act"]["mean"],
        "success": last["success"]["rate"],
    }
    return {**shown, "headline": {**headline, **told}, "figures": last}


def _span(trail: Trail, home: Path, asked: FiguresAsked, kinds: tuple[str, ...]) -> Spanned | None:
    last_s = asked.last_s or None
    return trail.span(home, kinds, LASTING, since=asked.since, until=asked.until, last_s=last_s)


def _entries(trail: Trail, home: Path, known: Spanned) -> list[Entry]:
    """With the openings of those rounds that were abandoned."""
    abandoned = [entry for entry in known.entries if entry.message == "RoundAbandoned"]
    return [*known.entries, *trail.facts_before(home, OPENED, abandoned)]


def _head(known: Spanned) -> Json:
    """JSON knows no infinity: a span from the beginning begins at none."""
    since = known.since if known.since > float("-inf") else None
    return {
        "since": since,
        "until": known.until,
        "wall_since": known.wall_since if since is not None else None,
        "wall_until": known.wall_until,
        "entries": len(known.entries),
        "is_cut": known.is_cut,
        "is_complete": known.is_complete,
    }
