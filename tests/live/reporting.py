"""A daemon that keeps, outside of its home, what each ``write`` to a spool has returned: ``python -m
tests.live.reporting REPORTS serve ...`` is ``run.py serve ...`` with that.

An actor is told that an entry is safe by the return of ``Spool.write`` and by nothing else.  So whatever is reported
here has to be in the store in the end, once, with the bytes it was said with.
"""

import contextlib
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor.reader import reading
from alluse_hub.cli.main import main
from alluse_hub.supervision.life import Life
from alluse_hub.supervision.spool import Frame, Spool
from tests.live.daemons import running
from tests.live.hubs import Hub

Id = tuple[str, int, int]
"""Actor, incarnation, n."""


def checksum(*texts: str, body: bytes) -> int:
    """``texts``: kind, message, peer, letter, cause, correlation."""
    return zlib.crc32(body, zlib.crc32("\0".join(texts).encode()))


def report_into(folder: Path) -> None:
    """From here on, in this process and in all that it forks; ``power`` beside the folder is what was told stored."""
    true_write, true_committed = Spool.write, Life.committed
    descriptors: dict[tuple[int, Path], int] = {}

    def report(path: Path, said: str) -> None:
        """Forks close what they do not know, so each process has descriptors of its own."""
        key = (os.getpid(), path)
        if key not in descriptors:
            descriptors[key] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.write(descriptors[key], said.encode())

    def write(self: Spool, frames: Sequence[Frame], at: float, wall: float, *, urgent: bool = False) -> int:
        first = self.n + 1
        last = true_write(self, frames, at, wall, urgent=urgent)
        said = "".join(
            f"{self.incarnation} {n} {checksum(f.kind, f.message, *f[3:7], body=f.body)}\n"
            for n, f in enumerate(frames, start=first)
        )
        report(folder / self.actor, said)
        return last

    def committed(self: Life[Any], n: int) -> None:
        report(folder.with_name("power"), f"{self.boot.name} {self.spool.incarnation} {n}\n")
        true_committed(self, n)

    Spool.write = write  # type: ignore[method-assign]  # the hook is what this module is
    Life.committed = committed  # type: ignore[method-assign]  # as above


def reported(folder: Path) -> dict[Id, int]:
    """The checksum of each entry that somebody was told to be safe."""
    found: dict[Id, int] = {}
    for path in folder.iterdir():
        for line in path.read_text(encoding="ascii").splitlines():
            incarnation, n, crc = map(int, line.split())
            assert (path.name, incarnation, n) not in found, f"{path.name}/{incarnation}/{n} was said twice"
            found[path.name, incarnation, n] = crc
    return found


def told_stored(folder: Path) -> set[Id]:
    """What actors were told to be safe against a power cut."""
    lines = folder.with_name("power").read_text(encoding="ascii").splitlines()
    words = [line.split() for line in lines]
    return {(actor, int(incarnation), int(n)) for actor, incarnation, n in words}


def stored(home: Path) -> dict[Id, int]:
    """The same as the store has it; fails at an entry that is there twice."""
    found: dict[Id, int] = {}
    with reading(home) as connection:
        assert connection is not None
        columns = "actor, incarnation, n, kind, message, peer, letter, cause, correlation, body"
        for actor, incarnation, n, *texts, body in connection.execute(f"SELECT {columns} FROM entries"):
            assert (actor, incarnation, n) not in found, f"{actor}/{incarnation}/{n} is stored twice"
            found[actor, incarnation, n] = checksum(*texts, body=(body or "").encode())
    return found


@contextlib.contextmanager
def reporting(home: Path, reports: Path) -> Iterator[Hub]:
    reports.mkdir(exist_ok=True)
    with running(home, "-m", "tests.live.reporting", str(reports), "serve", "--home", str(home)) as daemon:
        yield Hub(daemon, home)


if __name__ == "__main__":
    report_into(Path(sys.argv[1]))
    raise SystemExit(main(sys.argv[2:]))
