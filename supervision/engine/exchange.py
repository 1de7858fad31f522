"""The exchange: the loop that every process of the system runs, and the mail that goes through it.

Between any two messages it looks, in this order, at: a call to stop, a request to end, children that may have ended,
what is due, watched descriptors; then it hands out one message and writes what that left to be written.  While there is
a backlog, descriptors are looked at every few milliseconds.

Only one thread at a time runs the loop; any thread may send.  What the loop's thread alone touches has no lock: the
inbox, what is in hand, what is owed.  The lock is for the switchboard's links; a message takes it twice, for its answer
to be written and for the next to be read.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import get_ident
from time import monotonic, sleep
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
from alluse_hub.supervision.engine.letters import CONTROL, Envelope, Fate, Letter
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
        self._frame_max = settings.frame_max_bytes
        self._queue_high = settings.queue_high_bytes
        self._encode = settings.allowed.encode
        self._decode = settings.allowed.decode
        self._lock = threading.RLock()
        self._runner = 0  # the thread that runs the loop
        self._own_path: str = own.addressDetails.path
        self._own_mail = Source()
        self._handed_in: deque[ReceiveEnvelope] = deque()  # own mail from other threads
        self._in_hand: Link | None = None
        self.watched: list[int] = []
        self._watch_ready: set[int] = set()
        self._now = 0.0  # the clock, as read when the poll or the handler last returned
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

    def post(self, letter: Letter, to: SocketAddress) -> None:
        """Send; ``to`` is where ``letter.to`` leads.

        Raises FrameTooLargeError, FloodError, and whatever encoding raises.
        """
        path = to.path
        if path == self._own_path:
            self.deliver(Envelope(self.own, letter.message))
            if letter.wants_receipt:
                self.board.tell(letter, Fate.SENT)
            return
        payload = letter.payload = self._encode(letter.message)
        if len(payload) > self._frame_max:
            raise FrameTooLargeError(f"a message of {len(payload)} bytes; at most {self._frame_max} are sent")
        letter.answers = to.request
        self.sent += 1
        with self._lock:
            link = self.board.post(path, letter)
        if self._runner != get_ident():
            self._rouse()
        elif link is None:
            if len(self.board.acts) > FATES_MAX:
                raise FloodError(f"{FATES_MAX} letters have failed since the last message was handled")
        elif link.queued_bytes > self._queue_high:
            self._relieve(link)

    def deliver(self, envelope: ReceiveEnvelope) -> None:
        """Put something into our own inbox, as it is."""
        if self._runner == get_ident():
            self._take_in(envelope)
        else:
            self._handed_in.append(envelope)
            self.ring()

    def _take_in(self, envelope: ReceiveEnvelope) -> None:
        self.inbox.add(self._own_mail, envelope, is_urgent=type(envelope.message) in CONTROL)

    def wake_at(self, due: float, wakeup: Wakeup) -> None:
        self.wakeups.add(due, wakeup)
        self._rouse()

    def do_at(self, due: float, chore: Callable[[], object]) -> None:
        self.chores.add(due, chore)
        self._rouse()

    def _rouse(self) -> None:
        """What a thread has left to be done is done by the loop's, if that is another and may be asleep."""
        if self._runner and self._runner != get_ident():
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
        until = monotonic() + RELIEF_S
        try:
            while link.queued_bytes > self._queue_high and not link.is_lost and not link.is_mute:
                if monotonic() > until:
                    link.is_behind = True
                    return
                self._do_chores(self._now)
                self._look_hard(RELIEF_LOOK_S)
        finally:
            self._is_relieving = False

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self, handler: Callable[[ReceiveEnvelope], object] | None, deadline: float) -> tuple[str, Any]:
        """Hand out messages until told otherwise: ("stopped" | "expired", None), ("result", what the handler said to
        end the run) or, without a handler, ("mail", the first envelope).  ``deadline``: monotonic seconds."""
        self._begin()
        try:
            while self.stop is None:
                envelope = self._next()
                if envelope is None:
                    if not self._wait(deadline):
                        return "expired", None
                    continue
                self.handled += 1
                result = None if handler is None else handler(envelope)
                self._settle()
                if handler is None:
                    return "mail", envelope
                if not result:
                    return "result", result
                if self._now >= self._looked_at + LOOK_EVERY_S:
                    self.look(0.0)
                if self._now >= deadline:
                    return "expired", None
            return "stopped", None
        finally:
            with self._lock:
                self.board.flush_all()
                self.board.acknowledge_all()
            self._runner = 0

    def _begin(self) -> None:
        self.stop = None
        self._runner = get_ident()
        self._now = monotonic()

    def write_out(self, deadline: float, *, await_receipts: bool = False, only: str = "") -> int:
        """Write what waits to be written, ``only`` to one peer if given; how many peers still have something waiting at
        the deadline."""
        self._runner = get_ident()
        try:
            is_over = False
            while True:
                self._do_acts(is_last=True)
                self._do_chores(monotonic())
                with self._lock:
                    self.board.flush_all()
                    left = self.board.unwritten(only) + (self.board.awaiting_receipt() if await_receipts else 0)
                if not left or is_over:
                    return left
                now = monotonic()
                is_over = now >= deadline
                self._look_hard(min(deadline, self.chores.due, now + 1.0) - now)
        finally:
            self._runner = 0

    def unwritten(self, only: str = "") -> int:
        with self._lock:
            return self.board.unwritten(only)

    def _settle(self) -> None:
        """The message in hand has been handled."""
        self._now = monotonic()
        board = self.board
        board.turn += 1
        link = self._in_hand
        if link is not None:
            self._in_hand = None
            board.owed.handled_one(link, self._now)
        if board.dirty:
            with self._lock:
                board.flush_all()

    def _next(self) -> ReceiveEnvelope | None:
        if self.must_end:
            self.must_end = False
            return Envelope(self.own, ActorExitRequest())
        if self.must_look_at_children:
            self.must_look_at_children = False
            return Envelope(self.own, ChildMayHaveDied())
        now = self._now
        if self.chores.due <= now:
            self._do_chores(now)
        if self.wakeups.due <= now:
            due = self.wakeups.take(now)
            return Envelope(self.own, WakeupMessage(due.period, due.payload))
        if self._watch_ready:
            ready = [fd for fd in self.watched if fd in self._watch_ready]
            self._watch_ready.clear()
            if ready:
                return Envelope(self.own, WatchMessage(ready))
        while self._handed_in:
            self._take_in(self._handed_in.popleft())
        if self.inbox.turns or self.board.acts:
            return self._next_mail()
        return None

    def _next_mail(self) -> ReceiveEnvelope | None:
        board = self.board
        while True:
            if board.acts:
                self._do_acts()
            taken = self.inbox.take()
            if taken is None:
                return None
            source, item = taken
            if type(item) is Frame:
                if (envelope := self._open(source, item)) is not None:
                    return envelope
            elif item is LOST:
                with self._lock:
                    board.bury(source)
            else:
                return item

    def _open(self, link: Link, frame: Frame) -> ReceiveEnvelope | None:
        _, _, asked, answers, payload = frame
        self.board.inbox_bytes -= len(payload)
        try:
            message = self._decode(payload)
        except Exception as error:  # noqa: BLE001  # unpickling may raise anything; the sender is told
            if isinstance(error, RefusedClassError):
                self.board.door.refuse(f"{link.path}: {error}")
            with self._lock:
                self.board.refuse(link, f"{type(error).__name__}: {error}")
                self.board.owed.handled_one(link, self._now)
                self.board.flush_all()
            return None
        self._in_hand = link
        if asked:
            sender = self._sender(link, asked)
        elif link.sender is None:
            sender = link.sender = self._sender(link)
        else:
            sender = link.sender
        return Envelope(sender, message, answers)

    def _sender(self, link: Link, request: int = 0) -> ActorAddress:
        address = ActorAddress(SocketAddress(link.path, request))
        if self.addresses is not None:
            self.addresses.importAddr(address)
        return address

    def _do_acts(self, *, is_last: bool = False) -> None:
        acts = self.board.acts
        while acts and (is_last or self.inbox.taken >= acts[0][0]):
            acts.popleft()[1]()

    def _do_chores(self, now: float) -> None:
        while (chore := self.chores.take(now)) is not None:
            with self._lock:
                chore()

    def _wait(self, deadline: float) -> bool:
        """Wait for something to do; False if there was nothing until the deadline."""
        board = self.board
        if board.dirty:
            with self._lock:
                board.flush_all()
        board.turn += 1
        until = min(deadline, board.owed.due, self.wakeups.due, self.chores.due)
        is_busy = self.look(None if until == math.inf else max(0.0, until - self._now))
        return is_busy or bool(board.acts or self._handed_in) or self._now < deadline

    def look(self, timeout_s: float | None, *, greedy: bool = False) -> bool:
        """Deal with descriptors that are ready, waiting for them if there are none; whether there were any."""
        ready = self.poller.poll(timeout_s)
        self._looked_at = self._now = monotonic()
        board = self.board
        with self._lock:
            if board.owed.due <= self._now:
                board.acknowledge_all()
            others = board.attend(ready, greedy=greedy)
        if others:
            self._watch_ready.update(fd for fd in others if fd in self.watched)
        return bool(ready)

    def _look_hard(self, timeout_s: float) -> None:
        """Look while nothing is handed out: read ahead, within bounds; acknowledgements may stand behind mail."""
        may_read = self.board.inbox_bytes < self.settings.inbox_max_bytes
        self.look(max(0.0, timeout_s), greedy=may_read)
        if not may_read:
            sleep(LOOK_EVERY_S)  # what is ready may not be read, and would be reported again at once

    # --- watched descriptors -----------------------------------------------------------------------------------------

    def watch(self, filenos: Sequence[int]) -> None:
        """Watch these and no others."""
        for fd in self.watched:
            if fd not in filenos:
                self.poller.remove(fd)
        # A number may mean another file by now, so each is looked at again.
        self.watched = [fd for fd in filenos if self.poller.watch(fd)]
