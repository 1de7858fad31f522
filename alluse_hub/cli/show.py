"""What the answers of the daemon look like to a person: one function for each, from JSON to lines."""

from typing import Any

from alluse_hub.cli.incident import incident
from alluse_hub.cli.render import Style, clean, cut, duration, moment, number, table, wrap

Doc = dict[str, Any]  # Any: JSON as the daemon gives it


UNGUARDED = "the daemon is gone and nobody repairs this tree: run `serve` on this home again"


def status(style: Style, doc: Doc) -> list[str]:
    if "workstream" in doc:
        return _workstream(style, doc["workstream"])
    if "actor" in doc:
        return _actor(style, doc["actor"])
    hub = doc.get("hub", {})
    lines = [] if doc.get("guarded", True) else [style.paint(UNGUARDED, "bad"), ""]
    if doc.get("daemon", {}).get("used"):
        lines += [daemon_line(style, doc["daemon"]), ""]
    lines += [hub_line(style, hub), *_whole_cause(style, hub)]
    lines += session_line(style, doc) if doc.get("round") else []
    rows = [
        (
            workstream["id"],
            workstream["name"],
            workstream["status"],
            f"{workstream['health']:.0f}",
            workstream.get("pid") or "",
            workstream.get("program_starts", ""),
            number(workstream.get("events", "")),
            _latency(workstream),
            workstream["monitor"].get("state", ""),
            workstream.get("why", ""),
        )
        for workstream in doc.get("workstreams", ())
    ]
    head = ("id", "name", "status", "health", "pid", "starts", "events", "p95 ms", "monitor", "why")
    if rows:
        lines += ["", *table(style, head, rows, right=("health", "pid", "starts", "events", "p95 ms"))]
    for resource in doc.get("resources", ()):
        lines += ["", *resource_lines(style, resource)]
    return lines


def hub_line(style: Style, hub: Doc) -> str:
    word = str(hub.get("status", "unknown"))
    counts = f"{hub.get('actors_up', 0)}/{hub.get('actors', 0)} actors up"
    text = f"{style.paint(clean(hub.get('name')), 'bold')}  {style.state(word)} {hub.get('health', 0):.0f}  {counts}"
    more = f"restarts {hub.get('restarts', 0)}  conflicts open {hub.get('conflicts_open', 0)}"
    more += f"  {hub['waiting']} wait for people" if hub.get("waiting") else ""
    more += f"  {style.paint('rules off', 'bad')}" if not hub.get("auto", True) else ""
    return style.fit(f"{text}  {more}  {cut(clean(hub.get('why')), _cause_width(style))}")


def _cause_width(style: Style) -> int:
    return max(20, style.width - 70)


def _whole_cause(style: Style, hub: Doc) -> list[str]:
    """What ails the hub, if the line about it had no room for all of it: this is what has to be read."""
    why = clean(hub.get("why"))
    return wrap(f"  {why}", style.width, "  ") if len(why) > _cause_width(style) else []


FAILURES = {"tree_died": "the tree died", "gave_up": "the daemon gave up", "killed": "the daemon was killed"}


def daemon_line(style: Style, daemon: Doc) -> str:
    """How often the daemon itself, or its whole tree, has failed lately."""
    starts = sum(entry["event"] == "begun" for entry in daemon["entries"])
    counted = f"{daemon['used']} of {daemon['allowed']} failures in {duration(daemon['period_s'])}{_frees(daemon)}"
    failed = [entry for entry in daemon["entries"] if entry["event"] in FAILURES]
    last = f"; the last: {FAILURES[failed[-1]['event']]}: {cut(clean(failed[-1]['why']), 80)}" if failed else ""
    if daemon["used"] > daemon["allowed"]:
        return style.fit(style.paint(f"daemon: a crash loop: {counted}{last}", "bad"))
    return style.fit(f"daemon: start {starts} in its book, {counted}{last}")


def session_line(style: Style, doc: Doc) -> list[str]:
    if not doc.get("session"):
        return []
    state = "ended" if doc.get("ended") else f"{number(doc.get('sessions', 0))} of {number(doc.get('of', 0))}"
    return [style.fit(f"session {clean(doc['session'])} ({state})  events {number(doc.get('events', 0))}")]


def _latency(workstream: Doc) -> str:
    window = workstream.get("window") or {}
    return f"{window['latency_p95_ms']:.1f}" if window.get("requests") else ""


