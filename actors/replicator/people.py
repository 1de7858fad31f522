"""Orders of people: play, pause, stop, force.

*Pause* lets what is on its way arrive and keeps the rest; *stop* gives up what is under way as well, and nothing is
compared any more; *play* goes on with the newest.  *Force* has every target hold the newest version now, whatever the
mode, even while paused, and is answered when all of them have proved it.
"""

from alluse_hub.protocols.arbitration import ConflictDecided, DecideConflict
from alluse_hub.protocols.ruleset import CoordinationDone
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.sync import ForceSync, Play, SwitchSync, SyncOrderDone, SyncSwitched
from alluse_hub.protocols.versions import Order, order_of

from . import comparing, deliveries, diverging, figures
from .state import Forced, Turn, source_of

ALL = "all"
FORCE_S = 50.0
"""A forced sync that is not so by then is answered *no*, with what is missing; a person waits 60 s."""

FORCED_MAX = 64


def switch(turn: Turn, asker: str, order: SwitchSync) -> None:
    chosen = _chosen(turn, asker, order)
    if not chosen:
        return
    changed = [sync for sync in chosen if turn.ledger.play(sync) is not order.play]
    loosens = order.play is Play.PLAYING
    for sync in changed:
        if order.play is Play.STOPPED:
            deliveries.give_up(turn, sync, f"{order.by} stopped {sync}")
        turn.record(SyncSwitched(sync=sync, play=order.play, by=order.by, reason=order.reason), commit=loosens)
        if loosens:
            comparing.begin(turn, sync, "" if turn.state.syncs[sync].when else comparing.CATCH_UP)
    text = f"{', '.join(changed)}: {order.play.value}" if changed else f"{order.sync} is {order.play.value} already"
    turn.answer(asker, SyncOrderDone(sync=order.sync, ok=True, text=text, request=order.request))


def force(turn: Turn, asker: str, order: ForceSync) -> None:
    chosen = _chosen(turn, asker, order)
    if not chosen:
        return
    stopped = [sync for sync in chosen if turn.ledger.play(sync) is Play.STOPPED]
    if stopped and order.sync != ALL:
        _no(turn, asker, order, f"{order.sync} is stopped; play it first")
        return
    if len(turn.state.forced) >= FORCED_MAX:
        _no(turn, asker, order, f"{FORCED_MAX} such orders wait already")
        return
    chosen = tuple(sync for sync in chosen if sync not in stopped)
    for sync in chosen:
        for target in turn.state.syncs[sync].targets:
            _decide(turn, f"{sync}>{target}", order)
        comparing.begin(turn, sync, comparing.FORCE)
    turn.set(forced=(*turn.state.forced, Forced(order.sync, chosen, asker, order.request, turn.now)))


def _decide(turn: Turn, edge: str, order: ForceSync) -> None:
    """A person's word on a conflict that waits for one."""
    if turn.edge(edge).conflict:
        source, target = turn.sync_of(edge).source, edge.partition(">")[2]
        winner = {"source": source, "target": target}.get(order.keep, "")
        diverging.decided(turn, edge, winner, order.by)


def decide(turn: Turn, asker: str, order: DecideConflict) -> None:
    """A person's word on one conflict that people are asked about, as on those that the coordinator has."""
    edge = next((name for name, state in turn.ledger.edges.items() if state.conflict == order.conflict), None)
    if edge is None:
        text = f"{order.conflict!r} is not open; `conflicts` lists those that are"
        turn.answer(asker, CoordinationDone(about=order.about, ok=False, text=text))
        return
    choices = diverging.choices(turn, edge)
    if order.choice not in choices:
        text = f"{order.choice!r} is not to be chosen; choose {' or '.join(choices)}"
        turn.answer(asker, CoordinationDone(about=order.about, ok=False, text=text))
        return
    mending = diverging.mending_of(turn, edge)
    if (
        mending is not None
        and mending.version.vector
        and mending.policy is not diverging.wins(turn, edge, order.choice)
    ):
        text = f"{order.conflict} is closed just now: {mending.sentence}; `conflicts show {order.conflict}` tells when"
        turn.answer(asker, CoordinationDone(about=order.about, ok=False, text=text))
        return
    decided = ConflictDecided(
        conflict=order.conflict,
        resource=diverging.resource_of(turn, edge),
        winner=order.choice,
        by=order.by,
        reason=order.reason,
    )
    turn.record(decided, commit=True)
    diverging.decided(turn, edge, order.choice, order.by)
    text = f"{order.choice}'s version goes on; `conflicts show {order.conflict}` tells when that is so"
    turn.answer(asker, CoordinationDone(about=order.about, ok=True, text=text))


