"""What a supervisor shows the board: a picture of all its children, whenever something is to be seen of a change.

A small family is shown at every change, at most once a letter.  In a large one that would cost more than everything
else, so its changes are gathered for a while.
"""

from alluse_hub.protocols.effects import Decision, Send, Wake
from alluse_hub.protocols.lifecycle import PeerUp, Started, Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.names import BOARD
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.supervisor_orders import Step
from alluse_hub.supervision.supervisor_state import Supervisor

SHOWN_AT_ONCE_MAX = 64
"""Children of a family that is shown at every change."""

SHOW_EVERY_S = 1.0
"""How old a change in a larger one may be when the board hears of it."""

SHOW = "show"
"""The timer."""


def pictured(before: Supervisor, step: Step, letter: Envelope) -> Step:
    """With a picture for the board, if there is something to show and it is time."""
    now = step.state
    is_changed = now.is_unshown or is_visibly_changed(before, now)
    is_over = now.ending is not None and now.ending.is_over
    is_time = len(now.children) <= SHOWN_AT_ONCE_MAX or is_over or letter.body == Woken(timer=SHOW)
    if asks_for_picture(letter.body) or (is_changed and is_time):
        shown = Send(BOARD, now.shown())
        return Decision(replace(now, is_unshown=False), (*step.effects, shown))
    if is_changed and not now.is_unshown:
        return Decision(replace(now, is_unshown=True), (*step.effects, Wake(SHOW, SHOW_EVERY_S)))
    return step


def is_visibly_changed(before: Supervisor, now: Supervisor) -> bool:
    return any(
        was is None or child is None or was.shown() != child.shown()
        for was, child in now.children.changed_since(before.children)
    )


def asks_for_picture(body: Message) -> bool:
    """A new board knows nothing of us."""
    return isinstance(body, Started) or (isinstance(body, PeerUp) and body.name == BOARD)
