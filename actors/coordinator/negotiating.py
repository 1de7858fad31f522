"""Talking a conflict over: a holder is asked to yield, or told to; where that leads nowhere, people are asked.

Nobody's silence holds anything up.  What is in force meanwhile is the restrictive side, and after ``BOUND_S`` at most
the conflict is closed or escalated: a holder is asked twice, then its silence counts; what it is told to do and does
not say it has done is escalated.  A holder that refuses, or is silent, keeps what it has to the end of its lease, which
is not made longer any more; if it has no end, people decide.

For these conflicts alone facts say the time: what happens next hangs on who answers when.
"""

from alluse_hub.actors.coordinator import conflicts
from alluse_hub.actors.coordinator.arbiter import named
from alluse_hub.actors.coordinator.docket import Yielding
from alluse_hub.actors.coordinator.leases import as_text
from alluse_hub.actors.coordinator.ledger import Phase
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.arbitration import (
    ANSWER_S,
    BOUND_S,
    DONE_S,
    ESCALATION_S,
    ROUNDS_MAX,
    AskYield,
    ConflictDecided,
    Escalated,
    OfferYield,
    Option,
    RuleYield,
    YieldAsked,
    YieldDone,
    YieldOffered,
)
from alluse_hub.protocols.claims import Claim, ClaimCut, ClaimEnded, Mode
from alluse_hub.protocols.workstream import CommandReply

FINISH_MAX_S = 60.0
"""A holder that would take longer to finish refuses."""

AGAIN_S = (0.05, 0.1, 0.2, DONE_S - 0.35)
"""Pauses in saying what a holder is to do; then it is escalated."""

KEY = "yield/"
"""How the key of the command begins by which a monitor has its program let go."""

GRADE_MAX = 4
"""People are asked so often; the conflict stays open beyond, and the restrictive side in force."""

close = conflicts.close


def timer_of(conflict: str) -> str:
    return f"yield:{conflict}"


def people_timer_of(conflict: str) -> str:
    return f"people:{conflict}"


def is_under_way(turn: Turn, resource: str) -> bool:
    docket = turn.ledger.docket
    asked = (
        *(one.asked.resource for one in docket.yielding.values()),
        *(e.resource for e in docket.escalated.values() if e.choices),  # else there is nothing to choose between
    )
    return resource in asked


def ask(turn: Turn, conflict: str, resource: str, holder: Claim, to: Claim, *, must: bool) -> None:
    turn.record(
        YieldAsked(
            conflict=conflict,
            resource=resource,
            claim=holder.id,
            to=to.id,
            workstream=holder.at,
            until=turn.at + BOUND_S,
            must=must,
            round=turn.ledger.round if _waits(turn, holder.at) else 0,
        )
    )
    if must:
        _rule(turn, conflict, Option.RELEASE, f"{named(to)} goes before it, and {resource} is preemptible")
    else:
        _say(turn, conflict)


def _waits(turn: Turn, workstream: str) -> bool:
    """Whether the round waits for what comes of it, so that it comes at the same place in every run."""
    return turn.ledger.phase is not Phase.CLOSED and workstream in turn.state.book.spec.lockstep


def take_up(turn: Turn) -> None:
    """After a start: whatever is awaited is said again, and the time for it begins anew."""
    for conflict in tuple(turn.ledger.docket.yielding):
        _say(turn, conflict)
    for conflict, escalated in turn.ledger.docket.escalated.items():
        if escalated.grade < GRADE_MAX:
            turn.wake(people_timer_of(conflict), max(0.0, escalated.until - turn.at))


def _say(turn: Turn, conflict: str) -> None:
    """Ask the holder, or tell it again what it is to do."""
    yielding = turn.ledger.docket.yielding[conflict]
    asked, offered = yielding.asked, yielding.offered
    claim = turn.ledger.claims.get(asked.claim)
    if claim is None:
        return  # ``settle`` closes it
    tries = turn.tried(timer_of(conflict))
    epoch = turn.ledger.docket.epoch
    if offered is None:
        question = AskYield(conflict=conflict, claim=claim, to=asked.to, round=tries + 1, epoch=epoch)
        turn.send_and_wake(asked.workstream, question, timer_of(conflict), ANSWER_S, committed=False)
    else:
        why = offered.why or "it goes after the other claim"
        order = RuleYield(conflict=conflict, claim=claim, option=offered.option, reason=why, epoch=epoch)
        pause = AGAIN_S[min(tries, len(AGAIN_S) - 1)]
        turn.send_and_wake(asked.workstream, order, timer_of(conflict), pause, committed=False)


