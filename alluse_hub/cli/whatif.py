"""``whatif``: other rules, resources or levels, tried on what the trail has recorded.  From the files alone; nothing is
changed.
"""

import argparse
from pathlib import Path
from typing import Any

from alluse_hub.cli.again import Progress, bounds_of, history_of
from alluse_hub.cli.asking import style_of
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import DONE, FAILED, USAGE, Failure
from alluse_hub.cli.render import Style, clean, moment, number, say, table, wrap

IDS_SHOWN = 5
"""Of what was added or removed under one head."""

Doc = dict[str, Any]  # Any: JSON


def whatif(arguments: argparse.Namespace) -> int:
    from alluse_hub.protocols.config import ConfigError
    from alluse_hub.protocols.errors import CallerError
    from alluse_hub.trying import candidates_in, tried

    with history_of(arguments) as history:
        bounds = bounds_of(history, arguments.first, arguments.last)
        try:
            doc = tried(history, candidates_in(Path(arguments.file), is_whole=arguments.whole), bounds, Progress())
        except ConfigError as error:
            raise Failure(
                USAGE, str(error), "nothing was tried; workstreams, and what the file does not name, are those of then"
            ) from error
        except CallerError as error:
            raise Failure(FAILED, str(error)) from error
    if arguments.json:
        put_json("whatif", doc)
    else:
        style = style_of(arguments)
        say([style.fit(line) for line in lines(style, doc)])
    return DONE


def lines(style: Style, doc: Doc) -> list[str]:
    told = f"{number(doc['events'])} events in {number(doc['letters'])} letters were decided on again"
    cost = doc["cost"]
    found = [
        f"{told}; with what was in force then all is decided as it was",
        f"it took {cost['seconds']:.1f} s, {number(cost['events_per_s'])} events/s",
    ]
    if doc["changed"]:
        found += wrap(f"changed besides rules: {clean(', '.join(doc['changed']))}", style.width, "  ")
    if doc["passed"]:
        what = clean(", ".join(doc["passed"]))
        found += wrap(f"passed over in the file, for nothing is decided by it here: {what}", style.width, "  ")
    if doc["shown_anew"]:
        found.append(f"{number(doc['shown_anew'])} events that no rule listened to then are shown to the rules now")
    if doc["changes_passed"]:
        found.append(f"{doc['changes_passed']} changes that people made of the same meanwhile were passed over")
    if doc["words_passed"]:
        found.append(f"{doc['words_passed']} decisions of people were passed over: they were asked something else")
    found += ["", *_first(style, doc)]
    for head, key in (
        ("rules fire", "firings"),
        ("conflicts", "conflicts"),
        ("commands", "commands"),
        ("refused", "refusals"),
        ("asked of people", "asked"),
        ("undecided", "undecided"),
    ):
        found += _changes(style, head, doc[key])
    found += _orders(style, "told then, not now", "because", doc["blocked"], doc["blocked_count"])
    found += _orders(style, "told now, not then", "then", doc["allowed"], doc["allowed_count"])
    return [*found, *_rungs(style, doc)]


def _first(style: Style, doc: Doc) -> list[str]:
    first = doc["first"]
    if first is None:
        return ["nothing would have been decided otherwise"]
    where = f"{clean(first['entry'])}, {moment(first['wall'], utc=style.utc)}"
    found = [f"the first difference is on {first['kind']}, {where}"]
    for word in ("recorded", "tried"):
        for what in first[word][:IDS_SHOWN]:
            found += wrap(f"  only {word}: {clean(what)}", style.width, "    ")
    if doc["open_since"]:
        text = (
            f"OPEN LOOP from {clean(doc['open_since'])} on: the world is told something else than it was then, so what"
            f" follows is no prediction: the events are those of another course, and {number(doc['assumed'])} answers"
            " are assumed (obeyed at once)"
        )
        found += [style.paint(line, "warn") for line in wrap(text, style.width, "  ")]
    else:
        found.append("no directive and no command differs: what follows is as it would have been")
    return found


def _changes(style: Style, head: str, doc: Doc) -> list[str]:
    rows = [
        (
            name,
            number(one["recorded"]),
            number(one["tried"]),
            f"+{one['added_count']} -{one['removed_count']}{_moved(one)}",
            ", ".join(
                [*(f"+{id_}" for id_ in one["added"][:IDS_SHOWN]), *(f"-{id_}" for id_ in one["removed"][:IDS_SHOWN])]
            ),
        )
        for name, one in doc.items()
        if one["added_count"] or one["removed_count"]
    ]
    if not rows:
        return []
    return ["", *table(style, (head, "recorded", "tried", "change", "which"), rows, right=("recorded", "tried"))]


def _moved(one: Doc) -> str:
    return f", {one['moved_count']} moved" if one.get("moved_count") else ""


def _orders(style: Style, head: str, word: str, orders: list[Doc], count: int) -> list[str]:
    """What becomes of the same command of the same rule on the same event."""
    rows = [
        (f"{one['rule']}: {one['workstream']} {one['command']}", one["event"], one["why"]) for one in orders[:IDS_SHOWN]
    ]
    if not rows:
        return []
    more = [f"and {number(count - len(rows))} more; --json has them all"] if count > len(rows) else []
    return ["", *table(style, (head, "on", word), rows), *more]


def _rungs(style: Style, doc: Doc) -> list[str]:
    rows = []
    for resource in dict.fromkeys((*doc["recorded"]["minutes"], *doc["tried"]["minutes"])):
        before, after = (doc[world]["minutes"].get(resource, {}) for world in ("recorded", "tried"))
        was, now = (doc[world]["sessions"].get(resource, {}) for world in ("recorded", "tried"))
        for rung in dict.fromkeys((*before, *after)):
            minutes = f"{before.get(rung, 0.0):.2f}", f"{after.get(rung, 0.0):.2f}"
            rows.append((resource, rung, *minutes, was.get(rung, 0), now.get(rung, 0)))
    head = ("resource", "rung", "min recorded", "min tried", "sessions recorded", "sessions tried")
    return ["", *table(style, head, rows, right=head[2:])] if rows else []
