"""The summary at the end of the demonstration, for a person."""

from typing import Any

from alluse_hub.cli import coordination, syncs
from alluse_hub.cli.render import Style, clean, number, table, wrap
from alluse_hub.cli.show import check, conflict_lines, flows

Doc = dict[str, Any]  # Any: JSON as the daemon gives it

FIGURES = ("equity", "cash", "positions", "baseline", "drawdown")
"""Of an account in a settlement; money in USD as text, the drawdown a fraction."""


def summary(style: Style, doc: Doc) -> list[str]:
    conflicts = doc["conflicts"]
    starts, ends = number(doc["program_starts"]), number(doc["program_ends"])
    done = {
        "sessions": f"{number(doc.get('sessions', 0))} of {number(doc.get('of', 0))}, to {clean(doc.get('session'))}",
        "events": number(doc.get("events", 0)),
        "messages": f"{number(doc['messages'])} sent; {number(doc['entries'])} entries in the trail",
        "restarts": f"{number(doc['actor_restarts'])} of actors; {starts} starts and {ends} ends of programs",
    }
    lines = [_title(style, "what was done"), *(f"  {name:12}  {text}" for name, text in done.items())]
    lines += ["", _title(style, "rules fired")]
    for rule, counts in doc["rules"].items():
        more = "".join(f", {number(counts[key])} {key}" for key in ("refused", "failed") if counts[key])
        lines.append(f"  {clean(rule):24} {number(counts['fired']):>8}{more}")
    outcomes = ", ".join(f"{clean(outcome)} {number(count)}" for outcome, count in conflicts["outcomes"].items())
    lines += [
        "",
        _title(style, f"conflicts: {number(conflicts['opened'])} opened, {number(conflicts['closed'])} resolved"),
    ]
    if outcomes:
        lines += wrap(f"  {outcomes}", style.width, "  ")
    for conflict in conflicts["first"]:
        lines += [f"  {line}" for line in conflict_lines(style, conflict)]
    if conflicts["opened"] > len(conflicts["first"]):
        lines.append(f"  and {number(conflicts['opened'] - len(conflicts['first']))} more, all in the trail")
    lines += ["", _title(style, "what stood out")]
    for moment in doc.get("moments", []):
        lines.append(f"  {clean(moment['session'])}  {clean(moment['what']):10}  {clean(moment['text'])}")
    lines += ["", *_accounts(style, doc["accounts"]), "", _title(style, "flows"), *flows(style, doc), ""]
    if doc.get("syncs"):
        lines += [_title(style, "syncs, verified at each target"), *syncs.table_of(style, doc), ""]
    if doc.get("coordination"):
        lines += [_title(style, "coordination"), *coordination.brief(doc["coordination"]), ""]
    lines += [_title(style, "digests of all events (the same data gives the same digests)")]
    lines += [f"  {clean(name):6} {clean(digest)}" for name, digest in sorted(doc["digests"].items())]
    if doc.get("digest"):
        lines.append(f"  {'all':6} {clean(doc['digest'])}")
    if doc.get("decisions_digest"):
        lines.append(f"  {'decided':6} {clean(doc['decisions_digest'])}")
    lines += ["", *check(style, doc["trail"]), clean(doc["note"])]
    if doc.get("home"):
        lines.append(f"the home is kept: {clean(doc['home'])}")
    return [style.fit(line) for line in lines]


def _title(style: Style, text: str) -> str:
    return style.paint(text, "bold")


def _accounts(style: Style, doc: Doc) -> list[str]:
    settlement = doc.get("settlement") or {}
    lines = [_title(style, f"accounts after the settlement of {clean(doc.get('session')) or '(none)'}, USD")]
    accounts = settlement.get("accounts")
    named = {name: figures for name, figures in accounts.items() if isinstance(figures, dict)} if accounts else {}
    if not named:
        return [*lines, "  none was told"]
    rows = [("all", *(_money(settlement.get(key)) for key in FIGURES))]
    rows[:0] = [(name, *(_money(figures.get(key)) for key in FIGURES)) for name, figures in named.items()]
    word = "agree to the cent" if settlement.get("reconciled") is True else "do NOT agree"
    return [*lines, *table(style, ("account", *FIGURES), rows, right=FIGURES), f"cash, positions and equity {word}"]


def _money(value: object) -> str:
    """Money is text in cents already; figures are shown as they are."""
    text = clean(value)
    whole, point, cents = text.partition(".")
    if point and whole.lstrip("-").isdecimal() and cents.isdecimal():
        return f"{int(whole):,}.{cents}" if whole != "-0" else text
    return text
