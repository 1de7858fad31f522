"""Views: the picture as JSON, cut for one question each.

Every view carries ``now`` (hub time in seconds), so that ages can be told without another clock.  Pure.
"""

from typing import TypeVar

from pydantic import JsonValue

from alluse_hub.actors.board.coordination import coordination
from alluse_hub.actors.board.health import system_health
from alluse_hub.actors.board.picture import Board, WorkstreamKnown
from alluse_hub.protocols.children import ChildShown
from alluse_hub.protocols.lifecycle import ChildState, Intensity, OnLimit
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.names import ROOT
from alluse_hub.protocols.sync import SyncShown
from alluse_hub.supervision.restarts import recent

M = TypeVar("M", bound=Message)

UP = frozenset({ChildState.READY, ChildState.DEGRADED})


def view(board: Board, name: str, args: Json, now: float) -> Json:
    """The view ``name``; an empty one if it, or the thing asked for in ``args``, is unknown."""
    match name:
        case "status":
            return _status(board, now) if not args.get("name") else _status_of(board, str(args["name"]), now)
        case "tree":
            return {"now": now, "tree": _subtree(board, ROOT, now)}
        case "flows":
            return {"now": now, "flows": _flows(board), **_session(board)}
        case "conflicts":
            return {"now": now, "resources": _resources(board), **_conflicts(board)}
        case "rules":
            return _rules(board, now)
        case "syncs":
            return _syncs(board, args.get("name"), now)
        case "progress":
            return _progress(board, now)
        case "coordination":
            return coordination(board, now)
        case "why":
            return _why(board, str(args.get("name", "")), now)
        case "summary":
            rules: list[JsonValue] = [rule.id for rule in board.rules.rules] if board.rules else []
            return {
                "now": now,
                "flows": _flows(board),
                "resources": _resources(board),
                "rules": rules,
                "syncs": [_sync(sync, now) for sync in board.syncs.syncs],
                **_session(board),
            }
        case _:
            return {}


def _rules(board: Board, now: float) -> Json:
    if board.rules is None:
        return {"now": now, "rules": [], "revision": 0, "auto": True}
    rules: list[JsonValue] = [_json(rule) for rule in board.rules.rules]
    return {"now": now, "rules": rules, "revision": board.rules.revision, "auto": board.rules.auto}


def _syncs(board: Board, name: JsonValue, now: float) -> Json:
    known = board.syncs.syncs
    shown: list[JsonValue] = [_sync(sync, now) for sync in known if name in {None, "", sync.sync}]
    return {"now": now, "syncs": shown} if shown or not name else {}


def _sync(sync: SyncShown, now: float) -> Json:
    """Of a sync at rest nothing is shown again, and it ages all the same."""
    aged = (
        edge if edge.changed_at is None else edge.model_copy(update={"freshness_s": round(now - edge.changed_at, 3)})
        for edge in sync.targets
    )
    return _json(sync.model_copy(update={"targets": tuple(aged)}))


def _json(message: Message) -> Json:
    return message.model_dump(mode="json")


def _hub(board: Board, now: float) -> Json:
    health = system_health(board, now)
    children = [child for tree in board.trees.values() for child in tree.children]
    return {
        "name": board.spec.hub,
        "status": health.word,
        "why": health.why,
        "health": health.score,
        "health_least": health.least,
        "health_mean": health.mean,
        "actors_up": sum(child.state in UP for child in children),
        "actors": len(children),
        "restarts": sum(child.restarts for child in children),
        "conflicts_open": board.disputes.open_count,
        "conflicts": board.disputes.count,
        "rules_fired": sum(rule.fired for rule in board.rules.rules) if board.rules else 0,
        "auto": board.rules.auto if board.rules else True,
        "waiting": board.rules.waiting if board.rules else 0,
    }


def _session(board: Board) -> Json:
    if board.flows is None:
        return {"session": "", "sessions": 0, "of": 0, "round": 0, "ended": False, "digest": "", "events": 0}
    shown = _json(board.flows)
    del shown["flows"]
    return shown


def _status(board: Board, now: float) -> Json:
    workstreams: list[JsonValue] = [_workstream(board, known, now) for known in board.spec.workstreams]
    return {
        "now": now,
        "board_version": board.version,
        "hub": _hub(board, now),
        "workstreams": workstreams,
        "resources": _resources(board),
        **_session(board),
    }


def _status_of(board: Board, name: str, now: float) -> Json:
    known = next((known for known in board.spec.workstreams if known.id == name), None)
    if known is not None:
        return {"now": now, "board_version": board.version, "workstream": _workstream(board, known, now)}
    child = board.child(name)
    if child is not None:
        return {"now": now, "board_version": board.version, "actor": _actor(board, child, now)}
    if name in {ROOT, board.spec.hub}:
        return {"now": now, "board_version": board.version, "hub": _hub(board, now)}
    return {}


def _workstream(board: Board, known: WorkstreamKnown, now: float) -> Json:
    child = board.child(known.id)
    shown: Json = {
        "id": known.id,
        "name": known.name,
        "depends_on": list(known.depends_on),
        "needed_by": [other.id for other in board.spec.workstreams if known.id in other.depends_on],
        "monitor": _actor(board, child, now) if child else {"state": "unknown"},
    }
    heard = board.pulses.get(known.id)
    if heard is None:
        return shown | _unknown("nothing was heard of it yet") | {"heard_s": None}
    pulse = _json(heard.pulse)
    for key in ("workstream", "name", "dependencies"):
        del pulse[key]
    heard_s = round(max(0.0, now - heard.at), 3)
    if unwatched := board.unwatched(known.id):
        pulse |= _unknown(f"{unwatched}; {heard_s:.0f} s ago it was {heard.pulse.status}")
    return shown | pulse | {"heard_s": heard_s}


