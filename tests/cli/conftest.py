"""A daemon for the control script: a thread that speaks the protocol and says what a test told it to say."""

import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.board.core import BOARD
from alluse_hub.actors.board.picture import BoardSpec, WorkstreamKnown
from alluse_hub.actors.board.views import view
from alluse_hub.protocols.children import ChildShown, TreeShown
from alluse_hub.protocols.claims import ConflictClass, ConflictClosed, ConflictOpened, ResourceShown
from alluse_hub.protocols.flow import FlowKind, FlowShown, FlowsShown
from alluse_hub.protocols.health import HealthChanged, Pulse, Status, Window
from alluse_hub.protocols.lifecycle import ChildState, Intensity, RestartType, Strategy
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.rules import Priority, RuleShown, RulesShown
from alluse_hub.protocols.sync import (
    Counts,
    EdgeShown,
    EdgeState,
    Percentiles,
    Play,
    SyncMode,
    SyncShown,
    SyncsShown,
)
from alluse_hub.protocols.versions import Version

Reply = dict[str, Any] | Callable[[dict[str, Any]], Any]
PATIENCE_S = 60.0


def child(name: str, state: ChildState = ChildState.READY, **more: Any) -> ChildShown:
    return ChildShown(name=name, state=state, restart=RestartType.PERMANENT, pid=100, incarnation=1, since=5.0, **more)


def tree(supervisor: str, *children: ChildShown) -> TreeShown:
    return TreeShown(
        supervisor=supervisor,
        strategy=Strategy.ONE_FOR_ONE,
        intensity=Intensity(),
        restart_times=(1.0,),
        children=children,
    )


PICTURE: tuple[Message, ...] = (
    tree("hub", child("auditor"), child("coordination"), child("workstreams"), child("gateway")),
    tree("coordination", child("coordinator"), child("router", restarts=2, last_exit="killed")),
    tree("workstreams", child("ws1"), child("ws2", ChildState.PARKED)),
    Pulse(
        workstream="ws1",
        name="Agent",
        status=Status.ACTIVE,
        health=97.0,
        why="beats every second",
        pid=4_711,
        program_starts=2,
        uptime=0.998,
        events=12_345,
        window=Window(window_s=60, requests=10, latency_p50_ms=1.5, latency_p95_ms=3.25, latency_p99_ms=9.0),
    ),
    HealthChanged(workstream="ws1", was=Status.IDLE, now=Status.ACTIVE, health=97.0, why="a reply came"),
    FlowsShown(
        flows=(FlowShown(flow="ws1-ws2", kind=FlowKind.EVENT, status="active", events=1_234, latency_p95_ms=2.5),),
        session="2008-09-29",
        sessions=1_046,
        of=1_174,
        round=9_000,
        ended=False,
        digest="abc",
        events=99_999,
    ),
    SyncsShown(
        syncs=(
            SyncShown(
                sync="prices",
                name="Prices",
                source="ws1",
                dataset="prices",
                mode=SyncMode.PERIODIC,
                play=Play.PLAYING,
                status="active",
                version=Version(vector={"ws1": 12}, digest="9f86d081" + "0" * 56),
                latency_ms={"all": Percentiles(count=3, p50=12.5, p95=40.0, p99=41.0)},
                last_at=9.0,
                next_at=3_612.0,
                targets=(
                    EdgeShown(
                        target="ws2",
                        state=EdgeState.LATE,
                        why="for 31 s a due version is not verified",
                        verified=Version(vector={"ws1": 11}, digest="a" * 64),
                        freshness_s=4.0,
                        lag=1,
                        within=0.93,
                        hour=Counts(verified=3, expired=1),
                        ever=Counts(verified=30, expired=1),
                        success=0.75,
                        bytes_per_s=12.25,
                    ),
                    EdgeShown(target="ws3", state=EdgeState.NEW),
                ),
                config={"mode": "periodic", "every_s": 3_600.0},
            ),
        ),
    ),
    RulesShown(
        rules=(
            RuleShown(
                id="volatility-pause", name="V", priority=Priority.HIGH, enabled=True, fired=9, undecided=0, failures=0
            ),
        ),
        resources=(
            ResourceShown(
                resource="ws2/trading",
                rung="paused",
                fence=7,
                answer="applied",
                claims=("rule:volatility-pause@ws2/trading:AAPL",),
                explanation="paused, because volatility-pause holds it for AAPL through session 12",
            ),
        ),
        session="s",
        ordinal=1,
        round=4,
        open_commands=0,
    ),
    ConflictOpened(
        id="k1", klass=ConflictClass.CLASH, resource="ws2/trading", parties=("a", "b"), sentence="a wants more than b"
    ),
    ConflictClosed(id="k1", outcome="floor", winner="a", sentence="a wins, because safety comes first"),
    ConflictOpened(
        id="k2", klass=ConflictClass.CLASH, resource="ws2/trading", parties=("a", "b"), sentence="b wants more than a"
    ),
)


