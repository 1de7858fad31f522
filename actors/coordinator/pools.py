"""Pools: who has how much of something there is only so much of, and who waits for it.

Whoever has been given its amount keeps it to the end of its claim; nothing is taken from under a holder.  What is free
goes to the queue, in the order of the policy: one that does not fit may be passed by others, but only until it has
waited ``max_wait_s``; then what comes free is kept for it.  So the sum of what is given never exceeds the capacity,
and with ageing (``order``) everyone's turn comes.

A newcomer that goes before a holder may have it *yield*: at once, if the pool is preemptible, the newcomer's tier is
higher and the holder has said how it yields; else, where the policy is to negotiate, by being asked.  Either way the
newcomer waits until the holder has let go.  Pure.
"""

from collections import deque
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from alluse_hub.actors.coordinator.fates import Fate, Outcome, listed, named
from alluse_hub.actors.coordinator.leases import Now, is_live
from alluse_hub.actors.coordinator.order import NOBODY, TIERS, Favoured, first_difference, key, priority
from alluse_hub.protocols.claims import Claim, Policy
from alluse_hub.protocols.resources import Pool


@dataclass(frozen=True, slots=True)
class Yield:
    """``holder`` is to let go for ``to``.  ``must``: it is told to; else it is asked."""

    holder: Claim
    to: Claim
    must: bool


@dataclass(frozen=True, slots=True)
class PoolRuling:
    """``fates``: first of those that have what they take, then of the queue, each in their order.  ``fresh``: ids of
    those that have it only now.  ``yields``: who could let go for the first of the queue.
    """

    pool: Pool
    fates: tuple[Fate, ...]
    free: int
    fresh: tuple[str, ...]
    yields: tuple[Yield, ...]
    now: Now

    @property
    def granted(self) -> tuple[Claim, ...]:
        return tuple(fate.claim for fate in self.fates if fate.outcome is Outcome.HOLDS)

    @property
    def queue(self) -> tuple[Claim, ...]:
        return tuple(fate.claim for fate in self.fates if fate.outcome is Outcome.WAITS)

    @property
    def taken(self) -> int:
        return self.pool.capacity - self.free

    def fate(self, id_: str) -> Fate | None:
        return next((fate for fate in self.fates if fate.claim.id == id_), None)

    def position(self, id_: str) -> int:
        """Of a claim in the queue, from 1; 0 if it is not there."""
        return next((n for n, claim in enumerate(self.queue, 1) if claim.id == id_), 0)


def pool_in_force(
    pool: Pool, claims: Iterable[Claim], now: Now, granted: AbstractSet[str] = NOBODY, favoured: Favoured = NOBODY
) -> PoolRuling:
    live = [claim for claim in claims if claim.resource == pool.resource and is_live(claim.lease, now)]
    live.sort(key=lambda claim: key(claim, pool.policy, now, favoured, pool.age_s))
    free, given, waiting = pool.capacity, [], []
    for claim in live:
        if claim.id in granted and claim.amount <= free:
            free -= claim.amount
            given.append(Fate(claim, Outcome.HOLDS, "it has been given it"))
        else:
            waiting.append(claim)
    fresh, fates, free = _served(pool, waiting, free, given, now, favoured)
    ordered = (*given, *(fate for fate in fates if fate.outcome is Outcome.HOLDS))
    queue = tuple(fate for fate in fates if fate.outcome is Outcome.WAITS)
    yields = _yields(pool, tuple(fate.claim for fate in ordered), queue, free, now)
    return PoolRuling(pool, (*ordered, *queue), free, fresh, yields, now)


def _served(
    pool: Pool, waiting: list[Claim], free: int, given: list[Fate], now: Now, favoured: Favoured
) -> tuple[tuple[str, ...], list[Fate], int]:
    """Who of the queue is given its amount; the fates of all of them in their order; and what is left."""
    shares: dict[str, int] = {}
    for fate in given:
        shares[fate.claim.holder] = shares.get(fate.claim.holder, 0) + fate.claim.amount
    fresh, fates = list[str](), list[Fate]()
    is_kept_for: Claim | None = None
    rest = _in_order(pool, waiting, shares, now, favoured)
    while rest:
        claim = rest.popleft()
        if is_kept_for is None and claim.amount <= free:
            free -= claim.amount
            shares[claim.holder] = shares.get(claim.holder, 0) + claim.amount
            fresh.append(claim.id)
            fates.append(Fate(claim, Outcome.HOLDS, "there is enough"))
            rest = _in_order(pool, rest, shares, now, favoured)
            continue
        if is_kept_for is not None:
            why = f"what is free is kept for {named(is_kept_for)}, who has waited long enough"
        else:
            why = f"{pool.resource} has {free} of {pool.capacity} free, and it takes {claim.amount}"
        fates.append(Fate(claim, Outcome.WAITS, why))
        if is_kept_for is None and claim.max_wait_s and now.hub_s - claim.since >= claim.max_wait_s:
            is_kept_for = claim
    return tuple(fresh), fates, free


def _in_order(pool: Pool, rest: Iterable[Claim], shares: dict[str, int], now: Now, favoured: Favoured) -> deque[Claim]:
    """Those that wait, who are in their order; where shares count, of one tier those first whose holder, for what
    waiting has added, has least.  It changes with every grant, and with nothing else."""
    if pool.policy is not Policy.FAIR_SHARE:
        return rest if isinstance(rest, deque) else deque(rest)

    def share(claim: Claim) -> tuple[bool, int, int]:
        aged = priority(claim, now, pool.age_s) - claim.priority
        return (claim.id not in favoured, -TIERS[claim.tier], shares.get(claim.holder, 0) - aged)

    return deque(sorted(rest, key=share))


def _yields(pool: Pool, given: tuple[Claim, ...], queue: tuple[Fate, ...], free: int, now: Now) -> tuple[Yield, ...]:
    """Who, beginning with the last in order, would have to let go so that the first of the queue fits; empty if that
    is not to be, or would not be enough."""
    if not queue or not (pool.preemptible or pool.policy is Policy.NEGOTIATE):
        return ()
    first = queue[0].claim
    found: list[Yield] = []
    for holder in sorted(given, key=lambda claim: key(claim, Policy.PRIORITY, now, age_s=pool.age_s), reverse=True):
        if free >= first.amount:
            break
        is_higher = TIERS[first.tier] > TIERS[holder.tier]
        must = pool.preemptible and is_higher and bool(holder.yields)
        ranks = (TIERS[first.tier], priority(first, now, pool.age_s)), (TIERS[holder.tier], holder.priority)
        if must or (holder.at and ranks[0] > ranks[1]):
            found.append(Yield(holder, first, must))
            free += holder.amount
    return tuple(found) if free >= first.amount else ()


def pool_explained(ruling: PoolRuling) -> str:
    pool = ruling.pool
    by = f", by {listed(ruling.granted, ruling.now)}" if ruling.granted else ""
    sentences = [f"{pool.resource} has {ruling.taken} of {pool.capacity} taken{by}."]
    if ruling.queue:
        first = ruling.queue[0]
        fate = ruling.fate(first.id)
        assert fate is not None, "it is in the queue"
        count = len(ruling.queue)
        sentences.append(f"{count} wait{'s' if count == 1 else ''}, first {named(first)}: {fate.why}.")
        others = ruling.queue[1:]
        if others and pool.policy is not Policy.FAIR_SHARE:
            why = first_difference(first, others[0], pool.policy, ruling.now, age_s=pool.age_s)
            sentences.append(f"Before {named(others[0])}: {why}.")
    return " ".join(sentences)
