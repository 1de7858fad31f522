"""``coordination``: how the workstreams are coordinated now, the figures of an hour or of a span, and the events."""

import argparse
import time
from collections.abc import Callable
from typing import Any

from alluse_hub.cli import failure, home
from alluse_hub.cli.asking import LINES_MAX, READ_TIMEOUT_S, read, since, style_of
from alluse_hub.cli.client import Answer, Client
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import Failure
from alluse_hub.cli.render import Style, clean, duration, moment, number, say, table, wrap
from alluse_hub.cli.syncs import percent

Doc = dict[str, Any]  # Any: JSON as the daemon gives it
Verb = Callable[..., argparse.ArgumentParser]

TYPES = ("sync", "conflict", "resolution", "rule_execution", "error")
SEVERITIES = ("info", "warning", "error", "critical")

ONLY_EVENTS = ("type", "severity", "workstream", "rule", "open")
"""What figures are not filtered by."""

LATENCIES = {
    "event_to_last_act": "event to last act sent",
    "event_to_acknowledged": "event to all acknowledged",
    "restricting": "event to restricting directive obeyed",
    "loosening": "event to loosening directive obeyed",
    "commands": "event to command done",
}
"""By figure, as it is called here."""


def add(verb: Verb) -> None:
    made = verb(
        "coordination", run, "how well the workstreams are coordinated: score, latency, conflicts; or the events"
    )
    made.add_argument("what", nargs="?", choices=("show", "events"), default="show", help="default: show")
    for flag, dest, what in (
        ("--from", "first", "from this entry, or time, on: 2026-01-31T09:30, or an age: 90s 15m 2h 3d"),
        ("--to", "last", "up to this entry, or time; default: now"),
    ):
        made.add_argument(flag, dest=dest, metavar="ID|TIME", default="", help=what)
    only = made.add_argument_group("only events")
    only.add_argument("-n", "--lines", type=int, default=20, metavar="N", help="how many, 1 to 1000 (%(default)s)")
    only.add_argument("--type", choices=TYPES, default="", help="of this type")
    only.add_argument("--severity", choices=SEVERITIES, default="", help="as grave as that, or graver")
    only.add_argument("--workstream", metavar="NAME", default="", help="of this workstream")
    only.add_argument("--rule", metavar="ID", default="", help="of this rule")
    only.add_argument("--open", action="store_true", help="conflicts that are not resolved")


def run(arguments: argparse.Namespace) -> int:
    if arguments.what == "events":
        return _events(arguments)
    for name in ONLY_EVENTS:
        if getattr(arguments, name):
            raise Failure(failure.USAGE, f"--{name} is of events alone", f"give `coordination events --{name} ...`")
    return _show(arguments)


def _span(arguments: argparse.Namespace) -> Answer:
    now = time.time()
    asked: Answer = {}
    for key, text, flag in (("since", arguments.first, "--from"), ("until", arguments.last, "--to")):
        if text:
            asked[key] = text if "/" in text else min(since(text, now, flag), now)  # what is to come is not late yet
    return asked


def _show(arguments: argparse.Namespace) -> int:
    """Now, as the board has it, and the last hour; or a span, or the last hour of a hub that has ended."""
    asked = _span(arguments)
    result = {} if asked else _now(arguments)
    if not result:
        result = {"figures": read(arguments, "figures", asked, READ_TIMEOUT_S)}
    if arguments.json:
        put_json("coordination", result)
    else:
        style = style_of(arguments)
        say([style.fit(line) for line in lines(style, result)])
    return failure.DONE


def _now(arguments: argparse.Namespace) -> Doc:
    """Empty where no daemon runs, but there is a trail."""
    folder = home.find(arguments.home)
    try:
        with Client(folder) as client:
            return client.ask("coordination", {}, READ_TIMEOUT_S)
    except Failure as failed:
        if failed.code != failure.UNREACHABLE or not home.has_trail(folder):
            raise
    return {}


