"""What a supervisor does about a failure: restart, now or after a pause; or, over the limit, what its limit says.

A restart that has to wait stops at once who goes down with the child; the start is what waits.  Meanwhile no plan is in
hand, so that orders are taken and answered: the child counts as restarting, and a start by order does not wait.

Over the limit a supervisor *escalates*, that is, ends with ``shutdown``; or *parks* the child, which has a budget of
its own then; or parks it and *stops* the platform in order, by a word to the root that says who and why.

A supervisor that *keeps* its budgets records each change of one as a fact, which is all that it is rebuilt from; giving
up and parking leave an empty one.
"""

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.children import REACHED_MAX_INTENSITY, BudgetUsed, Fault, FaultReported, PlatformStopped
from alluse_hub.protocols.effects import Decision, Effect, Record, Send, Wake
from alluse_hub.protocols.lifecycle import ChildParked, ChildRestarted, ChildState, GaveUp, OnLimit
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.names import ROOT
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.restarts import SHUTDOWN, backoff_s, count_restart, row_after
from alluse_hub.supervision.supervisor_child import Child
from alluse_hub.supervision.supervisor_orders import Step, budget_changed, refuse_for_end
from alluse_hub.supervision.supervisor_state import End, Ending, Order, Plan, Resume, Retry, Supervisor


def restarted(state: Supervisor, child: Child, matter: End | Retry, at: float) -> Step:
    """A restart of the child and of whom the strategy restarts with it, if the intensity allows one more."""
    times, is_broken = count_restart(
        child.restart_times if state.parks else state.restart_times, at, state.spec.intensity
    )
    if is_broken:
        return over_limit(state, child, matter, at)
    row, pause = backed_off(state, child, at)
    child = replace(child, restarts=child.restarts + 1, row=row)
    if state.parks:
        child = replace(child, restart_times=times)
    else:
        state = replace(state, restart_times=times)
    fact = ChildRestarted(name=child.name, life=child.life, cause=matter.cause, count=child.restarts, pause_s=pause)
    said = (Record(fact), *budget_changed(state, child.name, times))
    if pause > 0:
        return preceded(said, held_back(state, child, matter, pause, at))
    return Decision(group_restarted(state.put(child), child, matter), said)


def backed_off(state: Supervisor, child: Child, at: float) -> tuple[int, float]:
    """Which restart of a row this is, and how long it waits."""
    backoff = state.spec.backoff
    if backoff is None:
        return 0, 0.0
    row = row_after(child.row, child.up_s, backoff.reset_s)
    return row, backoff_s(backoff, row, state.name, child.name, child.life, at)


def group_restarted(state: Supervisor, child: Child, matter: End | Retry | Resume | Order) -> Supervisor:
    group = state.group(child.name)
    others = tuple(name for name in reversed(group) if name != child.name)
    return state.begin(Plan(matter, stop=others, start=state.revived(group)))


def held_back(state: Supervisor, child: Child, matter: End | Retry, pause: float, at: float) -> Step:
    """Who goes down with it goes now."""
    waits = replace(child, is_restarting=True, next_try=at + pause)
    state = state.put(waits)
    others = tuple(name for name in reversed(state.group(child.name)) if name != child.name)
    if others:
        state = state.begin(Plan(matter, stop=others, awaits=child.name))
    return Decision(state, (Wake(waits.pause_timer, pause),))


def pause_over(state: Supervisor, timer: str) -> Supervisor:
    _, name, _ = timer.split(" ")
    child = state.find(name)
    if state.ending is not None or child is None or child.next_try is None or timer != child.pause_timer:
        return state
    return state.wait(Resume(child.name, child.life, child.last_exit))


def resumed(state: Supervisor, matter: Resume) -> Supervisor:
    child = state.find(matter.name)
    if child is None or child.life != matter.life or child.next_try is None:
        return state  # settled meanwhile: stopped or started by order, or started with its group
    return group_restarted(state, child, matter)


# --- over the limit --------------------------------------------------------------------------------------------------


