"""The watch: is the program silent, and is that its own silence?

A failure detector says until when silence is in order; a thread sleeps until then, and no beat wakes it.  Signs of life
stop here: only their absence is told, with its grounds, and their return.

Before a silence is held against the program, it has to be the program's.  What has come and is unread was said: this
process is behind.  A watch that wakes much too late was stopped, and perhaps the program with it: it gets a new period.
Heartbeats that come several at once have waited here, and teach no rhythm.
"""

import math
import threading
import time
from collections.abc import Callable

from alluse_hub.protocols.detection import DetectorKind
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.program import BeatsBack, WentSilent
from alluse_hub.protocols.workstream import MonitorSpec
from alluse_hub.supervision.detector import Deadline, Detector, PhiAccrual

STALL_S = 1.0
STALL_SHARE = 0.25
"""If the watch wakes so much too late, in seconds or as a part of what it waited for, this process stood still."""

UNREAD_LOOK_S = 0.1
"""How soon it looks again when something is unread."""


class Watch:
    """``run`` is for a thread; all else may be called from any.  ``clock`` in seconds that do not step."""

    def __init__(
        self, spec: MonitorSpec, deliver: Callable[[Message], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._spec = spec
        self._deliver = deliver
        self._clock = clock
        self._life = threading.Condition()
        self._detector: Detector = Deadline(clock(), spec.start_timeout_s)
        self._has_unread: Callable[[], bool] = lambda: False
        self._halted: Callable[[], str] = lambda: ""
        self._alive_at = clock()
        self._quiet_from = clock()  # from here on the detector counts: a sign of life, or an excuse
        self._wakes_at = math.inf
        self._is_watched = False
        self._is_silent = False
        self._is_closed = False

    def begin(
        self, has_unread: Callable[[], bool], *, is_greeted: bool, halted: Callable[[], str] = lambda: ""
    ) -> None:
        """A program is attached.  ``has_unread``: has anything come from it that nobody has read?  ``halted``: who is
        stopped, and so cannot be at work?  Neither is asked any more once ``end`` has returned."""
        with self._life:
            now = self._alive_at = self._quiet_from = self._clock()
            self._detector = self._of_rhythm(now) if is_greeted else Deadline(now, self._spec.start_timeout_s)
            self._has_unread = has_unread
            self._halted = halted
            self._is_silent = False
            self._is_watched = True
            self._life.notify()

    def end(self) -> None:
        """It is gone, or let go."""
        with self._life:
            self._is_watched = False

    def close(self) -> None:
        with self._life:
            self._is_closed = True
            self._life.notify()

    @property
    def age_s(self) -> float:
        """Of the last sign of life."""
        with self._life:
            return max(0.0, self._clock() - self._alive_at)

    @property
    def halted(self) -> str:
        """Who is stopped, if it is silent."""
        with self._life:
            return self._halted() if self._is_silent and self._is_watched else ""

    def heard(self, *, beats: int, is_hello: bool = False) -> None:
        """The program has said something; so many heartbeats came with it."""
        with self._life:
            now = self._clock()
            if is_hello:
                self._detector = self._of_rhythm(now)
            elif beats > 1 or (not self._is_silent and self._was_stopped(now)):
                self._detector.excuse(now)
            else:
                self._detector.heard(now, is_beat=beats == 1)
            self._alive_at = self._quiet_from = now
            if self._is_silent:
                self._is_silent = False
                self._deliver(BeatsBack())
            if self._detector.due_at < self._wakes_at:
                self._life.notify()

    def run(self) -> None:
        with self._life:
            while not self._is_closed:
                self._life.wait(self.look())

    def look(self) -> float | None:
        """Judge the silence now; seconds until the next look, or None if nothing is due before something happens."""
        with self._life:
            self._wakes_at = math.inf
            if not self._is_watched or self._is_silent:
                return None
            now = self._clock()
            if self._was_stopped(now):
                self._detector.excuse(now)
                self._quiet_from = now
            if now < self._detector.due_at:
                self._wakes_at = self._detector.due_at
            elif self._has_unread():
                self._wakes_at = now + UNREAD_LOOK_S
            else:
                self._is_silent = True
                why, halted = self._detector.why(now), self._halted()
                self._deliver(WentSilent(age_s=now - self._alive_at, why=why, halted=halted))
                return None
            return self._wakes_at - now

    def _was_stopped(self, now: float) -> bool:
        """Whether this process, which should have judged by now, did not run."""
        due_at = self._detector.due_at
        return now - due_at > min(STALL_S, STALL_SHARE * (due_at - self._quiet_from))

    def _of_rhythm(self, now: float) -> Detector:
        spec = self._spec
        match spec.detector:
            case DetectorKind.DEADLINE:
                return Deadline(now, spec.heartbeat_timeout_s)
            case DetectorKind.PHI:
                return PhiAccrual(
                    now,
                    spec.heartbeat_timeout_s,
                    threshold=spec.phi_threshold,
                    window=spec.phi_window,
                    deviation_min_s=spec.phi_deviation_min_s,
                    pause_s=spec.phi_pause_s,
                )
