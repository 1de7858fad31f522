"""The monitor's core: one workstream's watcher and its only link to the hub.

It keeps the program running as its operator wants it, passes commands in and events out without losing or doubling
one over any death, and says how the workstream is.  Durable for what is wanted, the fences, the open commands and the
events that the router has not settled; everything else is learned again.
"""

from alluse_hub.protocols.arbitration import AskYield, RuleYield, StandDown
from alluse_hub.protocols.claims import ClaimVerdict, Directive
from alluse_hub.protocols.effects import Core, Decision, Effect, Send
from alluse_hub.protocols.flow import AskUnsettled, Deliver, Present
from alluse_hub.protocols.foresight import Foresee
from alluse_hub.protocols.lifecycle import PeerDown, PeerUp, Started, StopAsked, Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.names import BOARD, COORDINATOR, REPLICATOR, ROUTER
from alluse_hub.protocols.program import (
    Attach,
    Attached,
    AttachFailed,
    BeatsBack,
    EndProgram,
    EndShim,
    LinesRead,
    Look,
    Looked,
    NotRunning,
    ProgramGone,
    Replaced,
    ShimForeign,
    SignalProgram,
    WentSilent,
)
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.versions import AskDatasets
from alluse_hub.protocols.workstream import (
    Command,
    Maintain,
    MonitorSpec,
    OrderDone,
    RestartProgram,
    ShimReplaced,
    StartProgram,
    StopProgram,
)

from . import announcing, claiming, commands, foresight, hearing, orders, program, show, yields
from .state import FACTS, Monitor, OrderKind, Stage, Turn, evolve, restore, start

ACCEPTS: frozenset[type[Message]] = frozenset(
    {
        AskDatasets,
        AskUnsettled,
        AskYield,
        AttachFailed,
        Attached,
        BeatsBack,
        ClaimVerdict,
        Command,
        Deliver,
        Directive,
        Foresee,
        LinesRead,
        Looked,
        Maintain,
        NotRunning,
        PeerDown,
        PeerUp,
        Present,
        ProgramGone,
        Replaced,
        RuleYield,
        ShimForeign,
        StandDown,
        RestartProgram,
        StartProgram,
        Started,
        StopAsked,
        StopProgram,
        WentSilent,
        Woken,
    }
)

ANSWERS: dict[type[Message], frozenset[type[Message]]] = {
    Attach: frozenset({Attached, AttachFailed, NotRunning, LinesRead}),
    EndProgram: frozenset({ProgramGone}),
    SignalProgram: frozenset({ProgramGone}),
    EndShim: frozenset({ProgramGone}),
}
"""The first lines after the attaching are its hello, or what it had to say meanwhile.  A program that goes unasked
begins a chain of its own."""


def decide(state: Monitor, letter: Envelope) -> Decision[Monitor]:
    turn = Turn(state, letter.at)
    take(turn, letter)
    show.finish(turn)
    return turn.decision()


def take(turn: Turn, letter: Envelope) -> None:
    match letter.body:
        case Started():
            started(turn)
        case LinesRead() as read:
            hearing.hear(turn, read)
            orders.up(turn)
        case Deliver() as asked:
            commands.deliver(turn, asked)
        case Command() as asked:
            commands.command(turn, asked, letter.sender)
        case Directive() | StandDown() | AskYield() | RuleYield() | ClaimVerdict() as word:
            arbitrated(turn, word, letter.sender)
        case AskUnsettled() | AskDatasets():
            questioned(turn, letter.body)
        case Attached() as there:
            program.attached(turn, there)
            orders.up(turn)
        case AttachFailed(error=error):
            program.gone(turn, error)
        case ShimForeign(pid=pid, protocol=protocol, spoken=spoken):
            turn.record(ShimReplaced(workstream=turn.state.ws, pid=pid, protocol=protocol, spoken=spoken))
        case NotRunning():
            not_running(turn)
        case ProgramGone(cause=cause):
            program.gone(turn, cause)
        case Replaced():
            program.stop_self(turn)
        case WentSilent() as silence:
            program.silent(turn, silence)
        case BeatsBack():
            turn.set(is_silent=False, alive_at=turn.at)
        case Looked(age_s=age_s, halted=halted):
            turn.set(alive_at=turn.at - age_s, halted=halted)
            program.judge(turn)
            show.beat(turn)
        case Woken(timer=timer):
            woken(turn, timer)
        case Present(workstream=workstream, presence=presence):
            if workstream in turn.state.spec.depends_on:
                turn.set(needs={**turn.state.needs, workstream: presence == "up"})
        case PeerDown() as down:
            peer_down(turn, down)
        case PeerUp(name=name, incarnation=incarnation):
            peer_up(turn, name, incarnation)
        case StartProgram() | StopProgram() | RestartProgram() | Maintain() | Foresee():
            ordered(turn, letter.body, letter.sender)
        case StopAsked(reason=reason, left_s=left_s):
            program.stop_asked(turn, reason, left_s)
        case other:
            raise TypeError(f"a monitor does not take {type(other).__name__}")


