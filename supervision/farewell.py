"""Shares of a deadline, and how far the root is with the hub's end.

What is left until the deadline is shared out.  Somebody who would take up to his grace gets all of it if what the
others would take fits in as well; else a share in proportion.  Who is quick leaves time to those after him.

Pure; times in seconds, moments in hub time.
"""

from dataclasses import dataclass

from alluse_hub.protocols.ending import HubEnded, Overrun, Phase, PhaseEnded

OWN_PART = 0.1
OWN_S_MAX = 1.0
"""What a supervisor keeps of its share for itself: this part of it, at most so many seconds."""

GRACES_S = {Phase.INTAKE: 2.0, Phase.DRAIN: 10.0, Phase.FLUSH: 5.0}
"""What is waited for an answer in each phase, if there is time: two actors that do nothing for it; the rounds of one
session, as slow as the slowest workstream; the rest of the spools, some ten thousand entries a second."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """The hub's end as its root conducts it.  ``reason``: what children are told.  ``awaited``: whose answer the phase
    waits for, until ``patience``; ``late``: those who did not give it."""

    reason: str
    began: float
    until: float
    phase: Phase
    since: float
    patience: float
    awaited: frozenset[str] = frozenset()
    late: tuple[str, ...] = ()
    ended: tuple[PhaseEnded, ...] = ()
    overran: tuple[Overrun, ...] = ()
    fault: str = ""  # for which the hub ends itself


def share_s(grace_s: float, others_s: float, left_s: float) -> float:
    """Of ``left_s``, for one that would take up to ``grace_s`` when the others would take up to ``others_s``."""
    return grace_s if grace_s + others_s <= left_s else left_s * grace_s / (grace_s + others_s)


def passed_on_s(left_s: float) -> float:
    """What a supervisor shares out of its own share."""
    return left_s - min(OWN_S_MAX, left_s * OWN_PART)


def told_of(told: HubEnded) -> list[str]:
    """An end in lines: who overran, then the phases, then the whole."""
    lines = [
        f"overran: {late.name}, a part of {late.of}: {'killed' if late.killed else 'ended'} after {late.took_s:.1f} s,"
        f" its share was {late.allowed_s:.1f} s"
        for late in told.overran
    ]
    for phase in told.phases:
        late_text = f", without an answer of {', '.join(phase.late)}" if phase.late else ""
        lines.append(f"phase {phase.phase}: {phase.took_s:.2f} s{late_text}")
    how = "in order" if told.is_in_order else "not all in order"
    if told.fault:
        lines.insert(0, f"the hub ended itself: {told.fault}")
    return [*lines, f"ended {how}: {told.took_s:.2f} of {told.total_s:g} s"]
