"""The words of ``resources`` and ``conflicts``, and of what people claim, release, override and decide."""

import argparse
from collections.abc import Callable

from alluse_hub.cli import claims
from alluse_hub.cli.asking import seconds
from alluse_hub.cli.rules_parser import said

Verb = Callable[..., argparse.ArgumentParser]


def add_views(verb: Verb) -> None:
    for name, run, what in (
        ("conflicts", claims.conflicts, "conflicts, and what is in force and why; or one of them whole"),
        ("resources", claims.resources, "what can be claimed, who has it and who waits; or one of them"),
    ):
        made = verb(name, run, what)
        made.add_argument("what", nargs="?", choices=("list", "show"), default="list", help="default: list")
        of = "ID" if name == "conflicts" else "NAME"
        made.add_argument("name", nargs="?", metavar=of, default="", help="for show")


def add_orders(verb: Verb) -> None:
    made = verb("claim", claims.claim, "claim a rung, an amount or a value of a resource, as a person")
    made.add_argument("resource", metavar="RESOURCE", help="such as ws4/trading")
    made.add_argument("want", nargs="?", metavar="WANT", default="", help="a rung or a value; none for a pool")
    made.add_argument("--amount", type=int, default=1, metavar="N", help="so much of a pool (%(default)s)")
    made.add_argument(
        "--for", dest="for_s", type=_span, default=0.0, metavar="S", help="seconds, or 15m, 2h; default: until released"
    )
    made.add_argument("--safety", action="store_true", help="a floor: of others it takes two to release it")
    said(made, is_reason_needed=True)
    made = verb("release", claims.release, "end a claim: one's own, or with a second person what is held for safety")
    made.add_argument("claim", metavar="CLAIM", help="its id, or of one's own the resource")
    said(made, is_reason_needed=True)
    made = verb("override", claims.override, "with a second person, lower what is held for safety for a time")
    made.add_argument("resource", metavar="RESOURCE", help="such as ws4/trading")
    made.add_argument("rung", metavar="RUNG", help="how far")
    made.add_argument(
        "--for", dest="for_s", type=_span, required=True, metavar="S", help="seconds, or 15m; an hour at most"
    )
    said(made, is_reason_needed=True)
    made = verb("decide", claims.decide, "decide a conflict that people are asked about")
    made.add_argument("conflict", metavar="CONFLICT", help="its id")
    made.add_argument("claim", metavar="CLAIM", help="the claim that is to go first; of data sets, the workstream")
    said(made, is_reason_needed=True)


def _span(text: str) -> float:
    """In seconds."""
    found = seconds(text)
    if found is None:
        try:
            found = float(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is no span of time; give seconds, or 90s, 15m, 2h") from error
    return found
