"""The supervisor: starts its children in order, restarts what dies, and gives up in time.

The rules are Erlang/OTP's (supervisor(3), OTP 25), decided letter by letter instead of by blocking calls:

* children start in the order of the specification, each when the one before is up, and stop in reverse, one at a time;
* a child's end is judged by its restart type; the strategy says who is stopped and started with it;
* each restart, and each further try of a failed one, costs one of the intensity; over it the supervisor stops its
  children and ends with ``shutdown``, so that the fault climbs;
* a group restart also starts members that were down; a sibling found dead while the group stops costs nothing;
* a failed try of one_for_all begins again from the first child, of rest_for_one from the child that failed;
* if a child fails in the supervisor's own start, the supervisor stops what it had started and ends;
* temporary children are forgotten when they end; orders of people cost nothing.

Ours: time windows are exact.  Starts have a deadline.  Under one_for_one no child waits for another.  Where the limit
*parks*, each child has a budget of its own; one that uses it up is left down and marked, until ``StartActor`` releases
it, and neither a failed first start nor a restart of its group brings the others down or the parked one back.

Not here yet: pools, significant children, adding and deleting children.  They would enter as further orders
(``order_taken``) and further answers to an end (``ended``).
"""

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.effects import CancelWake, Core, Decision, Effect, Kill, Record, Send, Spawn, Stop, Wake
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.lifecycle import (
    KEEP_WORKSTREAMS,
    ActorOrderDone,
    ChildEnded,
    ChildParked,
    ChildRestarted,
    ChildStarted,
    ChildState,
    ChildUp,
    Exited,
    GaveUp,
    PeerUp,
    RestartActor,
    StartActor,
    Started,
    StopActor,
    StopAsked,
    Strategy,
    SupervisorSpec,
    Woken,
)
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.names import BOARD
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.restarts import SHUTDOWN, affected, count_restart, should_restart
from alluse_hub.supervision.supervisor_state import Child, Ending, Failure, Matter, Order, Plan, Supervisor

KILL_MARGIN_S = 2.0
"""How much later than the shell the supervisor itself kills a child that does not end: the shell goes first."""

SELF_GRACE_S = 5.0
"""For the supervisor's own end; its children are gone by then."""

ORDERS_WAITING_MAX = 64
"""Orders that may wait for their turn; a further one is refused at once."""

START_TIMEOUT = "start_timeout"
"""The cause of a start that was killed because it was not up in time."""

Step = Decision[Supervisor]


def start(name: str, spec: Message) -> Supervisor:
    """Raises CallerError if two children have one name."""
    assert isinstance(spec, SupervisorSpec), "the shell validates the specification"
    names = [child.name for child in spec.children]
    doubled = sorted({child for child in names if names.count(child) > 1})
    if doubled:
        raise CallerError(f"children of {name!r} need names of their own; given twice: {', '.join(doubled)}")
    return Supervisor(name=name, spec=spec, children=tuple(Child(child) for child in spec.children))


def decide(state: Supervisor, letter: Envelope) -> Step:
    step = settled(heard(state, letter), letter.at)
    now, effects = step.state, step.effects
    picture = now.shown(letter.at)
    if picture.children != state.shown(letter.at).children or asks_for_picture(letter.body):
        effects += (Send(BOARD, picture),)
    if now.ending is not None and not now.ending.is_over and now.last_alive is None:
        effects += (Stop(now.name, now.ending.cause, SELF_GRACE_S),)
        now = replace(now, ending=replace(now.ending, is_over=True))
    return Decision(now, effects)


def asks_for_picture(body: Message) -> bool:
    """A new board knows nothing of us."""
    return isinstance(body, Started) or (isinstance(body, PeerUp) and body.name == BOARD)