def _events(arguments: argparse.Namespace) -> int:
    if not 1 <= arguments.lines <= LINES_MAX:
        raise Failure(failure.USAGE, f"-n is {arguments.lines}", f"give 1 to {LINES_MAX}")
    asked = _span(arguments) | {"limit": arguments.lines, "open": arguments.open}
    for key in ("type", "severity", "workstream", "rule"):
        if value := getattr(arguments, key):
            asked[key] = value
    result = read(arguments, "happenings", asked, READ_TIMEOUT_S)
    if arguments.json:
        put_json("coordination-events", result)
        return failure.DONE
    style = style_of(arguments)
    found = [line for one in result["events"] for line in event_lines(style, one)]
    say([style.fit(line) for line in [*found, *_told_of(style, result, f"{number(result['found'])} found")]])
    return failure.DONE


# --- drawn -----------------------------------------------------------------------------------------------------------

KINDS = ("commands", "directives", "deliveries", "conflicts")
SPAN_HEAD = ("id", "score", "success", *KINDS)

HEAD = ("id", "status", "score", "directives", "rules", "syncs", "every", "last sync", "overdue", "why")
RIGHT = ("score", "directives", "rules", "syncs", "every", "last sync", "overdue")


def lines(style: Style, doc: Doc) -> list[str]:
    figures = doc["figures"]
    found = _lines_of_now(style, doc, figures) if "headline" in doc else _lines_of_span(style, figures)
    return [*found, "", *_told_of(style, figures, "of what came due"), *_figures(style, figures)]


def _lines_of_now(style: Style, doc: Doc, figures: Doc) -> list[str]:
    of = doc["headline"]
    parts = [
        f"score {score(of['score'])}",
        f"coordinated {of['coordinated']}/{of['workstreams']}",
        f"rules {of['rules_active']}/{of['rules']}",
        f"syncs {of['syncs_active']}/{of['syncs']}",
        f"executions {number(of['executions'])}",
        f"latency {milliseconds(of['average_latency_ms'])}",
        f"conflicts {number(of['conflicts_open'])} open, {number(of['conflicts_closed'])} closed",
    ]
    rows = [_row(one, figures["workstreams"].get(one["id"]), doc["now"]) for one in doc["workstreams"]]
    first = style.paint("coordination", "bold") + "  " + "  ".join(parts)
    overdue = [f"  overdue: {clean(text)}" for one in doc["workstreams"] for text in one["overdue"]]
    return [*wrap(first, style.width, "  "), "", *table(style, HEAD, rows, right=RIGHT), *dict.fromkeys(overdue)]


def _row(one: Doc, worked: Doc | None, now: float) -> tuple[object, ...]:
    every, last = one["sync_every_s"], one["sync_last_at"]
    return (
        one["id"],
        one["status"],
        score(worked["score"] if worked else None),
        percent(worked["success"]["rate"] if worked else None),
        len(one["rules"]),
        len(one["syncs"]),
        "" if every is None else duration(every),
        "" if last is None else f"{duration(max(0.0, now - last))} ago",
        len(one["overdue"]) or "",
        one["why"],
    )


def _lines_of_span(style: Style, figures: Doc) -> list[str]:
    rows = [
        (name, score(one["score"]), percent(one["success"]["rate"]), *(_work(one["work"][kind]) for kind in KINDS))
        for name, one in figures["workstreams"].items()
    ]
    first = f"{style.paint('coordination', 'bold')}  score {score(figures['score'])}"
    return [first, "", *(table(style, SPAN_HEAD, rows, right=SPAN_HEAD[1:]) if rows else ["nothing came due"])]


def _work(one: Doc) -> str:
    return f"{number(one['well'])} of {number(one['due'])}" if one["due"] else "none"


