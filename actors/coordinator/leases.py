"""Leases: how long a claim lives, on the hub's clock or the market's.

Market time is counted in sessions, by ordinal: a lease ``until`` 7 lives through the seventh session and lapses when
the eighth opens.  A lease that is ``until_cleared`` lives on past that until it is released.
"""

from dataclasses import dataclass

from alluse_hub.protocols.claims import Claim, Clock, Lease
from alluse_hub.protocols.rules import Hold

DAY_S = 86_400.0
"""A session of daily data stands for a day."""

FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Now:
    """``hub_s``: hub time in seconds.  ``ordinal`` and ``session``: the market's; 0 and empty before the first."""

    hub_s: float
    ordinal: int = 0
    session: str = ""


def is_live(lease: Lease, now: Now) -> bool:
    return lease.until_cleared or not is_served(lease, now)


def is_served(lease: Lease, now: Now) -> bool:
    """Whether its (least) time is over."""
    if lease.until is None:
        return False
    return now.ordinal > lease.until if lease.clock is Clock.MARKET else now.hub_s >= lease.until


def lapsed(claims: tuple[Claim, ...], now: Now) -> tuple[Claim, ...]:
    """Those whose lease is over, in the order given."""
    return tuple(claim for claim in claims if not is_live(claim.lease, now))


def of_hold(hold: Hold, now: Now) -> Lease:
    if hold.clock is Clock.HUB:
        return Lease(clock=Clock.HUB, until=now.hub_s + hold.for_s, until_cleared=hold.until_cleared)
    sessions = max(hold.for_sessions, int(hold.for_s // DAY_S))
    return Lease(clock=Clock.MARKET, until=float(now.ordinal + sessions), until_cleared=hold.until_cleared)


def extended(old: Lease, new: Lease) -> Lease:
    """The lease of a claim placed again on the same clock: never shorter than it was."""
    assert old.clock is new.clock, "a claim keeps its clock"
    until = None if old.until is None or new.until is None else max(old.until, new.until)
    return Lease(clock=old.clock, until=until, until_cleared=old.until_cleared or new.until_cleared)


def end(lease: Lease) -> tuple[int, float]:
    """A key that orders leases by their end.  An open end is the latest; a session of the market is taken to outlast
    any seconds of the hub, as the two cannot be compared.
    """
    if lease.until_cleared or lease.until is None:
        return (2, FOREVER)
    return (1 if lease.clock is Clock.MARKET else 0, lease.until)


def as_text(lease: Lease, now: Now) -> str:
    """How a sentence says it, after "is paused"."""
    if lease.until is None:
        return "until it is withdrawn"
    if is_served(lease, now):
        return "until it is cleared" if lease.until_cleared else "until now"
    least = _least(lease.clock, lease.until, now)
    return f"until it is cleared, but at least {least}" if lease.until_cleared else least


def _least(clock: Clock, until: float, now: Now) -> str:
    if clock is Clock.HUB:
        return f"for {max(0.0, until - now.hub_s):.0f} s more"
    more = int(until) - now.ordinal
    session = now.session or "the first"
    if more == 0:
        return f"to the end of session {session}"
    return f"for {more} session{'s' if more > 1 else ''} after {session}"
