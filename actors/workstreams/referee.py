"""The referee in WS2: what it sees of market and accounts, and what it says to it.

It keeps a view of every account of WS4, classifies the week of each position that ended, and holds drawdown, value at
risk and concentration against their limits.  What is proposed and what may be asked is in ``ws2``.
"""

from .lines import JsonObject
from .readers import Reading
from .risk import WINDOW, Use, concentration, crossing, drawdown, tightest, value_at_risk
from .rulebook import FIRST, base_of
from .week import OUTCOMES, Week, classify
from .workstream import Delivered, Workstream

PUTS_KEPT = 60
"""Ended puts that a recalibration looks at: about half a year of the three accounts."""

ADVERSE_ATR = 1.5
"""ATRs below the strike beyond which the protocol demands action (requirements, 5.2, DT)."""

ADVERSE_KEPT = 50
FORK_AGAIN_SESSIONS = 63
"""A fork that nobody decides on is told again after a quarter."""

PORTFOLIO = "portfolio"
PROTOCOL_CONFIG = "protocol_config"
"""The data set that holds the parameters in force."""


class View:
    """What WS2 knows of one account of WS4; money in cents."""

    def __init__(self) -> None:
        self.equity = 0
        self.baseline = 0
        self.free = 0
        self.equities: list[int] = []
        self.exposure: dict[str, float] = {}
        self.uncovered: dict[str, int] = {}
        self.options: list[JsonObject] = []

    @classmethod
    def of(cls, state: JsonObject) -> "View":
        view = cls()
        for name, value in state.items():
            setattr(view, name, value)
        return view


