"""Events of coordination: syncs, conflicts, resolutions, rules that fired, and what went wrong, each from one fact.

The types are those that people filter by.  A delivery that was verified, or that a newer one took the place of, is not
an event: there are thousands, and ``sync show`` counts them.  Pure.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import JsonValue

from alluse_hub.actors.gateway.deeds import standing
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.severity import Severity
from alluse_hub.protocols.trail import Entry, EntryKind

FACTS = (
    *("RuleFired", "RuleActionRefused", "RuleActionDone", "RuleStopped", "RuleUndecided", "DirectiveAnswered"),
    *("DeliveriesMoved", "DriftFound", "Diverged", "Reconciled", "SyncSwitched"),
)
"""Of a span; conflicts come from the beginning, as ``deeds.LASTING`` has them."""

WORDS = ("info", "warning", "error", "critical")
FAILED = frozenset({"refused", "diverged", "expired"})
"""Ends of a delivery that are errors."""


def happened(entries: Iterable[Entry], since: float, until: float) -> list[dict[str, Any]]:
    """Oldest first; of hub time more than ``since`` and up to ``until``."""
    known = sorted((entry for entry in standing(entries) if entry.at <= until), key=lambda one: (one.at, one.leaf))
    ends: dict[tuple[str, str], Entry] = {}
    begins: dict[tuple[str, str], Entry] = {}
    for entry in known:
        if entry.kind is EntryKind.FACT and entry.message in {"ConflictOpened", "ConflictClosed"}:
            (begins if entry.message == "ConflictOpened" else ends)[entry.actor, str(entry.body["id"])] = entry
    return [
        _whole(entry, told)
        for entry in known
        if entry.at > since and entry.kind is EntryKind.FACT
        for told in _told(entry, begins, ends)
    ]


def fits(event: Json, type_: str, severity: str, workstream: str, rule: str) -> bool:
    workstreams = event["workstreams"]
    return (
        type_ in {"", event["type"]}
        and rule in {"", event["rule"]}
        and (not workstream or (isinstance(workstreams, list) and workstream in workstreams))
        and (not severity or WORDS.index(str(event["severity"])) >= WORDS.index(severity))
    )


def _whole(entry: Entry, told: Json) -> dict[str, Any]:
    head: dict[str, Any] = {"id": entry.id, "at": entry.at, "wall": entry.wall, "message": entry.message}
    rest: Json = {"severity": severity_of(entry), "rule": "", "workstreams": [], "resolved": None, "resolution": ""}
    return head | rest | told


def severity_of(entry: Entry) -> str:
    """The four words of these events: a *notice* of the trail is *info* here."""
    return "info" if entry.severity in {Severity.INFO, Severity.NOTICE} else entry.severity.value


def _told(
    entry: Entry, begins: dict[tuple[str, str], Entry], ends: dict[tuple[str, str], Entry]
) -> Iterator[dict[str, Any]]:
    body: Any = entry.body  # JSON; what is in it depends on the message
    match entry.message:
        case "RuleFired":
            by = f" by {body['manual_by']}" if body.get("manual_by") else ""
            text = f"{body['rule']} fired on {body['event']}{by}: {body['why']}"
            yield _event("rule_execution", text, rule=body["rule"], workstreams=_of_event(body["event"]))
        case "RuleActionRefused":
            text = f"{body['workstream']} is not told to {body['command']}: {body['why']}"
            yield _event("rule_execution", text, rule=body["rule"], workstreams=[body["workstream"]])
        case "RuleActionDone":
            text = f"{body['workstream']} {body['command']}: {'done' if body['ok'] else body['error']}"
            sort = "rule_execution" if body["ok"] else "error"
            yield _event(sort, text, rule=body["rule"], workstreams=[body["workstream"]])
        case "RuleStopped" | "RuleUndecided":
            text = f"{body['rule']} on {body['event']}: {body['why']}"
            yield _event("error", text, rule=body["rule"], workstreams=_of_event(body["event"]))
        case "DirectiveAnswered" if body["outcome"] not in {"applied", "already"}:
            text = f"{body['resource']}, fence {body['fence']}: {body['outcome']}, {body['error']}"
            yield _event("error", text, workstreams=_of_path(body["resource"]))
        case "ConflictOpened":
            end = ends.get((entry.actor, body["id"]))
            text = f"{body['id']}, {body['klass']} on {body['resource']}: {body['sentence']}"
            how: Any = end.body if end is not None else {}  # JSON
            yield _event("conflict", text, workstreams=_of_path(body["resource"])) | {
                "resolved": end is not None,
                "resolution": f"{how['outcome']}: {how['sentence']}" if how else "",
                "conflict": body["id"],
            }
        case "ConflictClosed":
            begin = begins.get((entry.actor, body["id"]))
            resource = str(begin.body["resource"]) if begin is not None else ""
            text = f"{body['id']}, {body['outcome']}: {body['sentence']}"
            yield _event("resolution", text, workstreams=_of_path(resource)) | {"conflict": body["id"]}
        case "DeliveriesMoved":
            for move in body["moves"]:
                if move["to"] in FAILED:
                    text = f"{move['sync']} to {move['target']}, delivery {move['serial']}: {move['to']}, {move['why']}"
                    yield _event("error", text, workstreams=[move["target"]]) | {"severity": "error"}
        case "DriftFound":
            text = f"{body['sync']} at {body['target']} is not what was verified there"
            yield _event("sync", text, workstreams=[body["target"]])
        case "Diverged":
            text = f"{body['sync']} has diverged at {body['target']}, {body['conflict']}"
            yield _event("sync", text, workstreams=[body["target"]])
        case "Reconciled":
            text = f"{body['sync']} at {body['target']}, {body['conflict']}: {body['winner']} stands"
            yield _event("sync", text, workstreams=[body["target"]])
        case "SyncSwitched":
            text = f"{body['sync']} is {body['play']}, by {body['by']}: {body['reason']}"
            yield _event("sync", text.rstrip(": "))
        case _:
            return


def _event(type_: str, text: str, *, rule: str = "", workstreams: list[str] | None = None) -> dict[str, Any]:
    named: list[JsonValue] = [*(workstreams or [])]
    return {"type": type_, "text": text, "rule": rule, "workstreams": named}


def _of_event(event: str) -> list[str]:
    workstream, _, number = event.rpartition("#")
    return [workstream] if workstream and number.isdecimal() else []


def _of_path(resource: str) -> list[str]:
    return [resource.partition("/")[0]] if resource else []
