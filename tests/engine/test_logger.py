"""The logger: what is logged arrives, or its loss is said, whatever becomes of the logger."""

import logging
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from thespian.actors import ActorAddress, ActorSystem, ActorSystemStartupFailure

from alluse_hub.supervision.engine import exchange
from alluse_hub.supervision.engine.address import SocketAddress, pid_in
from alluse_hub.supervision.engine.admin import LOGGER_DEATHS_MAX
from alluse_hub.supervision.engine.base import open_system
from alluse_hub.supervision.engine.letters import Fate, Letter
from alluse_hub.supervision.engine.logs import HELD_MAX, LogDesk, LogPost
from alluse_hub.supervision.engine.room import has_admin
from tests.engine.cast import PUPPET
from tests.engine.conftest import ask, eventually, is_running, settings_of


@pytest.fixture
def log(room: Path) -> Path:
    return room / "log"


@pytest.fixture
def logged(start: Callable[..., ActorSystem], log: Path) -> Callable[..., ActorSystem]:
    """Starts a system whose log is a file."""

    def logged(**bounds: Any) -> ActorSystem:
        return start(
            {
                "version": 1,
                "formatters": {"plain": {"format": "%(levelname)s %(message)s"}},
                "handlers": {"file": {"class": "logging.FileHandler", "filename": str(log), "formatter": "plain"}},
                "root": {"level": "WARNING", "handlers": ["file"]},
            },
            **bounds,
        )

    return logged


def loggers(room: Path) -> list[int]:
    return [pid for path in room.glob("l*.sock") if is_running(pid := pid_in(path.name))]


def kill_logger(room: Path) -> None:
    """And wait until there is another."""
    [old] = loggers(room)
    os.kill(old, signal.SIGKILL)
    eventually(lambda: loggers(room) not in ([], [old]), "there is a new logger")


def lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines()


def test_what_an_actor_logs_is_in_the_log(logged: Callable[..., ActorSystem], log: Path) -> None:
    system = logged()

    ask(system, system.createActor(PUPPET), "log", "tea is ready")

    eventually(lambda: "ERROR tea is ready" in lines(log))


def test_a_killed_logger_is_replaced_and_what_is_logged_goes_on_in_order(
    logged: Callable[..., ActorSystem], log: Path, room: Path
) -> None:
    system = logged()
    old, admin_knows_no_better = system.createActor(PUPPET), system.createActor(PUPPET)
    ask(system, old, "log", "before")
    eventually(lambda: "ERROR before" in lines(log))

    [pid] = loggers(room)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_running(pid))  # or it might write a line and not live to say so
    ask(system, old, "log_many", 100)
    ask(system, admin_knows_no_better, "log", "from another")
    ask(system, system.createActor(PUPPET), "log", "from a new one")

    eventually(lambda: {"ERROR from another", "ERROR from a new one", "ERROR line 99"} <= set(lines(log)))
    assert [line for line in lines(log) if " line " in line] == [f"ERROR line {number}" for number in range(100)]
    eventually(lambda: "ERROR the logger died (killed by SIGKILL) and is replaced" in lines(log))


def test_where_loggers_keep_dying_the_system_goes_on_and_what_is_logged_is_printed(
    capfd: pytest.CaptureFixture[str], logged: Callable[..., ActorSystem], room: Path
) -> None:
    system = logged()
    puppet = system.createActor(PUPPET)
    for _ in range(LOGGER_DEATHS_MAX - 1):
        kill_logger(room)
    [last] = loggers(room)
    os.kill(last, signal.SIGKILL)
    printed: list[str] = []

    def is_printed(text: str) -> bool:
        printed.append(capfd.readouterr().err)
        return text in "".join(printed)

    eventually(lambda: is_printed(f"the logger died {LOGGER_DEATHS_MAX} times, at last: killed by SIGKILL"))
    ask(system, puppet, "log", "anybody there?")
    eventually(lambda: is_printed("ERROR tests.puppet anybody there?"))
    assert ask(system, system.createActor(PUPPET), "pid") > 0


