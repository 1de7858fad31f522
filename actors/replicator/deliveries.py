"""Deliveries: begun when a version is due, carried as far as each answer allows, and ended in exactly one way.

To each target there is at most one that waits; a newer version takes its place.  At most ``window`` are on their way.
A target stores a version only if that is later than what it has, so what arrives twice, late or out of order does no
harm; and it is verified only by the digest of what it stored.
"""

from typing import Any

from alluse_hub.protocols.message import Json
from alluse_hub.protocols.sync import Divergence, Stage, SyncMode
from alluse_hub.protocols.versions import Held, Order, Version, is_same, order_of
from alluse_hub.protocols.workstream import CommandReply

from . import contents
from .contents import hold_off, order_for, want
from .exchanges import APPLY, CONTENT_BYTES_MAX, ITEMS_MAX, OFFER, ask, held_in, in_hand, is_free
from .ledger import ON_ITS_WAY, WAITING, Delivery
from .proving import proof_of, sample_for
from .state import Exchange, Known, Payload, Turn, at, source_of

# --- due -------------------------------------------------------------------------------------------------------------


def due(turn: Turn, edge: str, cause: str) -> None:
    """The newest version that is known of is to be at the target; older ones that wait give way."""
    sync = turn.sync_of(edge)
    known = turn.state.known.get(source_of(sync))
    if known is None or turn.edge(edge).conflict:
        return
    if any(is_same(delivery.version, known.version) for delivery in turn.edge(edge).open.values()):
        return
    waits = turn.edge(edge).waiting()
    if waits is not None:
        is_full = turn.edge(edge).on_its_way >= sync.window
        why = f"coalesced: {sync.window} are on their way already" if is_full else "a newer version took its place"
        turn.move(edge, waits.serial, Stage.SUPERSEDED, why=why)
    serial = turn.edge(edge).serial + 1
    turn.move(edge, serial, Stage.CHANGED, version=known.version, cause=cause)


def learn(turn: Turn, workstream: str, dataset: str, version: Version, asked_at: float | None = None) -> bool:
    """What a source says it has, and whether that is new.  An earlier version than the one known of is believed only
    in answer to a question that was asked since: else it may be an old word."""
    key = at(workstream, dataset)
    known = turn.state.known.get(key)
    is_old_word = known is not None and (asked_at is None or asked_at < known.heard_at)
    if known is not None and is_old_word and order_of(version.vector, known.version.vector) is Order.BEFORE:
        return False
    is_new = known is None or not is_same(known.version, version)
    since = turn.now if known is None or is_new else known.at
    turn.set(known={**turn.state.known, key: Known(version, since, turn.now)})
    return is_new


def live(turn: Turn, workstream: str, dataset: str, cause: str) -> None:
    """Each live sync of it carries what is new at once."""
    for sync in turn.state.sources.get(at(workstream, dataset), ()):
        if turn.state.syncs[sync].mode is SyncMode.LIVE and turn.plays(sync):
            for target in turn.state.syncs[sync].targets:
                unless_there(turn, f"{sync}>{target}", cause)


def unless_there(turn: Turn, edge: str, cause: str) -> None:
    """Due, unless the target was shown to have it."""
    known = turn.state.known.get(source_of(turn.sync_of(edge)))
    if known is not None and not is_same(turn.edge(edge).verified, known.version):
        due(turn, edge, cause)


def give_up(turn: Turn, sync: str, why: str) -> None:
    """End whatever of ``sync`` is under way."""
    for target in turn.state.syncs[sync].targets:
        edge = f"{sync}>{target}"
        for serial in list(turn.edge(edge).open):
            turn.move(edge, serial, Stage.SUPERSEDED, why=why)


