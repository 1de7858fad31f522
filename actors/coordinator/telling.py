"""Telling programs of their claims: what became of each word, and each change of a claim after that.

One command to a workstream at a time, with all that there is to tell; what comes up meanwhile is in the next.  It goes
out behind a ``Commit``: nobody acts on a grant that a power cut could make us forget.  Whoever is not there is told
when it is back, and whoever did not take it in with what comes next.

A workstream in lockstep is told last of all in a round, when nothing else of it is awaited, and the round waits for its
answer: so what its program does about it comes at the same place in every run.
"""

from collections.abc import Iterator

from alluse_hub.actors.coordinator import operators
from alluse_hub.actors.coordinator.arbiter import Outcome as Fate
from alluse_hub.actors.coordinator.arbiter import decide
from alluse_hub.actors.coordinator.ledger import Ledger, Phase
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.program_claims import (
    TOLD,
    ClaimNews,
    ClaimsHeard,
    ClaimsTold,
    Outcome,
    claim_id,
    own_id,
)
from alluse_hub.protocols.resources import Pool
from alluse_hub.protocols.workstream import Command, CommandReply

DEADLINE_S = 30.0
"""For a program to take note; some work at one thing for so long."""

TRIES_MAX = 3
PAUSE_SHARE = 1 / 6
"""As with commands of rules: said again after 1/6, 2/6 and 4/6 of the deadline, given up 8/6 later."""


def timer_of(key: str) -> str:
    return f"told:{key}"


def tell(turn: Turn, before: Ledger | None = None, back: str = "") -> None:
    """``before``: the ledger before this turn, or before nothing has been looked at in it.  ``back``: a workstream that
    is there again."""
    tellings = turn.ledger.tellings
    if not (tellings.unsaid or tellings.told or tellings.ended or back in tellings.lost):
        return
    found: dict[str, list[ClaimNews]] = {back: []} if back in tellings.lost else {}
    for workstream, news in tellings.unsaid.items():
        found.setdefault(workstream, []).extend(news)
    known = dict(tellings.told)
    for workstream, told in found.items():
        known |= {claim_id(workstream, one.id): one.outcome for one in told if one.outcome is not Outcome.REFUSED}
    for id_, fact in tellings.ended.items():
        workstream, own = own_id(id_)
        if known.get(id_) is not Outcome.WITHDRAWN:
            why = f"{fact.how} by {fact.by}: {fact.why}"
            found.setdefault(workstream, []).append(ClaimNews(id=own, outcome=Outcome.ENDED, why=why, how=fact.how))
    for id_, outcome in _changed(turn, None if back else before, known):
        workstream, own = own_id(id_)
        found.setdefault(workstream, []).append(_news(turn, id_, own, outcome))
    busy = {told.workstream for told in tellings.open.values()}
    if turn.ledger.phase is not Phase.CLOSED and turn.ledger.acting():
        busy.update(turn.state.book.spec.lockstep)
    for workstream, told in found.items():
        if workstream not in busy and not turn.unreachable(workstream, DEADLINE_S):
            _issue(turn, workstream, [*tellings.lost.get(workstream, ()), *told])


def _changed(turn: Turn, before: Ledger | None, known: dict[str, Outcome]) -> Iterator[tuple[str, Outcome]]:
    """Claims that stand otherwise than their programs know, and how."""
    ledger = turn.ledger
    if (
        before is not None
        and before.phase is Phase.CLOSED
        and (before.claims, before.docket, before.tellings.open)
        == (
            ledger.claims,
            ledger.docket,
            ledger.tellings.open,
        )
    ):
        return
    stands: dict[str, dict[str, Outcome]] = {}
    for id_, outcome in known.items():
        claim = ledger.claims.get(id_)
        if claim is None:
            continue
        if claim.resource not in stands:
            stands[claim.resource] = _standing(turn, claim.resource)
        now = stands[claim.resource].get(id_, outcome)
        if now is not outcome:
            yield id_, now