def over_limit(state: Supervisor, child: Child, matter: End | Retry, at: float) -> Step:
    match state.spec.on_limit:
        case OnLimit.PARK:
            return park(state, child, matter, at)
        case OnLimit.STOP:
            return platform_stopped(state, child, matter, at)
        case OnLimit.ESCALATE:
            return escalated(state, child, matter.cause)


def park(state: Supervisor, child: Child, matter: End | Retry, at: float) -> Step:
    state = state.put(replace(child, state=ChildState.PARKED, restart_times=(), row=0, since=at))
    if isinstance(matter, Retry):
        # Its group was stopped for the restart that now fails for good; the others go on without it.
        state = state.begin(Plan(matter, start=state.revived(state.group(child.name))))
    said = (Record(ChildParked(name=child.name, cause=matter.cause)), *budget_changed(state, child.name, ()))
    return Decision(state, said)


def platform_stopped(state: Supervisor, child: Child, matter: End | Retry, at: float) -> Step:
    """The others go on until the root has ended all that comes before them."""
    state = replace(state, restart_times=()).put(replace(child, state=ChildState.PARKED, row=0, since=at))
    fault = f"{child.name} used up the restarts that {state.name} allows: {matter.cause}"
    effects: tuple[Effect, ...] = (
        reported(Fault.SHUTDOWN, child, REACHED_MAX_INTENSITY),
        Record(PlatformStopped(child=child.name, cause=matter.cause)),
        *budget_changed(state, child.name, ()),
        Send(ROOT, ShutDown(by=state.name, reason=fault, fault=fault)),
    )
    return Decision(state, effects)


def escalated(state: Supervisor, child: Child, cause: str) -> Step:
    report = reported(Fault.SHUTDOWN, child, REACHED_MAX_INTENSITY)
    state = replace(state, restart_times=())
    said = (report, *budget_changed(state, child.name, ()))
    return preceded(said, give_up(state.put(child), child, cause, SHUTDOWN))


# --- the end ---------------------------------------------------------------------------------------------------------


def give_up(state: Supervisor, child: Child, cause: str, own_cause: str) -> Step:
    return preceded((Record(GaveUp(child=child.name, cause=cause)),), end(state, SHUTDOWN, own_cause))


def end(state: Supervisor, reason: str, cause: str, until: float | None = None) -> Step:
    """Leaves all plans; what is alive is then stopped in reverse order, whatever it was about to do.  ``until``: hub
    time by which it is to be over."""
    if state.ending is not None:
        return Decision(state)
    matters = (*(plan.matter for plan in state.plans), *state.waiting)
    refusals = tuple(refuse_for_end(state, matter) for matter in matters if isinstance(matter, Order))
    until = until if state.farewell is None else state.farewell.until
    ending = Ending(reason, cause, state.order[::-1], until=until)
    return Decision(replace(state, plans=(), waiting=(), ending=ending), refusals)


def reported(fault: Fault, child: Child, cause: str) -> Record:
    return Record(FaultReported(fault=fault, child=child.name, cause=cause))


def preceded(effects: tuple[Effect, ...], step: Step) -> Step:
    return Decision(step.state, effects + step.effects)


# --- budgets that are kept -------------------------------------------------------------------------------------------

FACTS: frozenset[type[Fact]] = frozenset({BudgetUsed})


def evolve(state: Supervisor, fact: Fact) -> Supervisor:
    assert isinstance(fact, BudgetUsed), "nothing else is folded"
    if not fact.child:
        return replace(state, restart_times=fact.times)
    child = state.find(fact.child)
    return state if child is None else state.put(replace(child, restart_times=fact.times))


def restore(fresh: Supervisor, kept: Supervisor) -> Supervisor:
    """The budgets of the second, with the specification and the children of the first."""
    state = replace(fresh, restart_times=kept.restart_times)
    for child in fresh.children:
        known = kept.find(child.name)
        if known is not None:
            state = state.put(replace(child, restart_times=known.restart_times))
    return state
