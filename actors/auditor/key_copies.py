"""Copies of the key store: wrapped keys, elsewhere, for when files of keys are lost.

A copy outlives an erasure, so an erasure tells when the last one was made, and no key of an erased subject comes back
from one.
"""

import json
import os
import shutil
from pathlib import Path

from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.errands import ERRANDS, ERRANDS_S, SAVED, put_erased
from alluse_hub.actors.auditor.keeper_log import say
from alluse_hub.protocols.erasure import KeysBroughtBack, KeysSaved, SubjectErased
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.names import KEEPER
from alluse_hub.supervision.keyfiles import CREDENTIAL, parse_record, write_record, write_whole
from alluse_hub.supervision.keyring import Erased, Keyring
from alluse_hub.supervision.spool import sync_directory


def save(home: Path, folder: Path, who: str, now: float) -> int:
    """Copy the wrapped keys to a new folder outside the home; how many.  On the disk before it is said.

    Raises CallerError, OSError.
    """
    ring = Keyring(home)
    if folder.resolve().is_relative_to(home.resolve()):
        raise CallerError(f"{folder} is in the home: an erasure would not reach the keys in it; choose one elsewhere")
    if not ring.subjects.exists():
        raise CallerError("there are no keys yet; they are made when something is sealed")
    new = [folder, *(each for each in folder.parents if not each.exists())]
    folder.mkdir(mode=0o700, parents=True)
    with ring.locked():
        write_whole(ring.subjects / SAVED, json.dumps(now).encode())
        for path in [*ring.subjects.glob("*.key"), *ring.subjects.glob("erased")]:
            shutil.copyfile(path, folder / path.name)
            (folder / path.name).chmod(0o600)
        count = len(ring.known())
    for path in folder.iterdir():  # without the lock, for which actors wait
        _sync(path)
    sync_directory(folder)
    for each in new:
        sync_directory(each.parent)
    say(home, KeysSaved(keys=count, by=who))
    return count


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def bring_back(home: Path, folder: Path, who: str) -> KeysBroughtBack:
    """Add keys that are not here; those of erased subjects are refused.  What nothing here unwraps is left where it is,
    since nobody could seal or start with it, and then CallerError is raised in the end.  Raises TrailError, OSError."""
    found = sorted(folder.glob("*.key"))
    if not found:
        raise CallerError(f"{folder} has no keys; name what `trail keys backup` made")
    ring = Keyring(home)
    taken = refused = 0
    lacking: set[str] = set()
    with ring.locked(ERRANDS, ERRANDS_S):  # nobody is erased meanwhile
        here = ring.keks()
        erased = _all_erased(home, ring)
        with ring.locked():
            put_erased(ring, erased)
        gone = {(each.subject, key) for each in erased for key in each.keys}
        for path in found:
            record = parse_record(path.read_bytes(), str(path))
            if record.subject != path.stem:
                continue
            with ring.locked():  # for each anew, since actors wait for it
                if ring.record(record.subject) is not None:
                    continue
                if (record.subject, record.key) in gone:
                    refused += 1
                elif record.kek not in here:
                    lacking.add(record.kek)
                else:
                    not_for = ring.not_for(record.subject)
                    write_record(ring.path_of(record.subject), record._replace(not_for=not_for))
                    taken += 1
    fact = KeysBroughtBack(keys=taken, refused=refused, by=who)
    say(home, fact)
    if lacking:
        raise CallerError(
            f"{taken} keys were brought back; others in {folder} are wrapped by the key-encryption key"
            f" {', '.join(sorted(lacking))}, which is not here: bring home/keys/kek back, or give the credential"
            f" {CREDENTIAL}, and restore again; if a rotation destroyed it, they are lost"
        )
    return fact


def _all_erased(home: Path, ring: Keyring) -> list[Erased]:
    """Of the list, and of the trail, which may know of more."""
    known = ring.erased()
    have = {(each.subject, each.keys) for each in known}
    for _, body in query.facts_of(home, KEEPER, frozenset({SubjectErased.__name__})):
        fact = SubjectErased.model_validate_json(body)
        if (fact.subject, fact.keys) not in have:
            known.append(Erased(fact.subject, fact.keys, fact.through, 0.0))
    return known
