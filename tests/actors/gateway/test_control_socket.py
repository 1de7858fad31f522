"""The control socket as it is met from outside."""

import json
import os
import pwd
import socket
import stat
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub.actors.gateway import door
from alluse_hub.actors.gateway.door import CONNECTIONS_MAX, Peer, may_ask
from alluse_hub.protocols.admin import REQUEST_BYTES_MAX, Code, OrderGiven, PeopleTurnedAway
from alluse_hub.protocols.effects import Send
from alluse_hub.protocols.lifecycle import Started
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.workstream import OrderDone, RestartProgram

if TYPE_CHECKING:
    from tests.actors.gateway.conftest import Hub

PATIENCE_S = 10.0


def say(connection: socket.socket, line: bytes) -> Any:
    connection.sendall(line + b"\n")
    return hear(connection)


def hear(connection: socket.socket) -> Any:
    line = b""
    while not line.endswith(b"\n"):
        chunk = connection.recv(4096)
        if not chunk:
            return None
        line += chunk
    return json.loads(line)


def test_the_socket_is_for_its_owner_alone(hub: "Hub") -> None:
    mode = (hub.home / "run" / "control.sock").stat().st_mode

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_a_view_is_answered_with_the_id_of_the_request(hub: "Hub") -> None:
    hub.view = {"now": 2.5, "hub": {"status": "healthy"}}

    with hub.connect() as connection:
        answer = say(connection, b'{"id": "abc", "ask": "status"}')

    assert answer == {"id": "abc", "ok": True, "result": {"now": 2.5, "hub": {"status": "healthy"}}}


def test_requests_of_one_connection_are_answered_in_order(hub: "Hub") -> None:
    with hub.connect() as connection:
        ids = [say(connection, f'{{"id": "{n}", "ask": "tree"}}'.encode())["id"] for n in range(20)]

    assert ids == [str(n) for n in range(20)]


def test_an_order_is_answered_when_it_is_done_and_names_who_gave_it(hub: "Hub") -> None:
    def reply(_sent: Send) -> Message:
        return OrderDone(workstream="ws1", ok=True, text="started again, pid 5")

    hub.reply = reply

    answer = hub.ask("restart", name="ws1", reason="r")

    assert answer["result"] == {"text": "started again, pid 5"}
    (sent,) = hub.sent
    assert isinstance(sent.message, RestartProgram)
    (fact,) = hub.facts
    assert isinstance(fact, OrderGiven)
    assert fact.by == sent.message.by == pwd.getpwuid(os.geteuid()).pw_name


def test_a_refusal_carries_code_message_and_hint(hub: "Hub") -> None:
    answer = hub.ask("restart", name="ws9")

    assert answer["ok"] is False
    assert (answer["code"], answer["message"]) == (Code.NOT_FOUND, "'ws9' is no workstream or actor")
    assert answer["hint"] == "did you mean ws1?"


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"{",
        b"[]",
        b'"status"',
        b"\xff\xfe",
        b"",
        b'{"ask": 3}',
        b'{"id": "1"}',
        b'{"ask": "status", "x": 1}',
    ],
)
def test_garbage_is_refused_with_an_example_and_the_connection_goes_on(hub: "Hub", line: bytes) -> None:
    with hub.connect() as connection:
        refused = say(connection, line)
        good = say(connection, b'{"id": "2", "ask": "tree"}')

    assert (refused["code"], refused["ok"]) == (Code.USAGE, False)
    assert "status" in refused["hint"]
    assert good["ok"] is True


def test_a_line_of_ten_megabytes_is_refused_and_ends_its_connection_only(hub: "Hub") -> None:
    with hub.connect() as other, hub.connect() as connection:
        sender = threading.Thread(target=_flood, args=(connection,))
        sender.start()
        answer = hear(connection)
        sender.join(PATIENCE_S)
        still = say(other, b'{"ask": "tree"}')

    assert answer["code"] == Code.USAGE
    assert str(REQUEST_BYTES_MAX) in answer["message"]
    assert still["ok"] is True


def _flood(connection: socket.socket) -> None:
    try:
        for _ in range(100):
            connection.sendall(b"x" * 100_000)
    except OSError:
        pass  # the connection was ended before all was said


def test_a_line_just_within_the_limit_is_read(hub: "Hub") -> None:
    padding = b'{"ask": "tree"}'.ljust(REQUEST_BYTES_MAX)

    with hub.connect() as connection:
        assert say(connection, padding)["ok"] is True


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_one_byte_more_is_refused_whether_the_line_ends_or_not(hub: "Hub", end: bytes) -> None:
    with hub.connect() as connection:
        connection.sendall(b'{"ask": "tree"}'.ljust(REQUEST_BYTES_MAX + 1) + end)

        assert hear(connection)["code"] == Code.USAGE


def test_slow_and_silent_clients_hold_nobody_up(hub: "Hub") -> None:
    with hub.connect() as silent, hub.connect() as slow:
        slow.sendall(b'{"ask": ')
        begun = time.monotonic()
        answer = hub.ask("tree")
        assert answer["ok"] is True
        assert time.monotonic() - begun < PATIENCE_S / 2
        slow.sendall(b'"tree"}\n')
        assert hear(slow)["ok"] is True
        assert silent.fileno() > 0


