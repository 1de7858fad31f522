"""What the program said, taken in order.

Events are numbered: one that was heard before is dropped, the next one is recorded, and one that leaves a gap is
refused, because what is missing may still come: a program that was killed tells again what it told since its last
snapshot.  Only a gap that its own hello vouches for is taken for a loss and recorded as such; the hub's numbers stay
without a gap even then.

Lines are released only after their entries are in the spool, so whoever monitors next hears the others again.  Events
in whose handling a delivery is still open wait for its reply, so that a round costs one letter; all others go to the
router at the end of the letter that brought them.
"""

from collections.abc import Iterable

from alluse_hub.protocols.flow import EventHeard
from alluse_hub.protocols.program import LinesRead, Refusal, ReleaseLines
from alluse_hub.protocols.program_claims import SAID
from alluse_hub.protocols.workstream import (
    CommandKind,
    EventLine,
    EventsLost,
    Hello,
    LineRefused,
    ProgramGreeted,
    Reply,
)

from . import announcing, claiming, commands
from .state import Stage, Turn

RECORDED_A_MINUTE = 3
"""Refused lines recorded with their beginning; the rest is counted."""

MINUTE_S = 60.0


def hear(turn: Turn, read: LinesRead) -> None:
    turn.set(alive_at=turn.at)
    refuse_lines(turn, read.refused, read.refusals)
    heard = turn.kept.heard
    for line in read.lines:
        match line:
            case EventLine():
                event(turn, line)
            case Reply():
                commands.replied(turn, line)
                announcing.made(turn, line.datasets)
            case Hello():
                hello(turn, line)
            case _:
                pass  # signs of life, and what nobody asked for yet
    if turn.kept.heard > heard:
        turn.count(requests=turn.kept.heard - heard)
    held = {key for key, opened in turn.kept.open.items() if opened.kind is CommandKind.DELIVERY}
    if any(each.cause not in held for each in commands.fresh(turn)):
        commands.hand_over_fresh(turn)
    announcing.tell(turn)
    if len(turn.kept.unsettled) > commands.UNSETTLED_MAX:
        turn.set(withheld=read.through)
    else:
        turn.do(ReleaseLines(through=read.through))


def hello(turn: Turn, line: Hello) -> None:
    if turn.kept.greeted:
        return  # heard before: the line was not released when an earlier incarnation died
    forgets = not line.resumed and line.events == 0
    turn.record(
        ProgramGreeted(
            workstream=turn.state.ws,
            pid=turn.kept.pid,
            start_ticks=turn.kept.start_ticks,
            name=line.name[:200],
            version=line.version[:200],
            base=turn.kept.heard if forgets else turn.kept.shift,
        )
    )
    turn.set(promised=line.events, knows_syncs=bool(line.datasets))
    announcing.greeted(turn, line.datasets)
    if forgets:
        claiming.forgotten(turn)
    if turn.state.stage is Stage.STARTING:
        turn.set(stage=Stage.UP)
        commands.write(turn)


def event(turn: Turn, line: EventLine) -> None:
    if not turn.kept.greeted:
        refuse_lines(turn, (_refusal(line, "an event before the hello"),), 1)
        return
    n = turn.kept.base + line.n
    due = turn.kept.heard + 1
    if n < due:
        return
    if n > due and line.n > turn.state.promised + 1:
        refuse_lines(turn, (_refusal(line, f"a gap: event {n} came where {due} was due"),), 1)
        return
    if n > due:
        turn.record(EventsLost(workstream=turn.state.ws, first=line.n - (n - due), last=line.n - 1))
        turn.count(errors=n - due)
    heard = line.as_event(due)
    turn.record(EventHeard(event=heard))
    announcing.happened(turn, heard)
    if heard.event in SAID:
        claiming.said(turn, heard)


def _refusal(line: EventLine, why: str) -> Refusal:
    return Refusal(why=why, beginning=f"event {line.event} n={line.n}")


def refuse_lines(turn: Turn, refused: Iterable[Refusal], count: int) -> None:
    """Count ``count`` refused lines and record those of ``refused`` that this minute has room for."""
    if not count:
        return
    turn.count(errors=count)
    minute = int(turn.at // MINUTE_S)
    if minute != turn.state.refusals_minute:
        turn.set(refusals_minute=minute, refusals_recorded=0)
    turn.set(refusals=turn.state.refusals + count)
    for refusal in refused:
        if turn.state.refusals_recorded < RECORDED_A_MINUTE:
            turn.set(refusals_recorded=turn.state.refusals_recorded + 1)
            turn.record(
                LineRefused(
                    workstream=turn.state.ws,
                    why=refusal.why,
                    beginning=refusal.beginning,
                    count=turn.state.refusals,
                )
            )
