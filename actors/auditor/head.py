"""The newest checkpoint once more, in a place of its own: ``home/trail/head``.

It changes only from the one that its writer knows to the next: compare and swap, under a lock.  So two auditors on one
trail cannot both sign, and a database that was brought back from an older day is noticed at the next start.  The idea
is Sunlight's, a log of certificates: the store of the last checkpoint is not the store of the log.

Whoever rolls back both files, and no witness ever saw the newer one, is not found out by this.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from alluse_hub.actors.auditor.store import StoreFullError
from alluse_hub.protocols.errors import TrailError

HEAD_BYTES_MAX = 200_000


def for_its_owner(path: str, flags: int) -> int:
    """Whatever the umask is, and a file of our own making."""
    return os.open(path, flags | os.O_EXCL | os.O_CLOEXEC, 0o600)


class Head:
    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> str:
        """The note; empty if there never was one.  Raises TrailError."""
        try:
            return self.path.read_text(encoding="utf-8")[:HEAD_BYTES_MAX]
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise TrailError(f"cannot read {self.path}: {error}; bring it back from a backup") from error

    def swap(self, expected: str, note: str) -> None:
        """On disk when it returns.  Raises TrailError if it is not the expected one that stands there."""
        try:
            with self._locked():
                if self.read() != expected:
                    raise TrailError(
                        f"{self.path} was changed by another auditor: two hubs on one home? End one, then restart"
                    )
                draft = self.path.with_name(f"{self.path.name}.new")
                draft.unlink(missing_ok=True)
                with open(draft, "wb", opener=for_its_owner) as file:  # a Path has no opener
                    file.write(note.encode())
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(self.path)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StoreFullError(f"disk full: free some space ({self.path})") from error
            raise TrailError(f"cannot write {self.path}: {error}; look for space and rights, then restart") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        fd = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)
