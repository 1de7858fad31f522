"""Conflicts: opened where two cannot both have what they want, closed with what became of it, a sentence each.

Most close in the turn that opens them, since the arbiter's order leaves nothing open.
"""

from collections.abc import Sequence

from alluse_hub.actors.coordinator.arbiter import Ruling, explained
from alluse_hub.actors.coordinator.pools import PoolRuling
from alluse_hub.actors.coordinator.rules import Match
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import ConflictClass, ConflictClosed, ConflictOpened
from alluse_hub.protocols.names import BOARD
from alluse_hub.protocols.resources import taken
from alluse_hub.protocols.rules import CommandIssued


def conflict(
    turn: Turn,
    klass: ConflictClass,
    resource: str,
    parties: tuple[str, ...],
    opened: str,
    *,
    outcome: str,
    winner: str,
    closed: str,
) -> None:
    """Record and show a conflict, and how it was resolved."""
    id_ = open_(turn, klass, resource, parties, opened)
    close(turn, id_, outcome=outcome, winner=winner, sentence=closed)


def open_(turn: Turn, klass: ConflictClass, resource: str, parties: tuple[str, ...], sentence: str) -> str:
    """The id of the conflict, which stays open until it is closed."""
    id_ = f"conflict-{turn.ledger.conflicts_count + 1}"
    return open_as(turn, id_, klass, resource, parties, sentence)


def open_as(turn: Turn, id_: str, klass: ConflictClass, resource: str, parties: tuple[str, ...], sentence: str) -> str:
    opening = ConflictOpened(id=id_, klass=klass, resource=resource, parties=parties, sentence=sentence)
    turn.record(opening)
    turn.send(BOARD, opening)
    return id_


def close(turn: Turn, id_: str, *, outcome: str, winner: str, sentence: str) -> None:
    closing = ConflictClosed(id=id_, outcome=outcome, winner=winner, sentence=sentence)
    turn.record(closing)
    turn.send(BOARD, closing)


def close_left_open(turn: Turn) -> None:
    """Conflicts whose closing was cut off by the death of an earlier incarnation: the arbiter's word stands.  Not those
    about which somebody is asked, nor doubts, which end by being obeyed."""
    for opened in tuple(turn.ledger.conflicts.values()):
        if turn.ledger.docket.is_open(opened.id) or opened.klass is ConflictClass.DOUBT:
            continue
        mode = turn.state.book.modes.get(opened.resource)
        ruling = None if mode is None else turn.ruling(mode)
        winner = "" if ruling is None or ruling.holder is None else ruling.holder.id
        sentence = f"{opened.resource} is no longer declared." if ruling is None else explained(ruling)
        close(turn, opened.id, outcome="as in force", winner=winner, sentence=sentence)


# --- of commands -----------------------------------------------------------------------------------------------------


def hold_breach(turn: Turn, rule: str, command: str, use: str, cases: Sequence[tuple[Match, str, Ruling]]) -> None:
    """One conflict for all events of the round in which a rule asked for the same."""
    match, why, ruling = cases[0]
    resource, _, name = use.partition(":")
    holder = ruling.holder.id if ruling.holder is not None else ""
    conflict(
        turn,
        ConflictClass.HOLD_BREACH,
        resource,
        (holder, rule) if holder else (rule,),
        f"{rule} asks for {command}, which needs {name!r} of {resource}, "
        f"because {match.why} in {match.event.id}{_more(cases)}.",
        outcome="command refused",
        winner=holder,
        closed=f"Refused: {why}. {explained(ruling)}",
    )


def over_commit(turn: Turn, rule: str, command: str, cases: Sequence[tuple[Match, str]], ruling: PoolRuling) -> None:
    """One conflict for all events of the round in which a rule asked for more than a pool has.  ``cases``: the event,
    and why it is not even waited for, if it is not."""
    match, never = cases[0]
    resource = ruling.pool.resource
    ahead = ruling.granted[0].holder if ruling.granted else ""
    closed = f"Refused: {never}." if never else "Each is sent when there is enough, in the order of the claims."
    conflict(
        turn,
        ConflictClass.OVER_COMMIT,
        resource,
        tuple(dict.fromkeys((ahead, rule))) if ahead else (rule,),
        f"{rule} asks for {command}, which takes of {resource} more than is free, "
        f"because {match.why} in {match.event.id}{_more(cases)}.",
        outcome="command refused" if never else "command waits",
        winner=ahead,
        closed=f"{closed} {explained(ruling)}",
    )


def refused_late(turn: Turn, issued: CommandIssued, why: str, klass: ConflictClass) -> None:
    """A command that waited for a pool cannot be sent any more."""
    resource, _ = taken(issued.takes[0])
    conflict(
        turn,
        klass,
        resource,
        (issued.rule,),
        f"{issued.rule} waits for {resource} to have {issued.workstream} {issued.command}, because of {issued.event}.",
        outcome="command refused",
        winner="",
        closed=f"Refused: {why}.",
    )


def _more(cases: Sequence[object]) -> str:
    return f" and {len(cases) - 1} more" if len(cases) > 1 else ""
