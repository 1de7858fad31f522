"""The proof of the trail: verify it, and the key that it is signed with.  What verifies is imported only when asked."""

import argparse
from pathlib import Path

from alluse_hub.cli import home
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import CONFLICT, DONE, FAILED, NOT_FOUND, TRAIL_BROKEN, USAGE, Failure
from alluse_hub.cli.render import say


def verify(arguments: argparse.Namespace) -> int:
    """From the files alone; a daemon may run, and is not asked."""
    import sqlite3

    from alluse_hub import hub_verify

    folder = Path(arguments.dir) if arguments.dir else home.find(arguments.home)
    try:
        report = hub_verify.run(arguments, folder)
    except hub_verify.NoTrailError as error:
        raise Failure(NOT_FOUND, str(error), "give DIR, a copy of a trail or an export, or --home") from error
    except hub_verify.UsageError as error:
        raise Failure(USAGE, str(error), "see `run.py trail verify --help`") from error
    except (hub_verify.CannotVerifyError, sqlite3.Error) as error:
        raise Failure(FAILED, str(error)) from error
    if arguments.json:
        put_json("verify", hub_verify.document(report))
    else:
        say(hub_verify.lines_of(report))
    return TRAIL_BROKEN if report.findings else DONE


def key(arguments: argparse.Namespace) -> int:
    """Its public half, to be given to whoever verifies."""
    folder = home.find(arguments.home)
    public = folder / "keys" / "trail.vkey"
    if arguments.new:
        _renew(folder)
    try:
        text = public.read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise Failure(NOT_FOUND, f"{public} is not there", "start the hub once: it makes the key") from error
    if arguments.json:
        put_json("key", {"vkey": text})
    else:
        say([text])
    return DONE


def _renew(folder: Path) -> None:
    """A new key for the same log."""
    from alluse_hub.actors.auditor import keys
    from alluse_hub.protocols.errors import TrailError

    if home.guardian_of(folder):
        raise Failure(CONFLICT, "a hub runs here and signs with the old key", "`shutdown` first")
    try:
        origin = keys.origin_of(folder)
        if not origin:
            raise Failure(NOT_FOUND, f"{folder} has no signed trail", "start the hub once: it makes the key")
        keys.make(keys.key_of(folder), origin)
    except TrailError as error:
        raise Failure(FAILED, str(error)) from error
