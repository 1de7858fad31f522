"""The life of the program: attached, greeted, silent, hung, gone, started again, given up.

    DOWN -> ATTACHING -> STARTING -> UP -> ENDING -> DOWN ...          PAUSING between a crash and the next try

*Busy* and *hung* are told apart by what is outstanding: a program that is silent with a command in hand and its
deadline ahead is busy; silent with nothing to do, or with a deadline passed, or without a hello, it is hung, and is
ended with TERM and, after ``HUNG_GRACE_S``, KILL.  In maintenance nothing is judged and nothing restarted.

Restarts follow the pure ``supervision.restarts`` with a pause that doubles, until a program was up for a quiet time; at
the limit the program is parked until an operator releases it.
"""

from alluse_hub.protocols.effects import Stop
from alluse_hub.protocols.ending import Overran, Overrun
from alluse_hub.protocols.lifecycle import KEEP_WORKSTREAMS
from alluse_hub.protocols.names import ROOT
from alluse_hub.protocols.program import (
    Attach,
    Attached,
    Detach,
    Dismiss,
    EndProgram,
    EndShim,
    SignalProgram,
    WentSilent,
)
from alluse_hub.protocols.workstream import (
    MonitorSpec,
    OrderDone,
    ProgramEnded,
    ProgramParked,
    ProgramStarted,
    Wanted,
)
from alluse_hub.supervision.restarts import count_restart, jittered_s, pause_s, row_after, should_restart

from . import commands, poison
from .state import Monitor, OrderKind, Stage, Turn

KILLED_BY_SHIM = "killed by SIGKILL"
"""How the end of a program is told that listened to nothing else."""

HUNG_GRACE_S = 1.0
"""From TERM to KILL for a program that was judged hung: it has shown that it does not listen."""

SHIM_GRACE_S = 2.0
"""From KILL to the end of the shim: a shim that listens has told of its program's end in a few milliseconds."""

LAST_STEPS_S = 1.5
"""The least that is kept for them: a second from TERM to KILL, and the word of it."""

GRACE_LEAST_S = 0.01
"""A program with no time left is still asked before it is told."""

STOPPING_EXTRA_S = 3.0
"""Beyond the grace: the shim's TERM and KILL, and the way back."""


def attach(turn: Turn, *, start: bool = True) -> None:
    turn.set(stage=Stage.ATTACHING)
    turn.do(Attach(start=start))


def attached(turn: Turn, program: Attached) -> None:
    known = program.adopted and (turn.kept.pid, turn.kept.start_ticks) == (program.pid, program.start_ticks)
    turn.record(
        ProgramStarted(
            workstream=turn.state.ws,
            pid=program.pid,
            start_ticks=program.start_ticks,
            shim_pid=program.shim_pid,
            shim_ticks=program.shim_ticks,
            adopted=program.adopted,
            count=max(1, turn.kept.starts + (0 if known else 1)),
        )
    )
    turn.set(
        program=program,
        stage=Stage.UP if turn.kept.greeted else Stage.STARTING,
        is_silent=False,
        hung="",
        promised=0,
        alive_at=turn.at,
        attached_at=turn.at,
    )
    if turn.state.stopping or turn.kept.parked or turn.kept.wanted is Wanted.STOPPED:
        end(turn)
    else:
        commands.write(turn)


def end(turn: Turn) -> None:
    """End it in order."""
    turn.set(stage=Stage.ENDING, ending_at=turn.at)
    turn.do(EndProgram(grace_s=grace_s(turn.state)))
    turn.wake("shim", grace_s(turn.state) + STOPPING_EXTRA_S)


def grace_s(state: Monitor) -> float:
    """What a program is given: of the share that a monitor has at the hub's end, room is kept for TERM and KILL."""
    if state.left_s is None:
        return state.spec.grace_s
    comfortable_s = max(state.left_s - STOPPING_EXTRA_S, state.left_s / 2)
    return max(GRACE_LEAST_S, min(state.spec.grace_s, comfortable_s, state.left_s - LAST_STEPS_S))


# --- judged ----------------------------------------------------------------------------------------------------------


def silent(turn: Turn, silence: WentSilent) -> None:
    age_s = silence.age_s
    turn.set(is_silent=True, alive_at=turn.at - age_s, silence_s=age_s, silence_why=silence.why, halted=silence.halted)
    judge(turn)


def judge(turn: Turn) -> None:
    """Whether a silent program is to be taken for hung.  One whose lines are held back cannot be heard."""
    if not turn.state.is_silent or turn.state.withheld:
        return
    silence = f"silent for {turn.at - turn.state.alive_at:.1f} s"
    if turn.state.stage is Stage.STARTING:
        hang(turn, f"{silence} and no hello yet{turn.state.grounds}")
    elif turn.state.stage is Stage.UP and not turn.state.written:
        hang(turn, f"{silence} with nothing to do{turn.state.grounds}")
    elif turn.state.stage is Stage.UP and turn.state.halted:
        hang(turn, f"{silence}, and {turn.state.halted}{turn.state.grounds}")


def hang(turn: Turn, why: str) -> None:
    if turn.state.stage not in {Stage.STARTING, Stage.UP} or turn.kept.wanted is Wanted.MAINTENANCE:
        return
    turn.set(stage=Stage.ENDING, hung=why)
    turn.do(SignalProgram(signal="TERM"))
    turn.wake("kill", HUNG_GRACE_S)
    turn.wake("shim", HUNG_GRACE_S + SHIM_GRACE_S)


