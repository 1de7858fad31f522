"""Commands that rules send: issued once, said again until answered, failed when nobody answers.

A command's key is made of its round, its rule and a count, so the same decision gives the same key and the program does
it once.  Commands go out behind a ``Commit``: nothing is ordered that a power cut could make us forget.

A workstream has one of them at a time, in the order in which they were issued.  Letters can be lost and said again, so
two on their way at once could be heard in either order, and two runs would differ.
"""

from collections.abc import Iterator

from alluse_hub.actors.coordinator import conflicts, cycles, directives, taking
from alluse_hub.actors.coordinator.rules import Match
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.actors.coordinator.templates import FieldError, filled_parameters
from alluse_hub.protocols.claims import ConflictClass
from alluse_hub.protocols.rules import CommandGranted, CommandIssued, RuleActionDone, RuleUndecided, Tell
from alluse_hub.protocols.workstream import Command, CommandReply

TRIES_MAX = 3
"""Times a command is said again; the monitor itself answers at the deadline, so silence means that it is gone."""

PAUSE_SHARE = 1 / 6
"""Of the deadline: the first pause; each next is twice as long.  In all 15/6, two and a half deadlines."""


def timer_of(key: str) -> str:
    return f"command:{key}"


def issue(turn: Turn, match: Match, tell: Tell, key: str, *, waits: bool = False) -> bool:
    """Whether it is under way, or will be when it ``waits`` no longer for what it takes."""
    try:
        parameters = filled_parameters(tell.parameters, match.event.payload)
    except FieldError as error:
        why = f"{tell.workstream} was not told to {tell.command}: {error}"
        turn.record(RuleUndecided(rule=match.rule.id, event=match.event.id, why=why))
        return False
    origin = cycles.origin(turn, match.event)
    issued = CommandIssued(
        key=key,
        round=turn.ledger.round,
        rule=match.rule.id,
        event=match.event.id,
        workstream=tell.workstream,
        command=tell.command,
        parameters=parameters,
        deadline_s=tell.deadline_s,
        takes=tell.takes,
        uses=tell.uses if waits else (),
        waits=waits,
        chain=origin.rules,
        root=origin.root,
    )
    if why := turn.unreachable(tell.workstream, tell.deadline_s):
        _done(turn, issued, ok=False, error=why)
        return False
    turn.requested(tell.workstream)
    turn.record(issued)
    if issued in first_of_each(turn, issued.workstream):
        say(turn, issued, committed=True)
    return True


def grant_freed(turn: Turn) -> None:
    """Send what waited, now that there is enough of what it takes; what the rung in force no longer permits, or what
    can never be enough, is refused instead."""
    while issued := taking.granted_now(turn):
        uses = (directives.refusal(turn, use, of_round=True)[0] for use in issued.uses)
        if why := next(filter(None, uses), ""):
            _refuse(turn, issued, why, ConflictClass.HOLD_BREACH)
            continue
        turn.record(CommandGranted(key=issued.key))
        if any(first.key == issued.key for first in first_of_each(turn, issued.workstream)):
            say(turn, turn.ledger.commands[issued.key], committed=True)
    for issued in [issued for issued in turn.ledger.commands.values() if issued.waits]:
        why = taking.never(turn, issued)
        if why:
            _refuse(turn, issued, why, ConflictClass.OVER_COMMIT)


def _refuse(turn: Turn, issued: CommandIssued, why: str, klass: ConflictClass) -> None:
    conflicts.refused_late(turn, issued, why, klass)
    _done(turn, issued, ok=False, error=why)


def first_of_each(turn: Turn, workstream: str = "") -> Iterator[CommandIssued]:
    """Of the unanswered commands that wait for nothing the one under way to each workstream, or to one; where none is,
    the oldest."""
    found: dict[str, CommandIssued] = {}
    for issued in turn.ledger.commands.values():
        if not issued.waits and workstream in {"", issued.workstream}:
            first = found.setdefault(issued.workstream, issued)
            if timer_of(issued.key) in turn.state.tries and timer_of(first.key) not in turn.state.tries:
                found[issued.workstream] = issued
    yield from found.values()


def say(turn: Turn, issued: CommandIssued, *, committed: bool) -> None:
    command = Command(
        key=issued.key, command=issued.command, parameters=issued.parameters, deadline_s=issued.deadline_s
    )
    timer = timer_of(issued.key)
    pause = issued.deadline_s * PAUSE_SHARE * 2 ** turn.tried(timer)
    turn.send_and_wake(issued.workstream, command, timer, pause, committed=committed)


def take_up(turn: Turn) -> None:
    """After a start: whatever is not answered may not have been sent."""
    for issued in tuple(first_of_each(turn)):
        say(turn, issued, committed=True)


def say_again_to(turn: Turn, workstream: str) -> None:
    """The monitor is new: it may never have heard what is under way."""
    for issued in tuple(first_of_each(turn, workstream)):
        turn.forget(timer_of(issued.key))
        say(turn, issued, committed=True)


def no_answer(turn: Turn, key: str) -> None:
    """Its timer woke."""
    issued = turn.ledger.commands.get(key)
    if issued is None:
        return
    tries = turn.state.tries.get(timer_of(key), 0)
    if tries > TRIES_MAX:
        turn.unanswered(issued.workstream, f"no answer to {issued.command} after {tries} tries")
        fail_all(turn, issued.workstream, f"no answer after {tries} tries")
        return
    # The timer was set behind the Commit that the command waited for, so it need not wait again.
    say(turn, issued, committed=False)


def answered(turn: Turn, reply: CommandReply) -> None:
    issued = turn.ledger.commands.get(reply.key)
    if issued is not None:
        _done(turn, issued, ok=reply.ok, error=reply.error, events_through=reply.events_through)
        grant_freed(turn)  # what has waited for this one goes before what came later
        _go_on(turn, issued.workstream)


def fail_all(turn: Turn, workstream: str, error: str) -> None:
    """Nobody is there to answer."""
    for issued in tuple(turn.ledger.commands.values()):
        if issued.workstream == workstream:
            _done(turn, issued, ok=False, error=error)


def _go_on(turn: Turn, workstream: str) -> None:
    """Send the next one, if there is one and it is not under way."""
    for issued in tuple(first_of_each(turn, workstream)):
        if timer_of(issued.key) not in turn.state.tries:
            say(turn, issued, committed=True)


def _done(turn: Turn, issued: CommandIssued, *, ok: bool, error: str, events_through: int = 0) -> None:
    turn.record(
        RuleActionDone(
            rule=issued.rule,
            event=issued.event,
            key=issued.key,
            workstream=issued.workstream,
            command=issued.command,
            ok=ok,
            error=error,
            events_through=events_through,
        )
    )
    turn.forget(timer_of(issued.key))
