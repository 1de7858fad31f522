"""Erasure of a subject, and the care of the keys: commands that work on the files, beside a hub or without one.

An *errand* is written down before its first step and struck out after its last; every step may be done again.  So
whatever is killed between two steps, the next errand, or the next start of the hub, goes on with it, and it is recorded
once.  What it did is a fact in a spool under the name of the keeper, which the auditor takes in like any other.

| erasure | rotation |
|---|---|
| look for what stands in the way; the errand | the next key-encryption key, ``kek.new``; the errand |
| a line in ``subjects/erased``, from which a new key learns what it must not seal | each key is wrapped anew |
| the key is overwritten and deleted | the old key-encryption key is overwritten and deleted, the next takes its name |
| ``SubjectErased`` | ``KeysRotated`` |

The order of an erasure is what makes it one: there is no moment at which the key is gone and a new one could be made
that does not know which events it must not seal, those that have been heard.
"""

import json
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.heard import heard_by_now
from alluse_hub.actors.auditor.reader import spools_of
from alluse_hub.protocols import wire
from alluse_hub.protocols.erasure import KeysBroughtBack, KeysRotated, KeysSaved, SubjectErased
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.names import KEEPER
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.clock import anchored
from alluse_hub.supervision.keyfiles import (
    CREDENTIAL,
    CREDENTIAL_OLD,
    KEY_BYTES,
    Kek,
    destroy,
    destroy_remains,
    draft_of,
    parse_record,
    unwrap,
    wrap,
    write_kek,
    write_record,
    write_whole,
)
from alluse_hub.supervision.keyring import PSEUDONYMS, Erased, Keyring
from alluse_hub.supervision.spool import Frame, Spool, sync_directory

ERASE, ROTATE = "erase", "rotate"

ERRANDS = "errands.lock"
"""Held for a whole errand: there is one at a time."""

Step = Callable[[str], None]
"""Told the name of each step when it is done."""


class Erasable(NamedTuple):
    """``key``: id of the key there is, or empty."""

    subject: str
    key: str


class Rotated(NamedTuple):
    was: str
    now: str
    keys: int
    is_destroyed: bool


def nothing(_step: str) -> None:
    """Nobody watches."""


def erasable(home: Path, subject_id: str) -> Erasable:
    """Raises CallerError if nothing was ever sealed here."""
    ring = Keyring(home)
    if ring.record(PSEUDONYMS) is None:
        raise CallerError("nothing was ever sealed here; declare what is personal with [[trail.personal]]")
    subject = ring.pseudonym(subject_id)
    record = ring.record(subject)
    return Erasable(subject, "" if record is None else record.key)


def erase(home: Path, subject: str, who: str, reason: str, now: float, step: Step = nothing) -> SubjectErased:
    """The caller has looked for what stands in the way.

    Raises CallerError if there is no key, TrailError and OSError; then `resume` goes on with what was begun.
    """
    ring = Keyring(home)
    with ring.locked(ERRANDS):
        _resume(home, ring)
        record = ring.record(subject)
        if record is None:
            raise CallerError(f"there is no key of {subject}: it was erased, or nothing of it was ever sealed")
        errand = {
            "what": ERASE,
            "errand": secrets.token_hex(8),
            "subject": subject,
            "keys": [record.key],
            "by": who,
            "reason": reason,
            "through": heard_by_now(home),
            "saved": saved_at(ring),
            "at": now,
        }
        _note(ring, errand)
        step("noted")
        return _erase(home, ring, errand, step)


def _erase(home: Path, ring: Keyring, errand: dict[str, Any], step: Step) -> SubjectErased:  # Any: JSON
    subject = errand["subject"]
    with ring.locked():
        _list(ring, errand)
        step("listed")
        record = ring.record(subject)
        path = ring.path_of(subject)
        if record is None or record.key in errand["keys"]:  # else it is a new key, of after the erasure
            destroy(path)
            errand["through"] = heard_by_now(home)  # as long as the lock is held nobody makes a new one
            _list(ring, errand)
        destroy_remains(path)
        destroy(draft_of(path))
        step("destroyed")
    told = {name: errand[name] for name in SubjectErased.model_fields}
    fact = SubjectErased.model_validate_json(json.dumps(told))
    _say_once(home, fact, errand["errand"])
    step("recorded")
    _strike(ring)
    return fact


def _list(ring: Keyring, errand: Mapping[str, Any]) -> None:  # Any: JSON
    """Once for each errand."""
    mine = Erased(errand["subject"], tuple(errand["keys"]), errand["through"], errand["at"])
    others = [each for each in ring.erased() if (each.subject, each.keys) != (mine.subject, mine.keys)]
    _put_erased(ring, [*others, mine])


