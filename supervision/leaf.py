"""A leaf: a shell with a worker thread for I/O, which may block without stopping the mailbox.

Jobs go to the worker in order through a bounded queue; what it says comes back as letters.  The mailbox is woken
through an eventfd that Thespian watches, never by polling.  A leaf creates no children: a fork would copy its threads
half.
"""

import os
import queue
import threading
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from thespian.actors import ThespianWatch, WatchMessage

from alluse_hub.protocols.message import Message
from alluse_hub.supervision.shell import Shell

JOBS_MAX = 10_000
"""Jobs that may wait for the worker; more means it is stuck, and the actor fails rather than grow."""

SAID_MAX = 100_000
"""Words of the worker that may wait for the mailbox; beyond that ``deliver`` blocks and pushes back on the source."""

CLOSE_S = 2.0
"""How long an ending leaf waits for its worker to let go."""


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


class Leaf(Shell):
    worker: ClassVar[type[Worker]]

    def _prepare(self) -> None:
        assert self._life is not None, "the life is made before the worker"
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._said: deque[Message | BaseException] = deque()
        self._is_closed = False
        self._room = threading.Semaphore(SAID_MAX)
        self._jobs: queue.Queue[Message | None] = queue.Queue(JOBS_MAX)
        spec = self.core.spec.model_validate(self._own.spec)
        self._worker: Worker = self.worker(Context(self._own.name, self._home, spec, self._deliver))
        self._thread = threading.Thread(target=self._work, name=f"{self._own.name}-worker", daemon=True)
        self._thread.start()

    def _deliver(self, message: Message) -> None:
        self._room.acquire()
        self._said.append(message)
        os.eventfd_write(self._bell, 1)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._worker.do(job)
            except BaseException as error:  # noqa: BLE001  # handed to the shell, which records it and ends the actor
                self._said.append(error)
                os.eventfd_write(self._bell, 1)
                return

    def do(self, job: Message) -> None:
        self._jobs.put_nowait(job)

    def _other(self, message: object) -> None:
        if not isinstance(message, WatchMessage):
            super()._other(message)
            return
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        for _ in range(len(self._said)):
            word = self._said.popleft()
            if isinstance(word, BaseException):
                raise RuntimeError("".join(traceback.format_exception(word))) from word  # noqa: TRY004  # no matter of types
            self._room.release()
            assert self._life is not None, "a worker speaks only after boot"
            self._life.said(word)

    def _watch(self) -> object:
        return ThespianWatch([self._bell]) if hasattr(self, "_bell") else None

    def _close(self) -> None:
        """What was asked of the worker before the end is still done; once."""
        if hasattr(self, "_worker") and not self._is_closed:
            self._is_closed = True
            with suppress(queue.Full):
                self._jobs.put_nowait(None)
            self._thread.join(CLOSE_S)
            self._worker.close()
