"""What becomes of a claim, and how sentences name it.  Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from alluse_hub.actors.coordinator.leases import Now, as_text
from alluse_hub.protocols.claims import Claim, Lease
from alluse_hub.protocols.program_claims import PROGRAM

LISTED_MAX = 8
"""Claims that one explanation names in each of its lists."""


class Outcome(StrEnum):
    HOLDS = "holds"  # keeps the resource where it is, or has of it what it takes
    COVERED = "covered"  # asks for no more than what is in force
    LOSES = "loses"  # wants something else
    WAITS = "waits"  # in the queue of a pool


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a live claim, and the first criterion that decided it."""

    claim: Claim
    outcome: Outcome
    why: str


def named(claim: Claim) -> str:
    """Holder and subject, as sentences name a claim."""
    return f"{claim.holder} ({claim.subject})" if claim.subject else claim.holder


def listed(claims: Iterable[Claim], now: Now) -> str:
    """The first of them with the ends of their leases, and how many there are beyond."""
    all_ = tuple(claims)
    more = f" and {len(all_) - LISTED_MAX} more" if len(all_) > LISTED_MAX else ""
    return ", ".join(f"{named(claim)} {_end(claim, now)}" for claim in all_[:LISTED_MAX]) + more


def _end(claim: Claim, now: Now) -> str:
    is_command = claim.at and claim.lease == Lease() and not claim.id.startswith(PROGRAM)
    return "until it is answered" if is_command else as_text(claim.lease, now)
