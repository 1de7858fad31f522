"""Commands to the program: opened before they are written, closed by exactly one answer.

Three askers, one way: the router's deliveries, the coordinator's commands and its directives.  Each has a key; asked
again while open it is one command, asked again when closed it gets the same answer.  What is open survives the
monitor and is written again to every new start of the program, which does a key once (its contract).

* A *command* or *directive* that is not answered by its deadline is answered ``no`` here, and the program, if it had
  it, is judged hung.  One that has neither shared a data set nor answered a question about one may not know the words:
  its silence about them says nothing of it.
* A *delivery* stays open until it is answered: the router must not lose a round.  Its deadline only judges the
  program.
* A *directive* with a lower fence than the highest passed on is stale and is never written.  One that is asked again
  while open is said to have been heard, so that whoever asks knows a slow program from a monitor that is gone.

Nobody hears of an answer before the router has the events that it rests on.
"""

from collections.abc import Iterable, Mapping

from pydantic_core import to_json

from alluse_hub.protocols.claims import Directive, DirectiveAck, DirectiveHeard, FenceRaised
from alluse_hub.protocols.flow import Deliver, Event, EventsTaken, Produced, Unsettled
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.names import REPLICATOR, ROUTER
from alluse_hub.protocols.program import ReleaseLines, WriteLines
from alluse_hub.protocols.workstream import (
    Command,
    CommandClosed,
    CommandKind,
    CommandOpened,
    CommandReply,
    Reply,
    Wanted,
)

from .state import Stage, Turn

OPEN_MAX = 256
"""Commands that may be open at once: the coordinator has some tens, the router one."""

BATCH_BYTES_MAX = 8_000_000
"""Events in one letter: half of what a message may hold (protocols/wire.py)."""

UNSETTLED_MAX = 10_000
"""Events that may wait for the router; beyond that the program's lines stay in its shim, which pushes back on it."""


# --- asked -----------------------------------------------------------------------------------------------------------


def deliver(turn: Turn, asked: Deliver) -> None:
    settle(turn, asked.taken)
    key = asked.delivery
    known = turn.state.results.get(key)
    if isinstance(known, Produced):
        hand_over(turn, turn.kept.unsettled, known)
        return
    if key not in turn.kept.open:
        if why := _refused(turn, key, turn.kept.wanted is Wanted.STOPPED or bool(turn.kept.parked)):
            turn.send(
                ROUTER, Produced(workstream=turn.state.ws, delivery=key, ok=False, error=why, through=turn.kept.heard)
            )
            return
        _open(turn, _delivery(turn, key, asked.command))
    if key not in turn.state.lines:
        parameters: dict[str, object] = {**asked.parameters, "session": asked.session}
        if asked.command == "deliver":
            parameters["events"] = asked.events
        line = line_of(turn.kept.open[key], parameters, turn.state.spec.delivery_deadline_s)
        turn.set(lines={**turn.state.lines, key: line})
    write(turn)


def command(turn: Turn, asked: Command, asker: str) -> None:
    known = turn.state.results.get(asked.key)
    if isinstance(known, CommandReply):
        turn.send(asker, known)
    elif asked.key not in turn.kept.open:
        if why := _refused(turn, asked.key, turn.state.is_out):
            turn.send(asker, _reply(turn, asked.key, ok=False, error=why))
            return
        _open(
            turn,
            CommandOpened(
                key=asked.key,
                kind=CommandKind.COMMAND,
                command=asked.command,
                parameters=asked.parameters,
                deadline_at=turn.at + asked.deadline_s,
                asked_by=asker,
            ),
        )
        write(turn)


def directive(turn: Turn, asked: Directive, asker: str) -> None:
    highest = turn.kept.fences.get(asked.resource, 0)
    key = f"c/{asked.round}/directive/{asked.resource}/{asked.fence}"
    known = turn.state.results.get(key)
    if asked.fence < highest:
        stale = f"fence {highest} was passed on already"
        turn.send(asker, _ack(turn, asked.resource, asked.fence, "stale", stale))
    elif isinstance(known, DirectiveAck) and known.outcome in {"applied", "already"}:
        turn.send(asker, _ack(turn, asked.resource, asked.fence, "already"))
    elif key in turn.kept.open:
        turn.send(asker, DirectiveHeard(resource=asked.resource, fence=asked.fence))
    else:
        if why := _refused(turn, key, turn.state.is_out):
            turn.send(asker, _ack(turn, asked.resource, asked.fence, "failed", why))
            return
        if asked.fence > highest:
            turn.record(FenceRaised(resource=asked.resource, fence=asked.fence))
        _open(
            turn,
            CommandOpened(
                key=key,
                kind=CommandKind.DIRECTIVE,
                command=asked.command,
                parameters={**asked.parameters, "fence": asked.fence},
                deadline_at=turn.at + asked.deadline_s,
                asked_by=asker,
                resource=asked.resource,
                fence=asked.fence,
            ),
        )
        write(turn)