def heard(state: Supervisor, letter: Envelope) -> Step:
    match letter.body:
        case Started():
            return Decision(state.begin(Plan(None, start=state.order)))
        case ChildUp() as up:
            return came_up(state, up, letter.at)
        case Exited() as exited:
            return ended(state, exited, letter.at)
        case Woken(timer=timer):
            return overran(state, timer)
        case StartActor() | StopActor() | RestartActor() as ask:
            return asked(state, Order(letter.sender, ask))
        case StopAsked(reason=reason):
            return end(state, reason, SHUTDOWN)
        case ShutDown(keep_workstreams=keeps):
            return end(state, KEEP_WORKSTREAMS if keeps else SHUTDOWN, SHUTDOWN)
        case PeerUp():
            return Decision(state)
        case other:
            raise TypeError(f"a supervisor does not take {type(other).__name__}")


# --- what children do ----------------------------------------------------------------------------------------------


def came_up(state: Supervisor, up: ChildUp, at: float) -> Step:
    child = state.find(up.name)
    if child is None or child.life != up.life or child.state not in {ChildState.STARTING, ChildState.STOPPING}:
        return Decision(state)
    known = replace(child, incarnation=up.incarnation, pid=up.pid)
    if child.state is ChildState.STOPPING or child.is_overdue:
        return Decision(state.put(known))  # too late: it has been told to go
    return Decision(state.put(replace(known, state=ChildState.UP, since=at)), (CancelWake(child.start_timer),))


def ended(state: Supervisor, exited: Exited, at: float) -> Step:
    child = state.find(exited.name)
    # Two notices for one exit are normal, and the second may come when the next life has begun.
    if child is None or child.life != exited.life or not child.is_alive:
        return Decision(state)
    was = child.state
    cause = START_TIMEOUT if child.is_overdue and was is ChildState.STARTING else exited.cause
    state = state.put(replace(child, state=ChildState.DOWN, pid=0, last_exit=cause, since=at, is_overdue=False))
    fact = Record(ChildEnded(name=child.name, life=child.life, incarnation=child.incarnation, cause=cause))
    if was is ChildState.STOPPING:
        return Decision(state, (CancelWake(child.stop_timer), fact))
    if was is ChildState.STARTING:
        effects = (CancelWake(child.start_timer), fact)
        if state.ending is not None:
            return Decision(state, effects)
        return preceded(effects, not_started(state, Failure(child.name, child.life, cause, in_start=True)))
    if state.ending is None and should_restart(child.spec.restart, cause):
        state = state.wait(Failure(child.name, child.life, cause))
    elif child.is_temporary:
        state = state.forget(child.name)
    return Decision(state, (fact,))


def not_started(state: Supervisor, failure: Failure) -> Step:
    """A start has failed; whose it was says what becomes of it."""
    plan = next(plan for plan in state.plans if plan.start[:1] == (failure.name,))
    is_alone = state.child(failure.name).is_temporary or state.spec.strategy is Strategy.ONE_FOR_ONE
    match plan.matter:
        case Order(ask=StartActor()) as order:
            text = f"{failure.name} did not start: {failure.cause}; it stays down"
            return Decision(state.drop(plan), (answer(order, ok=False, text=text),))
        case Order() as order:
            text = f"{failure.name} did not start again: {failure.cause}; its supervisor goes on as after any failure"
            return Decision(retry(state.drop(plan), failure), (answer(order, ok=False, text=text),))
        case None if not state.parks:
            return give_up(state, failure, f"failed_to_start_child: {failure.name}: {failure.cause}")
        case _ if is_alone:
            return Decision(retry(state.swap(plan, replace(plan, start=plan.start[1:])), failure))
        case _:
            return Decision(retry(state.drop(plan), failure))  # the next restart of its group starts the rest


def retry(state: Supervisor, failure: Failure) -> Supervisor:
    if state.child(failure.name).is_temporary:
        return state.forget(failure.name)
    return state.wait(failure)


def overran(state: Supervisor, timer: str) -> Step:
    """Killed children need no further timer: the signal cannot be refused, and ``Exited`` follows."""
    for child in state.children:
        if timer == child.start_timer and child.state is ChildState.STARTING:
            return Decision(state.put(replace(child, is_overdue=True)), (Kill(child.name),))
        if timer == child.stop_timer and child.state is ChildState.STOPPING:
            return Decision(state, (Kill(child.name),))
    return Decision(state)


