"""Daily bars from a file: loaded once, checked whole, never repaired.

The shipped file is the public-domain Quandl WIKI extract described in ``data/README.md``.  Its SHA-256 is verified, so
that every run of the demonstration works on the same bits; another file (``--data``) needs the same columns and gets
the same checks.  Prices and volumes are raw; ``adjusted`` is the close after splits and dividends, so that the ratio of
two adjusted closes is a return and ``adjusted / close`` takes any price of that day to the adjusted scale.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from datetime import date
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from .readers import DamagedError

SHIPPED = Path(__file__).parent / "data" / "stocks.csv.gz"
SHIPPED_SHA256 = "5abadf99b2d394f920120a27de6f0df129859d71d4cfb0bf661bcc99446ab1fd"
COLUMNS = ["Ticker", "Date", "Open", "High", "Low", "Close", "Volume", "Adj Close"]
REINSTALL = "install alluse-hub again, or name another file with --data"
MEND = "mend the line, or name another file with --data"


class Bar(NamedTuple):
    """One symbol on one session.  ``prices`` are open, high, low, close in USD as the file writes them."""

    symbol: str
    session: str
    prices: tuple[str, str, str, str]
    open: float
    high: float
    low: float
    close: float
    volume: int
    adjusted: float


Row = list[str]


class Tape:
    """All bars by session, in order of date, with what is known of each symbol's first and last.

    A row becomes a Bar when its session is first looked at: 12,000 conversions before the hello would double the
    program's start.
    """

    def __init__(self, rows: Iterable[Row], digest: str) -> None:
        self.digest = digest  # SHA-256 of the file
        self._rows: dict[str, dict[str, Row]] = {}
        self._bars: dict[str, dict[str, Bar]] = {}
        first: dict[str, str] = {}
        for row in rows:
            symbol, session = row[0], row[1]
            self._rows.setdefault(session, {})[symbol] = row
            first.setdefault(symbol, session)
        self.sessions = sorted(self._rows)
        self.symbols = sorted(first)

    def on(self, session: str) -> dict[str, Bar]:
        """The bars of ``session`` by symbol."""
        known = self._bars.get(session)
        if known is None:
            known = self._bars[session] = {symbol: bar_of(row) for symbol, row in self._rows[session].items()}
        return known


def load(path: Path | None = None) -> Tape:
    """The tape in ``path`` (``.gz`` or plain); without one the shipped file.  Raises DamagedError.

    The digest vouches for every line of the shipped file; those of another are checked one by one.
    """
    file = SHIPPED if path is None else path
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DamagedError(f"{file} cannot be read: {error.strerror}; {REINSTALL}") from error
    found = sha256(content).hexdigest()
    if path is None and found != SHIPPED_SHA256:
        raise DamagedError(f"{file} has the SHA-256 {found}, not {SHIPPED_SHA256}; {REINSTALL}")
    try:
        text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DamagedError(f"{file} cannot be unpacked: {error}; {REINSTALL}") from error
    reader = csv.reader(io.StringIO(text))
    if next(reader, None) != COLUMNS:
        raise DamagedError(f"{file}, line 1: the columns must be {', '.join(COLUMNS)}; {MEND}")
    tape = Tape(reader if path is None else checked(reader, file), found)
    if not tape.sessions:
        raise DamagedError(f"{file} holds no bar; {REINSTALL}")
    return tape


def checked(rows: Iterable[Row], file: Path) -> Iterator[Row]:
    """``rows``, which begin on line 2 of ``file``, or a DamagedError that names the first line at fault."""
    earlier: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) != len(COLUMNS):
            raise DamagedError(f"{file}, line {number}: {len(row)} fields, not {len(COLUMNS)}; {MEND}")
        try:
            bar = bar_of(row)
        except ValueError as error:
            raise DamagedError(f"{file}, line {number}: {error}; {MEND}") from error
        fault = fault_of(bar, earlier.get(bar.symbol, ""))
        if fault:
            raise DamagedError(f"{file}, line {number}: {bar.symbol} {bar.session} {fault}; {MEND}")
        earlier[bar.symbol] = bar.session
        yield row


def bar_of(row: Row) -> Bar:
    """Raises ValueError where a number is none."""
    symbol, session, opened, high, low, close, volume, adjusted = row
    return Bar(
        symbol, session, (opened, high, low, close),
        float(opened), float(high), float(low), float(close), int(volume), float(adjusted),
    )  # fmt: skip


def fault_of(bar: Bar, earlier: str) -> str:
    """What is impossible about ``bar``, which follows the session ``earlier`` of its symbol; empty if nothing."""
    try:
        date.fromisoformat(bar.session)
    except ValueError:
        return "needs an ISO date such as 2004-08-19"
    if not bar.symbol:
        return "needs a symbol"
    if bar.session <= earlier:
        return f"does not follow {earlier}; each symbol's bars must rise by date"
    if not all(map(isfinite, (bar.open, bar.high, bar.low, bar.close, bar.adjusted))):
        return "has a price that is no number"
    if not 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
        return "has prices out of order: 0 < low <= open, close <= high must hold"
    if bar.volume < 0 or bar.adjusted <= 0:
        return "has a negative volume or an adjusted close that is not above 0"
    return ""