def kill(turn: Turn) -> None:
    if turn.state.stage is Stage.ENDING and turn.state.hung:
        turn.do(SignalProgram(signal="KILL"))


def end_shim(turn: Turn) -> None:
    """Its program should have ended long ago, whatever it does: it is the shim that does not listen."""
    if turn.state.stage is Stage.ENDING:
        turn.do(EndShim())


# --- gone ------------------------------------------------------------------------------------------------------------


def gone(turn: Turn, cause: str) -> None:
    """The program has ended, or could not be started."""
    state = turn.state
    cause = f"hung: {state.hung} ({cause})" if state.hung else cause
    was_running = state.is_running
    by_itself = state.stage is not Stage.ENDING or bool(state.hung)
    restarts, is_broken, row = turn.kept.restarts, False, turn.kept.row
    goes_on = turn.kept.wanted is Wanted.RUNNING and not state.stopping
    again = goes_on and by_itself and should_restart(state.spec.restart, cause)
    if by_itself:
        turn.count(errors=1)
    if again:
        restarts, is_broken = count_restart(restarts, turn.at, state.spec.intensity)
        row = row_after(row, turn.at - state.attached_at if turn.kept.greeted else 0.0, state.spec.pause_reset_s)
    pid = state.program.pid if state.program is not None else 0
    overran(turn, cause)
    key = poison.in_hand(state) if by_itself else ""
    turn.record(ProgramEnded(workstream=state.ws, pid=pid, cause=cause, restarts=restarts, row=row, in_hand=key))
    if was_running:
        turn.do(Dismiss())
    turn.set(stage=Stage.DOWN, program=None, written={}, is_silent=False, hung="", withheld=0, promised=0, late="")
    if not is_broken:
        poison.weigh(turn, key, cause)
    if state.stopping:
        stop_self(turn)
    elif state.order is not None and state.order.kind is not OrderKind.STOP and not by_itself:
        attach(turn)
    elif is_broken:
        limit = state.spec.intensity
        park(turn, f"more than {limit.restarts} restarts within {limit.period_s:g} s; the last end: {cause}")
    elif again:
        turn.set(stage=Stage.PAUSING)
        turn.wake("restart", pause_before(state.spec, row, turn.kept.starts, turn.at))
    elif goes_on and by_itself:
        park(turn, f"it ended ({cause}) and is {state.spec.restart}")
    elif goes_on and not turn.kept.parked:
        attach(turn)  # it was asked to end for an order that has changed since
    else:
        order_is_so(turn, OrderKind.STOP, f"pid {pid} has ended" if pid else "nothing runs")
        order_fails(turn, cause)


def overran(turn: Turn, cause: str) -> None:
    """Whoever conducts the hub's end is told of a program that had to be made to end."""
    state = turn.state
    if state.left_s is None or state.stage is not Stage.ENDING or state.hung:
        return
    allowed_s, took_s = grace_s(state), turn.at - state.ending_at
    if took_s <= allowed_s:
        return
    told = Overrun(
        name=f"the program of {state.ws}",
        of=state.ws,
        allowed_s=round(allowed_s, 3),
        took_s=round(took_s, 3),
        killed=cause == KILLED_BY_SHIM,
    )
    turn.record(Overran(overrun=told))
    turn.send(ROOT, told)


def pause_before(spec: MonitorSpec, row: int, start: int, at: float) -> float:
    """Seconds before restart number ``row`` of a row, the one after start number ``start``."""
    whole = pause_s(row, spec.pause_first_s, spec.pause_factor, spec.pause_cap_s)
    return jittered_s(whole, spec.pause_jitter, spec.workstream, start, at)


def park(turn: Turn, why: str) -> None:
    turn.record(ProgramParked(workstream=turn.state.ws, why=why))
    commands.refuse_all(turn, turn.state.out_why)
    order_fails(turn, turn.state.out_why)


# --- the hub goes down -----------------------------------------------------------------------------------------------


def stop_asked(turn: Turn, reason: str, left_s: float | None) -> None:
    turn.set(stopping=True, left_s=left_s)
    if reason == KEEP_WORKSTREAMS:
        turn.do(Detach())
        stop_self(turn)
        return
    match turn.state.stage:
        case Stage.DOWN | Stage.PAUSING:
            stop_self(turn)
            return
        case Stage.STARTING | Stage.UP:
            end(turn)
        case Stage.ATTACHING | Stage.ENDING:
            pass  # what comes of it is looked at when it comes
    turn.wake("stop", grace_s(turn.state) + STOPPING_EXTRA_S)


def stop_self(turn: Turn) -> None:
    turn.effects.append(Stop(turn.state.spec.workstream, "shutdown", 0.0))


# --- an operator's order ---------------------------------------------------------------------------------------------


def order_is_so(turn: Turn, kind: OrderKind, text: str) -> None:
    order = turn.state.order
    if order is not None and order.kind is kind:
        turn.set(order=None)
        turn.send(order.asker, OrderDone(workstream=turn.state.ws, ok=True, text=text))


def order_fails(turn: Turn, why: str) -> None:
    if turn.state.order is not None:
        turn.send(turn.state.order.asker, OrderDone(workstream=turn.state.ws, ok=False, text=why))
        turn.set(order=None)
