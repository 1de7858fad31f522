"""Who else has to know how a supervisor's children are: those that need them, and the supervisor's own parent.

Those that need a child hear by ``PeerDown`` when it is down and not back at once, and again when something of that
changes: it is parked now, the next try fails and the one after it has its time, it was up for a moment under a new
incarnation.  ``PeerUp``, which the root says, ends it.  Who of them is started again is told again.  Nothing is said of
a child that was never started, nor while the supervisor itself ends: its own supervisor speaks then.

The parent hears that a supervisor is *degraded* while a child of its is parked, hung, waits to be restarted, or is
degraded itself; so it climbs to the root.

Pure.
"""

from collections.abc import Iterable, Iterator
from heapq import nsmallest

from alluse_hub.protocols.effects import Decision, Effect, Send
from alluse_hub.protocols.lifecycle import ChildState, PeerDown, PeerUp
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.supervisor_child import Child, told_of
from alluse_hub.supervision.supervisor_orders import Step
from alluse_hub.supervision.supervisor_state import Supervisor

ILL = frozenset({ChildState.DEGRADED, ChildState.HUNG, ChildState.RESTARTING, ChildState.PARKED})
"""States of a child that its supervisor's own parent hears of."""

ILL_SHOWN = 5
"""Such children named to the parent; more are counted."""

# --- those that need a child -----------------------------------------------------------------------------------------


def told(before: Supervisor, step: Step, body: Message) -> Step:
    """With the words to those that need to know."""
    now = step.state
    if not now.listeners or now.ending is not None:
        return step
    said: list[Effect] = []
    for name in concerned(before, now, body):
        child = now.find(name)
        words = words_of(now, child) if child is not None else ()
        if child is not None and words and words != words_of(before, before.find(name)):
            said += (Send(to, word) for to in child.spec.told for word in words if to not in told_of(child.spec))
    if isinstance(body, PeerUp):
        said += told_again(before, now, body.name)
    return Decision(now, (*step.effects, *said)) if said else step


def concerned(before: Supervisor, now: Supervisor, body: Message) -> list[str]:
    """Children of which something new may have to be said, in order."""
    changed = [child.name for _, child in now.children.changed_since(before.children) if child is not None]
    plans = () if before.plans is now.plans else (*before.plans, *now.plans)
    planned = (name for plan in plans for name in plan.start)
    met = (c.name for c in now.children if isinstance(body, PeerUp) and body.name in told_of(c.spec))
    return list(dict.fromkeys((*changed, *planned, *met)))


def told_again(before: Supervisor, now: Supervisor, listener: str) -> Iterator[Send]:
    """It knows nothing of what its earlier incarnation was told."""
    for name in now.listeners.get(listener, ()):
        child = now.find(name)
        for word in words_of(now, child) if child is not None else ():
            if word in words_of(before, before.find(name)) and listener != word.name:
                yield Send(listener, word)


def words_of(state: Supervisor, child: Child | None) -> tuple[PeerDown, ...]:
    if child is None or child.is_alive or child.life == 0 or not child.spec.told:
        return ()
    standing = child.standing
    if standing is ChildState.STOPPED and any(child.name in plan.start[plan.started :] for plan in state.plans):
        standing = ChildState.RESTARTING
    leader = state.find(child.awaits) if child.awaits else child
    next_try = leader.next_try if leader is not None else None
    return tuple(
        PeerDown(
            name=name,
            incarnation=state.met.get(name, 0),
            standing=standing,
            cause=child.last_exit,
            next_try=next_try if standing is ChildState.RESTARTING else None,
        )
        for name in told_of(child.spec)
    )


# --- the parent ------------------------------------------------------------------------------------------------------


def conditions_noted(before: Supervisor, step: Step) -> Step:
    """With what its parent is to hear of, in words; they change only when it does."""
    now = step.state
    ill = dict(now.ill)
    for was, child in now.children.changed_since(before.children):
        if was is not None and (child is None or child.name != was.name):
            ill.pop(was.name, None)
        if child is not None and child.standing in ILL:
            ill[child.name] = child.standing
        elif child is not None:
            ill.pop(child.name, None)
    if ill == now.ill:
        return step
    return Decision(replace(now, ill=ill, degraded=in_words(ill.items())), step.effects)


def in_words(ill: Iterable[tuple[str, ChildState]]) -> str:
    known = list(ill)
    more = f" and {len(known) - ILL_SHOWN} more" if len(known) > ILL_SHOWN else ""
    return ", ".join(f"{name} is {state}" for name, state in nsmallest(ILL_SHOWN, known)) + more
