"""WS3 Market Intelligence: replays recorded bars and is the source of time.

Each ``next_session`` opens, tells and closes exactly one session, so that whoever asks for the next one decides how
fast the market runs.  A bar is first doubted (``quality``), then measured (``indicators``), then told; what is judged
from it - a colour per symbol, a volatility regime - is told only when it changes.

Colour: Green if the 20-day trend is above +2 % and realised volatility below 40 %; Red if the trend is below -3 % or
volatility above 50 %; else Chop (design/workstreams.md, section 4).  Bars before the span warm the indicators up in
silence; a symbol that lists inside the span has none, stays without colour for 25 bars and without regime for 55.
"""

from pathlib import Path
from typing import Self

from .bars import Bar, Tape, load
from .indicators import ATR_BARS, WARM_UP_BARS, Gauge, Measured, regime_of
from .lines import JsonObject
from .program import main
from .quality import (
    JUMP,
    STALE_SESSIONS,
    Split,
    dividend_between,
    grade,
    jump_between,
    split_between,
)
from .readers import Reading, RefusedError
from .workstream import Delivered, Workstream

GREEN_TREND = 0.02
RED_TREND = -0.03
CALM_VOL = 0.40
WILD_VOL = 0.50
COLLECTED_MAX = 260
"""Bars of one symbol in one answer: a year, which keeps the line below its bound with every symbol."""

MARKET_DATA = "market_data"
"""The data set that holds the last bar of every symbol, as it was told."""

PLACES = 6
"""Decimals of told fractions."""


def colour_of(trend: float, vol: float) -> str:
    if trend < RED_TREND or vol > WILD_VOL:
        return "Red"
    return "Green" if trend > GREEN_TREND and vol < CALM_VOL else "Chop"


def confidence_in(colour: str, trend: float, vol: float) -> float:
    """0.5 at the border of ``colour``, 1 where trend or volatility is twice as clear as it must be."""
    match colour:
        case "Green":
            clear = min(trend / GREEN_TREND, CALM_VOL / max(vol, 1e-9)) - 1
        case "Red":
            clear = max(trend / RED_TREND, vol / WILD_VOL) - 1
        case _:
            clear = min(abs(trend - GREEN_TREND), abs(trend - RED_TREND)) / (GREEN_TREND - RED_TREND)
    return round(0.5 + 0.5 * min(1.0, max(0.0, clear)), 3)


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, PLACES)


