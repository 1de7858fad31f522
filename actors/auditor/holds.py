"""Legal holds: which are in force, and which of them an entry is under.

A hold is placed and lifted by a fact; what was placed and not lifted is in force.  It covers an entry if all that it
names fits.  Nothing that a hold covers may expire, and no subject that it covers may be erased.

Pure.
"""

from collections.abc import Iterable
from typing import NamedTuple

from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.keeping import HoldLifted, HoldPlaced
from alluse_hub.protocols.message import Fact


class Hold(NamedTuple):
    """``id``: of the entry that placed it, at ``placed_at`` seconds since 1970."""

    id: str
    placed_at: float
    placed: HoldPlaced


class Header(NamedTuple):
    """What a hold looks at in an entry.  ``subject``: the workstream that its body names, else its actor."""

    wall: float
    subject: str
    actor: str
    correlation: str
    message: str
    body: str = ""


def standing(facts: Iterable[tuple[str, float, Fact]]) -> tuple[Hold, ...]:
    """``facts``: id, wall time and fact, in the order in which they were written."""
    found: dict[str, Hold] = {}
    for entry_id, wall, fact in facts:
        match fact:
            case HoldPlaced():
                found[entry_id] = Hold(entry_id, wall, fact)
            case HoldLifted(hold=hold):
                found.pop(hold, None)
    return tuple(found.values())


def covering(holds: Iterable[Hold], entry: Header) -> tuple[Hold, ...]:
    """The holds that this entry is under."""
    return tuple(hold for hold in holds if covers(hold.placed, entry))


def covers(placed: HoldPlaced, entry: Header) -> bool:
    if placed.since is not None and entry.wall < placed.since:
        return False
    if placed.until is not None and entry.wall >= placed.until:
        return False
    equal = (
        (placed.workstream, entry.subject),
        (placed.actor, entry.actor),
        (placed.correlation, entry.correlation),
        (placed.message, entry.message),
    )
    if any(wanted and wanted != there for wanted, there in equal):
        return False
    return not placed.text or placed.text.casefold() in entry.body.casefold()


def overlaps(placed: HoldPlaced, written_from: float, written_until: float) -> bool:
    """Whether it can cover anything written between these times, both included."""
    return (placed.since is None or placed.since <= written_until) and (
        placed.until is None or placed.until > written_from
    )


def refuse_boundless(placed: HoldPlaced) -> None:
    """Raises CallerError for a hold that names nothing: it would be one on everything, for ever."""
    named = placed.workstream, placed.actor, placed.correlation, placed.message, placed.text
    if not any(named) and placed.since is None and placed.until is None:
        raise CallerError(
            "this hold names nothing; say what it is on: --since, --until, --workstream, --actor, --correlation,"
            " --message or --text"
        )
