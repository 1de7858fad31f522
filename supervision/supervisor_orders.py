"""Orders for a supervisor, and questions: what is refused, what is answered at once, what calls for a plan.

Erlang/OTP's administration calls, with its errors, and ``RestartActor``, which is ours.  An order costs nothing of the
intensity and is answered when it is really done.  A start by order that fails is not tried again; a restart by order
that fails is, like any failure.

Each function takes the state and gives the next with the effects; who calls them is ``supervisor``.
"""

from alluse_hub.protocols.children import (
    ActorOrderDone,
    AddActor,
    AskChildren,
    AskChildSpec,
    AskCounts,
    BudgetUsed,
    ChildListed,
    ChildrenCounted,
    ChildrenListed,
    ChildSpecTold,
    OrderError,
    RemoveActor,
    RestartActor,
    Standing,
    StartActor,
    StartMember,
    StopActor,
    StopMember,
)
from alluse_hub.protocols.effects import Decision, Effect, Record, Send
from alluse_hub.protocols.lifecycle import KEEP_WORKSTREAMS, ChildKind, ChildSpec, ChildStart
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.specs import child_refusal
from alluse_hub.supervision.supervisor_child import Child
from alluse_hub.supervision.supervisor_state import Ask, Order, Plan, Supervisor

ORDERS_WAITING_MAX = 64
"""Orders that may wait for their turn; a further one is refused at once."""

NAMES_SHOWN = 20
"""Children named to somebody who asks for one that is not there; more are counted."""

Step = Decision[Supervisor]


def asked(state: Supervisor, asker: str, ask: Ask) -> Step:
    order = Order(asker, ask, name_in(ask))
    if state.ending is not None:
        return Decision(state, (refuse_for_end(state, order),))
    if len(state.waiting) >= ORDERS_WAITING_MAX and sum(isinstance(m, Order) for m in state.waiting) >= (
        ORDERS_WAITING_MAX
    ):
        text = f"{state.name} has {ORDERS_WAITING_MAX} orders waiting; try again when some are done"
        return Decision(state, (refuse(order, OrderError.BUSY, text),))
    return Decision(state.wait(order))


def name_in(ask: Ask) -> str:
    match ask:
        case AddActor(spec=spec):
            return str(spec.get("name", ""))
        case AskChildren() | AskCounts():
            return ""
        case _:
            return ask.name


def order_taken(state: Supervisor, order: Order) -> Step:
    match order.ask:
        case AskChildren():
            return Decision(state, (Send(order.asker, listing(state)),))
        case AskCounts():
            return Decision(state, (Send(order.asker, counts(state)),))
        case AskChildSpec():
            return child_spec_asked(state, order)
        case StartMember(spec=spec):
            return member_ordered(state, order, spec)
        case StopMember(reason=reason):
            return member_dismissed(state, order, reason)
        case _ if state.template is not None:
            text = f"{state.name} is a pool; its members are started and stopped as members"
            return Decision(state, (refuse(order, OrderError.SIMPLE_ONE_FOR_ONE, text),))
        case AddActor(spec=spec):
            return addition_ordered(state, order, spec)
        case _:
            child = state.find(order.name)
            return not_found(state, order) if child is None else child_ordered(state, order, child)


def child_ordered(state: Supervisor, order: Order, child: Child) -> Step:
    """One of the orders for a child that is known."""
    name = child.name
    match order.ask:
        case StopActor(reason=reason):
            return Decision(state.begin(Plan(order, stop=(name,), reason=reason)))
        case StartActor() | RestartActor() if child.next_try is not None:
            return tried_at_once(state, order, child)
        case _ if child.is_restarting:
            return Decision(state, (refuse(order, OrderError.RESTARTING, f"{name} is being restarted already"),))
        case RestartActor():
            # It is back in a moment: what outlives an actor, as a monitor's program does, is left for its next life.
            return Decision(state.begin(Plan(order, stop=(name,), start=(name,), reason=KEEP_WORKSTREAMS)))
        case StartActor() if not child.runs:
            released = state.put(replace(child, restart_times=(), row=0))
            return Decision(released.begin(Plan(order, start=(name,))), budget_released(state, child))
        case RemoveActor() if not child.runs:
            effects = (*budget_released(state, child), answer(order, f"{name} is forgotten"))
            return Decision(state.forget(name), effects)
        case StartActor():
            return Decision(state, (refuse(order, OrderError.RUNNING, f"{name} is up already"),))
        case _:
            return Decision(state, (refuse(order, OrderError.RUNNING, f"{name} is up; stop it first"),))


def tried_at_once(state: Supervisor, order: Order, child: Child) -> Step:
    """It waits for its next try, and somebody does not.  If that fails, its supervisor goes on as after any failure;
    so it is carried out as a restart, whichever of the two was ordered."""
    released = state.put(replace(child, row=0))
    group = released.group(child.name)
    others = tuple(name for name in reversed(group) if name != child.name)
    restart = Order(order.asker, RestartActor(name=child.name), child.name)
    return Decision(released.begin(Plan(restart, stop=others, start=released.revived(group))))


