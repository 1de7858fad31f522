"""The supervisor on its shell, and the form of a tree.

A tree is data: a child spec whose actor is ``SUPERVISOR_ACTOR`` holds its children in its spec, and so on down.  One
whose actor is ``CELL_ACTOR`` holds actors as well, but they share its process, and to their supervisor they are one.
"""

from alluse_hub.protocols.lifecycle import CellSpec, ChildStart, SupervisorSpec
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.supervisor import SUPERVISOR

SUPERVISOR_ACTOR = "alluse_hub.supervision.tree.SupervisorActor"
CELL_ACTOR = "alluse_hub.supervision.cell.CellActor"


class SupervisorActor(Shell):
    core = SUPERVISOR


def start_of(spec: SupervisorSpec | CellSpec) -> ChildStart:
    actor = CELL_ACTOR if isinstance(spec, CellSpec) else SUPERVISOR_ACTOR
    return ChildStart(actor=actor, spec=spec.model_dump(mode="json"))


def supervisors_of(tree: ChildStart, name: str) -> dict[str, str]:
    """Every actor of the tree below ``name`` that has a process, and the supervisor it belongs to."""
    if tree.actor != SUPERVISOR_ACTOR:
        return {}
    found: dict[str, str] = {}
    for child in SupervisorSpec.model_validate(tree.spec).children:
        found[child.name] = name
        found |= supervisors_of(child.start, child.name)
    return found


def cells_of(tree: ChildStart, name: str) -> dict[str, str]:
    """Every actor of the tree below ``name`` that lives in a cell, and which."""
    if tree.actor == CELL_ACTOR:
        return {resident.name: name for resident in CellSpec.model_validate(tree.spec).residents}
    found: dict[str, str] = {}
    if tree.actor == SUPERVISOR_ACTOR:
        for child in SupervisorSpec.model_validate(tree.spec).children:
            found |= cells_of(child.start, child.name)
    return found
