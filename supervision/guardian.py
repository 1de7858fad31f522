"""The guardian: what ``serve`` is.  No actor; it watches the whole tree from outside.

It holds the lock of the home, ends what an earlier daemon left over (by pid *and* start time; shims and the programs
they hold are left alone and found again by their monitors), starts the host and with it the tree, and begins afresh
when the root or Thespian's admin dies, within an intensity.  It loads no state and can be killed at any moment.
"""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from alluse_hub.protocols import wire
from alluse_hub.protocols.admin import Code
from alluse_hub.protocols.ending import HubEnded
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.lifecycle import ChildStart, Intensity
from alluse_hub.protocols.names import ROOT
from alluse_hub.protocols.personal import PersonalField, as_told
from alluse_hub.supervision import processes
from alluse_hub.supervision.clock import Clock, anchored
from alluse_hub.supervision.farewell import told_of
from alluse_hub.supervision.host_line import PULSE_S, SILENT_S, SILENT_SHARED_S, GuardianEnd, line
from alluse_hub.supervision.lock import locked
from alluse_hub.supervision.lodging import DENSE
from alluse_hub.supervision.restarts import count_restart
from alluse_hub.supervision.shell import ENDED
from alluse_hub.supervision.starts import Book, Event
from alluse_hub.supervision.system import DOORBELL, ENGINE, SHUTDOWN_S, STOCK, clear_room, root_of, serve_host
from alluse_hub.supervision.words import House

START_S = 60.0
"""From the fork of the host to an answer on the control socket; a cold start on a loaded machine takes about 3 s."""

TREE_INTENSITY = Intensity(restarts=5, period_s=60.0)
"""Deaths of the whole tree that the guardian repairs; one more and it ends, for the service manager to decide."""

ANCHOR_EVERY_S = 60.0
"""How often hub time is written down, so that it does not go back after a reboot."""

TIDY_EVERY_S = 20.0
"""How often the dead are taken out of the register: who goes with a killed supervisor has nobody left to do it."""

LOOK_S = 0.02

BACKSTOP_S = 5.0
"""How much longer than its deadline the guardian waits for a tree that is to end: the root keeps to it, if it lives."""

STOPPED_S = 5.0
"""One of Thespian's own processes that a signal has stopped for longer is not waited for."""

OUT_OF_ORDER = Code.OUT_OF_ORDER.value
"""Exit status: ended as asked, but somebody overran, or it was hurried."""

ENDED_ITSELF = 12
"""Exit status: a supervisor whose limit stops the platform reached it, and the hub ended for that, in order or not."""

ENDS = {OUT_OF_ORDER: "as asked, but not all in order", ENDED_ITSELF: "by itself: a limit stops the hub"}
"""How that stands in the book of starts."""

REST_S = 2.0
"""How long the guardian goes on ending what is left of a tree."""

STOCK_WARNING = (
    "warning: on the stock base the actors talk over TCP ports on all interfaces, and whoever connects can run code as"
    " this user; letters may overtake one another, hung actors are not ended, and everything is slower; keep this"
    " machine's ports closed, or use the hub's own transport: [hub] base = 'engine'"
)


