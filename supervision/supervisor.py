"""The supervisor: starts its children in order, restarts what dies, and gives up in time.

The rules are Erlang/OTP's (supervisor(3), OTP 25), decided letter by letter instead of by blocking calls:

* children start in the order of the specification, each when the one before is up, and stop in reverse, one at a time;
* a child's end is judged by its restart type; the strategy says who is stopped and started with it;
* each restart, and each further try of a failed one, costs one of the intensity; over it the supervisor stops its
  children and ends with ``shutdown``, so that the fault climbs;
* a group restart also starts members that were down; a sibling found dead while the group stops costs nothing;
* a failed try of one_for_all begins again from the first child, of rest_for_one from the child that failed;
* a child that has nothing to run is left down, and all goes on as if it had started;
* if a child fails in the supervisor's own start, the supervisor stops what it had started and ends;
* temporary children are forgotten when they end, and so is every member of a pool that is not restarted;
* when significant children end by themselves for good, the supervisor may end with them;
* orders cost nothing.

Ours, and off unless asked for: starts may have a deadline.  Siblings may be told not to wait for each other.  Where the
limit *parks*, each child has a budget of its own; one that uses it up is left down and marked, until ``StartActor``
releases it, and neither a failed first start nor a restart of its group brings the others down or the parked one back.
Time windows are exact, where OTP counts in whole seconds.
"""

from functools import reduce
from typing import get_args

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.children import AutoShutdownBegun, Fault, OrderError, RestartActor, StartActor
from alluse_hub.protocols.effects import CancelWake, Core, Decision, Effect, Kill, Record, Send, Stop
from alluse_hub.protocols.foresight import Foresee
from alluse_hub.protocols.lifecycle import (
    IGNORE,
    KEEP_WORKSTREAMS,
    KILLED,
    AutoShutdown,
    ChildCondition,
    ChildEnded,
    ChildState,
    ChildUp,
    Exited,
    PeerUp,
    RestartType,
    Started,
    StopAsked,
    Strategy,
    SupervisorSpec,
    Woken,
)
from alluse_hub.protocols.liveness import Hung, LookAfter
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.names import BOARD
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.farewell import passed_on_s
from alluse_hub.supervision.restarts import SHUTDOWN, is_orderly, should_restart
from alluse_hub.supervision.roster import Roster
from alluse_hub.supervision.specs import refusal
from alluse_hub.supervision.supervisor_child import PAUSE, UP, Child
from alluse_hub.supervision.supervisor_end import (
    TIMER,
    Word,
    begun,
    concluded,
    intake_advanced,
    is_drained,
    last_word,
    overrun,
    takes_part,
    told_anew,
    waited,
    word_taken,
)
from alluse_hub.supervision.supervisor_foreseen import foreseen
from alluse_hub.supervision.supervisor_hung import cause_of, found_hung, looked_after, term_ignored, watched
from alluse_hub.supervision.supervisor_orders import Step, answer, asked, order_taken, refuse
from alluse_hub.supervision.supervisor_origins import due_to, noted, owed
from alluse_hub.supervision.supervisor_plans import (
    advanced,
    ending_advanced,
    member_left,
    passed,
    start_awaited_no_more,
    stop_reported,
)
from alluse_hub.supervision.supervisor_restarts import (
    FACTS,
    end,
    evolve,
    give_up,
    pause_over,
    preceded,
    reported,
    restarted,
    restore,
    resumed,
)
from alluse_hub.supervision.supervisor_shown import SHOW, pictured
from alluse_hub.supervision.supervisor_state import Ask, End, Matter, Order, Plan, Resume, Retry, Supervisor
from alluse_hub.supervision.supervisor_told import conditions_noted, told

SELF_GRACE_S = 5.0
"""For the supervisor's own end; its children are gone by then."""

START_TIMEOUT = "start_timeout"
"""The cause of a start that was killed because it was not up in time."""

ASKS: frozenset[type[Message]] = frozenset(get_args(Ask))
WORDS: frozenset[type[Message]] = frozenset(get_args(Word))