def test_a_system_whose_log_cannot_be_configured_does_not_start_and_says_why(
    room: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = {"version": 1, "handlers": {"x": {"class": "nowhere.Handler"}}, "root": {"handlers": ["x"]}}

    with pytest.raises(ActorSystemStartupFailure, match="nowhere"):
        open_system(room, broken, settings=settings_of(room))

    eventually(lambda: not has_admin(room))
    assert "nowhere" in capfd.readouterr().err


def test_a_record_that_cannot_be_pickled_is_logged_without_what_is_in_the_way(
    logged: Callable[..., ActorSystem], log: Path
) -> None:
    system = logged()

    assert ask(system, system.createActor(PUPPET), "log_oddly", "with a lock") == "logged"

    eventually(lambda: "ERROR with a lock" in lines(log))


def test_what_a_stopped_logger_cannot_take_is_lost_and_the_number_is_logged(
    logged: Callable[..., ActorSystem], log: Path, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "RELIEF_S", 0.1)
    system = logged(queue_high_bytes=16 * 1024, queue_max_bytes=64 * 1024)
    [logger] = loggers(room)
    os.kill(logger, signal.SIGSTOP)
    assert ask(system, system.createActor(PUPPET), "log_many", 3000) == "logged"

    os.kill(logger, signal.SIGCONT)

    def lost() -> int:
        return sum(int(number) for number in re.findall(r"(\d+) log records of .* were lost", log.read_text("utf-8")))

    eventually(lambda: sum(" line " in line for line in lines(log)) + lost() == 3000)
    assert lost() > 0


# --- piece by piece --------------------------------------------------------------------------------------------------


class Wire:
    """In place of a transport: what is sent, what comes after the mail, and what is to be done later."""

    def __init__(self) -> None:
        self.myAddress = address("a1.0000000000000000.sock")
        self.sent: list[Letter] = []
        self.next: list[Callable[[], None]] = []
        self.later: list[Callable[[], None]] = []

    def send(self, letter: Letter) -> None:
        self.sent.append(letter)

    def do_after_mail(self, act: Callable[[], None]) -> None:
        self.next.append(act)

    def do_after(self, _seconds: float, act: Callable[[], None]) -> None:
        self.later.append(act)

    def settle(self) -> None:
        for act in self.next:
            act()
        self.next.clear()

    def texts(self, to: ActorAddress) -> list[str]:
        return [letter.message.getMessage() for letter in self.sent if letter.to == to]


def address(name: str) -> ActorAddress:
    return ActorAddress(SocketAddress(f"/room/{name}"))


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("tests", logging.ERROR, "", 0, text, None, None)


LOGGER = address("l2.0000000000000000.sock")
ADMIN = address("admin.sock")


@pytest.fixture
def wire() -> Any:  # a Transport as far as it is used
    return Wire()


def test_what_a_dead_logger_did_not_take_goes_to_the_admin_and_nothing_overtakes_it(wire: Any) -> None:
    post = LogPost(wire, LOGGER, ADMIN)
    for text in ("one", "two"):
        post.post(record(text))
    one, two = wire.sent

    one.done(Fate.DEAD, one)
    post.post(record("three"))
    two.done(Fate.DEAD, two)
    wire.settle()
    post.post(record("four"))

    assert wire.texts(ADMIN) == ["one", "two", "three", "four"]


def test_a_record_that_the_logger_refuses_is_sent_again_without_what_it_cannot_take(wire: Any) -> None:
    post = LogPost(wire, LOGGER, ADMIN)
    odd = record("odd")
    odd.where = Path("/")
    post.post(odd)

    wire.sent[0].done(Fate.REFUSED, wire.sent[0])

    assert wire.texts(LOGGER) == ["odd", "odd"]
    assert not hasattr(wire.sent[1].message, "where")


def test_a_plain_record_that_the_logger_refuses_is_lost(wire: Any) -> None:
    post = LogPost(wire, LOGGER, ADMIN)
    post.post(record("plain"))

    wire.sent[0].done(Fate.REFUSED, wire.sent[0])

    assert wire.texts(LOGGER) == ["plain"]
    assert len(wire.later) == 1


def test_what_cannot_be_delivered_is_counted_and_the_number_sent_a_little_later(wire: Any) -> None:
    post = LogPost(wire, LOGGER, ADMIN)
    for text in ("one", "two"):
        post.post(record(text))
        wire.sent[-1].done(Fate.FAILED, wire.sent[-1])

    [say] = wire.later
    say()

    assert wire.texts(LOGGER)[-1] == f"2 log records of {wire.myAddress} were lost"


def test_a_lost_number_is_lost_with_all_it_stands_for(wire: Any) -> None:
    post = LogPost(wire, LOGGER, ADMIN)
    for text in ("one", "two"):
        post.post(record(text))
        wire.sent[-1].done(Fate.FAILED, wire.sent[-1])
    wire.later.pop()()
    wire.sent[-1].done(Fate.FAILED, wire.sent[-1])

    wire.later.pop()()

    assert wire.texts(LOGGER)[-1].startswith("2 log records")


def test_the_admin_keeps_what_is_logged_while_there_is_no_logger_up_to_a_bound(wire: Any) -> None:
    desk = LogDesk(wire)
    for number in range(HELD_MAX + 3):
        desk.post(record(str(number)))

    desk.logger_is(LOGGER)
    wire.settle()
    wire.later.pop()()

    assert wire.texts(LOGGER) == [
        *(str(number) for number in range(HELD_MAX)),
        f"3 log records of {wire.myAddress} were lost",
    ]


def test_the_admin_keeps_what_a_dead_logger_did_not_take_for_the_next_in_order(wire: Any) -> None:
    desk = LogDesk(wire)
    desk.logger_is(LOGGER)
    wire.settle()
    desk.post(record("one"))
    one = wire.sent[0]

    desk.logger_gone()
    desk.post(record("two"))
    desk.logger_is(ADMIN)
    one.done(Fate.DEAD, one)
    wire.settle()

    assert wire.texts(ADMIN) == ["one", "two"]
