"""Orders of people: play, pause, stop, force.

*Pause* lets what is on its way arrive and keeps the rest; *stop* gives up what is under way as well, and nothing is
compared any more; *play* goes on with the newest.  *Force* has every target hold the newest version now, whatever the
mode, even while paused, and is answered when all of them have proved it.
"""

from alluse_hub.protocols.states import replace
from alluse_hub.protocols.sync import Divergence, ForceSync, Play, SwitchSync, SyncOrderDone, SyncSwitched
from alluse_hub.protocols.versions import Order, order_of

from . import comparing, deliveries, diverging
from .state import Forced, Turn, source_of

ALL = "all"
FORCE_S = 50.0
"""A forced sync that is not so by then is answered *no*, with what is missing; a person waits 60 s."""

FORCED_MAX = 64


def switch(turn: Turn, asker: str, order: SwitchSync) -> None:
    chosen = _chosen(turn, asker, order.sync)
    if not chosen:
        return
    changed = [sync for sync in chosen if turn.ledger.play(sync) is not order.play]
    loosens = order.play is Play.PLAYING
    for sync in changed:
        if order.play is Play.STOPPED:
            deliveries.give_up(turn, sync, f"{order.by} stopped {sync}")
        turn.record(SyncSwitched(sync=sync, play=order.play, by=order.by, reason=order.reason), commit=loosens)
        if loosens:
            comparing.begin(turn, sync, comparing.CATCH_UP)
    text = f"{', '.join(changed)}: {order.play.value}" if changed else f"{order.sync} is {order.play.value} already"
    turn.answer(asker, SyncOrderDone(sync=order.sync, ok=True, text=text))


def force(turn: Turn, asker: str, order: ForceSync) -> None:
    chosen = _chosen(turn, asker, order.sync)
    if not chosen:
        return
    stopped = [sync for sync in chosen if turn.ledger.play(sync) is Play.STOPPED]
    if stopped and order.sync != ALL:
        _no(turn, asker, order.sync, f"{order.sync} is stopped; play it first")
        return
    if len(turn.state.forced) >= FORCED_MAX:
        _no(turn, asker, order.sync, f"{FORCED_MAX} such orders wait already")
        return
    chosen = tuple(sync for sync in chosen if sync not in stopped)
    for sync in chosen:
        for target in turn.state.syncs[sync].targets:
            _decide(turn, f"{sync}>{target}", order)
        comparing.begin(turn, sync, comparing.FORCE)
    turn.set(forced=(*turn.state.forced, Forced(order.sync, chosen, asker, turn.now)))


def _decide(turn: Turn, edge: str, order: ForceSync) -> None:
    """A person's word on a conflict that waits for one."""
    state = turn.edge(edge)
    if not state.conflict:
        return
    known = turn.state.known.get(source_of(turn.sync_of(edge)))
    if known is not None and order_of(state.target_has.vector, known.version.vector) in {Order.EQUAL, Order.BEFORE}:
        diverging.close(turn, edge, known.version, "", "tried again", f"{order.by} has it sent again.")
    elif order.keep:
        policy = Divergence.SOURCE_WINS if order.keep == "source" else Divergence.TARGET_WINS
        diverging.mend(turn, edge, policy)


def _chosen(turn: Turn, asker: str, name: str) -> tuple[str, ...]:
    if name == ALL:
        return tuple(turn.state.syncs)
    if name in turn.state.syncs:
        return (name,)
    known = ", ".join(sorted(turn.state.syncs)) or "none is configured"
    _no(turn, asker, name, f"{name!r} is not a sync; known: {known}")
    return ()


def _no(turn: Turn, asker: str, name: str, text: str) -> None:
    turn.answer(asker, SyncOrderDone(sync=name, ok=False, text=text))


def finish(turn: Turn) -> None:
    """Answer the forced ones that are so, or that have waited long enough."""
    if not turn.state.forced:
        return
    left: list[Forced] = []
    for order in turn.state.forced:
        forced = _with_wants(turn, order)
        missing = [text for sync in forced.syncs for text in _missing(turn, forced, sync)]
        if not missing:
            text = "; ".join(_so(turn, forced, sync) for sync in forced.syncs) or "no sync plays"
            turn.answer(forced.asker, SyncOrderDone(sync=forced.sync, ok=True, text=text))
        elif turn.now - forced.at >= FORCE_S:
            _no(turn, forced.asker, forced.sync, f"within {FORCE_S:g} s not so: {'; '.join(missing)}")
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
        is_proved = turn.state.compared.get(edge, -1.0) >= forced.at and not state.conflict
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


def _so(turn: Turn, forced: Forced, sync: str) -> str:
    return f"{', '.join(turn.state.syncs[sync].targets)} hold {sync} {forced.wants[sync].label}"
