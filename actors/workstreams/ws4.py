"""WS4 Market Integration (paper): what may be asked of it.  What a session does is in ``floor``.

Nothing here reaches a market.  Pauses are leases and carry fences (``holds``).  ``update_positions`` takes profits and
covers shares with calls; it may open, so a pause refuses it, while marking to market goes on.
"""

from .desk import (
    SCENARIOS,
    Order,
    World,
    option_cents,
    positions_cents,
)
from .floor import TradingFloor
from .holds import EVERYTHING, LADDER, Hold, sessions_in
from .ledger import SHARES_A_CONTRACT, Account, usd
from .lines import JsonObject
from .pricing import DAYS_A_YEAR, listed_strike
from .program import main
from .readers import Reading, RefusedError
from .rulebook import base_of, days_between, delta_aim, next_expiry
from .workstream import Delivered

ACCOUNTS_MAX = 20
SCENARIOS_MAX = 50
REASON_CHARS_MAX = 500
TAKE_PROFIT_DAYS = 2
"""Days to expiry below which profit is no longer taken early: what is left of the premium decays by itself."""

TAKE_PROFIT_WILD = 0.50
"""Share of the premium at which profit is taken where volatility is high; requirements 5.2 gives 50 to 80 %."""

MODE_LEASE = "mode"
"""Under which a mode set from outside is told as a pause; it is let go by setting the mode, not by resuming."""

WILD = ("high", "very high")
FORK_KEEPS = 25_000_00
"""Cents that must stay in the parent of a fork (requirements, 5.2, FK)."""


