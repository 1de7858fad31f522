"""A gateway without a hub: its core and its worker face to face, a board that shows what it is told to."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from alluse_hub.actors.gateway.core import GATEWAY, RECORDED
from alluse_hub.actors.gateway.requests import GatewaySpec
from alluse_hub.actors.gateway.worker import GatewayWorker
from alluse_hub.protocols.admin import AskBoard
from alluse_hub.protocols.board import BoardShown
from alluse_hub.protocols.effects import Commit, Do, Record, Send, Wake
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.lifecycle import Started, Woken
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.severity import Severity
from alluse_hub.protocols.trail import Entry, EntryKind, Wholeness
from tests.twice import decided_twice

PATIENCE_S = 60.0


def entry(n: int, message: str, body: dict[str, Any], actor: str = "ws3", **more: Any) -> Entry:
    fields: dict[str, Any] = {
        "actor": actor,
        "incarnation": 1,
        "n": n,
        "kind": EntryKind.FACT,
        "message": message,
        "body": body,
        "at": float(n),
        "wall": 1_000_000.0 + n,
        "leaf": n,
    }
    return Entry(**{**fields, **more})


def heard(n: int, name: str = "market_data_update", ws: str = "ws3", **payload: Any) -> Entry:
    event = {"ws": ws, "n": n, "event": name, "session": "2004-08-02", "cause": "", "payload": payload}
    return entry(n, "EventHeard", {"event": event}, ws)


class FakeTrail(ModuleType):
    """Keeps the promises of the module that reads the trail, over a list."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        super().__init__("fake_trail")
        self.entries = list(entries)

    def tail(
        self,
        _home: Path,
        *,
        limit: int,
        after_leaf: int | None,
        actor: str = "",
        message: str = "",
        kind: EntryKind | None = None,
        workstream: str = "",
        since: float | None = None,
        until: float | None = None,
        correlation: str = "",
        cause: str = "",
        peer: str = "",
        power: bool | None = None,
        severity: Severity | None = None,
    ) -> Any:
        found = [
            one
            for one in self.entries
            if (after_leaf is None or one.leaf > after_leaf)
            and (not actor or one.actor == actor)
            and (not message or one.message == message)
            and (kind is None or one.kind == kind)
            and (not workstream or one.actor == workstream)
            and (since is None or one.wall >= since)
            and (until is None or one.wall < until)
            and (not correlation or one.correlation == correlation)
            and (not cause or one.cause == cause)
            and (not peer or one.to == peer)
            and (power is None or one.power == power)
            and (severity is None or one.severity.level >= severity.level)
        ]
        newest = self.entries[-1].leaf if self.entries else 0
        if after_leaf is None:
            return SimpleNamespace(entries=found[-limit:], leaf=newest)
        page = found[:limit]
        return SimpleNamespace(entries=page, leaf=page[-1].leaf if len(page) == limit else max(after_leaf, newest))

    def find(self, home: Path, question: Find) -> Any:
        after = question.after or 0
        page = self.tail(home, limit=question.limit, after_leaf=after, actor=question.actor)
        newest = self.entries[-1].leaf
        return SimpleNamespace(
            entries=page.entries,
            first=after + 1,
            last=page.leaf,
            next=None,
            stored=newest,
            indexed=0,
            checkpoint="note",
        )

    def entry(self, _home: Path, entry_id: str) -> Entry | None:
        return next((one for one in self.entries if one.id == entry_id), None)

    def gone(self, _home: Path, entry_id: str) -> str:
        return f"{entry_id} expired at noon" if entry_id.endswith("/9") else ""

    def why(self, home: Path, entry_id: str) -> Any:
        found = self.entry(home, entry_id)
        return found and SimpleNamespace(entry=found, causes=self.entries[:1], effects=self.entries[-1:])

    def by_message(self, _home: Path, names: Sequence[str], limit: int) -> list[Entry]:
        return [one for one in reversed(self.entries) if one.message in names][:limit]

    def correlated(
        self, _home: Path, correlation: str, limit: int = 1_000, messages: Sequence[str] = ()
    ) -> list[Entry]:
        chain = (one for one in self.entries if one.correlation == correlation)
        return [one for one in chain if not messages or one.message in messages][:limit]

    def lives(self, _home: Path, name: str, limit: int = 1) -> list[Entry]:
        about = (one for one in reversed(self.entries) if one.message in {"ChildStarted", "ChildEnded"})
        return [one for one in about if one.body.get("name") == name][:limit]

    def counts(self, _home: Path) -> list[Any]:
        return [SimpleNamespace(actor=e.actor, kind=e.kind.value, message=e.message, entries=1) for e in self.entries]

    def span(
        self,
        _home: Path,
        kinds: Sequence[str],
        lasting: Sequence[str] = (),
        *,
        since: float | str | None = None,
        until: float | str | None = None,
        last_s: float | None = None,
    ) -> Any:
        """Wall time runs a million seconds ahead of the hub's."""
        if not self.entries:
            return None
        end = self._at(until) if until is not None else self.entries[-1].at
        begin = self._at(since) if since is not None else end - last_s if last_s else float("-inf")
        found = [
            one for one in self.entries if one.message in {*kinds, *lasting} and one.kind.value in {"fact", "sent"}
        ]
        walls = {"wall_since": begin + 1e6, "wall_until": end + 1e6}
        more = {"low": 0, "high": len(self.entries), "is_cut": False, "is_complete": True}
        return SimpleNamespace(entries=found, since=begin, until=end, **walls, **more)

    def _at(self, when: float | str) -> float:
        known = self.entry(Path(), when).at if isinstance(when, str) else when - 1e6  # type: ignore[union-attr]  # there
        return float(known)

    def facts_before(self, _home: Path, message: str, entries: Collection[Entry]) -> list[Entry]:
        earlier = [[one for one in self.entries if one.message == message and one.n < late.n] for late in entries]
        return [found[-1] for found in earlier if found]

    def events_heard(self, _home: Path, ids: Collection[str], _low: int, _high: int) -> dict[str, float]:
        told = [(one.body["event"], one.at) for one in self.entries if one.message == "EventHeard"]
        return {f"{e['ws']}#{e['n']}": at for e, at in told if f"{e['ws']}#{e['n']}" in ids}  # type: ignore[index, call-overload]  # JSON

    def wholeness(self, _home: Path) -> Wholeness:
        return Wholeness(entries=len(self.entries), incarnations=1)


