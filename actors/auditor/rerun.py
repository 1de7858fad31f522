"""Every incarnation that is on record, run again from the letters it heard: does it decide as it did?

The deciding is ``supervision.replay``'s; here is what that asks of the trail.  One incarnation after the other, each
from its own beginning; nothing of one is kept for the next.
"""

from collections.abc import Callable, Iterator
from functools import partial

from alluse_hub.actors.auditor.history import UNBOUND, Bounds, History, Incarnation
from alluse_hub.supervision.replay import CoreOf, Judgement, replayed
from alluse_hub.supervision.spool import SpoolEntry

Progress = Callable[[str, int, int], None]
"""Told the actor, its incarnation, and how many entries have been read in all."""


def rerun(
    history: History, core_of: CoreOf, actor: str = "", bounds: Bounds = UNBOUND, progress: Progress | None = None
) -> Iterator[Judgement]:
    """Incarnations that have something within the bounds, by actor and number.  What is before the first bound is run
    as well, since what follows rests on it."""
    read = 0

    def counted(incarnation: Incarnation) -> Iterator[SpoolEntry]:
        nonlocal read
        for piece in history.pieces(incarnation, bounds.last):
            yield from (history.unsealed(incarnation, entry) for entry in piece)
            read += len(piece)
            if progress is not None:
                progress(incarnation.actor, incarnation.number, read)

    for incarnation in history.incarnations(actor):
        if bounds.first is not None and 0 < incarnation.last_leaf < bounds.first:
            continue
        recover = partial(history.left_before, incarnation)
        judgement = replayed(incarnation.actor, incarnation.number, counted(incarnation), core_of, recover, history)
        if judgement.letters or judgement.unknown or judgement.difference:
            yield judgement
