"""``trail erase`` and ``trail keys``: subjects of personal data, and the keys that their fields are sealed with.

From the files alone, beside a running hub or without one.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import CONFLICT, DONE, NOT_FOUND, USAGE, Failure
from alluse_hub.cli.opening import who
from alluse_hub.cli.render import clean, moment, number, say
from alluse_hub.cli.trail_files import CONFIG_HELP, folder_of, refuse_empty, told, trail_config

if TYPE_CHECKING:
    from alluse_hub.actors.auditor.errands import Erasable
    from alluse_hub.actors.auditor.subjects import Obstacles

Subparsers = Any  # Any: argparse's own form has no public name


def add(verb: Callable[..., argparse.ArgumentParser], parts: Subparsers, parser: type[argparse.ArgumentParser]) -> None:
    made = verb("erase", erase, "make what is sealed of a subject unreadable, for ever and everywhere", parts)
    made.add_argument("subject", metavar="SUBJECT", help="its id, as the events have it")
    made.add_argument("--who", metavar="NAME", required=True, help="who decides it; goes into the trail")
    made.add_argument("--reason", metavar="TEXT", required=True, help="goes into the trail")
    made.add_argument("--config", metavar="FILE", help=CONFIG_HELP)
    made.add_argument("--dry-run", action="store_true", help="only tell what it would do, and what stands in the way")
    keys = parts.add_parser("keys", help="the keys that declared fields are sealed with")
    words = keys.add_subparsers(metavar="list|rotate|backup|restore", required=True, parser_class=parser)
    known = verb("list", list_keys, "how many there are, and what they are wrapped by; or those of one subject", words)
    known.add_argument("subject", nargs="?", metavar="SUBJECT", default="", help="show its pseudonym and its key")
    turn = verb("rotate", rotate, "wrap all keys by another key-encryption key, and destroy the one before", words)
    copy = verb("backup", backup, "copy the wrapped keys; the key-encryption key is not among them", words)
    copy.add_argument("dir", metavar="DIR", help="a folder that is not there yet, outside the home")
    back = verb("restore", restore, "bring back keys that are not here; none of an erased subject", words)
    back.add_argument("dir", metavar="DIR", help="what `trail keys backup` made")
    for each in (turn, copy, back):
        each.add_argument("--who", metavar="NAME", default="", help="goes into the trail; default: the user")


# --- erasure ---------------------------------------------------------------------------------------------------------


def erase(arguments: argparse.Namespace) -> int:
    """``CONFLICT`` if a hold or a duty is in the way, with the first day on which none is."""
    from alluse_hub.actors.auditor import errands
    from alluse_hub.actors.auditor.bearers import look_through

    folder = folder_of(arguments)
    for text, what in ((arguments.who, "--who"), (arguments.reason, "--reason")):
        refuse_empty(text, what)
        if arguments.subject in text:
            raise Failure(USAGE, f"{what} names the subject, and goes into the trail", "leave the subject out of it")
    with told():
        if not arguments.dry_run:
            errands.resume(folder)
        meant = errands.erasable(folder, arguments.subject)
        if not meant.key:
            raise Failure(NOT_FOUND, f"no key of subject {meant.subject}: nothing of it is sealed, or it was erased")
        config, now = trail_config(arguments, folder), time.time()
        if arguments.dry_run:
            found = look_through(folder, meant.subject, config.personal, config.duties, now)
            _show(arguments, meant, found)
            if found.any:
                raise Failure(CONFLICT, *_refusal(meant.subject, found))
            return DONE
        deciders = arguments.who, arguments.reason
        try:
            fact, found = errands.erase(folder, meant.subject, *deciders, now, config.personal, config.duties)
        except errands.HinderedError as hindered:
            raise Failure(CONFLICT, *_refusal(meant.subject, hindered.found)) from hindered
    if arguments.json:
        put_json("erase", _document(meant, found) | {"erased": True, **fact.model_dump(mode="json")})
    else:
        say([_line(meant, found)])
        if fact.saved is not None:
            copied = moment(fact.saved, utc=arguments.utc)
            say([f"the key store was copied {copied}: destroy that copy and older ones, the key may be in them"])
        say([f"erased: subject {meant.subject}; `trail keys rotate` makes remains of the key on the disk useless, too"])
    return DONE


def _refusal(subject: str, found: "Obstacles") -> tuple[str, str]:
    holds, until = found.holds, found.until
    if holds:
        named = "; ".join(f"{hold.id} of {clean(hold.placed.owner)}: {clean(hold.placed.reason)}" for hold in holds)
        lifting = ", ".join(f"`trail hold lift {hold.id}`" for hold in holds)
        return f"subject {subject} is under legal hold: {named}", f"it can be erased when that is lifted: {lifting}"
    duties = ", ".join(f"{number(count)} fields of the class {name}" for name, count in found.duties.items())
    if until == float("inf"):
        return f"subject {subject} is under a duty of retention for ever: {duties}", "declare such fields otherwise"
    day = time.strftime("%Y-%m-%d", time.gmtime(until + 86_399))
    hint = f"possible from {day} on; a field that nobody must keep is declared with `duty = false`"
    return f"subject {subject} is under a duty of retention: {duties}", hint


def _document(meant: "Erasable", found: "Obstacles") -> dict[str, Any]:  # Any: JSON
    return {
        "subject": meant.subject,
        "key": meant.key,
        "entries": found.entries,
        "fields": found.fields,
        "holds": [hold.id for hold in found.holds],
        "until": None if not found.until or found.until == float("inf") else found.until,
        "duties": dict(found.duties),
        "possible": not found.any,
    }


def _show(arguments: argparse.Namespace, meant: "Erasable", found: "Obstacles") -> None:
    if arguments.json:
        put_json("erase", _document(meant, found) | {"erased": False})
    else:
        say([_line(meant, found), "dry run: nothing was changed"])


def _line(meant: "Erasable", found: "Obstacles") -> str:
    return f"subject {meant.subject}, key {meant.key}: {number(found.fields)} fields in {number(found.entries)} entries"


# --- keys ------------------------------------------------------------------------------------------------------------


def list_keys(arguments: argparse.Namespace) -> int:
    from alluse_hub.actors.auditor import errands
    from alluse_hub.supervision.keyring import Keyring

    folder = folder_of(arguments)
    with told():
        ring = Keyring(folder)
        meant = errands.erasable(folder, arguments.subject) if arguments.subject else None
        records = [record for name in ring.known() if (record := ring.record(name)) is not None]
        used = sorted({record.kek for record in records})
        here = {kek.id: "credential" if kek.path is None else kek.path.name for kek in ring.keks().values()}
        erased, saved = ring.erased(), errands.saved_at(ring)
    doc: dict[str, Any] = {  # Any: JSON
        "keys": len(records),
        "wrapped_by": used,
        "here": here,
        "erased": [each._asdict() for each in erased],
        "saved": saved,
    }
    if meant is not None:
        doc |= {"subject": meant.subject, "key": meant.key}
    if arguments.json:
        put_json("keys", doc)
        return DONE
    if meant is not None:
        say([f"subject {meant.subject}, key {meant.key or 'none'}"])
        return DONE
    say([f"{number(len(records))} keys of subjects, wrapped by {', '.join(used) or 'nothing'}"])
    say([f"key-encryption key {name}: {where}" for name, where in here.items()])
    when = "never" if saved is None else moment(saved, utc=arguments.utc)
    say([f"erased: {number(len(erased))}; the key store was last copied: {when}"])
    return DONE


def rotate(arguments: argparse.Namespace) -> int:
    from alluse_hub.actors.auditor import errands

    by, folder = arguments.who or who(), folder_of(arguments)
    with told():
        done = errands.rotate(folder, by, time.time())
    if arguments.json:
        put_json("rotate", done._asdict())
        return DONE
    gone = f"{done.was} is destroyed" if done.is_destroyed else f"destroy {done.was}, which came as a credential"
    say([f"{number(done.keys)} keys are wrapped by {done.now} now; {gone if done.was else 'there was none before'}"])
    return DONE


def backup(arguments: argparse.Namespace) -> int:
    from alluse_hub.actors.auditor import key_copies

    by, folder, target = arguments.who or who(), folder_of(arguments), Path(arguments.dir).absolute()
    with told():
        count = key_copies.save(folder, target, by, time.time())
    if arguments.json:
        put_json("keys-backup", {"keys": count, "folder": str(target)})
        return DONE
    say([f"{number(count)} keys in {target}, wrapped; keep home/keys/kek, or the credential, somewhere else"])
    say(["a copy outlives an erasure: replace it often, and destroy it when `trail erase` says so"])
    return DONE


def restore(arguments: argparse.Namespace) -> int:
    from alluse_hub.actors.auditor import key_copies

    by, folder = arguments.who or who(), folder_of(arguments)
    with told():
        fact = key_copies.bring_back(folder, Path(arguments.dir), by)
    if arguments.json:
        put_json("keys-restore", {"keys": fact.keys, "refused": fact.refused})
        return DONE
    say([f"{number(fact.keys)} keys brought back; {number(fact.refused)} refused, of erased subjects"])
    return DONE