# --- carrying out plans --------------------------------------------------------------------------------------------


def settled(step: Step, at: float) -> Step:
    """All that can be done now without waiting for a child.

    Ends, because each step takes a matter or a name off a list or makes a plan wait for a child, and only letters
    bring failures and orders.
    """
    while (further := next_step(step.state, at)) is not None:
        step = preceded(step.effects, further)
    return step


def next_step(state: Supervisor, at: float) -> Step | None:
    if state.ending is not None:
        last = state.last_alive
        if last is None or last.state is ChildState.STOPPING:
            return None
        return stopped(state, last, state.ending.reason, at)
    for plan in state.plans:
        step = advanced(state, plan, at)
        if step is not None:
            return step
    for matter in state.waiting:
        if state.is_turn(matter):
            return taken_up(state.take(matter), matter, at)
    return None


def advanced(state: Supervisor, plan: Plan, at: float) -> Step | None:
    """The plan's next step; None while it waits for a child."""
    if plan.stop:
        return stop_advanced(state, plan, at)
    if plan.start:
        child = state.child(plan.start[0])
        if child.is_alive:
            return Decision(state.swap(plan, replace(plan, start=plan.start[1:]))) if is_up(child) else None
        return spawned(state, child, at)
    if isinstance(plan.matter, Order):
        is_down = isinstance(plan.matter.ask, StopActor)
        text = f"{plan.matter.name} is {'down' if is_down else 'up'}"
        return Decision(state.drop(plan), (answer(plan.matter, ok=True, text=text),))
    return Decision(state.drop(plan))


def stop_advanced(state: Supervisor, plan: Plan, at: float) -> Step | None:
    name, *rest = plan.stop
    child = state.find(name)
    if child is not None and child.state is ChildState.STOPPING:
        return None
    if child is not None and child.is_alive:
        return stopped(state, child, plan.reason, at)
    # It has been stopped, or was found dead: its own failure, if one waits, is settled by this plan.
    state = state.swap(plan, replace(plan, stop=tuple(rest))).without_failure(name)
    if child is not None and child.is_temporary and name not in plan.start:
        state = state.forget(name)
    return Decision(state)


def is_up(child: Child) -> bool:
    return child.state is ChildState.UP


def spawned(state: Supervisor, child: Child, at: float) -> Step:
    born = replace(child, state=ChildState.STARTING, life=child.life + 1, incarnation=0, pid=0, since=at)
    effects: tuple[Effect, ...] = (
        Record(ChildStarted(name=born.name, life=born.life)),
        Spawn(born.name, born.life, born.spec.start),
        Wake(born.start_timer, born.spec.start_timeout_s),
    )
    return Decision(state.put(born), effects)


def stopped(state: Supervisor, child: Child, reason: str, at: float) -> Step:
    grace_s = child.spec.grace_s
    effects: tuple[Effect, ...] = (Stop(child.name, reason, grace_s), Wake(child.stop_timer, grace_s + KILL_MARGIN_S))
    if child.state is ChildState.STARTING:
        effects = (CancelWake(child.start_timer), *effects)
    return Decision(state.put(replace(child, state=ChildState.STOPPING, since=at)), effects)


# --- taking up what waits ------------------------------------------------------------------------------------------


def taken_up(state: Supervisor, matter: Matter, at: float) -> Step:
    match matter:
        case Failure():
            return failure_taken(state, matter, at)
        case Order():
            return order_taken(state, matter)


