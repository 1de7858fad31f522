"""A supervisor's end under a deadline, and the root's in phases.

Erlang/OTP's shutdown times add up, child after child; where nobody gives a deadline, so do ours.  With one, each child
is given the smaller of its grace and its share of what is left (``farewell``); who was killed, or took longer, is a
fact, and is told to the root.  An infinite wait ends at the share as well: that is what a deadline is for.

The root ends in the phases of ``protocols.ending``.  It asks, asks again until it is answered, and goes on without an
answer when the phase's share is over.  Until all in hand is done it supervises as ever; then the ordinary end begins,
which takes over from all plans.

Pure.
"""

from alluse_hub.protocols.admin import ShutDown
from alluse_hub.protocols.effects import Decision, Effect, Record, Send, Wake
from alluse_hub.protocols.ending import (
    CloseIntake,
    Drain,
    Drained,
    EndBegun,
    EndPlan,
    Flush,
    Flushed,
    HubEnded,
    IntakeClosed,
    Overran,
    Overrun,
    Phase,
    PhaseEnded,
)
from alluse_hub.protocols.lifecycle import KILLED, ChildState, Shutdown
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.names import ROOT
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.farewell import GRACES_S, Farewell, share_s
from alluse_hub.supervision.supervisor_child import Child
from alluse_hub.supervision.supervisor_orders import Step
from alluse_hub.supervision.supervisor_state import Supervisor

AGAIN_S = 0.5
"""An answer may have gone down with its sender: after this long it is asked for again."""

TIMER = "end"

Word = IntakeClosed | Drained | Flushed | Overrun
ANSWERS: dict[type[Message], Phase] = {IntakeClosed: Phase.INTAKE, Drained: Phase.DRAIN, Flushed: Phase.FLUSH}


# --- sharing out ---------------------------------------------------------------------------------------------------


def grace_s(child: Child, left_s: float) -> float:
    """As much as its specification would give it."""
    match child.spec.shutdown:
        case Shutdown.BRUTAL_KILL:
            return 0.0
        case Shutdown.INFINITY:
            return left_s
        case Shutdown.GRACE:
            return child.spec.grace_s


def allowed_s(state: Supervisor, child: Child, at: float) -> float | None:
    """How long a child that is to stop may take; None if its specification alone decides."""
    until = state.ending.until if state.ending is not None else None
    if until is None or child.spec.shutdown is Shutdown.BRUTAL_KILL:
        return None
    left_s = max(0.0, until - at)
    own_s = grace_s(child, left_s)
    if state.spec.ends_together or state.template is not None:
        return min(own_s, left_s)
    others_s = sum(grace_s(other, left_s) for other in state.children if other.is_alive and other.name != child.name)
    if state.spec.end is not None and state.spec.end.flush not in {"", child.name}:
        others_s += GRACES_S[Phase.FLUSH]
    return share_s(own_s, others_s, left_s)


def overrun(state: Supervisor, child: Child, cause: str, at: float) -> Step:
    """What is to be said of a child that has stopped; ``child`` as it was when it had to."""
    share = child.allowed_s
    took_s = at - child.since
    is_killed = cause == KILLED or cause.startswith(f"{KILLED}:")
    if share is None or (took_s <= share and not is_killed):
        return Decision(state)
    told = Overrun(name=child.name, of=state.name, allowed_s=round(share, 3), took_s=round(took_s, 3), killed=is_killed)
    fact = Record(Overran(overrun=told))
    if state.farewell is not None:
        return Decision(gathered(state, told), (fact,))
    return Decision(state, (fact, Send(ROOT, told)))


def gathered(state: Supervisor, told: Overrun) -> Supervisor:
    """The root gathers what supervisors and monitors tell it, and what it finds itself."""
    if state.farewell is None:
        return state
    return replace(state, farewell=replace(state.farewell, overran=(*state.farewell.overran, told)))


# --- phases --------------------------------------------------------------------------------------------------------


def begun(state: Supervisor, plan: EndPlan, order: ShutDown, reason: str, at: float) -> Step:
    """The root is told to end.  One that was never up has taken in nothing that would have to be finished."""
    if state.farewell is not None or state.ending is not None:
        return Decision(state)
    fact = EndBegun(by=order.by, reason=order.reason, keep_workstreams=order.keep_workstreams, total_s=plan.total_s)
    farewell = Farewell(reason, at, at + plan.total_s, Phase.INTAKE, at, at, fault=order.fault)
    step = asked(replace(state, farewell=farewell), plan.intake if state.has_started else (), at)
    return Decision(step.state, (Record(fact), *step.effects))


def asked(state: Supervisor, names: tuple[str, ...], at: float) -> Step:
    """The phase waits for the answers of these, for its share of the time."""
    farewell = underway(state)
    left_s = max(0.0, farewell.until - at)
    others_s = sum(grace_s(child, left_s) for child in state.children if child.is_alive)
    others_s += sum(later_s for phase, later_s in GRACES_S.items() if is_later(phase, farewell.phase))
    patience = at + share_s(GRACES_S[farewell.phase], others_s, left_s)
    return say(replace(state, farewell=replace(farewell, patience=patience, awaited=frozenset(names))), at)


