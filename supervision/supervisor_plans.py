"""Carrying out what a supervisor has decided: plans step by step, and its own end.

One step at a time: the next child is told to stop or is started, or is found to be done, and whoever calls asks again.
``None`` means that a child has to be waited for.  A child that is found dead when its turn to stop comes, by an end of
its own that still waits in line, is judged by that end.
"""

from collections import Counter

from alluse_hub.protocols.children import Fault, FaultReported, RestartActor
from alluse_hub.protocols.effects import CancelWake, Decision, Effect, Kill, Record, Spawn, Stop, Wake
from alluse_hub.protocols.lifecycle import KILLED, ChildStarted, ChildState, Shutdown
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.restarts import NORMAL, ORDERLY_PREFIX, is_proper_stop
from alluse_hub.supervision.supervisor_child import UP, Child
from alluse_hub.supervision.supervisor_end import allowed_s, flush_advanced, is_flushing
from alluse_hub.supervision.supervisor_orders import Step, done
from alluse_hub.supervision.supervisor_state import Ending, Order, Plan, Supervisor

KILL_MARGIN_S = 2.0
"""How much later than the shell the supervisor itself kills a child that does not end: the shell goes first."""


def advanced(state: Supervisor, plan: Plan, at: float) -> Step | None:
    """The plan's next step."""
    if plan.to_stop is not None:
        return stop_advanced(state, plan, plan.to_stop, at)
    if plan.to_start is not None:
        child = state.child(plan.to_start)
        if child.is_alive:
            return Decision(passed(state, plan)) if child.state in UP else None
        return spawned(state, child, at)
    effects = (done(plan.matter),) if isinstance(plan.matter, Order) else ()
    return Decision(state.drop(plan), effects)


def passed(state: Supervisor, plan: Plan) -> Supervisor:
    """With the plan gone on to the next one to start."""
    return state.swap(plan, replace(plan, started=plan.started + 1))


def stop_advanced(state: Supervisor, plan: Plan, name: str, at: float) -> Step | None:
    child = state.find(name)
    if child is not None and child.is_alive:
        return None if child.state is ChildState.STOPPING else stopped(state, child, plan.reason, at)
    state = state.swap(plan, replace(plan, stopped=plan.stopped + 1))
    if child is None:
        return Decision(state)
    waited = pause_awaited_no_more(child)
    if child.next_try is not None:
        state = state.released(name)
    comes_back = isinstance(plan.matter, Order) and isinstance(plan.matter.ask, RestartActor)
    is_forgotten = state.template is not None or (child.is_temporary and child.life > 0)
    left = replace(child.cleared, awaits=plan.awaits)
    after = state.forget(name) if is_forgotten and not comes_back else state.put(left)
    return Decision(after, (*waited, *found_dead(child)))


def spawned(state: Supervisor, child: Child, at: float) -> Step:
    born = replace(
        child.cleared, state=ChildState.STARTING, life=child.life + 1, incarnation=0, pid=0, since=at, up_s=0.0, why=""
    )
    effects: tuple[Effect, ...] = (
        *pause_awaited_no_more(child),
        Record(ChildStarted(name=born.name, life=born.life)),
        Spawn(born.name, born.life, born.spec.start),
    )
    if born.spec.start_timeout_s is not None:
        effects += (Wake(born.start_timer, born.spec.start_timeout_s),)
    return Decision(state.put(born), effects)


def stopped(state: Supervisor, child: Child, reason: str, at: float) -> Step:
    effects = start_awaited_no_more(child) if child.state is ChildState.STARTING else ()
    share = allowed_s(state, child, at)
    match child.spec.shutdown:
        case _ if share is not None:
            effects += (Stop(child.name, reason, share, share), Wake(child.stop_timer, share + KILL_MARGIN_S))
        case Shutdown.BRUTAL_KILL:
            effects += (Kill(child.name),)
        case Shutdown.INFINITY:
            effects += (Stop(child.name, reason, None),)
        case Shutdown.GRACE:
            grace_s = child.spec.grace_s
            effects += (Stop(child.name, reason, grace_s), Wake(child.stop_timer, grace_s + KILL_MARGIN_S))
    return Decision(state.put(replace(child, state=ChildState.STOPPING, since=at, allowed_s=share)), effects)