@dataclass
class Hub:
    """``view`` is what the board shows; ``sent`` is what went to others, and ``reply`` may answer it."""

    home: Path
    spec: GatewaySpec
    trail: FakeTrail
    name: str = "gateway"
    view: dict[str, Any] = field(default_factory=lambda: {"now": 1.0})
    sent: list[Send] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    reply: Callable[[Send], Message | None] = lambda _sent: None

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._state = GATEWAY.start(self.name, self.spec)
        self.worker = GatewayWorker(self)

    def deliver(self, message: Message, /) -> None:
        with self._lock:
            letter = Envelope(id="gateway/1/1", sender="gateway", to="gateway", body=message, at=1.0)
            decision = GATEWAY.decide(self._state, letter)
            self._state = decision.state
            for effect in decision.effects:
                match effect:
                    case Do(job=job):
                        self.worker.do(job)
                    case Record(fact=fact) | Commit(fact=fact):
                        self.facts.append(fact)
                    case Wake(timer=timer) if timer.startswith(RECORDED):
                        self.deliver(Woken(timer=timer))  # this disk is quick
                    case Send(to="board", message=AskBoard(request=request)):
                        self.deliver(BoardShown(request=request, version=1, view=self.view))
                    case Send():
                        self.sent.append(effect)
                        answer = self.reply(effect)
                        if answer is not None:
                            self.deliver(answer)
                    case _:
                        pass

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_S)
        connection.connect(str(self.home / "run" / "control.sock"))
        return connection

    def ask(self, ask: str, **args: Any) -> Any:
        with self.connect() as connection:
            return say(connection, {"id": "1", "ask": ask, "args": args})


def say(connection: socket.socket, request: object) -> Any:
    line = request if isinstance(request, bytes) else json.dumps(request).encode()
    connection.sendall(line + b"\n")
    return hear(connection)


def hear(connection: socket.socket) -> Any:
    """One line, or None at the end of the connection."""
    line = b""
    while not line.endswith(b"\n"):
        chunk = connection.recv(1)
        if not chunk:
            return None
        line += chunk
    return json.loads(line)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    trail = FakeTrail()
    monkeypatch.setitem(sys.modules, "fake_trail", trail)
    (tmp_path / "run").mkdir()
    spec = GatewaySpec(
        workstreams=("ws1",), supervisors={"router": "hub"}, flows=("ws1-ws2",), trail_reader="fake_trail"
    )
    made = Hub(tmp_path, spec, trail)
    made.deliver(Started(incarnation=1))
    yield made
    made.worker.close()


@pytest.fixture(autouse=True, scope="module")
def each_decision_is_made_twice() -> Iterator[None]:
    with decided_twice(GATEWAY):
        yield
