"""What programs are told of their claims, as far as it is kept: what they know, what they are being told, what they are
owed.  Facts alone change it.  Pure.
"""

from dataclasses import dataclass, field

from alluse_hub.protocols.claims import ClaimEnded
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.program_claims import (
    ClaimNews,
    ClaimsHeard,
    ClaimsTold,
    Outcome,
    ProgramAnswered,
    claim_id,
    own_id,
)
from alluse_hub.protocols.states import replace

OWED_MAX = 128
"""News that are kept for one program, the latest: twice what it may say in a round."""

STANDING = frozenset({Outcome.GRANTED, Outcome.COVERED, Outcome.QUEUED, Outcome.NEEDS_RULING})

FACTS: frozenset[type[Fact]] = frozenset({ClaimsHeard, ClaimsTold, ProgramAnswered})

News = tuple[ClaimNews, ...]


@dataclass(frozen=True, slots=True)
class Tellings:
    marks: dict[str, ProgramAnswered] = field(default_factory=dict)  # by workstream: its monitor's last word
    unsaid: dict[str, News] = field(default_factory=dict)  # by workstream: what became of its words
    lost: dict[str, News] = field(default_factory=dict)  # by workstream: for when somebody is there to listen
    told: dict[str, Outcome] = field(default_factory=dict)  # by live claim: what its program knows of it
    ended: dict[str, ClaimEnded] = field(default_factory=dict)  # by claim: its program does not know that yet
    open: dict[str, ClaimsTold] = field(default_factory=dict)  # by key: what is being told; one to a workstream
    counts: dict[str, int] = field(default_factory=dict)  # by workstream: ever told


def folded(tellings: Tellings, fact: Fact) -> Tellings:
    match fact:
        case ProgramAnswered(workstream=workstream, serial=serial, news=news):
            marks = {**tellings.marks, workstream: fact} if serial else tellings.marks
            return replace(tellings, marks=marks, unsaid=_with(tellings.unsaid, workstream, (news,)))
        case ClaimsTold():
            return _told(tellings, fact)
        case ClaimsHeard(key=key, ok=ok):
            told = tellings.open.get(key)
            if told is None:
                return tellings
            left = {other: one for other, one in tellings.open.items() if other != key}
            lost = tellings.lost if ok else _with(tellings.lost, told.workstream, told.news)
            return replace(tellings, open=left, lost=lost)
        case other:
            raise TypeError(f"tellings are not changed by {type(other).__name__}")


def _told(tellings: Tellings, fact: ClaimsTold) -> Tellings:
    told, ended = dict(tellings.told), dict(tellings.ended)
    for news in fact.news:
        id_ = claim_id(fact.workstream, news.id)
        if news.outcome in STANDING:
            told[id_] = news.outcome
        elif news.outcome is not Outcome.REFUSED:
            told.pop(id_, None)
            ended.pop(id_, None)
    return replace(
        tellings,
        unsaid=_without(tellings.unsaid, fact.workstream),
        lost=_without(tellings.lost, fact.workstream),
        told=told,
        ended=ended,
        open={**tellings.open, fact.key: fact},
        counts={**tellings.counts, fact.workstream: tellings.counts.get(fact.workstream, 0) + 1},
    )


def placed(tellings: Tellings, id_: str) -> Tellings:
    """In the place of one that has just ended: its program need not hear of that."""
    if id_ not in tellings.ended:
        return tellings
    return replace(tellings, ended={other: fact for other, fact in tellings.ended.items() if other != id_})


def ended(tellings: Tellings, fact: ClaimEnded) -> Tellings:
    """Its program has to hear of that if it knows the claim, or is about to be told that it stands."""
    workstream, own = own_id(fact.id)
    owed = tellings.unsaid.get(workstream, ())
    if fact.id not in tellings.told and not any(news.id == own and news.outcome in STANDING for news in owed):
        return tellings
    return replace(tellings, ended={**tellings.ended, fact.id: fact})


def _with(table: dict[str, News], workstream: str, news: News) -> dict[str, News]:
    return {**table, workstream: (*table.get(workstream, ()), *news)[-OWED_MAX:]}


def _without(table: dict[str, News], workstream: str) -> dict[str, News]:
    return {other: news for other, news in table.items() if other != workstream}
