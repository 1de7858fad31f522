"""A backup becomes the trail of a home again, and the log goes on from there without a second past.

It is put together beside the trail, verified there, and moved in with one rename.  Refused are a backup of which a
byte is not as it was, a home that has a trail or anything that is not a hub's, and a backup that is older than the
home's own ``head`` says, unless that is asked for.  Then what is lost is said in the trail, as its next entry.

A key must never sign two heads of which neither begins with the other.  So the key of the home signs on only if its
``head`` shows that nothing newer was signed; else a new key is made for the same log.  And no id must ever be given
twice, also none of a lost entry, so every actor goes on ``STRIDE`` incarnations higher.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.keeper_log import DECIDING
from alluse_hub.actors.auditor.manifest import BackupManifest
from alluse_hub.actors.auditor.notes import Checkpoint, Note, NoteError
from alluse_hub.actors.auditor.reader import spools_of, store_of
from alluse_hub.protocols import wire
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.trail import EntryKind, Restored
from alluse_hub.supervision.clock import anchored
from alluse_hub.supervision.spool import Frame, Spool, SpoolName, spools_in, sync_directory

STRIDE = 1_000
"""Incarnations left out at a restore: more than an actor has had in the span that was lost, unless that was days."""

OWN_FOLDERS = frozenset({"trail", "keys", "run", "log", "state"})
OWN_FILES = frozenset({"hub.toml", "clock.json", "clock.new", "starts.json"})
LEFT_IN_TRAIL = frozenset({"head", "head.lock", "head.new", "spool", DECIDING})
"""What may lie in a home that is to be restored: no entry is in any of it."""

INDEX = "index.db"
"""How the files of the search begin: made of the trail, and made anew."""

BESIDE = "trail.restoring"

ACTOR = "restore"
"""In whose name the fact is written: no actor of the tree, but a person's act."""

Verify = Callable[[Path, list[Path]], None]
"""Verifies a home, also against checkpoints in files.  Raises TrailError if anything is wrong."""


def refuse_occupied(home: Path) -> None:
    """Raises CallerError for a home with a trail, or with what is not a hub's."""
    here = {path.name for path in home.iterdir()} if home.exists() else set()
    if BESIDE in here:
        raise CallerError(f"{home / BESIDE} was left by a restore that did not end; move it aside, then restore again")
    if strange := sorted(here - OWN_FOLDERS - OWN_FILES):
        raise CallerError(f"{home} has {strange[0]}, which is no hub's; restore into an empty folder")
    trail = home / "trail"
    here = {path.name for path in trail.iterdir()} - LEFT_IN_TRAIL if trail.exists() else set()
    left = {name for name in here if not name.startswith(INDEX)}
    if left or spools_in(trail / "spool"):
        raise CallerError(
            f"{trail} is not empty: it has {min(left) if left else 'spools'}; restore into another home, or move its"
            " trail.db, trail.db-wal, trail.db-shm, segments and spool aside and keep them; leave `head` where it is"
        )


def newer_head(home: Path, manifest: BackupManifest) -> tuple[int, str]:
    """Size and root that the home's own last checkpoint vouches for, if the backup has less; else 0 and nothing.

    Raises TrailError if it cannot be read, or is another log's.
    """
    path = home / "trail" / "head"
    if not path.exists():
        return 0, ""
    try:
        head = Checkpoint.parse(Note.parse(path.read_text(encoding="utf-8")).text)
    except (NoteError, OSError, UnicodeDecodeError) as error:
        raise TrailError(f"{path} is no checkpoint ({error}); move it aside to restore without it") from error
    if head.origin != manifest.origin:
        raise TrailError(f"{path} is of the log {head.origin}, the backup of {manifest.origin}; choose another home")
    return (head.size, head.root.hex()) if head.size > manifest.entries else (0, "")


def bring_back(folder: Path, home: Path, manifest: BackupManifest, verify: Verify, *, older: bool) -> Restored:
    """The caller has read the manifest and holds the home's lock.  Raises CallerError and TrailError, and OSError."""
    lost_entries, lost_root = newer_head(home, manifest)
    if lost_entries and not older:
        raise CallerError(
            f"the backup is older than {home / 'trail' / 'head'} says: {manifest.entries} entries where there have been"
            f" {lost_entries}; bring back a newer one, or take the loss with --older, which is recorded"
        )
    head = home / "trail" / "head"
    had_head = head.exists()
    beside = home / BESIDE
    try:
        _put_together(folder, beside, manifest)
        verify(beside, [head] if had_head and not lost_entries else [])
        _move_in(beside, home, lost_entries)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    signs_on = had_head and not lost_entries and keys.load(keys.key_of(home)) is not None
    signer = keys.load(keys.key_of(home)) if signs_on else None
    if signer is None or signer.vkey.name != manifest.origin:
        signer, signs_on = keys.make(keys.key_of(home), manifest.origin), False
    restored = Restored(
        made_at=manifest.made_at,
        entries=manifest.entries,
        root=manifest.root,
        lost_entries=lost_entries,
        lost_root=lost_root,
        key=str(signer.vkey),
        is_new_key=not signs_on,
    )
    _say(home, restored)
    return restored


def _put_together(folder: Path, beside: Path, manifest: BackupManifest) -> None:
    """As a home of its own, so that it can be verified like one."""
    for name in manifest.files:
        target = beside / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(folder / name, target)
        target.chmod(0o600)
        with target.open("rb") as file:
            os.fsync(file.fileno())
    spools = spools_of(beside)
    spools.mkdir(mode=0o700, parents=True, exist_ok=True)
    latest = {name.actor: name.incarnation for name in spools_in(spools)}
    with contextlib.closing(sqlite3.connect(f"{store_of(beside).absolute().as_uri()}?immutable=1", uri=True)) as copy:
        for actor, incarnation in copy.execute("SELECT actor, max(incarnation) FROM spools GROUP BY actor"):
            latest[actor] = max(incarnation, latest.get(actor, 0))
    latest[ACTOR] = int(time.time()) - STRIDE  # two restores of one backup are two incarnations
    for actor, incarnation in latest.items():
        (spools / str(SpoolName(actor, incarnation + STRIDE))).touch(mode=0o600)
    sync_directory(spools)


def _move_in(beside: Path, home: Path, lost_entries: int) -> None:
    """The trail with one rename; what is not there yet of keys, clock and configuration before it."""
    old = home / "trail"
    if lost_entries:
        shutil.copyfile(old / "head", beside / "trail" / f"head.lost-{lost_entries}")
    for path in sorted(beside.iterdir()):
        if path.is_file() and not (home / path.name).exists():
            path.replace(home / path.name)
    known = home / "keys"
    known.mkdir(mode=0o700, exist_ok=True)
    for path in sorted((beside / "keys").iterdir()):
        if not (known / path.name).exists():
            path.replace(known / path.name)
    if old.exists():
        shutil.rmtree(old)  # nothing but the head, which is older, or kept
    (beside / "trail").replace(old)
    sync_directory(home)
    shutil.rmtree(beside)


def _say(home: Path, restored: Restored) -> None:
    spool = Spool.open(spools_of(home), ACTOR)
    try:
        frame = Frame(EntryKind.FACT, wire.kind_of(restored), wire.encode(restored), power=True)
        clock = anchored(home)
        spool.write([frame], clock.now(), clock.wall())
        spool.sync()
    finally:
        spool.close()