def expire(turn: Turn) -> None:
    for edge, state in list(turn.ledger.edges.items()):
        if not state.open:
            continue
        name, _, target = edge.partition(">")
        if name not in turn.state.syncs or target not in turn.state.syncs[name].targets:
            for serial in state.open:
                turn.move(edge, serial, Stage.SUPERSEDED, why="it is configured no more")
            continue
        sync = turn.sync_of(edge)
        deadline_s, goes_on = sync.deadline_s, turn.plays(sync.id) or turn.is_forced(sync.id)
        since = 0.0 if not turn.hold_on(edge) else turn.now
        since = max(since, turn.state.freed_at.get(edge, 0.0))
        for serial, delivery in state.open.items():
            if delivery.stage in WAITING and not goes_on:
                turn.move(edge, serial, Stage.SUPERSEDED, why="it is paused; the newest goes when it plays")
            elif turn.now - max(delivery.changed_at, since) >= deadline_s:
                turn.move(edge, serial, Stage.EXPIRED, why=_lacks(turn, edge, delivery, deadline_s))


def _lacks(turn: Turn, edge: str, delivery: Delivery, deadline_s: float) -> str:
    sync, target = turn.sync_of(edge), edge.partition(">")[2]
    late = f"not verified within {deadline_s:g} s"
    for workstream in (target, sync.source):
        if not turn.is_up(workstream):
            return f"{late}: {workstream} is {turn.state.presence.get(workstream, 'not heard of')}"
        if workstream in turn.state.dark:
            return f"{late}: {turn.state.dark[workstream]}"
    return f"{late}: {delivery.stage.value} was as far as it got"


# --- carried ---------------------------------------------------------------------------------------------------------


def pump(turn: Turn, only: str = "") -> None:
    """Ask all that can be asked now.  ``only``: what has changed concerns this target alone."""
    busy = in_hand(turn)
    for target in (only,) if only else tuple(turn.state.ends):
        edges = turn.state.ends.get(target, ())
        _outdated(turn, edges, busy)
        if is_free(turn, APPLY, target):
            _apply(turn, target, edges, busy)
            busy = in_hand(turn)
        if is_free(turn, OFFER, target):
            _offer(turn, target, edges, busy)
    for workstream in sorted(turn.state.wanted):
        contents.fetch(turn, workstream)


def _outdated(turn: Turn, edges: tuple[str, ...], busy: frozenset[tuple[str, int]]) -> None:
    """What cannot go on, because a newer version has come and the content of this one is not here any more."""
    for edge in edges:
        state, key = turn.edge(edge), source_of(turn.sync_of(edge))
        for serial, delivery in list(state.open.items()):
            is_lost = delivery.stage in ON_ITS_WAY and (edge, serial) not in busy
            if is_lost and serial < state.serial and turn.content(key, delivery.version) is None:
                turn.move(edge, serial, Stage.SUPERSEDED, why="the source has a newer version by now")


def _offer(turn: Turn, target: str, edges: tuple[str, ...], busy: frozenset[tuple[str, int]]) -> None:
    offers: Json = {}
    carries: list[tuple[str, int]] = []
    for edge in edges:
        delivery = _to_offer(turn, edge, busy) if len(offers) < ITEMS_MAX else None
        if delivery is None:
            continue
        sync = turn.sync_of(edge)
        if turn.content(source_of(sync), delivery.version) is None:
            want(turn, sync.source, sync.content)
            continue
        version = delivery.version
        offers[sync.content] = {"vector": dict(version.vector), "digest": version.digest, "form": version.form}
        carries.append((edge, delivery.serial))
        turn.move(edge, delivery.serial, Stage.OFFERED)
    if offers:
        ask(turn, OFFER, target, offers, carries)


def _to_offer(turn: Turn, edge: str, busy: frozenset[tuple[str, int]]) -> Delivery | None:
    """The one that waits, or one whose answer was lost with an earlier life, if the sync plays and has room."""
    state, sync = turn.edge(edge), turn.sync_of(edge)
    if not state.open or turn.hold_on(edge):
        return None
    lost = [d for d in state.open.values() if d.stage in ON_ITS_WAY and (edge, d.serial) not in busy]
    for delivery in lost:
        if delivery.stage is not Stage.WANTED or turn.content(source_of(sync), delivery.version) is None:
            return delivery
    waits = state.waiting()
    if waits is None or state.on_its_way >= sync.window:
        return None
    return waits if turn.plays(sync.id) or turn.is_forced(sync.id) else None