def no_answer(turn: Turn, conflict: str) -> None:
    """Its timer woke."""
    yielding = turn.ledger.docket.yielding.get(conflict)
    if yielding is None:
        return
    tries = turn.state.tries.get(timer_of(conflict), 0)
    if yielding.offered is None and tries >= ROUNDS_MAX:
        turn.forget(timer_of(conflict))
        _not_let_go(turn, conflict, yielding, f"{yielding.asked.workstream} did not answer", silent=True)
    elif yielding.offered is not None and tries >= len(AGAIN_S):
        turn.forget(timer_of(conflict))
        _put_to_people(
            turn, conflict, yielding, f"{yielding.asked.workstream} was told to yield and did not say it has"
        )
    else:
        _say(turn, conflict)


def offered(turn: Turn, offer: OfferYield) -> None:
    yielding = turn.ledger.docket.yielding.get(offer.conflict)
    if yielding is None or yielding.offered is not None or yielding.asked.workstream != offer.workstream:
        return
    turn.forget(timer_of(offer.conflict))
    claim = turn.ledger.claims.get(yielding.asked.claim)
    if offer.option is Option.RELEASE:
        _rule(turn, offer.conflict, Option.RELEASE, offer.why)
    elif offer.option is Option.FINISH and offer.in_s <= FINISH_MAX_S and claim is not None:
        _finishes(turn, offer, yielding, claim)
    else:
        _not_let_go(turn, offer.conflict, yielding, offer.why or f"{offer.workstream} refuses", silent=False)


def _rule(turn: Turn, conflict: str, option: Option, why: str) -> None:
    turn.record(YieldOffered(conflict=conflict, option=option, until=turn.at + DONE_S, why=why))
    turn.forget(timer_of(conflict))
    _say(turn, conflict)


def done(turn: Turn, word: YieldDone) -> None:
    yielding = turn.ledger.docket.yielding.get(word.conflict)
    if yielding is None or yielding.offered is None or yielding.asked.workstream != word.workstream:
        return
    turn.forget(timer_of(word.conflict))
    if not word.ok:
        _put_to_people(turn, word.conflict, yielding, f"{word.workstream} could not yield: {word.error}")
        return
    asked = yielding.asked
    claim = turn.ledger.claims.get(asked.claim)
    if claim is not None:
        turn.record(ClaimEnded(id=claim.id, how="yielded", by=asked.workstream, why=f"for {asked.to}"))
        _close(turn, word.conflict, "holder yields", asked.to, f"{named(claim)} has let go of {asked.resource}")


def replied(turn: Turn, reply: CommandReply) -> None:
    """A program's answer to the command by which it lets go."""
    conflict = reply.key.removeprefix(KEY)
    done(turn, YieldDone(conflict=conflict, workstream=reply.workstream, ok=reply.ok, error=reply.error))


def _finishes(turn: Turn, offer: OfferYield, yielding: Yielding, claim: Claim) -> None:
    """It is given the time it names and not more: its lease ends then."""
    asked = yielding.asked
    end = turn.at + offer.in_s
    fact = YieldOffered(conflict=offer.conflict, option=Option.FINISH, until=end, in_s=offer.in_s, why=offer.why)
    turn.record(fact)
    turn.record(ClaimCut(id=claim.id, until=end))
    sentence = f"{named(claim)} keeps {asked.resource} for {offer.in_s:.0f} s more and then lets go: {offer.why}"
    _close(turn, offer.conflict, "holder finishes", asked.to, sentence)


