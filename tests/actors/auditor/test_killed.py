"""Real processes, signal 9, at any moment: nothing lost, nothing doubled, nobody told too early.

Writers report each number that ``write`` returned, in a file of their own; what is reported must be in the end in the
store, once, with the body it was said with.
"""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.reader import reading
from alluse_hub.actors.auditor.worker import AuditorWorker
from alluse_hub.hub_verify import verify
from alluse_hub.protocols.trail import AuditorSpec, EntryKind, TailSpools
from alluse_hub.supervision.spool import Frame, Spool, SpoolName, read, spools_in
from alluse_hub.supervision.workshop import Context
from tests.live.daemons import eventually

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallAuditor, SmallHub

WRITERS = ("ws1", "ws2", "ws3")
FORK = multiprocessing.get_context("fork")


def body_of(actor: str, incarnation: int, n: int) -> dict[str, object]:
    return {"of": f"{actor}/{incarnation}/{n}", "padding": "x" * (n * 37 % 400)}


def write_for_ever(home: Path, actor: str) -> None:
    """Says things in turns of one to five entries, some of which somebody waits for; hears some of its own letters."""
    spool = Spool.open(home / "trail" / "spool", actor)
    report = os.open(home / "reports", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    chance = random.Random(f"{actor}{spool.incarnation}")
    while True:
        frames = []
        for n in range(spool.n + 1, spool.n + 1 + chance.randrange(1, 6)):
            body = json.dumps(body_of(actor, spool.incarnation, n)).encode()
            frames.append(Frame(EntryKind.SENT, "Said", body, "board", power=chance.random() < 0.05))
        frames.append(Frame(EntryKind.HEARD, "Said", b"", actor, f"{actor}/{spool.incarnation}/{spool.n + 1}"))
        n = spool.write(frames, time.monotonic(), time.time())
        os.write(report, f"{actor} {spool.incarnation} {n}\n".encode())
        time.sleep(0.001)  # a rate that one core shared by all can store


def audit_for_ever(home: Path, made: "Callable[[Path], SmallAuditor]") -> None:
    auditor = made(home)
    worker = AuditorWorker(Context("auditor", home, AuditorSpec(), auditor.deliver))
    worker.do(TailSpools())
    threading.Event().wait()


class Crowd:
    """The processes, each started again after it was killed."""

    def __init__(self, home: Path, made: "Callable[[Path], SmallAuditor]") -> None:
        self._home = home
        self._made = made
        self._processes: dict[str, BaseProcess] = {}
        for name in ("auditor", *WRITERS):
            self.start(name)

    def start(self, name: str) -> None:
        process = (
            FORK.Process(target=audit_for_ever, args=(self._home, self._made))
            if name == "auditor"
            else FORK.Process(target=write_for_ever, args=(self._home, name))
        )
        process.start()
        self._processes[name] = process

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        pid = process.pid
        assert pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        process.join()
        process.close()

    def end(self) -> None:
        for name in list(self._processes):
            self.kill(name)


@contextlib.contextmanager
def crowd(hub: "SmallHub", made: "Callable[[Path], SmallAuditor]") -> Iterator[Crowd]:
    gathered = Crowd(hub.home, made)
    try:
        yield gathered
    finally:
        gathered.end()


def kill_at_random(hub: "SmallHub", made: "Callable[[Path], SmallAuditor]", kills: int, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    hub.directory.mkdir(parents=True)
    with crowd(hub, made) as gathered:
        for _ in range(kills):
            time.sleep(chance.uniform(0.02, 0.15))  # the moment of death is what is drawn here
            victim = chance.choice(("auditor", "auditor", *WRITERS))
            gathered.kill(victim)
            gathered.start(victim)
        eventually(lambda: bool(announced_by(hub)), "an auditor lives long enough to announce anything")
    assert query.wholeness(hub.home).is_whole, "as the kills left it, spools and a store with a log"
    assert verify(hub.home).findings == [], "the tree made anew out of the entries is the one that was signed"
    told_too_early(hub)
    hub.drain(rounds=2)
    hub.drain(rounds=2)
    stored_once_with_its_body(hub)
    closed_once_and_deleted(hub)
    hub.sign()
    proved = verify(hub.home, every=True)
    assert proved.findings == []
    assert proved.figures["signed"] == proved.figures["entries"] == proved.figures["size"]


def stored_once_with_its_body(hub: "SmallHub") -> None:
    reported: dict[tuple[str, int], int] = {}
    for line in (hub.home / "reports").read_text(encoding="ascii").splitlines():
        writer, life, number = line.split()
        key = (writer, int(life))
        reported[key] = max(int(number), reported.get(key, 0))
    stored: dict[tuple[str, int], list[int]] = {}
    for actor, incarnation, n, body in hub.rows("actor, incarnation, n, body", "WHERE actor <> 'auditor'"):
        assert isinstance(actor, str)
        assert isinstance(incarnation, int)
        assert isinstance(n, int)
        stored.setdefault((actor, incarnation), []).append(n)
        assert body is None or json.loads(str(body)) == body_of(actor, incarnation, n)
    assert len(reported) >= len(WRITERS)
    for key, last in reported.items():
        assert sorted(stored[key]) == list(range(1, len(stored[key]) + 1))
        assert len(stored[key]) >= last, f"{key} was told that {last} entries are safe"
    whole = query.wholeness(hub.home)
    assert whole.is_whole, whole


def announced_by(hub: "SmallHub") -> list[tuple[str, str]]:
    """To whom, and what, in the store and in spools."""
    found: list[tuple[str, str]] = []
    with contextlib.suppress(FileNotFoundError):  # a spool may vanish meanwhile: then the store has it
        for name in spools_in(hub.directory):
            if name.actor == "auditor":
                spooled = read(hub.directory / str(name)).entries
                found.extend((entry.to, entry.body) for entry in spooled if entry.message == "Stored")
    with reading(hub.home) as connection:
        if connection is not None:
            sql = "SELECT peer, body FROM entries WHERE kind = 'sent' AND message = 'Stored'"
            found.extend((peer, body) for peer, body in connection.execute(sql))
    return found


def told_too_early(hub: "SmallHub") -> None:
    """Whatever an auditor announced as stored is in the store, though it was killed right after."""
    announced = announced_by(hub)
    with reading(hub.home) as connection:
        assert connection is not None
        rows = connection.execute("SELECT actor, incarnation, max(n) FROM entries GROUP BY actor, incarnation")
        stored = {(actor, incarnation): n for actor, incarnation, n in rows}
    assert announced
    for peer, body in announced:
        told = json.loads(body)
        assert stored.get((peer, told["incarnation"]), 0) >= told["n"]


def closed_once_and_deleted(hub: "SmallHub") -> None:
    closed = [json.loads(str(body)) for (body,) in hub.rows("body", "WHERE kind = 'fact' AND message = 'Closed'")]
    ends = [SpoolName(fact["actor"], fact["incarnation"]) for fact in closed]
    left = spools_in(hub.directory)
    newest = {name.actor: name.incarnation for name in left}
    assert len(ends) == len(set(ends)), "each end is recorded once"
    for actor in WRITERS:
        assert [name for name in left if name.actor == actor] == [SpoolName(actor, newest[actor])]
        assert sorted(name.incarnation for name in ends if name.actor == actor) == list(range(1, newest[actor]))


def test_twelve_kills_lose_nothing_double_nothing_and_announce_nothing_early(
    hub: "SmallHub", make_auditor: "Callable[[Path], SmallAuditor]"
) -> None:
    kill_at_random(hub, make_auditor, kills=12, seed=random.randrange(2**32))


@pytest.mark.deep
def test_a_hundred_kills_lose_nothing_double_nothing_and_announce_nothing_early(
    hub: "SmallHub", make_auditor: "Callable[[Path], SmallAuditor]"
) -> None:
    kill_at_random(hub, make_auditor, kills=100, seed=random.randrange(2**32))
