"""Rules, their versions and what is found in them, as lines."""

from typing import Any

from alluse_hub.cli import show
from alluse_hub.cli.render import Style, clean, moment, number, table, wrap

Doc = dict[str, Any]  # Any: JSON as the daemon gives it


def rules(style: Style, doc: Doc) -> list[str]:
    lines = show.rules(style, doc)
    if not doc.get("auto", True):
        warning = "automatic coordination is off: no rule fires until `rules auto on`"
        lines += ["", style.paint(warning, "bad")]
    return [*lines, "", style.fit(f"revision {doc.get('revision', 0)} of the set")]


def versions_of(id_: str, changes: list[Doc]) -> list[Doc]:
    """Of one rule, from the entries that changed the set, oldest first; ``rule`` is None where it was removed."""
    versions: list[Doc] = []
    count = 0
    for entry in changes:
        body = entry.get("body") or {}
        put = next((rule for rule in body.get("put", ()) if rule["id"] == id_), None)
        if put is None and id_ not in body.get("removed", ()):
            continue
        count += put is not None
        versions.append(
            {
                "version": count if put is not None else 0,
                "revision": body["revision"],
                "entry": entry["id"],
                "wall": entry["wall"],
                **{key: body.get(key, "") for key in ("how", "by", "reason")},
                "rule": put,
            }
        )
    return versions


def rule(style: Style, id_: str, doc: Doc) -> list[str]:
    lines = [f"{style.paint(clean(id_), 'bold')}  version {doc['version']}" + ("" if doc["rule"] else "  removed")]
    lines += [style.fit(f"  {line}") for line in _said(doc["rule"] or {}, style.width - 4)]
    tally = doc["tally"]
    if tally:
        counts = f"fired {number(tally['fired'])}, undecided {number(tally['undecided'])}, failures {tally['failures']}"
        lines += ["", f"  {counts}"]
        last = [clean(tally[key]) for key in ("last_event", "last_session", "last_result") if tally.get(key)]
        lines += [style.fit(f"  last: {', '.join(last)}")] if last else []
    rows = [
        (
            one["version"] or "",
            one["revision"],
            moment(one["wall"], utc=style.utc),
            one["how"],
            one["by"],
            _what_changed(before, one),
            one["reason"],
        )
        for before, one in zip([None, *doc["versions"]], doc["versions"], strict=False)
    ]
    head = ("version", "revision", "when", "how", "by", "changed", "reason")
    return [*lines, "", *table(style, head, rows, right=("version", "revision"))]


def _said(rule: Doc, width: int) -> list[str]:
    lines: list[str] = []
    for key, value in rule.items():
        if value in ("", [], {}, ()) or key == "id":
            continue
        if isinstance(value, list):
            lines += [line for one in value for line in wrap(f"{key}: {show.brief(one)}", width, "  ")]
        else:
            lines += wrap(f"{key}: {clean(value)}", width, "  ")
    return lines


def _what_changed(before: Doc | None, now: Doc) -> str:
    if now["rule"] is None:
        return "removed"
    if before is None or before["rule"] is None:
        return "the whole rule"
    keys = {*before["rule"], *now["rule"]}
    return ", ".join(sorted(key for key in keys if before["rule"].get(key) != now["rule"].get(key)))


def findings(style: Style, count: int, found: list[Doc]) -> list[str]:
    if not found:
        return [f"good: {count} rules, and nothing in question"]
    lines: list[str] = []
    for one in found:
        text = f"{one['severity']}: {one['kind']}: {', '.join(one['rules'])}: {one['wrong']}; {one['right']}"
        lines += [style.fit(line) for line in wrap(text, style.width, "  ")]
    questions = sum(one["severity"] == "question" for one in found)
    return [*lines, "", f"{count} rules: {questions} in question, {len(found) - questions} to note"]
