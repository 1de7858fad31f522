"""The books of one account, in integer cents.

Double entry keeps them honest: what the cash account says must equal what the other side says,

    cash = capital + realised + dividends - costs - cost of shares held + premiums of options still open,

to the cent, after every booking (``Account.difference`` is 0).  Equity is cash plus positions at market, where a short
option counts against it.  Options are carried by their totals - shares to deliver, cents to exchange - so that a split
changes the shares and nothing else, and no strike is ever rounded.

Pure but for the account's own fields.
"""

from typing import NamedTuple

from .lines import JsonObject
from .readers import RefusedError

SHARES_A_CONTRACT = 100
TICKS_A_CENT = 100
"""Prices are held in ten-thousandths of a dollar, the finest step of the file."""


def usd(cents: int) -> str:
    """Cents as decimal text in USD."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def ticks(price: float) -> int:
    return round(price * 100 * TICKS_A_CENT)


def value_of(shares: int, price_ticks: int) -> int:
    """Cents that ``shares`` are worth; a half cent goes to the even one."""
    return round(shares * price_ticks / TICKS_A_CENT)


class Lot(NamedTuple):
    """Shares of one symbol and what they cost, cents."""

    shares: int
    cost: int


class Option(NamedTuple):
    """A short option.  ``exercise``: cents exchanged for ``shares`` if it is exercised; ``premium``: cents received."""

    id: str
    symbol: str
    kind: str
    contracts: int
    shares: int
    exercise: int
    premium: int
    expiry: str
    opened: str
    entry_close: float

    @property
    def strike(self) -> float:
        """USD per share."""
        return self.exercise / 100 / self.shares

    def split(self, new: int, old: int) -> "Option":
        return self._replace(shares=self.shares * new // old, entry_close=self.entry_close * old / new)


class Account:
    """One account.  Every method books both sides or raises before it books any.

    ``capital`` is what was put in less what was taken out.  ``baseline`` is what a surplus is counted from: it grows
    with what is put in, and does not fall when a surplus is taken out.
    """

    def __init__(self, name: str, capital: int) -> None:
        self.name = name
        self.capital = capital
        self.baseline = capital
        self.cash = capital
        self.realised = 0
        self.dividends = 0
        self.costs = 0
        self.lots: dict[str, Lot] = {}
        self.options: dict[str, Option] = {}

    # --- bookings -------------------------------------------------------------------------------------------------

    def sell_option(self, option: Option, commission: int) -> None:
        if option.id in self.options:
            raise RefusedError(f"option {option.id} is open already")
        self.cash += option.premium - commission
        self.costs += commission
        self.options[option.id] = option

    def buy_back(self, option_id: str, price: int, commission: int) -> int:
        """End a short option for ``price`` cents; the profit before commission."""
        option = self.options.pop(option_id)
        self.cash -= price + commission
        self.costs += commission
        self.realised += option.premium - price
        return option.premium - price

    def expire(self, option_id: str) -> int:
        option = self.options.pop(option_id)
        self.realised += option.premium
        return option.premium

    def assign(self, option_id: str) -> int:
        """Exercise against us: a put brings shares at the strike, a call takes them.  The realised profit."""
        option = self.options[option_id]
        lot = self.lots.get(option.symbol, Lot(0, 0))
        profit = option.premium
        if option.kind == "put":
            self.cash -= option.exercise
            self.lots[option.symbol] = Lot(lot.shares + option.shares, lot.cost + option.exercise)
        else:
            profit += self._take_shares(option.symbol, option.shares, option.exercise)
        del self.options[option_id]
        self.realised += profit
        return profit

    def sell_shares(self, symbol: str, shares: int, proceeds: int, commission: int) -> int:
        profit = self._take_shares(symbol, shares, proceeds)
        self.realised += profit
        self.cash -= commission
        self.costs += commission
        return profit

    def _take_shares(self, symbol: str, shares: int, proceeds: int) -> int:
        lot = self.lots.get(symbol, Lot(0, 0))
        if shares > lot.shares:
            raise RefusedError(f"{self.name} holds {lot.shares} {symbol}, not {shares}")
        cost = lot.cost * shares // lot.shares if lot.shares else 0
        if shares == lot.shares:
            self.lots.pop(symbol, None)
        else:
            self.lots[symbol] = Lot(lot.shares - shares, lot.cost - cost)
        self.cash += proceeds
        return proceeds - cost

    def split(self, symbol: str, new: int, old: int) -> bool:
        """``new`` shares for ``old``; whether anything was held.  A fraction of a share is forfeited."""
        held = symbol in self.lots
        if held:
            lot = self.lots[symbol]
            self.lots[symbol] = Lot(lot.shares * new // old, lot.cost)
        for option in [option for option in self.options.values() if option.symbol == symbol]:
            held = True
            self.options[option.id] = option.split(new, old)
        return held

    def dividend(self, symbol: str, cents_a_share: int) -> int:
        amount = self.shares(symbol) * cents_a_share
        self.cash += amount
        self.dividends += amount
        return amount

    def transfer(self, other: "Account", cents: int) -> None:
        if not 0 < cents <= self.cash:
            raise RefusedError(f"{self.name} can transfer up to {usd(self.cash)} USD, not {usd(cents)}")
        self.cash -= cents
        self.capital -= cents
        other.cash += cents
        other.capital += cents
        other.baseline += cents

    # --- questions ------------------------------------------------------------------------------------------------

    def shares(self, symbol: str) -> int:
        lot = self.lots.get(symbol)
        return lot.shares if lot else 0

    def uncovered(self, symbol: str) -> int:
        """Shares that no open call has promised away."""
        promised = sum(o.shares for o in self.options.values() if o.symbol == symbol and o.kind == "call")
        return self.shares(symbol) - promised

    def reserved(self) -> int:
        """Cents that open puts may call for."""
        return sum(option.exercise for option in self.options.values() if option.kind == "put")

    def difference(self) -> int:
        """Cents by which the two sides of the books differ: 0, or the ledger is wrong."""
        other_side = self.capital + self.realised + self.dividends - self.costs
        other_side -= sum(lot.cost for lot in self.lots.values())
        other_side += sum(option.premium for option in self.options.values())
        return self.cash - other_side

    # --- state ----------------------------------------------------------------------------------------------------

    def snapshot(self) -> JsonObject:
        return {
            "name": self.name,
            "capital": self.capital,
            "baseline": self.baseline,
            "cash": self.cash,
            "realised": self.realised,
            "dividends": self.dividends,
            "costs": self.costs,
            "lots": {symbol: list(lot) for symbol, lot in self.lots.items()},
            "options": [option._asdict() for option in self.options.values()],
        }

    @classmethod
    def of(cls, state: JsonObject) -> "Account":
        account = cls(state["name"], int(state["capital"]))
        account.baseline = int(state["baseline"])
        account.cash = int(state["cash"])
        account.realised = int(state["realised"])
        account.dividends = int(state["dividends"])
        account.costs = int(state["costs"])
        account.lots = {symbol: Lot(*lot) for symbol, lot in state["lots"].items()}
        account.options = {option["id"]: Option(**option) for option in state["options"]}
        return account