def _told_of(style: Style, doc: Doc, what: str) -> list[str]:
    """The span that was really looked at."""
    if doc.get("until") is None:
        return ["nothing is on record yet"]
    begin = moment(doc["wall_since"], utc=style.utc) if doc["wall_since"] is not None else "the first start"
    text = f"{what}, from {begin} to {moment(doc['wall_until'], utc=style.utc)}"
    found = wrap(text, style.width, "  ")
    if doc["is_cut"]:
        found.append(style.paint("  begun later than asked: there is more on record than one answer reads", "warn"))
    if not doc["is_complete"]:
        found.append(style.paint("  some of it has expired, or is too much to read, and is not counted", "warn"))
    return found


def _figures(style: Style, doc: Doc) -> list[str]:
    success, conflicts = doc["success"], doc["conflicts"]
    told = {
        "work done well": ", ".join(f"{kind} {_work(doc['work'][kind])}" for kind in KINDS),
        "success": f"{percent(success['rate'])} of directives applied in time ({_work_of(success)}; "
        f"{number(success['overtaken'])} overtaken)",
        "executions": f"{number(doc['executions'])} of rules; {number(doc['refused'])} commands refused, "
        f"{number(doc['stopped'])} rules stopped",
        "conflicts": ", ".join(f"{number(conflicts[key])} {key}" for key in ("opened", "closed", "escalated", "open")),
    }
    found = [line for name, text in told.items() for line in wrap(f"  {name:15} {text}", style.width, " " * 18)]
    of = doc["latency_ms"]
    rows = [_readings(called, of[key]) for key, called in LATENCIES.items()]
    rows.append(_readings("conflict opened to closed", conflicts["resolve_ms"]))
    rows += [_readings(f"sync {name}, changed to verified", sync["latency_ms"]) for name, sync in doc["syncs"].items()]
    head = ("in ms", "of", "mean", "p50", "p95", "p99", "max")
    more = [f"  {number(of[key])} events {key}" for key in ("unmeasured", "unanswered") if of[key]]
    return [*found, "", *table(style, head, rows, right=head[1:]), *more]


def brief(doc: Doc) -> list[str]:
    """In three lines, for a summary."""
    success, latency = doc["success"], doc["latency_ms"]
    due = sum(doc["work"][kind]["due"] for kind in KINDS)
    well = sum(doc["work"][kind]["well"] for kind in KINDS)
    return [
        f"  score         {score(doc['score'])}; {number(well)} of {number(due)} pieces of work done well",
        f"  success rate  {percent(success['rate'])}; {_work_of(success)} directives applied in time",
        *(f"  {called:25}  {_in_words(latency[key])}" for key, called in tuple(LATENCIES.items())[:2]),
    ]


def _in_words(one: Doc) -> str:
    if not one["count"]:
        return "no data"
    told = (f"{key} {one[key]:,.1f} ms" for key in ("p50", "p95", "p99") if one[key] is not None)
    return f"{', '.join(told)}, of {number(one['count'])}"


def _work_of(success: Doc) -> str:
    return f"{number(success['applied'])} of {number(success['due'])}"


def _readings(called: str, one: Doc) -> tuple[object, ...]:
    """A percentile that too few readings give is no number."""
    if not one["count"]:
        return called, "no data", "", "", "", "", ""
    return called, number(one["count"]), *(_ms(one[key]) for key in ("mean", "p50", "p95", "p99", "max"))


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def milliseconds(value: float | None) -> str:
    return "no data" if value is None else f"{value:,.1f} ms"


def score(value: float | None) -> str:
    """Nothing was due: no figure, and no 100."""
    return "no data" if value is None else f"{value:.1f}"


def event_lines(style: Style, one: Doc) -> list[str]:
    head = f"{moment(one['wall'], utc=style.utc)}  {one['severity']}  {one['type']}  {clean(one['text'])}"
    found = wrap(head, style.width, "    ")
    if one["type"] == "conflict":
        text = f"resolved, {one['resolution']}" if one["resolved"] else "not resolved yet"
        found += wrap(f"    {text}", style.width, "      ")
    return found
