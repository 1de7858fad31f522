"""``trail rerun`` and ``trail state``: the trail is decided again, and folded up to a moment.

From the files alone; a daemon may run, and is not asked.  What decides is imported only when this is asked.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from alluse_hub.cli import home
from alluse_hub.cli.asking import since, style_of
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import DONE, FAILED, NOT_FOUND, TRAIL_BROKEN, USAGE, Failure
from alluse_hub.cli.opening import opener_of, record
from alluse_hub.cli.render import clean, cut, moment, number, say
from alluse_hub.cli.trail_files import folder_of

if TYPE_CHECKING:
    from alluse_hub.actors.auditor.history import Bounds, History
    from alluse_hub.supervision.judgement import Difference, Judgement
    from alluse_hub.supervision.sayings import Said

WORD_EVERY_S = 1.0
"""Between two words of progress."""

BODY_CHARS = 2_000
"""As much of a body is shown; ``--json`` has it whole."""

Doc = dict[str, Any]  # Any: JSON


def rerun(arguments: argparse.Namespace) -> int:
    """``TRAIL_BROKEN`` if a decision differs; what cannot be judged is told, and is no fault."""
    from alluse_hub import __version__
    from alluse_hub.actors.auditor.abreast import rerun_abreast
    from alluse_hub.actors.catalog import core_of

    began = time.monotonic()
    with history_of(arguments) as history:
        history.reads = opener = opener_of(home.find(arguments.home), is_strict=True)
        bounds = bounds_of(history, arguments.first, arguments.last)
        folder = home.find(arguments.home)
        judged = list(rerun_abreast(folder, history, core_of, arguments.actor, bounds, Progress()))
    if arguments.actor and not judged:
        raise Failure(NOT_FOUND, f"nothing of {arguments.actor!r} is on record there", "`tree` lists actors")
    doc = _document(judged, __version__, time.monotonic() - began)
    if doc["differences"] and arguments.open:
        record(home.find(arguments.home), arguments, opener.opened)
    elif opener.opened:
        for one in doc["differences"]:
            _veil(one)
    if arguments.json:
        put_json("rerun", doc)
    else:
        style = style_of(arguments)
        say([style.fit(line) for line in _lines(doc)])
    return TRAIL_BROKEN if doc["differences"] else DONE


def _veil(found: Doc) -> None:
    """Sealed fields were opened to decide it again, so what is shown of it may have them."""
    found["why"] = found["why"].partition(":")[0]
    for word in ("recorded", "decided"):
        if found[word]:
            found[word]["body"] = {"": "may have sealed fields; --open shows it"}


def state(arguments: argparse.Namespace) -> int:
    from alluse_hub.actors.auditor.past import state_at
    from alluse_hub.actors.catalog import core_of
    from alluse_hub.protocols.errors import CallerError

    with history_of(arguments) as history:
        if arguments.open:
            history.reads = opener_of(home.find(arguments.home))
        last = place_of(history, arguments.at, "--at", after=True)
        try:
            past = state_at(history, arguments.actor, core_of, last)
        except CallerError as error:
            raise Failure(NOT_FOUND, str(error)) from error
        record(home.find(arguments.home), arguments, history.reads.opened)
    if arguments.json:
        doc = past._asdict()
        put_json("state", {"recorded_by": doc.pop("version"), **doc})
    else:
        import json

        since_what = "a snapshot" if past.has_snapshot else "the beginning"
        when = moment(past.wall, utc=arguments.utc)
        say([f"{past.actor} through {past.through}, written {when}: {past.facts} facts since {since_what}"])
        say(json.dumps(past.state, indent=2, ensure_ascii=False).splitlines())
    return DONE


@contextmanager
def history_of(arguments: argparse.Namespace) -> "Iterator[History]":
    from alluse_hub.actors.auditor.history import History
    from alluse_hub.protocols.errors import HubError

    folder = folder_of(arguments, writes=False)
    try:
        history = History.of(folder)
        try:
            yield history
        finally:
            history.close()
    except HubError as error:
        raise Failure(FAILED, str(error)) from error


def bounds_of(history: "History", first: str, last: str) -> "Bounds":
    from alluse_hub.actors.auditor.history import Bounds

    return Bounds(place_of(history, first, "--from", after=False), place_of(history, last, "--to", after=True))


def place_of(history: "History", text: str, flag: str, *, after: bool) -> int | None:
    """Of an entry, or of a time: the last place until then, or the first one from then on."""
    from alluse_hub.protocols.errors import CallerError

    if not text:
        return None
    if text.count("/") > 1:
        try:
            return history.place_of(text)
        except CallerError as error:
            raise Failure(USAGE, f"{flag}: {error}") from error
    before = history.place_before(since(text, time.time(), flag))
    return before if after else before + 1


class Progress:
    """On a terminal, one line that is written over."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._began = self._told_at = time.monotonic()

    def __call__(self, actor: str, incarnation: int, entries: int) -> None:
        now = time.monotonic()
        if now - self._told_at < WORD_EVERY_S:
            return
        self._told_at = now
        rate = entries / (now - self._began)
        word = f"{number(entries)} entries, {rate:.0f}/s; at {actor}/{incarnation}"
        sys.stderr.write(f"\r\033[2K{word}\r" if self._is_shown else f"{word}\n")
        sys.stderr.flush()


