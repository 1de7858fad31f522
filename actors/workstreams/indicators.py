"""Indicators, one bar at a time: constant work, state that fits a snapshot, blind to splits.

A bar enters on the adjusted scale (``bars.Bar.adjusted / close``), so that a split or a dividend moves nothing here.
ATR and RSI are Wilder's (New Concepts in Technical Trading Systems, 1978): the first value is a plain mean, each later
one ``(previous * (n - 1) + new) / n``.  Realised volatility is the sample standard deviation of 21 log returns times
the square root of 252.  Pure but for ``Gauge.take`` and ``Gauge.pass_over``, which change their own gauge.
"""

from math import log, sqrt
from typing import NamedTuple

from .bars import Bar
from .lines import JsonObject

SESSIONS_A_YEAR = 252
ATR_SPANS = (14, 21, 50)
ATR_WEIGHTS = (0.5, 0.3, 0.2)
"""Of the three spans in the blend: nearest weighs most, as in the protocol's ATR adjustment."""

ATR_BARS = 55
"""Bars before the ATR is trusted (requirements, 5.2)."""

WARM_UP_BARS = 25
"""Bars before trend and volatility are trusted: 21 returns and some rest."""

RSI_SPAN = 14
WINDOW = 21
VOLUME_SPAN = 20
TREND_SPAN = 20

REGIMES = ((0.005, "very low"), (0.01, "low"), (0.02, "normal"), (0.035, "high"), (float("inf"), "very high"))
"""ATR as a fraction of price, each regime below its bound (requirements, 5.2)."""

REGIME_MARGIN = 0.05
"""How far, as a fraction of the bound, the ATR must pass it to change the regime: without it the regime of MSFT flips
back and forth dozens of times a year at a bound, and each flip would re-size trades."""


def wilder(previous: float, new: float, span: int) -> float:
    return (previous * (span - 1) + new) / span


def regime_of(atr_pct: float, before: str | None) -> str:
    """The regime of ``atr_pct``, given the one ``before`` it (hysteresis of REGIME_MARGIN at the bounds)."""
    names = [name for _, name in REGIMES]
    plain = next(name for bound, name in REGIMES if atr_pct < bound)
    if before is None or before == plain:
        return plain
    rises = names.index(plain) > names.index(before)
    firm_pct = atr_pct / (1 + REGIME_MARGIN) if rises else atr_pct * (1 + REGIME_MARGIN)
    firm = next(name for bound, name in REGIMES if firm_pct < bound)
    if rises:
        return firm if names.index(firm) > names.index(before) else before
    return firm if names.index(firm) < names.index(before) else before


class Measured(NamedTuple):
    """What is known after a bar; None until there are bars enough.  Fractions; volatility is annual."""

    change: float | None
    atr_pct: float | None
    realised_vol: float | None
    rsi: float | None
    trend: float | None
    volume_mean: float | None


class Gauge:
    """All indicators of one symbol."""

    def __init__(self) -> None:
        self.bars = 0
        self.adjusted: list[float] = []  # last WINDOW + 1 adjusted closes
        self.volumes: list[int] = []  # last VOLUME_SPAN, this bar not among them when its mean is told
        self.atr = [0.0] * len(ATR_SPANS)
        self.gain = 0.0
        self.loss = 0.0

    def take(self, bar: Bar) -> Measured:
        volume_mean = sum(self.volumes) / VOLUME_SPAN if len(self.volumes) == VOLUME_SPAN else None
        previous = self.adjusted[-1] if self.adjusted else None
        self.pass_over(bar)
        return Measured(
            change=None if previous is None else bar.adjusted / previous - 1,
            atr_pct=self.atr_pct() if self.bars >= ATR_BARS else None,
            realised_vol=self.realised_vol() if self.bars >= WARM_UP_BARS else None,
            rsi=self.rsi() if self.bars > RSI_SPAN else None,
            trend=self.adjusted[-1] / self.adjusted[-1 - TREND_SPAN] - 1 if self.bars >= WARM_UP_BARS else None,
            volume_mean=volume_mean,
        )

    def pass_over(self, bar: Bar) -> None:
        """Take it in and measure nothing: measuring is most of the work, and thousands of bars precede a replay."""
        previous = self.adjusted[-1] if self.adjusted else None
        self.bars += 1
        scale = bar.adjusted / bar.close
        high, low = bar.high * scale, bar.low * scale
        true_range = high - low if previous is None else max(high, previous) - min(low, previous)
        for index, span in enumerate(ATR_SPANS):
            weight = min(span, self.bars)
            self.atr[index] = wilder(self.atr[index], true_range, weight)
        if previous is not None:
            step = bar.adjusted - previous
            weight = min(RSI_SPAN, self.bars - 1)
            self.gain = wilder(self.gain, max(step, 0.0), weight)
            self.loss = wilder(self.loss, max(-step, 0.0), weight)
        self.adjusted = [*self.adjusted[-WINDOW:], bar.adjusted]
        self.volumes = [*self.volumes[1 - VOLUME_SPAN :], bar.volume]

    def atr_pct(self) -> float:
        blend = sum(weight * atr for weight, atr in zip(ATR_WEIGHTS, self.atr, strict=True))
        return blend / self.adjusted[-1]

    def realised_vol(self) -> float:
        steps = [log(later / earlier) for earlier, later in zip(self.adjusted, self.adjusted[1:], strict=False)]
        mean = sum(steps) / len(steps)
        variance = sum((step - mean) ** 2 for step in steps) / (len(steps) - 1)
        return sqrt(variance * SESSIONS_A_YEAR)

    def rsi(self) -> float:
        """0..100; 50 where nothing moved."""
        moved = self.gain + self.loss
        return 50.0 if moved == 0 else 100 * self.gain / moved

    def snapshot(self) -> JsonObject:
        return {
            "bars": self.bars,
            "adjusted": self.adjusted,
            "volumes": self.volumes,
            "atr": self.atr,
            "gain": self.gain,
            "loss": self.loss,
        }

    @classmethod
    def of(cls, state: JsonObject) -> "Gauge":
        gauge = cls()
        gauge.bars = int(state["bars"])
        gauge.adjusted = [float(value) for value in state["adjusted"]]
        gauge.volumes = [int(value) for value in state["volumes"]]
        gauge.atr = [float(value) for value in state["atr"]]
        gauge.gain, gauge.loss = float(state["gain"]), float(state["loss"])
        return gauge
