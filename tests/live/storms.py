"""A storm over a real hub: signals at random processes from a seed, and what may not be left of it."""

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from alluse_hub.actors.monitor.launch import run_folder
from alluse_hub.actors.monitor.link import identity
from alluse_hub.configuration import as_toml, checked
from alluse_hub.protocols.lifecycle import Intensity
from alluse_hub.supervision import processes
from alluse_hub.supervision.engine.room import room_for
from alluse_hub.supervision.processes import Process
from tests.live.hubs import WORKSTREAMS, Hub

HITS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)

PLENTY = Intensity(restarts=10_000, period_s=60.0)

FILES_SPARE = 14
"""Connections are made when there is first something to say, so a process may have one with each other by then; and of
a leak at each of two hundred hits there is more."""


def stormproof(folder: Path, replay: str) -> str:
    """The shipped configuration with this replay, and every intensity, of supervisors, of programs and of the guardian,
    raised to 10,000 restarts a minute."""
    config = checked(replay, "the storm's", folder)
    supervision = config.supervision
    limits = {name: getattr(supervision, name).model_copy(update=PLENTY.model_dump()) for name in LIMITS}
    workstreams = tuple(each.model_copy(update={"restart": PLENTY}) for each in config.workstreams)
    hub = config.hub.model_copy(update={"reference": False})
    update = {"supervision": supervision.model_copy(update=limits), "workstreams": workstreams, "hub": hub}
    return as_toml(config.model_copy(update=update))


LIMITS = ("tree", "root", "coordination", "workstreams")


def held(home: Path) -> list[Process]:
    """Live shims and programs."""
    found = []
    for name in WORKSTREAMS:
        known = identity(run_folder(home), name)
        for what, process in zip(("shim", "program"), known or (), strict=False):
            if processes.is_alive(process):
                found.append(Process(process.pid, process.ticks, f"{what} of {name}"))
    return found


def victims(home: Path) -> list[Process]:
    """Everybody but the guardian."""
    actors = [process for process in processes.entered(home) if processes.is_alive(process)]
    return sorted([*actors, *held(home)], key=lambda process: (process.name, process.pid))


@dataclass(slots=True)
class Storm:
    """``pause_s``: on average between two hits."""

    hub: Hub
    seed: int
    pause_s: float
    how: tuple[signal.Signals, ...] = HITS
    struck: Counter[str] = field(default_factory=Counter)

    def rage(self, hits: int) -> None:
        dice = random.Random(self.seed)
        for number in range(hits):
            time.sleep(min(dice.expovariate(1 / self.pause_s), 4 * self.pause_s))
            aim, how = dice.random(), dice.choice(self.how)
            there = victims(self.hub.home)
            if not there:
                continue
            victim = there[int(aim * len(there))]
            if processes.kill(victim, how):
                self.struck[how.name] += 1
                print(f"hit {number + 1}: {how.name} at {victim.name}, pid {victim.pid}")
            assert self.hub.daemon.process.poll() is None, self.hub.daemon.output()


# --- what is there -------------------------------------------------------------------------------------------------


def processes_of(home: Path) -> dict[str, list[int]]:
    """All live processes that belong to the home, by what they are; whatever is registered or not."""
    found: dict[str, list[int]] = {}
    known = {process.pid: process.name for process in held(home)}
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        try:
            command = (path / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(home) in command and pid != os.getpid():
            name = processes.name_of(pid)
            found.setdefault(known.get(pid, name), []).append(pid)
    return found


def zombies_of(home: Path) -> list[str]:
    """Dead children that a process of the home has not reaped."""
    parents = {pid: name for name, pids in processes_of(home).items() for pid in pids}
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        state, parent = stat[stat.rindex(")") + 2 :].split()[:2]
        if state == "Z" and int(parent) in parents:
            found.append(f"{stat[: stat.rindex(')') + 1]} of {parents[int(parent)]}")
    return found


@dataclass(frozen=True, slots=True)
class Belongings:
    """``files``: open descriptors by process; ``run``: names in the run folder, without pids; ``sockets``: in the room
    of the engine."""

    names: dict[str, int]
    files: dict[str, int]
    run: list[str]
    sockets: int
    pss_kb: int


def belongings(home: Path) -> Belongings:
    there = processes_of(home)
    files = {name: sum(map(_open_files, pids)) for name, pids in there.items()}
    run = sorted(path.relative_to(home).as_posix() for path in (home / "run").rglob("*") if path.parent.name != "procs")
    registered = len(list((home / "run" / "procs").iterdir()))
    room = room_for(home)
    return Belongings(
        {name: len(pids) for name, pids in sorted(there.items())},
        files,
        [*run, f"procs: {registered}"],
        len(list(room.iterdir())) if room.exists() else 0,
        sum(_pss_kb(pid) for pids in there.values() for pid in pids),
    )


def _open_files(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def _pss_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
