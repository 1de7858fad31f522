"""`trail search`, `trail timeline` and `trail export`: from a daemon, or from the files of a hub that has none."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from alluse_hub.cli import failure, show
from alluse_hub.cli.asking import LINES_MAX, READ_TIMEOUT_S, read, since, style_of
from alluse_hub.cli.client import Answer
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import Failure
from alluse_hub.cli.opening import presented
from alluse_hub.cli.render import Style, clean, cut, duration, moment, say
from alluse_hub.cli.trail_files import folder_of

PROGRESS_EVERY_S = 1.0
WINDOWS_MAX = 40
"""Pages that are asked for before a search gives up for the moment and says how far it looked: ten million places."""

FORMS = ("csv", "jsonl", "parquet")

Doc = dict[str, Any]  # Any: JSON as the daemon gives it


def filters_of(arguments: argparse.Namespace) -> Answer:
    """What was given, as the control socket takes it."""
    args: Answer = {}
    for name in ("workstream", "kind", "severity", "actor", "peer", "correlation", "cause"):
        if value := getattr(arguments, name):
            args[name] = value
    if arguments.message:
        args["messages"] = arguments.message
    if arguments.power:
        args["power"] = arguments.power == "yes"
    now = time.time()
    for name in ("since", "until"):
        if value := getattr(arguments, name):
            args[name] = since(value, now, f"--{name}")
    for name in ("after", "before"):
        if (place := getattr(arguments, name, None)) is not None:
            args[name] = place
    return args


def search(arguments: argparse.Namespace) -> int:
    """Pages until as many are found as were asked for, or there is no more."""
    args = filters_of(arguments) | {"oldest_first": arguments.oldest_first}
    if arguments.text:
        args["text"] = arguments.text
    found = presented(arguments, _pages(arguments, args))
    if arguments.json:
        put_json("find", found)
        return failure.DONE
    style = style_of(arguments)
    say([show.entry(style, one) for one in found["entries"]])
    sys.stderr.write("".join(f"{line}\n" for line in complete(found, is_text=bool(arguments.text))))
    return failure.DONE


def _pages(arguments: argparse.Namespace, args: Answer) -> Doc:
    if not 1 <= arguments.lines <= LINES_MAX:
        raise Failure(failure.USAGE, f"-n is {arguments.lines}", f"give 1 to {LINES_MAX}")
    cursor = "after" if args["oldest_first"] else "before"
    entries: list[Doc] = []
    first, last, note = 0, 0, ""
    for _ in range(WINDOWS_MAX):
        found = read(arguments, "find", args | {"limit": arguments.lines - len(entries)}, READ_TIMEOUT_S)
        here = found["complete"]
        first = min(first or here["first"], here["first"])
        last = max(last, here["last"])
        if here["last"] == last:
            note = here["checkpoint"]  # what covers the last place covers those before it
        entries += found["entries"]
        if found["next"] is None or len(entries) >= arguments.lines:
            break
        args[cursor] = found["next"]
    complete_: Doc = {"first": first, "last": last, "checkpoint": note}
    return found | {"entries": entries, "complete": complete_}


def complete(found: Doc, *, is_text: bool) -> list[str]:
    """How far the answer can be relied on."""
    here = found["complete"]
    size = here["checkpoint"].split("\n")[1] if here["checkpoint"] else ""
    signed = f"under the checkpoint of {size} entries" if size else "not all of it under a checkpoint yet"
    lines = [f"{len(found['entries'])} found; complete for the places {here['first']} to {here['last']}, {signed}"]
    if found["next"] is not None:
        lines.append(f"there is more to look at: ask on with the cursor {found['next']}")
    if is_text and found["indexed"] < found["stored"]:
        lines.append(f"words are indexed up to place {found['indexed']} of {found['stored']}")
    return lines


def timeline(arguments: argparse.Namespace) -> int:
    """What began with one letter, from its beginning; or the latest of a workstream.  In order of time."""
    by_letter = "/" in arguments.of
    args = filters_of(arguments) | {"oldest_first": by_letter}
    args["correlation" if by_letter else "workstream"] = arguments.of
    found = _pages(arguments, dict(args))
    if by_letter and not found["entries"] and (root := _root_of(arguments)):
        sys.stderr.write(f"{arguments.of} came of {root}\n")
        found = _pages(arguments, args | {"correlation": root})
    found = presented(arguments, found)
    entries = sorted(found["entries"], key=lambda one: (one["at"], one["leaf"]))
    if not entries:
        raise Failure(
            failure.NOT_FOUND,
            f"nothing of {arguments.of!r} is on record there",
            "give a workstream or actor, or the `correlation` that `trail show ID` tells",
        )
    if arguments.json:
        put_json("timeline", found | {"entries": entries})
        return failure.DONE
    say(timeline_lines(style_of(arguments), entries))
    sys.stderr.write("".join(f"{line}\n" for line in complete(found, is_text=False)))
    return failure.DONE


def _root_of(arguments: argparse.Namespace) -> str:
    """The letter with which it all began; empty if nobody wrote that entry, or nothing came before it."""
    try:
        entry = read(arguments, "entry", {"id": arguments.of}, READ_TIMEOUT_S)["entry"]
    except Failure as failed:
        if failed.code != failure.NOT_FOUND:
            raise
        return ""
    return str(entry["correlation"])


def timeline_lines(style: Style, entries: list[Doc]) -> list[str]:
    """Each with the time since the first."""
    start = entries[0]["at"]
    lines = [style.paint(moment(entries[0]["wall"], utc=style.utc), "bold")]
    for one in entries:
        passed = one["at"] - start
        after = f"+{passed:.3f} s" if passed < 60 else f"+{duration(passed)}"
        peer = {"sent": " to ", "heard": " from "}.get(one["kind"], "")
        name = f"{clean(one['message'])}{peer}{clean(one['to']) if peer else ''}"
        body = show.brief(one["body"]) if one["body"] else ""
        text = f"{after:>14}  {clean(one['id']):22} {one['kind']:5}  {name}  {clean(body)}"
        lines.append(style.fit(cut(text.rstrip(), style.width)))
    return lines


def export(arguments: argparse.Namespace) -> int:
    """From the files alone, also beside a hub that runs."""
    from alluse_hub.offline import export as export_files
    from alluse_hub.protocols.errors import CallerError, HubError

    folder = folder_of(arguments, writes=False)
    question = filters_of(arguments) | ({"text": arguments.text} if arguments.text else {})
    to = Path(arguments.dir).absolute()
    if to.exists():
        raise Failure(failure.CONFLICT, f"{to} is there already", "name a folder that is not there yet")
    told = [time.monotonic()]

    def progress(rows: int, reached: int, last: int) -> None:
        if time.monotonic() - told[0] >= PROGRESS_EVERY_S:
            told[0] = time.monotonic()
            sys.stderr.write(f"{rows} rows, at place {reached} of {last}\n")

    try:
        made = export_files(folder, question, to, arguments.format, progress)
    except CallerError as error:
        raise Failure(failure.USAGE, str(error)) from error
    except HubError as error:
        raise Failure(failure.FAILED, str(error)) from error
    if made.unsigned:
        sys.stderr.write(f"the last {made.unsigned} entries are under no checkpoint yet and were left out\n")
    if not made.is_signed:
        sys.stderr.write("the key in home/keys cannot be read here, so the manifest is not signed\n")
    if arguments.json:
        put_json("export", made._asdict() | {"folder": str(to)})
    else:
        say([f"{made.rows} entries of the places {made.first} to {made.last} in {to}"])
    return failure.DONE
