"""Orders: from what a person says to the message that does it, and its addressee.

An order that *restricts* (stop, pause, maintenance on, shutdown) goes out after ``Record``: it never waits for a disk.
One that *loosens* (start, restart, resume, maintenance off) goes out after ``Commit``: no power cut undoes it.  Pure.
"""

from dataclasses import dataclass, replace

from alluse_hub.actors.gateway.requests import Gateway
from alluse_hub.protocols.admin import ORDER_TIMEOUT_MAX_S, ORDER_TIMEOUT_S, Code, ShutDown
from alluse_hub.protocols.children import RestartActor, StartActor, StopActor
from alluse_hub.protocols.flow import PauseFlow, ResumeFlow
from alluse_hub.protocols.foresight import Foresee, Foretold
from alluse_hub.protocols.lifecycle import ChildState
from alluse_hub.protocols.meant import nearest
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.names import AUDITOR, REPLICATOR, ROOT, ROUTER
from alluse_hub.protocols.sync import ForceSync, Play, SwitchSync
from alluse_hub.protocols.workstream import Maintain, RestartProgram, StartProgram, StopProgram

REASON_MAX = 500


@dataclass(frozen=True, slots=True)
class Order:
    """``about`` is what the answer will name; empty if there will be none, and then ``text`` is told at once."""

    to: str
    message: Message
    about: str
    loosens: bool
    text: str = ""
    timeout_s: float = ORDER_TIMEOUT_S
    is_foresight: bool = False  # only asked what it would do


@dataclass(frozen=True, slots=True)
class Refusal:
    code: Code
    message: str
    hint: str = ""


def order(state: Gateway, ask: str, args: Json, user: str, request: str = "") -> Order | Refusal:
    """What to send for ``ask``, one of ``admin.ORDERS``."""
    name, reason = args.get("name", ""), args.get("reason", "")
    if not isinstance(name, str) or not isinstance(reason, str) or len(reason) > REASON_MAX:
        return Refusal(Code.USAGE, f"name and reason are texts, the reason of at most {REASON_MAX} characters")
    timeout_s = timeout_of(args)
    if timeout_s is None:
        return Refusal(Code.USAGE, f"timeout_s is a number of seconds above 0, at most {ORDER_TIMEOUT_MAX_S:.0f}")
    if args.get("dry_run") is True:
        return _foreseen(state, ask, name, args, timeout_s)
    match ask:
        case "shutdown":
            keep = args.get("keep_workstreams") is True
            message = ShutDown(by=user, reason=reason or "asked", keep_workstreams=keep)
            return Order(ROOT, message, "", loosens=False, text="the hub ends")
        case "flow":
            return _flow(state, name, args, timeout_s)
        case "sync":
            wanted = _sync(state, name, reason, args, user, timeout_s)
            return _named(wanted, request) if isinstance(wanted, Order) else wanted
        case "maintenance":
            return _maintenance(state, name, reason, args, user, timeout_s)
        case _:
            return _life(state, ask, name, reason, args, user, timeout_s)


def unless_nobody_is_there(state: Gateway, wanted: Order, at: float) -> Order | Refusal:
    """An order for somebody who cannot answer is refused at once, with what to do.  What restricts is held back only
    where its supervisor says that there is nobody to hear it."""
    breaker = state.breaker(wanted.to)
    if not breaker.refuses(at) or (breaker.standing is None and not wanted.loosens):
        return wanted
    name = wanted.to
    cell = state.spec.cells.get(name, "")
    actor = cell or f"{name} --monitor" if name in state.spec.workstreams else name
    match breaker.standing:
        case ChildState.PARKED | ChildState.STOPPED:
            hint = f"`why {name}` tells what happened; `start {actor}` starts it again"
        case ChildState.RESTARTING:
            hint = f"ask again when it is back; `why {name}` tells what happened"
        case _:
            hint = f"`restart {actor}` makes a new one; one request is tried again in a while"
    return Refusal(Code.CONFLICT, breaker.why(name, at), hint)


def timeout_of(args: Json) -> float | None:
    """None if it is no number of seconds that is allowed."""
    value = args.get("timeout_s", ORDER_TIMEOUT_S)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= ORDER_TIMEOUT_MAX_S:
        return None
    return float(value)


def _flow(state: Gateway, name: str, args: Json, timeout_s: float) -> Order | Refusal:
    if name not in state.spec.flows:
        return _unknown("flow", name, state.spec.flows)
    on = args.get("on")
    if not isinstance(on, bool):
        return Refusal(Code.USAGE, "say whether the flow is to be `on`: true or false")
    message = ResumeFlow(flow=name) if on else PauseFlow(flow=name)
    return Order(ROUTER, message, f"flow:{name}", loosens=on, timeout_s=timeout_s)