@dataclass(slots=True)
class Guardian:
    """``say`` prints one line for a person, ``report`` one about an end, for whoever keeps books.  ``shutdown_s``: how
    long the tree may take to end in order; its root knows that as well, and shares it out.  ``prepare`` is done first
    of all when the home is ours; what it raises, ``run`` raises.  ``silent_s``: instead of ``host_line``'s own."""

    home: Path
    tree: ChildStart
    reader: str
    version: str
    say: Callable[[str], None]
    base: str = ENGINE
    shutdown_s: float = SHUTDOWN_S
    report: Callable[[str], None] = print
    prepare: Callable[[], None] = lambda: None
    intensity: Intensity = TREE_INTENSITY
    silent_s: float | None = None
    personal: tuple[PersonalField, ...] = ()
    _host: int = 0
    _line: GuardianEnd | None = None
    _system: tuple[processes.Process, ...] = ()  # Thespian's own two
    _stopped_since: dict[int, float] = field(default_factory=dict)  # by pid; monotonic
    _deaths: tuple[float, ...] = ()
    _bell: int = field(default=-1)
    _is_over: bool = False

    def run(self) -> int:
        """Until asked to end (status 0, or ``OUT_OF_ORDER``), until a limit stops the hub (``ENDED_ITSELF``), or until
        the intensity is used up (1).  Raises CallerError if the home is taken."""
        with locked(self.home):
            self.prepare()
            processes.adopt_orphans()
            for left in processes.end_all(self.home):
                self.say(f"ended what an earlier daemon left over: {left.name}, pid {left.pid}")
            if self.base == STOCK:
                self.say(STOCK_WARNING)
            with self._signals():
                clock = anchored(self.home)
                book = Book(self.home, clock, self.say)
                book.begin()
                self.say = book.overhear
                while (status := self._one_tree(clock)) is None:
                    book.tree_died()
                    self._deaths, is_over = count_restart(self._deaths, clock.now(), self.intensity)
                    if is_over:
                        self.say("the tree died too often; giving up")
                        book.end(Event.GAVE_UP, "the tree died too often")
                        return 1
                    self.say("the tree died; starting it again")
                    book.tree_begins()
                book.end(Event.ENDED, ENDS.get(status, "as asked"))
                return status

    def _one_tree(self, clock: Clock) -> int | None:
        """One life of the tree: an exit status when it ended as asked, None when it died."""
        personal = as_told(self.personal)
        house = House(str(self.home), clock.offset, self.reader, self.version, base=self.base, personal=personal)
        for stale in (ENDED, "control.sock"):
            (self.home / "run" / stale).unlink(missing_ok=True)
        self._line = self._fork_host(house)
        try:
            if not self._await_ready():
                return 0 if self._is_over else None
            return self._watch()
        finally:
            self._end_rest()
            self._line.close()
            clear_room(house)

    def _fork_host(self, house: House) -> GuardianEnd:
        guardian = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        silent_s = self.silent_s or (SILENT_SHARED_S if house.base == DENSE else SILENT_S)
        ours, theirs = line(silent_s, time.monotonic())
        self._host = os.fork()
        if self._host == 0:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            if house.base != DENSE:  # else it is the tree, which outlives its guardian on any base
                processes.die_with_parent(guardian)
            os.setsid()  # a Ctrl-C on the terminal is for the guardian, which ends the tree in order
            ours.close()
            serve_host(house, self.tree, theirs)
        theirs.line.close()
        self._system, self._stopped_since = (), {}
        return ours

    def _await_ready(self) -> bool:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._asked():
                self.say("asked to end before it was ready")
                self._is_over = True
                return False
            if is_answering(self.home / "run" / "control.sock"):
                self._register_admin()
                notify("READY=1\nSTATUS=all supervisors are up")
                self.say(f"ready: pid {os.getpid()}, home {self.home}")
                return True
            if self._reaped() or self._root_is_dead():
                return False
            select.select([self._bell], [], [], LOOK_S)
        self.say(f"the hub did not get ready within {START_S:.0f} s; see {self.home / 'log' / 'hub.log'}")
        return False

    def _root_is_dead(self) -> bool:
        """Whether it is in the register, which was empty before this tree, and not alive."""
        roots = [process for process in processes.entered(self.home) if process.name == ROOT]
        return bool(roots) and not any(map(processes.is_alive, roots))

    def _watch(self) -> int | None:
        root = root_of(self.home)
        if root is None:
            return None
        with suppress(OSError), _pidfd(root.pid) as root_fd:
            asked_at = 0.0
            anchored_at = tidied_at = time.monotonic()
            while True:
                wakers, wait_s = ([self._bell], LOOK_S) if asked_at else ([self._bell, root_fd], PULSE_S)
                ready, _, _ = select.select(wakers, [], [], wait_s)
                if time.monotonic() - anchored_at > ANCHOR_EVERY_S:
                    anchored_at = time.monotonic()
                    anchored(self.home)
                if not asked_at and time.monotonic() - tidied_at > TIDY_EVERY_S:
                    tidied_at = time.monotonic()
                    self._register_admin()  # a logger may be another one by now
                    processes.strike_dead(self.home)
                for number in self._asked():
                    if asked_at:
                        self.say("asked again: ending at once")
                        return OUT_OF_ORDER
                    asked_at = time.monotonic()
                    notify("STOPPING=1")
                    self.say(f"ending in order, within {self.shutdown_s:g} s; a second signal ends at once")
                    self._order_end(keep_workstreams=number == signal.SIGUSR1)
                if self._reaped() and (asked_at or _ended_in_order(self.home)):
                    return self._told()
                if root_fd in ready:
                    return self._root_ended()
                if asked_at and time.monotonic() - asked_at > self.shutdown_s + BACKSTOP_S:
                    self.say(f"the tree did not end within {self.shutdown_s:g} s; ending it")
                    return OUT_OF_ORDER
                if not asked_at and self._stands_still():
                    return None
        return None

    def _order_end(self, *, keep_workstreams: bool) -> None:
        if self._line is not None and self._host:
            self._line.order(keep_workstreams=keep_workstreams)
            os.kill(self._host, DOORBELL)

    def _stands_still(self) -> bool:
        """Whether what carries the tree is dead, stopped or hung though the root lives."""
        assert self._line is not None, "watched once begun"
        now = time.monotonic()
        if (silence_s := self._line.silence_s(now)) > self._line.silent_s:
            self.say(f"the root and its host have given no sign of life for {silence_s:.0f} s")
            return True
        if self._host == 0:
            self.say("the host died")
            return True
        for process in self._system:
            if not processes.is_stopped(process):
                self._stopped_since.pop(process.pid, None)
            elif now - self._stopped_since.setdefault(process.pid, now) > STOPPED_S:
                self.say(f"Thespian's {process.name}, pid {process.pid}, has been stopped for {STOPPED_S:.0f} s")
                if process.name == "admin":
                    return True
                processes.kill(process)  # a logger is replaced by the admin
        return False

    def _told(self) -> int:
        """How the end went, as the root left it; a line each."""
        with suppress(OSError, CallerError):
            left = (self.home / "run" / ENDED).read_bytes()
            told = wire.decode(HubEnded.__name__, left) if left else None
            if isinstance(told, HubEnded):
                for each in told_of(told):
                    self.report(each)
                if told.fault:
                    return ENDED_ITSELF
                return 0 if told.is_in_order else OUT_OF_ORDER
            return 0
        self.say("the tree ended without a word")
        return OUT_OF_ORDER

    def _root_ended(self) -> int | None:
        """The root is gone though nobody asked the guardian: by an order over the control socket, or by death."""
        if not _ended_in_order(self.home):
            return None
        self._order_end(keep_workstreams=False)
        deadline = time.monotonic() + BACKSTOP_S
        while not self._reaped() and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        return self._told()

    def _end_rest(self) -> None:
        for left in processes.end_all(self.home):
            if left.name not in {"host", "admin", "logger"}:
                self.say(f"ended: {left.name}, pid {left.pid}")
        if self._host:
            with suppress(ProcessLookupError):
                os.kill(self._host, signal.SIGKILL)
        deadline = time.monotonic() + REST_S
        while (pids := self._orphans()) or not self._reaped():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                break
            self._reaped()
            time.sleep(LOOK_S)
        self._host = 0
        (self.home / "run" / "control.sock").unlink(missing_ok=True)

    def _orphans(self) -> list[int]:
        """Processes of the tree that were never registered and came to us when their parent ended: Thespian's own, of
        a tree that did not get up.  Shims come to us as well, and are left alone."""
        return [pid for pid in processes.children_of(os.getpid()) if processes.name_of(pid).startswith("hub:")]

    def _register_admin(self) -> None:
        """Thespian's own two processes, so that they too can be found by pid and start time."""
        root = root_of(self.home)
        if root is None or root.pid == self._host:
            return  # gone, or in the host with all the others
        admin = processes.parent_of(root.pid)
        loggers = [child for child in processes.children_of(admin) if child != root.pid]
        for pid, name in ((admin, "admin"), *((pid, "logger") for pid in loggers)):
            processes.enter_other(self.home, pid, name)
        own = (processes.Process(pid, processes.start_ticks(pid), "logger") for pid in loggers)
        self._system = (processes.Process(admin, processes.start_ticks(admin), "admin"), *own)

    def _reaped(self) -> bool:
        """Reap whoever has ended; whether the host is among them (or was before)."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                if ended == self._host:
                    self._host = 0
        return self._host == 0

    def _asked(self) -> bytes:
        with suppress(BlockingIOError):
            return bytes(n for n in os.read(self._bell, 64) if n != signal.SIGCHLD)
        return b""

    @contextmanager
    def _signals(self) -> Iterator[None]:
        self._bell, ring = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(ring, False)
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD)
        before = {number: signal.signal(number, lambda _number, _frame: None) for number in numbers}
        old_fd = signal.set_wakeup_fd(ring)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old_fd)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._bell)
            os.close(ring)


def is_answering(path: Path) -> bool:
    with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))
        return True
    return False


def _ended_in_order(home: Path) -> bool:
    """Whether the root said that it ends because it was asked to."""
    return (home / "run" / ENDED).exists()


@contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


def notify(state: str) -> None:
    """Tell the service manager, if there is one (sd_notify(3): a datagram to ``NOTIFY_SOCKET``)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
        channel.sendall(state.encode())
