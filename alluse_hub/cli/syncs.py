"""``sync``: the syncs between workstreams, as a table, one of them whole, and the orders about them."""

import argparse
from collections.abc import Callable
from typing import Any

from alluse_hub.cli import failure, home
from alluse_hub.cli.asking import style_of
from alluse_hub.cli.client import Client, timeout_beyond
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import Failure
from alluse_hub.cli.render import Style, clean, duration, number, say, table, wrap

Doc = dict[str, Any]  # Any: JSON as the daemon gives it

ORDERS = {
    "play": "go on with a sync, with the newest",
    "pause": "let what is on its way arrive, and hold the rest back",
    "stop": "give up what is under way, and compare nothing any more",
    "force": "have every target hold the newest version now; answered when all have proved it",
}


def parsers(
    verb: Callable[..., argparse.ArgumentParser],
    under: "argparse._SubParsersAction[Any]",  # Any: whatever parser the caller makes
    finish: Callable[[Any], None],
) -> None:
    verb("list", listed, "the syncs, their targets and their figures", under)
    made = verb("show", shown, "one sync whole", under)
    made.add_argument("name", metavar="NAME", help="a sync, such as market_data")
    for name, what in ORDERS.items():
        made = verb(name, order, what, under)
        made.set_defaults(do=name)
        made.add_argument("name", metavar="NAME", help="a sync, or `all`")
        if name == "force":
            made.add_argument(
                "--keep", choices=("source", "target"), default="", help="whose version wins, if they have diverged"
            )
        finish(made)


def listed(arguments: argparse.Namespace) -> int:
    with Client(home.find(arguments.home)) as client:
        result = client.ask("syncs")
    if arguments.json:
        put_json("syncs", result)
    else:
        say(table_of(style_of(arguments), result))
    return failure.DONE


def shown(arguments: argparse.Namespace) -> int:
    with Client(home.find(arguments.home)) as client:
        try:
            result = client.ask("syncs", {"name": arguments.name})
        except Failure as error:
            if error.code != failure.NOT_FOUND:
                raise
            raise Failure(failure.NOT_FOUND, f"{arguments.name!r} is no sync", "`sync list` lists them") from error
    if arguments.json:
        put_json("sync", result)
    else:
        say(one(style_of(arguments), result))
    return failure.DONE


def order(arguments: argparse.Namespace) -> int:
    args: Doc = {"name": arguments.name, "do": arguments.do, "reason": arguments.reason, "timeout_s": arguments.timeout}
    if getattr(arguments, "keep", ""):
        args["keep"] = arguments.keep
    with Client(home.find(arguments.home)) as client:
        result = client.ask("sync", args, timeout_beyond(arguments.timeout))
    if arguments.json:
        put_json("sync-answered", result)
    else:
        say([str(result["text"])])
    return failure.DONE


# --- drawn -----------------------------------------------------------------------------------------------------------

HEAD = ("sync", "mode", "status", "target", "state", "version", "verified", "success", "freshness", "lag", "p95 ms")
RIGHT = ("verified", "success", "freshness", "lag", "p95 ms")


def table_of(style: Style, doc: Doc) -> list[str]:
    rows = [row for sync in doc.get("syncs", ()) for row in _rows(sync)]
    return table(style, HEAD, rows, right=RIGHT) if rows else ["no sync is configured"]


def _rows(sync: Doc) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for edge in sync["targets"]:
        first = not rows
        rows.append(
            (
                sync["sync"] if first else "",
                sync["mode"] if first else "",
                sync["status"] if first else "",
                edge["target"],
                edge["state"],
                held(edge),
                number(edge["ever"]["verified"]),
                percent(edge["success"]),
                age(edge["freshness_s"]),
                "" if edge["lag"] is None else number(edge["lag"]),
                _latency(sync) if first else "",
            )
        )
    return rows


