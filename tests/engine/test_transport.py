"""Two or more transports in one process: what peers promise each other, and what strangers get."""

import os
import pickle
import socket
import struct
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import ActorAddress
from thespian.system.transport import ReceiveEnvelope, Thespian__Run_Expired, TransmitOnly

from alluse_hub.supervision.engine import switchboard
from alluse_hub.supervision.engine.address import SocketAddress, name_of
from alluse_hub.supervision.engine.allowed import HUB
from alluse_hub.supervision.engine.door import GREETING
from alluse_hub.supervision.engine.exchange import FrameTooLargeError
from alluse_hub.supervision.engine.forks import fork
from alluse_hub.supervision.engine.frames import HEADER, LARGE_BYTES, Kind, header
from alluse_hub.supervision.engine.letters import Fate, Letter
from alluse_hub.supervision.engine.room import admin_path
from alluse_hub.supervision.engine.transport import Transport
from tests.engine.conftest import MOMENT, PATIENCE_S, eventually, hear, settle


def hear_from(sender: Transport, receiver: Transport, count: int = 1) -> list[Any]:
    """That many messages, while the sender still has to write."""
    heard: list[Any] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(heard) < count:
        assert time.monotonic() < deadline, f"heard {len(heard)} of {count}"
        sender.run(TransmitOnly, timedelta(0))
        envelope = receiver.run(None, timedelta(seconds=0.002))
        if isinstance(envelope, ReceiveEnvelope):
            heard.append(envelope.message)
    return heard


def stranger(transport: Transport) -> socket.socket:
    caller = socket.socket(socket.AF_UNIX)
    caller.connect(transport.myAddress.addressDetails.path)
    caller.settimeout(PATIENCE_S)
    return caller


def is_hung_up(transport: Transport, caller: socket.socket) -> bool:
    transport.run(None, MOMENT)
    caller.setblocking(False)
    try:
        return caller.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


# --- peers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, LARGE_BYTES - 100, LARGE_BYTES, LARGE_BYTES + 1, 3_000_000])
def test_a_message_of_any_size_arrives(make: Callable[..., Transport], size: int) -> None:
    a, b = make(), make()

    a.send(Letter(b.myAddress, b"x" * size))

    assert hear_from(a, b) == [b"x" * size]


def test_order_holds_when_both_call_at_the_same_moment(make: Callable[..., Transport]) -> None:
    a, b = make(), make()
    a.send(Letter(b.myAddress, 0))
    b.send(Letter(a.myAddress, 0))  # neither has looked yet: two connections

    for numbers in (range(1, 250), range(250, 500)):
        for number in numbers:
            a.send(Letter(b.myAddress, number))
            b.send(Letter(a.myAddress, number))
        settle(a, b)  # now both know of both connections, and have not heard what came over the first

    assert hear(a, 500) == hear(b, 500) == list(range(500))


def test_a_letter_to_nobody_is_dead_at_once(make: Callable[..., Transport], room: Path) -> None:
    a = make()
    fates: list[Fate] = []
    nobody = ActorAddress(SocketAddress(str(room / name_of("a", os.getpid(), "0" * 16))))

    a.send(Letter(nobody, "hello", lambda fate, _letter: fates.append(fate)))
    settle(a)

    assert fates == [Fate.DEAD]


def test_a_receipt_comes_when_the_message_was_handled_and_not_before(make: Callable[..., Transport]) -> None:
    a, b = make(), make()
    fates: list[Fate] = []
    a.send(Letter(b.myAddress, "hello", lambda fate, _letter: fates.append(fate), wants_receipt=True))
    settle(a, b, a)
    assert fates == []

    hear(b)
    settle(a)
    a.run(None, MOMENT)

    assert fates == [Fate.SENT]


def test_a_lost_peer_gives_up_what_it_wrote_before_its_letters_are_dead(make: Callable[..., Transport]) -> None:
    a, b = make(), make()
    order: list[str] = []
    a.send(Letter(b.myAddress, "hello", lambda fate, _letter: order.append(fate.name)))
    settle(a, b)
    b.send(Letter(a.myAddress, "last words"))
    settle(b)
    b.close()

    order.append(hear(a)[0])
    a.run(None, MOMENT)

    assert order == ["last words", "DEAD"]


def test_a_message_that_cannot_be_read_comes_back_with_the_reason(make: Callable[..., Transport]) -> None:
    a, b = make(), make(allowed=HUB)
    refused: list[tuple[Fate, Any, str]] = []

    a.send(Letter(b.myAddress, Path("/"), lambda fate, letter: refused.append((fate, letter.message, letter.why))))
    a.send(Letter(b.myAddress, "next"))
    settle(a)

    assert hear(b) == ["next"]
    a.run(None, MOMENT)
    [(fate, message, why)] = refused
    assert (fate, message) == (Fate.REFUSED, Path("/"))
    assert "may not come out of a message" in why