def budget_changed(state: Supervisor, name: str, times: tuple[float, ...]) -> tuple[Effect, ...]:
    """To be recorded where budgets are kept: that of the child, or the one that all share."""
    return (Record(BudgetUsed(child=name if state.parks else "", times=times)),) if state.spec.keeps_budget else ()


def budget_released(state: Supervisor, child: Child) -> tuple[Effect, ...]:
    return budget_changed(state, child.name, ()) if child.restart_times else ()


def addition_ordered(state: Supervisor, order: Order, spec: Json) -> Step:
    if wrong := child_refusal(spec, state.spec.auto_shutdown):
        text = f"the specification of {order.name!r} is refused: {wrong}"
        return Decision(state, (refuse(order, OrderError.INVALID, text, wrong),))
    known = state.find(order.name)
    if known is not None:
        return Decision(state, (refuse_for_namesake(order, known),))
    born = Child(ChildSpec.model_validate(spec))
    return Decision(state.add(born).begin(Plan(order, start=(born.name,))))


def member_ordered(state: Supervisor, order: Order, spec: Json) -> Step:
    template = state.template
    if template is None:
        text = f"{state.name} is no pool; its children have specifications of their own"
        return Decision(state, (refuse(order, OrderError.INVALID, text, "invalid_child_spec"),))
    known = state.find(order.name)
    if known is not None:
        return Decision(state, (refuse_for_namesake(order, known),))
    start = ChildStart(actor=template.start.actor, spec={**template.start.spec, **spec})
    born = Child(template.model_copy(update={"name": order.name, "start": start}))
    return Decision(state.add(born).begin(Plan(order, start=(born.name,))))


def member_dismissed(state: Supervisor, order: Order, reason: str) -> Step:
    if state.template is None:
        return not_found(state, order)
    if state.find(order.name) is None:
        return Decision(state, (answer(order, f"{order.name} is not there"),))
    return Decision(state.begin(Plan(order, stop=(order.name,), reason=reason)))


# --- questions -----------------------------------------------------------------------------------------------------


def listing(state: Supervisor) -> ChildrenListed:
    return ChildrenListed(
        supervisor=state.name,
        children=tuple(
            ChildListed(name=child.name, kind=child.spec.kind, standing=standing(child), life=child.life)
            for child in state.children
        ),
    )


def standing(child: Child) -> Standing:
    if child.is_restarting:
        return Standing.RESTARTING
    return Standing.RUNNING if child.runs else Standing.STOPPED


def counts(state: Supervisor) -> ChildrenCounted:
    """Of a pool's members those count as active that are not between two tries; of other children those that live."""
    children = tuple(state.children)
    supervisors = sum(child.spec.kind is ChildKind.SUPERVISOR for child in children)
    is_pool = state.template is not None
    return ChildrenCounted(
        supervisor=state.name,
        specs=1 if is_pool else len(children),
        active=sum(not child.is_restarting if is_pool else child.is_alive for child in children),
        supervisors=supervisors,
        workers=len(children) - supervisors,
    )


def child_spec_asked(state: Supervisor, order: Order) -> Step:
    """Of a pool only the template is known."""
    if state.template is not None:
        found = state.template if order.name == state.template.name else None
    else:
        child = state.find(order.name)
        found = None if child is None else child.spec
    if found is None:
        return not_found(state, order)
    return Decision(state, (Send(order.asker, ChildSpecTold(spec=found)),))


# --- answers -------------------------------------------------------------------------------------------------------


def done(order: Order) -> Send:
    """To an order whose plan was carried out."""
    is_stop = isinstance(order.ask, StopActor | StopMember)
    return answer(order, f"{order.name} is {'down' if is_stop else 'up'}")


def answer(order: Order, text: str, *, ignored: bool = False) -> Send:
    return Send(order.asker, ActorOrderDone(name=order.name, ok=True, text=text, ignored=ignored))


def refuse(order: Order, error: OrderError, text: str, cause: str = "") -> Send:
    return Send(order.asker, ActorOrderDone(name=order.name, ok=False, text=text, error=error, cause=cause))


def refuse_for_end(state: Supervisor, order: Order) -> Send:
    text = f"{state.name} is ending; nothing is started or stopped by order any more"
    return refuse(order, OrderError.ENDING, text)


def refuse_for_namesake(order: Order, known: Child) -> Send:
    if known.runs:
        return refuse(order, OrderError.ALREADY_STARTED, f"{known.name} is up already")
    return refuse(order, OrderError.ALREADY_PRESENT, f"{known.name} is known already, and not up")


def not_found(state: Supervisor, order: Order) -> Step:
    names = [child.name for child in state.children]
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    known = (", ".join(names[:NAMES_SHOWN]) or "none") + more
    text = f"{order.name!r} is not a child of {state.name}; known: {known}"
    return Decision(state, (refuse(order, OrderError.NOT_FOUND, text),))
