"""The exchange: the loop that every process of the system runs, and the mail that goes through it.

Between any two messages it looks, in this order, at: a call to stop, a request to end, children that may have ended,
what is due, watched descriptors; then it hands out one message and writes what that left to be written.  While there is
a backlog, descriptors are looked at every few milliseconds.

Only one thread at a time runs the loop; any thread may send.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from thespian.actors import ActorAddress, ActorExitRequest, WakeupMessage, WatchMessage
from thespian.system.addressManager import ActorAddressManager
from thespian.system.messages.multiproc import ChildMayHaveDied
from thespian.system.transport import ReceiveEnvelope

from alluse_hub.supervision.engine.address import SocketAddress
from alluse_hub.supervision.engine.agenda import Agenda
from alluse_hub.supervision.engine.allowed import RefusedClassError
from alluse_hub.supervision.engine.door import Door
from alluse_hub.supervision.engine.frames import Frame
from alluse_hub.supervision.engine.inbox import Inbox, Source
from alluse_hub.supervision.engine.letters import CONTROL, Fate, Letter
from alluse_hub.supervision.engine.link import Link
from alluse_hub.supervision.engine.poller import Poller
from alluse_hub.supervision.engine.settings import Settings
from alluse_hub.supervision.engine.switchboard import LOST, Switchboard

LOOK_EVERY_S = 0.002
"""While a backlog is worked off: how often descriptors are looked at."""

RELIEF_S = 5.0
"""How long a sender in a handler waits for a peer with too much unsent; afterwards it goes on, up to the hard bound."""

RELIEF_LOOK_S = 0.01


FATES_MAX = 10_000
"""Letters of one handler call that have failed already; each waits in memory to be told."""


class FloodError(Exception):
    """The handler goes on sending to a peer that takes nothing."""


class FrameTooLargeError(Exception):
    """The message is above the largest frame any peer would take."""


@dataclass(frozen=True, slots=True)
class Wakeup:
    """``period`` and ``payload`` as the actor gave them."""

    period: timedelta | float
    payload: Any  # the actor's


class Exchange:
    """Made in the process that uses it, after the fork."""

    def __init__(self, settings: Settings, own: ActorAddress) -> None:
        self.settings = settings
        self.own = own
        self.addresses: ActorAddressManager | None = None
        self.handled = 0
        self.sent = 0
        self.stop: bool | None = None  # leave the loop; True: once everything is written
        self.must_end = False
        self.must_look_at_children = False
        self.wakeups = Agenda()
        self.chores = Agenda()
        self.poller = Poller()
        self.inbox = Inbox()
        self.board = Switchboard(
            settings,
            Door(own.addressDetails, settings.frame_max_bytes),
            self.poller,
            self.inbox,
            self.chores,
        )
        self._lock = threading.RLock()
        self._runner = 0  # the thread that runs the loop
        self._own_path: str = own.addressDetails.path
        self._own_mail = Source()
        self._in_hand: Link | None = None
        self._watched: list[int] = []
        self._watch_ready: set[int] = set()
        self._looked_at = 0.0
        self._is_relieving = False
        self._is_closed = False

    def close(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self.board.flush_all()
            self.board.acknowledge_all()
            self.board.close()
            self.poller.close()

    def ring(self) -> None:
        """Have the loop look up.  May be called from a signal handler and from any thread."""
        self.poller.ring()

    # --- out ---------------------------------------------------------------------------------------------------------

    def post(self, letter: Letter) -> None:
        """Send; ``letter.to`` must be a socket's address.  Raises FrameTooLargeError, FloodError."""
        to: SocketAddress = letter.to.addressDetails
        is_outsider = self._runner not in {0, threading.get_ident()}
        if to.path == self._own_path:
            self.deliver(ReceiveEnvelope(self.own, letter.message))
            if letter.wants_receipt:
                self.board.tell(letter, Fate.SENT)
            return
        if len(letter.payload) > self.settings.frame_max_bytes:
            most = self.settings.frame_max_bytes
            raise FrameTooLargeError(f"a message of {len(letter.payload)} bytes; at most {most} are sent")
        letter.answers = to.request
        self.sent += 1
        with self._lock:
            link = self.board.post(to.path, letter)
        if is_outsider:
            self.ring()
        elif link is None:
            if len(self.board.acts) > FATES_MAX:
                raise FloodError(f"{FATES_MAX} letters have failed since the last message was handled")
        elif link.queued_bytes > self.settings.queue_high_bytes:
            self._relieve(link)

    def deliver(self, envelope: ReceiveEnvelope) -> None:
        """Put something into our own inbox, as it is."""
        with self._lock:
            self.inbox.add(self._own_mail, envelope, is_urgent=type(envelope.message) in CONTROL)
        if self._runner not in {0, threading.get_ident()}:
            self.ring()

    def after_last_word(self, pid: int, act: Callable[[], None]) -> None:
        """Run ``act`` in the loop once everything that the ended process ``pid`` wrote to us has been handled."""
        with self._lock:
            self.board.after_last_word(pid, act)

    def _relieve(self, link: Link) -> None:
        """Give a peer that is behind time to catch up; meanwhile take in mail, lest two floods block each other."""
        if self._is_relieving or link.is_behind:
            return
        self._is_relieving = True
        until = time.monotonic() + RELIEF_S
        try:
            while link.queued_bytes > self.settings.queue_high_bytes and not link.is_lost and not link.is_mute:
                if time.monotonic() > until:
                    link.is_behind = True
                    return
                self._do_chores()
                self._look_hard(RELIEF_LOOK_S)
        finally:
            self._is_relieving = False

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self, handler: Callable[[ReceiveEnvelope], object] | None, deadline: float) -> tuple[str, Any]:
        """Hand out messages until told otherwise: ("stopped" | "expired", None), ("result", what the handler said to
        end the run) or, without a handler, ("mail", the first envelope).  ``deadline``: monotonic seconds."""
        self.stop = None
        self._runner = threading.get_ident()
        try:
            while not self._is_stopped():
                envelope = self._next()
                if envelope is None:
                    if not self._wait(deadline):
                        return "expired", None
                    continue
                self.handled += 1
                if handler is None:
                    self._settle()
                    return "mail", envelope
                result = handler(envelope)
                self._settle()
                if not result:
                    return "result", result
                now = time.monotonic()
                if now >= self._looked_at + LOOK_EVERY_S:
                    self.look(0.0)
                if now >= deadline:
                    return "expired", None
            return "stopped", None
        finally:
            with self._lock:
                self.board.flush_all()
                self.board.acknowledge_all()
            self._runner = 0

    def write_out(self, deadline: float, *, await_receipts: bool = False, only: str = "") -> int:
        """Write what waits to be written, ``only`` to one peer if given; how many peers still have something waiting at
        the deadline."""
        self._runner = threading.get_ident()
        try:
            is_over = False
            while True:
                self._do_acts(is_last=True)
                self._do_chores()
                with self._lock:
                    self.board.flush_all()
                    left = self.board.unwritten(only) + (self.board.awaiting_receipt() if await_receipts else 0)
                if not left or is_over:
                    return left
                now = time.monotonic()
                is_over = now >= deadline
                due = self.chores.next_due()
                self._look_hard(min(deadline, math.inf if due is None else due, now + 1.0) - now)
        finally:
            self._runner = 0

    def _is_stopped(self) -> bool:
        return self.stop is not None

    def unwritten(self, only: str = "") -> int:
        with self._lock:
            return self.board.unwritten(only)

    def _settle(self) -> None:
        """The message in hand has been handled."""
        link, self._in_hand = self._in_hand, None
        with self._lock:
            self.board.turn += 1
            if link is not None:
                self.board.handled_one(link)
            self.board.flush_all()

    def _next(self) -> ReceiveEnvelope | None:
        if self.must_end:
            self.must_end = False
            return ReceiveEnvelope(self.own, ActorExitRequest())
        if self.must_look_at_children:
            self.must_look_at_children = False
            return ReceiveEnvelope(self.own, ChildMayHaveDied())
        self._do_chores()
        if len(self.wakeups) and (due := self.wakeups.take(time.monotonic())) is not None:
            return ReceiveEnvelope(self.own, WakeupMessage(due.period, due.payload))
        if self._watch_ready:
            ready = [fd for fd in self._watched if fd in self._watch_ready]
            self._watch_ready.clear()
            if ready:
                return ReceiveEnvelope(self.own, WatchMessage(ready))
        return self._next_mail()

    def _next_mail(self) -> ReceiveEnvelope | None:
        while True:
            if self.board.acts:
                self._do_acts()
            with self._lock:
                taken = self.inbox.take()
            if taken is None:
                return None
            source, item = taken
            if isinstance(source, Link) and type(item) is Frame:
                self.board.inbox_bytes -= len(item.payload)
                if (envelope := self._open(source, item)) is not None:
                    return envelope
            elif isinstance(source, Link) and item is LOST:
                with self._lock:
                    self.board.bury(source)
            else:
                return item

    def _open(self, link: Link, frame: Frame) -> ReceiveEnvelope | None:
        try:
            message = self.settings.allowed.decode(frame.payload)
        except Exception as error:  # noqa: BLE001  # unpickling may raise anything; the sender is told
            if isinstance(error, RefusedClassError):
                self.board.door.refuse(f"{link.path}: {error}")
            with self._lock:
                self.board.refuse(link, f"{type(error).__name__}: {error}")
                self.board.handled_one(link)
                self.board.flush_all()
            return None
        self._in_hand = link
        if link.sender is None:
            link.sender = self._known(ActorAddress(SocketAddress(link.path)))
        sender = link.sender
        if frame.asked:
            sender = self._known(ActorAddress(SocketAddress(link.path, frame.asked)))
        envelope = ReceiveEnvelope(sender, message)
        if frame.answers:
            envelope.answers = frame.answers
        return envelope

    def _known(self, address: ActorAddress) -> ActorAddress:
        if self.addresses is not None:
            self.addresses.importAddr(address)
        return address

    def _do_acts(self, *, is_last: bool = False) -> None:
        acts = self.board.acts
        while acts and (is_last or self.inbox.taken >= acts[0][0]):
            acts.popleft()[1]()

    def _do_chores(self) -> None:
        while len(self.chores) and (chore := self.chores.take(time.monotonic())) is not None:
            with self._lock:
                chore()

    def _wait(self, deadline: float) -> bool:
        """Wait for something to do; False if there was nothing until the deadline."""
        with self._lock:
            self.board.turn += 1
            self.board.flush_all()
            now = time.monotonic()
            ack_due = self.board.ack_due
            if ack_due is not None and now >= ack_due:
                self.board.acknowledge_all()
                ack_due = None
        until = deadline
        for due in (ack_due, self.wakeups.next_due(), self.chores.next_due()):
            if due is not None and due < until:
                until = due
        is_busy = self.look(None if until == math.inf else max(0.0, until - now))
        return is_busy or bool(self.board.acts) or time.monotonic() < deadline

    def look(self, timeout_s: float | None, *, greedy: bool = False) -> bool:
        """Deal with descriptors that are ready, waiting for them if there are none; whether there were any."""
        ready = self.poller.poll(timeout_s)
        self._looked_at = time.monotonic()
        with self._lock:
            if self.board.ack_due is not None and self._looked_at >= self.board.ack_due:
                self.board.acknowledge_all()
            for fd, events in ready:
                if not self.board.ready(fd, events, greedy=greedy) and fd in self._watched:
                    self._watch_ready.add(fd)
        return bool(ready)

    def _look_hard(self, timeout_s: float) -> None:
        """Look while nothing is handed out: read ahead, within bounds; acknowledgements may stand behind mail."""
        may_read = self.board.inbox_bytes < self.settings.inbox_max_bytes
        self.look(max(0.0, timeout_s), greedy=may_read)
        if not may_read:
            time.sleep(LOOK_EVERY_S)  # what is ready may not be read, and would be reported again at once

    # --- watched descriptors -----------------------------------------------------------------------------------------

    def watch(self, filenos: list[int]) -> None:
        """Watch these and no others; called after every message, so that nothing is the cheapest case."""
        if not filenos and not self._watched:
            return
        for fd in self._watched:
            if fd not in filenos:
                self.poller.remove(fd)
        # A number may mean another file by now, so each is looked at again.
        self._watched = [fd for fd in filenos if self.poller.watch(fd)]
