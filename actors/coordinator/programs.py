"""Claims of programs: placed and withdrawn as they say, within what their workstreams may claim.

Of a workstream in lockstep the words come with the events of a round, and are taken in their order before any rule is
asked; they look at no clock, so they do not age.  Of any other they come from its monitor, one after the other, each
with a number: one that was answered is answered again and not done again, and one that was overtaken is passed over.

A workstream that is out uses nothing, so what it takes of pools ends.  What it says, a rung, a value, a version, stands
to its own end: nothing is loosened by an end.
"""

from collections import Counter
from collections.abc import Sequence

from alluse_hub.actors.coordinator import claiming, directives, operators
from alluse_hub.actors.coordinator.arbiter import decide, explained
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.actors.coordinator.taking import ruling
from alluse_hub.protocols.claims import Claim, ClaimEnded, ClaimVerdict, PlaceClaim, WithdrawClaim
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.program_claims import (
    ALL,
    CLAIM_SAID,
    LIVE_MAX,
    LIVE_OF_ALL_MAX,
    PROGRAM,
    SAID,
    WORDS_MAX,
    ClaimNews,
    ClaimRights,
    Outcome,
    ProgramAnswered,
    claim_id,
    claim_of,
    lease_of,
    mark_of,
    own_id,
    refused_words,
    words_of,
)
from alluse_hub.protocols.resources import Pool

IN_ROUNDS = 0.0
"""``since`` of a claim that came with a round."""


def is_program(turn: Turn, sender: str) -> bool:
    return sender in turn.state.book.spec.workstreams


def rights_of(turn: Turn, workstream: str) -> ClaimRights:
    return turn.state.book.spec.claims.get(workstream, ClaimRights())


# --- with a round ----------------------------------------------------------------------------------------------------


def words_in(turn: Turn, events: Sequence[Event]) -> list[Event]:
    lockstep = turn.state.book.spec.lockstep
    return [event for event in events if event.event in SAID and event.ws in lockstep]


def consider(turn: Turn, words: Sequence[Event]) -> None:
    counts: Counter[str] = Counter()
    for event in words:
        counts[event.ws] += 1
        if counts[event.ws] <= WORDS_MAX:
            turn.record(_heard(turn, event))
    for workstream, count in sorted(counts.items()):
        if count > WORDS_MAX:
            why = f"{count - WORDS_MAX} more words about claims were not looked at: {WORDS_MAX} are in a round"
            news = ClaimNews(id=ALL, outcome=Outcome.REFUSED, why=why)
            turn.record(ProgramAnswered(workstream=workstream, news=news))


def _heard(turn: Turn, event: Event) -> ProgramAnswered:
    ws, own = event.ws, str(event.payload.get("id", ""))
    if event.event != CLAIM_SAID:
        reason = str(event.payload.get("reason") or "its program withdraws it")
        news = _withdrawn(turn, ws, own, reason)
        return ProgramAnswered(workstream=ws, news=news, withdraws=True, event=event.id)
    words, rights = words_of(event.payload), rights_of(turn, ws)
    wrong = words if isinstance(words, str) else refused_words(words, rights, in_rounds=True)
    if wrong or isinstance(words, str):
        news = ClaimNews(id=own, outcome=Outcome.REFUSED, why=wrong)
    else:
        lease = lease_of(words, turn.at, turn.now.ordinal)
        claim = claim_of(words, ws, own, rights=rights, event=event.id, lease=lease)
        news = _placed(turn, ws, claim, since=IN_ROUNDS)
    return ProgramAnswered(workstream=ws, news=news, event=event.id)


# --- by its monitor --------------------------------------------------------------------------------------------------


