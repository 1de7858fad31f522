"""What commands that look have in common: how they draw, where they read, and how a time is given."""

import argparse
import sys

from alluse_hub.cli import failure, home
from alluse_hub.cli.client import Answer, Client
from alluse_hub.cli.failure import Failure
from alluse_hub.cli.render import Style

LINES_MAX = 1_000
READ_TIMEOUT_S = 30.0


def style_of(arguments: argparse.Namespace) -> Style:
    return Style.of(sys.stdout, plain=arguments.no_color, ascii_only=arguments.ascii, utc=arguments.utc)


def read(arguments: argparse.Namespace, ask: str, args: Answer, timeout_s: float) -> Answer:
    """From the daemon, or from the files of a hub that has none: its trail outlives it."""
    folder = home.find(arguments.home)
    try:
        with Client(folder) as client:
            return client.ask(ask, args, timeout_s)
    except Failure as failed:
        if failed.code != failure.UNREACHABLE:
            raise
        if not home.has_trail(folder):
            raise Failure(failure.NOT_FOUND, f"{folder} has no trail; {failed.message}", failed.hint) from failed
    from alluse_hub.cli.offline import ask as ask_files

    sys.stderr.write("no daemon runs here; read from its files\n")
    return ask_files(folder, ask, args)


def seconds(text: str) -> float | None:
    """Of a span such as ``90s``, ``15m``, ``2h`` or ``3d``; None of another text."""
    units = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
    is_span = text[-1:] in units and text[:-1].replace(".", "", 1).isdecimal()
    return float(text[:-1]) * units[text[-1]] if is_span else None


def since(text: str, now: float, flag: str = "--since") -> float:
    """Seconds since 1970 from a date, a date and time (local unless it has an offset), or an age."""
    age_s = seconds(text)
    if age_s is not None:
        return now - age_s
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError) as error:
        hint = "give 2026-01-31, 2026-01-31T09:30+01:00, or an age such as 90s, 15m, 2h, 3d"
        raise Failure(failure.USAGE, f"{flag} {text!r} is no time", hint) from error
