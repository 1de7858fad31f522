"""Comparing: what the targets have, held against what was verified there and what the source has.

Anti-entropy (Demers et al., Epidemic Algorithms for Replicated Database Maintenance, 1987): every so often, though
nothing has changed, each program works out the digests of what it has stored.  What is not as it was verified is drift,
and is repaired; a change whose notice was lost is found the same way.  A periodic sync carries what is newer on the
same occasion, and so does an order to force one.
"""

from alluse_hub.protocols.sync import DriftFound, Play, SyncMode
from alluse_hub.protocols.versions import AskDatasets, Held, Order, Version, is_same, order_of
from alluse_hub.protocols.workstream import CommandReply

from . import diverging
from .contents import hold_off
from .deliveries import due, learn, live, unless_there
from .exchanges import AGAIN_MAX_S, DIGEST, ITEMS_MAX, ask, held_in, is_free
from .state import Exchange, Turn, at, source_of

TOGETHER_S = 5.0
"""Comparisons that are due within this time are made together: they share commands."""

FIRST_S = 1.0
"""After a start, so that everybody has said who is up."""

QUESTIONS_MAX = 10**9
"""Of one life to one source: those of a later life have higher numbers, so that one of an earlier life, come late, does
not count as the latest."""

WORD_AGAIN_S = 4.0
"""A source that tells nothing for so long after it told something is asked once more for its next word, as the question
may have been lost; then after twice that, and so on up to ``AGAIN_MAX_S``.  Then comparisons ask."""

CATCH_UP = "catch-up"
FORCE = "force"
PERIODIC = "periodic"
EVENT = "event"
ANTI_ENTROPY = "anti-entropy"


def plan(turn: Turn) -> None:
    """The first comparison carries what is newer, however the sync is otherwise minded: a notice or an event may have
    been missed."""
    turn.set(
        compare_at=dict.fromkeys(turn.state.syncs, turn.now + FIRST_S),
        pass_at={
            id_: turn.now + sync.every_s for id_, sync in turn.state.syncs.items() if sync.mode is SyncMode.PERIODIC
        },
    )


def when_due(turn: Turn) -> None:
    """Begin whatever comparison is due, together with what will be shortly."""
    now = turn.now
    if any(time <= now for time in turn.state.compare_at.values()):
        together = [sync for sync, time in turn.state.compare_at.items() if time <= now + TOGETHER_S]
        for sync in together:
            if turn.ledger.play(sync) is not Play.STOPPED:
                first = sync not in turn.state.begun
                begin(turn, sync, CATCH_UP if first and turn.plays(sync) and not turn.state.syncs[sync].when else "")
        for source in sorted({turn.state.syncs[sync].source for sync in together} - turn.state.ask_at.keys()):
            ask_for_word(turn, source)  # its last one may have been lost
        times = {sync: now + turn.state.syncs[sync].anti_entropy_s for sync in together}
        turn.set(
            compare_at={**turn.state.compare_at, **times}, begun=turn.state.begun | frozenset(together), is_shown=False
        )
    for sync, time in list(turn.state.pass_at.items()):
        if time <= now:
            turn.set(pass_at={**turn.state.pass_at, sync: now + turn.state.syncs[sync].every_s})
            if turn.plays(sync):
                begin(turn, sync, PERIODIC)


def ask_for_words(turn: Turn) -> None:
    """Of those sources of which it is time, for the first time since the last word or again."""
    for workstream, due_at in list(turn.state.ask_at.items()):
        if due_at <= turn.now:
            turn.set(ask_at={other: time for other, time in turn.state.ask_at.items() if other != workstream})
            _ask_again_after(turn, workstream, WORD_AGAIN_S)
            ask_for_word(turn, workstream)
    for workstream, (due_at, waited_s) in list(turn.state.ask_again.items()):
        if due_at <= turn.now:
            _ask_again_after(turn, workstream, 2 * waited_s)
            ask_for_word(turn, workstream)


def _ask_again_after(turn: Turn, workstream: str, wait_s: float) -> None:
    answered(turn, workstream)
    if wait_s <= AGAIN_MAX_S:
        turn.set(ask_again={**turn.state.ask_again, workstream: (turn.now + wait_s, wait_s)})


def answered(turn: Turn, workstream: str) -> None:
    """Its word is here, or it is not waited for any more."""
    if workstream in turn.state.ask_again:
        turn.set(ask_again={other: kept for other, kept in turn.state.ask_again.items() if other != workstream})


def ask_for_word(turn: Turn, workstream: str) -> None:
    number = turn.state.asks.get(workstream, turn.state.life * QUESTIONS_MAX) + 1
    turn.set(asks={**turn.state.asks, workstream: number})
    turn.send(workstream, AskDatasets(number=number, heard=turn.state.words.get(workstream, 0)))


def begin(turn: Turn, sync: str, cause: str) -> None:
    """Have source and targets tell what they have.  ``cause``: carry what is newer, and why; empty: only repair."""
    spec = turn.state.syncs[sync]
    wanted = dict(turn.state.to_compare)
    for workstream in (spec.source, *spec.targets):
        wanted[workstream] = wanted.get(workstream, frozenset()) | {spec.content}
    passes = dict(turn.state.passes)
    for target in spec.targets:
        edge = f"{sync}>{target}"
        passes[edge] = cause or passes.get(edge, "")
    turn.set(to_compare=wanted, passes=passes)


