"""Divergence: the target has something that the source's version does not contain.  Conflict C4.

From then on nothing goes to that target until a version covers both.  It is made by the sync's policy out of both
contents, which are both in the trail by then; it is stored at the *source* first, and from there goes to every target
as any other version does.  A person decides where the policy says so, and where a target stores, twice over, something
else than it was given: no policy mends that.
"""

from alluse_hub.protocols.arbitration import ESCALATION_S, Escalated
from alluse_hub.protocols.claims import ConflictClass, ConflictClosed, ConflictOpened
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.sync import Diverged, Divergence, Reconciled, Stage
from alluse_hub.protocols.versions import Order, Version, is_same, order_of
from alluse_hub.protocols.workstream import CommandReply

from . import contents, deliveries
from .exchanges import MEND, ask, held_in, is_free
from .merging import Whole
from .merging import mended as made_of
from .state import Exchange, Known, Mending, Payload, Turn, at, source_of

TRIES_MAX = 5
"""Tries to mend one divergence before the next comparison: the source may change again each time."""

RESOLVED = "resolved"

GRADE_MAX = 3
"""So often people are asked."""


def begin(turn: Turn, edge: str, has: Version) -> None:
    """Open the conflict, and mend it as far as the policy may."""
    sync, target = turn.sync_of(edge), edge.partition(">")[2]
    known = turn.state.known.get(source_of(sync))
    if known is None or turn.edge(edge).conflict:
        return
    id_ = f"{turn.state.name}-{turn.ledger.conflicts_count + 1}"
    order = order_of(has.vector, known.version.vector)
    sentence = f"{sync.content} at {target} is {has.label}, at {sync.source} {known.version.label}: " + SAID[order]
    turn.record(
        ConflictOpened(
            id=id_,
            klass=ConflictClass.DIVERGENCE,
            resource=at(target, sync.content),
            parties=(sync.source, target),
            sentence=sentence,
        )
    )
    turn.record(Diverged(sync=sync.id, target=target, conflict=id_, source_has=known.version, target_has=has))
    if is_for_people(turn, edge, has):
        put_to_people(turn, edge, grade=1)
    turn.set(unmended={other: why for other, why in turn.state.unmended.items() if other != edge})
    for serial in list(turn.edge(edge).open):
        turn.move(edge, serial, Stage.SUPERSEDED, why=f"waits for {id_}")
    again(turn, edge, has)


SAID = {
    Order.CONCURRENT: "neither has seen the other.",
    Order.AFTER: "the target has changes that the source has not seen.",
    Order.EQUAL: "the same version with another content, twice over.",
    Order.BEFORE: "the target does not take the newer one.",
}


def is_for_people(turn: Turn, edge: str, has: Version) -> bool:
    """By the policy, or because no policy mends it: the same version with another content, twice over."""
    sync = turn.sync_of(edge)
    known = turn.state.known.get(source_of(sync))
    order = order_of(has.vector, known.version.vector) if known is not None else Order.CONCURRENT
    return order is Order.EQUAL or (sync.divergence is Divergence.HUMAN and order is not Order.BEFORE)


def resource_of(turn: Turn, edge: str) -> str:
    return at(edge.partition(">")[2], turn.sync_of(edge).content)


def choices(turn: Turn, edge: str) -> tuple[str, ...]:
    """Whose version is to go on; of the same version that stands otherwise there, only the source's can."""
    source, target = turn.sync_of(edge).source, edge.partition(">")[2]
    known = turn.state.known.get(at(source, turn.sync_of(edge).content))
    has = turn.edge(edge).target_has
    is_same_version = known is not None and order_of(has.vector, known.version.vector) is Order.EQUAL
    return (source,) if is_same_version else (source, target)


def question(turn: Turn, edge: str) -> str:
    content, whose = turn.sync_of(edge).content, choices(turn, edge)
    if len(whose) == 1:
        return (
            f"{edge.partition('>')[2]} stores {content} otherwise than it is given: send it that of {whose[0]} again?"
        )
    return f"Whose {content} is to stand, that of {' or that of '.join(whose)}?"


def put_to_people(turn: Turn, edge: str, grade: int) -> None:
    turn.record(
        Escalated(
            conflict=turn.edge(edge).conflict,
            resource=resource_of(turn, edge),
            question=question(turn, edge),
            choices=choices(turn, edge),
            until=turn.now + ESCALATION_S,
            grade=grade,
        )
    )


