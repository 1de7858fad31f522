"""The keys of subjects: one file each, wrapped by a key-encryption key, in ``home/keys``.

| file | what |
|---|---|
| `kek` | the key-encryption key, 0600; none is kept here if it comes as a credential of systemd, `alluse-hub.kek` |
| `kek.new` | the next one, while keys are being rewrapped |
| `subjects/<pseudonym>.key` | the data key of a subject, wrapped |
| `subjects/pseudonyms.key` | the key of the pseudonyms, wrapped |
| `subjects/erased` | a line for each subject that was erased |
| `subjects/lock` | held for as long as a key is made or destroyed |

A data key seals with AES-256-GCM (NIST SP 800-38D) under random nonces, of which 2**32 are safe with one key.  Files
are made beside, synced and renamed, so that each is whole or not there; a key is on disk before anything is sealed with
it.  A key of a subject that was erased before knows which events it must not seal: those heard by then.

Whoever holds a key in memory looks at its file before each use, so one that was destroyed is used no more.
"""

import base64
import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.spool import sync_directory

T = TypeVar("T")

KEY_BYTES = 32
NONCE_BYTES = 12
ID_BYTES = 4
PSEUDONYM_BYTES = 8

CREDENTIAL = "alluse-hub.kek"
CREDENTIAL_OLD = "alluse-hub.kek.old"
"""Names of systemd's credentials: 32 bytes or more, of which the SHA-256 is the key."""

LOCK_S = 10.0
"""Waited for whoever makes or destroys a key; both take milliseconds."""

LOCK_LOOK_S = 0.005

KEPT_MAX = 4_096
"""Keys of subjects in memory, and pseudonyms; the one not used for longest goes first."""

PSEUDONYMS = "pseudonyms"
"""In place of a pseudonym: the key that makes them."""


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


class DataKey(NamedTuple):
    subject: str
    id: str
    cipher: AESGCM
    not_for: Mapping[str, int]
    mark: tuple[int, int]  # inode and time of the file that it was read from


class Erased(NamedTuple):
    """``at``: seconds since 1970."""

    subject: str
    keys: tuple[str, ...]
    through: Mapping[str, int]
    at: float


