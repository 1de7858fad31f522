"""The line between the guardian and its host: orders one way, signs of life the other.

An order is a byte on this line, not a signal that anybody may send: a stray SIGTERM to the host ends nothing.  A sign
of life says that the root has answered a ping, or on the dense base that the loop which runs all actors came round.  So
whatever stands still below the guardian, be it the host, the root or the system between them, falls silent here.

Silence is judged by the guardian's own clock, and only if that ran: one that was stopped itself, or had no turn, has
read nothing and gives everybody a new period.
"""

import socket
from contextlib import suppress
from dataclasses import dataclass

PULSE_S = 2.0
"""How often the host gives a sign of life."""

SILENT_S = 15.0
"""Silent for so long: the tree stands still.  The root does no I/O and answers within milliseconds, on a machine with
ten times the load it should have within a second."""

SILENT_SHARED_S = 75.0
"""The same where all actors share a process: there a job of any worker keeps all others waiting, and it may take as
long as a letter (``shell.HANDLER_LIMIT_S``)."""

STALL_S = 2.0
"""The guardian looks so much later than it wanted to: it stood still itself."""

ASK_S = 5.0
"""How long the host waits for one answer of the root before it asks again."""

END = b"e"
KEEP = b"k"
PULSE = b"."
READ_BYTES = 4_096


@dataclass(slots=True)
class HostEnd:
    """In the host."""

    line: socket.socket

    def pulse(self) -> None:
        with suppress(OSError):  # a guardian that has gone, or does not read: nothing to be done about it here
            self.line.send(PULSE, socket.MSG_DONTWAIT)

    def orders(self) -> list[bool]:
        """What has come: for each order to end, whether the programs are to go on.  None comes after the end of the
        line."""
        try:
            said = self.line.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except OSError:
            return []
        return [byte == KEEP[0] for byte in said if byte in END + KEEP]


@dataclass(slots=True)
class GuardianEnd:
    """In the guardian.  ``heard_at``, ``wanted_at``: monotonic seconds; when it heard last, and by when it wanted to
    look again."""

    line: socket.socket
    silent_s: float
    heard_at: float
    wanted_at: float

    def fileno(self) -> int:
        return self.line.fileno()

    def order(self, *, keep_workstreams: bool) -> None:
        with suppress(OSError):
            self.line.send(KEEP if keep_workstreams else END, socket.MSG_DONTWAIT)

    def silence_s(self, now: float) -> float:
        """Read what has come; how long there has been nothing."""
        with suppress(OSError):
            if self.line.recv(READ_BYTES, socket.MSG_DONTWAIT):
                self.heard_at = now
        if now - self.wanted_at > STALL_S:
            self.heard_at = now
        self.wanted_at = now + PULSE_S
        return now - self.heard_at

    def close(self) -> None:
        self.line.close()


def line(silent_s: float, now: float) -> tuple[GuardianEnd, HostEnd]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return GuardianEnd(ours, silent_s, now, now + PULSE_S), HostEnd(theirs)
