"""The figures of coordination, each by its definition, from nothing but what the trail has.

The formulas stand in the README of this folder, under *Figures of coordination*; here they are worked out.  A *span* is
of hub time: more than ``since`` and up to ``until``, in seconds.  A piece of work belongs to the span in which it *came
due*: was done, or should have been.  Pure.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from alluse_hub.actors.gateway.deeds import Conflict, Deeds, Directed
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.sync import P95_FROM, P99_FROM

CONFLICT_S = 1.5
"""In this time a conflict is to be closed, or put to people: the coordinator's own promise."""


class Kind(StrEnum):
    """Of coordination work; each weighs the same in the score."""

    COMMANDS = "commands"
    DIRECTIVES = "directives"
    DELIVERIES = "deliveries"
    CONFLICTS = "conflicts"


class Piece(NamedTuple):
    """A piece of work that came due at ``at``, and whether it was done well."""

    kind: Kind
    workstream: str
    at: float
    is_well: bool


class Span(NamedTuple):
    since: float
    until: float

    def has(self, at: float) -> bool:
        return self.since < at <= self.until


# --- formulas --------------------------------------------------------------------------------------------------------


def share(well: int, due: int) -> float | None:
    """0 to 1; None if nothing was due."""
    return well / due if due else None


def score(pieces: Iterable[Piece]) -> float | None:
    """0 to 100: the mean, over the kinds of work of which something was due, of the share that was done well."""
    due, well = _counted(pieces)
    shares = [well[kind] / count for kind, count in due.items()]
    return 100 * sum(shares) / len(shares) if shares else None


def readings(values_s: Sequence[float]) -> Json:
    """In ms, nearest rank; None where there are too few to tell."""
    ordered = sorted(values_s)
    count = len(ordered)

    def rank(part: float, least: int) -> float | None:
        return _ms(ordered[max(0, math.ceil(part * count) - 1)]) if count >= least else None

    return {
        "count": count,
        "mean": _ms(math.fsum(ordered) / count) if count else None,
        "p50": rank(0.50, 1),
        "p95": rank(0.95, P95_FROM),
        "p99": rank(0.99, P99_FROM),
        "max": _ms(ordered[-1]) if count else None,
    }


def _ms(seconds: float) -> float:
    return round(1_000 * seconds, 3)


def _counted(pieces: Iterable[Piece]) -> tuple[Counter[Kind], Counter[Kind]]:
    due, well = Counter[Kind](), Counter[Kind]()
    for piece in pieces:
        due[piece.kind] += 1
        well[piece.kind] += piece.is_well
    return due, well


# --- what was due ----------------------------------------------------------------------------------------------------


class Fate(NamedTuple):
    """Of a directive.  ``at``: when it was applied, overtaken, or too late."""

    word: str
    at: float


def fate_of(directed: Directed) -> Fate | None:
    """*applied* within its deadline, *late* (not, or refused, or not at all), or *overtaken*: by a later one, before
    there was any answer.  None if it was never sent."""
    if directed.sent is None:
        return None
    deadline = directed.sent + directed.deadline_s
    if directed.applied is not None and directed.applied <= deadline:
        return Fate("applied", directed.applied)
    overtaken = directed.overtaken
    if overtaken is not None and overtaken < deadline:
        return Fate("late" if directed.answers else "overtaken", overtaken)
    return Fate("late", deadline)


def settled(conflict: Conflict) -> Piece:
    """Due when it is closed or put to people, and at the latest after ``CONFLICT_S``."""
    deadline = conflict.opened + CONFLICT_S
    ends = [at for at in (conflict.closed, conflict.escalated) if at is not None and at <= deadline]
    return Piece(Kind.CONFLICTS, conflict.workstream, min(ends, default=deadline), bool(ends))


def pieces(deeds: Deeds, span: Span) -> list[Piece]:
    """All work that came due in the span."""
    return [piece for piece in _pieces(deeds) if span.has(piece.at)]


def _pieces(deeds: Deeds) -> Iterator[Piece]:
    for done in deeds.done:
        yield Piece(Kind.COMMANDS, done.workstream, done.at, done.ok)
    for directed in deeds.directives.values():
        fate = fate_of(directed)
        if fate is not None and fate.word != "overtaken":
            yield Piece(Kind.DIRECTIVES, directed.workstream, fate.at, fate.word == "applied")
    for move in deeds.ends:
        if move.to != "superseded":
            yield Piece(Kind.DELIVERIES, move.target, move.at, move.to == "verified" and not move.late_s)
    for drift in deeds.drifts:
        yield Piece(Kind.DELIVERIES, drift.target, drift.at, is_well=False)
    for conflict in deeds.conflicts.values():
        yield settled(conflict)


# --- how long --------------------------------------------------------------------------------------------------------


class Waits(NamedTuple):
    """Seconds, of what ended in the span.  ``unmeasured``: events of which an act was sent in it, but not all were, or
    of which it is not known when they were heard; ``unanswered``: of which all were sent, and not all were obeyed."""

    sent: list[float]
    acknowledged: list[float]
    restricting: list[float]
    loosening: list[float]
    commands: list[float]
    unmeasured: int
    unanswered: int


