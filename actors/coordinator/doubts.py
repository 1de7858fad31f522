"""Doubts: a workstream was told what to do, and is not known to do it.  Conflict C9.

Two bounds, for two who may be silent.  The *monitor* says within half a second that it has heard a directive, if asked
again; one that does not, four times over, is in trouble, and its supervisor is asked to look after it.  The *program*
obeys within the directive's own deadline; its monitor says if it did not.  Either way a conflict opens, people are
asked to look, and the conflict closes itself when the resource is known to be where it was told to be.

A doubt is about an answer and decides nothing: it has ids of its own, so that no other conflict is called otherwise by
it.  A round waits for its directives, doubt or not, and so a short death of a monitor changes none of its commands;
what people and timers order meanwhile is weighed as if the resource were at its fail-safe rung.
"""

from alluse_hub.actors.coordinator import conflicts, negotiating
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import ConflictClass, ConflictOpened, Mode
from alluse_hub.protocols.liveness import LookAfter
from alluse_hub.protocols.names import COORDINATOR, WORKSTREAMS

ID = "doubt-"
"""How the ids of these conflicts begin."""


def open_on(turn: Turn, resource: str) -> ConflictOpened | None:
    opened = turn.ledger.conflicts.values()
    return next((one for one in opened if one.klass is ConflictClass.DOUBT and one.resource == resource), None)


def said(turn: Turn, resource: str) -> str:
    """Of an open one, in sentences; empty if there is none."""
    opened = open_on(turn, resource)
    return opened.sentence if opened is not None else ""


def is_watched_for(turn: Turn, workstream: str) -> bool:
    """Whether its monitor should answer at once: it has been met in this life, and nobody has said it is down."""
    breaker = turn.state.breakers.get(workstream)
    return workstream in turn.state.presence and (breaker is None or breaker.standing is None)


def unheard(turn: Turn, resource: str, seconds: float) -> None:
    """The monitor does not even say that it has heard."""
    workstream = resource.partition("/")[0]
    why = f"its monitor has given no sign for {seconds:g} s"
    turn.send(WORKSTREAMS, LookAfter(name=workstream, why=f"a directive for {resource} was not heard: {why}"))
    disobeyed(turn, resource, why)


def disobeyed(turn: Turn, resource: str, why: str) -> None:
    """Open the conflict if there is none, and ask people, unless the workstream is out, as somebody knows already."""
    mode = turn.state.book.modes.get(resource)
    if mode is None:
        return
    workstream = mode.workstream
    opened = open_on(turn, resource)
    if opened is None:
        told = turn.ledger.directives[resource].issued
        sentence = (
            f"{workstream} was told to bring {resource} to {told.rung} (fence {told.fence}) and is not known to have "
            f"done so: {why}. It is told again and again; until it obeys, {resource} counts as {_counts_as(mode)}."
        )
        id_ = f"{ID}{turn.ledger.doubts_count + 1}"
        parties = (workstream, COORDINATOR)
        conflicts.open_as(turn, id_, ConflictClass.DOUBT, resource, parties, sentence)
    else:
        id_ = opened.id
    if turn.state.presence.get(workstream) != "out" and id_ not in turn.ledger.docket.escalated:
        question = f"Does {workstream} do what it was told? Look at it: this closes by itself when {workstream} obeys."
        negotiating.escalate(turn, id_, resource, question, ())


def _counts_as(mode: Mode) -> str:
    safe = mode.fail_safe or mode.rungs[-1].name
    uses = mode.rungs[mode.height(safe)].uses
    return f"{safe}, which permits {'only ' + ', '.join(uses) if uses else 'nothing'}"


def obeyed(turn: Turn, resource: str) -> None:
    """It is where it was told to be."""
    rung = turn.ledger.directives[resource].issued.rung
    _close(turn, resource, "obeyed", f"{resource.partition('/')[0]} has obeyed: {resource} is {rung}.")


def undeclared(turn: Turn, resource: str) -> None:
    _close(turn, resource, "over", f"{resource} is no longer declared.")


def _close(turn: Turn, resource: str, outcome: str, sentence: str) -> None:
    opened = open_on(turn, resource)
    if opened is None:
        return
    if opened.id in turn.ledger.docket.escalated:
        turn.cancel(negotiating.people_timer_of(opened.id))
    conflicts.close(turn, opened.id, outcome=outcome, winner="", sentence=sentence)


def take_up(turn: Turn) -> None:
    """After a start: what an earlier life did not come to open or close."""
    for resource, directed in tuple(turn.ledger.directives.items()):
        if resource not in turn.state.book.modes:
            undeclared(turn, resource)
        elif directed.is_obeyed:
            obeyed(turn, resource)
        elif directed.is_in_doubt:
            disobeyed(turn, resource, directed.error or directed.outcome)