def start(name: str, spec: Message) -> Supervisor:
    """For a specification that is not refused."""
    assert isinstance(spec, SupervisorSpec), "the shell validates the specification"
    if spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE:
        return Supervisor(name=name, spec=spec, children=Roster(), template=spec.children[0])
    born = Supervisor(name=name, spec=spec, children=Roster.of(Child(child) for child in spec.children))
    return reduce(Supervisor.acquainted, spec.children, born)


def decide(state: Supervisor, letter: Envelope) -> Step:
    step = conditions_noted(state, settled(noted(heard(state, letter), letter), letter))
    step = pictured(state, told(state, step, letter.body), letter)
    now = step.state.ending
    if now is not None and now.is_over and not (state.ending is not None and state.ending.is_over):
        step = concluded(step, letter.at)
        goes = owed(Stop(state.name, now.cause, SELF_GRACE_S), now.origin, letter)
        return Decision(step.state, (*step.effects, goes))
    return step


def heard(state: Supervisor, letter: Envelope) -> Step:
    match letter.body:
        case Started():
            return Decision(state.begin(Plan(None, start=state.order)))
        case ChildUp() as up:
            return came_up(state, up, letter.at)
        case Exited() as exited:
            return ended(state, exited, letter.at)
        case Hung() as hung:
            return found_hung(state, hung, letter.at)
        case LookAfter() as asked_for:
            return looked_after(state, asked_for)
        case Woken(timer=timer):
            return waited(state, letter.at) if timer == TIMER else overran(state, timer)
        case ChildCondition() as word:
            return Decision(conditioned(state, word, letter.at))
        case StopAsked(reason=reason) if reason == KILLED:
            return end(state, SHUTDOWN, KILLED)
        case StopAsked(reason=reason, left_s=left_s):
            return end(state, reason, SHUTDOWN, None if left_s is None else letter.at + passed_on_s(left_s))
        case ShutDown(keep_workstreams=keeps) as order:
            reason = KEEP_WORKSTREAMS if keeps else SHUTDOWN
            plan = state.spec.end
            return end(state, reason, SHUTDOWN) if plan is None else begun(state, plan, order, reason, letter.at)
        case word if isinstance(word, Word):
            return Decision(word_taken(state, word, letter.sender))
        case Foresee() as ask:
            return Decision(state, (Send(letter.sender, foreseen(decide, state, ask, letter.at)),))
        case PeerUp(name=name, incarnation=incarnation):
            return told_anew(state.meet(name, incarnation), name, letter.at)
        case ask if isinstance(ask, Ask):
            return asked(state, letter.sender, ask)
        case other:
            raise TypeError(f"a supervisor does not take {type(other).__name__}")


# --- what children do ----------------------------------------------------------------------------------------------


def came_up(state: Supervisor, up: ChildUp, at: float) -> Step:
    child = state.find(up.name)
    if child is None or child.life != up.life or child.state not in {ChildState.STARTING, ChildState.STOPPING}:
        return Decision(state)
    state = state.meet(up.name, up.incarnation)
    known = replace(child, incarnation=up.incarnation, pid=up.pid)
    if child.state is ChildState.STOPPING or child.is_overdue:
        return Decision(state.put(known))  # too late: it has been told to go
    effects = (*start_awaited_no_more(child), *watched(child))
    return Decision(state.put(replace(known, state=ChildState.READY, since=at, up_at=at)), effects)


def conditioned(state: Supervisor, word: ChildCondition, at: float) -> Supervisor:
    child = state.find(word.name)
    if child is None or child.life != word.life or child.state not in UP or child.why == word.degraded:
        return state
    child = replace(child, why=word.degraded)
    if child.state is ChildState.HUNG or child.state is child.up_state:
        return state.put(child)
    return state.put(replace(child, state=child.up_state, since=at))


