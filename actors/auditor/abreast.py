"""A trail run again by several processes, an incarnation at a time: whoever is free takes the next.

Incarnations know nothing of each other, so what is judged is the same as by one process after the other; it is told in
the same order.  Each process has its own look at the files.  One that dies ends the whole, since what it had in hand
would be missing.
"""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from alluse_hub.actors.auditor.history import UNBOUND, Bounds, History, Incarnation
from alluse_hub.actors.auditor.rerun import Progress, is_worth_telling, judged, rerun, wanted
from alluse_hub.actors.auditor.unsealing import Reading
from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.judgement import Judgement
from alluse_hub.supervision.replay import CoreOf

FROM_ENTRIES = 20_000
"""In the store.  Fewer are run again sooner by one: processes take some tens of milliseconds to begin."""

TOLD_EVERY_S = 0.5
ENDING_S = 5.0

FORK = multiprocessing.get_context("fork")


class Done(NamedTuple):
    """``at``: which of the incarnations; ``opened``: sealed fields, on the way."""

    at: int
    judgement: Judgement
    opened: int


@dataclass(frozen=True, slots=True)
class Job:
    """``turn``: the next incarnation that nobody has taken.  ``read``: entries so far, by all."""

    home: Path
    reads: Reading
    core_of: CoreOf
    incarnations: list[Incarnation]
    bounds: Bounds
    turn: Any  # a number in shared memory; its class has no public name
    read: Any


def rerun_abreast(
    home: Path,
    history: History,
    core_of: CoreOf,
    actor: str = "",
    bounds: Bounds = UNBOUND,
    progress: Progress | None = None,
) -> Generator[Judgement]:
    """As ``rerun``; by one process where there is little to do.  Raises TrailError as well if a process was ended."""
    incarnations = wanted(history, actor, bounds)
    processes = min(len(os.sched_getaffinity(0)), len(incarnations))
    if processes < 2 or history.newest < FROM_ENTRIES:
        yield from rerun(history, core_of, actor, bounds, progress)
        return
    turn, read = FORK.Value("q", 0), FORK.Value("q", 0)
    job = Job(home, history.reads, core_of, incarnations, bounds, turn, read)
    ready: dict[int, Judgement] = {}
    following = 0
    for done in _done(job, processes, progress):
        ready[done.at] = done.judgement
        history.reads.opened += done.opened
        while following in ready:
            judgement = ready.pop(following)
            following += 1
            if is_worth_telling(judgement):
                yield judgement


def _done(job: Job, processes: int, progress: Progress | None) -> Iterator[Done]:
    """In whatever order."""
    workers: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(processes):
            ours, theirs = FORK.Pipe(duplex=False)
            worker: BaseProcess = FORK.Process(target=_work, args=(job, theirs), daemon=True)
            worker.start()
            theirs.close()  # the only other end: if that is closed, its process has ended
            workers[ours] = worker
        left = set(workers)
        missing = len(job.incarnations)
        while left:
            for ready in wait([*left], TOLD_EVERY_S):
                assert isinstance(ready, Connection), "nothing else was asked for"
                try:
                    told = ready.recv()
                except EOFError:
                    left.remove(ready)
                    continue
                if isinstance(told, Exception):
                    raise told
                missing -= 1
                yield told
            if progress is not None:
                at = job.incarnations[min(job.turn.value, len(job.incarnations)) - 1]
                progress(at.actor, at.number, job.read.value)
        if missing:
            raise TrailError("a process that ran a part of the trail again was ended from outside; try again")
    finally:
        for each in workers.values():
            each.terminate()
        for pipe, each in workers.items():
            each.join(ENDING_S)
            pipe.close()


def _work(job: Job, out: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for us is told, and ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def told(_incarnation: Incarnation, entries: int) -> None:
        with job.read.get_lock():
            job.read.value += entries

    try:
        with contextlib.closing(History.of(job.home)) as history:
            history.reads = job.reads
            while (at := _next(job)) < len(job.incarnations):
                before = job.reads.opened
                judgement = judged(history, job.core_of, job.incarnations[at], job.bounds, told)
                out.send(Done(at, judgement, job.reads.opened - before))
    except Exception as error:  # noqa: BLE001  # the top of a process: whoever waits raises it
        with contextlib.suppress(OSError):
            out.send(error)


def _next(job: Job) -> int:
    with job.turn.get_lock():
        at: int = job.turn.value
        job.turn.value += 1
    return at
