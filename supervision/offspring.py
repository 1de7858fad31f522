"""A child as the shell of its parent knows it: where it is, which process it has, and what it said last."""

from dataclasses import dataclass

from thespian.actors import ActorAddress

from alluse_hub.supervision.origins import UNKNOWN, Origin
from alluse_hub.supervision.processes import Process


@dataclass(slots=True)
class Offspring:
    """``process``: known when it is up.  ``cause`` and ``farewell``: of its end, as it told them, or as they are known
    from elsewhere."""

    name: str
    life: int
    address: ActorAddress
    process: Process | None = None
    cause: str = ""
    farewell: Origin = UNKNOWN
    lost_since: float | None = None  # found gone, and nobody has said so
