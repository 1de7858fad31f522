"""What operators order: start, stop, restart, maintenance.

What is wanted is committed before anything is done about it, and it survives everything.  ``OrderDone`` is sent when
the order is really so: a restart is done when the new program has said hello, and its text names both pids.  A newer
order takes the place of one that is not done yet.
"""

from alluse_hub.protocols.effects import CancelWake
from alluse_hub.protocols.workstream import OrderDone, Wanted, WantedChanged

from . import commands, program
from .state import Order, OrderKind, Stage, Turn

ORDER_TIMEOUT_S = 60.0
"""After this the asker is told that it is not so yet; the order itself stands."""


def wants(turn: Turn, wanted: Wanted, by: str, reason: str) -> None:
    turn.commit(WantedChanged(workstream=turn.state.ws, wanted=wanted, by=by, reason=reason))


def take(turn: Turn, kind: OrderKind, asker: str) -> None:
    program.order_fails(turn, f"a newer order, {kind}, took its place")
    old_pid = turn.state.program.pid if turn.state.program is not None else 0
    turn.set(order=Order(kind, asker, old_pid))
    turn.wake("order", ORDER_TIMEOUT_S)


def start(turn: Turn, by: str, reason: str, asker: str) -> None:
    wants(turn, Wanted.RUNNING, by, reason)
    take(turn, OrderKind.START, asker)
    match turn.state.stage:
        case Stage.UP:
            up(turn)
        case Stage.DOWN | Stage.PAUSING:
            run(turn)
        case Stage.ATTACHING | Stage.STARTING | Stage.ENDING:
            pass  # the hello, or the end and a new start, will come


def stop(turn: Turn, by: str, reason: str, asker: str) -> None:
    wants(turn, Wanted.STOPPED, by, reason)
    take(turn, OrderKind.STOP, asker)
    commands.refuse_all(turn, turn.state.out_why)
    match turn.state.stage:
        case Stage.STARTING | Stage.UP:
            program.end(turn)
        case Stage.DOWN | Stage.PAUSING:
            turn.effects.append(CancelWake("restart"))
            turn.set(stage=Stage.DOWN)
            program.order_is_so(turn, OrderKind.STOP, "nothing ran")
        case Stage.ATTACHING | Stage.ENDING:
            pass  # it is ended when it is there


def restart(turn: Turn, by: str, reason: str, asker: str) -> None:
    """Costs nothing of the intensity.  In maintenance it stays in maintenance."""
    keeps = turn.kept.wanted is Wanted.MAINTENANCE
    wants(turn, Wanted.MAINTENANCE if keeps else Wanted.RUNNING, by, reason)
    take(turn, OrderKind.RESTART, asker)
    match turn.state.stage:
        case Stage.STARTING | Stage.UP:
            program.end(turn)
        case Stage.DOWN | Stage.PAUSING:
            run(turn)
        case Stage.ATTACHING | Stage.ENDING:
            pass  # a new start is on its way


def maintain(turn: Turn, on: bool, by: str, reason: str, asker: str) -> None:
    if not on and turn.kept.wanted is not Wanted.MAINTENANCE:
        ws, wanted = turn.state.ws, turn.kept.wanted
        text = f"{ws} is not in maintenance: it is wanted {wanted}" + (
            "; `start` starts it" if wanted is Wanted.STOPPED else ""
        )
        turn.send(asker, OrderDone(workstream=ws, ok=False, text=text))
        return
    wants(turn, Wanted.MAINTENANCE if on else Wanted.RUNNING, by, reason)
    if on and turn.state.stage is Stage.PAUSING:
        turn.effects.append(CancelWake("restart"))
        turn.set(stage=Stage.DOWN)
    elif not on and turn.state.stage is Stage.DOWN:
        program.attach(turn)
    if not on:
        program.judge(turn)
    text = "in maintenance: not judged, not restarted, left alone" if on else "watched again"
    turn.send(asker, OrderDone(workstream=turn.state.ws, ok=True, text=text))


def run(turn: Turn) -> None:
    turn.effects.append(CancelWake("restart"))
    program.attach(turn)


def up(turn: Turn) -> None:
    """The program is there: tell who ordered it."""
    order, now = turn.state.order, turn.state.program
    if order is None or now is None or turn.state.stage is not Stage.UP:
        return
    match order.kind:
        case OrderKind.START if order.old_pid == now.pid:
            program.order_is_so(turn, OrderKind.START, f"it runs, pid {now.pid}")
        case OrderKind.START:
            program.order_is_so(turn, OrderKind.START, f"started, pid {now.pid}")
        case OrderKind.RESTART:
            was = f"pid {order.old_pid} ended, " if order.old_pid else ""
            program.order_is_so(turn, OrderKind.RESTART, f"{was}pid {now.pid} runs")
        case OrderKind.STOP:
            pass


def overdue(turn: Turn) -> None:
    program.order_fails(turn, f"not done within {ORDER_TIMEOUT_S:g} s; {turn.state.ws} is {turn.state.status}")