def start_awaited_no_more(child: Child) -> tuple[Effect, ...]:
    return () if child.spec.start_timeout_s is None else (CancelWake(child.start_timer),)


def pause_awaited_no_more(child: Child) -> tuple[Effect, ...]:
    return () if child.next_try is None else (CancelWake(child.pause_timer),)


# --- judging those that were to stop -------------------------------------------------------------------------------


def is_improper(child: Child, cause: str) -> bool:
    return not is_proper_stop(child.spec.restart, child.spec.shutdown, cause)


def found_dead(child: Child) -> tuple[Effect, ...]:
    """What is to be said of a child that was to stop and was down already."""
    return stop_reported(child, child.last_exit) if child.is_unjudged else ()


def stop_reported(child: Child, cause: str) -> tuple[Effect, ...]:
    if not is_improper(child, cause):
        return ()
    return (Record(FaultReported(fault=Fault.SHUTDOWN_ERROR, child=child.name, cause=cause)),)


# --- the supervisor's own end --------------------------------------------------------------------------------------


def ending_advanced(state: Supervisor, ending: Ending, at: float) -> Step | None:
    """The next step of the end."""
    if state.template is not None:
        return pool_advanced(state, ending, at)
    if ending.is_over:
        return None
    if ending.stopped == len(ending.line):
        return Decision(replace(state, ending=replace(ending, is_over=True)))
    if state.spec.ends_together and any(child.is_alive for child in state.children):
        told = (child for child in state.children if child.is_alive and child.state is not ChildState.STOPPING)
        child = next(told, None)
        return None if child is None else stopped(state, child, ending.reason, at)
    name = ending.line[ending.stopped]
    if (step := flush_advanced(state, name, at)) is not None:
        return step
    child = state.find(name)
    if child is not None and child.is_alive:
        if child.state is ChildState.STOPPING or is_flushing(state, name):
            return None
        return stopped(state, child, ending.reason, at)
    state = replace(state, ending=replace(ending, stopped=ending.stopped + 1))
    return Decision(state, () if child is None else found_dead(child))


def pool_advanced(state: Supervisor, ending: Ending, at: float) -> Step | None:
    """Its members are told to stop together, and what is to be said of them is said at the end."""
    assert state.template is not None, "a pool has a template"
    if ending.left is None:
        return pool_dismissed(state, ending, at)
    if ending.left > 0 or ending.is_over:
        return None
    reports = tuple(
        Record(FaultReported(fault=Fault.SHUTDOWN_ERROR, child=state.template.name, cause=cause, children=count))
        for cause, count in sorted(ending.faults, key=rank)
    )
    return Decision(replace(state, ending=replace(ending, is_over=True)), reports)


def pool_dismissed(state: Supervisor, ending: Ending, at: float) -> Step:
    members = tuple(state.children)
    ends = [child.last_exit for child in members if child.is_unjudged and is_improper(child, child.last_exit)]
    faults = tuple(Counter(map(counted_as, ends)).items())
    ending = replace(ending, left=sum(child.is_alive for child in members), faults=faults)
    state = replace(state, ending=ending)
    effects: list[Effect] = []
    for child in members:
        if child.is_alive and child.state is not ChildState.STOPPING:
            step = stopped(state, child, ending.reason, at)
            state = step.state
            effects += step.effects
    return Decision(state, tuple(effects))


def member_left(ending: Ending, child: Child, cause: str) -> Ending:
    """With one member less to wait for."""
    assert ending.left is not None, "the members were told to stop when the end began"
    faults = Counter(dict(ending.faults))
    if is_improper(child, cause):
        faults[counted_as(cause)] += 1
    return replace(ending, left=ending.left - 1, faults=tuple(faults.items()))


def counted_as(cause: str) -> str:
    """Killed is killed, whatever is said of the reason."""
    return KILLED if cause.startswith(f"{KILLED}:") else cause


def rank(fault: tuple[str, int]) -> tuple[int, str]:
    """The order of Erlang's terms: atoms, then tuples."""
    cause, _ = fault
    if cause in {KILLED, NORMAL}:
        return (0, cause)
    return (2 if cause.startswith(ORDERLY_PREFIX) else 1, cause)
