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

From that look to the last step nobody places a hold.  The order of an erasure is what makes it one: there is no moment
at which the key is gone and a new one could be made that does not know which events it must not seal, those that have
been heard.
"""

import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alluse_hub.actors.auditor.bearers import look_through
from alluse_hub.actors.auditor.heard import Hearing, heard_by_now
from alluse_hub.actors.auditor.keeper_log import deciding, say_once
from alluse_hub.actors.auditor.subjects import Obstacles
from alluse_hub.protocols.erasure import KeysRotated, SubjectErased
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.personal import PersonalField
from alluse_hub.protocols.retention import Retention
from alluse_hub.supervision.keyfiles import (
    CREDENTIAL,
    CREDENTIAL_OLD,
    KEY_BYTES,
    Kek,
    destroy,
    destroy_remains,
    draft_of,
    unwrap,
    wrap,
    write_kek,
    write_record,
    write_whole,
)
from alluse_hub.supervision.keyring import PSEUDONYMS, Erased, Keyring
from alluse_hub.supervision.spool import sync_directory

ERASE, ROTATE = "erase", "rotate"

ERRANDS = "errands.lock"
"""Held for a whole errand: there is one at a time."""

ERRANDS_S = 60.0
"""Waited for the errand of somebody else: a rotation takes some ten milliseconds for each key."""

SAVED = "saved"

Step = Callable[[str], None]
"""Told the name of each step when it is done."""


class HinderedError(CallerError):
    """A hold or a duty stands in the way of an erasure: ``found``."""

    def __init__(self, found: Obstacles) -> None:
        super().__init__("a hold or a duty of retention stands in the way")
        self.found = found


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


def erase(
    home: Path,
    subject: str,
    who: str,
    reason: str,
    now: float,
    fields: Sequence[PersonalField],
    days: Mapping[Retention, int],
    step: Step = nothing,
) -> tuple[SubjectErased, Obstacles]:
    """And what was looked through for it: ``fields`` as declared now, ``days`` as each class is kept.

    Raises HinderedError for a hold or a duty, CallerError if there is no key or somebody else decides for too long,
    TrailError and OSError; then `resume` goes on with what was begun.
    """
    ring = Keyring(home)
    with deciding(home), ring.locked(ERRANDS, ERRANDS_S):
        _resume(home, ring)
        record = ring.record(subject)
        if record is None:
            raise CallerError(f"there is no key of {subject}: it was erased, or nothing of it was ever sealed")
        found = look_through(home, subject, fields, days, now)
        if found.any:
            raise HinderedError(found)
        step("looked")
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
        return _erase(home, ring, errand, step), found


def _erase(home: Path, ring: Keyring, errand: dict[str, Any], step: Step) -> SubjectErased:  # Any: JSON
    subject = errand["subject"]
    hearing = Hearing(home)
    hearing.catch_up()  # so that under the lock, for which actors wait, little is left to be read
    with ring.locked():
        _list(ring, errand)
        step("listed")
        record = ring.record(subject)
        path = ring.path_of(subject)
        if record is None or record.key in errand["keys"]:  # else it is a new key, of after the erasure
            destroy(path)
            hearing.look()
            errand["through"] = hearing.through  # as long as the lock is held nobody makes a new one
            errand["saved"] = saved_at(ring)  # it may have been copied since the look
            _list(ring, errand)
        destroy_remains(path)
        destroy(draft_of(path))
        step("destroyed")
    told = {name: errand[name] for name in SubjectErased.model_fields}
    fact = SubjectErased.model_validate_json(json.dumps(told))
    say_once(home, fact, errand["errand"])
    step("recorded")
    _strike(ring)
    return fact


def _is_hindered(home: Path, ring: Keyring, errand: Mapping[str, Any]) -> bool:  # Any: JSON
    """Whether the key is still there of an erasure that was cut short, and a hold has come since."""
    record = ring.record(errand["subject"])
    if record is None or record.key not in errand["keys"]:
        return False
    return bool(look_through(home, errand["subject"], (), {}, 0.0).holds)


def _give_up(ring: Keyring, errand: Mapping[str, Any]) -> None:  # Any: JSON
    """Nobody was told of it, and nothing was destroyed."""
    mine = errand["subject"], tuple(errand["keys"])
    with ring.locked():
        put_erased(ring, [each for each in ring.erased() if (each.subject, each.keys) != mine])
    _strike(ring)


def _list(ring: Keyring, errand: Mapping[str, Any]) -> None:  # Any: JSON
    """Once for each errand."""
    mine = Erased(errand["subject"], tuple(errand["keys"]), errand["through"], errand["at"])
    others = [each for each in ring.erased() if (each.subject, each.keys) != (mine.subject, mine.keys)]
    put_erased(ring, [*others, mine])


def put_erased(ring: Keyring, erased: Collection[Erased]) -> None:
    """Under the lock of the keys."""
    lines = "".join(f"{json.dumps(each._asdict() | {'through': dict(each.through)})}\n" for each in erased)
    write_whole(ring.subjects / "erased", lines.encode())


def saved_at(ring: Keyring) -> float | None:
    """When the keys were last copied, in seconds since 1970."""
    try:
        return float(json.loads((ring.subjects / SAVED).read_text(encoding="ascii")))
    except (FileNotFoundError, ValueError):
        return None


def rotate(home: Path, who: str, now: float, step: Step = nothing) -> Rotated:
    """Raises CallerError if there is nothing to change, TrailError and OSError as above."""
    resume(home)
    ring = Keyring(home)
    with ring.locked(ERRANDS, ERRANDS_S):
        if _errand_of(ring).exists():
            raise CallerError("somebody else's errand was cut short at this moment; rotate again")
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
    say_once(home, fact, errand["errand"])
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
    """Go on with the errand that was cut short, if there is one; what it was, else empty.

    An erasure whose key is still there gives way to a hold that has come since.  Raises CallerError if somebody else
    decides for too long, TrailError and OSError.
    """
    ring = Keyring(home)
    if not _errand_of(ring).exists():
        return ""
    with deciding(home), ring.locked(ERRANDS, ERRANDS_S):
        return _resume(home, ring)


def _resume(home: Path, ring: Keyring) -> str:
    path = _errand_of(ring)
    try:
        errand = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    except ValueError as error:
        raise TrailError(f"{path} cannot be read: {error}; look what it says, and remove it") from error
    if errand["what"] == ERASE and _is_hindered(home, ring, errand):
        _give_up(ring, errand)
    elif errand["what"] == ERASE:
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