def shown(name: str, /, **args: str) -> dict[str, Any]:
    """The view as the true board cuts it from a small hub with one ill workstream."""
    known = (WorkstreamKnown(id="ws1", name="Agent"), WorkstreamKnown(id="ws2", name="Protocol", depends_on=("ws1",)))
    state = BOARD.start("board", BoardSpec(hub="alluse", workstreams=known))
    for body in PICTURE:
        state = BOARD.decide(state, Envelope("x/1/1", "x", "board", body, 10.0)).state
    return json.loads(json.dumps(view(state, name, dict(args), 12.0)))  # type: ignore[no-any-return]  # JSON


ENTRY = {
    "id": "ws3/1/42",
    "actor": "ws3",
    "incarnation": 1,
    "n": 42,
    "kind": "fact",
    "message": "RuleFired",
    "body": {"rule": "r"},
    "to": "",
    "letter": "",
    "cause": "",
    "correlation": "",
    "at": 1.0,
    "wall": 1_700_000_000.25,
    "power": False,
    "leaf": 42,
}
EVENT = {
    "id": "ws3#17",
    "ws": "ws3",
    "n": 17,
    "event": "market_data_update",
    "session": "2008-09-29",
    "cause": "",
    "payload": {"symbol": "AAPL", "close": 105.26},
    "entry": "ws3/1/42",
    "leaf": 42,
    "wall": 1_700_000_000.25,
    "at": 1.0,
}


@dataclass
class Daemon:
    """``replies`` by what is asked: a result, or a function of the request that gives an answer or raises."""

    home: Path
    replies: dict[str, Reply] = field(default_factory=dict)
    event: dict[str, Any] = field(default_factory=lambda: dict(EVENT))
    entry: dict[str, Any] = field(default_factory=lambda: dict(ENTRY))
    requests: list[dict[str, Any]] = field(default_factory=list)

    def start(self) -> None:
        (self.home / "run").mkdir(parents=True, exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.home / "run" / "control.sock"))
        self._listener.listen(4)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_S)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as file:
                try:
                    for line in file:
                        raw = self._answer(json.loads(line))
                        if raw is None:
                            break
                        file.write(raw)
                        file.flush()
                except OSError:
                    continue  # the client has gone

    def _answer(self, request: dict[str, Any]) -> bytes | None:
        self.requests.append(request)
        reply = self.replies[request["ask"]]
        if callable(reply):
            said = reply(request)
            if said is None or isinstance(said, bytes):
                return said
            reply = said
        if "ok" not in reply:
            reply = {"ok": True, "result": reply}
        return json.dumps({"id": request["id"], **reply}).encode() + b"\n"


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """On a home of its own, which the environment names; below /tmp, as paths of sockets are short."""
    with tempfile.TemporaryDirectory(prefix="hub") as folder:
        monkeypatch.setenv("ALLUSE_HUB_HOME", folder)
        monkeypatch.setenv("COLUMNS", "120")
        made = Daemon(Path(folder))
        for name in ("status", "tree", "flows", "conflicts", "rules", "syncs", "progress"):
            made.replies[name] = shown(name)
        made.start()
        yield made
        made.stop()


@pytest.fixture
def picture() -> Callable[..., dict[str, Any]]:
    return shown