def _chosen(turn: Turn, asker: str, order: SwitchSync | ForceSync) -> tuple[str, ...]:
    name = order.sync
    if name == ALL:
        return tuple(turn.state.syncs)
    if name in turn.state.syncs:
        return (name,)
    known = ", ".join(sorted(turn.state.syncs)) or "none is configured"
    _no(turn, asker, order, f"{name!r} is not a sync; known: {known}")
    return ()


def _no(turn: Turn, asker: str, order: SwitchSync | ForceSync | Forced, text: str) -> None:
    turn.answer(asker, SyncOrderDone(sync=order.sync, ok=False, text=text, request=order.request))


def finish(turn: Turn) -> None:
    """Answer the forced ones that are so, or that have waited long enough."""
    if not turn.state.forced:
        return
    left: list[Forced] = []
    for order in turn.state.forced:
        forced = _with_wants(turn, order)
        missing = [text for sync in forced.syncs for text in _missing(turn, forced, sync)]
        if not missing:
            text = "; ".join(_so(turn, sync) for sync in forced.syncs) or "no sync plays"
            done = SyncOrderDone(sync=forced.sync, ok=True, text=text, request=forced.request)
            turn.answer(forced.asker, done)
        elif turn.now - forced.at >= FORCE_S:
            _no(turn, forced.asker, forced, f"within {FORCE_S:g} s not so: {'; '.join(missing)}")
        else:
            left.append(forced)
    turn.set(forced=tuple(left))


def _with_wants(turn: Turn, forced: Forced) -> Forced:
    """What a source goes on to make is not waited for."""
    found = dict(forced.wants)
    for sync in forced.syncs:
        known = turn.state.known.get(source_of(turn.state.syncs[sync]))
        if sync not in found and known is not None and known.heard_at >= forced.at:
            found[sync] = known.version
    return replace(forced, wants=found)


def _missing(turn: Turn, forced: Forced, sync: str) -> list[str]:
    """Targets that have not proved, since the order, that they hold the version that is wanted, or a later one."""
    spec = turn.state.syncs[sync]
    wanted = forced.wants.get(sync)
    if wanted is None:
        up = turn.state.presence.get(spec.source, "not heard of")
        return [f"{sync}: {spec.source} has not said what it has (it is {up})"]
    missing = []
    for target in spec.targets:
        edge = f"{sync}>{target}"
        state = turn.edge(edge)
        proved_at = max(turn.state.compared.get(edge, -1.0), -1.0 if state.verified_at is None else state.verified_at)
        is_proved = proved_at >= forced.at and not state.conflict
        if is_proved and order_of(wanted.vector, state.verified.vector) in {Order.EQUAL, Order.BEFORE}:
            continue
        why = f"conflict {state.conflict}" if state.conflict else _standing(turn, edge, target)
        missing.append(f"{sync} at {target}: {why}")
    return missing


def _standing(turn: Turn, edge: str, target: str) -> str:
    if hold := turn.hold_on(edge):
        return f"held back: {hold}"
    if not turn.is_up(target):
        return f"the program is {turn.state.presence.get(target, 'not heard of')}"
    newest = max(turn.edge(edge).open.values(), key=lambda each: each.serial, default=None)
    return f"{newest.stage.value} so far" if newest is not None else turn.state.dark.get(target, "not compared yet")


def _so(turn: Turn, sync: str) -> str:
    """What each of them holds: that may be later than what was waited for."""
    by_held: dict[str, list[str]] = {}
    for target in turn.state.syncs[sync].targets:
        edge = f"{sync}>{target}"
        by = " (by a sample)" if figures.sampled(turn, edge) else ""
        by_held.setdefault(f"{sync} {turn.edge(edge).verified.label}{by}", []).append(target)
    return ", ".join(
        f"{', '.join(targets)} {'hold' if len(targets) > 1 else 'holds'} {held}" for held, targets in by_held.items()
    )
