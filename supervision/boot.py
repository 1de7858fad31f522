"""What a carrier tells an actor when it is born."""

from dataclasses import dataclass

from alluse_hub.protocols.message import Json
from alluse_hub.supervision.origins import UNKNOWN, Origin


@dataclass(frozen=True, slots=True)
class Boot:
    """What an actor is told when it is born.  ``home`` is the hub's folder; ``reader`` the class path of the module
    that recovers facts; ``process`` says which process this is, for the trail; ``origin`` what it is born for;
    ``actor`` the class path of its shell."""

    name: str
    life: int
    spec: Json
    parent: str
    version: str = ""
    pid: int = 0
    start_ticks: int = 0
    origin: Origin = UNKNOWN
    actor: str = ""
