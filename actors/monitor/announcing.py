"""Versions of data sets that the program has made, told to the replicator.

It asks for each word; while it has not asked, a newer version replaces an older one unsaid, so a program that makes
many costs no more letters than the replicator takes.  What it misses over a death it asks for anew.

Pure.
"""

from collections.abc import Mapping

from alluse_hub.protocols.names import REPLICATOR
from alluse_hub.protocols.versions import DatasetsTold, Order, Version, order_of

from .state import Announced, Turn


def greeted(turn: Turn, versions: Mapping[str, Version]) -> None:
    """What a program has when it starts is what it has, be it less than before."""
    _learn(turn, {name: version for name, version in versions.items() if name in turn.state.spec.datasets})


def made(turn: Turn, versions: Mapping[str, Version]) -> None:
    known = turn.state.announced.versions
    _learn(
        turn,
        {
            name: version
            for name, version in versions.items()
            if name in turn.state.spec.datasets
            and (name not in known or order_of(version.vector, known[name].vector) is not Order.BEFORE)
        },
    )


def happened(turn: Turn, event: str) -> None:
    if event in turn.state.spec.sync_events:
        announced = turn.state.announced
        _set(turn, Announced(announced.versions, announced.unsaid, announced.events | {event}, announced.asked))


def asked(turn: Turn) -> None:
    announced = turn.state.announced
    _set(turn, Announced(announced.versions, announced.unsaid, announced.events, asked=True))
    tell(turn)


def asked_afresh(turn: Turn) -> None:
    """A new incarnation of the replicator knows nothing."""
    announced = turn.state.announced
    _set(turn, Announced(announced.versions, frozenset(announced.versions), announced.events, asked=True))
    tell(turn)


def tell(turn: Turn) -> None:
    announced = turn.state.announced
    if not announced.asked or not (announced.unsaid or announced.events):
        return
    word = DatasetsTold(
        workstream=turn.state.ws,
        versions={name: announced.versions[name] for name in sorted(announced.unsaid)},
        events=tuple(sorted(announced.events)),
    )
    turn.send(REPLICATOR, word)
    _set(turn, Announced(announced.versions, frozenset(), frozenset(), asked=False))


def _learn(turn: Turn, versions: Mapping[str, Version]) -> None:
    if versions:
        announced = turn.state.announced
        _set(
            turn,
            Announced(
                {**announced.versions, **versions}, announced.unsaid | set(versions), announced.events, announced.asked
            ),
        )


def _set(turn: Turn, announced: Announced) -> None:
    turn.set(announced=announced)
