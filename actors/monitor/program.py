"""The life of the program: attached, greeted, silent, hung, gone, started again, given up.

    DOWN -> ATTACHING -> STARTING -> UP -> ENDING -> DOWN ...          PAUSING between a crash and the next try

*Busy* and *hung* are told apart by what is outstanding: a program that is silent with a command in hand and its
deadline ahead is busy; silent with nothing to do, or with a deadline passed, or without a hello, it is hung, and is
ended with TERM and, after ``HUNG_GRACE_S``, KILL.  In maintenance nothing is judged and nothing restarted.

Restarts follow the pure ``supervision.restarts`` with a pause that doubles; at the limit the program is parked until
an operator releases it.
"""

from alluse_hub.protocols.effects import Stop
from alluse_hub.protocols.lifecycle import KEEP_WORKSTREAMS
from alluse_hub.protocols.program import Attach, Attached, Detach, Dismiss, EndProgram, SignalProgram
from alluse_hub.protocols.workstream import OrderDone, ProgramEnded, ProgramParked, ProgramStarted, Wanted
from alluse_hub.supervision.restarts import count_restart, pause_s, should_restart

from . import commands
from .state import OrderKind, Stage, Turn

HUNG_GRACE_S = 1.0
"""From TERM to KILL for a program that was judged hung: it has shown that it does not listen."""

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
    )
    if turn.state.stopping or turn.kept.parked or turn.kept.wanted is Wanted.STOPPED:
        end(turn)
    else:
        commands.write(turn)


def end(turn: Turn) -> None:
    """End it in order."""
    turn.set(stage=Stage.ENDING)
    turn.do(EndProgram(grace_s=turn.state.spec.grace_s))


# --- judged ----------------------------------------------------------------------------------------------------------


def silent(turn: Turn, age_s: float, why: str) -> None:
    turn.set(is_silent=True, alive_at=turn.at - age_s, silence_s=age_s, silence_why=why)
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


def hang(turn: Turn, why: str) -> None:
    if turn.state.stage not in {Stage.STARTING, Stage.UP} or turn.kept.wanted is Wanted.MAINTENANCE:
        return
    turn.set(stage=Stage.ENDING, hung=why)
    turn.do(SignalProgram(signal="TERM"))
    turn.wake("kill", HUNG_GRACE_S)


def kill(turn: Turn) -> None:
    if turn.state.stage is Stage.ENDING and turn.state.hung:
        turn.do(SignalProgram(signal="KILL"))


# --- gone ------------------------------------------------------------------------------------------------------------


def gone(turn: Turn, cause: str) -> None:
    """The program has ended, or could not be started."""
    state = turn.state
    cause = f"hung: {state.hung} ({cause})" if state.hung else cause
    was_running = state.is_running
    by_itself = state.stage is not Stage.ENDING or bool(state.hung)
    restarts, is_broken = turn.kept.restarts, False
    goes_on = turn.kept.wanted is Wanted.RUNNING and not state.stopping
    again = goes_on and by_itself and should_restart(state.spec.restart, cause)
    if by_itself:
        turn.count(errors=1)
    if again:
        restarts, is_broken = count_restart(restarts, turn.at, state.spec.intensity)
    pid = state.program.pid if state.program is not None else 0
    turn.record(ProgramEnded(workstream=state.ws, pid=pid, cause=cause, restarts=restarts))
    if was_running:
        turn.do(Dismiss())
    turn.set(stage=Stage.DOWN, program=None, written={}, is_silent=False, hung="", withheld=0, promised=0)
    if state.stopping:
        stop_self(turn)
    elif state.order is not None and state.order.kind is not OrderKind.STOP and not by_itself:
        attach(turn)
    elif is_broken:
        limit = state.spec.intensity
        park(turn, f"more than {limit.restarts} restarts within {limit.period_s:g} s; the last end: {cause}")
    elif again:
        spec = state.spec
        turn.set(stage=Stage.PAUSING)
        turn.wake("restart", pause_s(len(restarts), spec.pause_first_s, spec.pause_factor, spec.pause_cap_s))
    elif goes_on and by_itself:
        park(turn, f"it ended ({cause}) and is {state.spec.restart}")
    elif goes_on and not turn.kept.parked:
        attach(turn)  # it was asked to end for an order that has changed since
    else:
        order_is_so(turn, OrderKind.STOP, f"pid {pid} has ended" if pid else "nothing runs")
        order_fails(turn, cause)


def park(turn: Turn, why: str) -> None:
    turn.record(ProgramParked(workstream=turn.state.ws, why=why))
    commands.refuse_all(turn, turn.state.out_why)
    order_fails(turn, turn.state.out_why)


# --- the hub goes down -----------------------------------------------------------------------------------------------


def stop_asked(turn: Turn, reason: str) -> None:
    turn.set(stopping=True)
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
    turn.wake("stop", turn.state.spec.grace_s + STOPPING_EXTRA_S)


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