def _apply(turn: Turn, target: str, edges: tuple[str, ...], busy: frozenset[tuple[str, int]]) -> None:
    orders: Json = {}
    carries: list[tuple[str, int]] = []
    room = CONTENT_BYTES_MAX
    for edge in edges:
        sync = turn.sync_of(edge)
        for delivery in () if turn.hold_on(edge) else tuple(turn.edge(edge).open.values()):
            if delivery.stage is not Stage.WANTED or (edge, delivery.serial) in busy or sync.content in orders:
                continue
            payload = turn.content(source_of(sync), delivery.version)
            if payload is None:
                continue
            room -= payload.size
            if orders and (room < 0 or len(orders) >= ITEMS_MAX):
                continue
            orders[sync.content] = order_for(payload, sample_for(sync, payload.data))
            carries.append((edge, delivery.serial))
            turn.move(edge, delivery.serial, Stage.SENT)
    if orders:
        ask(turn, APPLY, target, orders, carries)


# --- answered --------------------------------------------------------------------------------------------------------


def fetched(turn: Turn, exchange: Exchange, reply: CommandReply) -> None:
    """Contents from a program.  What it has may be newer than what was due: then that is due instead."""
    workstream = reply.workstream
    if not reply.ok:
        hold_off(turn, workstream, f"{exchange.command.command}: {reply.error}")
        return
    answers = dict(held_in(reply, [name for name in exchange.names if _said(reply, name)], unknown))
    left = turn.state.wanted.get(workstream, frozenset()) - answers.keys()
    turn.set(wanted={**turn.state.wanted, workstream: left})
    for dataset, held in answers.items():
        size, wrong = contents.checked(dataset, held)
        if wrong:
            hold_off(turn, workstream, wrong)
        else:
            _has_come(turn, workstream, dataset, held, size, exchange.first_at)


def _has_come(turn: Turn, workstream: str, dataset: str, held: Held, size: int, asked_at: float) -> None:
    key = at(workstream, dataset)
    turn.keep(key, Payload(held.version, held.data or {}, size, asked_at))
    if key not in turn.state.sources:
        return
    learn(turn, workstream, dataset, held.version, asked_at)
    for sync in turn.state.sources[key]:
        for target in turn.state.syncs[sync].targets:
            edge = f"{sync}>{target}"
            open_ = turn.edge(edge).open
            if open_ and held.data is None:
                for serial in list(open_):
                    turn.move(edge, serial, Stage.SUPERSEDED, why=f"{workstream} has no {dataset} any more")
            elif any(turn.content(key, delivery.version) is None for delivery in open_.values()):
                due(turn, edge, open_[max(open_)].cause)


def _said(reply: CommandReply, name: str) -> bool:
    return isinstance(reply.result, dict) and name in reply.result


def unknown(why: str) -> Held:
    return Held(outcome="refused", why=why)


Diverging = list[tuple[str, Version]]
"""Edges, each with what its target has, that the source's version does not cover."""


def offered(turn: Turn, exchange: Exchange, reply: CommandReply) -> Diverging:
    found: Diverging = []
    for edge, delivery, held in _answers(turn, exchange, reply):
        match held.outcome:
            case "want":
                turn.move(edge, delivery.serial, Stage.WANTED)
            case "refused":
                turn.move(edge, delivery.serial, Stage.REFUSED, why=held.why)
            case _:
                found += _has(turn, edge, delivery, held)
    return found


