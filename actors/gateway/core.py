"""What the gateway does with a request: ask the board, give an order, or have its worker read the trail.

Reading waits for the board at most ``board_timeout_s``; an order waits for its own deadline, which is set before the
order is committed, so that a trail that does not answer cannot keep a person waiting for ever.  An order that is safe
on the disk only after its deadline is not given any more: whoever gave it was told so.  Pure.
"""

from dataclasses import replace

from alluse_hub.actors.gateway import governing
from alluse_hub.actors.gateway.orders import Order, Refusal, order, unless_nobody_is_there
from alluse_hub.actors.gateway.requests import OPEN_MAX, Gateway, GatewaySpec, Open
from alluse_hub.protocols.admin import (
    MIXED_ASKS,
    ORDERS,
    VIEWS,
    Answer,
    AskBoard,
    Asked,
    Code,
    Listen,
    OrderGiven,
    PeopleTurnedAway,
    ReadTrail,
    TurnedAway,
)
from alluse_hub.protocols.board import BoardShown
from alluse_hub.protocols.children import ActorOrderDone
from alluse_hub.protocols.effects import CancelWake, Commit, Core, Decision, Do, Effect, Record, Send, Wake
from alluse_hub.protocols.ending import PHASES, CloseIntake, IntakeClosed
from alluse_hub.protocols.flow import FlowOrderDone
from alluse_hub.protocols.foresight import Foreseen
from alluse_hub.protocols.lifecycle import PeerDown, PeerUp, Started, Woken
from alluse_hub.protocols.message import Envelope, Json, Message
from alluse_hub.protocols.names import BOARD
from alluse_hub.protocols.ruleset import CoordinationDone
from alluse_hub.protocols.sync import SyncOrderDone
from alluse_hub.protocols.workstream import OrderDone

RECORDED = "recorded "
"""Before the name of a request: a timer that stands behind its ``Commit``, so it comes up when that is stored."""


def start(name: str, spec: Message) -> Gateway:
    assert isinstance(spec, GatewaySpec), f"{name} is given a gateway's specification"
    return Gateway(name, spec)


def decide(state: Gateway, letter: Envelope) -> Decision[Gateway]:
    match letter.body:
        case Started():
            return Decision(state, (Do(Listen()),))
        case TurnedAway() as word:
            fact = PeopleTurnedAway(uid=word.uid, user=word.user, pid=word.pid, count=word.count)
            return Decision(state, (Record(fact),))
        case Asked() as asked:
            return take(state, asked, letter.at)
        case BoardShown(request=request, view=view):
            return shown(state, request, view)
        case PeerDown(name=name) as word:
            return went_down(state.with_breaker(name, state.breaker(name).down(word, letter.at)), name, letter.at)
        case PeerUp(name=name, incarnation=incarnation):
            return Decision(state.with_breaker(name, state.breaker(name).up(incarnation)))
        case OrderDone(workstream=name, ok=ok, text=text):
            return done(answered(state, letter.sender), f"program:{name}", ok=ok, text=text)
        case ActorOrderDone(name=name, ok=ok, text=text):
            return done(answered(state, letter.sender), f"actor:{name}", ok=ok, text=text)
        case FlowOrderDone(flow=name, ok=ok, text=text):
            return done(answered(state, letter.sender), f"flow:{name}", ok=ok, text=text)
        case SyncOrderDone(request=request) if request and request not in state.open:
            return Decision(answered(state, letter.sender))  # its deadline has passed; another may be under way
        case SyncOrderDone(sync=name, ok=ok, text=text):
            return done(answered(state, letter.sender), f"sync:{name}", ok=ok, text=text)
        case CoordinationDone() as word:
            return coordinated(answered(state, letter.sender), word)
        case Foreseen() as told:
            return foreseen(state, told)
        case Woken(timer=timer) if timer.startswith(RECORDED):
            return recorded(state, timer.removeprefix(RECORDED), letter.at)
        case Woken(timer=timer):
            return late(state, timer, letter.at)
        case CloseIntake(left_s=left_s):
            return Decision(replace(state, ends_by=letter.at + left_s), (Send(letter.sender, IntakeClosed()),))
        case other:
            raise TypeError(f"a gateway does not take {type(other).__name__}")


def take(state: Gateway, asked: Asked, at: float) -> Decision[Gateway]:
    if len(state.open) >= OPEN_MAX:
        return _refuse(state, asked, Refusal(Code.CONFLICT, "too many requests are open", "ask again in a moment"))
    if asked.ask in VIEWS or asked.ask in MIXED_ASKS:
        question = AskBoard(request=asked.request, view=asked.ask, args=asked.args)
        return Decision(
            state.holding(Open(asked.request, asked.ask, asked.args, asked.user)),
            (Wake(asked.request, state.spec.board_timeout_s), Send(BOARD, question)),
        )
    if asked.ask in ORDERS and state.ends_by is not None:
        return too_late(state, asked, max(0.0, state.ends_by - at))
    if asked.ask in ORDERS:
        return give(state, asked, at)
    known = ", ".join(sorted((*VIEWS, *MIXED_ASKS, *ORDERS)))
    return _refuse(state, asked, Refusal(Code.USAGE, f"{asked.ask!r} cannot be asked", f"known: {known}"))