def _unknown(why: str) -> Json:
    return {"status": "unknown", "health": 0.0, "why": why}


def _child(child: ChildShown, now: float) -> Json:
    """With times as they are told to people, in seconds from now."""
    shown = _json(child)
    del shown["restart_times"]
    shown["next_try_s"] = round(max(0.0, child.next_try - now), 3) if child.next_try is not None else None
    return shown


def _used(times: tuple[float, ...], limit: Intensity, now: float) -> Json:
    """Of a budget: the restarts that count, and how many seconds from now one of them will not any more."""
    counted = recent(times, now, limit.period_s)
    return {"used": len(counted), "frees_s": round(counted[-1] + limit.period_s - now, 3) if counted else None}


def _actor(board: Board, child: ChildShown, now: float) -> Json:
    """Of a cell, who lives in it; of who lives in one, which."""
    shown = _child(child, now)
    tree = board.trees.get(child.name)
    if tree is not None and tree.cell:
        shown["residents"] = [resident.name for resident in tree.children]
    elif cell := board.cell_of(child.name):
        shown["cell"] = cell
    return shown


def _subtree(board: Board, name: str, now: float) -> Json:
    """The supervisor ``name`` with all below it; a child that is a supervisor itself holds its own."""
    tree = board.trees.get(name)
    if tree is None:
        return {"name": name, "children": []}
    children: list[JsonValue] = []
    for child in tree.children:
        below: Json = _child(child, now) | {"age_s": round(max(0.0, now - child.since), 3)}
        if tree.on_limit is OnLimit.PARK:
            below["own_budget"] = _used(child.restart_times, tree.intensity, now)
        heard = board.pulses.get(child.name)
        if heard is not None:
            is_known = not board.unwatched(child.name)
            below["program"] = {
                "status": heard.pulse.status.value if is_known else "unknown",
                "health": heard.pulse.health if is_known else 0.0,
                "pid": heard.pulse.pid,
                "starts": heard.pulse.program_starts,
            }
        if child.name in board.trees:
            below |= _subtree(board, child.name, now)
        children.append(below)
    return {
        "name": name,
        "strategy": tree.strategy.value,
        "intensity": _json(tree.intensity),
        "on_limit": tree.on_limit.value,
        "budget": _used(tree.restart_times, tree.intensity, now) if tree.on_limit is not OnLimit.PARK else None,
        "cell": tree.cell,
        "children": children,
    }


def _flows(board: Board) -> list[JsonValue]:
    return [_json(flow) for flow in board.flows.flows] if board.flows else []


def _resources(board: Board) -> list[JsonValue]:
    return [_json(resource) for resource in board.rules.resources] if board.rules else []


def _conflicts(board: Board) -> Json:
    return {
        "open": [_json(conflict) for conflict in board.disputes.open],
        "closed": [_json(conflict) for conflict in board.disputes.closed],
        "count": board.disputes.count,
        "open_count": board.disputes.open_count,
    }


def _progress(board: Board, now: float) -> Json:
    shown = board.rules.resources if board.rules else ()
    rungs: Json = {one.resource: one.rung for one in shown if one.kind == "mode"}
    fired: Json = {rule.id: rule.fired for rule in board.rules.rules} if board.rules else {}
    workstreams: Json = {
        known.id: board.pulses[known.id].pulse.status.value
        if known.id in board.pulses and not board.unwatched(known.id)
        else "unknown"
        for known in board.spec.workstreams
    }
    return {
        "now": now,
        "hub": _hub(board, now),
        "workstreams": workstreams,
        "rungs": rungs,
        "fired": fired,
        **_session(board),
    }


def _why(board: Board, name: str, now: float) -> Json:
    """What the board knows of anything with that name: workstream, resource, rule, flow, actor or the hub itself."""
    known = next((known for known in board.spec.workstreams if known.id == name), None)
    if known is not None:
        turn = board.turns.get(name)
        changed: Json = _json(turn.change) | {"age_s": round(max(0.0, now - turn.at), 3)} if turn else {}
        return {"now": now, "kind": "workstream", "workstream": _workstream(board, known, now), "changed": changed}
    if board.rules:
        for resource in board.rules.resources:
            if resource.resource == name:
                conflicts: list[JsonValue] = [_json(c) for c in board.disputes.open if c.resource == name]
                return {"now": now, "kind": "resource", "resource": _json(resource), "open": conflicts}
        for rule in board.rules.rules:
            if rule.id == name:
                return {"now": now, "kind": "rule", "rule": _json(rule)}
    for conflict in (*board.disputes.open, *board.disputes.closed):
        if conflict.id == name:
            return {"now": now, "kind": "conflict", "conflict": _json(conflict)}
    for sync in board.syncs.syncs if board.syncs else ():
        if sync.sync == name:
            return {"now": now, "kind": "sync", "sync": _sync(sync, now)}
    for flow in board.flows.flows if board.flows else ():
        if flow.flow == name:
            return {"now": now, "kind": "flow", "flow": _json(flow)}
    child = board.child(name)
    if child is not None:
        return {"now": now, "kind": "actor", "actor": _actor(board, child, now)}
    if name in {ROOT, board.spec.hub}:
        return {"now": now, "kind": "hub", "hub": _hub(board, now)}
    return {}