class Keyring:
    """Of one home.  Reads lazily; makes what is missing only when something is to be sealed."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "keys"
        self.subjects = self.folder / "subjects"
        self._keks: dict[str, Kek] = {}
        self._keys: OrderedDict[str, DataKey] = OrderedDict()
        self._pseudonyms: OrderedDict[str, str] = OrderedDict()
        self._hmac_key = b""

    # --- key-encryption keys -----------------------------------------------------------------------------------------

    def keks(self) -> dict[str, Kek]:
        """All that are at hand, by id.  Raises TrailError for one that others may read, or that is none."""
        found: dict[str, Kek] = {}
        for path in (self.folder / "kek", self.folder / "kek.new"):
            with contextlib.suppress(FileNotFoundError):
                kek = _parse_kek(path)
                found[kek.id] = kek
        found |= {
            given.id: given for given in (self.credential(CREDENTIAL_OLD), self.credential()) if given is not None
        }
        return found

    def credential(self, name: str = CREDENTIAL) -> Kek | None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
        path = Path(folder) / name
        if not folder or not path.exists():
            return None
        given = path.read_bytes()
        if len(given) < KEY_BYTES:
            raise TrailError(f"the credential {name} has {len(given)} bytes; give {KEY_BYTES} random ones or more")
        key = hashlib.sha256(given).digest()
        return Kek(kek_id(key), key, None)

    def current(self) -> Kek | None:
        """What new keys are wrapped by: the credential, else the next one, else the one there is."""
        if (given := self.credential()) is not None:
            return given
        keks = list(self.keks().values())
        return next((kek for kek in reversed(keks) if kek.path is not None), None)

    def _current_or_made(self) -> Kek:
        """Under the lock."""
        kek = self.current()
        if kek is not None:
            return kek
        if any(self.subjects.glob("*.key")):
            raise TrailError(
                f"{self.folder / 'kek'} is gone, by which the keys of subjects are wrapped; bring it back, or give the"
                f" credential {CREDENTIAL}"
            )
        return write_kek(self.folder / "kek", secrets.token_bytes(KEY_BYTES))

    # --- sealing -----------------------------------------------------------------------------------------------------

    def pseudonym(self, subject_id: str) -> str:
        """HMAC-SHA256 of the id, 16 hexadecimal digits.  Makes the key of the pseudonyms if there is none."""
        known = self._pseudonyms.get(subject_id)
        if known is None:
            known = self.digest(subject_id.encode()).hex()[: 2 * PSEUDONYM_BYTES]
            _keep(self._pseudonyms, subject_id, known)
        return known

    def digest(self, text: bytes) -> bytes:
        """HMAC-SHA256 under the key of the pseudonyms."""
        if not self._hmac_key:
            self._hmac_key = self._unwrapped(self._record_or_made(PSEUDONYMS))
        return hmac.digest(self._hmac_key, text, "sha256")

    def to_seal(self, pseudonym: str) -> DataKey:
        """The key of that subject as of now, made if there is none.  Raises TrailError."""
        while (known := self._fresh(pseudonym)) is None:
            self._record_or_made(pseudonym)
        return known

    def to_open(self, pseudonym: str, key: str) -> AESGCM | None:
        """None if that key is not here, or what it is wrapped by.  Raises TrailError for a file that is damaged."""
        try:
            known = self._fresh(pseudonym)
        except NoKekError:
            return None
        return known.cipher if known is not None and known.id == key else None

    def _fresh(self, pseudonym: str) -> DataKey | None:
        """As its file has it now; None if there is none.  The look at the file comes before it is read, so what is
        kept is never older than its mark."""
        mark = self._mark(pseudonym)
        known = self._keys.get(pseudonym)
        if known is not None and known.mark == mark:
            self._keys.move_to_end(pseudonym)
            return known
        self._keys.pop(pseudonym, None)
        record = self.record(pseudonym)
        if record is None:
            return None
        known = DataKey(pseudonym, record.key, AESGCM(self._unwrapped(record)), record.not_for, mark)
        _keep(self._keys, pseudonym, known)
        return known

    def _mark(self, pseudonym: str) -> tuple[int, int]:
        try:
            found = self.path_of(pseudonym).stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    # --- files -------------------------------------------------------------------------------------------------------

    def path_of(self, pseudonym: str) -> Path:
        return self.subjects / f"{pseudonym}.key"

    def record(self, pseudonym: str) -> Record | None:
        """None if there is no such key.  Raises TrailError for a file that is none."""
        path = self.path_of(pseudonym)
        try:
            return parse_record(path.read_bytes(), str(path))
        except FileNotFoundError:
            return None

    def known(self) -> list[str]:
        """Pseudonyms of all that have a key, in order."""
        return sorted(path.stem for path in self.subjects.glob("*.key") if path.stem != PSEUDONYMS)

    def erased(self) -> list[Erased]:
        """In the order in which they were; a line that was cut short is not one."""
        try:
            lines = (self.subjects / "erased").read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                one = json.loads(line)
                found.append(Erased(one["subject"], tuple(one["keys"]), dict(one["through"]), float(one["at"])))
        return found

    def not_for(self, pseudonym: str) -> dict[str, int]:
        """By workstream, the last event of that subject that was heard when it was erased."""
        limits: dict[str, int] = {}
        for each in self.erased():
            if each.subject == pseudonym:
                limits |= {ws: max(n, limits.get(ws, 0)) for ws, n in each.through.items()}
        return limits

    @contextlib.contextmanager
    def locked(self, name: str = "lock") -> Iterator[None]:
        """While a key is made or destroyed.  Raises TrailError if somebody else takes too long over it."""
        for folder in (self.folder, self.subjects):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.subjects / name
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + LOCK_S
            while not _taken(fd):
                if time.monotonic() >= deadline:
                    raise TrailError(f"{path} is held by somebody else for more than {LOCK_S:g} s")
                time.sleep(LOCK_LOOK_S)
            yield
        finally:
            os.close(fd)

    def _record_or_made(self, pseudonym: str) -> Record:
        record = self.record(pseudonym)
        if record is not None:
            return record
        with self.locked():
            record = self.record(pseudonym)
            if record is None:
                kek = self._current_or_made()
                data_key, key = secrets.token_bytes(KEY_BYTES), secrets.token_hex(ID_BYTES)
                record = wrap(kek, pseudonym, key, data_key, self.not_for(pseudonym))
                write_record(self.path_of(pseudonym), record)
            return record

    def _unwrapped(self, record: Record) -> bytes:
        if record.kek not in self._keks:
            self._keks = self.keks()
        return unwrap(self._keks, record)


# --- forms on disk ---------------------------------------------------------------------------------------------------


def kek_id(key: bytes) -> str:
    return hashlib.sha256(b"alluse-hub kek\0" + key).hexdigest()[: 2 * ID_BYTES]


def write_kek(path: Path, key: bytes) -> Kek:
    text = f"alluse-hub-kek+{kek_id(key)}+{base64.b64encode(key).decode()}\n"
    write_whole(path, text.encode())
    return Kek(kek_id(key), key, path)


def _parse_kek(path: Path) -> Kek:
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
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.rename(path)
    sync_directory(path.parent)


def draft_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.draft")


def destroy(path: Path) -> None:
    """Overwritten where it lies, as far as the file system does that, then deleted; on disk when it returns."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        os.pwrite(fd, os.urandom(os.fstat(fd).st_size), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    path.unlink()
    sync_directory(path.parent)


def _taken(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _keep(memory: OrderedDict[str, T], name: str, value: T) -> None:
    memory[name] = value
    memory.move_to_end(name)
    if len(memory) > KEPT_MAX:
        memory.popitem(last=False)