def rotate(home: Path, who: str, now: float, step: Step = nothing) -> Rotated:
    """Raises CallerError if there is nothing to change, TrailError and OSError as above."""
    ring = Keyring(home)
    with ring.locked(ERRANDS):
        _resume(home, ring)
        if ring.record(PSEUDONYMS) is None:
            raise CallerError("there are no keys yet; they are made when something is sealed")
        target = _target(ring, step)
        errand = {"what": ROTATE, "errand": secrets.token_hex(8), "by": who, "now": target.id, "at": now}
        errand["was"] = ", ".join(sorted(_wrapping(ring) - {target.id}))
        _note(ring, errand)
        step("noted")
        return _rotate(home, ring, errand, step)


def _target(ring: Keyring, step: Step) -> Kek:
    """What all keys are to be wrapped by.  Raises CallerError if they are."""
    credential = ring.credential()
    if credential is not None and _wrapping(ring) == {credential.id}:
        raise CallerError(
            f"the key-encryption key is the credential {CREDENTIAL}, and all keys are wrapped by it: give the new one"
            f" under that name and this one as {CREDENTIAL_OLD}, and rotate again"
        )
    if credential is not None:
        return credential
    path = ring.folder / "kek.new"
    target = ring.keks()[_id_of(path)] if path.exists() else write_kek(path, secrets.token_bytes(KEY_BYTES))
    step("made")
    return target


def _rotate(home: Path, ring: Keyring, errand: dict[str, Any], step: Step) -> Rotated:  # Any: JSON
    keks = ring.keks()
    target = keks.get(errand["now"])
    if target is None:
        raise TrailError(
            f"keys are half way from one key-encryption key to {errand['now']}, which is not here; bring back"
            f" home/keys/kek.new, or give the credential {CREDENTIAL}"
        )
    for name in (*ring.known(), PSEUDONYMS):
        with ring.locked():
            _rewrap(ring, name, keks, target)
        step(f"rewrapped {name}")
    with ring.locked():
        for name in (*ring.known(), PSEUDONYMS):  # those that were made meanwhile
            _rewrap(ring, name, keks, target)
        kek, new = ring.folder / "kek", ring.folder / "kek.new"
        is_destroyed = kek.exists() or not ring.credential(CREDENTIAL_OLD)
        if kek.exists() and _id_of(kek) != target.id:
            destroy(kek)
        destroy_remains(kek)
        step("destroyed")
        if new.exists():
            new.rename(kek)
            sync_directory(ring.folder)
        step("renamed")
        count = len(ring.known())
    fact = KeysRotated(
        errand=errand["errand"],
        was=errand["was"],
        now=target.id,
        keys=count,
        by=errand["by"],
        is_destroyed=is_destroyed,
    )
    _say_once(home, fact, errand["errand"])
    step("recorded")
    _strike(ring)
    return Rotated(errand["was"], target.id, count, is_destroyed)


def _rewrap(ring: Keyring, name: str, keks: Mapping[str, Kek], target: Kek) -> None:
    """Under the lock."""
    record = ring.record(name)
    if record is not None and record.kek != target.id:
        write_record(ring.path_of(name), wrap(target, name, record.key, unwrap(keks, record), record.not_for))


def _wrapping(ring: Keyring) -> set[str]:
    """Ids of the key-encryption keys in use."""
    records = (ring.record(name) for name in (*ring.known(), PSEUDONYMS))
    return {record.kek for record in records if record is not None}


def _id_of(path: Path) -> str:
    return path.read_text(encoding="ascii").split("+")[1]


def resume(home: Path) -> str:
    """Go on with the errand that was cut short, if there is one; what it was, else empty.  Raises TrailError and
    OSError."""
    ring = Keyring(home)
    if not _errand_of(ring).exists():
        return ""
    with ring.locked(ERRANDS):
        return _resume(home, ring)


def _resume(home: Path, ring: Keyring) -> str:
    path = _errand_of(ring)
    try:
        errand = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    except ValueError as error:
        raise TrailError(f"{path} cannot be read: {error}; look what it says, and remove it") from error
    if errand["what"] == ERASE:
        _erase(home, ring, errand, nothing)
    else:
        _rotate(home, ring, errand, nothing)
    return str(errand["what"])


