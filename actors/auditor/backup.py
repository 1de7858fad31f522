"""A backup of the trail, taken while the hub runs: one moment of it, in a folder.

SQLite's online backup reads the database within one transaction, and holds up nobody.  What was not stored at that
moment is in the spools, which are copied after it: so all that had happened by then is there.  Entries of a later
moment are cut off where they speak of something that was not copied: a letter heard whose sender's spool was copied
before it was sent (a consistent cut; Chandy and Lamport, Distributed Snapshots, 1985).

Segments never change but by an expiry, so they are copied as they are while nobody seals.

A spool that is stored to its end is kept as an empty file: it keeps the count of incarnations.  Of the keys only the
public halves are copied: whoever finds the backup cannot sign with it.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.keys import key_of
from alluse_hub.actors.auditor.reader import BUSY_TIMEOUT_S, spools_of, store_of
from alluse_hub.actors.auditor.sealed import segments_dir, segments_in, segments_kept
from alluse_hub.actors.auditor.stored_tree import newest
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.trail import Closed, EntryKind
from alluse_hub.supervision.spool import SpoolEntry, SpoolName, read, spools_in

TRIES_MAX = 5
"""Moments tried; one fails only if an actor was started twice while the database was copied."""

SEGMENTS_WAIT_S = 600.0
"""For whoever seals, or lets something expire, to come to an end: both would change what is copied."""

BESIDE = ("clock.json", "hub.toml")
"""Of the home: without the clock hub time would begin anew, without the configuration it would be another hub."""

_LETTER = re.compile(r"([^/@]+)/([0-9]{1,18})/([0-9]{1,18})")

Places = Mapping[SpoolName, tuple[int, int]]


def copy_trail(home: Path, folder: Path) -> tuple[str, float]:
    """Into ``folder``, which is empty; id and wall time of the last entry that is stored in the copy.

    Raises TrailError for a trail that cannot be read, and OSError as the disk does.
    """
    if not store_of(home).exists():
        raise TrailError(f"{home} has no trail yet; start the hub once")
    for name in ("trail/spool", "keys"):
        (folder / name).mkdir(mode=0o700, parents=True)
    with segments_kept(home, SEGMENTS_WAIT_S) if segments_dir(home).exists() else contextlib.nullcontext():
        for _ in range(TRIES_MAX):
            if _copy_moment(home, folder):
                break
        else:
            raise TrailError(
                "actors are restarted faster than their spools can be copied; back up when the hub is calmer"
            )
        _copy_segments(home, folder)
    for path in key_of(home).parent.glob("trail*.vkey"):
        shutil.copyfile(path, folder / "keys" / path.name)
    for name in BESIDE:
        if (home / name).exists():
            shutil.copyfile(home / name, folder / name)
    with contextlib.closing(sqlite3.connect(store_of(folder))) as copy:
        (folder / "trail" / "head").write_text(newest(copy), encoding="utf-8")
        last = copy.execute("SELECT actor, incarnation, n, wall FROM entries ORDER BY leaf DESC LIMIT 1").fetchone()
    return (f"{last[0]}/{last[1]}/{last[2]}", last[3]) if last else ("", 0.0)


def _copy_segments(home: Path, folder: Path) -> None:
    """Those that the copy of the store knows."""
    with contextlib.closing(sqlite3.connect(store_of(folder))) as copy:
        names = [segment.name for segment in segments_in(copy)]
    for name in names:
        shutil.copytree(segments_dir(home) / name, segments_dir(folder) / name)


def _copy_moment(home: Path, folder: Path) -> bool:
    """False if a spool came and went in between."""
    target = spools_of(folder)
    with contextlib.ExitStack() as stack:
        opened = _open_all(spools_of(home), {}, stack)  # a deleted file is read on as long as it is open
        places = _copy_store(store_of(home), store_of(folder))
        opened = _open_all(spools_of(home), opened, stack)
        sizes = {name: os.fstat(fd).st_size for name, fd in opened.items()}
        if _lacks_one([name for name, size in sizes.items() if size], places):
            return False
        for name, fd in opened.items():
            _copy_bytes(fd, target / str(name), sizes[name] if sizes[name] > places.get(name, (0, 0))[0] else 0)
    _cut(target, places)
    return True


def _open_all(directory: Path, known: dict[SpoolName, int], stack: contextlib.ExitStack) -> dict[SpoolName, int]:
    found = dict(known)
    for name in spools_in(directory):
        if name not in found:
            with contextlib.suppress(FileNotFoundError):
                found[name] = os.open(directory / str(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                stack.callback(os.close, found[name])
    return found


def _copy_store(path: Path, target: Path) -> dict[SpoolName, tuple[int, int]]:
    """Offset and number stored of each spool, in the copy.  Raises TrailError."""
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with (
            contextlib.closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)) as source,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
            wrong = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            if wrong != "ok":
                raise TrailError(f"{path} is damaged: {wrong}; no backup was made of it; bring back an older one")
            rows = copy.execute("SELECT actor, incarnation, offset, n FROM spools").fetchall()
    except sqlite3.DatabaseError as error:
        raise TrailError(f"cannot copy {path}: {error}; if it stays so, bring back an older backup") from error
    return {SpoolName(actor, incarnation): (offset, n) for actor, incarnation, offset, n in rows}


def _lacks_one(copied: Collection[SpoolName], stored: Collection[SpoolName]) -> bool:
    """Whether an incarnation between those stored and those copied is in neither: it came and went meanwhile."""
    known = {*copied, *stored}
    lowest: dict[str, int] = {}
    for name in sorted(stored, reverse=True):
        lowest[name.actor] = name.incarnation
    return any(
        SpoolName(name.actor, name.incarnation - 1) not in known
        for name in known.difference(stored)
        if name.incarnation > lowest.get(name.actor, name.incarnation)
    )


def _copy_bytes(fd: int, target: Path, size_bytes: int) -> None:
    target.unlink(missing_ok=True)
    with open(fd, "rb", closefd=False) as source, target.open("xb") as file:
        source.seek(0)
        while size_bytes > 0 and (chunk := source.read(min(1 << 20, size_bytes))):
            file.write(chunk)
            size_bytes -= len(chunk)


def _cut(directory: Path, places: Places) -> None:
    """Cut the copies to one moment.  Damage is left as it is: whoever verifies the backup is told."""
    found = {name: read(directory / str(name), *places.get(name, (0, 0))) for name in spools_in(directory)}
    stored = {name: n for name, (_, n) in places.items()}
    until = consistent({name: result.entries for name, result in found.items()}, stored)
    for name, result in found.items():
        path, (offset, n) = directory / str(name), places.get(name, (0, 0))
        if not result.damaged and path.stat().st_size > offset:
            kept = read(path, offset, n, entries_max=until[name] - n)
            os.truncate(path, kept.offset if kept.offset > offset else 0)


def consistent(
    tails: Mapping[SpoolName, Sequence[SpoolEntry]], stored: Mapping[SpoolName, int]
) -> dict[SpoolName, int]:
    """Up to which entry each spool is kept, so that nothing kept speaks of an entry that is not.

    ``tails``: what each spool holds behind its ``stored`` entry.
    """
    until = dict(stored)
    for name, entries in tails.items():
        until[name] = entries[-1].n if entries else stored.get(name, 0)
    latest: dict[str, int] = {}
    for name in until:
        latest[name.actor] = max(name.incarnation, latest.get(name.actor, 0))
    while cuts := _cuts(tails, until, latest):
        until |= cuts
    return until


def _cuts(
    tails: Mapping[SpoolName, Sequence[SpoolEntry]], until: Mapping[SpoolName, int], latest: Mapping[str, int]
) -> dict[SpoolName, int]:
    found = {}
    for name, entries in tails.items():
        for entry in entries:
            if entry.n > until[name]:
                break
            told = _told(entry)
            # Of an incarnation that has ended nothing more will come: what is missing there is no matter of moments.
            if told and told[0].incarnation >= latest.get(told[0].actor, 0) and until.get(told[0], 0) < told[1]:
                found[name] = entry.n - 1
                break
    return found


def _told(entry: SpoolEntry) -> tuple[SpoolName, int] | None:
    """The entry of somebody else that this one vouches for."""
    if entry.kind == EntryKind.HEARD and (named := _LETTER.fullmatch(entry.letter)):
        return SpoolName(named[1], int(named[2])), int(named[3])
    if entry.kind == EntryKind.FACT and entry.message == Closed.__name__:
        fact = json.loads(entry.body)
        return SpoolName(fact["actor"], fact["incarnation"]), fact["n"]
    return None