def _sync(state: Gateway, name: str, reason: str, args: Json, user: str, timeout_s: float) -> Order | Refusal:
    """To play and to force loosens; to pause and to stop restricts."""
    if name not in state.spec.syncs and (name != "all" or not state.spec.syncs):
        return _unknown("sync", name, (*state.spec.syncs, "all"))
    do, keep = args.get("do"), args.get("keep", "")
    if do == "force" and keep in {"", "source", "target"}:
        message: Message = ForceSync(sync=name, by=user, reason=reason, keep=str(keep))
        return Order(REPLICATOR, message, f"sync:{name}", loosens=True, timeout_s=timeout_s)
    plays = {"play": Play.PLAYING, "pause": Play.PAUSED, "stop": Play.STOPPED}
    if not isinstance(do, str) or do not in plays or keep:
        return Refusal(Code.USAGE, "do is `play`, `pause`, `stop` or `force`; keep is `source` or `target`, to force")
    message = SwitchSync(sync=name, play=plays[do], by=user, reason=reason)
    return Order(REPLICATOR, message, f"sync:{name}", loosens=do == "play", timeout_s=timeout_s)


def _named(wanted: Order, request: str) -> Order:
    """A forced sync may be answered when its deadline has passed and another is under way: the answer says to whom."""
    return replace(wanted, message=wanted.message.model_copy(update={"request": request}))


def _maintenance(state: Gateway, name: str, reason: str, args: Json, user: str, timeout_s: float) -> Order | Refusal:
    if name not in state.spec.workstreams:
        return _unknown("workstream", name, state.spec.workstreams)
    on = args.get("on")
    if not isinstance(on, bool):
        return Refusal(Code.USAGE, "say whether maintenance is to be `on`: true or false")
    message = Maintain(on=on, by=user, reason=reason)
    return Order(name, message, f"program:{name}", loosens=not on, timeout_s=timeout_s)


def _life(state: Gateway, ask: str, name: str, reason: str, args: Json, user: str, timeout_s: float) -> Order | Refusal:
    loosens = ask != "stop"
    if name in state.spec.workstreams and args.get("monitor") is not True:
        programs = {"restart": RestartProgram, "stop": StopProgram, "start": StartProgram}
        message: Message = programs[ask](by=user, reason=reason)
        return Order(name, message, f"program:{name}", loosens, timeout_s=timeout_s)
    if name == ROOT:
        return Refusal(Code.CONFLICT, "the hub as a whole is ended by `shutdown` and started by `serve`")
    if name in state.spec.cells:
        return _not_alone(state, ask, name)
    if name not in state.spec.supervisors:
        return _unknown("workstream or actor", name, (*state.spec.workstreams, *state.spec.supervisors))
    if ask == "stop" and name in {AUDITOR, state.name}:
        why = "nothing could be recorded" if name == AUDITOR else "nobody could ask for its start"
        return Refusal(Code.CONFLICT, f"{name} is not stopped alone: {why}", "`restart` it, or `shutdown` the hub")
    why_asked = f"asked by {user}{': ' if reason else ''}{reason}"
    message = _actor_order(ask, name, why_asked)
    is_own_end = name == state.name
    text = "the gateway restarts; this connection ends" if is_own_end else ""
    about = "" if is_own_end else f"actor:{name}"
    return Order(state.spec.supervisors[name], message, about, loosens, text, timeout_s)


def _foreseen(state: Gateway, ask: str, name: str, args: Json, timeout_s: float) -> Order | Refusal:
    """The question of what the order would do, to whom the order would go; refused where that would be."""
    if ask not in set(Foretold):
        return Refusal(Code.USAGE, f"{ask} cannot be rehearsed", f"these can: {', '.join(Foretold)}")
    real = _life(state, ask, name, "", args, "", timeout_s)
    if isinstance(real, Refusal):
        return real
    question = Foresee(name=name, order=Foretold(ask))
    return Order(real.to, question, f"foreseen:{name}", loosens=False, timeout_s=timeout_s, is_foresight=True)


def _not_alone(state: Gateway, ask: str, name: str) -> Refusal:
    """A monitor in a cell has no process of its own that could be ended or started."""
    cell = state.spec.cells[name]
    count = sum(other == cell for other in state.spec.cells.values())
    hint = {
        "restart": f"`restart {cell}` restarts all of it and leaves the programs running;"
        f" `restart {name}` restarts its program",
        "stop": f"`stop {name}` stops its program; `maintenance {name} on` leaves it alone",
        "start": f"`start {cell}` starts all of it; `start {name}` starts its program",
    }
    what = f"the monitor of {name} lives in {cell}, one process for {count}: there is no {ask} for it alone"
    return Refusal(Code.CONFLICT, what, hint[ask])


def _actor_order(ask: str, name: str, reason: str) -> Message:
    match ask:
        case "restart":
            return RestartActor(name=name, reason=reason)
        case "stop":
            return StopActor(name=name, reason=reason)
        case _:
            return StartActor(name=name)


def _unknown(kind: str, name: str, known: tuple[str, ...]) -> Refusal:
    near = nearest(name, known)
    hint = f"did you mean {near}?" if near is not None else f"known: {', '.join(sorted(set(known)))}"
    return Refusal(Code.NOT_FOUND, f"{name!r} is no {kind}", hint)
