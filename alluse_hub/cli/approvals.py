"""``approvals``: what waits for people, and their answers."""

import argparse
from pathlib import Path
from typing import Any

from alluse_hub.cli import failure, home, rules_parser
from alluse_hub.cli.asking import READ_TIMEOUT_S, style_of
from alluse_hub.cli.client import Answer, Client
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import Failure
from alluse_hub.cli.render import Style, clean, duration, say, table, wrap
from alluse_hub.cli.rules import order
from alluse_hub.cli.show import brief

LEVELS = ("autonomous", "supervised", "manual")
"""As ``protocols.approvals`` has them; that is not loaded to read a command line."""

DIGEST_SHOWN = 12
"""Characters of a digest that people are shown, and may give."""

Doc = dict[str, Any]  # Any: JSON as the daemon gives it


def add(verb: Any, verbs: Any, kind: type[argparse.ArgumentParser]) -> None:  # Any: argparse hides the classes
    top = verbs.add_parser("approvals", help="what waits for people, and their answers")
    words = top.add_subparsers(metavar="list|show|approve|reject|level", required=True, parser_class=kind)
    made = verb("list", listed, "what waits for people, and how far each workstream is left to the rules", words)
    made.add_argument("--all", action="store_true", help="also the latest that are over")
    verb("show", show, "one of them whole", words).add_argument("id", metavar="ID", help="such as approval-3")
    for name, what in (("approve", "agree, so that it is done"), ("reject", "refuse, so that it is not done")):
        made = verb(name, answer, what, words)
        made.set_defaults(approve=name == "approve")
        made.add_argument("id", metavar="ID", help="such as approval-3")
        made.add_argument("--digest", default="", metavar="HEX", help="of what you have seen; refused if it is another")
        rules_parser.said(made, is_reason_needed=True)
    made = verb("level", level, "how far a workstream is left to the rules", words)
    made.add_argument("name", metavar="NAME")
    made.add_argument("to", choices=LEVELS)
    rules_parser.said(made)


def _asked(arguments: argparse.Namespace) -> Answer:
    with Client(home.find(arguments.home)) as client:
        return client.ask("approvals", {}, READ_TIMEOUT_S)


def listed(arguments: argparse.Namespace) -> int:
    result = _asked(arguments)
    result["keeping"] = _keeping(home.find(arguments.home))
    if not arguments.all:
        del result["ended"]
    if arguments.json:
        put_json("approvals", result)
    else:
        say(inbox(style_of(arguments), result))
    return failure.DONE


def _wanted(one: Doc, what: str) -> str:
    return f"{one['who']} asks for {what}, because {one['reason']}; a second person has to ask for the same."


def _keeping(folder: Path) -> list[Doc]:
    """What waits for a second person about the trail: such words are given to its files, and not to the daemon."""
    if not any((folder / "trail" / "spool").glob("keeper@*.spool")):
        return []  # nobody ever gave one; what reads them need not be loaded
    from alluse_hub.actors.auditor.two_people import waiting
    from alluse_hub.protocols.errors import HubError

    try:
        return [asked.model_dump(mode="json") for asked in waiting(folder)]
    except (HubError, OSError):  # somebody who may ask the daemon need not be able to read its files
        return []


def inbox(style: Style, doc: Doc) -> list[str]:
    rows = [
        (
            one["id"],
            one["act"]["sense"],
            f"{len(one['given'])}/{one['needs']}",
            one["by"],
            duration(max(0.0, (one.get("veto_until") or one["expires"]) - doc["now"])),
            "is done" if one.get("veto_until") else "is not done",
            one["act"]["text"] + _times(one),
        )
        for one in doc["open"]
    ]
    head = ("id", "it", "agreed", "asked by", "left", "on silence", "what")
    nothing = f"nothing waits {'to be approved' if doc.get('questions') else 'for people'}"
    lines = table(style, head, rows) if rows else [nothing]
    for asked in doc.get("questions", ()):
        which = f"`decide {asked['conflict']}` one of {', '.join(asked['choices'])}." if asked["choices"] else ""
        said_ = f"{asked['conflict']} {asked['resource']}{_times(asked)}: {asked['question']} {which}"
        lines += ["", *(style.fit(line) for line in wrap(clean(said_.rstrip()), style.width, "  "))]
    for one in doc.get("keeping", ()):
        what = f"`trail hold lift {one['about']}`" if one["what"] == "lift" else f"`trail expire` of {one['about']}"
        lines += ["", *(style.fit(line) for line in wrap(clean(_wanted(one, what)), style.width, "  "))]
    held = [f"{name} {level}" for name, level in doc["levels"].items() if level != LEVELS[0]]
    lines += ["", f"levels: {', '.join(held)}" if held else "every workstream is left to the rules"]
    if doc.get("ended"):
        ended = [(one["id"], one["outcome"], one["ended_by"], one["why"], one["act"]["text"]) for one in doc["ended"]]
        lines += ["", *table(style, ("over", "outcome", "by", "why", "what"), ended)]
    return lines


def _times(asked: Doc) -> str:
    """How often people were asked already, if nobody has answered."""
    return f" (asked {asked['grade']} times)" if asked.get("grade", 1) > 1 else ""


def show(arguments: argparse.Namespace) -> int:
    result = _asked(arguments)
    found = next((one for one in (*result["open"], *result["ended"]) if one["id"] == arguments.id), None)
    if found is None:
        hint = "`approvals list --all` has those that wait and the latest that are over"
        raise Failure(failure.NOT_FOUND, f"{arguments.id!r} does not wait for people", hint)
    if arguments.json:
        put_json("approval", {"approval": found, "now": result["now"]})
    else:
        style = style_of(arguments)
        act = found["act"]
        lines = [f"{clean(found['id'])}  {clean(found.get('outcome') or 'waits')}  {found['digest'][:DIGEST_SHOWN]}"]
        lines += wrap(f"  {act['text']}", style.width, "  ")
        lines += wrap(f"  it {act['sense']}; asked by {found['by']}", style.width, "  ")
        lines += wrap(f"  exactly: {brief(act.get('content') or {})}", style.width, "  ")
        lines += [f"  agreed: {clean(given['by'])}: {clean(given['reason'])}" for given in found["given"]]
        say([style.fit(line) for line in lines])
    return failure.DONE


def answer(arguments: argparse.Namespace) -> int:
    args: Answer = {"id": arguments.id, "approve": arguments.approve}
    if arguments.digest:
        args["digest"] = arguments.digest
    return order(arguments, "approve", args, "approval-answered")


def level(arguments: argparse.Namespace) -> int:
    return order(arguments, "level", {"workstream": arguments.name, "level": arguments.to}, "approval-answered")