def _workstream(style: Style, doc: Doc) -> list[str]:
    window = doc.get("window") or {}
    monitor = doc.get("monitor") or {}
    shown: Doc = {
        "name": doc["name"],
        "status": doc["status"],
        "health": f"{doc['health']:.0f} of 100",
        "why": doc.get("why", ""),
        "program": f"pid {doc['pid']}, start {doc.get('program_starts', 0)}" if doc.get("pid") else "none runs",
        "monitor": _monitor(monitor),
        "events": number(doc.get("events", 0)),
        "open commands": doc.get("open_commands", 0),
        "fence": doc.get("fence", 0),
        "uptime": f"{100 * doc.get('uptime', 0):.2f} %",
        "last beat": f"{duration(doc['staleness_s'])} ago" if "staleness_s" in doc else "",
        "depends on": ", ".join(doc.get("depends_on", ())) or "nothing",
        "needed by": ", ".join(doc.get("needed_by", ())) or "nobody",
    }
    if window:
        shown[f"last {duration(window['window_s'])}"] = (
            f"{window['requests']} requests, {window['errors']} errors, latency"
            f" p50 {window['latency_p50_ms']:.1f} p95 {window['latency_p95_ms']:.1f}"
            f" p99 {window['latency_p99_ms']:.1f} ms"
        )
    return [style.paint(clean(doc["id"]), "bold"), *_pairs(style, shown)]


def _monitor(monitor: Doc) -> str:
    cell = f", in {monitor['cell']}" if monitor.get("cell") else ""
    waits = f", next try in {duration(monitor['next_try_s'])}" if monitor.get("next_try_s") is not None else ""
    return f"{monitor.get('state', 'unknown')}{waits}, incarnation {monitor.get('incarnation', 0)}{cell}"


def _actor(style: Style, doc: Doc) -> list[str]:
    residents = {"residents": ", ".join(doc["residents"])} if "residents" in doc else {}
    return _pairs(style, doc | residents)


def _pairs(style: Style, doc: Doc) -> list[str]:
    said = {key: value for key, value in doc.items() if value not in ("", None)}
    width = max((len(key) for key in said), default=0)
    lines: list[str] = []
    for key, value in said.items():
        text = wrap(str(value), style.width - width - 4)
        first = style.state(str(value), text[0]) if text else ""
        lines.append(style.fit(f"  {style.paint(key.ljust(width), 'dim')}  {first}").rstrip())
        lines += [style.fit(f"  {' ' * width}  {line}") for line in text[1:]]
    return lines


def tree(style: Style, doc: Doc) -> list[str]:
    root = doc.get("tree", {})
    lines = [style.fit(line) for line in (_tree_head(style, root), *_branches(style, root, ""))]
    return [*lines, "", daemon_line(style, doc["daemon"])] if doc.get("daemon") else lines


def _tree_head(style: Style, node: Doc) -> str:
    if "strategy" not in node:
        return style.paint(clean(node.get("name")), "bold")
    limit = node["intensity"]
    period, budget = duration(limit["period_s"]), node.get("budget")
    if budget:
        allowed = f"{budget['used']} of {limit['restarts']} restarts in {period}{_frees(budget)}"
    else:
        allowed = f"{limit['restarts']} restarts in {period} for each"
    return f"{style.paint(clean(node['name']), 'bold')}  {node['strategy']}, {allowed}, then {node['on_limit']}"


def _frees(budget: Doc) -> str:
    """When the next of them will not count any more."""
    return f" (one less in {duration(budget['frees_s'])})" if budget["frees_s"] is not None else ""


def _branches(style: Style, node: Doc, indent: str) -> list[str]:
    lines: list[str] = []
    children = node.get("children", ())
    for position, child in enumerate(children):
        is_last = position == len(children) - 1
        stem, below = ("└── ", "    ") if is_last else ("├── ", "│   ")
        lines.append(f"{indent}{stem}{_child_line(style, child)}")
        if child.get("children"):
            lines += _branches(style, child, indent + below)
    return lines