def again_with(turn: Turn, workstream: str) -> None:
    """A program that has started may have lost what it had, and a source may have told what nobody heard."""
    for sync, spec in turn.state.syncs.items():
        if workstream in {spec.source, *spec.targets} and turn.ledger.play(sync) is not Play.STOPPED:
            is_missed = workstream == spec.source and spec.mode is SyncMode.ON_EVENT and turn.plays(sync)
            begin(turn, sync, CATCH_UP if is_missed and not spec.when else "")  # its monitor keeps what was met


def pump(turn: Turn) -> None:
    for workstream, names in list(turn.state.to_compare.items()):
        if names and is_free(turn, DIGEST, workstream):
            asked = sorted(names)[:ITEMS_MAX]
            turn.set(to_compare={**turn.state.to_compare, workstream: names - frozenset(asked)})
            ask(turn, DIGEST, workstream, list(asked))


# --- answered --------------------------------------------------------------------------------------------------------


def told(turn: Turn, exchange: Exchange, reply: CommandReply) -> None:
    workstream = reply.workstream
    if not reply.ok:
        hold_off(turn, workstream, f"{exchange.command.command}: {reply.error}")
        return
    answers = dict(held_in(reply, exchange.names, lambda why: Held(outcome="refused", why=why)))
    for dataset, held in answers.items():
        if held.outcome == "refused":
            hold_off(turn, workstream, held.why)
        elif at(workstream, dataset) in turn.state.sources and held.version.vector:
            _source_has(turn, workstream, dataset, held, exchange.first_at)
    for edge in turn.state.ends.get(workstream, ()):
        held_here = answers.get(turn.sync_of(edge).content)
        if edge in turn.state.passes and held_here is not None and held_here.outcome != "refused":
            turn.set(seen={**turn.state.seen, edge: (held_here.version, exchange.first_at)})
    judge_all(turn)


def _source_has(turn: Turn, workstream: str, dataset: str, held: Held, asked_at: float) -> None:
    if learn(turn, workstream, dataset, held.version, asked_at):
        live(turn, workstream, dataset, "live")


def judge_all(turn: Turn) -> None:
    """Every edge of which both ends have told what they have since the comparison began."""
    for edge in list(turn.state.seen):
        sync = turn.sync_of(edge)
        if sync.content in _awaited(turn, sync.source):
            continue
        version, asked_at = turn.state.seen[edge]
        cause = turn.state.passes.get(edge, "")
        turn.set(
            seen={other: found for other, found in turn.state.seen.items() if other != edge},
            passes={other: why for other, why in turn.state.passes.items() if other != edge},
        )
        verified_at = turn.edge(edge).verified_at
        if verified_at is None or verified_at < asked_at:
            _judge(turn, edge, version, cause)
        elif cause:
            unless_there(turn, edge, cause)  # what it said then is out of date


def _awaited(turn: Turn, source: str) -> frozenset[str]:
    """What the source has still to be asked for, or to answer."""
    exchange = turn.state.exchanges.get(f"{DIGEST}:{source}")
    return turn.state.to_compare.get(source, frozenset()) | frozenset(exchange.names if exchange else ())


def _judge(turn: Turn, edge: str, has: Version, cause: str) -> None:
    sync, state = turn.sync_of(edge), turn.edge(edge)
    known = turn.state.known.get(source_of(sync))
    if known is None or not known.version.vector:
        return
    if state.open:  # a delivery under way shows what the target has; what it carries may not be the newest
        if cause:
            due(turn, edge, cause)
        return
    expected = state.verified
    if is_same(has, known.version):
        diverging.mended(turn, edge)
        turn.set(compared={**turn.state.compared, edge: turn.now}, is_shown=False)
        if not is_same(expected, known.version):
            due(turn, edge, cause or ANTI_ENTROPY)  # it is so, and nobody has proved it yet
        return
    if state.conflict:
        diverging.again(turn, edge, has)
        return
    match order_of(has.vector, known.version.vector):
        case Order.AFTER | Order.CONCURRENT:
            diverging.begin(turn, edge, has)
        case _ if is_same(has, expected) and expected.vector:
            turn.set(compared={**turn.state.compared, edge: turn.now}, is_shown=False)
            if cause or (sync.mode is SyncMode.LIVE and turn.plays(sync.id)):
                due(turn, edge, cause or ANTI_ENTROPY)
        case _:
            if expected.vector:
                turn.record(DriftFound(sync=sync.id, target=edge.partition(">")[2], verified=expected, found=has))
            elif not cause and sync.mode is not SyncMode.LIVE:
                return  # nothing was ever due there
            if sync.when and not cause and not is_same(expected, known.version):
                return  # the same version again could be carried; a newer one is not known to be due
            if turn.plays(sync.id) or cause == FORCE:
                due(turn, edge, cause or ANTI_ENTROPY)
