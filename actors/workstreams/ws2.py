"""WS2 Protocol Systems: keeps the rules of the game and watches that they are kept.

On an account's entry days it proposes, for each name with nothing at work, a cash-secured put, or a covered call where
shares lie idle; strike from the account's delta band, size from colour and regime.  It orders nothing: WS4 decides what
may be done, and a person what must be approved.  Watching accounts and limits is in ``referee``.
"""

from datetime import date

from .desk import contracts_affordable
from .lines import JsonObject
from .pricing import DAYS_A_YEAR, MODEL, implied_vol, listed_strike
from .program import main
from .readers import Reading, RefusedError
from .referee import PORTFOLIO, Referee, View, week_of
from .risk import value_at_risk
from .rulebook import (
    base_of,
    changed,
    days_between,
    delta_aim,
    next_expiry,
    same_week,
    version_digest,
)
from .week import IDLE
from .workstream import Delivered

VERSIONS_KEPT = 20
PUTS_LEAST = 20
BIAS_STEP = 0.01
WON_LOW, WON_HIGH = 0.65, 0.80
"""Share of puts that expire worthless, outside which the aim moves one BIAS_STEP; the long-run share is 0.73."""

PENDING_SESSIONS = 3
"""After so many sessions a proposal without answer no longer blocks its slot."""

PATTERN_SESSIONS = 5
DELTA_SLACK = 0.02
"""Around the band in ``validate_trade``: strikes come in steps, so no delta is met exactly."""