class MarketIntegration(TradingFloor):
    ws = "ws4"
    name = "Market Integration (paper)"
    version = "1.0"

    def __init__(self) -> None:
        super().__init__()
        self.models = ["untrained"]

    # --- pauses ---------------------------------------------------------------------------------------------------

    def do_pause_trading(self, parameters: Reading) -> JsonObject:
        """Open nothing in {scope} for {duration} s of market time, or through the session {until}, or until resumed."""
        scope = self.scope_in(parameters)
        duration_s = parameters.number("duration", 0.0, least=0, most=1e8)
        until = parameters.day_or_none("until") or ""
        lease = parameters.text("lease", "")
        self.holds.pass_fence(fence_in(parameters))
        hold = Hold(
            lease=lease or self.holds.fresh_lease(),
            scope=scope,
            sessions=sessions_in(duration_s) if duration_s else None,
            until=until,
            by=parameters.text("by", "unnamed"),
            reason=parameters.text("reason", "no reason given")[:REASON_CHARS_MAX],
        )
        renewed = self.holds.place(hold)
        cancelled = self.cancel_opening(hold)
        self.tell_paused(hold, cancelled, renewed=renewed)
        return {"lease": hold.lease, "fence": self.holds.fence, "cancelled": cancelled}

    def cancel_opening(self, hold: Hold) -> int:
        """Cancel the working orders that ``hold`` would not have let open; how many."""
        cancelled = [o for o in self.orders.values() if o.action == "open" and hold.covers(o.account, o.symbol)]
        for order in cancelled:
            del self.orders[order.id]
            self.emit("order_cancelled", {**order.told(), "why": f"paused: {hold.reason}"})
        return len(cancelled)

    def tell_paused(self, hold: Hold, cancelled: int, *, renewed: bool) -> None:
        self.emit(
            "trading_paused",
            {
                **hold._asdict(),
                "until": hold.until or None,
                "mode": self.holds.mode,
                "fence": self.holds.fence,
                "renewed": renewed,
                "cancelled": cancelled,
            },
        )

    def do_resume_trading(self, parameters: Reading) -> JsonObject:
        """End the pause of {lease}; pauses of other leases stay in force."""
        lease = parameters.text("lease")
        fence = fence_in(parameters)
        if lease not in self.holds.live:
            self.holds.release(lease)  # refuses, naming those in force
        self.holds.pass_fence(fence)
        hold = self.holds.release(lease)
        self.tell_resumed(
            hold, parameters.text("by", "unnamed"), parameters.text("reason", "resumed")[:REASON_CHARS_MAX]
        )
        return {"resumed": lease, "still_paused_by": sorted(self.holds.live)}

    def do_set_mode(self, parameters: Reading) -> JsonObject:
        """Put {mode} in force for all trading: the word of the coordinator, which carries a {fence}."""
        mode = parameters.choice("mode", LADDER)
        by = parameters.text("by", "coordinator")
        reason = parameters.text("reason", f"mode {mode}")[:REASON_CHARS_MAX]
        self.holds.pass_fence(fence_in(parameters))
        before, self.holds.mode = self.holds.mode, mode
        hold = Hold(MODE_LEASE, EVERYTHING, None, "", by, reason)
        if mode == LADDER[0] != before:
            self.tell_resumed(hold, by, reason)
        elif mode not in {LADDER[0], before}:
            self.tell_paused(hold, self.cancel_opening(hold), renewed=before != LADDER[0])
        return {"mode": mode, "before": before, "fence": self.holds.fence}

    def scope_in(self, parameters: Reading) -> str:
        symbols = {symbol for rules in self.parameters["accounts"].values() for symbol in rules["symbols"]}
        return parameters.choice("scope", {EVERYTHING, *self.accounts, *symbols}, EVERYTHING)

    # --- positions ------------------------------------------------------------------------------------------------

    def do_update_positions(self, parameters: Reading) -> JsonObject:
        """Take profits and cover shares with calls, in {symbol} or everywhere; refused while paused."""
        wanted = parameters.text("symbol", "")
        parameters.text("priority", "normal")
        orders: list[str] = []
        refusals: set[str] = set()
        touched = []
        for account in self.accounts.values():
            symbols = sorted({*account.lots, *(option.symbol for option in account.options.values())})
            for symbol in [symbol for symbol in symbols if wanted in {"", symbol}]:
                held = self.holds.why_not_open(account.name, symbol)
                if held:
                    refusals.add(held)
                    continue
                touched.append(account)
                orders += self.take_profits(account, symbol) + self.cover(account, symbol)
        held = self.holds.why_not_open("", wanted)
        if not touched and (refusals or held):
            raise RefusedError(f"trading is {'; '.join(sorted(refusals) or [held])}; marking to market goes on")
        for account in dict.fromkeys(touched):
            self.tell_positions(account, self.session, self.ended.pop(account.name, []))
        return {"orders": orders, "accounts": [account.name for account in dict.fromkeys(touched)]}

    def take_profits(self, account: Account, symbol: str) -> list[str]:
        wild = self.regimes.get(symbol) in WILD
        share = TAKE_PROFIT_WILD if wild else self.parameters["profit_take"]
        orders = []
        for option in [option for option in account.options.values() if option.symbol == symbol]:
            working = any(order.option == option.id for order in self.orders.values())
            if working or days_between(self.session, option.expiry) < TAKE_PROFIT_DAYS:
                continue
            price = option_cents(option, self.quotes[symbol], self.session)
            if price <= (1 - share) * option.premium:
                orders.append(
                    self.close_option(account, option.id, f"{1 - price / option.premium:.0%} of premium kept")
                )
        return orders

    def close_option(self, account: Account, option_id: str, reason: str) -> str:
        option = account.options[option_id]
        order = Order(
            self.numbered_id("o"), "close", account.name, option.symbol, option.kind, option.contracts,
            option.shares, option.exercise, option.expiry, self.session, reason, option.id,
        )  # fmt: skip
        self.place(order, "")
        return order.id

    def cover(self, account: Account, symbol: str) -> list[str]:
        quote = self.quotes.get(symbol)
        working = sum(
            order.shares
            for order in self.orders.values()
            if order.account == account.name
            and order.symbol == symbol
            and order.kind == "call"
            and order.action == "open"
        )
        contracts = (account.uncovered(symbol) - working) // SHARES_A_CONTRACT
        if contracts <= 0 or quote is None or quote.vol is None:
            return []
        expiry = next_expiry(self.session)
        aim = delta_aim(self.parameters, base_of(account.name), "Green")
        years = days_between(self.session, expiry) / DAYS_A_YEAR
        strike = listed_strike("call", aim, quote.close, years, quote.vol)
        placed = self.open_option(account, symbol, "call", contracts, strike, expiry, "shares uncovered")
        return [f"o{self.numbered}"] if placed else []

    def do_flatten(self, parameters: Reading) -> JsonObject:
        """Kill switch: orders to close every option and sell every share in {scope}.  A pause does not stop it."""
        scope = self.scope_in(parameters)
        reason = parameters.text("reason")[:REASON_CHARS_MAX]
        self.holds.pass_fence(fence_in(parameters))
        orders: list[str] = []
        for account in self.accounts.values():
            orders += self.flatten(account, scope, reason)
        return {"orders": orders}

    def flatten(self, account: Account, scope: str, reason: str) -> list[str]:
        """Orders to close what ``account`` holds in ``scope`` and no order is closing yet."""
        working = [order for order in self.orders.values() if order.account == account.name]
        closing = {order.option for order in working}
        selling = {order.symbol for order in working if order.action == "sell"}
        orders = [
            self.close_option(account, option.id, reason)
            for option in account.options.values()
            if scope in {EVERYTHING, account.name, option.symbol} and option.id not in closing
        ]
        for symbol, lot in account.lots.items():
            if scope in {EVERYTHING, account.name, symbol} and symbol not in selling:
                order = Order(
                    self.numbered_id("o"), "sell", account.name, symbol, "shares", 0, lot.shares, 0, "",
                    self.session, reason,
                )  # fmt: skip
                orders += [order.id] if self.place(order, "") else []
        return orders

    def do_stress_test(self, parameters: Reading) -> JsonObject:
        """Loss of every account under {scenarios} [{name, shock, vol_factor, rate_shift}]; default: five known ones."""
        wanted = parameters.objects("scenarios") if "scenarios" in parameters else [Reading(each) for each in SCENARIOS]
        if len(wanted) > SCENARIOS_MAX:
            raise RefusedError(f"at most {SCENARIOS_MAX} scenarios at once, not {len(wanted)}")
        now = (
            {a.name: positions_cents(a, self.quotes, self.session) for a in self.accounts.values()}
            if self.session
            else {}
        )
        equity = sum(account.cash for account in self.accounts.values()) + sum(now.values())
        results: list[JsonObject] = []
        for scenario in wanted:
            world = World(
                spot=1 + scenario.number("shock", 0.0, least=-0.99, most=5),
                vol=scenario.number("vol_factor", 1.0, least=0.1, most=10),
                rate=scenario.number("rate_shift", 0.0, least=-0.1, most=0.2),
            )
            losses = {
                name: cents - positions_cents(self.accounts[name], self.quotes, self.session, world)
                for name, cents in now.items()
            }
            loss = sum(losses.values())
            results.append(
                {
                    "scenario": scenario.text("name"),
                    "loss": usd(loss),
                    "loss_fraction": round(loss / equity, 6) if equity else 0.0,
                    "accounts": {name: usd(cents) for name, cents in losses.items()},
                }
            )
        worst = max(results, key=lambda result: result["loss_fraction"])["scenario"] if results else None
        return {"results": results, "worst": worst, "equity": usd(equity)}

    # --- forks ----------------------------------------------------------------------------------------------------

    def do_fork_account(self, parameters: Reading) -> JsonObject:
        """Move the surplus of {account}: half to a new account of its kind, half to Com-Acc.  Needs {approval}."""
        return self.fork(self.account(parameters), parameters.text("approval"))

    def on_approval_given(self, event: Delivered) -> None:
        action = event.payload.body.get("action")
        if (
            isinstance(action, dict)
            and action.get("command") == "fork_account"
            and event.payload.text("choice") == "approve"
        ):
            parameters = Reading(action).object("parameters")
            try:
                self.fork(self.account(parameters), event.payload.text("approval"))
            except RefusedError as error:
                self.log("warning", f"approved fork not done: {error}")

    def fork(self, account: Account, approval: str) -> JsonObject:
        equity = self.equities.get(account.name, account.capital)
        surplus = equity - account.baseline
        amount = min(surplus, self.free_cents(account)) // 2 * 2
        if len(self.accounts) >= ACCOUNTS_MAX:
            raise RefusedError(f"{ACCOUNTS_MAX} accounts are open; merge some first")
        if amount <= 0 or equity - amount < FORK_KEEPS:
            raise RefusedError(
                f"{account.name} has {usd(surplus)} USD above its baseline, {usd(max(0, amount))} of it free, and must "
                f"keep {usd(FORK_KEEPS)}; try again when more is free"
            )
        base = base_of(account.name)
        number = 1 + sum(1 for name in self.accounts if base_of(name) == base)
        child = Account(f"{base}-{number}", 0)
        account.transfer(child, amount // 2)
        account.transfer(self.accounts["Com-Acc"], amount // 2)
        self.accounts[child.name] = child
        moved = {child.name: amount // 2, "Com-Acc": amount // 2}
        for name, cents in {account.name: -amount, **moved}.items():
            self.equities[name] = self.equities.get(name, 0) + cents
            self.peaks[name] = max(self.equities[name], self.peaks.get(name, 0) + cents)
            self.ended.setdefault(name, [])
        told = {"from": account.name, "to": {name: usd(cents) for name, cents in moved.items()}, "approval": approval}
        self.emit("account_forked", told)
        return told

    # --- knowledge ------------------------------------------------------------------------------------------------

    def do_update_strategies(self, parameters: Reading) -> JsonObject:
        """Trade by the model {model_version} from now on.  Never lifts a pause."""
        if parameters.truth("resume", default=False):
            raise RefusedError(
                "update_strategies does not resume trading; use resume_trading with the lease of the pause"
            )
        version = parameters.text("model_version")
        before = self.models[-1]
        if version != before:
            self.models = [before, version]
        return {"model_version": version, "previous": before}

    def on_protocol_updated(self, event: Delivered) -> None:
        self.parameters = event.payload.object("parameters").body

    # --- state ----------------------------------------------------------------------------------------------------

    def summary(self) -> JsonObject:
        return {
            "session": self.session,
            "accounts": self.balances(),
            "equity": usd(sum(self.equities.values())),
            "working_orders": len(self.orders),
            "mode": self.holds.mode,
            "fence": self.holds.fence,
            "paused": [hold._asdict() for hold in self.holds.live.values()],
            "model_version": self.models[-1],
            "reconciled": all(account.difference() == 0 for account in self.accounts.values()),
        }

    def snapshot(self) -> JsonObject:
        return {**super().snapshot(), "models": list(self.models)}

    def restore(self, state: JsonObject) -> None:
        super().restore(state)
        self.models = list(state["models"])


def fence_in(parameters: Reading) -> int | None:
    return parameters.whole("fence") if "fence" in parameters else None


if __name__ == "__main__":
    raise SystemExit(main(MarketIntegration))
