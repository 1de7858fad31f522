"""Secret keys in files: made once, closed to all others, and never shown.

``home/keys/trail.key`` signs the checkpoints of the trail.  Whoever has it can write another past, which then only a
witness, or a checkpoint kept elsewhere, contradicts.  Beside each lies the public half, ``.vkey``, to be given away.
"""

import os
import secrets
from pathlib import Path

from alluse_hub.actors.auditor.notes import ED25519, NoteError, Signer
from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.spool import sync_directory

SEED_BYTES = 32
SUFFIX_BYTES = 6
"""Of an origin: enough that no two logs share a name by chance."""


def key_of(home: Path) -> Path:
    return home / "keys" / "trail.key"


def new_origin(hub: str) -> str:
    """The name of a log for ever: the hub's, and what tells it from every other log of that name."""
    return f"{hub}/{secrets.token_hex(SUFFIX_BYTES)}"


def for_trail(home: Path, hub: str, *, is_new: bool) -> Signer:
    """The key of this home's log; a log that is new gets one.  Raises TrailError if the key of an older one is gone."""
    path = key_of(home)
    signer = load(path)
    if signer is not None:
        return signer
    if not is_new:
        raise TrailError(
            f"{path} is gone, which signed this trail until now; bring home/keys back from a backup, or make a new one"
            " for the same log with `trail key --new`"
        )
    return make(path, new_origin(hub))


def origin_of(home: Path) -> str:
    """The name of the log that is signed here, from its last head or its key; empty if there is none."""
    for path in (home / "trail" / "head", key_of(home).with_suffix(".vkey")):
        if path.exists():
            return path.read_text(encoding="utf-8").partition("\n")[0].partition("+")[0]
    return ""


def load(path: Path) -> Signer | None:
    """None if there is no key.  Raises TrailError for one that others may read, or that is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if found.st_mode & 0o077:
        raise TrailError(f"{path} is open to others, and so no secret; close it (chmod 600), or make a new key")
    try:
        return Signer.parse(path.read_text(encoding="utf-8"))
    except (NoteError, UnicodeDecodeError) as error:
        raise TrailError(f"{path} is no key: {error}; bring it back from a backup") from error


def make(path: Path, name: str, kind: int = ED25519) -> Signer:
    """A new key in place of any that was there, whose public half is kept: older notes are still verified by it.

    It is whole on disk, or not there.  Raises TrailError.
    """
    signer = Signer(name, secrets.token_bytes(SEED_BYTES), kind)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        last = path.with_suffix(".vkey")
        if last.exists():
            last.rename(path.with_name(f"{path.stem}.until-{signer.vkey.id.hex()}.vkey"))
        _write(path.with_suffix(".vkey"), f"{signer.vkey}\n", 0o644)
        _write(path, signer.secret(), 0o600)
        sync_directory(path.parent)
    except OSError as error:
        raise TrailError(f"cannot write the key {path}: {error}") from error
    return signer


def _write(path: Path, text: str, mode: int) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.write(fd, text.encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.rename(path)
