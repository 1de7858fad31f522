"""Floors: the least that this machine, in this minute, needs for the same thing.

All times in seconds.  Each is as bare as Python allows: the same bytes, the same system calls, none of our code.
"""

import gc
import heapq
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.leaves import ENTRY_COLUMNS
from alluse_hub.actors.auditor.store import AUTOCHECKPOINT_PAGES
from tests.benchmarks.kernel import resident_kib

PYTHON_PASS = (sys.executable, "-c", "pass")
PYTHON_BARE = (sys.executable, "-I", "-S", "-c", "pass")
IMPORT_PYDANTIC = (sys.executable, "-c", "import pydantic")

ASLEEP_S = 0.1
"""After its first word the bare interpreter goes to sleep; watched from then on it does nothing."""

MADE_S = 0.000_05
"""More than enough to make one object and put it on a heap."""

WARM_UP = 20
"""Round trips before the counted ones, so that no start is in them."""

_LENGTH = struct.Struct("<I")
_SECONDS = struct.Struct("<d")


# --- processes -------------------------------------------------------------------------------------------------------


def spawned(command: Sequence[str], times: int) -> list[float]:
    """From the call to the exit of a program, one after the other.  Raises CalledProcessError."""
    took = []
    for _ in range(times):
        began = time.monotonic()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        took.append(time.monotonic() - began)
    return took


def forked(children: int) -> float:
    """From the first fork to the last word of ``children`` forks, all alive at once."""
    began = time.monotonic()
    pairs = []
    for _ in range(children):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            theirs.sendall(b".")
            theirs.recv(1)
            os._exit(0)
        theirs.close()
        pairs.append((pid, ours))
    for _, ours in pairs:
        ours.recv(1)
    took = time.monotonic() - began
    for pid, ours in pairs:
        ours.sendall(b".")
        os.waitpid(pid, 0)
        ours.close()
    return took


def killed(times: int) -> list[float]:
    """From the kill of a fork that does nothing until it has been waited for."""
    took = []
    for _ in range(times):
        ready, say = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(say, b".")
            while True:
                signal.pause()
        os.read(ready, 1)
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        took.append(time.monotonic() - began)
        os.close(ready)
        os.close(say)
    return took


def overrun(limit_s: float, times: int) -> list[float]:
    """How much longer than ``limit_s`` a fork lives that sets itself an alarm and sleeps, until waited for."""
    took = []
    for _ in range(times):
        ready, say = os.pipe()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            os.write(say, _SECONDS.pack(time.monotonic()))
            while True:
                signal.pause()
        os.waitpid(pid, 0)
        ended = time.monotonic()
        took.append(ended - _SECONDS.unpack(os.read(ready, _SECONDS.size))[0] - limit_s)
        os.close(ready)
        os.close(say)
    return took


@contextmanager
def bare_python() -> Iterator[int]:
    """An interpreter that sleeps; its pid."""
    code = "import sys; sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen((sys.executable, "-c", code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None, "it was asked for"
            process.stdout.read(1)
            time.sleep(ASLEEP_S)
            yield process.pid
        finally:
            process.kill()


# --- letters between two processes -----------------------------------------------------------------------------------


def ping_pong(letter: object, answer: object, trips: int, *, warm_up: int = WARM_UP) -> list[float]:
    """Each round trip over a Unix stream socket between two processes, both pickled and framed by their length."""
    with _other(lambda end: _answering(end, answer)) as end:
        took = []
        for _ in range(warm_up + trips):
            began = time.monotonic()
            _send(end, letter)
            _receive(end)
            took.append(time.monotonic() - began)
        return took[warm_up:]


def flood(letter: object, letters: int) -> float:
    """From the first send to the word of the other process that it has read all ``letters``."""
    with _other(lambda end: _counting(end, letters)) as end:
        began = time.monotonic()
        for _ in range(letters):
            _send(end, letter)
        _receive(end)
        return time.monotonic() - began


@contextmanager
def _other(live: Callable[[socket.socket], None]) -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            live(theirs)
        finally:
            os._exit(0)
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        os.waitpid(pid, 0)


def _answering(end: socket.socket, answer: object) -> None:
    while _receive(end) is not None:
        _send(end, answer)


def _counting(end: socket.socket, letters: int) -> None:
    for _ in range(letters):
        _receive(end)
    _send(end, letters)


def _send(end: socket.socket, letter: object) -> None:
    body = pickle.dumps(letter, protocol=5)
    end.sendall(_LENGTH.pack(len(body)) + body)


def _receive(end: socket.socket) -> Any:  # Any: whatever was pickled
    head = _exactly(end, _LENGTH.size)
    return pickle.loads(_exactly(end, _LENGTH.unpack(head)[0])) if head else None


def _exactly(end: socket.socket, length: int) -> bytearray:
    """Nothing if the other end is closed."""
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view:
        got = end.recv_into(view)
        if not got:
            return bytearray()
        view = view[got:]
    return buffer