def admit_keys(home: Path, *, is_declared: bool) -> None:
    """Before a hub starts: go on with an errand that was cut short, and see that what will be sealed can be.

    Raises CallerError.
    """
    ring = Keyring(home)
    if not is_declared and not _errand_of(ring).exists():
        return
    try:
        resume(home)
        lacking = _unreadable(ring)
    except (TrailError, OSError) as error:
        raise CallerError(str(error)) from error
    if lacking:
        raise CallerError(lacking)


def _unreadable(ring: Keyring) -> str:
    """Why the keys that are here cannot be used; empty if they can.  Raises TrailError."""
    here = ring.keks()
    lacking = _wrapping(ring) - here.keys()
    if not lacking:
        return ""
    return (
        f"keys of subjects are wrapped by the key-encryption key {', '.join(sorted(lacking))}, which is not here; bring"
        f" home/keys/kek back, or give the credential {CREDENTIAL}"
    )


def _errand_of(ring: Keyring) -> Path:
    return ring.folder / "errand"


def _note(ring: Keyring, errand: Mapping[str, Any]) -> None:  # Any: JSON
    write_whole(_errand_of(ring), json.dumps(errand).encode())


def _strike(ring: Keyring) -> None:
    _errand_of(ring).unlink(missing_ok=True)
    sync_directory(ring.folder)


# --- copies of the key store -----------------------------------------------------------------------------------------


def save(home: Path, folder: Path, who: str, now: float) -> int:
    """Copy the wrapped keys to a new folder outside the home; how many.  Raises CallerError, OSError."""
    ring = Keyring(home)
    if folder.resolve().is_relative_to(home.resolve()):
        raise CallerError(f"{folder} is in the home: an erasure would not reach the keys in it; choose one elsewhere")
    if not ring.subjects.exists():
        raise CallerError("there are no keys yet; they are made when something is sealed")
    folder.mkdir(mode=0o700, parents=True)
    with ring.locked():
        write_whole(ring.subjects / "saved", json.dumps(now).encode())
        for path in [*ring.subjects.glob("*.key"), *ring.subjects.glob("erased")]:
            shutil.copyfile(path, folder / path.name)
            (folder / path.name).chmod(0o600)
        count = len(ring.known())
    say(home, KeysSaved(keys=count, by=who))
    return count


def saved_at(ring: Keyring) -> float | None:
    try:
        return float(json.loads((ring.subjects / "saved").read_text(encoding="ascii")))
    except (FileNotFoundError, ValueError):
        return None


def bring_back(home: Path, folder: Path, who: str) -> KeysBroughtBack:
    """Add keys that are not here; those of erased subjects are refused.  What nothing here unwraps is left where it is,
    since nobody could seal or start with it, and then CallerError is raised in the end.  Raises TrailError, OSError."""
    found = sorted(folder.glob("*.key"))
    if not found:
        raise CallerError(f"{folder} has no keys; name what `trail keys backup` made")
    ring = Keyring(home)
    taken = refused = 0
    lacking: set[str] = set()
    with ring.locked():
        here = ring.keks()
        erased = _all_erased(home, ring)
        _put_erased(ring, erased)
        gone = {(each.subject, key) for each in erased for key in each.keys}
        for path in found:
            record = parse_record(path.read_bytes(), str(path))
            if record.subject != path.stem or ring.record(record.subject) is not None:
                continue
            if (record.subject, record.key) in gone:
                refused += 1
                continue
            if record.kek not in here:
                lacking.add(record.kek)
                continue
            write_record(ring.path_of(record.subject), record._replace(not_for=ring.not_for(record.subject)))
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


def _put_erased(ring: Keyring, erased: list[Erased]) -> None:
    lines = "".join(f"{json.dumps(each._asdict() | {'through': dict(each.through)})}\n" for each in erased)
    write_whole(ring.subjects / "erased", lines.encode())


# --- the keeper's own spool ------------------------------------------------------------------------------------------


def _say_once(home: Path, fact: Fact, errand: str) -> None:
    kinds = frozenset({wire.kind_of(fact)})
    if not any(json.loads(body).get("errand") == errand for _, body in query.facts_of(home, KEEPER, kinds)):
        say(home, fact)


def say(home: Path, fact: Fact) -> str:
    """Power-safe when it returns; the entry's id."""
    spool = Spool.open(spools_of(home), KEEPER)
    try:
        clock = anchored(home)
        frame = Frame(EntryKind.FACT, wire.kind_of(fact), wire.encode(fact), power=True)
        n = spool.write([frame], clock.now(), clock.wall())
        spool.sync()
        return f"{KEEPER}/{spool.incarnation}/{n}"
    finally:
        spool.close()