def test_a_client_that_does_not_read_is_let_go(hub: "Hub", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "SEND_S", 0.2)
    hub.view = {"now": 1.0, "much": "x" * 1_000_000}
    with hub.connect() as deaf:
        deaf.sendall(b'{"ask": "tree"}\n' * 8)
        deadline = time.monotonic() + PATIENCE_S
        while any(t.name == "control-peer" and t.is_alive() for t in threading.enumerate()):
            assert time.monotonic() < deadline, "its thread is still there"
            threading.Event().wait(0.05)


def test_one_connection_too_many_is_told_so(hub: "Hub") -> None:
    connections = [hub.connect() for _ in range(CONNECTIONS_MAX)]
    try:
        for connection in connections:
            assert say(connection, b'{"ask": "tree"}')["ok"] is True
        with hub.connect() as one_more:
            assert hear(one_more)["code"] == Code.CONFLICT
    finally:
        for connection in connections:
            connection.close()


def test_a_socket_left_behind_is_replaced(hub: "Hub") -> None:
    hub.worker.close()
    path = hub.home / "run" / "control.sock"
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    assert path.exists()

    again = type(hub)(hub.home, hub.spec, hub.trail)
    again.deliver(Started(incarnation=2))
    try:
        assert again.ask("tree")["ok"] is True
    finally:
        again.worker.close()


def test_an_answer_under_way_is_still_given_when_the_gateway_ends(hub: "Hub") -> None:
    hub.view = {"now": 1.0, "much": "x" * 3_000_000}
    with hub.connect() as connection:
        connection.sendall(b'{"ask": "tree"}\n')
        first = connection.recv(1)  # the answer has begun
        closing = threading.Thread(target=hub.worker.close)
        closing.start()
        line = first
        while not line.endswith(b"\n"):
            line += connection.recv(1 << 20)
        closing.join(PATIENCE_S)

    assert json.loads(line)["ok"] is True


def test_who_waits_for_an_order_is_told_that_the_gateway_ends(hub: "Hub") -> None:
    with hub.connect() as connection:
        connection.sendall(b'{"ask": "restart", "args": {"name": "ws1"}}\n')
        deadline = time.monotonic() + PATIENCE_S
        while not hub.sent:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)

        hub.worker.close()

        assert hear(connection)["code"] == Code.UNREACHABLE


def test_closing_takes_the_socket_away_and_ends_connections_and_threads(hub: "Hub") -> None:
    connection = hub.connect()
    assert say(connection, b'{"ask": "tree"}')["ok"] is True

    hub.worker.close()

    assert connection.recv(1) == b""
    connection.close()
    assert not (hub.home / "run" / "control.sock").exists()


def test_closing_leaves_the_socket_of_a_later_incarnation(hub: "Hub") -> None:
    path = hub.home / "run" / "control.sock"
    path.rename(path.with_name("old.sock"))
    path.touch()

    hub.worker.close()

    assert path.exists()


# --- who may ask ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "allowed", "may"),
    [
        (Peer(0, 1, "root"), (), True),
        (Peer(os.geteuid(), 1, "me"), (), True),
        (Peer(4_242, 1, "eve"), (), False),
        (Peer(4_242, 1, "eve"), (4_242,), True),
        (Peer(4_242, 1, "eve"), ("eve",), True),
        (Peer(4_242, 1, "eve"), ("ann", 7), False),
        (Peer(4_242, 1, "4242"), ("eve",), False),
    ],
)
def test_who_may_ask(peer: Peer, allowed: tuple[int | str, ...], *, may: bool) -> None:
    assert may_ask(peer, allowed) is may


def test_whoever_may_not_ask_is_told_so_and_recorded_once_for_many_knocks(
    hub: "Hub", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "peer_of", lambda _connection: Peer(4_242, 99, "eve"))

    answers = []
    for _ in range(5):
        with hub.connect() as connection:
            answers.append(hear(connection))

    assert {answer["code"] for answer in answers} == {Code.FORBIDDEN}
    assert answers[0]["message"] == "eve (uid 4242) may not ask this hub"
    assert hub.facts == [PeopleTurnedAway(uid=4_242, user="eve", pid=99, count=1)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_kernel_vouches_for_who_asks(hub: "Hub") -> None:
    """From a process of another user; it cannot even pass through the home, so the socket is put where it can."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "s"
        (hub.home / "run" / "control.sock").rename(path)
        path.chmod(0o666)
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            try:
                os.setuid(65_534)
                with socket.socket(socket.AF_UNIX) as knocking:
                    knocking.settimeout(PATIENCE_S)
                    knocking.connect(str(path))
                    theirs.sendall(knocking.recv(4096))
            finally:
                os._exit(0)
        theirs.close()
        with ours:
            ours.settimeout(PATIENCE_S)
            answer = hear(ours)
        os.waitpid(child, 0)

    assert answer["code"] == Code.FORBIDDEN
    (fact,) = hub.facts
    assert isinstance(fact, PeopleTurnedAway)
    assert fact.uid == 65_534
