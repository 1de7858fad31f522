"""The report of a trial: two courses of decisions, the recorded one and the tried one, held against each other.

Everything is told that one of the two has and the other has not, up to a bound that is told as well.  Pure.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from alluse_hub.actors.coordinator.tally import Firing, World

LISTED_MAX = 100_000
"""Of each sort under each name, for a report that a machine can hold; all are counted."""

Shown = dict[str, Any]  # Any: JSON


class Move(NamedTuple):
    """One rule fires on another event about the same subject.  ``by_s`` and ``sessions``: how much later."""

    subject: str
    was: str
    now: str
    by_s: float
    sessions: int


def worlds(recorded: World, tried: World) -> Shown:
    return {
        "recorded": _summed(recorded),
        "tried": _summed(tried),
        "firings": _firings(recorded.fired, tried.fired),
        "undecided": _changes(recorded.undecided, tried.undecided),
        "conflicts": _changes(recorded.conflicts, tried.conflicts),
        "commands": _changes(recorded.commands, tried.commands),
        "refusals": _changes(recorded.refusals, tried.refusals),
        "asked": _changes(recorded.asked, tried.asked),
        **_orders(recorded, tried),
    }


def _summed(world: World) -> Shown:
    return {
        "firings": sum(map(len, world.fired.values())),
        "conflicts": sum(map(len, world.conflicts.values())),
        "commands": sum(map(len, world.commands.values())),
        "refusals": sum(map(len, world.refusals.values())),
        "asked": sum(map(len, world.asked.values())),
        "answers_of_people": dict(world.answers),
        "minutes": {
            resource: {rung: round(spent, 3) for rung, spent in rungs.items()}
            for resource, rungs in world.minutes.items()
        },
        "sessions": world.sessions,
        "firings_before_open": world.before_open,
    }


def _changes(before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> Shown:
    """By what they are counted under: how many were and are, and those that are only in one of the two."""
    return {name: _change(before.get(name, ()), after.get(name, ())) for name in dict.fromkeys((*before, *after))}


def _change(before: Sequence[str], after: Sequence[str]) -> Shown:
    was, now = Counter(before), Counter(after)
    added, removed = list((now - was).elements()), list((was - now).elements())
    return {
        "recorded": was.total(),
        "tried": now.total(),
        "added": added[:LISTED_MAX],
        "added_count": len(added),
        "removed": removed[:LISTED_MAX],
        "removed_count": len(removed),
    }


def _firings(before: Mapping[str, Sequence[Firing]], after: Mapping[str, Sequence[Firing]]) -> Shown:
    """Of those that are only in one of the two, also which have moved."""
    found: Shown = {}
    for rule in dict.fromkeys((*before, *after)):
        was, now = before.get(rule, ()), after.get(rule, ())
        moves = list(moved(was, now))
        found[rule] = {
            **_change([firing.event for firing in was], [firing.event for firing in now]),
            "moved": [move._asdict() for move in moves[:LISTED_MAX]],
            "moved_count": len(moves),
        }
    return found


def moved(before: Sequence[Firing], after: Sequence[Firing]) -> Iterator[Move]:
    """For each subject the firings that are gone, one by one with those that are new, in the order of time."""
    is_gone, is_new = _only(before, after), _only(after, before)
    for subject, gone in is_gone.items():
        for was, now in zip(gone, is_new.get(subject, ()), strict=False):
            yield Move(subject, was.event, now.event, round(now.at - was.at, 3), now.ordinal - was.ordinal)


def _only(of: Sequence[Firing], other: Sequence[Firing]) -> dict[str, list[Firing]]:
    """Those that the other has not, by subject."""
    left = Counter(firing.event for firing in other)
    found: dict[str, list[Firing]] = {}
    for firing in of:
        if left[firing.event] > 0:
            left[firing.event] -= 1
        else:
            found.setdefault(firing.subject, []).append(firing)
    return found


def _orders(recorded: World, tried: World) -> Shown:
    """Commands on events on which the rule fires in both: what was told then and is not, and the other way round."""
    changed = [
        (order, recorded.orders[order], now)
        for order, now in tried.orders.items()
        if order in recorded.orders and recorded.orders[order].what != now.what
    ]
    blocked = [
        {**order._asdict(), "now": now.what, "why": now.why} for order, was, now in changed if was.what == "told"
    ]
    allowed = [
        {**order._asdict(), "was": was.what, "why": was.why} for order, was, now in changed if now.what == "told"
    ]
    return {
        "blocked": blocked[:LISTED_MAX],
        "blocked_count": len(blocked),
        "allowed": allowed[:LISTED_MAX],
        "allowed_count": len(allowed),
    }
