"""The workshop: where an actor's worker does its I/O, apart from the mailbox.

With a thread of its own the worker may block without stopping the mailbox; jobs reach it in order through a bounded
queue.  Inline, as in a process that many actors share, a job is done where it is asked for, and whatever blocks, blocks
all.  What a worker says comes back through ``heard`` either way; it may be said from any thread, and rings.

To wake a thread costs more than most jobs, so a worker may be *prompt*: what takes no waiting it does in the mailbox's
own thread, as long as its thread has nothing to do; and it may have sources, descriptors that the mailbox watches and
has it read.
"""

import queue
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from alluse_hub.protocols.message import Message
from alluse_hub.supervision.pings import Work

JOBS_MAX = 10_000
"""Jobs that may wait for the worker; more means it is stuck, and the actor fails rather than grow."""

SAID_MAX = 100_000
"""Words of the worker that may wait for the mailbox; beyond that ``deliver`` blocks and pushes back on the source."""

SPEAKERS_MAX = 64
"""Threads of one worker that may wait to say something when it closes."""

CLOSE_S = 2.0
"""How long an ending actor waits for its worker to let go."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a worker is given.  ``deliver`` may be called from any thread: the message becomes a letter from the actor
    to itself, recorded with its body."""

    name: str
    home: Path
    spec: Message
    deliver: Callable[[Message], None]


class Worker(Protocol):
    """Does the actor's I/O.  An exception out of ``do`` fails the actor; its supervisor decides."""

    def __init__(self, context: Context) -> None: ...
    def do(self, job: Message) -> None: ...
    def close(self) -> None: ...


@runtime_checkable
class PromptWorker(Worker, Protocol):
    """``try_now`` does a job that takes no waiting, or answers False and does nothing.  ``sources`` are the descriptors
    to be watched, the same tuple as long as they are the same; ``read`` takes from one of them what is there."""

    def try_now(self, job: Message) -> bool: ...
    def sources(self) -> tuple[int, ...]: ...
    def read(self, fd: int) -> None: ...


class Workshop:
    """Belongs to the thread that makes it, the mailbox's.

    ``ring`` is called, from any thread, when there is something to be heard or the sources may have changed.
    """

    def __init__(
        self,
        worker: type[Worker],
        name: str,
        home: Path,
        spec: Message,
        ring: Callable[[], None],
        *,
        is_inline: bool = False,
    ) -> None:
        self._ring = ring
        self._said: deque[Message | BaseException] = deque()
        self._room = threading.Semaphore(SAID_MAX)
        self._jobs: queue.Queue[Message | None] = queue.Queue(JOBS_MAX)
        self._is_closed = False
        self._mailbox = threading.get_ident()
        self._given = 0  # jobs, to the thread
        self._in_hand: tuple[Message, float] | None = None  # of the thread, and when it began
        self._done = 0
        self._is_reading = False  # the mailbox looks afterwards, and need not be rung
        self._thread: threading.Thread | None = None
        self._worker: Worker = worker(Context(name, home, spec, self._deliver))
        self._prompt = self._worker if isinstance(self._worker, PromptWorker) else None
        if not is_inline:
            self._thread = threading.Thread(target=self._work, name=f"{name}-worker", daemon=True)
            self._thread.start()

    def _deliver(self, message: Message) -> None:
        if threading.get_ident() == self._mailbox:
            if not self._room.acquire(blocking=False):
                raise OverflowError(f"{SAID_MAX} words of the worker wait for the mailbox")
        elif not self._is_closed:
            self._room.acquire()
        if self._is_closed:
            return  # nobody hears it any more
        self._said.append(message)
        if not self._is_reading:
            self._ring()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._in_hand = job, time.monotonic()
            try:
                self._worker.do(job)
            except BaseException as error:  # noqa: BLE001  # handed to the mailbox, which fails the actor
                self._said.append(error)
                self._ring()
                return
            self._in_hand = None
            self._done += 1
            if self._prompt is not None:
                self._ring()

    @property
    def _is_free(self) -> bool:
        """The thread, if there is one, has nothing to do: what it would touch may be touched here."""
        return self._given == self._done

    def do(self, job: Message) -> None:
        """Raises queue.Full when the worker is stuck; inline or at once, whatever the worker raises."""
        if self._thread is None:
            self._worker.do(job)
        elif not (self._prompt is not None and self._is_free and self._prompt.try_now(job)):
            self._jobs.put_nowait(job)
            self._given += 1

    def sources(self) -> tuple[int, ...]:
        """What to watch until the next ring."""
        return self._prompt.sources() if self._prompt is not None and self._is_free else ()

    def read(self, fd: int) -> None:
        """One of the sources has something; look at ``heard`` afterwards.  Raises whatever the worker raises."""
        if self._prompt is not None and self._is_free and fd in self._prompt.sources():
            self._is_reading = True
            self._prompt.read(fd)
            self._is_reading = False

    def heard(self) -> Message | None:
        """The next word of the worker; None if it has said nothing more.  Raises RuntimeError if the worker failed."""
        if not self._said:
            return None
        word = self._said.popleft()
        if isinstance(word, BaseException):
            raise RuntimeError("".join(traceback.format_exception(word))) from word  # noqa: TRY004  # no matter of types
        self._room.release()
        return word

    @property
    def waiting(self) -> int:
        """Words that have not been heard."""
        return len(self._said)

    @property
    def work(self) -> Work:
        """What the thread is at.  Inline there is nothing: whoever could ask would have to wait."""
        in_hand = self._in_hand
        if in_hand is None:
            return Work()
        job, began = in_hand
        return Work(type(job).__name__, time.monotonic() - began, self._jobs.qsize())

    def close(self) -> None:
        """What was asked of the worker before is still done, within ``CLOSE_S``; once."""
        if self._is_closed:
            return
        self._is_closed = True
        self._room.release(SPEAKERS_MAX)  # whoever waits to say something need not
        if self._thread is not None:
            with suppress(queue.Full):
                self._jobs.put_nowait(None)
            self._thread.join(CLOSE_S)
        self._worker.close()
