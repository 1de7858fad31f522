"""The tape is what the file says or a sentence about the file; bars are doubted before they are believed."""

import gzip
from pathlib import Path

import pytest

from alluse_hub.actors.workstreams import bars
from alluse_hub.actors.workstreams.bars import COLUMNS, SHIPPED, Tape, load
from alluse_hub.actors.workstreams.quality import dividend_between, grade, jump_between, split_between
from alluse_hub.actors.workstreams.readers import DamagedError

HEAD = ",".join(COLUMNS)
GOOD = "X,2004-08-19,10,11,9,10.5,1000,10.5"


@pytest.fixture(scope="module")
def tape() -> Tape:
    return load()


def test_the_shipped_file_holds_five_symbols_and_thirteen_years(tape: Tape) -> None:
    assert tape.symbols == ["AAPL", "FB", "GOOG", "IBM", "MSFT"]
    assert (len(tape.sessions), tape.sessions[0], tape.sessions[-1]) == (3270, "2000-03-01", "2013-03-01")
    assert sum(len(tape.on(session)) for session in tape.sessions) == 12_154


def test_no_bar_of_the_shipped_file_is_impossible(tape: Tape) -> None:
    earlier: dict[str, str] = {}
    for session in tape.sessions:
        for symbol, bar in tape.on(session).items():
            assert bars.fault_of(bar, earlier.get(symbol, "")) == ""
            earlier[symbol] = session


def test_a_shipped_file_with_one_other_bit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(SHIPPED.read_bytes())
    content[1000] ^= 1
    damaged = tmp_path / "stocks.csv.gz"
    damaged.write_bytes(content)
    monkeypatch.setattr(bars, "SHIPPED", damaged)

    with pytest.raises(DamagedError, match=r"stocks\.csv\.gz has the SHA-256 .*; install alluse-hub again"):
        load()


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["Ticker,Date", GOOD], "line 1: the columns must be Ticker, Date"),
        ([HEAD], "holds no bar"),
        ([HEAD, GOOD, "X,2004-08-20,1,2"], "line 3: 4 fields, not 8"),
        ([HEAD, GOOD, "X,2004-08-20,10,11,9,ten,1000,10"], "line 3: could not convert"),
        ([HEAD, GOOD, GOOD], "line 3: X 2004-08-19 does not follow 2004-08-19"),
        ([HEAD, "X,2004-08-19,10,9,11,10,1000,10"], "line 2: .* prices out of order"),
        ([HEAD, "X,2004-08-19,10,11,9,nan,1000,10"], "line 2: .* no number"),
        ([HEAD, "X,2004-08-19,10,11,9,10,-1,10"], "line 2: .* negative volume"),
        ([HEAD, "X,2004-13-19,10,11,9,10,1,10"], "line 2: .* ISO date"),
        ([HEAD, ",2004-08-19,10,11,9,10,1,10"], "line 2: .* needs a symbol"),
    ],
)
def test_a_damaged_line_is_named_with_its_remedy(tmp_path: Path, lines: list[str], why: str) -> None:
    file = tmp_path / "own.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    with pytest.raises(DamagedError, match=f"own.csv.*{why}.*; (mend|install)"):
        load(file)


def test_a_missing_or_truncated_file_is_named(tmp_path: Path) -> None:
    short = tmp_path / "short.csv.gz"
    short.write_bytes(gzip.compress(b"x" * 10_000)[:20])

    for file, why in ((tmp_path / "no.csv", "cannot be read"), (short, "cannot be unpacked")):
        with pytest.raises(DamagedError, match=why):
            load(file)


def test_own_file_is_played(tmp_path: Path) -> None:
    file = tmp_path / "own.csv.gz"
    file.write_bytes(gzip.compress(f"{HEAD}\n{GOOD}\n".encode()))

    assert load(file).on("2004-08-19")["X"].close == 10.5


def pair(tape: Tape, symbol: str, session: str) -> tuple[bars.Bar, bars.Bar]:
    at = tape.sessions.index(session)
    return tape.on(tape.sessions[at - 1])[symbol], tape.on(session)[symbol]


@pytest.mark.parametrize(
    ("symbol", "session"), [("AAPL", "2000-06-21"), ("MSFT", "2003-02-18"), ("AAPL", "2005-02-28")]
)
def test_a_split_is_known_and_is_no_jump(tape: Tape, symbol: str, session: str) -> None:
    split = split_between(*pair(tape, symbol, session))

    assert split is not None
    assert (split.new, split.old) == (2, 1)
    assert jump_between(*pair(tape, symbol, session)) == 0


@pytest.mark.parametrize(
    ("symbol", "session", "is_jump"),
    [
        ("AAPL", "2000-09-29", True),
        ("AAPL", "2008-09-29", False),
        ("MSFT", "2008-10-13", False),
        ("MSFT", "2000-04-24", False),
    ],
)
def test_a_crash_is_no_split(tape: Tape, symbol: str, session: str, is_jump: bool) -> None:
    assert split_between(*pair(tape, symbol, session)) is None
    assert (jump_between(*pair(tape, symbol, session)) != 0) == is_jump


def test_a_day_that_is_both_wild_and_near_a_split_is_doubted_as_a_jump(tape: Tape) -> None:
    before, bar = pair(tape, "AAPL", "2005-02-28")
    wild = bar._replace(close=bar.close * 0.7, adjusted=bar.adjusted * 0.7)

    assert split_between(before, wild) is None
    assert jump_between(before, wild) < -0.2


def test_the_file_holds_three_splits(tape: Tape) -> None:
    found = [
        (symbol, session)
        for earlier, session in zip(tape.sessions, tape.sessions[1:], strict=False)
        for symbol, bar in tape.on(session).items()
        if symbol in tape.on(earlier) and split_between(tape.on(earlier)[symbol], bar)
    ]

    assert found == [("AAPL", "2000-06-21"), ("MSFT", "2003-02-18"), ("AAPL", "2005-02-28")]


@pytest.mark.parametrize(
    ("symbol", "session", "amount"),
    [
        ("MSFT", "2004-11-15", 3.08),
        ("IBM", "2005-05-06", 0.20),
        ("AAPL", "2008-09-29", 0.0),
        ("GOOG", "2008-09-29", 0.0),
    ],
)
def test_a_dividend_is_found_by_its_amount(tape: Tape, symbol: str, session: str, amount: float) -> None:
    assert dividend_between(*pair(tape, symbol, session)) == amount


def test_the_grade_falls_with_a_wide_day_and_with_a_jump(tape: Tape) -> None:
    calm, wide = tape.on("2005-06-01")["IBM"], tape.on("2008-10-10")["AAPL"]

    assert (grade(calm, 0.0), grade(wide, 0.0), grade(calm, 0.25)) == ("excellent", "fair", "poor")
