"""What a supervisor does for a matter that had to wait is due to the letter that brought it, not to the one in hand.

A crash that waits in line while another child is started is taken up when that one is up: with the letter that says so.
So each matter, and the supervisor's own end, keeps the letter it came with; and what is done about it in the turn of a
letter of another chain says whose it is.  Then one chain holds a crash with all that is stopped and started for it, and
nothing else.

Pure.
"""

from alluse_hub.protocols.effects import Because, Commit, Decision, Effect
from alluse_hub.protocols.message import Envelope
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.origins import Origin
from alluse_hub.supervision.supervisor_orders import Step
from alluse_hub.supervision.supervisor_state import Supervisor


def noted(step: Step, letter: Envelope) -> Step:
    """After a letter was heard: what it brought knows it."""
    return Decision(_known(step.state, Origin(letter.id, letter.correlation)), step.effects)


def due_to(origin: Origin, step: Step, letter: Envelope) -> Step:
    """A step that is taken for what came with ``origin``, in the turn of ``letter``."""
    state = _known(step.state, origin if origin.cause else Origin(letter.id, letter.correlation))
    return Decision(state, tuple(owed(effect, origin, letter) for effect in step.effects))


def owed(effect: Effect, origin: Origin, letter: Envelope) -> Effect:
    if not origin.cause or origin.correlation == letter.correlation or isinstance(effect, Because | Commit):
        return effect
    return Because(effect, origin.cause, origin.correlation)


def _known(state: Supervisor, origin: Origin) -> Supervisor:
    """With whatever is new in line, and a new end, coming from there."""
    if any(not matter.origin.cause for matter in state.waiting):
        line = tuple(matter if matter.origin.cause else replace(matter, origin=origin) for matter in state.waiting)
        state = replace(state, waiting=line)
    if state.ending is not None and not state.ending.origin.cause:
        state = replace(state, ending=replace(state.ending, origin=origin))
    return state