def give(state: Gateway, asked: Asked, at: float) -> Decision[Gateway]:
    if asked.ask in governing.ASKS:
        wanted = governing.order(asked.ask, asked.args, asked.user, asked.request)
    else:
        wanted = order(state, asked.ask, asked.args, asked.user, asked.request)
    if isinstance(wanted, Order):
        wanted = unless_nobody_is_there(state, wanted, at)
    if isinstance(wanted, Order) and wanted.about and (other := state.about(wanted.about)) is not None:
        text = f"{other.ask} of {wanted.about.partition(':')[2]} by {other.user} is still under way"
        wanted = Refusal(Code.CONFLICT, text, "wait for it, or look with `status`")
    if isinstance(wanted, Refusal):
        return _refuse(state, asked, wanted)
    if wanted.is_foresight:
        held = Open(asked.request, asked.ask, asked.args, asked.user, wanted.about)
        return Decision(state.holding(held), (Wake(asked.request, wanted.timeout_s), Send(wanted.to, wanted.message)))
    given = OrderGiven(ask=asked.ask, args=asked.args, by=asked.user, allowed=True)
    if not wanted.about:
        write: Effect = Commit(given) if wanted.loosens else Record(given)
        result = shutdown_told(state, "ends") if asked.ask == "shutdown" else {"text": wanted.text}
        told = Do(Answer(request=asked.request, ok=True, result=result))
        return Decision(state, (write, told, Send(wanted.to, wanted.message)))
    held = Open(asked.request, asked.ask, asked.args, asked.user, wanted.about, wanted.to)
    deadline = Wake(asked.request, wanted.timeout_s)
    if wanted.loosens:
        waiting = replace(held, waits=wanted.message)
        return Decision(state.holding(waiting), (deadline, Commit(given), Wake(f"{RECORDED}{asked.request}", 0.0)))
    state = state.with_breaker(wanted.to, state.breaker(wanted.to).asked(at))
    return Decision(state.holding(held), (deadline, Record(given), Send(wanted.to, wanted.message)))


def recorded(state: Gateway, request: str, at: float) -> Decision[Gateway]:
    """An order is on the disk: it is given now, unless its deadline has passed, and then the trail tells that."""
    if (held := state.lapsed.get(request)) is not None:
        others = {other: known for other, known in state.lapsed.items() if other != request}
        given = OrderGiven(ask=held.ask, args=held.args, by=held.user, allowed=False, why="it was recorded too late")
        return Decision(replace(state, lapsed=others), (Record(given),))
    held = state.open.get(request)
    if held is None or held.waits is None:
        return Decision(state)
    state = state.with_breaker(held.to, state.breaker(held.to).asked(at))
    return Decision(state.holding(replace(held, waits=None)), (Send(held.to, held.waits),))


def shutdown_told(state: Gateway, what: str) -> Json:
    return {"text": f"the hub {what}", "phases": list(PHASES), "within_s": state.spec.shutdown_s}


def too_late(state: Gateway, asked: Asked, left_s: float) -> Decision[Gateway]:
    if asked.ask == "shutdown":
        told = Answer(request=asked.request, ok=True, result=shutdown_told(state, "ends already"))
        return Decision(state, (Do(told),))
    text = f"the hub ends, within {left_s:.0f} s, and takes no more orders"
    return _refuse(state, asked, Refusal(Code.CONFLICT, text, "give it to the next one, when `serve` says it is ready"))


def _refuse(state: Gateway, asked: Asked, refusal: Refusal) -> Decision[Gateway]:
    answer = Answer(request=asked.request, ok=False, code=refusal.code, message=refusal.message, hint=refusal.hint)
    if asked.ask not in ORDERS:
        return Decision(state, (Do(answer),))
    given = OrderGiven(ask=asked.ask, args=asked.args, by=asked.user, allowed=False, why=refusal.message)
    return Decision(state, (Record(given), Do(answer)))


def shown(state: Gateway, request: str, view: Json) -> Decision[Gateway]:
    held = state.open.get(request)
    if held is None or held.about:
        return Decision(state)  # answered already: the board was late
    after = state.without(request)
    if held.ask in MIXED_ASKS:
        return Decision(
            after, (CancelWake(request), Do(ReadTrail(request=request, ask=held.ask, args=held.args, shown=view)))
        )
    if not view:
        name = str(held.args.get("name", held.ask))
        answer = Answer(
            request=request,
            ok=False,
            code=Code.NOT_FOUND,
            message=f"{name!r} is not known here",
            hint="`status` lists workstreams, `tree` lists actors",
        )
        return Decision(after, (CancelWake(request), Do(answer)))
    return Decision(after, (CancelWake(request), Do(Answer(request=request, ok=True, result=view))))


