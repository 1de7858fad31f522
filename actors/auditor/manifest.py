"""What a backup says of itself: every file with its SHA-256, and the tree that the trail in it must have.

It is written last, so a folder without it is no backup.  Nobody signs it: the trail inside is signed.  It holds a bad
copy, a lost file and a stray one against the backup, and tells the reader through which entry it is complete.
"""

import hashlib
import os
from pathlib import Path

from pydantic import NonNegativeInt, ValidationError

from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.message import Message

NAME = "MANIFEST.json"

CHUNK_BYTES = 1 << 20


class BackupFile(Message):
    size_bytes: NonNegativeInt
    sha256: str


class BackupManifest(Message):
    """``entries`` and ``root``: of the tree; ``spooled``: entries behind it, in spools; ``last``: id of the entry that
    was stored last, written at ``through``, seconds since 1970; ``findings``: what was broken when it was made."""

    version: int = 1
    hub: str
    made_at: float
    took_s: float
    origin: str
    entries: NonNegativeInt
    root: str
    signed: NonNegativeInt
    spooled: NonNegativeInt
    last: str
    through: float
    findings: tuple[str, ...] = ()
    files: dict[str, BackupFile]


def files_in(folder: Path) -> dict[str, BackupFile]:
    """Every file but the manifest, made safe against a power cut.  Raises OSError, TrailError for what is no file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise TrailError(f"{path} is no plain file; a backup has no links: take it out, or use another backup")
        if path.is_file() and name != NAME:
            found[name] = _measured(path)
    return found


def _measured(path: Path) -> BackupFile:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
        os.fsync(file.fileno())
        return BackupFile(size_bytes=file.tell(), sha256=digest.hexdigest())


def write(folder: Path, manifest: BackupManifest) -> None:
    with (folder / NAME).open("xb") as file:
        file.write(manifest.model_dump_json(indent=1).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> BackupManifest:
    """Raises TrailError, with the first file that is not as the manifest has it."""
    path = folder / NAME
    try:
        manifest = BackupManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise TrailError(f"{folder} is no whole backup: it has no {NAME}, which is written last") from error
    except (OSError, ValidationError) as error:
        raise TrailError(f"{path} cannot be read ({type(error).__name__}); use another backup") from error
    if manifest.version != 1:
        raise TrailError(f"{path} was written by a newer hub; restore it with that")
    found = files_in(folder)
    for name in sorted({*manifest.files, *found}):
        if name.endswith(("-wal", "-shm", "-journal")):
            raise TrailError(f"{folder / name} is the log of another database: a backup has none; take it out")
        if name not in found:
            raise TrailError(f"{folder / name} is missing; use another backup")
        if name not in manifest.files:
            raise TrailError(f"{folder / name} does not belong to this backup; take it out, or use another one")
        if found[name] != manifest.files[name]:
            raise TrailError(f"{folder / name} was altered since the backup was made; use another backup")
    return manifest