def own(turn: Turn, key: str, name: str, parameters: Json, deadline_s: float) -> None:
    """The monitor's own word to the program; nobody else waits for its answer.  Not said where none could be taken."""
    if key in turn.kept.open or _refused(turn, key, turn.state.is_out):
        return
    _open(
        turn,
        CommandOpened(
            key=key,
            kind=CommandKind.CLAIM,
            command=name,
            parameters=parameters,
            deadline_at=turn.at + deadline_s,
            asked_by=turn.state.ws,
        ),
    )
    write(turn)


def _refused(turn: Turn, key: str, is_out: bool) -> str:
    if is_out:
        return turn.state.out_why
    if key in turn.kept.set_aside:
        return turn.kept.set_aside[key]
    if len(turn.kept.open) >= OPEN_MAX:
        return f"{OPEN_MAX} commands of {turn.state.ws} are open; ask again when some are answered"
    return ""


def _delivery(turn: Turn, key: str, name: str) -> CommandOpened:
    deadline_at = turn.at + turn.state.spec.delivery_deadline_s
    return CommandOpened(key=key, kind=CommandKind.DELIVERY, command=name, deadline_at=deadline_at, asked_by=ROUTER)


def _open(turn: Turn, opened: CommandOpened) -> None:
    turn.record(opened)
    turn.count(requests=1)


# --- written ---------------------------------------------------------------------------------------------------------


def line_of(opened: CommandOpened, parameters: Mapping[str, object], deadline_s: float) -> str:
    """Strict JSON: a number that is none becomes null."""
    asked = {"id": opened.key, "command": opened.command, "parameters": parameters, "deadline_s": round(deadline_s, 3)}
    return to_json(asked, inf_nan_mode="null").decode()


def write(turn: Turn) -> None:
    """Write every open command that the program has not got, in the order of asking, in one go."""
    if turn.state.stage is Stage.UP:
        _write(turn)
    arm(turn)


def _write(turn: Turn) -> None:
    ids, lines, written = [], [], dict(turn.state.written)
    for key, opened in list(turn.kept.open.items()):
        if key in written:
            continue
        line = turn.state.lines.get(key)
        if line is None:
            if opened.kind is CommandKind.DELIVERY:
                continue  # the router says it again
            line = line_of(opened, opened.parameters, max(0.0, opened.deadline_at - turn.at))
        elif opened.kind is CommandKind.DELIVERY and opened.deadline_at < turn.at + turn.state.spec.delivery_deadline_s:
            turn.record(_delivery(turn, key, opened.command))
        ids.append(key)
        lines.append(line)
        written[key] = turn.at
    if ids:
        turn.do(WriteLines(ids=tuple(ids), lines=tuple(lines)))
        turn.set(written=written)


def arm(turn: Turn) -> None:
    """Have the deadline timer go off at the earliest deadline.  It is not put off when that command is answered: a
    letter too many is cheaper than a timer moved with every command.
    """
    due = [
        opened.deadline_at
        for key, opened in turn.kept.open.items()
        if opened.kind is not CommandKind.DELIVERY or key in turn.state.written
    ]
    if due and not 0.0 < turn.state.deadline_at <= min(due):
        turn.set(deadline_at=min(due))
        turn.wake("deadline", max(0.0, min(due) - turn.at))


# --- answered --------------------------------------------------------------------------------------------------------


def replied(turn: Turn, reply: Reply) -> None:
    """A reply to nothing that is open is a late or a second one: the first counted."""
    opened = turn.kept.open.get(reply.id)
    if opened is None:
        return
    written_at = turn.state.written.get(reply.id)
    latency_s = 0.0 if written_at is None else max(0.0, turn.at - written_at)
    # A program that knows nothing of data sets says so to each question about them, and is none the worse.
    is_good = reply.ok or opened.asked_by == REPLICATOR
    if opened.asked_by == REPLICATOR:
        turn.set(knows_syncs=True)
    turn.count(errors=0 if is_good else 1, latency_ms=None if written_at is None else latency_s * 1000)
    error = "" if reply.ok else reply.error or "it gave no reason"
    _close(turn, opened, ok=reply.ok, error=error)
    ws, through = turn.state.ws, turn.kept.heard
    match opened.kind:
        case CommandKind.DELIVERY:
            result: Json = reply.result if isinstance(reply.result, dict) else {"value": reply.result}
            produced = Produced(
                workstream=ws,
                delivery=reply.id,
                ok=reply.ok,
                error=error,
                result=result,
                through=through,
                latency_s=latency_s,
            )
            turn.remember(reply.id, produced)
            hand_over(turn, fresh(turn), produced)
        case CommandKind.COMMAND:
            hand_over_fresh(turn)
            answer = _reply(turn, reply.id, ok=reply.ok, error=error)
            answer = answer.model_copy(update={"result": reply.result, "latency_s": latency_s})
            turn.remember(reply.id, answer)
            turn.send(opened.asked_by, answer)
        case CommandKind.DIRECTIVE:
            hand_over_fresh(turn)
            ack = _ack(turn, opened.resource, opened.fence, "applied" if reply.ok else "failed", error)
            turn.remember(reply.id, ack)
            turn.send(opened.asked_by, ack)


