"""Circuit breaker: who asks an actor that cannot answer is told so at once, instead of waiting for nothing.

    CLOSED --- down, or FAILURES_MAX unanswered in a row ---> OPEN --- its time is over ---> HALF_OPEN
      ^                                                        ^                                |
      +------------ up again, or an answer --------------------+---- unanswered once more ------+

Nygard's pattern (Release It!, 2007), with what a supervisor knows: ``down`` comes with the word why, and with the time
of the next try if there will be one; ``up`` of a newer incarnation closes at once.  Where nobody says when, the time
doubles from ``FIRST_S`` up to ``LONGEST_S``.  Half-open, one request is let through, and what becomes of it decides.
One that is parked or stopped comes back by order only, so nothing is tried.

A breaker judges requests that somebody waits for.  What restricts is no matter for it: that is always sent.

Pure: hub time comes in as an argument, in seconds.
"""

from dataclasses import dataclass
from enum import StrEnum

from alluse_hub.protocols.lifecycle import ChildState, PeerDown
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.restarts import pause_s

FAILURES_MAX = 3
"""Requests in a row without an answer: one may be lost with an incarnation, two by bad luck."""

FIRST_S = 1.0
FACTOR = 2.0
LONGEST_S = 30.0
"""How long it stays open where nobody says when to try: as long as restarts of programs are apart."""

TRY_MARGIN_S = 1.0
"""A restart that was due so long ago and has not been heard of is tried: its ``PeerUp`` may have come to nobody."""


class Circuit(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """Towards one actor.  ``incarnation``: the highest heard of.  ``try_at``: hub time from which one request may be
    tried, None if only ``up`` closes it.  ``row``: times it has opened since the last answer."""

    circuit: Circuit = Circuit.CLOSED
    incarnation: int = 0
    failures: int = 0
    row: int = 0
    reason: str = ""
    standing: ChildState | None = None  # as its supervisor says, if that opened it
    since: float = 0.0
    try_at: float | None = None

    def refuses(self, at: float) -> bool:
        """Whether a request made now would find nobody; of the tries at half-open only the first is let through."""
        if self.circuit is Circuit.OPEN:
            return self.try_at is None or at < self.try_at
        return self.circuit is Circuit.HALF_OPEN

    def asked(self, at: float) -> "Breaker":
        """A request is made that was not refused."""
        if self.circuit is Circuit.OPEN and not self.refuses(at):
            return replace(self, circuit=Circuit.HALF_OPEN)
        return self

    def answered(self) -> "Breaker":
        """From one that is down by its supervisor's word, it is the last word of a life that is over."""
        is_late = self.circuit is Circuit.OPEN and self.standing is not None
        if is_late or (self.circuit is Circuit.CLOSED and not self.failures and not self.row):
            return self
        return Breaker(incarnation=self.incarnation)

    def unanswered(self, at: float, reason: str) -> "Breaker":
        """A request came to its deadline."""
        failures = self.failures + 1
        is_borne = self.circuit is Circuit.CLOSED and failures < FAILURES_MAX
        if is_borne or self.circuit is Circuit.OPEN:
            return replace(self, failures=failures)
        row = self.row + 1
        wait_s = pause_s(row, FIRST_S, FACTOR, LONGEST_S)
        return Breaker(Circuit.OPEN, self.incarnation, failures, row, reason, None, at, at + wait_s)

    def down(self, word: PeerDown, at: float) -> "Breaker":
        """Its supervisor says so.  Of an incarnation that is over already it says nothing."""
        if word.incarnation < self.incarnation:
            return self
        is_due = word.standing is ChildState.RESTARTING
        next_try = word.next_try if word.next_try is not None else at
        return Breaker(
            Circuit.OPEN,
            word.incarnation,
            self.failures,
            self.row,
            word.cause,
            word.standing,
            at,
            max(at, next_try) + TRY_MARGIN_S if is_due else None,
        )

    def up(self, incarnation: int) -> "Breaker":
        """It was introduced.  An incarnation known already closes nothing: it may be the one that went down."""
        return Breaker(incarnation=incarnation) if incarnation > self.incarnation else self

    def is_back_within(self, seconds: float, at: float) -> bool:
        """Whether its supervisor is about to start it, so that it may be waited for."""
        return self.standing is ChildState.RESTARTING and self.try_at is not None and self.try_at - at <= seconds

    def why(self, name: str, at: float) -> str:
        """For whoever is refused."""
        if self.standing is None:
            return f"{name} left {self.failures} requests in a row unanswered ({self.reason})"
        said = f"{name} is {self.standing.value}: {self.reason}"
        if self.try_at is not None and self.try_at > at:
            said += f"; its next start is due within {max(0.1, self.try_at - at):.1f} s"
        return said
