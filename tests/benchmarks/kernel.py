"""What the kernel says of processes: their memory, their work, their descriptors, the ports they listen on."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

LISTENING = "0A"
"""State of a socket in /proc/net/tcp (the kernel's tcp_states.h, TCP_LISTEN)."""


def memory_mib(pids: Sequence[int]) -> tuple[float, float]:
    """Proportional and unique set size of all together, in MiB."""
    pss = uss = 0
    for pid in pids:
        for key, kib in _memory_kib(pid):
            if key == "Pss":
                pss += kib
            elif key in {"Private_Clean", "Private_Dirty"}:
                uss += kib
    return pss / 1_024, uss / 1_024


def resident_kib(pid: int | str = "self") -> int:
    """All pages that are mapped, shared or not: how a process has grown shows here, even one that was forked."""
    return next(kib for key, kib in _memory_kib(pid) if key == "Rss")


def _memory_kib(pid: int | str) -> Iterator[tuple[str, int]]:
    """proc(5), smaps_rollup: exact, unlike what statm counts."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        key, _, value = line.partition(":")
        yield key, int(value.split()[0])


def work_of(pids: Sequence[int]) -> tuple[float, int]:
    """CPU seconds and wake-ups of all their threads since they began (proc(5): schedstat, voluntary switches)."""
    nanoseconds = wakeups = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            nanoseconds += int((task / "schedstat").read_text(encoding="ascii").split()[0])
            for line in (task / "status").read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    wakeups += int(line.split()[1])
    return nanoseconds / 1e9, wakeups


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def tcp_listeners(pids: Iterable[int]) -> int:
    """Sockets on which these processes listen for TCP connections, over IPv4 and IPv6; one that several hold is one."""
    return len({inode for pid in pids for inode in _sockets(pid) & _listening(pid)})


def _sockets(pid: int) -> set[str]:
    """Inodes of the sockets that it holds."""
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            target = str(path.readlink())
            if target.startswith("socket:["):
                found.add(target[len("socket:[") : -1])
    return found


def _listening(pid: int) -> set[str]:
    """Inodes of all listening sockets in its network namespace (proc(5), net/tcp)."""
    found = set()
    for path in (Path(f"/proc/{pid}/net/tcp"), Path(f"/proc/{pid}/net/tcp6")):
        if not path.exists():
            continue  # no such protocol here
        for line in path.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                found.add(fields[9])
    return found
