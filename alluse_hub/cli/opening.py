"""Sealed fields in what is shown: a sentence in their place, or with ``--open`` what was said.

They are opened here, with the keys in the home, and never by the daemon: no socket carries them.  What was opened is
recorded, under the name of whoever asked.  In JSON a field that is not opened stands as it stands in the trail.
"""

import argparse
import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alluse_hub.cli import home
from alluse_hub.cli.failure import FAILED, USAGE, Failure

if TYPE_CHECKING:
    from alluse_hub.supervision.veil import Opener

Doc = Any  # Any: JSON

SEALED = frozenset({"sealed", "key", "box"})
"""The keys of a sealed field; ``protocols.personal`` has the form."""

ENTRY = frozenset({"actor", "incarnation", "n", "message", "body"})
EVENT = frozenset({"entry", "ws", "event", "payload"})


def add(*commands: argparse.ArgumentParser) -> None:
    for made in commands:
        made.add_argument("--open", action="store_true", help="show sealed fields as they were said; this is recorded")


def refuse_following(arguments: argparse.Namespace) -> None:
    """What is opened is recorded, and nobody reads a record of each half second."""
    if arguments.follow and arguments.open:
        raise Failure(USAGE, "--open does not go with -f", "look at a page of it")


def presented(arguments: argparse.Namespace, doc: Doc) -> Doc:
    """As it may be shown, if it has sealed fields.  Raises Failure for keys that cannot be read."""
    if not _has_sealed(doc):
        return doc
    if arguments.open:
        from alluse_hub.protocols.errors import TrailError

        folder = home.find(arguments.home)
        opener = opener_of(folder)
        try:
            doc = _opened(doc, opener)
        except TrailError as error:
            raise Failure(FAILED, str(error)) from error
        record(folder, arguments, opener.opened)
    return doc if arguments.json else _told(doc)


def opener_of(folder: Path, *, is_strict: bool = False) -> "Opener":
    from alluse_hub.actors.auditor.unsealing import with_keys

    return with_keys(folder, is_strict=is_strict)


def who() -> str:
    """Whoever runs this, as the system knows them."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "?"
    return f"{name} (uid {os.getuid()})"


def record(folder: Path, arguments: argparse.Namespace, fields: int) -> None:
    """Before anything is shown.  Where the home cannot be written, that is said, and it is shown all the same."""
    if not fields:
        return
    from alluse_hub.actors.auditor.keeper_log import say
    from alluse_hub.protocols.erasure import SealedOpened
    from alluse_hub.protocols.errors import HubError

    by = who()
    home.act_as_owner(folder)
    try:
        say(folder, SealedOpened(by=by, command=arguments.run.__name__, fields=fields))
    except (HubError, OSError) as error:
        sys.stderr.write(f"that {fields} sealed fields were opened is not recorded: {error}\n")


def _has_sealed(doc: Doc) -> bool:
    if isinstance(doc, dict):
        return doc.keys() == SEALED or any(_has_sealed(each) for each in doc.values())
    return isinstance(doc, list) and any(_has_sealed(each) for each in doc)


def _opened(doc: Doc, opener: "Opener") -> Doc:
    """A sealed field is bound to its entry, so entries and events are looked for."""
    if isinstance(doc, list):
        return [_opened(each, opener) for each in doc]
    if not isinstance(doc, dict):
        return doc
    if doc.keys() >= ENTRY:
        body = opener.value(doc["body"], doc["actor"], doc["incarnation"], doc["n"], doc["message"])
        return doc | {"body": body}
    if doc.keys() >= EVENT:
        actor, incarnation, n = str(doc["entry"]).rsplit("/", 2)
        whole: Doc = opener.value({"event": doc}, actor, int(incarnation), int(n), "EventHeard")
        return whole["event"]
    return {key: _opened(each, opener) for key, each in doc.items()}


def _told(doc: Doc) -> Doc:
    from alluse_hub.protocols.personal import opened, sealed_sentence

    return opened(doc, sealed_sentence)
