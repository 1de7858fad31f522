"""How a command fails: an exit status, what is wrong, and what to do.

The statuses are those of ``protocols.admin.Code``; they stand here again because the control script loads nothing of
the daemon, and a test holds the two together.
"""

DONE = 0
FAILED = 1
USAGE = 2
UNHEALTHY = 3
UNREACHABLE = 4
FORBIDDEN = 5
NOT_FOUND = 6
CONFLICT = 7
WAITING = 8
TIMED_OUT = 9
TRAIL_BROKEN = 10
OUT_OF_ORDER = 11
ENDED_ITSELF = 12
INTERRUPTED = 130


class Failure(Exception):  # noqa: N818  # it is how a command ends, and reads so where it is raised
    """Ends the command with ``code``; ``message`` and ``hint`` are for the person, or for stderr as JSON."""

    def __init__(self, code: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
