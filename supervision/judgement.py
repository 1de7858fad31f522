"""What came of running an incarnation again: how much of it could be judged, and the first decision that differs.

Pure.
"""

from dataclasses import dataclass
from typing import NamedTuple

from alluse_hub.supervision.sayings import Said


class Difference(NamedTuple):
    """The first decision that is not as recorded.  ``letter``: what was in hand.  Without ``recorded`` it stands not in
    the trail, without ``decided`` it is not decided now."""

    entry: str  # id of the entry that differs, or of the last one before it
    letter: str
    kind: str
    sender: str
    at: float
    recorded: Said | None
    decided: Said | None
    why: str


@dataclass(slots=True)
class Judgement:
    """Of one incarnation.  ``judged`` of ``letters`` were decided again; ``set_aside`` of them its shell handed to no
    core.  ``unknown``: why the rest, from entry ``unknown_from`` on, could not be judged; empty if all could."""

    actor: str
    incarnation: int
    version: str = ""
    letters: int = 0
    judged: int = 0
    set_aside: int = 0
    difference: Difference | None = None
    unknown: str = ""
    unknown_from: str = ""