def put_again(turn: Turn) -> None:
    """What nobody has decided in time is put to people once more, as graver; then it stays as it is."""
    late = {each.conflict: each for each in asks(turn) if each.until <= turn.now}
    if late:
        for edge, state in list(turn.ledger.edges.items()):
            if state.conflict in late:
                put_to_people(turn, edge, late[state.conflict].grade + 1)


def asks(turn: Turn) -> list[Escalated]:
    """Those that will be asked again."""
    return [each for each in turn.ledger.asked.values() if each.grade < GRADE_MAX]


def decided(turn: Turn, edge: str, winner: str, by: str) -> None:
    """A person's word: whose version goes on; where the target only has not taken what it was given, it is tried
    again."""
    sync, state = turn.sync_of(edge), turn.edge(edge)
    known = turn.state.known.get(source_of(sync))
    order = order_of(state.target_has.vector, known.version.vector) if known is not None else Order.CONCURRENT
    if known is not None and order in {Order.EQUAL, Order.BEFORE}:
        close(turn, edge, known.version, "", "tried again", f"{by} has it sent again.")
        deliveries.due(turn, edge, RESOLVED)
    elif winner:
        mending = mending_of(turn, edge)
        if mending is not None and not mending.version.vector:
            let_go(turn, source_of(sync))  # nothing is on its way yet: the last word counts
        mend(turn, edge, wins(turn, edge, winner))


def wins(turn: Turn, edge: str, winner: str) -> Divergence:
    return Divergence.SOURCE_WINS if winner == turn.sync_of(edge).source else Divergence.TARGET_WINS


def mending_of(turn: Turn, edge: str) -> Mending | None:
    """What is being made of the two versions of this edge."""
    mending = turn.state.mending.get(source_of(turn.sync_of(edge)))
    return mending if mending is not None and mending.edge == edge else None


def again(turn: Turn, edge: str, has: Version) -> None:
    """Mend what is still diverged: as people have decided, or by the policy, unless that leaves it to them."""
    sync = turn.sync_of(edge)
    known = turn.state.known.get(source_of(sync))
    if known is None:
        return
    said = turn.ledger.decided.get(turn.edge(edge).conflict)
    match order_of(has.vector, known.version.vector):
        case Order.CONCURRENT | Order.AFTER if said is not None:
            mend(turn, edge, wins(turn, edge, said.winner))
        case Order.CONCURRENT | Order.AFTER if sync.divergence is not Divergence.HUMAN:
            mend(turn, edge, sync.divergence)
        case Order.BEFORE:
            _over(turn, edge, known.version)
        case _ if turn.edge(edge).conflict not in turn.ledger.asked and said is None:
            put_to_people(turn, edge, grade=1)  # a power cut kept the question from the trail
        case _:
            pass


def mend(turn: Turn, edge: str, policy: Divergence) -> None:
    """One at a time for each data set: what is made of two is a version by the hub, of which each number is one."""
    key = source_of(turn.sync_of(edge))
    if key in turn.state.mending:
        return
    turn.set(mending={**turn.state.mending, key: Mending(edge, policy, turn.now)})


def mended(turn: Turn, edge: str) -> None:
    """Both have the same: whatever conflict was open is over."""
    state = turn.edge(edge)
    if state.conflict:
        sync = turn.sync_of(edge)
        known = turn.state.known[source_of(sync)]
        close(turn, edge, known.version, "", "equal again", "Both have the same again.")


def close(turn: Turn, edge: str, version: Version, winner: str, outcome: str, sentence: str) -> None:
    sync, _, target = edge.partition(">")
    id_ = turn.edge(edge).conflict
    turn.record(Reconciled(sync=sync, target=target, conflict=id_, version=version, winner=winner))
    turn.record(ConflictClosed(id=id_, outcome=outcome, winner=winner, sentence=sentence))