def take(turn: Turn, workstream: str, asked: PlaceClaim | WithdrawClaim) -> None:
    """No person orders this, so the levels count as ever."""
    turn.person, turn.ordered = "", frozenset()
    mark, last = mark_of(asked), turn.ledger.tellings.marks.get(workstream)
    if last is not None and mark <= last.mark:
        if mark == last.mark:
            turn.answer(workstream, last.verdict)
        return
    claiming.lapse(turn)
    if isinstance(asked, PlaceClaim):
        claim = asked.claim
        news, event = _placed(turn, workstream, claim, since=None), claim.cause
    else:
        news, event = _withdrawn(turn, workstream, own_id(asked.id)[1], asked.reason), ""
    directives.settle(turn)
    answer = ProgramAnswered(
        workstream=workstream, news=news, serial=asked.serial, withdraws=isinstance(asked, WithdrawClaim), event=event
    )
    turn.record(answer)
    turn.answer(workstream, answer.verdict)


# --- either way ------------------------------------------------------------------------------------------------------


def _placed(turn: Turn, workstream: str, claim: Claim, *, since: float | None) -> ClaimNews:
    own = own_id(claim.id)[1] or claim.id
    wrong = _wrong(turn, workstream, claim)
    if wrong:
        return ClaimNews(id=own, outcome=Outcome.REFUSED, why=wrong)
    return _news(own, operators.placed(turn, claim, since=since))


def _news(own: str, found: ClaimVerdict) -> ClaimNews:
    return ClaimNews(
        id=own,
        outcome=Outcome(found.outcome),
        why=found.why,
        position=found.position,
        fence=found.fence,
        klass=found.klass,
    )


def _wrong(turn: Turn, workstream: str, claim: Claim) -> str:
    """What its monitor would not let through either, and what only the coordinator knows."""
    rights = rights_of(turn, workstream)
    if own_id(claim.id)[0] != workstream or claim.holder != workstream or claim.tier is not rights.tier:
        return f"{workstream} claims by the name of {claim_id(workstream, 'its own id')}, as {rights.tier}"
    if claim.safety and not rights.safety:
        return f"{workstream} may not claim for safety"
    if turn.state.presence.get(workstream) == "out":
        return f"{workstream} is out, so it uses nothing"
    live = [id_ for id_ in turn.ledger.claims if id_.startswith(PROGRAM)]
    if claim.id in live:
        return ""
    if sum(own_id(id_)[0] == workstream for id_ in live) >= LIVE_MAX:
        return f"{LIVE_MAX} of its claims are live; withdraw one first"
    if len(live) >= LIVE_OF_ALL_MAX:
        return f"{LIVE_OF_ALL_MAX} claims of programs are live, which is all that there is room for"
    return ""


def _withdrawn(turn: Turn, workstream: str, own: str, reason: str) -> ClaimNews:
    mine = [id_ for id_ in turn.ledger.claims if own_id(id_)[0] == workstream]
    ids = mine if own == ALL else [id_ for id_ in mine if own_id(id_)[1] == own]
    if not ids and own != ALL:
        known = ", ".join(own_id(id_)[1] for id_ in mine) or "none"
        return ClaimNews(
            id=own, outcome=Outcome.REFUSED, why=f"no claim {own!r} of {workstream} is live; there are {known}"
        )
    resource = turn.ledger.claims[ids[0]].resource if ids else ""
    for id_ in ids:
        turn.record(ClaimEnded(id=id_, how="withdrawn", by=workstream, why=reason))
    why = f"{len(ids)} of its claims are withdrawn" if own == ALL else _left(turn, resource)
    return ClaimNews(id=own, outcome=Outcome.WITHDRAWN, why=why)


def _left(turn: Turn, name: str) -> str:
    resource = turn.declared(name)
    assert resource is not None, "claims on what is not declared are ended at the start"
    if isinstance(resource, Pool):
        return explained(ruling(turn, resource))
    favoured = turn.ledger.docket.favoured_on(name)
    return explained(decide(resource, turn.ledger.claims.values(), turn.now, favoured=favoured))


def went_out(turn: Turn, workstream: str) -> None:
    for id_, claim in tuple(turn.ledger.claims.items()):
        if own_id(id_)[0] == workstream and isinstance(turn.declared(claim.resource), Pool):
            why = f"{workstream} is out, so it uses nothing"
            turn.record(ClaimEnded(id=id_, how="withdrawn", by=workstream, why=why))