def _not_let_go(turn: Turn, conflict: str, yielding: Yielding, why: str, *, silent: bool) -> None:
    asked = yielding.asked
    fact = YieldOffered(conflict=conflict, option=Option.REFUSE, until=turn.at, why=why, silent=silent)
    turn.record(fact)
    claim = turn.ledger.claims.get(asked.claim)
    is_mode = isinstance(turn.declared(asked.resource), Mode)
    if claim is None:
        return  # ``settle`` closes it
    if is_mode or claim.lease.until is None or claim.lease.until_cleared:
        _put_to_people(turn, conflict, yielding, why)
        return
    until = as_text(claim.lease, turn.now)
    sentence = f"{why}: {named(claim)} keeps {asked.resource} {until}, and no longer"
    _close(turn, conflict, "claim waits", claim.id, sentence)


def _put_to_people(turn: Turn, conflict: str, yielding: Yielding, why: str) -> None:
    asked = yielding.asked
    question = f"Who is to have {asked.resource}, {asked.claim} or {asked.to}? {why}."
    escalate(turn, conflict, asked.resource, question, (asked.claim, asked.to))


def _close(turn: Turn, conflict: str, outcome: str, winner: str, sentence: str) -> None:
    turn.forget(timer_of(conflict))
    conflicts.close(turn, conflict, outcome=outcome, winner=winner, sentence=f"{sentence.rstrip('.')}.")


# --- people ----------------------------------------------------------------------------------------------------------


def escalate(turn: Turn, conflict: str, resource: str, question: str, choices: tuple[str, ...], grade: int = 1) -> None:
    until = turn.at + ESCALATION_S
    turn.record(
        Escalated(conflict=conflict, resource=resource, question=question, choices=choices, until=until, grade=grade)
    )
    turn.wake(people_timer_of(conflict), ESCALATION_S)


def nobody_decided(turn: Turn, conflict: str) -> None:
    """Its timer woke: what is in force stays so, and people are asked again, as a graver matter."""
    escalated = turn.ledger.docket.escalated.get(conflict)
    if escalated is not None and escalated.grade < GRADE_MAX:
        grade = escalated.grade + 1
        escalate(turn, conflict, escalated.resource, escalated.question, escalated.choices, grade)


def decide(turn: Turn, conflict: str, choice: str, by: str, reason: str) -> str:
    """What became of a person's decision, in a sentence; what is wrong with it, after ``refused: ``."""
    escalated = turn.ledger.docket.escalated.get(conflict)
    if escalated is None:
        what = "is talked over with its holder; look again in two seconds" if conflict in turn.ledger.conflicts else ""
        return f"refused: {conflict} {what or 'is not open; `conflicts` lists those that are'}"
    live = [id_ for id_ in escalated.choices if id_ in turn.ledger.claims]
    if not escalated.choices:
        return f"refused: {conflict} leaves nothing to decide: {escalated.question}"
    if choice not in live:
        return f"refused: {choice!r} is none of what {conflict} is between: {', '.join(live) or 'nothing any more'}"
    turn.cancel(people_timer_of(conflict))
    turn.commit(ConflictDecided(conflict=conflict, resource=escalated.resource, winner=choice, by=by, reason=reason))
    if choice not in turn.ledger.docket.granted:
        for id_ in live:
            if id_ in turn.ledger.docket.granted:
                why = f"{by} has decided for {choice}"
                turn.record(ClaimEnded(id=id_, how="yielded", by=by, why=why, at=turn.at))
    sentence = f"{by} has decided for {choice}: {reason}."
    conflicts.close(turn, conflict, outcome="decided", winner=choice, sentence=sentence)
    return f"{conflict} is decided for {choice}"


def settle(turn: Turn) -> None:
    """Close what is no longer a conflict, since one of those it was between is gone."""
    docket = turn.ledger.docket
    for conflict, yielding in tuple(docket.yielding.items()):
        sides = (yielding.asked.claim, yielding.asked.to)
        left = [id_ for id_ in sides if id_ in turn.ledger.claims]
        if len(left) < len(sides):
            _over(turn, conflict, left)
    for conflict, escalated in tuple(docket.escalated.items()):
        left = [id_ for id_ in escalated.choices if id_ in turn.ledger.claims]
        if len(left) < min(len(escalated.choices), 2):
            turn.cancel(people_timer_of(conflict))
            _over(turn, conflict, left)


def _over(turn: Turn, conflict: str, left: list[str]) -> None:
    what = f"only {left[0]} is left of what it was between" if left else "nothing is left of what it was between"
    _close(turn, conflict, "over", left[0] if left else "", what)