def _child_line(style: Style, child: Doc) -> str:
    parts = [style.paint(clean(child["name"]), "bold"), style.state(child["state"])]
    if child.get("pid"):
        parts.append(f"pid {child['pid']}")
    parts.append(f"incarnation {child.get('incarnation', 0)}")
    if child.get("restarts"):
        parts.append(style.paint(f"restarts {child['restarts']}", "warn"))
    if (budget := child.get("own_budget")) and budget["used"]:
        parts.append(f"budget {budget['used']} used{_frees(budget)}")
    if child.get("next_try_s") is not None:
        parts.append(f"next try in {duration(child['next_try_s'])}")
    if child.get("why"):
        parts.append(cut(clean(child["why"]), 60))
    if child.get("last_exit"):
        parts.append(f"last exit: {cut(clean(child['last_exit']), 40)}")
    if "age_s" in child:
        parts.append(f"for {duration(child['age_s'])}")
    program = child.get("program")
    if program:
        held = f"pid {program['pid']}" if program.get("pid") else "none"
        parts.append(f"program {held} {style.state(program['status'])} {program['health']:.0f}")
    if child.get("cell"):
        parts.append(f"(one process for {len(child['children'])})")
    elif "strategy" in child:
        parts.append(f"({_tree_head(style, child).partition('  ')[2]})")
    return "  ".join(parts)


def flows(style: Style, doc: Doc) -> list[str]:
    head = ("flow", "kind", "status", "events", "last hour", "held", "dropped", "p50 ms", "p95 ms", "p99 ms")
    rows = [
        (
            flow["flow"],
            flow["kind"],
            flow["status"],
            number(flow["events"]),
            number(round(flow["per_hour"])),
            number(flow["held"]),
            number(flow["dropped"]),
            f"{flow['latency_p50_ms']:.1f}",
            f"{flow['latency_p95_ms']:.1f}",
            f"{flow['latency_p99_ms']:.1f}",
        )
        for flow in doc.get("flows", ())
    ]
    if not rows:
        return ["no flow has been measured yet"]
    right = ("events", "last hour", "held", "dropped", "p50 ms", "p95 ms", "p99 ms")
    return [*session_line(style, doc), *table(style, head, rows, right=right)]


def conflicts(style: Style, doc: Doc) -> list[str]:
    lines: list[str] = []
    for resource in doc.get("resources", ()):
        lines += [*resource_lines(style, resource), ""]
    is_any = doc.get("open") or doc.get("closed")
    for conflict in (*doc.get("closed", ()), *doc.get("open", ())):
        lines += conflict_lines(style, conflict)
    open_ = doc.get("open_count", len(doc.get("open", ())))
    lines.append(f"{doc.get('count', 0)} in all, {open_} open" if is_any else "no conflicts yet")
    return lines


def conflict_lines(style: Style, conflict: Doc) -> list[str]:
    outcome = conflict.get("outcome") or "open"
    title = f"{clean(conflict['id'])}  {clean(conflict.get('klass'))}  {clean(conflict['resource'])}  {clean(outcome)}"
    lines = [style.fit(style.paint(title, "bold" if outcome == "open" else "note"))]
    asked = f"{conflict.get('question', '')}"
    if conflict.get("choices"):
        asked += f" `decide {conflict['id']}` one of these."
    for sentence in (conflict.get("opened"), asked, conflict.get("closed")):
        if sentence:
            lines += [style.fit(line) for line in wrap(f"  {sentence}", style.width, "  ")]
    return lines


def resource_lines(style: Style, resource: Doc) -> list[str]:
    title = f"{style.paint(clean(resource['resource']), 'bold')}  {style.state(clean(resource['rung']))}"
    is_mode = resource.get("kind", "mode") == "mode"
    title += f"  fence {resource['fence']}  {clean(resource.get('answer')) or 'no answer awaited'}" if is_mode else ""
    title += f"  {style.paint('in doubt', 'bad')}" if resource.get("doubt") else ""
    sentences = (resource["explanation"], *filter(None, (resource.get("doubt"),)), *resource.get("asks", ()))
    told = (line for sentence in sentences for line in wrap(f"  {sentence}", style.width, "  "))
    return [style.fit(title), *(style.fit(line) for line in told)]


def rules(style: Style, doc: Doc) -> list[str]:
    head = ("rule", "priority", "on", "fired", "undecided", "failures", "last event", "last session", "last result")
    rows = [
        (
            rule["id"],
            rule["priority"],
            "yes" if rule["enabled"] else "no",
            number(rule["fired"]),
            number(rule["undecided"]),
            number(rule["failures"]),
            rule.get("last_event", ""),
            rule.get("last_session", ""),
            rule.get("last_result", ""),
        )
        for rule in doc.get("rules", ())
    ]
    return table(style, head, rows, right=("fired", "undecided", "failures")) if rows else ["no rules are known yet"]


