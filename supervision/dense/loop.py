"""The loop: who is given a turn, and what is waited for when nobody has anything to do.

Tenants with mail take turns of at most ``TURN_LETTERS``; after ``WORK_S`` at the latest the loop looks what else has
come: wakeups that are due, descriptors that are watched, what other threads have handed in.  When there is nothing it
sleeps in the kernel, in one epoll, until there is.

One thread runs the loop at a time.  Whoever waits for something runs it, or waits until another thread that runs it
has brought that about.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from thespian.actors import ActorSystemFailure, ActorSystemRequestTimeout

from alluse_hub.supervision.engine.agenda import Agenda
from alluse_hub.supervision.engine.poller import Poller

TURN_LETTERS = 16
"""Letters of one actor before the next has its turn."""

WORK_S = 0.005
"""Work between two looks: a wakeup is late by no more than this and the handler that runs."""

SLEEP_MAX_S = 86_400.0
"""epoll_wait(2) counts milliseconds in an int, which is less than a month."""

HANDED_IN_MAX = 100_000
"""What other threads may have handed in and the loop has not taken; beyond that they wait."""

HAND_IN_S = 60.0
"""How long they wait before they are told that it was not taken."""

LOG = logging.getLogger("alluse_hub.dense")


class Listed(Protocol):
    """What the loop needs to know of an actor.  ``is_called``: it has mail that tells of a watched descriptor."""

    is_listed: bool
    is_called: bool
    watched: tuple[int, ...]


class Hands(Protocol):
    """What the loop calls.  ``turn``: whether the actor has more to do."""

    def turn(self, who: Any, until: float) -> bool: ...  # Any: what was listed
    def wake(self, wakeup: Any) -> None: ...  # Any: what was put on the agenda
    def call(self, who: Any, ready: list[int]) -> None: ...  # Any: as above


class Loop:
    def __init__(self, hands: Hands) -> None:
        self.agenda = Agenda()
        self.runner = 0
        """The thread that runs the loop; 0 if none does."""
        self.is_closed = False
        self._hands = hands
        self._poller = Poller()
        self._ready: deque[Any] = deque()  # those listed
        self._watchers: dict[int, list[Any]] = {}  # as above, by descriptor
        self._handed_in: deque[Callable[[], object]] = deque()
        self._is_asleep = False
        self._changed = threading.Condition(threading.RLock())
        self._waiting = 0  # threads that wait on it

    # --- for the thread that runs it ----------------------------------------------------------------------------------

    def list_up(self, who: Any) -> None:  # as above
        """It has something to do."""
        who.is_listed = True
        self._ready.append(who)

    def watch(self, who: Any, descriptors: tuple[int, ...]) -> None:  # as above
        """Call it when one of these can be read, and for no others."""
        for fd in who.watched:
            if fd not in descriptors:
                self._forget(who, fd)
        found = []
        for fd in descriptors:
            if not self._poller.watch(fd):  # each time: the number may stand for another file than before
                self._forget(who, fd)
                LOG.warning("descriptor %s cannot be watched", fd)
                continue
            watchers = self._watchers.setdefault(fd, [])
            if who not in watchers:
                watchers.append(who)
            found.append(fd)
        who.watched = tuple(found)

    def _forget(self, who: Any, fd: int) -> None:  # as above
        watchers = self._watchers.get(fd, [])
        if who in watchers:
            watchers.remove(who)
        if not watchers and self._watchers.pop(fd, None) is not None:
            self._poller.remove(fd)

    def notice(self) -> None:
        """Something may have happened that another thread waits for."""
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def _run(self, is_done: Callable[[], bool], deadline: float) -> None:
        self._look(0.0)
        while True:
            self._work()
            if self.is_closed or is_done():
                return
            now = time.monotonic()
            if now >= deadline:
                return
            self._look(0.0 if self._ready else self._patience(now, deadline))

    def _work(self) -> None:
        ready, turn = self._ready, self._hands.turn
        until = time.monotonic() + WORK_S
        while ready:
            who = ready[0]
            has_more = turn(who, until)
            ready.popleft()
            if has_more:
                ready.append(who)
            else:
                who.is_listed = False
            if time.monotonic() >= until:
                return

    def _patience(self, now: float, deadline: float) -> float | None:
        until = min(self.agenda.due, deadline)
        return None if until == math.inf else min(max(0.0, until - now), SLEEP_MAX_S)

    def _look(self, patience_s: float | None) -> None:
        self._is_asleep = patience_s != 0.0
        if self._handed_in:  # looked at after it is known that we sleep, so that nobody forgets to ring
            patience_s = 0.0
        events = self._poller.poll(patience_s)
        if self._is_asleep:
            self._is_asleep = False
            self.notice()
        if events:
            self._call(events)
        if self.agenda:
            now = time.monotonic()
            while (wakeup := self.agenda.take(now)) is not None:
                self._hands.wake(wakeup)
        if self._handed_in:
            for _ in range(len(self._handed_in)):
                self._handed_in.popleft()()
            self.notice()

    def _call(self, events: list[tuple[int, int]]) -> None:
        called: dict[Any, list[int]] = {}  # as above
        for fd, _ in events:
            for who in self._watchers.get(fd, ()):
                if not who.is_called:
                    called.setdefault(who, []).append(fd)
        for who, ready in called.items():
            who.is_called = True
            self._hands.call(who, ready)

    # --- for any thread -----------------------------------------------------------------------------------------------

    def hand_in(self, act: Callable[..., object], *args: Any) -> None:  # Any: of the act
        """Have it done in the loop, in the order of each thread.  Raises ActorSystemRequestTimeout if the loop takes
        nothing any more."""
        if threading.get_ident() == self.runner:
            act(*args)
            return
        if not self._has_room():
            self._await_room()
        self._handed_in.append(partial(act, *args))
        if self._is_asleep:
            self.wake()

    def _await_room(self) -> None:
        self.pump(self._has_room, time.monotonic() + HAND_IN_S)
        if not self.is_closed and not self._has_room():
            raise ActorSystemRequestTimeout(f"{HANDED_IN_MAX} messages were not taken within {HAND_IN_S:.0f} s")

    def _has_room(self) -> bool:
        return len(self._handed_in) < HANDED_IN_MAX

    def wake(self) -> None:
        """Look again whether what is waited for has come.  May be called from a signal handler."""
        with self._changed:  # a lock that its thread may take twice
            if not self.is_closed:
                self._poller.ring()

    def pump(self, is_done: Callable[[], bool], deadline: float) -> None:
        """Run the loop, or let another thread run it, until done, closed or the deadline (monotonic, s)."""
        own = threading.get_ident()
        if own == self.runner:
            raise ActorSystemFailure("an actor cannot wait for another one: send it a message")
        if self._take_over(own, is_done, deadline):
            try:
                self._run(is_done, deadline)
            finally:
                self._leave()

    def lend_a_hand(self) -> None:
        """One look and some work, if no thread runs the loop."""
        with self._changed:
            if self.runner or self.is_closed:
                return
            self.runner = threading.get_ident()
        try:
            self._look(0.0)
            self._work()
        finally:
            self._leave()

    def _take_over(self, own: int, is_done: Callable[[], bool], deadline: float) -> bool:
        """Whether it is for this thread to run the loop."""
        with self._changed:
            self._waiting += 1
            try:
                while self.runner and not is_done():
                    left_s = deadline - time.monotonic()
                    if left_s <= 0.0:
                        return False
                    self._changed.wait(None if left_s == math.inf else left_s)
            finally:
                self._waiting -= 1
            if self.is_closed or is_done():
                return False
            self.runner = own
            return True

    def _leave(self) -> None:
        with self._changed:
            self.runner = 0
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing is done from now on; returns when the thread that ran the loop has left it."""
        with self._changed:
            self.is_closed = True
            self._poller.ring()
            while self.runner:
                self._changed.wait()
            self._poller.close()
        self._handed_in.clear()
        self._ready.clear()
        self._watchers.clear()
