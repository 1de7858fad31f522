"""Taking of pools: what is given, what waits, and the conflict where more is claimed than there is.

A command takes what its rule says from when it is told to when it is answered.  What does not fit waits, and is sent
when enough comes free; meanwhile others may go to the same workstream.  What cannot come free by the answers to other
commands alone, since people or others hold it for longer, is not waited for: that command is refused, so that a round
always ends.
"""

from dataclasses import dataclass

from alluse_hub.actors.coordinator.arbiter import decide
from alluse_hub.actors.coordinator.fates import LISTED_MAX
from alluse_hub.actors.coordinator.leases import is_live, lapsed
from alluse_hub.actors.coordinator.pools import PoolRuling
from alluse_hub.actors.coordinator.rules import URGENCY
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import Claim, ClaimEnded, ClaimGranted, Lease
from alluse_hub.protocols.resources import Pool, taken
from alluse_hub.protocols.rules import CommandIssued, Rule, Tell


@dataclass(frozen=True, slots=True)
class Shortage:
    """``never``: why it is not even waited for; empty if it is."""

    pool: Pool
    amount: int
    never: str


def pools(turn: Turn) -> dict[str, Pool]:
    return {pool.resource: pool for pool in turn.state.book.spec.pools}


def ruling(turn: Turn, pool: Pool, *more: Claim) -> PoolRuling:
    """With the claims that commands make by being under way, and ``more``."""
    own = of_commands(turn, pool.resource)
    claims = (*turn.ledger.claims.values(), *own, *more)
    under_way = {claim.id for claim in own if not turn.ledger.commands[claim.id].waits}
    granted = turn.ledger.docket.granted.keys() | under_way
    found = decide(pool, claims, turn.now, granted, turn.ledger.docket.favoured_on(pool.resource))
    assert isinstance(found, PoolRuling), "a pool is ruled on as a pool"
    return found


def of_commands(turn: Turn, resource: str) -> list[Claim]:
    """What each open command takes of the pool, in the order of issuing."""
    rules = {rule.id: rule for rule in turn.state.book.running}
    claims: list[Claim] = []
    for issued in turn.ledger.commands.values():
        for name, amount in map(taken, issued.takes):
            if name == resource:
                claims.append(_claim(issued, rules.get(issued.rule), amount, name, len(claims)))
    return claims


def _claim(issued: CommandIssued, rule: Rule | None, amount: int, resource: str, place: int) -> Claim:
    return Claim(
        id=issued.key,
        resource=resource,
        amount=amount,
        priority=URGENCY[rule.priority] if rule is not None else 0,
        holder=issued.rule,
        subject=issued.event,
        reason=f"{issued.workstream} is to {issued.command}",
        cause=issued.event,
        placed=place,
        at=issued.workstream,
        lease=Lease(),
    )


def shortage(turn: Turn, tell: Tell) -> Shortage | None:
    """What of the pools it takes from is short; None if there is enough of all."""
    if not tell.takes:
        return None
    known = pools(turn)
    found: Shortage | None = None
    for resource, amount in map(taken, tell.takes):
        pool = known[resource]
        if why := never_free(turn, pool, amount):
            return Shortage(pool, amount, why)
        if found is None and (amount > free_of(turn, pool) or _is_waited_for(turn, pool)):
            found = Shortage(pool, amount, "")
    return found


def free_of(turn: Turn, pool: Pool) -> int:
    """What nobody has; in one look at each command and claim, since each command of a round asks for it."""
    commands = (issued for issued in turn.ledger.commands.values() if issued.takes and not issued.waits)
    of_commands = (amount for issued in commands for name, amount in map(taken, issued.takes) if name == pool.resource)
    return pool.capacity - sum(of_commands) - sum(claim.amount for claim in _held(turn, pool))


def _held(turn: Turn, pool: Pool) -> list[Claim]:
    """What claims that are no command's have of it."""
    claims, granted = turn.ledger.claims, turn.ledger.docket.granted
    held = (claims[id_] for id_ in granted if claims[id_].resource == pool.resource)
    return [claim for claim in held if is_live(claim.lease, turn.now)]


def _is_waited_for(turn: Turn, pool: Pool) -> bool:
    ledger, now = turn.ledger, turn.now
    claims = (claim for claim in ledger.claims.values() if claim.resource == pool.resource)
    if any(claim.id not in ledger.docket.granted and is_live(claim.lease, now) for claim in claims):
        return True
    waiting = (issued for issued in ledger.commands.values() if issued.waits)
    return any(name == pool.resource for issued in waiting for name, _ in map(taken, issued.takes))


def never(turn: Turn, issued: CommandIssued) -> str:
    """Why a waiting command cannot be granted by the answers to others alone; empty if it can."""
    known = pools(turn)
    takes = ((known[resource], amount) for resource, amount in map(taken, issued.takes) if resource in known)
    return next((why for pool, amount in takes if (why := never_free(turn, pool, amount))), "")


def never_free(turn: Turn, pool: Pool, amount: int) -> str:
    """Why so much cannot come free by the answers to commands alone; empty if it can."""
    held = _held(turn, pool)
    left = pool.capacity - sum(claim.amount for claim in held)
    if amount <= left:
        return ""
    holders = f", beside {', '.join(claim.holder for claim in held[:LISTED_MAX])}" if held else ""
    return f"{pool.resource} has {left} of {pool.capacity} for commands{holders}, and it takes {amount}"


def granted_now(turn: Turn) -> CommandIssued | None:
    """The first of the waiting commands for which there is enough now of all that it takes."""
    waiting = [issued for issued in turn.ledger.commands.values() if issued.waits]
    if not waiting:
        return None
    known = pools(turn)
    free = {name: free_of(turn, pool) for name, pool in known.items()}
    fresh = {name: set(ruling(turn, known[name]).fresh) for name, left in free.items() if left > 0}
    for issued in waiting:
        names = [name for name, _ in map(taken, issued.takes) if name in known]
        if all(issued.key in fresh.get(name, ()) for name in names):
            return issued
    return None


def grant_standing(turn: Turn) -> None:
    """Give claims that are no command's what they take, where there is enough now.  First of all, what has lapsed is
    ended, so that by the facts alone no pool ever gives more than it has."""
    names = {pool.resource for pool in turn.state.book.spec.pools}
    for claim in lapsed(tuple(turn.ledger.claims.values()), turn.now):
        if claim.resource in names:
            turn.record(ClaimEnded(id=claim.id, how="lapsed", by=claim.holder, why="its time is over"))
    claimed = {claim.resource for claim in turn.ledger.claims.values()}
    for pool in (pool for pool in turn.state.book.spec.pools if pool.resource in claimed):
        for id_ in ruling(turn, pool).fresh:
            if id_ in turn.ledger.claims:
                turn.record(ClaimGranted(id=id_, token=turn.ledger.docket.tokens + 1))