def overdue(turn: Turn) -> str:
    """Answer what must not wait longer; why the program, if it had one of them, is to be judged hung."""
    turn.set(deadline_at=0.0)
    why = ""
    for key, opened in list(turn.kept.open.items()):
        if opened.deadline_at > turn.at:
            continue
        if key in turn.state.written and (opened.asked_by != REPLICATOR or turn.state.knows_syncs):
            why = why or f"no answer to {opened.command} ({key}) within its deadline"
        if opened.kind is not CommandKind.DELIVERY:
            turn.count(errors=1)
            refuse(turn, opened, "no answer within its deadline")
        elif key in turn.state.written:
            written = {each: at for each, at in turn.state.written.items() if each != key}
            turn.set(written=written, late=turn.state.late or key)
    arm(turn)
    return why


def refuse(turn: Turn, opened: CommandOpened, why: str) -> None:
    """Answer an open command with no.  Not remembered: asked again it is tried again."""
    _close(turn, opened, ok=False, error=why)
    ws, through = turn.state.ws, turn.kept.heard
    match opened.kind:
        case CommandKind.DELIVERY:
            turn.send(ROUTER, Produced(workstream=ws, delivery=opened.key, ok=False, error=why, through=through))
        case CommandKind.COMMAND:
            turn.send(opened.asked_by, _reply(turn, opened.key, ok=False, error=why))
        case CommandKind.DIRECTIVE:
            turn.send(opened.asked_by, _ack(turn, opened.resource, opened.fence, "failed", why))


def refuse_all(turn: Turn, why: str) -> None:
    for opened in list(turn.kept.open.values()):
        refuse(turn, opened, why)


def _close(turn: Turn, opened: CommandOpened, *, ok: bool, error: str) -> None:
    turn.record(CommandClosed(key=opened.key, ok=ok, error=error))
    turn.set(
        lines={key: line for key, line in turn.state.lines.items() if key != opened.key},
        written={key: at for key, at in turn.state.written.items() if key != opened.key},
    )


def _reply(turn: Turn, key: str, *, ok: bool, error: str) -> CommandReply:
    return CommandReply(key=key, workstream=turn.state.ws, ok=ok, error=error, events_through=turn.kept.heard)


def _ack(turn: Turn, resource: str, fence: int, outcome: str, error: str = "") -> DirectiveAck:
    return DirectiveAck(resource=resource, fence=fence, outcome=outcome, error=error, events_through=turn.kept.heard)


# --- events to the router --------------------------------------------------------------------------------------------


def settle(turn: Turn, through: int) -> None:
    """The router has settled the events up to ``through``; what it cannot know is not settled."""
    through = min(through, turn.kept.heard)
    if through <= turn.kept.taken:
        return
    turn.record(EventsTaken(workstream=turn.state.ws, through=through))
    turn.set(handed=max(turn.state.handed, through))
    if turn.state.withheld and len(turn.kept.unsettled) <= UNSETTLED_MAX:
        turn.do(ReleaseLines(through=turn.state.withheld))
        turn.set(withheld=0)


def ask_unsettled(turn: Turn, taken: int) -> None:
    settle(turn, taken)
    *first, last = batches(turn.kept.unsettled)
    ws, through = turn.state.ws, turn.kept.heard
    for events in first:
        turn.send(ROUTER, Produced(workstream=ws, events=events, through=events[-1].n))
    turn.send(ROUTER, Unsettled(workstream=ws, events=last, through=through))
    turn.set(handed=through)


def fresh(turn: Turn) -> tuple[Event, ...]:
    """Events that this incarnation has not handed over."""
    return tuple(event for event in turn.kept.unsettled if event.n > turn.state.handed)


def hand_over(turn: Turn, events: tuple[Event, ...], produced: Produced) -> None:
    """``produced`` with ``events``, in as many letters as they need; the last one carries the answer."""
    *first, last = batches(events)
    for part in first:
        turn.send(ROUTER, Produced(workstream=turn.state.ws, events=part, through=part[-1].n))
    turn.send(ROUTER, produced.model_copy(update={"events": last, "through": turn.kept.heard}))
    turn.set(handed=turn.kept.heard)


def hand_over_fresh(turn: Turn) -> None:
    if events := fresh(turn):
        hand_over(turn, events, Produced(workstream=turn.state.ws, through=turn.kept.heard))


def batches(events: Iterable[Event]) -> list[tuple[Event, ...]]:
    """``events`` in parts that fit a letter; one empty part if there are none."""
    parts: list[list[Event]] = [[]]
    size = 0
    for event in events:
        length = len(event.model_dump_json())
        if parts[-1] and size + length > BATCH_BYTES_MAX:
            parts.append([])
            size = 0
        parts[-1].append(event)
        size += length
    return [tuple(part) for part in parts]