class Referee(Workstream):
    emits = (
        "trade_proposed",
        "week_classified",
        "risk_threshold_exceeded",
        "risk_cleared",
        "protocol_updated",
        "protocol_violation",
        "fork_due",
    )
    datasets = (PROTOCOL_CONFIG,)

    def __init__(self) -> None:
        super().__init__()
        self.versions: list[JsonObject] = [{"version": 1, "parameters": FIRST}]
        self.models = ["untrained"]
        self.index = 0  # sessions closed so far
        self.bars: dict[str, JsonObject] = {}  # symbol -> close, vol, atr_pct, session
        self.returns: dict[str, list[float]] = {}
        self.colours: dict[str, str] = {}
        self.regimes: dict[str, str] = {}
        self.views: dict[str, View] = {}
        self.pending: dict[str, int] = {}  # "account symbol" -> index of the proposal
        self.patterns: dict[str, int] = {}
        self.exceeded: list[str] = []
        self.levels: dict[str, float] = {}
        self.active: list[str] = []  # accounts with something at work this week
        self.puts_won: list[bool] = []
        self.told_adverse: list[str] = []
        self.forks_told: dict[str, int] = {}
        self.share_protocol()

    def share_protocol(self) -> None:
        self.share(PROTOCOL_CONFIG, self.versions[-1])

    @property
    def parameters(self) -> JsonObject:
        parameters: JsonObject = self.versions[-1]["parameters"]
        return parameters

    # --- market ---------------------------------------------------------------------------------------------------

    def on_market_data_update(self, event: Delivered) -> None:
        bar = event.payload
        symbol = bar.text("symbol")
        self.bars[symbol] = {
            "close": bar.price("close"),
            "vol": bar.number_or_none("realised_vol"),
            "atr_pct": bar.number_or_none("atr_pct"),
            "session": event.session,
        }
        change = bar.number_or_none("change")
        if change is not None:
            self.returns[symbol] = [*self.returns.get(symbol, [])[1 - WINDOW :], change]

    def on_market_condition_changed(self, event: Delivered) -> None:
        self.colours[event.payload.text("symbol")] = event.payload.text("to")

    def on_volatility_regime_changed(self, event: Delivered) -> None:
        self.regimes[event.payload.text("symbol")] = event.payload.text("regime")

    # --- positions and weeks ----------------------------------------------------------------------------------------

    def on_position_update(self, event: Delivered) -> None:
        account = event.payload.text("account")
        view = self.views.setdefault(account, View())
        view.free = cents(event.payload, "free")
        shares = event.payload.object("shares")
        view.uncovered = {symbol: shares.object(symbol).whole("uncovered", least=-(10**9)) for symbol in shares.body}
        view.options = [option.body for option in event.payload.objects("options")]
        ended = event.payload.objects("ended")
        if (view.options or ended) and account not in self.active:
            self.active.append(account)
        for position in ended:
            if position.text("outcome") in OUTCOMES:
                self.classify_ended(account, position)

    def classify_ended(self, account: str, position: Reading) -> None:
        week = week_of(position)
        if position.text("kind") == "put":
            self.puts_won = [*self.puts_won[1 - PUTS_KEPT :], week.week_type == "P-EW"]
        self.tell_week(account, position.text("symbol"), week)

    def tell_week(self, account: str, symbol: str | None, week: Week) -> None:
        self.emit(
            "week_classified",
            {
                "account": account,
                "symbol": symbol,
                **week._asdict(),
                "expected_return_pct": week.expected_return_pct,
            },
        )

    def on_account_forked(self, event: Delivered) -> None:
        """A transfer is no loss: move the remembered equities by what was moved."""
        moved = {name: cents(event.payload.object("to"), name) for name in event.payload.object("to").body}
        parent = event.payload.text("from")
        for name, amount in {**moved, parent: -sum(moved.values())}.items():
            view = self.views.setdefault(name, View())
            view.equities = [equity + amount for equity in view.equities]

    # --- risk -----------------------------------------------------------------------------------------------------

    def on_daily_settlement(self, event: Delivered) -> None:
        limits = self.parameters["limits"]
        accounts = event.payload.object("accounts")
        total: dict[str, float] = {}
        for account in accounts.body:
            told = accounts.object(account)
            view = self.views.setdefault(account, View())
            view.equity, view.baseline = cents(told, "equity"), cents(told, "baseline")
            view.free = cents(told, "free")
            view.equities = [*view.equities[1 - limits["drawdown_sessions"] :], view.equity]
            view.exposure = {
                symbol: float(cents(told.object("exposure"), symbol)) for symbol in told.object("exposure").body
            }
            for symbol, value in view.exposure.items():
                total[symbol] = total.get(symbol, 0.0) + value
            rules = self.parameters["accounts"][base_of(account)]
            uses = [Use("drawdown", drawdown(view.equities), rules["drawdown_limit"])]
            self.hold_against(account, [*uses, *self.var_use(view.exposure, view.equity)])
            self.look_for_fork(account, view)
            self.look_for_adverse(account, view)
        equity = sum(view.equity for view in self.views.values())
        uses = [Use("concentration", concentration(total, equity), limits["concentration"])]
        self.hold_against(PORTFOLIO, [*uses, *self.var_use(total, equity)])

    def var_use(self, exposure: dict[str, float], equity: float) -> list[Use]:
        loss = value_at_risk(exposure, self.returns)
        return [] if loss is None else [Use("var_95", loss / equity, self.parameters["limits"]["var_95"])]

    def hold_against(self, scope: str, uses: list[Use]) -> None:
        limits = self.parameters["limits"]
        use = tightest(uses)
        self.levels[scope] = round(use.level, 4)
        was = scope in self.exceeded
        now = crossing(was, use.level, limits["exceeded_at"], limits["cleared_at"])
        told = {
            "risk_kind": use.risk_kind,
            "scope": scope,
            "risk_level": round(use.level, 4),
            "value": round(use.value, 6),
            "limit": use.limit,
            "unit": "fraction of equity",
        }
        if now and not was:
            self.exceeded.append(scope)
            advice = "open nothing new" if use.level < 1 else "open nothing new; consider reducing"
            self.emit("risk_threshold_exceeded", {**told, "advice": advice})
        elif was and not now:
            self.exceeded.remove(scope)
            self.emit("risk_cleared", told)

    def look_for_fork(self, account: str, view: View) -> None:
        surplus = view.equity - view.baseline
        threshold = self.parameters["fork_surplus"] * 100
        told_at = self.forks_told.get(account, -FORK_AGAIN_SESSIONS)
        if base_of(account) == "Gen-Acc" and surplus >= threshold and self.index - told_at >= FORK_AGAIN_SESSIONS:
            self.forks_told[account] = self.index
            self.emit(
                "fork_due",
                {"account": account, "surplus": f"{surplus / 100:.2f}", "threshold": f"{threshold / 100:.2f}"},
            )

    def look_for_adverse(self, account: str, view: View) -> None:
        for option in view.options:
            bar = self.bars.get(option["symbol"])
            if option["kind"] != "put" or bar is None or bar["atr_pct"] is None:
                continue
            adverse = (float(option["strike"]) / bar["close"] - 1) / bar["atr_pct"]
            name = f"{account} {option['symbol']} {option['expiry']}"
            if adverse > ADVERSE_ATR and name not in self.told_adverse:
                self.told_adverse = [*self.told_adverse[1 - ADVERSE_KEPT :], name]
                self.emit(
                    "protocol_violation",
                    {
                        "account": account,
                        "symbol": option["symbol"],
                        "rule": "adverse_move",
                        "value": round(adverse, 3),
                        "required": ADVERSE_ATR,
                        "unit": "ATR below the strike",
                        "overridable": True,
                    },
                )

    # --- state ----------------------------------------------------------------------------------------------------

    KEPT = (
        "versions", "models", "index", "bars", "returns", "colours", "regimes", "pending", "patterns", "exceeded",
        "levels", "active", "puts_won", "told_adverse", "forks_told",
    )  # fmt: skip

    def snapshot(self) -> JsonObject:
        return {
            **{name: getattr(self, name) for name in self.KEPT},
            "views": {account: dict(vars(view)) for account, view in self.views.items()},
        }

    def restore(self, state: JsonObject) -> None:
        views = {account: View.of(view) for account, view in state["views"].items()}
        kept = {name: state[name] for name in self.KEPT}
        vars(self).update(kept, views=views)
        self.share_protocol()


def cents(reading: Reading, name: str) -> int:
    """An amount told as decimal text, in cents."""
    return round(reading.price(name) * 100)


def week_of(position: Reading) -> Week:
    return classify(
        position.choice("kind", ("put", "call")),
        position.choice("outcome", OUTCOMES),
        position.number("entry_close", least=1e-6),
        position.price("strike"),
        position.number("close", least=1e-6),
        position.price("profit") if "profit" in position else 0.0,
    )
