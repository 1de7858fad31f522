"""The children of one process: how they start, how their end is noticed, and how an end is enforced.

A child may speak of its own end (``Farewell``), but is reported ended once only: after its process is gone and all it
had written has been heard, with the cause from waitpid(2).  An exit that was asked for and does not come is enforced:
SIGTERM after the class's grace, SIGKILL a little later.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from thespian.actors import ActorAddress

from alluse_hub.supervision.engine.exits import ExitCause, cause_of
from alluse_hub.supervision.engine.room import sweep
from alluse_hub.supervision.engine.transport import Transport

EXIT_GRACE_S = 5.0
"""From the request to end to SIGTERM, unless the actor's class has an ``exit_grace_s`` of its own."""

KILL_GRACE_S = 1.0
"""From SIGTERM to SIGKILL, unless the actor's class has a ``kill_grace_s`` of its own."""

SWEEP_AFTER_S = 1.0
"""How long after a death the sockets of its descendants, who die with it, are cleared away."""

LOOK_S = 0.001


@dataclass(slots=True, eq=False)
class Child:
    """``number``: its local address at this parent.  ``address``: unknown until it has called.  ``error``: what it said
    it died of."""

    pid: int
    number: int | None
    class_name: str
    exit_grace_s: float = EXIT_GRACE_S
    kill_grace_s: float = KILL_GRACE_S
    address: ActorAddress | None = None
    error: str = ""
    is_ending: bool = False
    is_reaped: bool = False


@dataclass(slots=True)
class Children:
    """``gone``: told of each end, once, in the loop."""

    transport: Transport
    gone: Callable[[Child, ExitCause], None]
    _alive: dict[int, Child] = field(default_factory=dict)  # by pid; until reaped
    _unheard: dict[int, Child] = field(default_factory=dict)  # reaped, but their last word has not been heard
    _will_sweep: bool = False

    def add(self, child: Child) -> None:
        self._alive[child.pid] = child

    def started(self, number: int, address: ActorAddress) -> bool:
        """The child of that number is at ``address``; False if there is none."""
        for child in (*self._alive.values(), *self._unheard.values()):
            if child.number == number:
                child.address = address
                return True
        return False

    def at(self, address: ActorAddress) -> Child | None:
        """The child at ``address`` whose end has not been reported."""
        details = address.addressDetails
        for child in (*self._alive.values(), *self._unheard.values()):
            if child.address is not None and child.address.addressDetails == details:
                return child
        return None

    def reap(self) -> None:
        """See who has ended."""
        for child in list(self._alive.values()):
            try:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
            except ChildProcessError:
                self._ended(child, ExitCause())  # somebody else waited for it
                continue
            if pid:
                self._ended(child, cause_of(status))

    def _ended(self, child: Child, cause: ExitCause) -> None:
        child.is_reaped = True
        self._unheard[child.pid] = self._alive.pop(child.pid)

        def report() -> None:
            self._unheard.pop(child.pid, None)
            self.gone(child, ExitCause(cause.code, cause.signal, child.error))

        self.transport.exchange.after_last_word(child.pid, report)
        if not self._will_sweep:
            self._will_sweep = True
            self.transport.do_after(SWEEP_AFTER_S, self._sweep)

    def _sweep(self) -> None:
        self._will_sweep = False
        sweep(self.transport.settings.room)

    def await_gone(self, patience_s: float) -> None:
        """At the very end: wait a little for those that are ending anyway; the rest dies with this process."""
        deadline = time.monotonic() + patience_s
        for pid in self._alive:
            with suppress(ChildProcessError):
                while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
                    time.sleep(LOOK_S)

    # --- enforcing an end --------------------------------------------------------------------------------------------

    def must_end(self, child: Child) -> None:
        """It has been asked to end; see to it that it does."""
        if not child.is_ending:
            child.is_ending = True
            self.transport.do_after(child.exit_grace_s, lambda: self._terminate(child))

    def must_end_now(self) -> None:
        """Leave no more grace to those that have been asked to end."""
        for child in self._alive.values():
            if child.is_ending:
                self._terminate(child)

    def _terminate(self, child: Child) -> None:
        self._signal(child, signal.SIGTERM)
        self.transport.do_after(child.kill_grace_s, lambda: self._signal(child, signal.SIGKILL))

    @staticmethod
    def _signal(child: Child, number: signal.Signals) -> None:
        if not child.is_reaped:  # so the number is still its own
            with suppress(ProcessLookupError):
                os.kill(child.pid, number)
