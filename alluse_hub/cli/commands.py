"""What each command does: ask, then print."""

import argparse
import sys
import time
from typing import Any

from alluse_hub.cli import failure, home, show
from alluse_hub.cli.asking import LINES_MAX, READ_TIMEOUT_S, read, since, style_of
from alluse_hub.cli.client import Answer, Client, timeout_beyond
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import Failure
from alluse_hub.cli.find import filters_of
from alluse_hub.cli.foreseen import foreseen
from alluse_hub.cli.opening import presented, refuse_following
from alluse_hub.cli.render import say

FOLLOW_EVERY_S = 0.5
CHECK_TIMEOUT_S = 600.0
"""Reading a whole trail takes about a second for each hundred thousand entries."""


def _client(arguments: argparse.Namespace) -> Client:
    return Client(home.find(arguments.home))


# --- looking --------------------------------------------------------------------------------------------------------


def status(arguments: argparse.Namespace) -> int:
    """0 whenever it could be answered: judging is not its business."""
    with _client(arguments) as client:
        result = client.ask("status", {"name": arguments.name} if arguments.name else {})
    result["guarded"] = bool(home.guardian_of(home.find(arguments.home)))
    result["daemon"] = home.starts_of(home.find(arguments.home), result["now"])
    if arguments.json:
        put_json("status", result)
    else:
        say(show.status(style_of(arguments), result))
    return failure.DONE


def view(arguments: argparse.Namespace) -> int:
    with _client(arguments) as client:
        result = client.ask(arguments.view)
    if arguments.view == "tree":
        result["daemon"] = home.starts_of(home.find(arguments.home), result["now"])
    if arguments.json:
        put_json(arguments.view, result)
    else:
        lines = {"tree": show.tree, "flows": show.flows}
        say(lines[arguments.view](style_of(arguments), result))
    return failure.DONE


def why(arguments: argparse.Namespace) -> int:
    with _client(arguments) as client:
        result = presented(arguments, client.ask("why", {"name": arguments.name}, READ_TIMEOUT_S))
    if arguments.json:
        put_json("why", result)
    else:
        say(show.why(style_of(arguments), result))
    return failure.DONE


def events(arguments: argparse.Namespace) -> int:
    args: Answer = {"type": arguments.type, "source": arguments.source, "text": arguments.text}
    if arguments.since:
        args["since"] = since(arguments.since, time.time())
    return _follow(arguments, "events", args)


def tail(arguments: argparse.Namespace) -> int:
    args = {"messages": arguments.message} | filters_of(arguments)
    if "workstream" in args:
        args["source"] = args.pop("workstream")
    return _follow(arguments, "trail", args)


def _follow(arguments: argparse.Namespace, ask: str, args: Answer) -> int:
    refuse_following(arguments)
    if not 1 <= arguments.lines <= LINES_MAX:
        raise Failure(failure.USAGE, f"-n is {arguments.lines}", f"give 1 to {LINES_MAX}")
    key, kind, draw = ("events", "event", show.event) if ask == "events" else ("entries", "entry", show.entry)
    style = style_of(arguments)

    def put(result: Answer) -> None:
        if note := result.get("note"):
            sys.stderr.write(f"{note}\n")
        for one in presented(arguments, result[key]):
            if arguments.json:
                put_json(kind, one)
            else:
                say([draw(style, one)])

    args["limit"] = arguments.lines
    if not arguments.follow:
        found = read(arguments, ask, args, READ_TIMEOUT_S)
        put(found)
        if not (found[key] or arguments.json):
            sys.stderr.write(f"no {key} fit what is asked for\n")
        return failure.DONE
    with _client(arguments) as client:
        while True:
            result = client.ask(ask, args, READ_TIMEOUT_S)
            put(result)
            args |= {"after": result["leaf"], "limit": LINES_MAX}
            if len(result[key]) < LINES_MAX:
                time.sleep(FOLLOW_EVERY_S)


def entry(arguments: argparse.Namespace) -> int:
    result = presented(arguments, read(arguments, "entry", {"id": arguments.id}, READ_TIMEOUT_S))
    if arguments.json:
        put_json("entry", result["entry"])
    else:
        say(show.entry_whole(style_of(arguments), result))
    return failure.DONE


def check(arguments: argparse.Namespace) -> int:
    result = read(arguments, "check", {}, CHECK_TIMEOUT_S)
    if arguments.json:
        put_json("check", result)
    else:
        say(show.check(style_of(arguments), result))
    return failure.DONE if result["whole"] else failure.TRAIL_BROKEN


# --- orders ---------------------------------------------------------------------------------------------------------


def order(arguments: argparse.Namespace) -> int:
    args: Answer = {"name": arguments.name, "monitor": arguments.monitor}
    if "on" in arguments:
        args["on"] = arguments.on
    if getattr(arguments, "dry_run", False):
        return _foresee(arguments, args)
    return _order(arguments, args)


def _foresee(arguments: argparse.Namespace, args: Answer) -> int:
    """0 if the order would be taken."""
    with _client(arguments) as client:
        args |= {"dry_run": True, "timeout_s": arguments.timeout}
        result = client.ask(arguments.ask, args, timeout_beyond(arguments.timeout))
    if arguments.json:
        put_json("foreseen", result)
    else:
        say(foreseen(style_of(arguments), result))
    return failure.CONFLICT if result["refused"] else failure.DONE


def switch(arguments: argparse.Namespace) -> int:
    return _order(arguments, {"name": arguments.name, "on": arguments.to == "on"})


def _order(arguments: argparse.Namespace, args: Answer) -> int:
    patience_s = timeout_beyond(arguments.timeout)
    with _client(arguments) as client:
        args |= {"reason": arguments.reason, "timeout_s": arguments.timeout}
        result = client.ask(arguments.ask, args, patience_s)
    return _done(arguments, arguments.ask, result)


def shutdown(arguments: argparse.Namespace) -> int:
    with _client(arguments) as client:
        args: Answer = {"reason": arguments.reason, "keep_workstreams": arguments.keep_workstreams}
        result = client.ask("shutdown", args)
    return _done(arguments, "shutdown", result)


def _done(arguments: argparse.Namespace, kind: str, result: Answer) -> int:
    if arguments.json:
        put_json(kind, result)
    else:
        say([str(result.get("text") or "done")])
    return failure.DONE


# --- the rest -------------------------------------------------------------------------------------------------------


def version(arguments: argparse.Namespace) -> int:
    from alluse_hub import __version__

    if arguments.json:
        put_json("version", {"alluse_hub": __version__, "python": sys.version.split()[0]})
    else:
        say([f"ALL-USE Hub {__version__}, Python {sys.version.split()[0]}"])
    return failure.DONE


def config(arguments: argparse.Namespace) -> int:
    from alluse_hub.cli.config import check, show_effective

    run: Any = check if arguments.what == "check" else show_effective
    status: int = run(arguments)
    return status


def serve(arguments: argparse.Namespace) -> int:
    from alluse_hub.cli.serve import run

    return run(arguments)


def demo(arguments: argparse.Namespace) -> int:
    from alluse_hub.cli.demo import run

    return run(arguments)