def say(state: Supervisor, at: float) -> Step:
    """What is asked of them, for the first time or again."""
    farewell = underway(state)
    if not farewell.awaited:
        return Decision(state)
    left_s = max(0.0, farewell.until - at)
    words: dict[str, Message] = {}
    if farewell.phase is not Phase.FLUSH and state.spec.end is not None:
        # Again also to those who have answered: a new incarnation knows nothing of it.
        words = {name: CloseIntake(left_s=left_s) for name in state.spec.end.intake}
    for name in farewell.awaited:
        words[name] = word(farewell.phase, left_s)
    again = Wake(TIMER, max(0.001, min(AGAIN_S, farewell.patience - at)))
    return Decision(state, (*(Send(name, words[name]) for name in sorted(words)), again))


def takes_part(state: Supervisor, name: str) -> bool:
    plan = state.spec.end
    return state.farewell is not None and plan is not None and name in {*plan.intake, *plan.drain}


def told_anew(state: Supervisor, name: str, at: float) -> Step:
    """Somebody has a new incarnation: if it takes part, it is told at once, before it takes anything in."""
    return say(state, at) if takes_part(state, name) else Decision(state)


def word(phase: Phase, left_s: float) -> Message:
    match phase:
        case Phase.INTAKE:
            return CloseIntake(left_s=left_s)
        case Phase.DRAIN:
            return Drain(left_s=left_s)
        case _:
            return Flush()


def word_taken(state: Supervisor, said: Word, name: str) -> Supervisor:
    """An answer that is late, or comes again because it was asked for again, is for another phase."""
    if isinstance(said, Overrun):
        return gathered(state, said)
    farewell = state.farewell
    if farewell is None or farewell.phase is not ANSWERS[type(said)]:
        return state
    return replace(state, farewell=replace(farewell, awaited=farewell.awaited - {name}))


def waited(state: Supervisor, at: float) -> Step:
    """The timer: ask again, or go on without an answer."""
    farewell = state.farewell
    if farewell is None or not farewell.awaited:
        return Decision(state)
    return say(state, at) if at < farewell.patience else Decision(given_up(state))


def given_up(state: Supervisor) -> Supervisor:
    farewell = underway(state)
    late = (*farewell.late, *sorted(farewell.awaited))
    return replace(state, farewell=replace(farewell, awaited=frozenset(), late=late))


def intake_advanced(state: Supervisor, at: float) -> Step | None:
    """From the first phase to the second, when nothing more comes in."""
    farewell, plan = state.farewell, state.spec.end
    if farewell is None or plan is None or farewell.awaited or farewell.phase is not Phase.INTAKE:
        return None
    step = phase_over(state, Phase.DRAIN, at)
    further = asked(step.state, plan.drain if state.has_started else (), at)
    return Decision(further.state, (*step.effects, *further.effects))


def is_drained(state: Supervisor) -> bool:
    """Whether the ordinary end may begin: nothing is in hand any more, or that was waited for long enough."""
    farewell = state.farewell
    return farewell is not None and farewell.phase is Phase.DRAIN and not farewell.awaited


def flush_advanced(state: Supervisor, name: str, at: float) -> Step | None:
    """``name`` is next to stop.  A step of the root before that, if it is the child that has to have everything."""
    farewell, plan = state.farewell, state.spec.end
    if farewell is None or plan is None or name != plan.flush:
        return None
    child = state.find(name)
    is_up = child is not None and child.state in {ChildState.READY, ChildState.DEGRADED}
    if not is_later(farewell.phase, Phase.DRAIN):
        step = phase_over(state, Phase.FLUSH, at)
        further = asked(step.state, (name,), at)
        return Decision(further.state, (*step.effects, *further.effects))
    if farewell.phase is Phase.FLUSH and farewell.awaited and not is_up:
        return Decision(given_up(state))  # what it has not is stored at the next start
    if farewell.phase is Phase.FLUSH and not farewell.awaited:
        return phase_over(state, Phase.CLOSE, at)
    return None


def is_flushing(state: Supervisor, name: str) -> bool:
    """Whether to leave that child up for now."""
    farewell = state.farewell
    return farewell is not None and farewell.phase is Phase.FLUSH and name in farewell.awaited


def phase_over(state: Supervisor, then: Phase, at: float) -> Step:
    farewell = underway(state)
    fact = PhaseEnded(phase=farewell.phase, took_s=round(at - farewell.since, 6), late=farewell.late)
    farewell = replace(farewell, phase=then, since=at, late=(), ended=(*farewell.ended, fact))
    return Decision(replace(state, farewell=farewell), (Record(fact),))


def concluded(step: Step, at: float) -> Step:
    """All children are gone: the root's last facts."""
    if step.state.farewell is None:
        return step
    last = phase_over(step.state, Phase.CLOSE, at)
    told = last_word(last.state)
    facts: tuple[Effect, ...] = (*last.effects, Record(told)) if told is not None else ()
    return Decision(last.state, (*step.effects, *facts))


def last_word(state: Supervisor) -> HubEnded | None:
    """How the end went, for whoever watches the hub from outside."""
    farewell = state.farewell
    if farewell is None:
        return None
    return HubEnded(
        total_s=round(farewell.until - farewell.began, 3),
        took_s=round(farewell.since - farewell.began, 6),
        phases=farewell.ended,
        overran=farewell.overran,
        fault=farewell.fault,
    )


def underway(state: Supervisor) -> Farewell:
    assert state.farewell is not None, "the root has been told to end"
    return state.farewell


def is_later(phase: Phase, than: Phase) -> bool:
    order = tuple(Phase)
    return order.index(phase) > order.index(than)
