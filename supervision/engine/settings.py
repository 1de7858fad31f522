"""The bounds of one actor system, the same for all its processes."""

from dataclasses import dataclass
from pathlib import Path

from alluse_hub.supervision.engine.allowed import HUB, Allowed

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """``room``: the runtime directory, which holds the sockets and the admin's lock.

    ``queue_high_bytes``: unsent bytes to one peer above which a sender in a handler waits a little;
    ``queue_max_bytes``: above which its sends fail.  ``inbox_max_bytes``: read ahead at most while it waits.
    ``connections_max``: above which idle connections are closed.
    """

    room: Path
    allowed: Allowed = HUB
    frame_max_bytes: int = 16 * MIB
    queue_high_bytes: int = 32 * MIB
    queue_max_bytes: int = 128 * MIB
    inbox_max_bytes: int = 64 * MIB
    connections_max: int = 512
