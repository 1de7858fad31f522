"""The trading floor of WS4: what a session does to orders, positions and books.

A session goes: corporate actions change what is held, bars give quotes, and at the close working orders fill, options
expire or are assigned, everything is marked and the books are balanced.  What may open is asked of ``holds``; marking
to market, expiry and assignment are never held up by a pause.

Premiums are modelled (``pricing``), and every payload that carries one says so.
"""

from .desk import (
    COMMISSION,
    PREMIUM_LEAST,
    SLIPPAGE,
    Order,
    Quote,
    exposure_cents,
    option_cents,
    option_delta,
    paid,
    positions_cents,
    received,
    share_commission,
    told_option,
)
from .holds import EVERYTHING, Hold, Holds
from .ledger import SHARES_A_CONTRACT, Account, Option, ticks, usd, value_of
from .lines import JsonObject
from .pricing import MODEL, implied_vol
from .readers import Reading
from .rulebook import CAPITAL, FIRST, base_of, same_week
from .workstream import Delivered, Workstream

ORDERS_MAX = 200
"""Working at once; some tens are usual."""


class TradingFloor(Workstream):
    emits = (
        "order_placed",
        "order_filled",
        "order_rejected",
        "order_cancelled",
        "position_update",
        "assignment",
        "daily_settlement",
        "account_statement",
        "trading_paused",
        "trading_resumed",
        "account_forked",
    )

    def __init__(self) -> None:
        super().__init__()
        self.parameters = FIRST
        self.accounts = {
            name: Account(name, round(CAPITAL * 100 * rules["share"])) for name, rules in FIRST["accounts"].items()
        }
        self.holds = Holds()
        self.quotes: dict[str, Quote] = {}
        self.orders: dict[str, Order] = {}
        self.regimes: dict[str, str] = {}
        self.equities: dict[str, int] = {}  # at the last settlement, cents
        self.peaks: dict[str, int] = {}
        self.numbered = 0
        self.ended: dict[str, list[JsonObject]] = {}  # account -> positions ended since its last position_update

    # --- the session ----------------------------------------------------------------------------------------------

    def on_session_opened(self, event: Delivered) -> None:
        for hold in self.holds.open_session(event.session):
            self.tell_resumed(hold, by="ws4", reason="its time is over")

    def on_corporate_action(self, event: Delivered) -> None:
        symbol = event.payload.text("symbol")
        if event.payload.choice("kind", ("split", "dividend")) == "dividend":
            cents = round(event.payload.price("amount") * 100)
            for account in self.accounts.values():
                account.dividend(symbol, cents)
            return
        new, old = event.payload.whole("new_shares", least=1), event.payload.whole("old_shares", least=1)
        for account in self.accounts.values():
            if account.split(symbol, new, old):
                self.ended.setdefault(account.name, [])
        for order in [order for order in self.orders.values() if order.symbol == symbol]:
            self.orders[order.id] = order.split(new, old)

    def on_market_data_update(self, event: Delivered) -> None:
        bar = event.payload
        close, vol = bar.price("close"), bar.number_or_none("realised_vol")
        known = None if vol is None else implied_vol(vol)
        self.quotes[bar.text("symbol")] = Quote(event.session, close, ticks(close), known)

    def on_volatility_regime_changed(self, event: Delivered) -> None:
        self.regimes[event.payload.text("symbol")] = event.payload.text("regime")

    def on_session_closed(self, event: Delivered) -> None:
        session, following = event.session, event.payload.day_or_none("next")
        for order in [order for order in self.orders.values() if order.placed < session]:
            if self.quotes[order.symbol].session == session:
                self.fill(order, session)
        for account in self.accounts.values():
            for option in list(account.options.values()):
                if option.expiry <= session or (following is not None and following > option.expiry):
                    self.expire(account, option)
        self.settle(session)
        if following is None or not same_week(session, following):
            self.emit("account_statement", {"session": session, "accounts": self.balances()})

    # --- who and what ---------------------------------------------------------------------------------------------

    def account(self, reading: Reading) -> Account:
        return self.accounts[reading.choice("account", self.accounts)]

    def rules(self, account: Account) -> JsonObject:
        rules: JsonObject = self.parameters["accounts"][base_of(account.name)]
        return rules

    def numbered_id(self, letter: str) -> str:
        self.numbered += 1
        return f"{letter}{self.numbered}"

    def balances(self) -> JsonObject:
        return {
            account.name: {
                "cash": usd(account.cash),
                "equity": usd(self.equities.get(account.name, account.capital)),
                "baseline": usd(account.baseline),
            }
            for account in self.accounts.values()
        }

    # --- orders ---------------------------------------------------------------------------------------------------

    def on_trade_proposed(self, event: Delivered) -> None:
        proposal = event.payload
        account = self.account(proposal)
        symbol, kind = proposal.text("symbol"), proposal.choice("kind", ("put", "call"))
        contracts = proposal.whole("contracts", least=1, most=10_000)
        self.open_option(
            account, symbol, kind, contracts, proposal.price("strike"), proposal.day("expiry"), proposal.text("reason")
        )

    def open_option(
        self, account: Account, symbol: str, kind: str, contracts: int, strike: float, expiry: str, reason: str
    ) -> bool:
        """Place an order to sell, or tell why not; whether it was placed."""
        shares = contracts * SHARES_A_CONTRACT
        exercise = round(strike * 100) * shares
        order = Order(
            self.numbered_id("o"),
            "open",
            account.name,
            symbol,
            kind,
            contracts,
            shares,
            exercise,
            expiry,
            self.session,
            reason,
        )
        return self.place(order, self.why_not(account, order))

    def why_not(self, account: Account, order: Order) -> str:
        """Why ``order`` to open may not be worked; empty if it may."""
        held = self.holds.why_not_open(account.name, order.symbol)
        if held:
            return held
        quote = self.quotes.get(order.symbol)
        if quote is None or quote.vol is None:
            return f"no premium can be modelled for {order.symbol} before its warm-up ends"
        working = [other for other in self.orders.values() if other.account == account.name and other.action == "open"]
        if order.kind == "call":
            promised = sum(other.shares for other in working if other.symbol == order.symbol and other.kind == "call")
            free = account.uncovered(order.symbol) - promised
            return "" if order.shares <= free else f"not covered: {order.shares} shares needed, {free} free"
        free = self.free_cents(account) - sum(other.exercise for other in working if other.kind == "put")
        return "" if order.exercise <= free else f"not secured: {usd(order.exercise)} USD needed, {usd(free)} free"

    def place(self, order: Order, why_not: str) -> bool:
        if not why_not and len(self.orders) >= ORDERS_MAX:
            why_not = f"{ORDERS_MAX} orders are working"
        if why_not:
            self.emit("order_rejected", {**order.told(), "why": why_not})
            return False
        self.orders[order.id] = order
        self.emit("order_placed", order.told())
        return True

    def free_cents(self, account: Account) -> int:
        """Cash that secures nothing yet, above the buffer."""
        share: float = self.rules(account)["buffer"]
        buffer = round(share * self.equities.get(account.name, account.capital))
        return account.cash - account.reserved() - buffer

    def fill(self, order: Order, session: str) -> None:
        account, quote = self.accounts[order.account], self.quotes[order.symbol]
        del self.orders[order.id]
        if order.action == "sell":
            self.fill_shares(account, order, quote)
            return
        price = option_cents(order, quote, session)
        commission = COMMISSION * order.contracts
        sensitivity = option_delta(order, quote, session)
        if order.action == "close":
            if order.option not in account.options:
                self.emit("order_cancelled", {**order.told(), "why": "the option has ended meanwhile"})
                return
            amount = -paid(price)
            told = told_option(account.options[order.option])
            self.end(account, told, "bought back", account.buy_back(order.option, -amount, commission), quote)
        else:
            amount = received(price)
            if amount < PREMIUM_LEAST * order.shares:
                self.emit(
                    "order_cancelled", {**order.told(), "why": f"the premium is below {PREMIUM_LEAST} cents a share"}
                )
                return
            option = Option(
                order.id, order.symbol, order.kind, order.contracts, order.shares, order.exercise, amount,
                order.expiry, session, quote.close,
            )  # fmt: skip
            account.sell_option(option, commission)
            self.ended.setdefault(account.name, [])
        self.tell_fill(order, quote, amount, commission, {"delta": round(sensitivity, 4), "premium_model": MODEL})

    def fill_shares(self, account: Account, order: Order, quote: Quote) -> None:
        shares = min(order.shares, account.shares(order.symbol))
        if shares == 0:
            self.emit("order_cancelled", {**order.told(), "why": "no shares are left"})
            return
        amount = received(value_of(shares, quote.ticks))
        commission = share_commission(shares)
        profit = account.sell_shares(order.symbol, shares, amount, commission)
        self.end(account, order.told(), "sold", profit, quote)
        self.tell_fill(order, quote, amount, commission, {})

    def tell_fill(self, order: Order, quote: Quote, amount: int, commission: int, more: JsonObject) -> None:
        self.emit(
            "order_filled",
            {
                **order.told(),
                "price": f"{abs(amount) / 100 / order.shares:.4f}",
                "amount": usd(amount),
                "commission": usd(commission),
                "slippage": SLIPPAGE,
                "close": f"{quote.close:.4f}",
                **more,
            },
        )

    def expire(self, account: Account, option: Option) -> None:
        quote = self.quotes[option.symbol]
        in_the_money = quote.close < option.strike if option.kind == "put" else quote.close > option.strike
        told = told_option(option)
        if not in_the_money:
            self.end(account, told, "expired", account.expire(option.id), quote)
            return
        lot = account.lots.get(option.symbol)
        profit = account.assign(option.id)
        basis = account.lots.get(option.symbol) if option.kind == "put" else lot
        self.end(account, told, "assigned" if option.kind == "put" else "called away", profit, quote)
        self.emit(
            "assignment",
            {
                "account": account.name,
                "symbol": option.symbol,
                "kind": option.kind,
                "strike": f"{option.strike:.2f}",
                "contracts": option.contracts,
                "shares": option.shares,
                "cost_basis": f"{basis.cost / 100 / basis.shares:.4f}" if basis else None,
                "close": f"{quote.close:.4f}",
                "realised": usd(profit),
            },
        )

    def end(self, account: Account, told: JsonObject, outcome: str, profit: int, quote: Quote) -> None:
        ended = {**told, "outcome": outcome, "close": quote.close, "profit": usd(profit)}
        self.ended.setdefault(account.name, []).append(ended)

    # --- settlement -----------------------------------------------------------------------------------------------

    def settle(self, session: str) -> None:
        """Mark everything, balance the books, tell the positions that changed and the day's result."""
        accounts: JsonObject = {}
        reconciled = True
        before = sum(self.equities.values()) or round(CAPITAL * 100)
        for account in self.accounts.values():
            positions = positions_cents(account, self.quotes, session)
            equity = account.cash + positions
            reconciled = reconciled and account.difference() == 0
            earlier = self.equities.get(account.name, account.capital)
            self.equities[account.name] = equity
            peak = self.peaks[account.name] = max(equity, self.peaks.get(account.name, account.capital))
            exposure = exposure_cents(account, self.quotes, session)
            accounts[account.name] = {
                "cash": usd(account.cash),
                "positions": usd(positions),
                "equity": usd(equity),
                "baseline": usd(account.baseline),
                "free": usd(self.free_cents(account)),
                "pnl": usd(equity - earlier),
                "drawdown": round(1 - equity / peak, 6),
                "exposure": {symbol: usd(cents) for symbol, cents in exposure.items()},
            }
            if account.name in self.ended:
                self.tell_positions(account, session, self.ended.pop(account.name))
        total = sum(self.equities.values())
        peak = self.peaks[EVERYTHING] = max(total, self.peaks.get(EVERYTHING, 0))
        self.emit(
            "daily_settlement",
            {
                "session": session,
                "accounts": accounts,
                "equity": usd(total),
                "pnl": usd(total - before),
                "drawdown": round(1 - total / peak, 6),
                "reconciled": reconciled,
                "premium_model": MODEL,
            },
        )

    def tell_positions(self, account: Account, session: str, ended: list[JsonObject]) -> None:
        self.emit(
            "position_update",
            {
                "account": account.name,
                "session": session,
                "cash": usd(account.cash),
                "equity": usd(self.equities.get(account.name, account.capital)),
                "free": usd(self.free_cents(account)),
                "shares": {symbol: self.told_lot(symbol, account) for symbol in account.lots},
                "options": [
                    {
                        "symbol": option.symbol,
                        "kind": option.kind,
                        "strike": f"{option.strike:.2f}",
                        "contracts": option.contracts,
                        "expiry": option.expiry,
                        "premium": usd(option.premium),
                    }
                    for option in account.options.values()
                ],
                "ended": ended,
                "premium_model": MODEL,
            },
        )

    def told_lot(self, symbol: str, account: Account) -> JsonObject:
        lot = account.lots[symbol]
        return {
            "quantity": lot.shares,
            "uncovered": account.uncovered(symbol),
            "average_price": f"{lot.cost / 100 / lot.shares:.4f}",
            "market_value": usd(value_of(lot.shares, self.quotes[symbol].ticks)),
        }

    # --- pauses ---------------------------------------------------------------------------------------------------

    def tell_resumed(self, hold: Hold, by: str, reason: str) -> None:
        self.emit(
            "trading_resumed",
            {
                "lease": hold.lease,
                "scope": hold.scope,
                "by": by,
                "reason": reason,
                "still_paused_by": sorted(self.holds.live),
            },
        )

    # --- state ----------------------------------------------------------------------------------------------------

    def snapshot(self) -> JsonObject:
        return {
            "parameters": self.parameters,
            "accounts": [account.snapshot() for account in self.accounts.values()],
            "holds": self.holds.snapshot(),
            "quotes": {symbol: list(quote) for symbol, quote in self.quotes.items()},
            "orders": [order._asdict() for order in self.orders.values()],
            "regimes": dict(self.regimes),
            "equities": dict(self.equities),
            "peaks": dict(self.peaks),
            "numbered": self.numbered,
            "ended": {name: list(ended) for name, ended in self.ended.items()},
        }

    def restore(self, state: JsonObject) -> None:
        self.parameters = state["parameters"]
        self.accounts = {account["name"]: Account.of(account) for account in state["accounts"]}
        self.holds = Holds.of(state["holds"])
        self.quotes = {symbol: Quote(*quote) for symbol, quote in state["quotes"].items()}
        self.orders = {order["id"]: Order(**order) for order in state["orders"]}
        self.regimes = dict(state["regimes"])
        self.equities = {name: int(cents) for name, cents in state["equities"].items()}
        self.peaks = {name: int(cents) for name, cents in state["peaks"].items()}
        self.numbered = int(state["numbered"])
        self.ended = {name: list(ended) for name, ended in state["ended"].items()}