def test_a_message_above_the_largest_frame_is_not_sent(make: Callable[..., Transport]) -> None:
    a, b = make(frame_max_bytes=1000), make()

    with pytest.raises(FrameTooLargeError):
        a.send(Letter(b.myAddress, b"x" * 1001))


def test_a_full_queue_fails_the_letter_and_says_so(make: Callable[..., Transport]) -> None:
    a, b = make(queue_max_bytes=1_000_000, queue_high_bytes=2_000_000), make()
    fates: list[Fate] = []

    for _ in range(40):
        a.send(Letter(b.myAddress, b"x" * 50_000, lambda fate, _letter: fates.append(fate)))
    a.exchange.write_out(time.monotonic())

    assert fates
    assert set(fates) == {Fate.FAILED}
    assert len(hear_from(a, b, 40 - len(fates))) == 40 - len(fates)


def test_idle_connections_are_closed_above_the_bound_and_made_again_when_needed(make: Callable[..., Transport]) -> None:
    a = make(connections_max=2)
    peers = [make() for _ in range(4)]
    for peer in peers:
        a.send(Letter(peer.myAddress, 1))
        settle(a)
        hear(peer)
        a.run(None, MOMENT)
        for other in peers:
            other.run(None, MOMENT)
        a.run(None, MOMENT)

    assert len(a.exchange.board.links()) <= 3
    for peer in peers:
        a.send(Letter(peer.myAddress, 2))
        settle(a)
        assert hear_from(a, peer) == [2]


def test_a_peer_with_a_full_backlog_is_called_again(make: Callable[..., Transport], monkeypatch: Any) -> None:
    a, b = make(), make()
    callers = []
    b.exchange.board.door.listener.listen(0)
    while True:
        caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        callers.append(caller)
        try:
            caller.connect(b.myAddress.addressDetails.path)
        except BlockingIOError:
            break

    a.send(Letter(b.myAddress, "patience"))
    settle(a)
    for caller in callers:
        caller.close()

    assert hear_from(a, b) == ["patience"]


# --- threads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["a wakeup", "mail to itself", "a chore"])
def test_a_loop_that_sleeps_hears_of_what_another_thread_gives_it(make: Callable[..., Transport], how: str) -> None:
    a = make()

    def give() -> None:
        if how == "a wakeup":
            a.addWakeup(timedelta(0), how)
        elif how == "mail to itself":
            a.send(Letter(a.myAddress, how))
        else:
            a.do_after(0.0, lambda: a.send(Letter(a.myAddress, how)))

    giver = threading.Timer(0.05, give)
    began = time.monotonic()
    giver.start()
    [heard] = hear(a)
    giver.join()

    assert getattr(heard, "payload", heard) == how
    assert time.monotonic() - began < PATIENCE_S / 2


def test_mail_from_many_threads_to_oneself_arrives_whole_and_each_in_order(make: Callable[..., Transport]) -> None:
    a = make()

    def say(name: int) -> None:
        for number in range(200):
            a.send(Letter(a.myAddress, (name, number)))

    talkers = [threading.Thread(target=say, args=(name,)) for name in range(4)]
    for talker in talkers:
        talker.start()
    heard = hear(a, 800)
    for talker in talkers:
        talker.join()

    for name in range(4):
        assert [number for who, number in heard if who == name] == list(range(200))


# --- strangers -------------------------------------------------------------------------------------------------------


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.mark),))


def hello(path: str) -> bytes:
    greeting = GREETING + path.encode()
    return header(Kind.HELLO, len(greeting), 0) + greeting


def test_nothing_is_unpickled_before_the_peer_has_said_who_it_is(make: Callable[..., Transport], room: Path) -> None:
    b = make()
    bomb = pickle.dumps(Bomb(room / "mark"))
    with stranger(b) as caller:
        caller.sendall(header(Kind.MESSAGE, len(bomb), 0) + bomb)

        eventually(lambda: is_hung_up(b, caller))

    assert not (room / "mark").exists()
    assert b.exchange.board.door.refusals == 1


def test_a_bomb_from_a_proved_peer_is_refused_and_nobody_else_is_disturbed(
    make: Callable[..., Transport], room: Path
) -> None:
    a, b = make(), make(allowed=HUB)

    a.send(Letter(b.myAddress, Bomb(room / "mark")))
    a.send(Letter(b.myAddress, "after"))
    settle(a)

    assert hear(b) == ["after"]
    assert not (room / "mark").exists()