def ended(state: Supervisor, exited: Exited, at: float) -> Step:
    child = state.find(exited.name)
    # Two notices for one exit are normal, and the second may come when the next life has begun.
    if child is None or child.life != exited.life or not child.is_alive:
        return Decision(state)
    was = child.state
    cause = START_TIMEOUT if child.is_overdue and was is ChildState.STARTING else cause_of(child, exited.cause)
    gone = child.ended(cause, at)
    fact = Record(ChildEnded(name=child.name, life=child.life, incarnation=child.incarnation, cause=cause))
    match was:
        case ChildState.STOPPING:
            late = overrun(state.put(gone), child, cause, at)
            effects = (*stop_awaited_no_more(child, fact), *late.effects)
            return preceded(effects, stop_done(late.state, gone, cause))
        case ChildState.STARTING:
            effects = (*start_awaited_no_more(child), fact)
            return preceded(effects, not_up(state.put(gone), gone, cause))
        case _:
            # One that dies while its supervisor ends is judged when its turn to stop comes.
            state = state.put(replace(gone, is_unjudged=True))
            found = End(child.name, child.life, cause)
            return Decision(state.wait(found) if state.ending is None else state, (fact,))


def stop_awaited_no_more(child: Child, fact: Effect) -> tuple[Effect, ...]:
    return (CancelWake(child.stop_timer), fact) if child.has_deadline else (fact,)


def stop_done(state: Supervisor, child: Child, cause: str) -> Step:
    """A child that was told to stop is gone."""
    if state.ending is not None and state.ending.left is not None:
        return Decision(replace(state, ending=member_left(state.ending, child, cause)))
    return Decision(state, stop_reported(child, cause))


def not_up(state: Supervisor, child: Child, cause: str) -> Step:
    """A start is over and the child is not up; whose start it was says what becomes of it."""
    if state.ending is not None:
        return Decision(state)
    plan = next(plan for plan in state.plans if plan.to_stop is None and plan.to_start == child.name)
    if cause == IGNORE:
        return ignored(state, plan, child)
    return not_started(state, plan, child, cause)


def ignored(state: Supervisor, plan: Plan, child: Child) -> Step:
    """It had nothing to run: it stays down, and all goes on."""
    state = state.forget(child.name) if child.is_temporary or state.template is not None else state
    if isinstance(plan.matter, Order) and plan.started + 1 == len(plan.start):
        text = f"{child.name} had nothing to run; it stays down"
        return Decision(state.drop(plan), (answer(plan.matter, text, ignored=True),))
    return Decision(passed(state, plan))


def not_started(state: Supervisor, plan: Plan, child: Child, cause: str) -> Step:
    report = reported(Fault.START_ERROR, child, cause)
    match plan.matter:
        case Order(ask=RestartActor()) as order:
            text = f"{child.name} did not start again: {cause}; its supervisor goes on as after any failure"
            effects = (report, refuse(order, OrderError.START_FAILED, text, cause))
            return Decision(retry(state.drop(plan), child, cause), effects)
        case Order() as order:
            is_known = isinstance(order.ask, StartActor)
            text = f"{child.name} did not start: {cause}; it {'stays down' if is_known else 'is not taken in'}"
            after = state.drop(plan) if is_known else state.drop(plan).forget(child.name)
            return Decision(after, (refuse(order, OrderError.START_FAILED, text, cause),))
        case None if state.escalates:
            return preceded((report,), give_up(state, child, cause, f"failed_to_start_child: {child.name}: {cause}"))
        case _ if child.is_temporary or state.spec.strategy is Strategy.ONE_FOR_ONE:
            return Decision(retry(passed(state, plan), child, cause), (report,))
        case _:
            # The next restart of its group starts the rest.
            return Decision(retry(state.drop(plan), child, cause), (report,))


def retry(state: Supervisor, child: Child, cause: str) -> Supervisor:
    if child.is_temporary:
        return state.forget(child.name)
    return state.put(replace(child, is_restarting=True)).wait(Retry(child.name, child.life, cause))


def overran(state: Supervisor, timer: str) -> Step:
    """Killed children need no further timer: the signal cannot be refused, and ``Exited`` follows."""
    if timer == SHOW:
        return Decision(state)
    what, name, _ = timer.split(" ")
    if what == PAUSE:
        return Decision(pause_over(state, timer))
    child = state.find(name)
    if child is not None and timer == child.start_timer and child.state is ChildState.STARTING:
        return Decision(state.put(replace(child, is_overdue=True)), (Kill(name),))
    if child is not None and timer == child.hung_timer:
        return term_ignored(state, child)
    if child is not None and timer == child.stop_timer and child.state is ChildState.STOPPING:
        return Decision(state, (Kill(name),))
    return Decision(state)


