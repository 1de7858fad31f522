"""Stands for the reference workstreams: a fed runner, its lines as objects, a span that holds a split and a listing."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.workstreams.catalog import classes
from alluse_hub.actors.workstreams.rehearse import Rehearsal
from alluse_hub.actors.workstreams.runner import Runner

SESSION = "2004-08-19"

Line = dict[str, Any]  # Any: whatever a program writes


class Fed:
    """A started runner and everything it has written."""

    def __init__(self, ws: str, state: Path | None = None) -> None:
        self.runner = Runner(classes()[ws].begin(None), state)
        self.ids = count(1)
        self.lines: list[Line] = [json.loads(line) for line in self.runner.start()]

    def raw(self, line: bytes) -> list[Line]:
        said = [json.loads(line) for line in self.runner.feed(line)]
        self.lines += said
        return said

    def command(self, name: str, id_: str | None = None, **parameters: Any) -> Line:
        body = {"id": id_ or f"t{next(self.ids)}", "command": name, "parameters": parameters}
        return self.raw(json.dumps(body).encode())[-1]

    def ok(self, name: str, **parameters: Any) -> Any:
        reply = self.command(name, **parameters)
        assert reply["ok"], reply["error"]
        return reply["result"]

    def events(self, name: str = "") -> list[Line]:
        return [line for line in self.lines if line["kind"] == "event" and name in {"", line["event"]}]


@pytest.fixture
def fed(tmp_path: Path) -> Iterator[Callable[..., Fed]]:
    made: list[Fed] = []

    def make(ws: str, *, durable: bool = False) -> Fed:
        made.append(Fed(ws, tmp_path / ws if durable else None))
        return made[-1]

    yield make
    for one in made:
        one.runner.close()


@pytest.fixture(scope="session")
def year() -> Rehearsal:
    """Played once: GOOG lists, AAPL splits, and the year after.  Read it only."""
    rehearsal = Rehearsal("2004-08-19", "2005-09-30", with_rules=True)
    rehearsal.run()
    return rehearsal


@pytest.fixture(scope="session")
def span() -> Rehearsal:
    """Played once: the whole span of the demonstration, with the three rules.  Read it only."""
    rehearsal = Rehearsal("2004-08-19", "2009-03-31", with_rules=True)
    rehearsal.run()
    return rehearsal


class Tapped(Rehearsal):
    """Writes down every line that a workstream is fed."""

    def __init__(self, first: str, last: str) -> None:
        self.heard: dict[str, list[bytes]] = {ws: [] for ws in classes()}
        super().__init__(first, last, with_rules=True)

    def feed(self, ws: str, line: bytes) -> list[bytes]:
        self.heard[ws].append(line)
        return super().feed(ws, line)


@pytest.fixture(scope="session")
def inputs() -> dict[str, list[bytes]]:
    """What each workstream was told in the first forty sessions of ``year``, line by line."""
    tapped = Tapped("2004-08-19", "2004-10-15")
    tapped.run()
    return tapped.heard


BAR = {
    "session": SESSION, "atr_pct": 0.02, "change": 0.001, "volume": 1, "volume_mean_20": 1, "trend_20": 0.0,
    "rsi_14": 50.0,
}  # fmt: skip


class Feed:
    """Delivers events to a fed runner with rising numbers."""

    def __init__(self, one: Fed) -> None:
        self.one = one
        self.n = 0

    def __call__(self, session: str, *events: tuple[str, Line], ws: str = "ws3") -> None:
        told = []
        for event, payload in events:
            self.n += 1
            told.append({"ws": ws, "n": self.n, "event": event, "session": session, "payload": payload})
        self.one.ok("deliver", session=session, events=told)

    def day(self, session: str, following: str | None, **closes: str) -> None:
        """A session with these closes (symbol=text), and the next session after it."""
        bars = [{**BAR, "symbol": symbol, "close": close, "realised_vol": 0.3} for symbol, close in closes.items()]
        self(
            session,
            ("session_opened", {"session": session}),
            *(("market_data_update", bar) for bar in bars),
            ("session_closed", {"session": session, "next": following}),
        )


@pytest.fixture
def feeding() -> type[Feed]:
    return Feed
