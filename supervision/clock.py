"""Hub time: monotonic, anchored at the first start, and never stepping.

It is the kernel's boot clock, which all processes of the machine share, plus an offset kept in the home.  After a
reboot the boot clock begins anew; the offset is then chosen so that hub time goes on from the last moment the hub
knew, plus what the wall clock says has passed since, if that is positive.  Wall time only labels.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Clock:
    """``offset`` in seconds between hub time and the boot clock."""

    offset: float = 0.0

    def now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) + self.offset

    @staticmethod
    def wall() -> float:
        return time.time()


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the home remembers of the clock: ``hub`` and ``wall`` were read at the same moment of boot ``boot``."""

    boot: str
    offset: float
    hub: float
    wall: float


def resume(anchor: Anchor | None, boot: str, boot_now: float, wall_now: float) -> float:
    """The offset to go on with.  Pure; all in seconds."""
    if anchor is None:
        return -boot_now
    if anchor.boot == boot:
        return anchor.offset
    return anchor.hub + max(0.0, wall_now - anchor.wall) - boot_now


def clock_of(home: Path) -> Clock:
    """The clock of the hub whose home this is, for those who only read there."""
    path = home / "clock.json"
    anchor = None
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        anchor = Anchor(known["boot"], known["offset"], known["hub"], known["wall"])
    return Clock(resume(anchor, _boot(), time.clock_gettime(time.CLOCK_BOOTTIME), time.time()))


def _boot() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip()


def anchored(home: Path) -> Clock:
    """The same; also remembers the present moment for the next start."""
    path, clock = home / "clock.json", clock_of(home)
    fresh = {"boot": _boot(), "offset": clock.offset, "hub": clock.now(), "wall": clock.wall()}
    partial = path.with_suffix(".new")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(fresh, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return clock
