"""The keys of subjects: one file each, wrapped by a key-encryption key, in ``home/keys``.

| file | what |
|---|---|
| `kek` | the key-encryption key, 0600; none is kept here if it comes as a credential of systemd, `alluse-hub.kek` |
| `kek.new` | the next one, while keys are being rewrapped |
| `subjects/<pseudonym>.key` | the data key of a subject, wrapped |
| `subjects/pseudonyms.key` | the key of the pseudonyms, wrapped |
| `subjects/erased` | a line for each subject that was erased |
| `subjects/saved` | when the keys were last copied |
| `subjects/lock` | held for as long as a key is made or destroyed |
| `errand`, `subjects/errands.lock` | the erasure or rotation under way, and held for as long as it is |

A data key seals with AES-256-GCM (NIST SP 800-38D) under random nonces, of which 2**32 are safe with one key.  Files
are made beside, synced and renamed, so that each is whole or not there; a key is on disk before anything is sealed with
it.  A key of a subject that was erased before knows which events it must not seal: those heard by then.

Whoever holds a key in memory looks at its file before each use, so one that was destroyed is used no more.
"""

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

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.keyfiles import (
    CREDENTIAL,
    CREDENTIAL_OLD,
    ID_BYTES,
    KEY_BYTES,
    Kek,
    NoKekError,
    Record,
    kek_id,
    parse_kek,
    parse_record,
    unwrap,
    wrap,
    write_kek,
    write_record,
)

T = TypeVar("T")

PSEUDONYM_BYTES = 8

LOCK_S = 10.0
"""Waited for whoever makes or destroys a key; both take milliseconds."""

LOCK_LOOK_S = 0.005

KEPT_MAX = 4_096
"""Keys of subjects in memory, and pseudonyms; the one not used for longest goes first."""

PSEUDONYMS = "pseudonyms"
"""In place of a pseudonym: the key that makes them."""


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
        try:
            found = self._keks_in_files()
        except TrailError:  # it may have been destroyed since it was opened; then it is another by now
            found = self._keks_in_files()
        found |= {
            given.id: given for given in (self.credential(CREDENTIAL_OLD), self.credential()) if given is not None
        }
        return found

    def _keks_in_files(self) -> dict[str, Kek]:
        found: dict[str, Kek] = {}
        # The first once more: the next one may have taken its name between the two looks.
        for name in ("kek", "kek.new", "kek"):
            with contextlib.suppress(FileNotFoundError):
                kek = parse_kek(self.folder / name)
                found[kek.id] = kek
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
            _, self._hmac_key = self._unwrapped(self._record_or_made(PSEUDONYMS))
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
        record, data_key = self._unwrapped(record)
        known = DataKey(pseudonym, record.key, AESGCM(data_key), record.not_for, mark)
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
            with contextlib.suppress(TrailError):  # it may have been destroyed since it was opened: then it has no name
                return parse_record(path.read_bytes(), str(path))
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
    def locked(self, name: str = "lock", wait_s: float = LOCK_S) -> Iterator[None]:
        """While a key is made or destroyed.  Raises TrailError if somebody else takes too long over it."""
        for folder in (self.folder, self.subjects):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.subjects / name
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + wait_s
            while not _taken(fd):
                if time.monotonic() >= deadline:
                    raise TrailError(f"{path} is held by somebody else for more than {wait_s:g} s")
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

    def _unwrapped(self, record: Record) -> tuple[Record, bytes]:
        """And the record that it is from: a rotation may have ended since that was read."""
        if record.kek not in self._keks:
            self._keks = self.keks()
        if record.kek not in self._keks and (again := self.record(record.subject)) is not None:
            record, self._keks = again, self.keks()
        return record, unwrap(self._keks, record)


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
