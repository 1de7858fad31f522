"""Whether two conditions can be true of one event, as far as can be told without one.

The answer errs to *yes*: a ``False`` is a proof, and ``conditions.joint`` tells how it is found.

Pure.
"""

from alluse_hub.actors.coordinator.conditions.joint import never_both
from alluse_hub.actors.coordinator.conditions.tree import Literal, Node


def can_hold(tree: Node) -> bool:
    """False only if no event makes it true."""
    return can_both_hold(tree, Literal(1, value=True))


def can_both_hold(one: Node, other: Node) -> bool:
    """False only if no event makes both true."""
    return not never_both(one, other)
