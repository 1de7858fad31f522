"""Shells ask each other for signs of life: what travels, and what the core hears of it."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.liveness import Hung, Liveness
from alluse_hub.protocols.message import Message
from alluse_hub.supervision.boot import Boot
from alluse_hub.supervision.offspring import Offspring
from alluse_hub.supervision.pings import UNREAD_LOOK_S, Mail, Work
from alluse_hub.supervision.processes import Process
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.words import Ping, Pong
from alluse_hub.supervision.workshop import Context, Workshop
from tests.live.daemons import eventually
from tests.supervision.toys import Nothing

LIVENESS = Liveness(interval_s=5.0, limit_s=15.0, job_limit_s=60.0)


class Parent(Shell):
    """Of ``a``, without a system, and with a clock moved by hand."""

    def __init__(self, *, is_shared: bool = False) -> None:
        super().__init__()
        self.time = 0.0
        self.sent: list[tuple[str, object]] = []
        self.told: list[Message] = []
        self._own = Boot("sup", 1, {}, "hub")
        self._parent = cast("Any", "hub's")
        self._myRef: Any = None  # the base
        self._life = cast("Any", SimpleNamespace(is_ended=False))
        self._lodging = cast(
            "Any", SimpleNamespace(is_shared=is_shared, evict=lambda *_: False, terminate=lambda _: None)
        )
        self._children = {"a": Offspring("a", 1, cast("Any", "a's"), Process(1, 1, "a"))}

    def now(self) -> float:
        return self.time

    def send(self, address: object, message: object) -> None:
        self.sent.append((str(address), message))

    def _tell_core(self, message: Message, *_more: Any) -> None:
        self.told.append(message)

    def _tick(self) -> None:
        pass

    def pass_time(self, by_s: float) -> None:
        until = self.time + by_s
        while (due := self._chores.next_due()) is not None and due <= until:
            self.time = due
            chore = self._chores.due(due)
            assert chore is not None
            self._do_chore(chore)
        self.time = until

    def hear(self, word: object) -> None:
        self._take(word, cast("Any", None))


@pytest.fixture
def parent() -> Parent:
    parent = Parent()
    parent.watch_over("a", LIVENESS)
    return parent


def test_a_watched_child_is_asked_and_its_silence_told_to_the_core(parent: Parent) -> None:
    parent.pass_time(5.0)
    assert parent.sent == [("a's", Ping("a", 1))]

    parent.pass_time(15.0 + UNREAD_LOOK_S)
    assert parent.told == [Hung(name="a", life=1, why="no answer to a ping for 15.1 s")]
    parent.pass_time(100.0)
    assert len(parent.sent) == len(parent.told) == 1


def test_an_answer_ends_the_wait_and_an_overlong_job_is_told_to_the_core(parent: Parent) -> None:
    parent.pass_time(5.0)
    parent.hear(Pong("a", 1, Work(), Mail()))
    parent.pass_time(5.0)
    assert len(parent.sent) == 2

    parent.hear(Pong("a", 1, Work("Attach", 61.0, 2), Mail()))
    assert parent.told == [Hung(name="a", life=1, why="one job for 61 s: Attach, and 2 wait")]


@pytest.mark.parametrize("end", ["kill", "terminate"])
def test_a_child_that_is_ended_is_asked_no_more(parent: Parent, end: str) -> None:
    getattr(parent, end)("a")
    parent.pass_time(100.0)

    assert parent.sent == []


def test_in_a_shared_process_nobody_is_asked() -> None:
    parent = Parent(is_shared=True)
    parent.watch_over("a", LIVENESS)
    parent.pass_time(100.0)

    assert parent.sent == []


def test_a_ping_is_answered_to_the_parent_with_work_and_mail(parent: Parent) -> None:
    parent._myRef = SimpleNamespace(count_mail=lambda: (7, 5))
    parent.hear(Ping("sup", 3))

    assert parent.sent == [("hub's", Pong("sup", 3, Work(), Mail(7, 5)))]


def test_who_has_ended_answers_no_more(parent: Parent) -> None:
    assert parent._life is not None
    parent._life.is_ended = True
    parent.hear(Ping("sup", 3))

    assert parent.sent == []


class Slow:
    """Works until it is let go."""

    def __init__(self, _context: Context) -> None:
        self.gate = threading.Event()

    def do(self, _job: Message) -> None:
        self.gate.wait(30.0)

    def close(self) -> None:
        pass


def test_a_workshop_tells_what_its_thread_is_at_and_how_much_waits(tmp_path: Path) -> None:
    workshop = Workshop(Slow, "a", tmp_path, Nothing(), lambda: None)
    assert workshop.work == Work()
    for _ in range(3):
        workshop.do(Woken(timer="x"))
    eventually(lambda: workshop.work.job == "Woken", "it works")

    assert workshop.work.waiting == 2
    before = workshop.work.job_s
    eventually(lambda: workshop.work.job_s > before, "time passes")
    cast("Slow", workshop._worker).gate.set()
    eventually(lambda: workshop.work == Work(), "all is done")
    workshop.close()
