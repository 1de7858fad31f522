"""Versions of data sets that the program has made, told to the replicator.

It asks for each word; while it has not asked, a newer version replaces an older one unsaid, so a program that makes
many costs no more letters than the replicator takes.  With its question it says which word it has; one that was lost is
said again.

Pure.
"""

from collections.abc import Mapping

from alluse_hub.protocols.names import REPLICATOR
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.versions import DatasetsTold, Order, Version, order_of

from .state import Turn


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
        turn.set(announced=replace(announced, events=announced.events | {event}))


def asked(turn: Turn, number: int, heard: int) -> None:
    announced = turn.state.announced
    if number <= announced.asks:
        return
    if heard != announced.serial and announced.last is not None:
        announced = replace(
            announced,
            unsaid=announced.unsaid | set(announced.last.versions),
            events=announced.events | set(announced.last.events),
        )
    turn.set(announced=replace(announced, last=None, asked=True, asks=number))
    tell(turn)


def asked_afresh(turn: Turn) -> None:
    """A new incarnation of the replicator knows nothing."""
    announced = turn.state.announced
    turn.set(announced=replace(announced, unsaid=frozenset(announced.versions), last=None, asked=True, asks=0))
    tell(turn)


def tell(turn: Turn) -> None:
    announced = turn.state.announced
    if not announced.asked or not (announced.unsaid or announced.events):
        return
    word = DatasetsTold(
        workstream=turn.state.ws,
        serial=announced.serial + 1,
        versions={name: announced.versions[name] for name in sorted(announced.unsaid)},
        events=tuple(sorted(announced.events)),
    )
    turn.send(REPLICATOR, word)
    turn.set(
        announced=replace(announced, serial=word.serial, last=word, unsaid=frozenset(), events=frozenset(), asked=False)
    )


def _learn(turn: Turn, versions: Mapping[str, Version]) -> None:
    if versions:
        announced = turn.state.announced
        turn.set(
            announced=replace(
                announced,
                versions={**announced.versions, **versions},
                unsaid=announced.unsaid | set(versions),
            )
        )
