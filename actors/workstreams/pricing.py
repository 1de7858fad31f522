"""Modelled option premiums: Black-Scholes without dividends.

No package carries option quotes that we may ship, so every premium here is *modelled*: Black and Scholes 1973, implied
volatility taken as 1.10 times the realised one with a floor of 8 %, rate 2 % (design/workstreams.md, section 4).  It
is a model of a price, never a market price, and every payload that carries one says so.

Units: USD per share, years, annual volatility; delta of a put is told as its magnitude.  Pure.
"""

from math import exp, log, sqrt
from statistics import NormalDist

MODEL = "black-scholes, modelled"
RATE = 0.02
VOL_MARKUP = 1.10
VOL_FLOOR = 0.08
DAYS_A_YEAR = 365
FINE_STEP, FINE_BELOW = 0.5, 50.0
NORMAL = NormalDist()


def implied_vol(realised: float) -> float:
    return max(VOL_FLOOR, VOL_MARKUP * realised)


def d1(spot: float, strike: float, years: float, vol: float, rate: float = RATE) -> float:
    return (log(spot / strike) + (rate + vol * vol / 2) * years) / (vol * sqrt(years))


def premium(kind: str, spot: float, strike: float, years: float, vol: float, rate: float = RATE) -> float:
    """Of a ``put`` or ``call``; at or after expiry what it is worth at once."""
    if years <= 0:
        return max(0.0, spot - strike if kind == "call" else strike - spot)
    first = d1(spot, strike, years, vol, rate)
    second = first - vol * sqrt(years)
    if kind == "call":
        return spot * NORMAL.cdf(first) - strike * exp(-rate * years) * NORMAL.cdf(second)
    return strike * exp(-rate * years) * NORMAL.cdf(-second) - spot * NORMAL.cdf(-first)


def delta(kind: str, spot: float, strike: float, years: float, vol: float, rate: float = RATE) -> float:
    """Magnitude, 0..1."""
    if years <= 0:
        return float(spot > strike if kind == "call" else spot < strike)
    up = NORMAL.cdf(d1(spot, strike, years, vol, rate))
    return up if kind == "call" else 1 - up


def strike_for(kind: str, wanted: float, spot: float, years: float, vol: float, rate: float = RATE) -> float:
    """The exact strike whose delta has the magnitude ``wanted`` (0 < wanted < 1)."""
    quantile = NORMAL.inv_cdf(wanted if kind == "call" else 1 - wanted)
    return spot * exp((rate + vol * vol / 2) * years - quantile * vol * sqrt(years))


def listed_strike(kind: str, wanted: float, spot: float, years: float, vol: float) -> float:
    """The listed strike nearest to the exact one: strikes come in steps of half a dollar, from 50 USD in dollars."""
    step = FINE_STEP if spot < FINE_BELOW else 1.0
    return max(step, round(strike_for(kind, wanted, spot, years, vol) / step) * step)
