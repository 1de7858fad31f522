"""Files of keys: what stands in them, that each is whole or not there, and how one is destroyed.

A data key is wrapped with AES-256-GCM, bound to its subject and its id (as associated data).  Files are made beside,
synced and renamed.  A file that is destroyed loses its name first, is overwritten, and is deleted.
"""

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.spool import sync_directory

KEY_BYTES = 32
NONCE_BYTES = 12
ID_BYTES = 4

CREDENTIAL = "alluse-hub.kek"
CREDENTIAL_OLD = "alluse-hub.kek.old"
"""Names of systemd's credentials: 32 bytes or more, of which the SHA-256 is the key."""


class NoKekError(TrailError):
    """What a key is wrapped by is not here."""


class Kek(NamedTuple):
    """``path``: None for a credential."""

    id: str
    key: bytes
    path: Path | None


class Record(NamedTuple):
    """A key's file.  ``not_for``: by workstream, the highest number of an event that it must not seal."""

    subject: str
    key: str
    kek: str
    wrapped: bytes
    not_for: Mapping[str, int]


def kek_id(key: bytes) -> str:
    return hashlib.sha256(b"alluse-hub kek\0" + key).hexdigest()[: 2 * ID_BYTES]


def write_kek(path: Path, key: bytes) -> Kek:
    text = f"alluse-hub-kek+{kek_id(key)}+{base64.b64encode(key).decode()}\n"
    write_whole(path, text.encode())
    return Kek(kek_id(key), key, path)


def parse_kek(path: Path) -> Kek:
    """Raises FileNotFoundError, TrailError."""
    if path.stat().st_mode & 0o077:
        raise TrailError(
            f"{path} is open to others, and so no secret; close it (chmod 600) and then `trail keys rotate`"
        )
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        key = base64.b64decode(text.split("+", 2)[-1], validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES or not text.startswith(f"alluse-hub-kek+{kek_id(key)}+"):
        raise TrailError(f"{path} is no key-encryption key; bring it back from where you keep a copy")
    return Kek(kek_id(key), key, path)


def wrap(kek: Kek, subject: str, key: str, data_key: bytes, not_for: Mapping[str, int]) -> Record:
    nonce = os.urandom(NONCE_BYTES)
    return Record(subject, key, kek.id, nonce + AESGCM(kek.key).encrypt(nonce, data_key, _bound(subject, key)), not_for)


def unwrap(keks: Mapping[str, Kek], record: Record) -> bytes:
    """Raises TrailError if what it is wrapped by is not here, or it was altered."""
    kek = keks.get(record.kek)
    if kek is None:
        known = ", ".join(keks) or "none"
        raise NoKekError(
            f"the key of {record.subject} is wrapped by the key-encryption key {record.kek}, and here is {known}; bring"
            f" home/keys/kek back, or give the credential {CREDENTIAL}"
        )
    nonce, sealed = record.wrapped[:NONCE_BYTES], record.wrapped[NONCE_BYTES:]
    try:
        return AESGCM(kek.key).decrypt(nonce, sealed, _bound(record.subject, record.key))
    except InvalidTag as error:
        raise TrailError(f"the key of {record.subject} was altered; bring it back with `trail keys restore`") from error


def _bound(subject: str, key: str) -> bytes:
    return f"alluse-hub subject key 1\0{subject}\0{key}".encode()


def parse_record(text: bytes, name: str) -> Record:
    """Raises TrailError."""
    try:
        one = json.loads(text)
        wrapped = base64.b64decode(one["wrapped"], validate=True)
        return Record(str(one["subject"]), str(one["key"]), str(one["kek"]), wrapped, dict(one["not_for"]))
    except (ValueError, KeyError, TypeError) as error:
        raise TrailError(f"{name} is no key; bring it back with `trail keys restore`") from error


def write_record(path: Path, record: Record) -> None:
    """Whole and on disk when it returns."""
    one = record._asdict() | {"wrapped": base64.b64encode(record.wrapped).decode(), "not_for": dict(record.not_for)}
    write_whole(path, json.dumps(one).encode())


def write_whole(path: Path, data: bytes) -> None:
    """0600; the old one until the new one is on disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = draft_of(path)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(fd, data) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.rename(path)
    sync_directory(path.parent)


def draft_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.draft")


def destroy(path: Path) -> None:
    """Overwritten where it lies, as far as the file system does that, then deleted; on disk when it returns.

    It loses its name first, so that nobody reads noise under it.
    """
    with contextlib.suppress(FileNotFoundError):
        path.rename(_doomed(path))
    destroy_remains(path)


def destroy_remains(path: Path) -> None:
    """Of a destruction that was cut short, if there are any."""
    doomed = _doomed(path)
    try:
        fd = os.open(doomed, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        os.pwrite(fd, os.urandom(os.fstat(fd).st_size), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    doomed.unlink()
    sync_directory(path.parent)


def _doomed(path: Path) -> Path:
    return path.with_name(f"{path.name}.doomed")