def one(style: Style, doc: Doc) -> list[str]:
    [sync] = doc["syncs"]
    counts = sync["ever"]
    ends = ", ".join(f"{word} {number(counts[word])}" for word in counts if counts[word]) or "none yet"
    figures = {
        "from": f"{sync['source']}, data set {sync['dataset']}, newest {label(sync['version'])}",
        "mode": " ".join((sync["mode"], *_when(sync["config"]), f"({sync['play']})")),
        "condition": _condition(sync),
        "verified by": _verified_by(sync),
        "success": f"{percent(sync['success'])} of what was due within the last hour",
        "deliveries": f"{ends}, in all",
        "last": "never" if sync["last_at"] is None else f"{duration(max(0.0, doc['now'] - sync['last_at']))} ago",
        "next": "" if sync["next_at"] is None else f"in {duration(max(0.0, sync['next_at'] - doc['now']))}",
    }
    lines = [f"{style.paint(clean(sync['name']), 'bold')}  {style.state(sync['status'])}"]
    lines += [line for name, text in figures.items() if text for line in _figure(style, name, clean(text))]
    legs = [
        (leg, number(row["count"]), *(_ms(row[key]) for key in ("p50", "p95", "p99")))
        for leg, row in sync["latency_ms"].items()
    ]
    lines += ["", *table(style, ("leg", "of", "p50 ms", "p95 ms", "p99 ms"), legs, right=("of", "p50 ms", "p95 ms"))]
    head = ("target", "state", "version", "freshness", "lag", "within", "open", "bytes/s", "again", "doubles", "why")
    rows = [
        (
            edge["target"],
            edge["state"],
            held(edge),
            age(edge["freshness_s"]),
            "" if edge["lag"] is None else number(edge["lag"]),
            percent(edge["within"]),
            number(edge["open"]),
            number(edge["bytes_per_s"]),
            number(edge["again"]),
            number(edge["doubles"]),
            edge["why"],
        )
        for edge in sync["targets"]
    ]
    return [*lines, "", *table(style, head, rows, right=("freshness", "lag", "within", "open", "bytes/s"))]


def _when(config: Doc) -> tuple[str, ...]:
    match config["mode"]:
        case "periodic":
            return (f"every {duration(config['every_s'])}",)
        case "on_event":
            return (clean(config["event"]),)
        case _:
            return (f"every {duration(config['pace_s'])} at most",)


def _figure(style: Style, name: str, text: str) -> list[str]:
    """Conditions are long: they are wrapped and not cut."""
    if name != "condition":
        return [style.fit(f"  {name:11} {text}")]
    first, *rest = wrap(text, style.width - 14)
    return [f"  {name:11} {first}", *(f"{'':14}{line}" for line in rest)]


def _condition(sync: Doc) -> str:
    """What it waits for, how often that was so, and what it made of the last event."""
    when, asked = sync["config"].get("when", ""), sync.get("asked")
    if not when:
        return ""
    if asked is None:
        return f"{when}; not asked since its monitor began to watch"
    counts = ", ".join(f"{word} {number(asked[word])}" for word in ("true", "false", "unknown"))
    value = {True: "true", False: "false", None: "unknown, which is not true"}[asked["value"]]
    return f"{when}; {counts}; event {number(asked['n'])}: {value}, because {asked['why']}"


def _verified_by(sync: Doc) -> str:
    """With the targets of which no comparison has proved the whole yet."""
    sampled = [edge["target"] for edge in sync["targets"] if edge.get("sampled")]
    by = str(sync["config"].get("verify", "digest"))
    return f"{by}; the whole is not proved yet at {', '.join(sampled)}" if sampled else by


def label(version: Doc) -> str:
    writers = "+".join(f"{writer}:{count}" for writer, count in sorted(version["vector"].items()))
    return f"{writers} {version['digest'][:8]}" if writers else ""


def held(edge: Doc) -> str:
    """The version that was proved; of one that was proved by a sample alone, first of all that."""
    version = label(edge["verified"])
    return f"sample of {version}" if edge.get("sampled") else version


def percent(share: float | None) -> str:
    """Nothing was due: no figure, and no 100 %."""
    return "no data" if share is None else f"{100 * share:.2f} %"


def age(seconds: float | None) -> str:
    return "" if seconds is None else duration(max(0.0, seconds))


def _latency(sync: Doc) -> str:
    return _ms(sync["latency_ms"].get("all", {}).get("p95"))


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"