def failure_taken(state: Supervisor, failure: Failure, at: float) -> Step:
    child = state.find(failure.name)
    if child is None or child.life != failure.life or child.state is not ChildState.DOWN:
        return Decision(state)  # a plan in between has started it
    times, is_broken = count_restart(
        child.restart_times if state.parks else state.restart_times, at, state.spec.intensity
    )
    if is_broken:
        return park(state, child, failure, at) if state.parks else give_up(state, failure, SHUTDOWN)
    child = replace(child, restarts=child.restarts + 1)
    if state.parks:
        state = state.put(replace(child, restart_times=times))
    else:
        state = replace(state.put(child), restart_times=times)
    group = affected(state.spec.strategy, state.order, child.name)
    plan = Plan(failure, stop=group[::-1], start=state.revived(group))
    fact = ChildRestarted(name=child.name, life=child.life, cause=failure.cause, count=child.restarts)
    return Decision(state.begin(plan), (Record(fact),))


def park(state: Supervisor, child: Child, failure: Failure, at: float) -> Step:
    state = state.put(replace(child, state=ChildState.PARKED, restart_times=(), since=at))
    if failure.in_start:
        # Its group was stopped for the restart that now fails for good; the others go on without it.
        group = affected(state.spec.strategy, state.order, child.name)
        state = state.begin(Plan(failure, start=state.revived(group)))
    return Decision(state, (Record(ChildParked(name=child.name, cause=failure.cause)),))


def give_up(state: Supervisor, failure: Failure, cause: str) -> Step:
    return preceded((Record(GaveUp(child=failure.name, cause=failure.cause)),), end(state, SHUTDOWN, cause))


def end(state: Supervisor, reason: str, cause: str) -> Step:
    """Leaves all plans; what is alive is then stopped in reverse order, whatever it was about to do."""
    if state.ending is not None:
        return Decision(state)
    matters = (*(plan.matter for plan in state.plans), *state.waiting)
    refusals = tuple(refuse_for_end(state, matter) for matter in matters if isinstance(matter, Order))
    return Decision(replace(state, plans=(), waiting=(), ending=Ending(reason, cause)), refusals)


# --- orders of people ----------------------------------------------------------------------------------------------


def asked(state: Supervisor, order: Order) -> Step:
    if state.ending is not None:
        return Decision(state, (refuse_for_end(state, order),))
    if sum(isinstance(matter, Order) for matter in state.waiting) >= ORDERS_WAITING_MAX:
        text = f"{state.name} has {ORDERS_WAITING_MAX} orders waiting; try again when some are done"
        return Decision(state, (answer(order, ok=False, text=text),))
    return Decision(state.wait(order))


def order_taken(state: Supervisor, order: Order) -> Step:
    child = state.find(order.name)
    if child is None:
        known = ", ".join(state.order) or "none"
        text = f"{order.name!r} is not a child of {state.name}; known: {known}"
        return Decision(state, (answer(order, ok=False, text=text),))
    name = child.name
    match order.ask:
        case StopActor(reason=reason):
            return Decision(state.begin(Plan(order, stop=(name,), reason=reason)))
        case _ if state.has_failure(name):
            return Decision(state, (answer(order, ok=False, text=f"{name} is being restarted already"),))
        case RestartActor():
            # It is back in a moment: what outlives an actor, as a monitor's program does, is left for its next life.
            return Decision(state.begin(Plan(order, stop=(name,), start=(name,), reason=KEEP_WORKSTREAMS)))
        case StartActor() if is_up(child):
            return Decision(state, (answer(order, ok=False, text=f"{name} is up already"),))
        case StartActor():
            return Decision(state.put(replace(child, restart_times=())).begin(Plan(order, start=(name,))))


def answer(order: Order, *, ok: bool, text: str) -> Send:
    return Send(order.asker, ActorOrderDone(name=order.name, ok=ok, text=text))


def refuse_for_end(state: Supervisor, order: Order) -> Send:
    return answer(order, ok=False, text=f"{state.name} is ending; nothing is started or stopped by order any more")


def preceded(effects: tuple[Effect, ...], step: Step) -> Step:
    return Decision(step.state, effects + step.effects)


SUPERVISOR = Core(
    start=start,
    decide=decide,
    spec=SupervisorSpec,
    accepts=frozenset(
        {Started, ChildUp, Exited, Woken, StartActor, StopActor, RestartActor, ShutDown, StopAsked, PeerUp}
    ),
    ready=lambda state: state.has_started,
)
