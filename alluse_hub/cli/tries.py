"""The words of ``explain`` and ``whatif``, which decide again what the trail has."""

import argparse
from typing import Any

from alluse_hub.cli import explain


def add(verb: Any) -> None:  # Any: the parser's own maker of commands
    made: argparse.ArgumentParser = verb("explain", explain.explain, "why a rule did not fire, from the trail")
    made.add_argument("--not-fired", dest="rule", metavar="RULE", required=True, help="the rule")
    made.add_argument("--at", metavar="ID|TIME", default="", help="up to this entry, or time; default: now")
    made.add_argument("--events", type=int, default=3, metavar="N", help="the latest N events (%(default)s)")
