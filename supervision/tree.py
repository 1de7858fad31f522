"""The supervisor on its shell, and the form of a tree.

A tree is data: a child spec whose actor is ``SUPERVISOR_ACTOR`` holds its children in its spec, and so on down.
"""

from alluse_hub.protocols.lifecycle import ChildStart, SupervisorSpec
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.supervisor import SUPERVISOR

SUPERVISOR_ACTOR = "alluse_hub.supervision.tree.SupervisorActor"


class SupervisorActor(Shell):
    core = SUPERVISOR


def start_of(spec: SupervisorSpec) -> ChildStart:
    return ChildStart(actor=SUPERVISOR_ACTOR, spec=spec.model_dump(mode="json"))


def supervisors_of(tree: ChildStart, name: str) -> dict[str, str]:
    """Every actor of the tree below ``name``, and the supervisor it belongs to."""
    if tree.actor != SUPERVISOR_ACTOR:
        return {}
    found: dict[str, str] = {}
    for child in SupervisorSpec.model_validate(tree.spec).children:
        found[child.name] = name
        found |= supervisors_of(child.start, child.name)
    return found