# --- as a document ---------------------------------------------------------------------------------------------------


def _document(judged: "list[Judgement]", version: str, took_s: float) -> Doc:
    differences = [_difference(one, one.difference) for one in judged if one.difference is not None]
    unknown = [
        {
            "actor": one.actor,
            "incarnation": one.incarnation,
            "from": one.unknown_from,
            "letters": one.letters - one.judged - one.set_aside,
            "why": one.unknown,
        }
        for one in judged
        if one.unknown
    ]
    return {
        "alluse_hub": version,
        "recorded_by": sorted({one.version for one in judged if one.version}),
        "actors": len({one.actor for one in judged}),
        "incarnations": len(judged),
        "letters": sum(one.letters for one in judged),
        "judged": sum(one.judged for one in judged),
        "set_aside": sum(one.set_aside for one in judged),
        "took_s": round(took_s, 3),
        "first": min(differences, key=lambda one: float(one["at"]), default=None),
        "differences": differences,
        "unknown": unknown,
    }


def _difference(judged: "Judgement", found: "Difference") -> Doc:
    shown = found._asdict()
    recorded, decided = (_said(said) for said in (found.recorded, found.decided))
    whose = {"actor": judged.actor, "incarnation": judged.incarnation, "recorded_by": judged.version}
    return {**whose, **shown, "recorded": recorded, "decided": decided}


def _said(said: "Said | None") -> Doc | None:
    import json

    return None if said is None else {**said._asdict(), "body": json.loads(said.body) if said.body else {}}


# --- in words --------------------------------------------------------------------------------------------------------


def _lines(doc: Doc) -> list[str]:
    counts = f"{number(doc['judged'])} of {number(doc['letters'])} letters"
    where = f"{number(doc['incarnations'])} incarnations of {number(doc['actors'])} actors"
    lines = [f"decided again: {counts}, in {where}, in {doc['took_s']:.1f} s"]
    if doc["set_aside"]:
        lines.append(f"{number(doc['set_aside'])} letters were set aside then, and handed to nobody")
    for one in doc["unknown"]:
        text = f"{one['actor']}/{one['incarnation']}: {number(one['letters'])} letters cannot be judged"
        lines.append(f"{text}, from {one['from']} on: {clean(one['why'])}")
    others = [version for version in doc["recorded_by"] if version != doc["alluse_hub"]]
    if others:
        lines.append(f"recorded by version {', '.join(map(clean, others))}; decided by {doc['alluse_hub']}")
    if not doc["differences"]:
        return [*lines, "no decision differs"]
    first = doc["first"]
    lines.append(f"{number(len(doc['differences']))} incarnations decide otherwise; the first of all:")
    lines += _told(first)
    for other in doc["differences"]:
        if other is not first:
            lines += _told(other, is_short=True)
    return lines


def _told(found: Doc, *, is_short: bool = False) -> list[str]:
    said = f"{clean(found['kind'])} from {clean(found['sender'])}, {found['letter']}"
    lines = [f"{found['entry']}, on {said}: {clean(found['why'])}"]
    if is_short:
        return lines
    for word in ("recorded", "decided"):
        one = found[word]
        lines.append(f"  {word:<8}  {_one(one) if one else 'nothing'}")
    return lines


def _one(said: Doc) -> str:
    import json

    to = f" to {clean(said['to'])}" if said["to"] else ""
    power = " (power-safe)" if said["power"] else ""
    body = json.dumps(said["body"], ensure_ascii=False)
    return (
        f"{said['kind']} {clean(said['message'])}{to}{power}, of {said['cause'] or 'nothing'}: {cut(body, BODY_CHARS)}"
    )
