"""The words of ``explain`` and ``whatif``, which decide again what the trail has."""

import argparse
from typing import Any

from alluse_hub.cli import explain, whatif


def add(verb: Any) -> None:  # Any: the parser's own maker of commands
    made: argparse.ArgumentParser = verb("explain", explain.explain, "why a rule did not fire, from the trail")
    made.add_argument("--not-fired", dest="rule", metavar="RULE", required=True, help="the rule")
    made.add_argument("--at", metavar="ID|TIME", default="", help="up to this entry, or time; default: now")
    made.add_argument("--events", type=int, default=3, metavar="N", help="the latest N events (%(default)s)")

    made = verb("whatif", whatif.whatif, "other rules, resources or levels, tried on what the trail has recorded")
    made.add_argument(
        "file", metavar="FILE", help="TOML with rules, resources, pools, levels …, laid over those of then"
    )
    made.add_argument("--whole", action="store_true", help="the file's rules and no others")
    made.add_argument("--from", dest="first", metavar="ID|TIME", default="", help="from this entry, or time, on")
    made.add_argument("--to", dest="last", metavar="ID|TIME", default="", help="up to this entry, or time")