class MarketIntelligence(Workstream):
    ws = "ws3"
    name = "Market Intelligence"
    version = "1.0"
    emits = (
        "session_opened",
        "symbol_listed",
        "corporate_action",
        "data_quality_issue",
        "market_data_update",
        "market_condition_changed",
        "volatility_regime_changed",
        "session_closed",
    )
    datasets = (MARKET_DATA,)

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape
        self.models = ["untrained"]  # model versions told by WS5, the one in use last
        self.protocol = 1
        self.span = ("", "")
        self.begin_replay(None, None)

    @classmethod
    def begin(cls, data: Path | None) -> Self:
        return cls(load(data))

    # --- replay ---------------------------------------------------------------------------------------------------

    def begin_replay(self, first: str | None, last: str | None) -> None:
        """Stand before the first session from ``first`` to ``last`` (ISO dates, both inclusive)."""
        sessions = self.tape.sessions
        self.span = (first or sessions[0], last or sessions[-1])
        self.start = next((i for i, session in enumerate(sessions) if session >= self.span[0]), len(sessions))
        self.end = next((i for i, session in enumerate(sessions) if session > self.span[1]), len(sessions))
        self.position = self.start
        self.gauges: dict[str, Gauge] = {}
        self.latest: dict[str, str] = {}  # symbol -> session of its last bar
        self.missing: dict[str, int] = {}
        self.colours: dict[str, str] = {}
        self.regimes: dict[str, str] = {}
        self.bars: JsonObject = {}  # symbol -> its last bar, as told

    def do_set_replay(self, parameters: Reading) -> JsonObject:
        """Set the span {from, to}; the replay stands at its beginning afterwards."""
        before = self.span
        self.begin_replay(parameters.day_or_none("from"), parameters.day_or_none("to"))
        if self.start >= self.end:
            wanted = self.span
            self.begin_replay(*before)
            raise RefusedError(
                f"no session between {wanted[0]} and {wanted[1]}; "
                f"there are some from {self.tape.sessions[0]} to {self.tape.sessions[-1]}"
            )
        return {"from": self.tape.sessions[self.start], "to": self.tape.sessions[self.end - 1], "of": self.of}

    @property
    def of(self) -> int:
        return max(0, self.end - self.start)

    def do_next_session(self, _: Reading) -> JsonObject:
        """Play one session; ``end`` is true when the span is exhausted."""
        index = self.position - self.start
        if self.position >= self.end:
            return {"session": self.session, "end": True, "index": index, "of": self.of}
        if index == 0:
            self.warm_up()
        self.session = self.tape.sessions[self.position]
        self.position += 1
        bars = self.tape.on(self.session)
        place = {"session": self.session, "index": index + 1, "of": self.of}
        self.emit("session_opened", {**place, "symbols": sorted(bars)})
        issues = sum(self.play(bars[symbol]) for symbol in sorted(bars)) + self.look_for_gaps(bars)
        following = self.tape.sessions[self.position] if self.position < self.end else None
        self.share(MARKET_DATA, {"session": self.session, "bars": self.bars})
        self.emit("session_closed", {**place, "next": following, "bars": len(bars), "issues": issues})
        return {"session": self.session, "end": False, "index": index + 1, "of": self.of}

    def warm_up(self) -> None:
        for session in self.tape.sessions[: self.start]:
            for bar in self.tape.on(session).values():
                if bar.symbol not in self.gauges:
                    self.gauges[bar.symbol] = Gauge()
                self.gauges[bar.symbol].pass_over(bar)
                self.latest[bar.symbol] = session

    # --- one bar --------------------------------------------------------------------------------------------------

    def play(self, bar: Bar) -> int:
        """Doubt, measure and tell ``bar``; how many issues it raised."""
        issues = 0
        jump = 0.0
        earlier = self.latest.get(bar.symbol)
        if earlier is None:
            self.emit(
                "symbol_listed",
                {"symbol": bar.symbol, "session": bar.session, "warm_up_bars": WARM_UP_BARS, "atr_bars": ATR_BARS},
            )
        else:
            before = self.tape.on(earlier)[bar.symbol]
            split = split_between(before, bar)
            if split is not None:
                self.tell_split(bar, split)
            else:
                self.tell_dividend(bar, dividend_between(before, bar))
            jump = jump_between(before, bar)
            if jump:
                issues += 1
                self.tell_issue(bar.symbol, "jump", jump, JUMP)
        self.latest[bar.symbol] = bar.session
        self.missing.pop(bar.symbol, None)
        measured = self.gauges.setdefault(bar.symbol, Gauge()).take(bar)
        self.tell_bar(bar, measured, grade(bar, jump))
        self.judge(bar.symbol, measured)
        return issues

    def tell_bar(self, bar: Bar, measured: Measured, quality: str) -> None:
        opened, high, low, close = bar.prices
        mean = measured.volume_mean
        self.bars[bar.symbol] = {
            "symbol": bar.symbol,
            "session": bar.session,
            "open": opened,
            "high": high,
            "low": low,
            "close": close,
            "volume": bar.volume,
            "volume_mean_20": None if mean is None else round(mean),
            "quality": quality,
            "change": rounded(measured.change),
            "realised_vol": rounded(measured.realised_vol),
            "atr_pct": rounded(measured.atr_pct),
            "trend_20": rounded(measured.trend),
            "rsi_14": None if measured.rsi is None else round(measured.rsi, 2),
        }
        self.emit("market_data_update", self.bars[bar.symbol])

    def tell_split(self, bar: Bar, split: Split) -> None:
        self.emit(
            "corporate_action",
            {
                "symbol": bar.symbol,
                "kind": "split",
                "ratio": split.new / split.old,
                "new_shares": split.new,
                "old_shares": split.old,
                "effective": bar.session,
                "raw_change": rounded(split.raw_change),
                "adjusted_change": rounded(split.adjusted_change),
            },
        )

    def tell_dividend(self, bar: Bar, amount: float) -> None:
        if amount > 0:
            self.emit(
                "corporate_action",
                {
                    "symbol": bar.symbol,
                    "kind": "dividend",
                    "ratio": 1.0,
                    "amount": f"{amount:.2f}",
                    "effective": bar.session,
                },
            )

    def tell_issue(self, symbol: str, kind: str, value: float, threshold: float) -> None:
        self.emit(
            "data_quality_issue",
            {"symbol": symbol, "kind": kind, "value": rounded(value), "threshold": threshold},
        )

    def look_for_gaps(self, bars: dict[str, Bar]) -> int:
        issues = 0
        for symbol in sorted(self.latest.keys() - bars.keys()):
            missing = self.missing[symbol] = self.missing.get(symbol, 0) + 1
            if missing in {1, STALE_SESSIONS}:
                issues += 1
                self.tell_issue(symbol, "gap" if missing == 1 else "stale", missing, missing)
        return issues

    def judge(self, symbol: str, measured: Measured) -> None:
        """Tell colour and regime of ``symbol`` if they are other than before."""
        trend, vol, atr_pct = measured.trend, measured.realised_vol, measured.atr_pct
        if trend is not None and vol is not None:
            colour = colour_of(trend, vol)
            before = self.colours.get(symbol)
            if colour != before:
                self.colours[symbol] = colour
                self.emit(
                    "market_condition_changed",
                    {
                        "symbol": symbol,
                        "from": before,
                        "to": colour,
                        "confidence": confidence_in(colour, trend, vol),
                        "reasons": [f"20-day trend {trend:+.1%}", f"realised volatility {vol:.0%}"],
                        "model_version": self.models[-1],
                    },
                )
        if atr_pct is not None and vol is not None:
            known = self.regimes.get(symbol)
            regime = regime_of(atr_pct, known)
            if regime != known:
                self.regimes[symbol] = regime
                self.emit(
                    "volatility_regime_changed",
                    {
                        "symbol": symbol,
                        "from": known,
                        "regime": regime,
                        "atr_pct": rounded(atr_pct),
                        "realised_vol": rounded(vol),
                    },
                )

    # --- questions and knowledge ------------------------------------------------------------------------------------

    def do_collect_market_data(self, parameters: Reading) -> JsonObject:
        """Bars up to the session at hand: {symbols, sessions}; a symbol without bars is a named gap."""
        symbols = parameters.texts("symbols", tuple(self.tape.symbols))
        count = parameters.whole("sessions", 21, least=1, most=COLLECTED_MAX)
        unknown = sorted(set(symbols) - set(self.tape.symbols))
        if unknown:
            raise RefusedError(f"no such symbol: {', '.join(unknown)}; known: {', '.join(self.tape.symbols)}")
        played = self.tape.sessions[: self.position] if self.session else []
        window = played[-count:]
        bars: dict[str, list[list[str | int]]] = {}
        gaps: list[str] = []
        for symbol in symbols:
            known = [self.tape.on(session)[symbol] for session in window if symbol in self.tape.on(session)]
            bars[symbol] = [[bar.session, *bar.prices, bar.volume] for bar in known]
            if not known:
                gaps.append(f"{symbol}: no bar up to {self.session or 'the beginning of the replay'}")
        return {
            "timeframe": "1d",
            "columns": ["session", "open", "high", "low", "close", "volume"],
            "bars": bars,
            "gaps": gaps,
        }

    def do_update_intelligence(self, parameters: Reading) -> JsonObject:
        """Name the model {model_version} in what is judged from now on."""
        version = parameters.text("model_version")
        before = self.models[-1]
        if version != before:
            self.models = [before, version]
        return {"model_version": version, "previous": before}

    def on_protocol_updated(self, event: Delivered) -> None:
        self.protocol = event.payload.whole("version")

    def on_model_updated(self, event: Delivered) -> None:
        self.models = [self.models[-1], event.payload.text("version")]

    # --- state ----------------------------------------------------------------------------------------------------

    def summary(self) -> JsonObject:
        return {
            "session": self.session,
            "index": self.position - self.start,
            "of": self.of,
            "colours": dict(self.colours),
            "regimes": dict(self.regimes),
            "model_version": self.models[-1],
            "protocol_version": self.protocol,
        }

    def snapshot(self) -> JsonObject:
        return {
            "tape": self.tape.digest,
            "span": list(self.span),
            "position": self.position,
            "gauges": {symbol: gauge.snapshot() for symbol, gauge in self.gauges.items()},
            "latest": dict(self.latest),
            "missing": dict(self.missing),
            "colours": dict(self.colours),
            "regimes": dict(self.regimes),
            "models": list(self.models),
            "protocol": self.protocol,
            "bars": dict(self.bars),
        }

    def restore(self, state: JsonObject) -> None:
        if state["tape"] != self.tape.digest:
            raise RefusedError(f"it played the file with SHA-256 {state['tape']}, not this one with {self.tape.digest}")
        self.begin_replay(state["span"][0], state["span"][1])
        self.position = int(state["position"])
        self.gauges = {symbol: Gauge.of(gauge) for symbol, gauge in state["gauges"].items()}
        self.latest = dict(state["latest"])
        self.missing = dict(state["missing"])
        self.colours = dict(state["colours"])
        self.regimes = dict(state["regimes"])
        self.models = list(state["models"])
        self.protocol = int(state["protocol"])
        self.bars = dict(state.get("bars", {}))  # versions before 1.1 kept none


if __name__ == "__main__":
    raise SystemExit(main(MarketIntelligence))
