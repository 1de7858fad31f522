"""Who has to agree to an act, what silence means, and what becomes of it: the table, and nothing but the table.

==========  =======================  ==========================================  =====================================
level       restricts, for safety    restricts otherwise, or neutral             loosens
==========  =======================  ==========================================  =====================================
autonomous  at once                  at once                                     at once
supervised  at once                  after ``VETO_S``, unless somebody objects   when a person agrees; silence: not
manual      at once                  when a person agrees; silence: not          when a person agrees; silence: not
==========  =======================  ==========================================  =====================================

The proposal is bound to its act by a digest, and nobody decides on what they have asked for, except to take it back.
Durable by facts.  Pure.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from alluse_hub.protocols.approvals import (
    APPROVAL_S,
    VETO_S,
    Act,
    ApprovalAsked,
    ApprovalEnded,
    ApprovalGiven,
    ApprovalUsed,
    Given,
    Level,
    LevelSet,
    Proposal,
    Sense,
)
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.names import same_person
from alluse_hub.protocols.states import replace

OPEN_MAX = 200
"""Proposals that wait at a time: more than people can read."""

ENDED_SHOWN = 50
"""The latest that were decided, kept in memory; all are in the trail."""

GRADE_MAX = 4
"""What nobody has answered is asked again as graver, up to this."""

PASSES = frozenset({"approved", "unopposed"})


class Ended(NamedTuple):
    proposal: Proposal
    outcome: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Approvals:
    """``passed``: what may be done and is not under way yet.  ``rejected``: by what it is about, what
    people have said no to, as long as nothing else is to be done about it."""

    open: dict[str, Proposal] = field(default_factory=dict)
    passed: dict[str, Proposal] = field(default_factory=dict)
    rejected: dict[str, Proposal] = field(default_factory=dict)
    ended: tuple[Ended, ...] = ()
    count: int = 0
    levels: dict[str, Level] = field(default_factory=dict)  # as people set them


def digest_of(act: Act) -> str:
    """SHA-256 of all of the act but the words for people."""
    said = act.model_dump(mode="json", exclude={"text"})
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def is_asked_for(level: Level, act: Act) -> bool:
    """Whether people come before the act at all."""
    return level is not Level.AUTONOMOUS and not (act.is_safety and act.sense is Sense.RESTRICTS)


def proposed(approvals: Approvals, act: Act, level: Level, by: str, at: float, *, needs: int = 1) -> ApprovalAsked:
    has_window = level is Level.SUPERVISED and act.sense is not Sense.LOOSENS
    digest = digest_of(act)
    last = next((ended for ended in reversed(approvals.ended) if ended.proposal.digest == digest), None)
    grade = min(last.proposal.grade + 1, GRADE_MAX) if last is not None and last.outcome == "expired" else 1
    return ApprovalAsked(
        proposal=Proposal(
            id=f"approval-{approvals.count + 1}",
            act=act,
            digest=digest,
            level=level,
            by=by,
            needs=needs,
            at=at,
            veto_until=at + VETO_S if has_window else None,
            expires=at + APPROVAL_S,
            grade=grade,
        )
    )


def decided(
    approvals: Approvals, id_: str, by: str, reason: str, at: float, *, approve: bool, digest: str = ""
) -> list[Fact] | str:
    """The facts, or why not."""
    proposal = approvals.open.get(id_)
    if proposal is None:
        over = next((ended for ended in reversed(approvals.ended) if ended.proposal.id == id_), None)
        if over is not None:
            return f"{id_} is over: {over.outcome}" + (f" by {over.by}" if over.by else "")
        return f"{id_!r} waits for nobody; there are {', '.join(approvals.open) or 'none'}"
    if _outcome_of_silence(proposal, at):
        return f"{id_} is over: its time has passed"
    if not proposal.digest.startswith(digest):
        return f"{id_} is not what you have seen: its digest is {proposal.digest[:12]}; look again"
    if not approve:
        return [ApprovalEnded(id=id_, outcome="rejected", by=by, why=reason)]
    if same_person(by, proposal.by):
        return f"{by} has asked for it, and nobody approves what they have asked for themselves"
    if any(same_person(by, given.by) for given in proposal.given):
        return f"{by} has agreed already; {id_} needs somebody else as well"
    facts: list[Fact] = [ApprovalGiven(id=id_, by=by, reason=reason, at=at)]
    if len(proposal.given) + 1 >= proposal.needs:
        both = ", ".join((*(given.by for given in proposal.given), by))
        facts.append(ApprovalEnded(id=id_, outcome="approved", by=both, why=reason))
    return facts


def _outcome_of_silence(proposal: Proposal, at: float) -> str:
    """Empty as long as people have time."""
    if proposal.veto_until is not None and at >= proposal.veto_until:
        return "unopposed"
    return "expired" if at >= proposal.expires else ""


def due(approvals: Approvals, at: float) -> Iterator[ApprovalEnded]:
    """Of those whose time is over."""
    for id_, proposal in approvals.open.items():
        outcome = _outcome_of_silence(proposal, at)
        if outcome:
            why = "nobody objected" if outcome == "unopposed" else "nobody answered"
            yield ApprovalEnded(id=id_, outcome=outcome, why=why)


def next_due(approvals: Approvals) -> float | None:
    """Hub time, in seconds."""
    times = (p.expires if p.veto_until is None else p.veto_until for p in approvals.open.values())
    return min(times, default=None)


FACTS: frozenset[type[Fact]] = frozenset({ApprovalAsked, ApprovalGiven, ApprovalEnded, ApprovalUsed, LevelSet})


def folded(approvals: Approvals, fact: Fact) -> Approvals:
    match fact:
        case ApprovalAsked(proposal=proposal):
            rejected = {about: said for about, said in approvals.rejected.items() if about != proposal.act.about}
            opened = {**approvals.open, proposal.id: proposal}
            return replace(approvals, open=opened, rejected=rejected, count=approvals.count + 1)
        case ApprovalGiven(id=id_):
            proposal = approvals.open[id_]
            given = (*proposal.given, Given(by=fact.by, reason=fact.reason, at=fact.at))
            changed = proposal.model_copy(update={"given": given})
            return replace(approvals, open={**approvals.open, id_: changed})
        case ApprovalEnded():
            return _ended(approvals, fact)
        case ApprovalUsed(id=used):
            passed = {id_: p for id_, p in approvals.passed.items() if id_ != used}
            rejected = {about: p for about, p in approvals.rejected.items() if p.id != used}
            return replace(approvals, passed=passed, rejected=rejected)
        case LevelSet(workstream=workstream, level=level):
            return replace(approvals, levels={**approvals.levels, workstream: level})
        case other:
            raise TypeError(f"approvals are not changed by {type(other).__name__}")


def _ended(approvals: Approvals, fact: ApprovalEnded) -> Approvals:
    proposal = approvals.open[fact.id]
    about = proposal.act.about
    rejected = {other: said for other, said in approvals.rejected.items() if other != about}
    if fact.outcome == "rejected" and proposal.act.kind == "directive":
        rejected[about] = proposal  # a command is proposed once; a directive would be again with every letter
    return replace(
        approvals,
        open={id_: p for id_, p in approvals.open.items() if id_ != fact.id},
        passed={**approvals.passed, fact.id: proposal} if fact.outcome in PASSES else approvals.passed,
        rejected=rejected,
        ended=(*approvals.ended, Ended(proposal, fact.outcome, fact.by, fact.why))[-ENDED_SHOWN:],
    )
