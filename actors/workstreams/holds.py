"""Who holds trading, and who may let it go: leases, a ladder of modes, a fence.

A pause belongs to its lease: resuming lease A leaves lease B's pause in force, and of two pauses the longer wins by
itself.  The fence (Gray & Cheriton 1989 for leases; fencing tokens after Kleppmann 2016) is the highest token ever
seen; an order that carries a lower one comes from somebody who has been overruled, and is refused.

Durations are told in seconds but count in market time, by begun sessions: a pause always lasts to the end of the first
session that opens after it, since in a replay a session takes no time at all.
"""

from math import ceil
from typing import NamedTuple

from .lines import JsonObject
from .readers import RefusedError

SESSION_S = 23_400
"""A session of the New York exchange, 09:30 to 16:00, in seconds."""

LADDER = ("normal", "reduce_only", "cancel_only", "paused", "halted")
"""From least to most restrictive (coordination.md, 1.1).  Only ``normal`` opens; what closes is never
held up.
"""

LEASES_MAX = 100
EVERYTHING = "all"


class Hold(NamedTuple):
    """``scope``: all, an account or a symbol.  ``sessions``: that it still outlasts; None: until it is resumed.
    ``until``: the last session held, ISO date; empty: none given.
    """

    lease: str
    scope: str
    sessions: int | None
    until: str
    by: str
    reason: str

    def covers(self, account: str, symbol: str) -> bool:
        return self.scope in {EVERYTHING, account, symbol}

    def over(self, opening: str) -> bool:
        """Whether it ends before the session ``opening``."""
        spent = self.sessions is not None and self.sessions <= 0
        return spent or (self.sessions is None and self.until != "" and opening > self.until)


def sessions_in(duration_s: float) -> int:
    return max(1, ceil(duration_s / SESSION_S))


class Holds:
    """All holds on trading, the mode set from outside, and the fence."""

    def __init__(self) -> None:
        self.live: dict[str, Hold] = {}
        self.mode = LADDER[0]
        self.fence = 0
        self.leases_given = 0

    def pass_fence(self, fence: int | None) -> None:
        """Raise RefusedError for a stale ``fence``, else remember it.  None: the sender does not fence."""
        if fence is None:
            return
        if fence < self.fence:
            raise RefusedError(
                f"stale fence: {fence} is lower than {self.fence}, the highest seen; ask for a new grant"
            )
        self.fence = fence

    def fresh_lease(self) -> str:
        self.leases_given += 1
        return f"lease-{self.leases_given}"

    def place(self, hold: Hold) -> bool:
        """Put ``hold`` in force; whether it renews one of the same lease."""
        renewed = hold.lease in self.live
        if not renewed and len(self.live) >= LEASES_MAX:
            raise RefusedError(f"{LEASES_MAX} pauses are in force; resume some of them")
        self.live[hold.lease] = hold
        return renewed

    def release(self, lease: str) -> Hold:
        if lease not in self.live:
            known = ", ".join(sorted(self.live)) or "none"
            raise RefusedError(f"no pause with the lease {lease!r} is in force; in force: {known}")
        return self.live.pop(lease)

    def open_session(self, session: str) -> list[Hold]:
        """Count a session; the holds that ended before it, which are no longer in force."""
        ended = [hold for hold in self.live.values() if hold.over(session)]
        for hold in ended:
            del self.live[hold.lease]
        for hold in self.live.values():
            if hold.sessions is not None:
                self.live[hold.lease] = hold._replace(sessions=hold.sessions - 1)
        return ended

    def why_not_open(self, account: str, symbol: str) -> str:
        """Why ``account`` may not open positions in ``symbol``; empty if it may."""
        if self.mode != LADDER[0]:
            return f"{self.mode}: set from outside"
        held = next((hold for hold in self.live.values() if hold.covers(account, symbol)), None)
        return "" if held is None else f"paused: {held.reason} (lease {held.lease}, by {held.by})"

    def snapshot(self) -> JsonObject:
        return {
            "live": [hold._asdict() for hold in self.live.values()],
            "mode": self.mode,
            "fence": self.fence,
            "leases_given": self.leases_given,
        }

    @classmethod
    def of(cls, state: JsonObject) -> "Holds":
        holds = cls()
        holds.live = {hold["lease"]: Hold(**hold) for hold in state["live"]}
        holds.mode = state["mode"]
        holds.fence = int(state["fence"])
        holds.leases_given = int(state["leases_given"])
        return holds
