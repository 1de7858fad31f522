"""Orders, quotes and what positions are worth: the arithmetic of paper trading.

An order placed after the close of one session fills at the next bar's close, at a modelled premium, less slippage of
2 basis points (against us, rounded against us) and 0.65 USD commission a contract (requirements, 5.4).  Pure.
"""

from math import ceil, floor
from typing import NamedTuple

from .ledger import SHARES_A_CONTRACT, Account, Option, value_of
from .lines import JsonObject
from .pricing import DAYS_A_YEAR, RATE, delta, implied_vol, premium
from .rulebook import days_between

COMMISSION = 65
"""Cents a contract."""

SHARE_COMMISSION_TENTHS = 5
"""Tenths of a cent a share."""

SLIPPAGE = 0.0002
PREMIUM_LEAST = 5
"""Cents a share below which an option is not sold: the commission would eat a tenth of it and more."""

SCENARIOS: tuple[JsonObject, ...] = (
    {"name": "2008", "shock": -0.40, "vol_factor": 1.0, "rate_shift": 0.0},
    {"name": "March 2020", "shock": -0.35, "vol_factor": 1.0, "rate_shift": 0.0},
    {"name": "flash crash", "shock": -0.10, "vol_factor": 1.0, "rate_shift": 0.0},
    {"name": "volatility", "shock": 0.0, "vol_factor": 2.5, "rate_shift": 0.0},
    {"name": "rates", "shock": -0.15, "vol_factor": 1.0, "rate_shift": 0.02},
)
"""Requirements, 5.2 (AR)."""


class Quote(NamedTuple):
    """The last bar of a symbol: close in USD and in ticks, implied volatility (None before warm-up)."""

    session: str
    close: float
    ticks: int
    vol: float | None


class Order(NamedTuple):
    """``action``: open (sell an option), close (buy one back) or sell (shares).  ``option``: the one to close."""

    id: str
    action: str
    account: str
    symbol: str
    kind: str
    contracts: int
    shares: int
    exercise: int
    expiry: str
    placed: str
    reason: str
    option: str = ""

    def split(self, new: int, old: int) -> "Order":
        return self._replace(shares=self.shares * new // old)

    def told(self) -> JsonObject:
        return {
            "order": self.id,
            "account": self.account,
            "symbol": self.symbol,
            "action": self.action,
            "kind": self.kind,
            "contracts": self.contracts,
            "quantity": self.shares,
            "strike": f"{self.exercise / 100 / self.shares:.2f}" if self.exercise else None,
            "expiry": self.expiry or None,
            "reason": self.reason,
        }


class World(NamedTuple):
    """A way the market might be: prices times ``spot``, volatility times ``vol``, rates plus ``rate``."""

    spot: float = 1.0
    vol: float = 1.0
    rate: float = 0.0


AS_IT_IS = World()
UNKNOWN_VOL = implied_vol(0.40)
"""Used to mark where none is known, which only a quote before warm-up lacks; nothing is sold on such a quote."""


def option_cents(position: Option | Order, quote: Quote, session: str, world: World = AS_IT_IS) -> float:
    """What the whole ``position`` is worth at ``session``, in cents, unrounded."""
    strike = position.exercise / 100 / position.shares
    years = days_between(session, position.expiry) / DAYS_A_YEAR
    vol = (quote.vol or UNKNOWN_VOL) * world.vol
    price = premium(position.kind, quote.close * world.spot, strike, years, vol, RATE + world.rate)
    return price * 100 * position.shares


def option_delta(position: Option | Order, quote: Quote, session: str) -> float:
    strike = position.exercise / 100 / position.shares
    years = days_between(session, position.expiry) / DAYS_A_YEAR
    return delta(position.kind, quote.close, strike, years, quote.vol or UNKNOWN_VOL)


def received(cents: float) -> int:
    """What a sale at ``cents`` brings after slippage."""
    return floor(cents * (1 - SLIPPAGE))


def paid(cents: float) -> int:
    return ceil(cents * (1 + SLIPPAGE))


def share_commission(shares: int) -> int:
    return ceil(shares * SHARE_COMMISSION_TENTHS / 10)


def positions_cents(account: Account, quotes: dict[str, Quote], session: str, world: World = AS_IT_IS) -> int:
    """Market value of all positions: shares less what the short options would cost."""
    total = 0
    for symbol, lot in account.lots.items():
        quote = quotes[symbol]
        total += value_of(lot.shares, quote.ticks if world is AS_IT_IS else round(quote.ticks * world.spot))
    for option in account.options.values():
        total -= round(option_cents(option, quotes[option.symbol], session, world))
    return total


def exposure_cents(account: Account, quotes: dict[str, Quote], session: str) -> dict[str, int]:
    """Delta-equivalent stock holding by symbol: shares, plus puts sold, less calls sold."""
    exposure: dict[str, int] = {}
    for symbol, lot in account.lots.items():
        exposure[symbol] = value_of(lot.shares, quotes[symbol].ticks)
    for option in account.options.values():
        quote = quotes[option.symbol]
        sign = 1 if option.kind == "put" else -1
        part = sign * option_delta(option, quote, session) * value_of(option.shares, quote.ticks)
        exposure[option.symbol] = exposure.get(option.symbol, 0) + round(part)
    return dict(sorted(exposure.items()))


def contracts_affordable(cents: float, strike: float) -> int:
    return max(0, int(cents // (strike * 100 * SHARES_A_CONTRACT)))


def told_option(option: Option) -> JsonObject:
    return {
        "symbol": option.symbol,
        "kind": option.kind,
        "strike": f"{option.strike:.2f}",
        "contracts": option.contracts,
        "entry_close": option.entry_close,
    }