# --- the same in one process -----------------------------------------------------------------------------------------


def handed_to_and_fro(letter: object, answer: object, trips: int, *, warm_up: int = WARM_UP) -> list[float]:
    """Each round trip between two queues of one process."""
    there: deque[object] = deque()
    back: deque[object] = deque()
    took = []
    for _ in range(warm_up + trips):
        began = time.monotonic()
        there.append(letter)
        there.popleft()
        back.append(answer)
        back.popleft()
        took.append(time.monotonic() - began)
    return took[warm_up:]


def handed_over(letter: object, letters: int) -> float:
    """From the first letter put into a queue until all have been taken out of it."""
    queue: deque[object] = deque()
    began = time.monotonic()
    for _ in range(letters):
        queue.append(letter)
    while queue:
        queue.popleft()
    return time.monotonic() - began


def made() -> float:
    """An object, made and asked."""
    began = time.monotonic()
    _Answering().answer()
    return time.monotonic() - began


class _Answering:
    def answer(self) -> object:
        return self


class _Sleeper:
    __slots__ = ("late", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        self.late: list[float] = []


def woken(sleepers: int, ticks: int, period_s: float) -> tuple[float, list[float], float]:
    """So many objects in a heap, each due ``ticks`` times, once in a period, evenly spread: CPU seconds of all periods,
    how late each was woken, and the KiB that each of them takes.
    """
    gc.collect()
    before = resident_kib()
    first = time.monotonic() + sleepers * MADE_S
    heap = [(first + period_s * at / sleepers, at, _Sleeper(ticks)) for at in range(sleepers)]
    gc.collect()
    size_kib = (resident_kib() - before) / sleepers
    kept = [sleeper for _, _, sleeper in heap]
    epoll = select.epoll()
    time.sleep(max(0.0, first - time.monotonic()))
    cpu = time.process_time()
    while heap:
        due, at, sleeper = heap[0]
        now = time.monotonic()
        if due > now:
            epoll.poll(due - now)
            continue
        sleeper.late.append(now - due)
        sleeper.left -= 1
        if sleeper.left:
            heapq.heapreplace(heap, (due + period_s, at, sleeper))
        else:
            heapq.heappop(heap)
    cpu = time.process_time() - cpu
    epoll.close()
    return cpu, [late for sleeper in kept for late in sleeper.late], size_kib


# --- files -----------------------------------------------------------------------------------------------------------


def writes(source: Path, target: Path, pieces: int) -> tuple[float, list[float]]:
    """The bytes of ``source`` appended to ``target`` in ``pieces`` equal parts: CPU seconds, and each wall time."""
    data = source.read_bytes()
    size = len(data) // pieces
    parts = [data[at * size : (at + 1) * size] for at in range(pieces)]
    file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        took = []
        cpu = time.process_time()
        for part in parts:
            began = time.perf_counter()
            os.write(file, part)
            took.append(time.perf_counter() - began)
        return time.process_time() - cpu, took
    finally:
        os.close(file)


def syncs(folder: Path, times: int) -> list[float]:
    """``fdatasync`` after a kilobyte appended."""
    file = os.open(folder / "synced", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        took = []
        for _ in range(times):
            os.write(file, bytes(1_024))
            began = time.monotonic()
            os.fdatasync(file)
            took.append(time.monotonic() - began)
        return took
    finally:
        os.close(file)


def inserts(source: Path, target: Path, commits: Sequence[int]) -> tuple[int, float, float]:
    """The entries of the store ``source`` into a table without indexes, ``synchronous=FULL``, in ``commits`` rows at a
    time: how many, and the seconds inside ``executemany`` and commit, by the clock and of CPU.
    """
    source_db, target_db = sqlite3.connect(source), sqlite3.connect(target, isolation_level=None)
    try:
        target_db.execute("PRAGMA journal_mode = WAL")
        target_db.execute("PRAGMA synchronous = FULL")
        target_db.execute(f"PRAGMA wal_autocheckpoint = {AUTOCHECKPOINT_PAGES}")
        target_db.execute(f"CREATE TABLE entries ({ENTRY_COLUMNS})")
        marks = ", ".join("?" * len(ENTRY_COLUMNS.split(",")))
        insert = f"INSERT INTO entries VALUES ({marks})"
        cursor = source_db.execute(f"SELECT {ENTRY_COLUMNS} FROM entries ORDER BY leaf")
        count, took, cpu = 0, 0.0, 0.0
        for size in commits:
            rows = cursor.fetchmany(size)
            began, cpu_began = time.monotonic(), time.process_time()
            target_db.execute("BEGIN")
            target_db.executemany(insert, rows)
            target_db.execute("COMMIT")
            took += time.monotonic() - began
            cpu += time.process_time() - cpu_began
            count += len(rows)
        return count, took, cpu
    finally:
        source_db.close()
        target_db.close()