def test_a_process_cannot_pose_as_another(make: Callable[..., Transport], room: Path) -> None:
    a, b = make(), make()
    path = a.myAddress.addressDetails.path

    def pose() -> None:
        caller = socket.socket(socket.AF_UNIX)
        caller.connect(b.myAddress.addressDetails.path)
        message = pickle.dumps("forged")
        caller.sendall(hello(path) + header(Kind.MESSAGE, len(message), 0) + message)
        caller.recv(1)

    pid = fork(pose)

    eventually(lambda: isinstance(b.run(None, MOMENT), Thespian__Run_Expired) and b.exchange.board.door.refusals == 1)
    os.waitpid(pid, 0)


def test_nobody_but_the_listener_may_call_itself_admin(make: Callable[..., Transport], room: Path) -> None:
    b = make()
    with stranger(b) as caller:
        caller.sendall(hello(admin_path(room)))

        eventually(lambda: is_hung_up(b, caller))


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        HEADER.pack(2**31, 0, Kind.HELLO, 0, 0),
        HEADER.pack(0, 0, Kind.HELLO, 0, 0),
        hello("/etc/passwd"),
        hello("relative/a1.0123456789abcdef.sock"),
        header(Kind.ACK, 0, 5),
        b"\x80\x05" + b"x" * 1000,
    ],
    ids=["http", "2 GB", "empty", "no address of ours", "relative", "no hello", "pickle"],
)
def test_a_forged_first_frame_ends_the_connection(make: Callable[..., Transport], said: bytes) -> None:
    b = make()
    with stranger(b) as caller:
        caller.sendall(said)

        eventually(lambda: is_hung_up(b, caller))


@pytest.mark.parametrize(
    "said",
    [
        HEADER.pack(2**31, 0, Kind.MESSAGE, 0, 0),
        header(Kind.ACK, 0, 7),
        header(Kind.NAK, 0, 0, asked=3),
        struct.pack("<IIBII", 0, 0, 77, 0, 0),
    ],
    ids=["2 GB", "acknowledges what was not sent", "refuses what was not sent", "unknown kind"],
)
def test_a_proved_peer_that_breaks_the_rules_is_put_out(
    make: Callable[..., Transport], room: Path, said: bytes
) -> None:
    b = make()
    with stranger(b) as caller:
        caller.sendall(hello(str(room / name_of("a", os.getpid(), "0" * 16))) + said)

        eventually(lambda: is_hung_up(b, caller))


def test_a_caller_that_says_nothing_is_put_out_and_holds_up_nobody(
    make: Callable[..., Transport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "HELLO_S", 0.1)
    a, b = make(), make()
    with stranger(b) as caller:
        b.run(None, MOMENT)
        a.send(Letter(b.myAddress, "meanwhile"))
        settle(a)
        assert hear(b) == ["meanwhile"]

        eventually(lambda: is_hung_up(b, caller))


def test_silent_callers_cannot_use_up_the_descriptors(make: Callable[..., Transport]) -> None:
    b = make()
    callers = [stranger(b) for _ in range(switchboard.STRANGERS_MAX + 5)]
    for _ in range(5):
        b.run(None, MOMENT)

    assert len(b.exchange.board.links()) == switchboard.STRANGERS_MAX
    for caller in callers:
        caller.close()


def test_a_crowd_that_greets_is_let_in_however_long_nobody_looked(make: Callable[..., Transport], room: Path) -> None:
    b = make()
    count = switchboard.STRANGERS_MAX + 20
    callers = [stranger(b) for _ in range(count)]
    for number, caller in enumerate(callers):
        caller.sendall(hello(str(room / name_of("a", os.getpid(), f"{number:016x}"))))

    for _ in range(5):
        b.run(None, MOMENT)

    assert b.exchange.board.door.refusals == 0
    assert len(b.exchange.board.links()) == count
    for caller in callers:
        caller.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to become another user")
def test_another_user_is_refused_even_where_the_room_is_open(make: Callable[..., Transport], room: Path) -> None:
    b = make()
    room.chmod(0o755)
    Path(b.myAddress.addressDetails.path).chmod(0o777)

    def call() -> None:
        os.setuid(65534)
        caller = socket.socket(socket.AF_UNIX)
        caller.connect(b.myAddress.addressDetails.path)
        caller.sendall(hello(str(room / name_of("a", os.getpid(), "0" * 16))))
        caller.recv(1)

    pid = fork(call)

    eventually(lambda: isinstance(b.run(None, MOMENT), Thespian__Run_Expired) and b.exchange.board.door.refusals == 1)
    os.waitpid(pid, 0)