def event(style: Style, doc: Doc) -> str:
    text = f"{moment(doc['wall'], utc=style.utc)}  {clean(doc['id']):12}  {clean(doc.get('session')):10}"
    text += f"  {clean(doc.get('event')):26} {clean(brief(doc.get('payload') or {}))}"
    return style.fit(cut(text.rstrip(), style.width))


GRAVE = {"warning": "warn", "error": "bad", "critical": "bad"}


def entry(style: Style, doc: Doc) -> str:
    peer = {"sent": "to", "heard": "from"}.get(doc["kind"], "")
    text = f"{moment(doc['wall'], utc=style.utc)}  {clean(doc['id']):22} {doc['kind']:5}  {clean(doc['message'])}"
    if peer and doc.get("to"):
        text += f" {peer} {clean(doc['to'])}"
    said = clean(doc.get("severity"))
    if colour := GRAVE.get(said):
        text += f" [{said}]"
    if doc.get("body"):
        text += f"  {clean(brief(doc['body']))}"
    line = style.fit(cut(text, style.width))
    return line.replace(f"[{said}]", f"[{style.paint(said, colour)}]", 1) if colour else line


def brief(body: Doc) -> str:
    return " ".join(f"{key}={_value(value)}" for key, value in body.items() if value not in ("", None, [], {}, ()))


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{" + brief(value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_value(one) for one in value[:8]) + (",…" if len(value) > 8 else "") + "]"
    return str(value)


def entry_whole(style: Style, doc: Doc) -> list[str]:
    found = dict(doc["entry"])
    body = found.pop("body", {})
    found["wall"] = moment(found["wall"], utc=style.utc)
    lines = _pairs(style, {key: value for key, value in found.items() if value not in ("", False)})
    return [*lines, *_body(style, body, "  ")]


def _body(style: Style, body: object, indent: str) -> list[str]:
    import json

    text = json.dumps(body, indent=2, ensure_ascii=False)
    return [style.fit(f"{indent}{clean(line)}") for line in text.split("\n")]


def check(style: Style, doc: Doc) -> list[str]:
    word = "whole" if doc["whole"] else "broken"
    found = f"{number(doc['entries'])} entries of {number(doc['incarnations'])} incarnations"
    lines = [
        style.fit(f"the trail is {style.state(word)}: {found}, {len(doc['gaps'])} gaps, {len(doc['doubles'])} doubles")
    ]
    for key in ("gaps", "doubles", "unrecorded"):
        lines += [style.fit(f"  {key}: {clean(one)}") for one in doc[key]]
    if doc.get("witness"):
        lines.append(style.fit(f"  witness: {clean(doc['witness'])}"))
    return lines


DEPTH_SHOWN = 8
"""Steps of the causal tree that are told apart by their indentation."""


def _below(style: Style, doc: Doc) -> str:
    return style.fit(cut("  " * min(DEPTH_SHOWN, doc.get("depth", 1)) + entry(style, doc), style.width))


def why(style: Style, doc: Doc) -> list[str]:
    kind = doc.get("kind", "")
    lines: list[str]
    if kind == "entry":
        lines = [style.paint("what led to it, the origin first", "dim")]
        lines += [f"  {entry(style, one)}" for one in reversed(doc["causes"])] or ["  it came by itself"]
        lines += [style.paint("the entry", "dim"), *entry_whole(style, doc)]
        lines += [style.paint("what came of it", "dim")]
        return [*lines, *([_below(style, one) for one in doc["effects"]] or ["  nothing"])]
    thing = doc.get(kind, {})
    if kind == "workstream":
        changed = doc.get("changed") or {}
        lines = _workstream(style, thing)
        if changed:
            turn = f"{changed['was']} -> {changed['now']} {duration(changed['age_s'])} ago: {changed['why']}"
            lines += _pairs(style, {"last change": turn})
    elif kind == "resource":
        lines = resource_lines(style, thing)
        lines += [style.fit(f"  held by {clean(claim)}") for claim in thing.get("claims", ())]
    elif kind == "conflict":
        lines = conflict_lines(style, thing)
    else:
        lines = _actor(style, thing)
    if doc.get("incident"):
        lines += ["", *incident(style, doc["incident"])]
    if doc.get("latest"):
        lines += ["", style.paint("the latest in the trail; `why ID` follows one", "dim")]
        lines += [f"  {entry(style, one)}" for one in doc["latest"]]
    return lines
