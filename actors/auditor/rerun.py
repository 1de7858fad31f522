"""Every incarnation that is on record, run again from the letters it heard: does it decide as it did?

The deciding is ``supervision.replay``'s; here is what that asks of the trail.  One incarnation after the other, each
from its own beginning; nothing of one is kept for the next.
"""

from collections.abc import Callable, Iterator
from functools import partial

from alluse_hub.actors.auditor.history import UNBOUND, Bounds, History, Incarnation
from alluse_hub.protocols.names import KEEPER
from alluse_hub.supervision.judgement import Judgement
from alluse_hub.supervision.relive import Relived
from alluse_hub.supervision.replay import CoreOf, replaying
from alluse_hub.supervision.spool import SpoolEntry

Progress = Callable[[str, int, int], None]
"""Told the actor, its incarnation, and how many entries have been read in all."""


def rerun(
    history: History, core_of: CoreOf, actor: str = "", bounds: Bounds = UNBOUND, progress: Progress | None = None
) -> Iterator[Judgement]:
    """Incarnations that have something within the bounds, by actor and number.  What is before the first bound is run
    as well, since what follows rests on it."""
    read = 0

    def told(incarnation: Incarnation, entries: int) -> None:
        nonlocal read
        read += entries
        if progress is not None:
            progress(incarnation.actor, incarnation.number, read)

    for incarnation in wanted(history, actor, bounds):
        judgement = judged(history, core_of, incarnation, bounds, told)
        if is_worth_telling(judgement):
            yield judgement


def wanted(history: History, actor: str, bounds: Bounds) -> list[Incarnation]:
    return [
        incarnation
        for incarnation in history.incarnations(actor)
        if incarnation.actor != KEEPER  # what commands recorded was decided by a person
        and not (bounds.first is not None and 0 < incarnation.last_leaf < bounds.first)
    ]


def judged(
    history: History,
    core_of: CoreOf,
    incarnation: Incarnation,
    bounds: Bounds,
    told: Callable[[Incarnation, int], None],
) -> Judgement:
    """``told``: of every piece, how many entries it had."""
    judgement = Judgement(incarnation.actor, incarnation.number)
    for _ in again(history, core_of, incarnation, bounds, told, judgement):
        pass
    return judgement


def again(
    history: History,
    core_of: CoreOf,
    incarnation: Incarnation,
    bounds: Bounds,
    told: Callable[[Incarnation, int], None],
    judgement: Judgement,
) -> Iterator[Relived]:
    """The same, letter by letter, into a judgement without any yet."""

    def entries() -> Iterator[SpoolEntry]:
        for piece in history.pieces(incarnation, bounds.last):
            yield from (history.unsealed(incarnation, entry) for entry in piece)
            told(incarnation, len(piece))

    recover = partial(history.left_before, incarnation)
    return replaying(judgement, entries(), core_of, recover, history)


def is_worth_telling(judgement: Judgement) -> bool:
    return bool(judgement.letters or judgement.unknown or judgement.difference)
