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

from alluse_hub.protocols.lifecycle import ChildStart, Intensity
from alluse_hub.supervision import processes
from alluse_hub.supervision.clock import Clock, anchored
from alluse_hub.supervision.lock import locked
from alluse_hub.supervision.lodging import DENSE
from alluse_hub.supervision.restarts import count_restart
from alluse_hub.supervision.shell import ENDED
from alluse_hub.supervision.system import ENGINE, SHUTDOWN_S, STOCK, clear_room, root_of, serve_host
from alluse_hub.supervision.words import House

START_S = 60.0
"""From the fork of the host to an answer on the control socket; a cold start on a loaded machine takes about 3 s."""

TREE_INTENSITY = Intensity(restarts=5, period_s=60.0)
"""Deaths of the whole tree that the guardian repairs; one more and it ends, for the service manager to decide."""

ANCHOR_EVERY_S = 60.0
"""How often hub time is written down, so that it does not go back after a reboot."""

LOOK_S = 0.02

REST_S = 2.0
"""How long the guardian goes on ending what is left of a tree."""

STOCK_WARNING = (
    "warning: on the stock base the actors talk over TCP ports on all interfaces, and whoever connects can run code as"
    " this user; letters may overtake one another, hung actors are not ended, and everything is slower; keep this"
    " machine's ports closed, or use the hub's own transport: [hub] base = 'engine'"
)


@dataclass(slots=True)
class Guardian:
    """``say`` prints one line for a person."""

    home: Path
    tree: ChildStart
    reader: str
    version: str
    say: Callable[[str], None]
    base: str = ENGINE
    _host: int = 0
    _deaths: tuple[float, ...] = ()
    _bell: int = field(default=-1)
    _is_over: bool = False

    def run(self) -> int:
        """Until asked to end (status 0) or the intensity is used up (1).  Raises CallerError if the home is taken."""
        with locked(self.home):
            processes.adopt_orphans()
            for left in processes.end_all(self.home):
                self.say(f"ended what an earlier daemon left over: {left.name}, pid {left.pid}")
            if self.base == STOCK:
                self.say(STOCK_WARNING)
            with self._signals():
                clock = anchored(self.home)
                while (status := self._one_tree(clock)) is None:
                    self._deaths, is_over = count_restart(self._deaths, clock.now(), TREE_INTENSITY)
                    if is_over:
                        self.say("the tree died too often; giving up")
                        return 1
                    self.say("the tree died; starting it again")
                return status

    def _one_tree(self, clock: Clock) -> int | None:
        """One life of the tree: an exit status when it ended as asked, None when it died."""
        house = House(str(self.home), clock.offset, self.reader, self.version, base=self.base)
        for stale in (ENDED, "control.sock"):
            (self.home / "run" / stale).unlink(missing_ok=True)
        self._host = _fork_host(house, self.tree)
        try:
            if not self._await_ready():
                return 0 if self._is_over else None
            return self._watch()
        finally:
            self._end_rest()
            clear_room(house)

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
            if self._reaped():
                return False
            select.select([self._bell], [], [], LOOK_S)
        self.say(f"the hub did not get ready within {START_S:.0f} s; see {self.home / 'log' / 'hub.log'}")
        return False

    def _watch(self) -> int | None:
        root = root_of(self.home)
        if root is None:
            return None
        with suppress(OSError), _pidfd(root.pid) as root_fd:
            asked_at = 0.0
            while True:
                wakers, wait_s = ([self._bell], LOOK_S) if asked_at else ([self._bell, root_fd], ANCHOR_EVERY_S)
                ready, _, _ = select.select(wakers, [], [], wait_s)
                if not ready:
                    anchored(self.home)
                for number in self._asked():
                    if asked_at:
                        self.say("asked again: ending at once")
                        return 0
                    asked_at = time.monotonic()
                    notify("STOPPING=1")
                    self.say("ending in order; a second signal ends at once")
                    os.kill(self._host, signal.SIGUSR1 if number == signal.SIGUSR1 else signal.SIGTERM)
                if self._reaped() and (asked_at or _ended_in_order(self.home)):
                    return 0
                if root_fd in ready:
                    return self._root_ended()
                if asked_at and time.monotonic() - asked_at > SHUTDOWN_S:
                    self.say(f"the tree did not end within {SHUTDOWN_S:.0f} s; ending it")
                    return 0
        return None

    def _root_ended(self) -> int | None:
        """The root is gone though nobody asked the guardian: by an order over the control socket, or by death."""
        if not _ended_in_order(self.home):
            return None
        os.kill(self._host, signal.SIGTERM)
        deadline = time.monotonic() + SHUTDOWN_S
        while not self._reaped() and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        return 0

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
        processes.enter_other(self.home, admin, "admin")
        for child in processes.children_of(admin):
            if child != root.pid:
                processes.enter_other(self.home, child, "logger")

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


def _fork_host(house: House, tree: ChildStart) -> int:
    guardian = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        if house.base != DENSE:  # else it is the tree, which outlives its guardian on any base
            processes.die_with_parent(guardian)
        os.setsid()  # a Ctrl-C on the terminal is for the guardian, which ends the tree in order
        serve_host(house, tree)
    return pid


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