def foreseen(state: Gateway, told: Foreseen) -> Decision[Gateway]:
    held = state.about(f"foreseen:{told.name}")
    if held is None:
        return Decision(state)  # its deadline has passed, and the person was told
    touched = dict.fromkeys((told.name, *told.goes_down, *told.comes_back, *told.below))
    needed: Json = {name: list(needs) for name in touched if (needs := state.spec.needed_by.get(name))}
    result = told.model_dump(mode="json") | {"needed_by": needed}
    answer = Answer(request=held.request, ok=True, result=result)
    return Decision(state.without(held.request), (CancelWake(held.request), Do(answer)))


def answered(state: Gateway, who: str) -> Gateway:
    return state.with_breaker(who, state.breaker(who).answered())


def went_down(state: Gateway, name: str, at: float) -> Decision[Gateway]:
    """Whoever waits for its answer is told that there will be none."""
    if not state.breaker(name).refuses(at):
        return Decision(state)  # it speaks of an incarnation that is over
    effects: list[Effect] = []
    for held in [held for held in state.open.values() if held.to == name]:
        state = state.lapsing(held) if held.waits else state.without(held.request)
        what = "was not given" if held.waits else "is done is not known"
        text = f"{state.breaker(name).why(name, at)}; {'' if held.waits else 'whether '}{held.ask} {what}"
        answer = Answer(request=held.request, ok=False, code=Code.CONFLICT, message=text, hint="look with `status`")
        effects += [CancelWake(held.request), Do(answer)]
    return Decision(state, tuple(effects))


def done(state: Gateway, about: str, *, ok: bool, text: str) -> Decision[Gateway]:
    held = state.about(about)
    if held is None or held.waits is not None:
        return Decision(state)  # its deadline has passed, and the person was told; another may not be given yet
    answer = (
        Answer(request=held.request, ok=True, result={"text": text})
        if ok
        else Answer(request=held.request, ok=False, code=Code.CONFLICT, message=text or f"{held.ask} was refused")
    )
    return Decision(state.without(held.request), (CancelWake(held.request), Do(answer)))


def coordinated(state: Gateway, word: CoordinationDone) -> Decision[Gateway]:
    held = state.about(word.about)
    if held is None or held.waits is not None:
        return Decision(state)  # its deadline has passed, and the person was told; another may not be given yet
    return Decision(state.without(held.request), (CancelWake(held.request), Do(governing.told(word, held.request))))


def late(state: Gateway, request: str, at: float) -> Decision[Gateway]:
    held = state.open.get(request)
    if held is None:
        return Decision(state)
    if held.waits is not None:
        return lapsed(state, held)
    if held.to:
        breaker = state.breaker(held.to).unanswered(at, f"the last was to {held.ask} {held.about.partition(':')[2]}")
        state = state.with_breaker(held.to, breaker)
    what, hint = (
        (f"{held.ask} of {held.about.partition(':')[2]} is not done yet", "it may still be; look with `status`")
        if held.about
        else ("the board does not answer", "`trail tail` reads without it; look with `tree` again in a moment")
    )
    answer = Answer(request=request, ok=False, code=Code.TIMED_OUT, message=what, hint=hint)
    return Decision(state.without(request), (Do(answer),))


def lapsed(state: Gateway, held: Open) -> Decision[Gateway]:
    """The trail did not store it in time: it is not given, now or later.  That is recorded when something can be."""
    what = f"{held.ask} of {held.about.partition(':')[2]} was not done: the trail did not store it in time"
    hint = (
        "`status` tells of a disk that is full or slow, or of an auditor that is down; give it again when that is over"
    )
    answer = Answer(request=held.request, ok=False, code=Code.TIMED_OUT, message=what, hint=hint)
    return Decision(state.lapsing(held), (Do(answer),))


def unrecorded(_state: Gateway, letter: Envelope, why: str) -> tuple[Effect, ...]:
    """An order that is not in the trail is not carried out, now or later; whoever gave it hears so at once."""
    if not isinstance(letter.body, Asked):
        return ()
    text = f"not done, since it could not be recorded: {why}"
    hint = "give it again when there is space; what restricts, such as `stop` and `shutdown`, is taken all the same"
    refused = Answer(request=letter.body.request, ok=False, code=Code.CONFLICT, message=text, hint=hint)
    return (Do(refused),)


GATEWAY = Core(
    start=start,
    decide=decide,
    spec=GatewaySpec,
    accepts=frozenset(
        {
            Started,
            Woken,
            Asked,
            TurnedAway,
            BoardShown,
            OrderDone,
            ActorOrderDone,
            FlowOrderDone,
            SyncOrderDone,
            CoordinationDone,
            CloseIntake,
            Foreseen,
            PeerDown,
            PeerUp,
        },
    ),
    unrecorded=unrecorded,
    heeds=lambda state, name: name in state.spec.workstreams or name in state.breakers,
)