class ProtocolSystems(Referee):
    ws = "ws2"
    name = "Protocol Systems"
    version = "1.0"

    def on_patterns_found(self, event: Delivered) -> None:
        if "spike" in event.payload.texts("kinds"):
            self.patterns[event.payload.text("symbol")] = self.index

    def on_model_updated(self, event: Delivered) -> None:
        self.models = [self.models[-1], event.payload.text("version")]

    def on_session_closed(self, event: Delivered) -> None:
        self.index += 1
        session, following = event.session, event.payload.day_or_none("next")
        weekday = date.fromisoformat(session).weekday()
        for account, view in self.views.items():
            rules = self.parameters["accounts"][base_of(account)]
            if weekday in rules["entry_days"]:
                self.propose(account, view, rules, session)
        if following is None or not same_week(session, following):
            for account in sorted(self.views.keys() - set(self.active)):
                if self.could_trade(account, self.views[account]):
                    self.tell_week(account, None, IDLE)
            self.active = [account for account, view in self.views.items() if view.options]

    def could_trade(self, account: str, view: View) -> bool:
        """Whether the free cash secures one put on the cheapest of the account's names; a week is idle only then."""
        symbols = self.parameters["accounts"][base_of(account)]["symbols"]
        closes = [self.bars[symbol]["close"] for symbol in symbols if symbol in self.bars]
        return bool(closes) and contracts_affordable(view.free, min(closes)) > 0

    # --- proposals ------------------------------------------------------------------------------------------------

    def propose(self, account: str, view: View, rules: JsonObject, session: str) -> None:
        traded = [symbol for symbol in rules["symbols"] if self.bars.get(symbol, {}).get("session") == session]
        for symbol in traded:
            slot = f"{account} {symbol}"
            is_pending = self.index - self.pending.get(slot, -PENDING_SESSIONS) < PENDING_SESSIONS
            is_open = any(option["symbol"] == symbol for option in view.options)
            if is_pending or is_open or symbol not in self.colours or self.bars[symbol]["vol"] is None:
                continue
            slice_cents = view.equity * (1 - rules["buffer"]) / len(traded)
            kind = "call" if view.uncovered.get(symbol, 0) > 0 else "put"
            self.propose_one(account, view, symbol, kind, min(slice_cents, view.free))

    def propose_one(self, account: str, view: View, symbol: str, kind: str, slice_cents: float) -> None:
        bar, colour, regime = self.bars[symbol], self.colours[symbol], self.regimes.get(symbol, "normal")
        aim = delta_aim(self.parameters, account, colour)
        expiry = next_expiry(self.session)
        years = days_between(self.session, expiry) / DAYS_A_YEAR
        strike = listed_strike(kind, aim, bar["close"], years, implied_vol(bar["vol"]))
        if kind == "call":
            contracts = view.uncovered[symbol] // 100
        else:
            most = contracts_affordable(slice_cents, strike)
            size = min(1.0, self.parameters["colours"][colour]["size"] * self.parameters["regimes"][regime])
            if self.index - self.patterns.get(symbol, -PATTERN_SESSIONS) < PATTERN_SESSIONS:
                size /= 2
            contracts = max(min(most, 1), int(most * size))
        if contracts < 1:
            return
        self.pending[f"{account} {symbol}"] = self.index
        self.emit(
            "trade_proposed",
            {
                "account": account,
                "symbol": symbol,
                "side": "sell",
                "kind": kind,
                "delta": round(aim, 4),
                "strike": f"{strike:.2f}",
                "expiry": expiry,
                "contracts": contracts,
                "reason": f"{colour}, volatility {regime}, delta {aim:.2f}",
                "protocol_version": self.versions[-1]["version"],
                "premium_model": MODEL,
            },
        )

    def settle_slot(self, event: Delivered) -> None:
        if event.payload.text("action") == "open":
            self.pending.pop(f"{event.payload.text('account')} {event.payload.text('symbol')}", None)

    def on_order_filled(self, event: Delivered) -> None:
        self.settle_slot(event)

    def on_order_rejected(self, event: Delivered) -> None:
        self.settle_slot(event)

    def on_order_cancelled(self, event: Delivered) -> None:
        self.settle_slot(event)

    # --- commands -------------------------------------------------------------------------------------------------

    def do_classify_week(self, parameters: Reading) -> JsonObject:
        """Type of {kind, outcome, entry_close, strike, close}; answers only."""
        week = week_of(parameters)
        return {**week._asdict(), "expected_return_pct": week.expected_return_pct}

    def do_validate_trade(self, parameters: Reading) -> JsonObject:
        """Hold {account, symbol, delta, contracts, strike, expiry} against the rules; answers only."""
        account = parameters.choice("account", {*self.views, *self.parameters["accounts"]})
        rules = self.parameters["accounts"][base_of(account)]
        findings = []
        delta = parameters.number("delta", least=0, most=1)
        if not rules["delta_low"] - DELTA_SLACK <= delta <= rules["delta_high"] + DELTA_SLACK:
            findings.append({"rule": "delta_band", "severity": "critical", "value": delta})
        if parameters.text("symbol") not in rules["symbols"]:
            findings.append({"rule": "symbols", "severity": "critical", "value": parameters.text("symbol")})
        view = self.views.get(account)
        needed = round(parameters.price("strike") * 100) * 100 * parameters.whole("contracts", least=1, most=10_000)
        if view is not None and needed > view.equity * (1 - rules["buffer"]):
            findings.append({"rule": "size", "severity": "critical", "value": f"{needed / 100:.2f}"})
        if self.session and date.fromisoformat(self.session).weekday() not in rules["entry_days"]:
            findings.append({"rule": "entry_day", "severity": "medium", "value": self.session})
        worst = {finding["severity"] for finding in findings}
        outcome = "rejected" if "critical" in worst else "warning" if worst else "approved"
        return {"outcome": outcome, "findings": findings, "protocol_version": self.versions[-1]["version"]}

    def do_calculate_var(self, parameters: Reading) -> JsonObject:
        """Historical value at risk of {account} or all at {confidence} over {horizon_days}."""
        confidence = parameters.number("confidence", 0.95, least=0.5, most=0.995)
        horizon_days = parameters.whole("horizon_days", 1, least=1, most=21)
        account = parameters.choice("account", {*self.views, PORTFOLIO}, PORTFOLIO)
        views = list(self.views.values()) if account == PORTFOLIO else [self.views[account]]
        exposure: dict[str, float] = {}
        for view in views:
            for symbol, value in view.exposure.items():
                exposure[symbol] = exposure.get(symbol, 0.0) + value
        loss = value_at_risk(exposure, self.returns, confidence, horizon_days)
        equity = sum(view.equity for view in views)
        if loss is None:
            known = {symbol: len(self.returns.get(symbol, [])) for symbol in exposure}
            raise RefusedError(f"too few returns for a value at risk: 250 of each symbol needed, known: {known}")
        return {
            "var_fraction": round(loss / equity, 6) if equity else 0.0,
            "var_usd": f"{loss / 100:.2f}",
            "confidence": confidence,
            "horizon_days": horizon_days,
            "scope": account,
            "method": "historical, 252 sessions",
        }

    def do_update_protocols(self, parameters: Reading) -> JsonObject:
        """Make {changes} (path -> number) a new version; without changes only tell the version in force."""
        changes = parameters.object("changes").body if "changes" in parameters else {}
        return self.publish(*changed(self.parameters, changes), parameters.text("strategy", "ordered"))

    def do_recalibrate_protocols(self, parameters: Reading) -> JsonObject:
        """Move the delta aim one step by how many puts were won, knowing of model {model_version}."""
        self.models = [self.models[-1], parameters.text("model_version")]
        if len(self.puts_won) < PUTS_LEAST:
            return {
                "version": self.versions[-1]["version"],
                "changed": [],
                "why": f"fewer than {PUTS_LEAST} ended puts",
            }
        won = sum(self.puts_won) / len(self.puts_won)
        step = -BIAS_STEP if won < WON_LOW else BIAS_STEP if won > WON_HIGH else 0.0
        bias = round(min(0.05, max(-0.05, self.parameters["delta_bias"] + step)), 4)
        return self.publish(*changed(self.parameters, {"delta_bias": bias}), f"{won:.0%} of puts expired worthless")

    def do_revert_protocols(self, _: Reading) -> JsonObject:
        """Go back to the version before, as a new version."""
        if len(self.versions) < 2:
            raise RefusedError("there is no earlier version to go back to")
        before = self.versions[-2]
        undone = [{"version": self.versions[-1]["version"], "undone": True, "as_of": before["version"]}]
        return self.publish(before["parameters"], undone, f"back to version {before['version']}")

    def publish(self, parameters: JsonObject, made: list[JsonObject], why: str) -> JsonObject:
        version = self.versions[-1]["version"]
        if made:
            version += 1
            self.versions = [*self.versions[1 - VERSIONS_KEPT :], {"version": version, "parameters": parameters}]
            self.share_protocol()
            self.emit(
                "protocol_updated",
                {
                    "version": version,
                    "changed": made,
                    "why": why,
                    "digest": version_digest(parameters),
                    "parameters": parameters,
                },
            )
        return {"version": version, "changed": made, "why": why}

    # --- state ----------------------------------------------------------------------------------------------------

    def summary(self) -> JsonObject:
        return {
            "session": self.session,
            "protocol_version": self.versions[-1]["version"],
            "digest": version_digest(self.parameters),
            "risk_levels": dict(self.levels),
            "exceeded": list(self.exceeded),
            "pending": sorted(self.pending),
            "puts_won": round(sum(self.puts_won) / len(self.puts_won), 4) if self.puts_won else None,
            "model_version": self.models[-1],
        }


if __name__ == "__main__":
    raise SystemExit(main(ProtocolSystems))