def waits(deeds: Deeds, heard: Mapping[str, float], span: Span) -> Waits:
    """From each event to what was sent because of it, and to the answers.  ``heard``: hub time, by event."""
    found = Waits([], [], [], [], [], 0, 0)
    sorts = {"restricting": found.restricting, "loosening": found.loosening, "commands": found.commands}
    unmeasured = unanswered = 0
    for event, acts in deeds.acts.items():
        began = heard.get(event)
        sent = [act.sent for act in acts]
        if began is None or None in sent:
            unmeasured += any(at is not None and span.has(at) for at in sent)
            continue
        last_sent = max(at for at in sent if at is not None)
        if span.has(last_sent):
            found.sent.append(last_sent - began)
        answers = [act.answered for act in acts]
        if None in answers:
            unanswered += span.has(last_sent)
        else:
            last = max(at for at in answers if at is not None)
            if span.has(last):
                found.acknowledged.append(last - began)
        for act in acts:
            if act.answered is not None and span.has(act.answered):
                sorts[act.sort].append(act.answered - began)
    return found._replace(unmeasured=unmeasured, unanswered=unanswered)


# --- put together ----------------------------------------------------------------------------------------------------


def figures(deeds: Deeds, heard: Mapping[str, float], span: Span) -> Json:
    """All of them.  Workstreams are those of which anything was due."""
    due = pieces(deeds, span)
    names = sorted({piece.workstream for piece in due})
    by_name = {name: [piece for piece in due if piece.workstream == name] for name in names}
    scores = {name: score(mine) for name, mine in by_name.items()}
    told = [value for value in scores.values() if value is not None]
    fates = Counter(
        fate.word for one in deeds.directives.values() if (fate := fate_of(one)) is not None and span.has(fate.at)
    )
    fired = Counter(firing.rule for firing in deeds.firings if span.has(firing.at))
    return {
        "score": round(math.fsum(told) / len(told), 4) if told else None,
        "workstreams": {name: _of_workstream(scores[name], mine) for name, mine in by_name.items()},
        "work": _work(due),
        "success": _success(fates["applied"], fates["applied"] + fates["late"]) | {"overtaken": fates["overtaken"]},
        "executions": sum(fired.values()),
        "fired": dict(sorted(fired.items())),
        "refused": sum(span.has(at) for at in deeds.refused),
        "stopped": sum(span.has(at) for at in deeds.stopped),
        "latency_ms": _latency(waits(deeds, heard, span)),
        "conflicts": _conflicts(deeds, span),
        "syncs": _syncs(deeds, span),
    }


def _success(applied: int, due: int) -> Json:
    rate = share(applied, due)
    return {"rate": None if rate is None else round(rate, 6), "applied": applied, "due": due}


def _work(due: Iterable[Piece]) -> Json:
    count, well = _counted(due)
    return {kind.value: {"due": count[kind], "well": well[kind]} for kind in Kind}


def _of_workstream(value: float | None, mine: Sequence[Piece]) -> Json:
    directives = [piece for piece in mine if piece.kind is Kind.DIRECTIVES]
    return {
        "score": None if value is None else round(value, 4),
        "work": _work(mine),
        "success": _success(sum(piece.is_well for piece in directives), len(directives)),
    }


def _latency(found: Waits) -> Json:
    return {
        "event_to_last_act": readings(found.sent),
        "event_to_acknowledged": readings(found.acknowledged),
        "restricting": readings(found.restricting),
        "loosening": readings(found.loosening),
        "commands": readings(found.commands),
        "unmeasured": found.unmeasured,
        "unanswered": found.unanswered,
    }


def _conflicts(deeds: Deeds, span: Span) -> Json:
    known = [one for one in deeds.conflicts.values() if one.opened <= span.until]
    closed = [one for one in known if one.closed is not None and span.has(one.closed)]
    return {
        "opened": sum(span.has(one.opened) for one in known),
        "closed": len(closed),
        "escalated": sum(one.escalated is not None and span.has(one.escalated) for one in known),
        "open": sum(one.closed is None or one.closed > span.until for one in known),
        "resolve_ms": readings([one.closed - one.opened for one in closed if one.closed is not None]),
    }


FINALS = ("verified", "refused", "diverged", "expired", "superseded")


def _syncs(deeds: Deeds, span: Span) -> Json:
    ends = [move for move in deeds.ends if span.has(move.at)]
    found: Json = {}
    for sync in sorted({move.sync for move in ends}):
        mine = [move for move in ends if move.sync == sync]
        counts = Counter(move.to for move in mine)
        sampled = sum(move.sampled for move in mine)
        due = sum(counts[word] for word in FINALS if word != "superseded")
        rate = share(counts["verified"], due)
        took = [move.at - move.changed for move in mine if move.to == "verified" and move.changed is not None]
        found[sync] = {
            **{word: counts[word] for word in FINALS},
            "verified": counts["verified"] - sampled,
            "sampled": sampled,
            "late": sum(move.to == "verified" and move.late_s > 0 for move in mine),
            "success": None if rate is None else round(rate, 6),
            "latency_ms": readings(took),
        }
    return found