# --- taking up what waits ------------------------------------------------------------------------------------------


def settled(step: Step, letter: Envelope) -> Step:
    """All that can be done now without waiting for a child.

    Ends, because each step takes a matter off the line, takes a plan or the end one further, or makes it wait for a
    child; and only letters bring matters.
    """
    state, effects = step.state, list(step.effects)
    while (further := next_step(state, letter)) is not None:
        state = further.state
        effects += further.effects
    return Decision(state, tuple(effects))


def next_step(state: Supervisor, letter: Envelope) -> Step | None:
    at = letter.at
    if state.ending is not None:
        step = ending_advanced(state, state.ending, at)
        return None if step is None else due_to(state.ending.origin, step, letter)
    if (step := intake_advanced(state, at)) is not None:
        return step
    if state.farewell is not None and is_drained(state):
        return end(state, state.farewell.reason, SHUTDOWN)
    for plan in state.plans:
        step = advanced(state, plan, at)
        if step is not None:
            return due_to(plan.origin, step, letter)
    matter = state.next_matter
    return None if matter is None else due_to(matter.origin, taken_up(state.take(matter), matter, at), letter)


def taken_up(state: Supervisor, matter: Matter, at: float) -> Step:
    match matter:
        case Order():
            return order_taken(state, matter)
        case End():
            return end_taken(state, matter, at)
        case Resume():
            return Decision(resumed(state, matter))
        case Retry():
            child = state.find(matter.name)
            if child is None or child.life != matter.life or not child.is_restarting:
                return Decision(state)  # settled meanwhile: stopped by order, or started with its group
            return restarted(state, child.cleared, matter, at)


def end_taken(state: Supervisor, found: End, at: float) -> Step:
    child = state.find(found.name)
    if child is None or child.life != found.life or not child.is_unjudged:
        return Decision(state)  # settled meanwhile: it was found dead when it was to stop
    child = child.cleared
    is_fault = child.spec.restart is RestartType.PERMANENT or not is_orderly(found.cause)
    reports = (reported(Fault.CHILD_TERMINATED, child, found.cause),) if is_fault else ()
    if should_restart(child.spec.restart, found.cause):
        return preceded(reports, restarted(state.put(child), child, found, at))
    is_forgotten = child.is_temporary or state.template is not None
    state = state.forget(child.name) if is_forgotten else state.put(child)
    return preceded(reports, significance_weighed(state, child, found.cause))


def significance_weighed(state: Supervisor, child: Child, cause: str) -> Step:
    """A child has ended by itself, and for good: the supervisor may have to go with it."""
    if not child.spec.significant or state.spec.auto_shutdown is AutoShutdown.NEVER:
        return Decision(state)
    left = (c for c in state.children if c.spec.significant and (c.runs or c.is_restarting))
    if state.spec.auto_shutdown is AutoShutdown.ALL_SIGNIFICANT and any(left):
        return Decision(state)
    fact = AutoShutdownBegun(child=child.name, cause=cause)
    return preceded((Record(fact),), end(state, SHUTDOWN, SHUTDOWN))


SUPERVISOR = Core(
    start=start,
    decide=decide,
    spec=SupervisorSpec,
    accepts=frozenset(
        {
            *(Started, ChildUp, ChildCondition, Exited, Hung, LookAfter, Woken, ShutDown, StopAsked, PeerUp, Foresee),
            *WORDS,
            *ASKS,
        }
    ),
    ready=lambda state: state.has_started,
    heeds=lambda state, name: name == BOARD or state.heeds(name) or takes_part(state, name),
    refuses=refusal,
    evolve=evolve,
    facts=FACTS,
    restore=restore,
    recovers=lambda state: state.spec.keeps_budget,
    degraded=lambda state: state.degraded,
    last_word=last_word,
)
