"""Risk as utilisation: how much of the tightest limit is used.

    risk_level = max(drawdown / limit, VaR95 / limit, concentration / limit)

"risk_level > 0.8" then has one meaning for every account.  A warning is told once per crossing and cleared only below
half of the limit (hysteresis), because a level that trembles at 0.8 would otherwise warn every other day.

Value at risk is historical: the loss that 5 % of the last 252 days would have exceeded with today's delta-equivalent
holdings.  It is a one-day figure from daily returns; the platform this follows used annual volatility for a day and so
warned at each update (requirements, 5.2).  Pure.
"""

from math import floor, sqrt
from typing import NamedTuple

WINDOW = 252
LEAST = 250
"""Returns needed before a VaR is told (design/workstreams.md, section 4)."""


class Use(NamedTuple):
    """One limit of one scope: ``value`` and ``limit`` are fractions of equity."""

    risk_kind: str
    value: float
    limit: float

    @property
    def level(self) -> float:
        return self.value / self.limit


def drawdown(equities: list[int]) -> float:
    """Fall of the last from the highest, fraction."""
    return 1 - equities[-1] / max(equities) if equities else 0.0


def concentration(exposure: dict[str, float], equity: float) -> float:
    return max((abs(value) for value in exposure.values()), default=0.0) / equity


def value_at_risk(
    exposure: dict[str, float], returns: dict[str, list[float]], confidence: float = 0.95, horizon_days: int = 1
) -> float | None:
    """Loss in the unit of ``exposure``, never negative; None while a symbol has fewer than LEAST returns.

    ``returns``: daily, oldest first, all ending on the same session.  A longer horizon scales by its square root.
    """
    held = [(value, returns.get(symbol, [])) for symbol, value in exposure.items() if value]
    if not held:
        return 0.0
    days = min(len(changes) for _, changes in held)
    if days < LEAST:
        return None
    days = min(days, WINDOW)
    results = [0.0] * days
    for value, changes in held:
        results = [result + value * change for result, change in zip(results, changes[-days:], strict=True)]
    results.sort()
    return max(0.0, -results[floor((1 - confidence) * days + 1e-9)]) * sqrt(horizon_days)


def tightest(uses: list[Use]) -> Use:
    """The limit used most; of equals the first."""
    return max(uses, key=lambda use: use.level)


def crossing(is_exceeded: bool, level: float, exceeded_at: float, cleared_at: float) -> bool:
    """Whether a scope counts as exceeded after ``level``, given whether it did before."""
    return level >= cleared_at if is_exceeded else level > exceeded_at
