"""What a supervisor does about a child that lives and does nothing: it is asked by the kernel to end, and then killed.

Who is hung is found out by the shell (``pings``), for a child that is up and whose specification asks for it.  One that
is starting is judged by its start timeout, one that is stopping by its grace.  Its end is a failure like any other,
whatever signal it took, with a cause that says why it was judged so.

SIGTERM is for a child whose mailbox works and whose worker does not: it ends in order, and lets go of what it holds.
One that is stopped, or does not come back from a letter, does not hear it; nothing withstands SIGKILL.
"""

from alluse_hub.protocols.effects import Decision, Effect, Kill, Record, Terminate, Wake, Watch
from alluse_hub.protocols.lifecycle import ChildState
from alluse_hub.protocols.liveness import SUSPECTED, ChildHung, Hung, Liveness, LookAfter
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.supervisor_child import UP, Child, told_of
from alluse_hub.supervision.supervisor_orders import Step
from alluse_hub.supervision.supervisor_state import Supervisor

TERM_GRACE_S = 3.0
"""From SIGTERM to SIGKILL: an ending leaf waits two seconds for its worker to let go."""


def watched(child: Child) -> tuple[Effect, ...]:
    """When it has come up."""
    return () if child.spec.liveness is None else (Watch(child.name, child.spec.liveness),)


def found_hung(state: Supervisor, hung: Hung, at: float) -> Step:
    child = state.find(hung.name)
    if child is None or child.life != hung.life or child.state not in UP or child.state is ChildState.HUNG:
        return Decision(state)
    fact = ChildHung(name=child.name, life=child.life, incarnation=child.incarnation, why=hung.why)
    judged = replace(child, state=ChildState.HUNG, hung=hung.why, since=at)
    return Decision(state.put(judged), (Record(fact), Terminate(child.name), Wake(judged.hung_timer, TERM_GRACE_S)))


def looked_after(state: Supervisor, asked: LookAfter) -> Step:
    """Whoever runs what left somebody without an answer is watched closely, as long as it lives.  Once only: to be
    asked anew would put off the verdict."""
    child = next((child for child in state.children if asked.name in {child.spec.name, *told_of(child.spec)}), None)
    if child is None or child.state not in UP or child.state is ChildState.HUNG or child.close_life == child.life:
        return Decision(state)
    usual = child.spec.liveness
    if usual is None:
        return Decision(state)
    closer = Liveness(
        interval_s=min(usual.interval_s, SUSPECTED.interval_s),
        limit_s=min(usual.limit_s, SUSPECTED.limit_s),
        job_limit_s=usual.job_limit_s,
        mail_limit_s=usual.mail_limit_s,
    )
    return Decision(state.put(replace(child, close_life=child.life)), (Watch(child.name, closer),))


def term_ignored(state: Supervisor, child: Child) -> Step:
    """The timer is due."""
    return Decision(state, (Kill(child.name),) if child.state is ChildState.HUNG else ())


def cause_of(child: Child, cause: str) -> str:
    """Of its end."""
    return f"hung: {child.hung}" if child.state is ChildState.HUNG else cause
