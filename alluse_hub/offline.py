"""The trail without a daemon: what a hub that has ended, or will not start, has on record.

Read-only, from the files of its home; the same answers as over the control socket.
"""

from pathlib import Path

from alluse_hub.actors.auditor import query
from alluse_hub.actors.gateway.trail import NotInTrailError, read
from alluse_hub.protocols.message import Json


def ask(home: Path, what: str, args: Json) -> Json:
    """Raises CallerError for what is not there or cannot be asked, TrailError for a trail that cannot be read."""
    return read(query, home, what, args)


__all__ = ["NotInTrailError", "ask"]
