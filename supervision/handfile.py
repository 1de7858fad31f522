"""Memory that outlives the process: a file of its own for each actor, ``home/run/hand/<actor>``, mapped.

What a process has put into a shared map is in the kernel's hands, and is there for whoever maps the file next, whatever
the process died of; only the machine must not go down.  To put it there takes no system call.
"""

import mmap
import os
from pathlib import Path

from alluse_hub.supervision.inhand import HAND_BYTES, Hand, letter_in
from alluse_hub.supervision.spool import Veiling


def hand_of(home: Path, name: str, incarnation: int, version: str, now: float, veil: Veiling | None = None) -> Hand:
    """On a full disk a hand that leaves nothing to the next: an actor must be able to start there."""
    try:
        memory = _mapped(home / "run" / "hand", name)
    except OSError:
        return Hand.forgetful()
    return Hand(memory, incarnation, version, now, None if veil is None else veil.shadow)


def letter_in_hand(home: Path, name: str) -> str:
    """Of an actor that is gone: id of the letter that it had in hand; empty if it had none, or nobody can tell."""
    try:
        kept = (home / "run" / "hand" / name).read_bytes()
    except OSError:
        return ""
    return letter_in(bytearray(kept))


def _mapped(folder: Path, name: str) -> mmap.mmap:
    """Raises OSError if there is no room: a map of a file with holes would kill who writes to it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, HAND_BYTES)
        return mmap.mmap(fd, HAND_BYTES)
    finally:
        os.close(fd)
