"""The words of ``rules``: its commands and their flags."""

import argparse
from collections.abc import Callable
from typing import Any

from alluse_hub.cli import rules

Run = Callable[[argparse.Namespace], int]
Verb = Callable[..., argparse.ArgumentParser]

PRIORITIES = ("low", "medium", "high", "critical")
"""As ``protocols.rules`` has them; that is not loaded to read a command line."""


def add(verb: Verb, verbs: Any, kind: type[argparse.ArgumentParser]) -> None:  # Any: argparse hides the class
    top = verbs.add_parser("rules", help="the rules: look, change, try")
    choices = "list|show|add|change|import|remove|enable|disable|run|auto|reload|export|check"
    words = top.add_subparsers(metavar=choices, required=True, parser_class=kind)

    def named(name: str, run: Run, what: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = verb(name, run, what, words)
        return made

    made = named("list", rules.listed, "the rules, and how often they fired")
    made.add_argument("--search", metavar="TEXT", default="", help="only with this text in id, name or description")
    made.add_argument("--priority", choices=PRIORITIES, default="", help="only of this priority")
    made.add_argument("--workstream", metavar="NAME", default="", help="only those that listen to it")
    _id(named("show", rules.show, "one rule whole, what became of it, and every version of it"))

    for name, run, what in (
        ("add", rules.add, "new rules from a file"),
        ("import", rules.import_, "rules from a file, new ones or in the place of those with the same ids"),
    ):
        made = named(name, run, what)
        made.add_argument("file", metavar="FILE", help="TOML with [[rule]] tables")
        said(made)
    made = named("reload", rules.reload, "the whole set anew from its file, checked first; a bad one changes nothing")
    made.add_argument(
        "file", nargs="?", metavar="FILE", help="default: what the hub was started with; over the shipped rules"
    )
    said(made)
    made = named("change", rules.change, "keys of one rule")
    _id(made)
    made.add_argument(
        "--set",
        action="append",
        required=True,
        metavar="KEY=VALUE",
        help="such as priority=high or hold.0.for_s=600; may be given again",
    )
    said(made)

    for name, run, what in (
        ("remove", rules.remove, "take a rule out of the set"),
        ("enable", rules.switch, "let a rule fire"),
        ("disable", rules.switch, "let a rule fire no more; what it holds, it holds on to its end"),
    ):
        made = named(name, run, what)
        made.set_defaults(on=name == "enable")
        _id(made)
        said(made)
    made = named("run", rules.run, "do by hand what a rule does; its condition is not asked")
    _id(made)
    made.add_argument("--payload", metavar="JSON", default="", help="fields that it takes from an event")
    made.add_argument("--event", metavar="ID", default="", help="the event that it takes them from, such as ws3#17")
    said(made)
    made = named("auto", rules.auto, "whether any rule fires; while off, events are only recorded and carried")
    made.add_argument("to", choices=("on", "off"))
    said(made)

    made = named("export", rules.export, "the set as TOML, which `reload` makes the same set from again")
    made.add_argument("file", nargs="?", metavar="FILE", help="a file that is not there yet; default: on stdout")
    made = named("check", rules.check, "what is wrong with a set, and what is doubtful: clashes, cycles, no effect")
    made.add_argument("file", nargs="?", metavar="FILE", help="laid over the rules that run; default: these alone")
    strict(made)


def strict(made: argparse.ArgumentParser) -> None:
    made.add_argument("--strict", action="store_true", help="status 1 if something is in question")


def _id(made: argparse.ArgumentParser) -> None:
    made.add_argument("id", metavar="ID", help="of the rule, such as volatility-pause")


def said(made: argparse.ArgumentParser, *, is_reason_needed: bool = False) -> None:
    """The flags of whatever a person orders of the coordinator; ``rules.said`` sends them."""
    made.add_argument("--reason", default="", required=is_reason_needed, metavar="TEXT", help="goes into the trail")
    made.add_argument("--who", default="", metavar="NAME", help="the person, where several share a user")
    made.add_argument("--timeout", type=float, default=60.0, metavar="S", help="how long to wait (%(default)g s)")
