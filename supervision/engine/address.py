"""Where an actor is reached: the absolute path of the Unix-domain socket on which it listens.

The name says whose it is: ``<kind><pid>.<unique>.sock``.  It is never used again, so an address that is dead is dead
for ever; and the kernel's word on the peer of a connection (SO_PEERCRED) can be held against the pid in it.  The admin
alone has a fixed name, ``admin.sock``; who may bear it is decided by a lock (``room``).

An address that an outside client wrote on a request also carries the request's number, so that a late answer cannot be
taken for the answer to a later request.  Two addresses are the same if their paths are.

Pure.
"""

import re
from dataclasses import dataclass, field
from typing import Self

ADMIN_NAME = "admin.sock"

PATH_BYTES_MAX = 107
"""``sun_path`` of unix(7) holds 108 bytes with the closing NUL."""

NAME_BYTES_MAX = len("x4194304.0123456789abcdef.sock")
"""The longest name given here: 4194304 is the largest pid of proc(5)'s ``pid_max``."""

_NAME = re.compile(r"[a-z]([1-9][0-9]{0,6})\.[0-9a-f]{16}\.sock", re.ASCII)


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """``request``: number of the outside request that an answer belongs to, 0 for none; not part of the identity."""

    path: str
    request: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.path

    def __reduce__(self) -> tuple[type[Self], tuple[str, int]]:
        return type(self), (self.path, self.request)

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    @property
    def pid(self) -> int:
        """Of the process that listens there; 0 if the name does not say."""
        return pid_in(self.path.rpartition("/")[2])


def name_of(kind: str, pid: int, unique: str) -> str:
    """``kind`` is one small letter, ``unique`` 16 hexadecimal digits."""
    name = f"{kind}{pid}.{unique}.sock"
    assert pid_in(name) == pid, f"{name} is no socket name of ours"
    return name


def pid_in(name: str) -> int:
    """The pid a socket's name speaks of; 0 if it is no such name, or the admin's."""
    match = _NAME.fullmatch(name)
    return int(match.group(1)) if match else 0


def is_plausible(path: str) -> bool:
    """Whether ``path`` can be an address at all: absolute, plain, short enough, and named as ours are."""
    folder, _, name = path.rpartition("/")
    return (
        folder.startswith("/")
        and "\0" not in path
        and len(path.encode()) <= PATH_BYTES_MAX
        and (name == ADMIN_NAME or pid_in(name) != 0)
    )