def _standing(turn: Turn, name: str) -> dict[str, Outcome]:
    """How each live claim on a resource stands."""
    resource, docket = turn.declared(name), turn.ledger.docket
    if resource is None:
        return {}
    if isinstance(resource, Pool):
        claims = [id_ for id_, claim in turn.ledger.claims.items() if claim.resource == name]
        return {id_: Outcome.GRANTED if id_ in docket.granted else Outcome.QUEUED for id_ in claims}
    found = decide(resource, turn.ledger.claims.values(), turn.now, favoured=docket.favoured_on(name))
    lesser = Outcome.NEEDS_RULING if getattr(found, "asks", False) else Outcome.COVERED
    return {fate.claim.id: Outcome.GRANTED if fate.outcome is Fate.HOLDS else lesser for fate in found.fates}


def _news(turn: Turn, id_: str, own: str, outcome: Outcome) -> ClaimNews:
    resource = turn.declared(turn.ledger.claims[id_].resource)
    found = operators.verdict_on(turn, id_, resource)
    return ClaimNews(id=own, outcome=outcome, why=found.why, position=found.position, fence=found.fence)


def _issue(turn: Turn, workstream: str, news: list[ClaimNews]) -> None:
    ledger = turn.ledger
    waits = ledger.phase is not Phase.CLOSED and workstream in turn.state.book.spec.lockstep
    told = ClaimsTold(
        key=f"c/{ledger.round}/claims/{workstream}/{ledger.tellings.counts.get(workstream, 0) + 1}",
        workstream=workstream,
        round=ledger.round if waits else 0,
        news=tuple(news),
    )
    turn.requested(workstream)
    turn.record(told)
    _say(turn, told, committed=True)


def _say(turn: Turn, told: ClaimsTold, *, committed: bool) -> None:
    news = [one.model_dump(mode="json", exclude_defaults=True) for one in told.news]
    command = Command(
        key=told.key,
        command=TOLD,
        parameters={"claims": news, "epoch": turn.ledger.docket.epoch},
        deadline_s=DEADLINE_S,
    )
    timer = timer_of(told.key)
    pause = DEADLINE_S * PAUSE_SHARE * 2 ** turn.tried(timer)
    turn.send_and_wake(told.workstream, command, timer, pause, committed=committed)


def take_up(turn: Turn) -> None:
    """After a start: whatever is not answered may not have been sent."""
    for told in turn.ledger.tellings.open.values():
        _say(turn, told, committed=True)


def say_again_to(turn: Turn, workstream: str) -> None:
    """The monitor is new: it may never have heard it."""
    for told in turn.ledger.tellings.open.values():
        if told.workstream == workstream:
            turn.forget(timer_of(told.key))
            _say(turn, told, committed=True)


def no_answer(turn: Turn, key: str) -> None:
    """Its timer woke."""
    told = turn.ledger.tellings.open.get(key)
    if told is None:
        return
    tries = turn.state.tries.get(timer_of(key), 0)
    if tries > TRIES_MAX:
        turn.unanswered(told.workstream, f"no answer to {TOLD} after {tries} tries")
        _done(turn, told, ok=False, error=f"no answer after {tries} tries")
    else:
        # The timer was set behind the Commit that the command waited for, so it need not wait again.
        _say(turn, told, committed=False)


def answered(turn: Turn, reply: CommandReply) -> bool:
    """Whether it was the answer to one of these."""
    told = turn.ledger.tellings.open.get(reply.key)
    if told is None:
        return False
    _done(turn, told, ok=reply.ok, error=reply.error, events_through=reply.events_through)
    return True


def yielded(turn: Turn, reply: CommandReply) -> None:
    """The round, if one waits for it, also waits for what the program has told in letting go."""
    if turn.ledger.phase is Phase.WAITING and reply.workstream in turn.state.book.spec.lockstep:
        through = reply.events_through
        heard = ClaimsHeard(key=reply.key, workstream=reply.workstream, ok=reply.ok, events_through=through)
        turn.record(heard)


def went_down(turn: Turn, workstream: str) -> None:
    if why := turn.unreachable(workstream, DEADLINE_S):
        fail_all(turn, workstream, why)


def fail_all(turn: Turn, workstream: str, error: str) -> None:
    """Nobody is there to listen."""
    for told in tuple(turn.ledger.tellings.open.values()):
        if told.workstream == workstream:
            _done(turn, told, ok=False, error=error)


def _done(turn: Turn, told: ClaimsTold, *, ok: bool, error: str, events_through: int = 0) -> None:
    turn.record(
        ClaimsHeard(key=told.key, workstream=told.workstream, ok=ok, error=error, events_through=events_through)
    )
    turn.forget(timer_of(told.key))
