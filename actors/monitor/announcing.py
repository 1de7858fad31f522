"""Versions of data sets that the program has made, told to the replicator.

It asks for each word; while it has not asked, a newer version replaces an older one unsaid, so a program that makes
many costs no more letters than the replicator takes.  With its question it says which word it has; one that was lost is
said again.

Events that a sync waits for on a condition are asked here, where they are heard: what makes a sync due is a fact of
this monitor, and outlives it.

Pure.
"""

from collections.abc import Mapping

from alluse_hub.protocols.conditions import evaluate, holds, parse
from alluse_hub.protocols.fields import as_known
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.names import REPLICATOR
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.versions import (
    DatasetsTold,
    EventAsked,
    Order,
    SyncEventMet,
    SyncEventsTold,
    Version,
    order_of,
)

from .state import Announced, Asking, Turn

WHY_CHARS_MAX = 2_000
"""Of a condition with its values; the event itself stands in the trail."""


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


def happened(turn: Turn, event: Event) -> None:
    """What a sync waits for; where it does so on a condition, if that is true.  Unknown is not true."""
    spec, announced = turn.state.spec, turn.state.announced
    if event.event in spec.sync_events:
        turn.set(announced=replace(announced, events=announced.events | {event.event}))
    for sync, waits in spec.sync_conditions.items():
        if waits.event == event.event:
            _ask(turn, sync, waits.when, event)


def _ask(turn: Turn, sync: str, when: str, event: Event) -> None:
    """That it is due stands in the trail before anybody is told, and is kept until it is known to be told."""
    (known,) = as_known((event,), _names(turn))
    value = holds(parse(when), known.payload)
    announced = turn.state.announced
    asked = announced.asking.get(sync, Asking())
    asked = Asking(asked.true + (value is True), asked.false + (value is False), asked.unknown + (value is None), known)
    turn.set(announced=replace(announced, asking={**announced.asking, sync: asked}, news=announced.news | {sync}))
    waiting = turn.kept.met.get(sync)
    is_told = announced.last is not None and waiting is not None and announced.last.met.get(sync, 0) >= waiting
    if value is True and (waiting is None or is_told):
        why = evaluate(parse(when), known.payload).why[:WHY_CHARS_MAX]
        turn.record(SyncEventMet(workstream=turn.state.ws, sync=sync, n=event.n, why=why))


def _names(turn: Turn) -> dict[str, dict[str, str]]:
    return {turn.state.ws: turn.state.spec.fields} if turn.state.spec.fields else {}


def asked(turn: Turn, number: int, heard: int) -> None:
    announced = turn.state.announced
    if number <= announced.asks:
        return
    if announced.last is not None and heard == announced.serial and announced.last.met:
        turn.record(SyncEventsTold(workstream=turn.state.ws, met=announced.last.met))
    if heard != announced.serial:
        announced = _unheard(announced)
    turn.set(announced=replace(announced, last=None, asked=True, asks=number))
    tell(turn)


def asked_afresh(turn: Turn) -> None:
    """A new incarnation of the replicator knows nothing; what its last one did with the last word, nobody knows."""
    announced = _unheard(turn.state.announced)
    announced = replace(announced, unsaid=frozenset(announced.versions), news=frozenset(announced.asking))
    turn.set(announced=replace(announced, last=None, asked=True, asks=0))
    tell(turn, news=True)


def _unheard(announced: Announced) -> Announced:
    """What the last word said is to be said again."""
    last = announced.last
    if last is None:
        return announced
    return replace(
        announced,
        unsaid=announced.unsaid | set(last.versions),
        events=announced.events | set(last.events),
        news=announced.news | set(last.asked),
    )


def tell(turn: Turn, *, news: bool = False) -> None:
    """``news``: also if conditions were asked and were not true, which is told now and then."""
    announced, waits = turn.state.announced, turn.state.spec.sync_conditions
    told = announced.last.met if announced.last is not None else {}
    met = {sync: n for sync, n in sorted(turn.kept.met.items()) if n > told.get(sync, 0) and sync in waits}
    if not announced.asked or not (announced.unsaid or announced.events or met or (news and announced.news)):
        return
    word = DatasetsTold(
        workstream=turn.state.ws,
        serial=announced.serial + 1,
        versions={name: announced.versions[name] for name in sorted(announced.unsaid)},
        events=tuple(sorted(announced.events)),
        met=met,
        asked={sync: _said(turn, sync, announced.asking[sync]) for sync in sorted(announced.news)},
    )
    turn.send(REPLICATOR, word)
    turn.set(
        announced=replace(
            announced,
            serial=word.serial,
            last=word,
            unsaid=frozenset(),
            events=frozenset(),
            news=frozenset(),
            asked=False,
        )
    )


def _said(turn: Turn, sync: str, asking: Asking) -> EventAsked:
    """With the values of the last event, which are looked for only now."""
    assert asking.last is not None, "a condition is asked of an event"
    verdict = evaluate(parse(turn.state.spec.sync_conditions[sync].when), asking.last.payload)
    return EventAsked(
        true=asking.true,
        false=asking.false,
        unknown=asking.unknown,
        n=asking.last.n,
        value=verdict.value,
        why=verdict.why[:WHY_CHARS_MAX],
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