def close_undeclared(turn: Turn) -> None:
    """Conflicts of edges that are configured no more, and of none: a power cut may leave the first facts of a turn."""
    declared = {edge for edges in turn.state.ends.values() for edge in edges}
    for edge, state in list(turn.ledger.edges.items()):
        if state.conflict and edge not in declared:
            close(turn, edge, state.verified, "", "withdrawn", f"{edge.partition('>')[0]} goes there no more.")
    held = {state.conflict for state in turn.ledger.edges.values()}
    for id_ in [id_ for id_ in turn.ledger.conflicts if id_ not in held]:
        sentence = "A power cut fell into its opening or its closing; what is still diverged opens another."
        turn.record(ConflictClosed(id=id_, outcome="withdrawn", winner="", sentence=sentence))


# --- carried ---------------------------------------------------------------------------------------------------------


def pump(turn: Turn) -> None:
    for key, kept in list(turn.state.mending.items()):
        mending = kept
        source, _, dataset = key.partition("/")
        target = mending.edge.partition(">")[2]
        ours, theirs = turn.newest(key), turn.newest(at(target, dataset))
        if not is_free(turn, MEND, source):
            continue
        if kept.version.vector:  # it was on its way, and let go without an answer: both may be others by now
            mending = Mending(kept.edge, kept.policy, turn.now, tries=kept.tries)
            turn.set(mending={**turn.state.mending, key: mending})
        is_fresh = [payload is not None and payload.at >= mending.began for payload in (ours, theirs)]
        for workstream, there in zip((source, target), is_fresh, strict=True):
            if not there:
                contents.want(turn, workstream, dataset)
        if ours is None or theirs is None or not all(is_fresh):
            continue
        if order_of(theirs.version.vector, ours.version.vector) in {Order.BEFORE, Order.EQUAL}:
            let_go(turn, key)
            _over(turn, mending.edge, ours.version)
            continue
        base = turn.state.bases.get(mending.edge)
        made = made_of(
            mending.policy,
            Whole(source, ours.version, ours.data),
            Whole(target, theirs.version, theirs.data),
            base,
        )
        under_way = replace(mending, version=made.version, data=made.data, winner=made.winner, sentence=made.sentence)
        turn.set(mending={**turn.state.mending, key: under_way})
        ask(
            turn,
            MEND,
            source,
            {dataset: contents.order_for(Payload(made.version, made.data, made.version.bytes, turn.now))},
        )


def _over(turn: Turn, edge: str, version: Version) -> None:
    """The source covers the target by now."""
    if turn.edge(edge).conflict:
        close(turn, edge, version, turn.sync_of(edge).source, "covered", "The source has seen the target's changes.")
        deliveries.due(turn, edge, RESOLVED)


def stored(turn: Turn, exchange: Exchange, reply: CommandReply) -> None:
    """The source's answer to the version that was made."""
    key = at(reply.workstream, exchange.names[0])
    mending = turn.state.mending.get(key)
    if mending is None:
        return
    let_go(turn, key)
    (_, held), *_ = held_in(reply, exchange.names, deliveries.unknown)
    if not reply.ok or not is_same(held.version, mending.version):
        if reply.ok and held.outcome == "diverged" and mending.tries < TRIES_MAX:
            mend(turn, mending.edge, mending.policy)
            fresh = turn.state.mending[key]
            turn.set(mending={**turn.state.mending, key: replace(fresh, tries=mending.tries + 1)})
        else:
            why = held.why or reply.error or held.outcome
            turn.set(unmended={**turn.state.unmended, mending.edge: f"{reply.workstream}: {why}"}, is_shown=False)
        return
    turn.set(known={**turn.state.known, key: Known(mending.version, turn.now, turn.now)})
    turn.keep(key, Payload(mending.version, mending.data, mending.version.bytes, turn.now))
    outcome = mending.policy.value.replace("_", " ")
    sentence = f"{mending.sentence[:1].upper()}{mending.sentence[1:]}, as {mending.version.label}."
    if turn.edge(mending.edge).conflict:
        close(turn, mending.edge, mending.version, mending.winner, outcome, sentence)
    for sync in turn.state.sources[key]:
        for target in turn.state.syncs[sync].targets:
            edge = f"{sync}>{target}"
            if order_of(turn.edge(edge).target_has.vector, mending.version.vector) is Order.BEFORE:
                _over(turn, edge, mending.version)
            deliveries.due(turn, edge, RESOLVED)


def let_go(turn: Turn, key: str) -> None:
    turn.set(mending={other: mending for other, mending in turn.state.mending.items() if other != key})
