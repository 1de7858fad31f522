"""``resources``, ``conflicts``, and what people claim, release, override and decide."""

import argparse
from typing import Any

from alluse_hub.cli import failure, home, show
from alluse_hub.cli.asking import READ_TIMEOUT_S, style_of
from alluse_hub.cli.client import Answer, Client
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import Failure
from alluse_hub.cli.render import clean, say, wrap
from alluse_hub.cli.rules import order

HISTORY_MAX = 1_000
"""Facts of each kind that are looked through for those of one conflict."""

ABOUT_CONFLICTS = ("ConflictOpened", "YieldAsked", "YieldOffered", "Escalated", "ConflictDecided", "ConflictClosed")


def resources(arguments: argparse.Namespace) -> int:
    with Client(home.find(arguments.home)) as client:
        result = client.ask("conflicts")
    found = result["resources"]
    if arguments.what == "show":
        found = [one for one in found if one["resource"] == arguments.name]
        if not found:
            names = ", ".join(one["resource"] for one in result["resources"]) or "none"
            raise Failure(failure.NOT_FOUND, f"{arguments.name!r} is no resource", f"there are {names}")
    if arguments.json:
        put_json("resources", {"now": result["now"], "resources": found})
    elif arguments.what == "show":
        say(
            [
                *show.resource_lines(style_of(arguments), found[0]),
                *(f"  claim {clean(id_)}" for id_ in found[0]["claims"]),
            ]
        )
    else:
        say([line for one in found for line in show.resource_lines(style_of(arguments), one)] or ["none is declared"])
    return failure.DONE


def conflicts(arguments: argparse.Namespace) -> int:
    if arguments.what == "show":
        return _conflict(arguments)
    with Client(home.find(arguments.home)) as client:
        result = client.ask("conflicts")
    if arguments.json:
        put_json("conflicts", result)
    else:
        say(show.conflicts(style_of(arguments), result))
    return failure.DONE


def _conflict(arguments: argparse.Namespace) -> int:
    """One conflict: how it opened, who was asked, how it was decided."""
    id_ = arguments.name
    if not id_:
        raise Failure(failure.USAGE, "conflicts show needs an ID", "`conflicts` lists the latest")
    with Client(home.find(arguments.home)) as client:
        entries: list[Answer] = []
        for message in ABOUT_CONFLICTS:  # one at a time: those the trail has an index for, and so reads far back
            args: Answer = {"messages": [message], "kind": "fact", "limit": HISTORY_MAX}
            entries += client.ask("trail", args, READ_TIMEOUT_S)["entries"]
    mine = [entry for entry in entries if id_ in {entry["body"].get("id"), entry["body"].get("conflict")}]
    mine.sort(key=lambda entry: tuple(int(part) for part in entry["id"].split("/")[1:]))
    if not mine:
        raise Failure(failure.NOT_FOUND, f"{id_!r} is none of the latest conflicts", "`trail search` finds older ones")
    if arguments.json:
        put_json("conflict", {"id": id_, "facts": mine})
        return failure.DONE
    style = style_of(arguments)
    for entry in mine:
        say([style.fit(line) for line in wrap(f"{entry['id']}  {_told(entry)}", style.width, "  ")])
    return failure.DONE


def _told(entry: Answer) -> str:
    body: Any = entry["body"]  # Any: JSON as the daemon gives it
    match entry["message"]:
        case "ConflictOpened":
            return f"{body['klass']} on {body['resource']}: {body['sentence']}"
        case "ConflictClosed":
            return f"{body['outcome']}: {body['sentence']}"
        case "YieldAsked":
            word = "is told" if body["must"] else "is asked"
            return f"{body['workstream']} {word} to let go of {body['claim']} for {body['to']}"
        case "YieldOffered":
            word = "says nothing" if body["silent"] else f"says {body['option']}"
            return f"it {word}: {body['why']}"
        case "Escalated":
            return f"people are asked, for the {body['grade']}. time: {body['question']} {' or '.join(body['choices'])}"
        case "ConflictDecided":
            return f"{body['by']} has decided for {body['winner']}: {body['reason']}"
        case other:
            return str(other)


# --- orders ----------------------------------------------------------------------------------------------------------


def claim(arguments: argparse.Namespace) -> int:
    args: Answer = {"resource": arguments.resource, "want": arguments.want, "amount": arguments.amount}
    return order(arguments, "claim", args | {"for_s": arguments.for_s, "safety": arguments.safety}, "claim")


def release(arguments: argparse.Namespace) -> int:
    return order(arguments, "release", {"claim": arguments.claim}, "release")


def override(arguments: argparse.Namespace) -> int:
    args: Answer = {"resource": arguments.resource, "rung": arguments.rung, "for_s": arguments.for_s}
    return order(arguments, "override", args, "override")


def decide(arguments: argparse.Namespace) -> int:
    return order(arguments, "decide", {"conflict": arguments.conflict, "choice": arguments.claim}, "decide")
