"""Is this bar to be believed?  Gaps, jumps, splits, dividends.

A split shows as a raw close near one half (one third, two thirds, double...) of the day before while the adjusted close
is calm: then ``adjusted ratio / raw ratio`` is the number of new shares per old one.  A true crash moves both alike.
So AAPL on 2005-02-28 (raw -49.6 %) is a split and AAPL on 2000-09-29 (-51.9 %) is not.  A dividend shows as a small
step of the same quotient.  Pure.
"""

from typing import NamedTuple

from .bars import Bar

JUMP = 0.20
"""A move of the adjusted close beyond this is doubted (requirements, 5.3)."""

SPREAD = 0.10
"""High less low as a fraction of the close, beyond which the grade falls (requirements, 5.3)."""

STALE_SESSIONS = 5
"""Missing sessions in a row after which a symbol is called stale, once, instead of a gap each day."""

SPLITS = ((2, 1), (3, 1), (3, 2), (4, 1), (5, 1), (7, 1), (10, 1), (1, 2), (1, 3), (1, 5), (1, 10))
"""New shares per old: those that exchanges have seen often."""

SPLIT_TOLERANCE = 0.02
"""Of the quotient around the exact ratio: adjusted closes are rounded and a dividend may fall on the same day."""

DIVIDEND_LEAST = 0.0005
"""Smaller steps of the quotient are rounding: a close in whole cents is exact to 5 basis points at 20 USD."""


class Split(NamedTuple):
    """``new`` shares for ``old``; the raw and the adjusted change of the day, fractions."""

    new: int
    old: int
    raw_change: float
    adjusted_change: float


def split_between(before: Bar, bar: Bar) -> Split | None:
    raw = bar.close / before.close
    adjusted = bar.adjusted / before.adjusted
    if abs(adjusted - 1) > JUMP:
        return None
    quotient = adjusted / raw
    for new, old in SPLITS:
        if abs(quotient * old / new - 1) <= SPLIT_TOLERANCE:
            return Split(new, old, raw - 1, adjusted - 1)
    return None


def dividend_between(before: Bar, bar: Bar) -> float:
    """USD per share that went ex on ``bar``, 0 if none.  Not to be asked on the day of a split.

    The archive adjusts by ``(close + dividend) / close`` of the ex day: so MSFT on 2004-11-15 gives its 3.08 USD.
    """
    quotient = (bar.adjusted / before.adjusted) / (bar.close / before.close)
    if quotient - 1 < DIVIDEND_LEAST:
        return 0.0
    return round(bar.close * (quotient - 1), 2)


def jump_between(before: Bar, bar: Bar) -> float:
    """The adjusted change if it is a jump, else 0.  Fraction."""
    change = bar.adjusted / before.adjusted - 1
    return change if abs(change) > JUMP else 0.0


def grade(bar: Bar, jump: float) -> str:
    """excellent, fair (wide day) or poor (jump)."""
    if jump:
        return "poor"
    return "fair" if (bar.high - bar.low) / bar.close > SPREAD else "excellent"
