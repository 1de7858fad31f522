"""The one command: daemon, demonstration and control script.

Each command is a parser and a function; what is heavy is imported by the two functions that need it.  Whatever
happens ends in an exit status and a sentence with a remedy, never in a traceback.
"""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from alluse_hub.cli import (
    again,
    approvals,
    backup,
    claims_parser,
    commands,
    coordination,
    failure,
    find,
    keeping,
    opening,
    rules_parser,
    subjects,
    syncs,
    trail,
    tries,
)
from alluse_hub.cli.failure import Failure

EXITS = """exit status:
  0 done        1 failed                          2 wrong usage or configuration   3 unhealthy
  4 no daemon   5 not allowed                     6 not found                      7 conflict, or not possible now
  9 timed out   10 the trail is broken            11 `serve` ended, but not all in order
  130 interrupted

The home is --home, else $ALLUSE_HUB_HOME, else alluse-hub in $XDG_STATE_HOME or ~/.local/state."""

BASES = ("engine", "dense", "stock")
"""As ``[hub] base`` has them."""

SEVERITIES = ("info", "notice", "warning", "error", "critical")
"""As ``protocols.severity`` has them; that is not loaded to read a command line."""

Run = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Wrong usage is a failure like any other, so that ``--json`` holds for it too."""

    def error(self, message: str) -> NoReturn:
        from alluse_hub.cli.usage import explained

        raise Failure(failure.USAGE, *explained(message, self.prog))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    try:
        arguments = understood(words)
        run: Run = arguments.run
        status = run(arguments)
        sys.stdout.flush()
    except Failure as ended:
        return _tell(ended, as_json=as_json)
    except KeyboardInterrupt:
        return failure.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough; what is left in the buffer must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return failure.DONE
    except OSError as error:
        hint = "the disk is full: free some space" if error.errno == errno.ENOSPC else ""
        return _tell(Failure(failure.FAILED, str(error), hint), as_json=as_json)
    return status


def understood(words: Sequence[str]) -> argparse.Namespace:
    """Raises Failure, in the name of the command, for words that it does not take."""
    arguments, rest = parser().parse_known_args(words)
    if rest:
        from alluse_hub.cli.usage import not_taken

        raise Failure(failure.USAGE, *not_taken(rest, arguments.prog))
    return arguments


def _tell(ended: Failure, *, as_json: bool) -> int:
    if as_json:
        import json

        said = json.dumps({"code": ended.code, "message": ended.message, "hint": ended.hint}, ensure_ascii=False)
    else:
        said = f"error: {ended.message}" + (f"\nhint: {ended.hint}" if ended.hint else "")
    try:
        sys.stderr.write(said + "\n")
        sys.stderr.flush()
    except OSError:
        pass  # nobody listens; the status still tells
    return ended.code


def parser() -> argparse.ArgumentParser:
    common = Parser(add_help=False)
    look = common.add_argument_group("everywhere")
    look.add_argument("--home", metavar="DIR", default=None, help="the hub's folder")
    look.add_argument("--json", action="store_true", help="one JSON document (or one a line, for streams) on stdout")
    look.add_argument("--no-color", action="store_true", help="no colours; as does NO_COLOR=1")
    look.add_argument("--ascii", action="store_true", help="no characters beyond ASCII")
    look.add_argument("--utc", action="store_true", help="times in UTC instead of the local zone")

    top: Parser = Parser(
        prog=_prog(),
        description="ALL-USE Hub: supervises, coordinates and records five workstreams.",
        epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def verb(name: str, run: Run, what: str, under: "argparse._SubParsersAction[Parser]" = verbs) -> Parser:
        made = under.add_parser(name, parents=[common], help=what, description=what)
        made.set_defaults(run=run, prog=made.prog)
        return made

    _daemon(verb)
    _reading(verb)
    _orders(verb)
    _nested(verb, verbs)
    verb("version", commands.version, "the version of this program")
    return top


def _prog() -> str:
    name = sys.argv[0].rpartition("/")[2] if sys.argv else ""
    return "alluse-hub" if name in {"", "-c", "__main__.py", "pytest"} else name


Verb = Callable[..., Parser]


def _daemon(verb: Verb) -> None:
    serve = verb("serve", commands.serve, "run the hub in the foreground until it is told to end")
    serve.add_argument("--config", metavar="FILE", help="configuration; default: hub.toml in the home, if there")
    _base(serve, "what the configuration says")
    serve.add_argument("--dense", action="store_true", help="as --base dense")

    demo = verb("demo", commands.demo, "everything in a fresh home: replay a span of recorded sessions, then a summary")
    demo.add_argument("--from", dest="first", metavar="DATE", default="2004-08-02", help="first session (%(default)s)")
    demo.add_argument("--to", dest="last", metavar="DATE", default="2009-03-31", help="last session (%(default)s)")
    demo.add_argument("--speed", type=float, default=0.0, metavar="N", help="sessions a second; 0: as fast as it goes")
    demo.add_argument("--keep", action="store_true", help="keep the temporary home, and say where it is")
    _base(demo, "what the shipped configuration says")


def _base(made: Parser, default: str) -> None:
    made.add_argument("--base", choices=BASES, help=f"what carries letters between actors; default: {default}")


def _reading(verb: Verb) -> None:
    status = verb("status", commands.status, "the hub and its workstreams, or one of them")
    status.add_argument("name", nargs="?", metavar="NAME", default="")
    verb("tree", commands.view, "supervisors and their children").set_defaults(view="tree")
    claims_parser.add_views(verb)
    coordination.add(verb)

    events = verb("events", commands.events, "what the workstreams said, oldest first")
    _stream(events)
    events.add_argument("--type", metavar="EVENT", default="", help="only events of this name")
    events.add_argument("--source", metavar="NAME", default="", help="only those of this workstream")
    events.add_argument(
        "--since", metavar="TIME", default="", help="2026-01-31, 2026-01-31T09:30, or an age: 90s 15m 2h 3d"
    )
    events.add_argument("--text", metavar="TEXT", default="", help="only events with this text in them")

    why = verb("why", commands.why, "why something is as it is")
    why.add_argument(
        "name", metavar="NAME|ID", help="workstream, actor, resource, rule, flow, event ws3#17, entry ws3/1/42"
    )
    opening.add(events, why)


def _stream(made: Parser) -> None:
    made.add_argument("-n", "--lines", type=int, default=20, metavar="N", help="how many, 1 to 1000 (%(default)s)")
    made.add_argument("-f", "--follow", action="store_true", help="go on with what comes, until Ctrl-C")


def _orders(verb: Verb) -> None:
    claims_parser.add_orders(verb)
    for name, what in (
        ("restart", "restart a workstream's program, or an actor"),
        ("stop", "stop it and leave it down"),
        ("start", "start what was stopped or parked"),
    ):
        made = verb(name, commands.order, what)
        made.set_defaults(ask=name)
        made.add_argument("name", metavar="NAME")
        made.add_argument(
            "--monitor", action="store_true", help="the actor that watches the workstream, not its program"
        )
        if name != "start":
            made.add_argument("--dry-run", action="store_true", help="only tell what it would do; nothing is changed")
        _order(made)
    maintenance = verb("maintenance", commands.switch, "no restarts and no alarms of a workstream while it is on")
    maintenance.set_defaults(ask="maintenance")
    maintenance.add_argument("name", metavar="NAME")
    maintenance.add_argument("to", metavar="ON|OFF", choices=("on", "off"))
    _order(maintenance)
    shutdown = verb("shutdown", commands.shutdown, "end the hub in order")
    shutdown.add_argument("--reason", default="", metavar="TEXT", help="goes into the trail")
    shutdown.add_argument(
        "--keep-workstreams", action="store_true", help="leave the programs running for the next daemon"
    )


def _order(made: Parser) -> None:
    made.add_argument("--reason", default="", metavar="TEXT", help="goes into the trail")
    made.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="how long to wait for it (%(default)g s)"
    )


def _nested(verb: Verb, verbs: "argparse._SubParsersAction[Parser]") -> None:
    verb("flows", commands.view, "the flows between workstreams, as measured").set_defaults(view="flows")
    flow = verbs.add_parser("flow", help="hold a flow back, or let it go on")
    turns = flow.add_subparsers(metavar="pause|resume", required=True, parser_class=Parser)
    for name, on in (("pause", False), ("resume", True)):
        made = verb(name, commands.order, f"{name} the flow NAME", turns)
        made.set_defaults(ask="flow", on=on, monitor=False)
        made.add_argument("name", metavar="NAME", help="as source-target, such as ws3-ws4")
        _order(made)

    sync = verbs.add_parser("sync", help="data sets kept equal between workstreams")
    turns = sync.add_subparsers(metavar="list|show|play|pause|stop|force", required=True, parser_class=Parser)
    syncs.parsers(verb, turns, _order)

    record = verbs.add_parser("trail", help="the record of every message and decision")
    choices = "tail|search|show|timeline|export|check|verify|key|backup|restore|rerun|state|keys|erase|seal|expire|hold"
    parts = record.add_subparsers(metavar=choices, required=True, parser_class=Parser)
    tail = verb("tail", commands.tail, "the newest entries, oldest first", parts)
    _stream(tail)
    _filters(tail)
    show = verb("show", commands.entry, "one entry whole", parts)
    show.add_argument("id", metavar="ID", help="such as ws3/1/42")
    verb("check", commands.check, "read all of it: is anything missing or double?", parts)
    _proof(verb, parts)
    _finding(verb, parts)
    _copies(verb, parts)
    _again(verb, parts)
    opening.add(tail, show)
    subjects.add(verb, parts, Parser)
    keeping.add(verb, parts, Parser)

    rules_parser.add(verb, verbs, Parser)
    approvals.add(verb, verbs, Parser)
    tries.add(verb)
    config = verbs.add_parser("config", help="the configuration")
    words = config.add_subparsers(metavar="check|show", required=True, parser_class=Parser)
    for name, what in (("check", "tell every error, with its line and remedy"), ("show", "what is in force, as TOML")):
        made = verb(name, commands.config, what, words)
        made.set_defaults(what=name)
        made.add_argument("file", nargs="?", metavar="FILE", help="default: hub.toml in the home, if there")
        if name == "check":
            rules_parser.strict(made)


def _filters(made: Parser) -> None:
    only = made.add_argument_group("only entries")
    for flag, metavar, what in (
        ("--workstream", "NAME", "that name this workstream, or are its actor's"),
        ("--actor", "NAME", "of this actor"),
        ("--peer", "NAME", "to this actor, or heard from it"),
        ("--correlation", "ID", "that began with this entry"),
        ("--cause", "ID", "that came of this letter"),
        ("--since", "TIME", "from this time on: 2026-01-31, 2026-01-31T09:30, or an age: 90s 15m 2h 3d"),
        ("--until", "TIME", "before this time"),
    ):
        only.add_argument(flag, metavar=metavar, default="", help=what)
    only.add_argument("--message", action="append", default=[], metavar="KIND", help="of this kind, such as RuleFired")
    only.add_argument("--kind", choices=("heard", "fact", "sent", "did"), default="", help="of this sort")
    only.add_argument("--severity", choices=SEVERITIES, default="", help="as grave as that, or graver")
    only.add_argument("--power", choices=("yes", "no"), default="", help="that an actor waited for, or none did")


def _finding(verb: Verb, parts: "argparse._SubParsersAction[Parser]") -> None:
    search = verb("search", find.search, "entries with these words, or that fit the filters, newest first", parts)
    search.add_argument("text", nargs="?", metavar="TEXT", default="", help='all these words, "in a row", or begin*')
    search.add_argument("-n", "--lines", type=int, default=20, metavar="N", help="how many, 1 to 1000 (%(default)s)")
    search.add_argument("--oldest-first", action="store_true", help="from the beginning on")
    _cursor(search)
    _filters(search)
    timeline = verb("timeline", find.timeline, "what came of one letter, or the latest of a workstream, in time", parts)
    timeline.add_argument("of", metavar="ID|NAME", help="the first entry of it all, as ws3/1/42, or a workstream")
    timeline.add_argument("-n", "--lines", type=int, default=100, metavar="N", help="how many, 1 to 1000 (%(default)s)")
    _filters(timeline)
    opening.add(search, timeline)
    export = verb("export", find.export, "entries into a new folder, with what proves them", parts)
    export.add_argument("dir", metavar="DIR", help="a folder that is not there yet")
    export.add_argument("--format", choices=find.FORMS, default="jsonl", help="%(default)s if not said")
    export.add_argument("--text", metavar="TEXT", default="", help="only entries with these words")
    _cursor(export)
    _filters(export)


def _cursor(made: Parser) -> None:
    made.add_argument("--after", type=int, metavar="PLACE", help="only behind this place of the trail")
    made.add_argument("--before", type=int, metavar="PLACE", help="only in front of this place")


def _proof(verb: Verb, parts: "argparse._SubParsersAction[Parser]") -> None:
    proof = verb("verify", trail.verify, "hash all of it anew, against every signature there is", parts)
    proof.add_argument("dir", nargs="?", metavar="DIR", default="", help="a copy of the trail; default: the home's")
    for flag, metavar, what in (
        ("--vkey", "KEY", "public key of the hub, name+hash+key; default: the one beside the trail"),
        ("--witness-vkey", "KEY", "of a witness, who must have cosigned"),
        ("--checkpoint", "FILE", "a checkpoint that was kept elsewhere"),
    ):
        proof.add_argument(flag, action="append", default=[], metavar=metavar, help=f"{what}; may be given again")
    proof.add_argument("--all", action="store_true", help="the signature of every checkpoint, however many")
    key = verb("key", trail.key, "the public key that the trail is verified by", parts)
    key.add_argument("--new", action="store_true", help="make a new one for the same log: the old one was lost or seen")


def _again(verb: Verb, parts: "argparse._SubParsersAction[Parser]") -> None:
    rerun = verb("rerun", again.rerun, "decide all of it again: is it decided as it was?", parts)
    rerun.add_argument("--actor", metavar="NAME", default="", help="only this actor")
    limits = (("--from", "first", "only incarnations that go on after"), ("--to", "last", "nothing after"))
    for flag, dest, what in limits:
        rerun.add_argument(flag, dest=dest, metavar="ID|TIME", default="", help=f"{what} this entry, or time")
    state = verb("state", again.state, "what a durable actor knew at some moment", parts)
    state.add_argument("actor", metavar="ACTOR")
    opening.add(rerun, state)
    state.add_argument("--at", metavar="ID|TIME", default="", help="an entry such as ws3/1/42, or a time; default: now")


def _copies(verb: Verb, parts: "argparse._SubParsersAction[Parser]") -> None:
    copy = verb("backup", backup.backup, "copy the trail while the hub runs, and verify the copy", parts)
    copy.add_argument("dir", metavar="DIR", help="a folder that is not there yet")
    back = verb("restore", backup.restore, "make a backup the trail of --home, which has none; no hub may run", parts)
    back.add_argument("dir", metavar="DIR", help="what `trail backup` made")
    back.add_argument("--older", action="store_true", help="even if the home's `head` is newer: the loss is recorded")
    back.add_argument("--drill", action="store_true", help="into a folder that is thrown away: does it work, how long?")