def applied(turn: Turn, exchange: Exchange, reply: CommandReply) -> Diverging:
    found: Diverging = []
    for edge, delivery, held in _answers(turn, exchange, reply):
        if held.outcome == "refused":
            turn.move(edge, delivery.serial, Stage.REFUSED, why=held.why)
            continue
        received_at = max(delivery.sent_at, turn.now - reply.latency_s)
        sync = turn.sync_of(edge)
        payload = turn.content(source_of(sync), delivery.version)
        proof = proof_of(sync, delivery.version, payload.data if payload is not None else None, held)
        is_equal = order_of(held.version.vector, delivery.version.vector) is Order.EQUAL
        if proof.why:
            turn.move(edge, delivery.serial, Stage.REFUSED, why=proof.why)
        elif proof.is_good:
            steps: list[tuple[Stage, dict[str, Any]]] = [(Stage.RECEIVED, {"at": received_at})]  # Any: fields of Move
            if held.outcome == "applied":
                steps.append((Stage.APPLIED, {}))
            steps += [(Stage.ACKNOWLEDGED, {}), (Stage.VERIFIED, {"sampled": proof.sampled})]
            turn.moves_of(edge, delivery.serial, steps)
            _at_rest(turn, edge)
            _keep_base(turn, edge, delivery.version)
        elif is_equal and not delivery.was_sent_again:
            turn.move(edge, delivery.serial, Stage.WANTED, again=1, why="it stored something else")
        else:
            found += _has(turn, edge, delivery, held)
    return found


def _answers(turn: Turn, exchange: Exchange, reply: CommandReply) -> list[tuple[str, Delivery, Held]]:
    """What the program says of each delivery that is still open.  A *no* to it all is none of a program that is gone:
    then they wait for its return."""
    if not reply.ok and not turn.is_up(reply.workstream):
        return []
    why = f"{exchange.command.command}: {reply.error}"
    answers = dict(held_in(reply, exchange.names, unknown)) if reply.ok else {}
    found = []
    for edge, serial in exchange.carries:
        delivery = turn.delivery(edge, serial)
        if delivery is not None:
            found.append((edge, delivery, answers.get(turn.sync_of(edge).content) or unknown(why)))
    return found


def _has(turn: Turn, edge: str, delivery: Delivery, held: Held) -> Diverging:
    """The target keeps what it has: this very version, a later one of the source, or one that is nobody's but its."""
    known = turn.state.known.get(source_of(turn.sync_of(edge)))
    if is_same(held.version, delivery.version) and not held.sample:
        sync = turn.sync_of(edge)
        payload = turn.content(source_of(sync), delivery.version)
        data = payload.data if payload is not None else None
        if why := proof_of(sync, delivery.version, data, held).why:
            turn.move(edge, delivery.serial, Stage.REFUSED, why=why)
            return []
        sampled = sample_for(sync, data or {})  # it may go by what it was told
        turn.move(edge, delivery.serial, Stage.VERIFIED, why="the target had it already", sampled=sampled)
        _at_rest(turn, edge)
    elif (
        known is not None
        and order_of(held.version.vector, delivery.version.vector) is Order.AFTER
        and order_of(held.version.vector, known.version.vector) in {Order.EQUAL, Order.BEFORE}
    ):
        turn.move(edge, delivery.serial, Stage.SUPERSEDED, why="the target has a newer version already")
    else:
        turn.move(edge, delivery.serial, Stage.DIVERGED, why=f"the target has {held.version.label}")
        return [(edge, held.version)]
    return []


def _at_rest(turn: Turn, edge: str) -> None:
    """Proved equal, as a whole: as good as a comparison."""
    if not turn.edge(edge).sampled:
        turn.set(compared={**turn.state.compared, edge: turn.now})


def _keep_base(turn: Turn, edge: str, version: Version) -> None:
    """What both have in common, for a merge to come."""
    sync = turn.sync_of(edge)
    payload = turn.content(source_of(sync), version)
    if sync.divergence is Divergence.MERGE and payload is not None:
        turn.set(bases={**turn.state.bases, edge: payload.data})
