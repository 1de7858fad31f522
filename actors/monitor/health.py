"""Health: evidence in, one number from 0 to 100 out.

    health = 100 * liveness * freshness * (1 - error rate) * latency * dependencies

* *liveness*: 1 if the program is up and not hung, else 0; so health reaches 0, and within one timeout of the cause.
* *freshness*: 1 while the last sign of life is younger than the timeout, then timeout / age: a busy program fades.  The
  timeout is the silence that its failure detector allowed.
* *error rate*: errors over requests in the window, at most 1.
* *latency*: 1 while the 95th percentile is within the budget, then budget / percentile.
* *dependencies*: ``NEEDED_DOWN`` if any workstream it needs is not up, or nobody watches it because its monitor is
  down: it is worse off, not dead.

A product, so that one bad factor cannot be averaged away by good ones.  Bands: 95 and more is good, 85 and more is to
be watched, below is bad.

Pure.
"""

from dataclasses import dataclass

NEEDED_DOWN = 0.8
"""Below the band to be watched: who needs what is down shows red, and no other factor has to be bad."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """``age_s``: of the last sign of life; ``latency_ms``: the 95th percentile in the window."""

    is_live: bool
    age_s: float
    timeout_s: float
    error_rate: float
    latency_ms: float
    budget_ms: float
    is_need_met: bool


def health(evidence: Evidence) -> float:
    if not evidence.is_live:
        return 0.0
    freshness = 1.0 if evidence.age_s <= evidence.timeout_s else evidence.timeout_s / evidence.age_s
    latency = 1.0 if evidence.latency_ms <= evidence.budget_ms else evidence.budget_ms / evidence.latency_ms
    needs = 1.0 if evidence.is_need_met else NEEDED_DOWN
    return 100.0 * freshness * (1.0 - evidence.error_rate) * latency * needs