def arbitrated(turn: Turn, word: Directive | StandDown | AskYield | RuleYield | ClaimVerdict, asker: str) -> None:
    match word:
        case ClaimVerdict():
            claiming.answered(turn, word)
        case Directive():
            if yields.heeds(turn, word.epoch):
                commands.directive(turn, word, asker)
        case StandDown():
            yields.stand_down(turn, word, asker)
        case AskYield():
            yields.asked(turn, word, asker)
        case RuleYield():
            yields.ruled(turn, word, asker)


def ordered(turn: Turn, order: StartProgram | StopProgram | RestartProgram | Maintain | Foresee, asker: str) -> None:
    match order:
        case Foresee():
            now = replace(turn.state)  # nothing has come of this letter yet
            turn.send(asker, foresight.foreseen(decide, Woken(timer=foresight.RETRY), now, order, turn.at))
        case StartProgram(by=by, reason=reason):
            orders.start(turn, by, reason, asker)
        case StopProgram(by=by, reason=reason):
            orders.stop(turn, by, reason, asker)
        case RestartProgram(by=by, reason=reason):
            orders.restart(turn, by, reason, asker)
        case Maintain(on=on, by=by, reason=reason):
            orders.maintain(turn, on, by, reason, asker)


def questioned(turn: Turn, question: AskUnsettled | AskDatasets) -> None:
    match question:
        case AskUnsettled(taken=taken):
            commands.ask_unsettled(turn, taken)
        case AskDatasets(number=number, heard=heard):
            announcing.asked(turn, number, heard)


def started(turn: Turn) -> None:
    turn.set(traffic=replace(turn.state.traffic, began=turn.at), handed=turn.kept.taken)
    turn.wake("pulse", turn.state.spec.pulse_s)
    commands.hand_over_fresh(turn)
    program.attach(turn, start=not turn.state.is_out)
    commands.arm(turn)
    claiming.say_again(turn)


def not_running(turn: Turn) -> None:
    """Nothing was to be started when the adapter was asked; an order may have come since."""
    turn.set(stage=Stage.DOWN)
    if turn.state.stopping:
        program.stop_self(turn)
    elif not turn.state.is_out or (turn.state.order is not None and turn.state.order.kind is not OrderKind.STOP):
        program.attach(turn)
    else:
        program.order_is_so(turn, OrderKind.STOP, "nothing ran")


def woken(turn: Turn, timer: str) -> None:
    match timer:
        case "pulse":
            turn.wake("pulse", turn.state.spec.pulse_s)
            announcing.tell(turn, news=True)
            program.judge(turn)
            if turn.state.is_running:
                turn.do(Look())
            else:
                show.beat(turn)
        case "deadline":
            why = commands.overdue(turn)
            if why:
                program.hang(turn, why)
            else:
                program.judge(turn)
        case "kill":
            program.kill(turn)
        case "restart":
            if turn.state.stage is Stage.PAUSING:
                program.attach(turn)
        case "order":
            orders.overdue(turn)
        case claiming.TIMER:
            claiming.woken(turn)
        case "shim":
            program.end_shim(turn)
        case "stop":
            program.end_shim(turn)
            program.stop_self(turn)
        case other:
            raise ValueError(f"a monitor sets no timer {other!r}")


def heeds(state: Monitor, name: str) -> bool:
    """Those that are told something, and may have to be told again; and those that it needs."""
    return name in {ROUTER, COORDINATOR, BOARD, *state.spec.needed_by, *state.spec.depends_on}


def peer_down(turn: Turn, down: PeerDown) -> None:
    """The monitor of a workstream that this one needs is down; said too late, its next incarnation is up already."""
    if down.name in turn.state.spec.depends_on and down.incarnation >= turn.state.met.get(down.name, 0):
        turn.set(unwatched={**turn.state.unwatched, down.name: down})
        show.beat(turn)


def peer_up(turn: Turn, name: str, incarnation: int) -> None:
    """What a peer was told may have gone down with its earlier incarnation."""
    if name in turn.state.spec.depends_on:
        turn.set(met={**turn.state.met, name: max(incarnation, turn.state.met.get(name, 0))})
        was = turn.state.unwatched.get(name)
        if was is not None and was.incarnation < incarnation:
            turn.set(unwatched={each: down for each, down in turn.state.unwatched.items() if each != name})
            show.beat(turn)
    if name in {ROUTER, COORDINATOR, *turn.state.spec.needed_by} and turn.state.told:
        turn.send(name, Present(workstream=turn.state.ws, presence=turn.state.told))
        if name == REPLICATOR:
            announcing.asked_afresh(turn)
    elif name == BOARD:
        show.beat(turn)
    if name == COORDINATOR:
        claiming.say_again(turn)


def unrecorded(state: Monitor, letter: Envelope, why: str) -> tuple[Effect, ...]:
    """An order that is not in the trail is not carried out, now or later."""
    if not isinstance(letter.body, StartProgram | RestartProgram):
        return ()
    text = f"not done, since it could not be recorded: {why}"
    return (Send(letter.sender, OrderDone(workstream=state.ws, ok=False, text=text)),)


CORE: Core[Monitor] = Core(
    start=start,
    decide=decide,
    spec=MonitorSpec,
    accepts=ACCEPTS,
    evolve=evolve,
    facts=FACTS,
    restore=restore,
    heeds=heeds,
    answers=ANSWERS,
    unrecorded=unrecorded,
)
