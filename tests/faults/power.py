"""Real power cuts: an ext4 on a loop device, whose file system is shut down without writing anything more.

What the kernel had not written to the "disk" by then is gone.  Processes are frozen first: then no sync is under way,
and each acknowledgement that was given came from one that had ended.
"""

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.live.daemons import eventually

EXT4_SHUTDOWN = 0x8004587D
WITHOUT_FLUSH = 2
DISK_BYTES = 512 << 20


class PoweredDisk:
    """``mounted``: where its files are."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "disk.img"
        self.mounted = folder / "mnt"
        self.mounted.mkdir(parents=True)
        with self._image.open("wb") as file:
            file.truncate(DISK_BYTES)

    def make(self) -> str:
        """Why it cannot be had here; empty if it is there."""
        for command in (["mkfs.ext4", "-q", "-F", str(self._image)], self._mount):
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except FileNotFoundError as error:
                return str(error)
            if done.returncode:
                return f"{command[0]}: {done.stderr.strip()}"
        return ""

    @property
    def _mount(self) -> list[str]:
        return ["mount", "-o", "loop", str(self._image), str(self.mounted)]

    def cut(self, pids: Iterable[int]) -> None:
        """``pids``: of all who write there; they are stopped, and have to be killed."""
        stopped = list(pids)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        for pid in stopped:
            eventually(lambda pid=pid: is_frozen(pid), f"{pid} is frozen")  # type: ignore[misc]  # mypy cannot infer the default
        fd = os.open(self.mounted, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
        finally:
            os.close(fd)

    def back(self) -> None:
        """After the last process that had a file open there has ended."""
        self._unmount()
        subprocess.run(self._mount, check=True)

    def _unmount(self) -> None:
        command = ["umount", str(self.mounted)]
        eventually(lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0, "unmounted")

    def close(self) -> None:
        with contextlib.suppress(AssertionError):
            self._unmount()


def is_frozen(pid: int) -> bool:
    """Every thread of it: one in the middle of a system call stops when that returns."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        stat = (task / "stat").read_text(encoding="utf-8", errors="replace")
        if stat[stat.rindex(")") + 2] not in "TtZX":
            return False
    return True


@contextlib.contextmanager
def powered_disk(folder: Path) -> Iterator[PoweredDisk]:
    disk = PoweredDisk(folder)
    if why := disk.make():
        pytest.skip(f"cannot mount a disk whose power can be cut: {why}")
    try:
        yield disk
    finally:
        disk.close()
