"""How workstreams are coordinated now: a word for each, from what is shown of them, and the figures that are counts.

The word is the first that fits:

================  ===================================================================================================
``maintenance``   it is in maintenance: people have it
``conflict``      a conflict about something of it is open
``uncoordinated`` it cannot be reached or does not run; a directive to it is not obeyed; a due version is missing there
                  or it has diverged; the coordinator is down, or automatic coordination is off; or nothing at all
                  reaches it
``coordinated``   otherwise
================  ===================================================================================================

Pure.
"""

from collections.abc import Iterator

from pydantic import JsonValue

from alluse_hub.actors.board.health import NOT_UP
from alluse_hub.actors.board.picture import Board
from alluse_hub.protocols.health import Status
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.names import COORDINATOR
from alluse_hub.protocols.sync import EdgeShown, EdgeState, SyncMode, SyncShown

RUNS = frozenset({Status.ACTIVE, Status.IDLE, Status.BUSY})
OBEYED = frozenset({"", "applied", "already"})
OVERDUE = frozenset({EdgeState.LATE, EdgeState.DARK, EdgeState.DIVERGED})
PLAYS = frozenset({"active", "completed"})


def coordination(board: Board, now: float) -> Json:
    """``now``: hub time in seconds."""
    workstreams = {known.id: _workstream(board, known.id, now) for known in board.spec.workstreams}
    rows: list[JsonValue] = [{"id": name, **shown} for name, shown in workstreams.items()]
    return {"now": now, "workstreams": rows, "headline": _headline(board, workstreams)}


def _headline(board: Board, workstreams: dict[str, Json]) -> Json:
    rules = board.rules.rules if board.rules else ()
    syncs = board.syncs.syncs
    auto = board.rules.auto if board.rules else True
    return {
        "coordinated": sum(shown["status"] == "coordinated" for shown in workstreams.values()),
        "workstreams": len(workstreams),
        "rules_active": sum(rule.enabled for rule in rules) if auto else 0,
        "rules": len(rules),
        "syncs_active": sum(sync.status in PLAYS for sync in syncs),
        "syncs": len(syncs),
        "executions": sum(rule.fired for rule in rules),
        "conflicts_open": board.disputes.open_count,
        "conflicts_closed": board.disputes.count - board.disputes.open_count,
    }


def _workstream(board: Board, name: str, now: float) -> Json:
    rules: list[JsonValue] = [rule.id for rule in board.rules.rules if name in rule.attached] if board.rules else []
    edges = list(_edges(board, name))
    status, why = status_of(board, name, now)
    verified = [edge.verified_at for _, edge in edges if edge.verified_at is not None]
    overdue: list[JsonValue] = [
        f"{sync.sync} at {edge.target}: {edge.why or edge.state.value}" for sync, edge in edges if _is_overdue(edge)
    ]
    every = [seconds for sync, _ in edges if (seconds := frequency_s(sync)) is not None]
    return {
        "status": status,
        "why": why,
        "rules": rules,
        "syncs": [*dict.fromkeys(sync.sync for sync, _ in edges)],
        "sync_every_s": min(every, default=None),
        "sync_last_at": max(verified, default=None),
        "overdue": overdue,
    }


def frequency_s(sync: SyncShown) -> float | None:
    """How often it is synchronised at most (live) or at least (periodic); None: when an event says so."""
    key = {SyncMode.LIVE: "pace_s", SyncMode.PERIODIC: "every_s"}.get(sync.mode)
    value = sync.config.get(key) if key is not None else None
    return float(value) if isinstance(value, int | float) else None


def _edges(board: Board, name: str) -> Iterator[tuple[SyncShown, EdgeShown]]:
    """Of all syncs that it is the source or a target of, its own part."""
    for sync in board.syncs.syncs:
        for edge in sync.targets:
            if name in {sync.source, edge.target}:
                yield sync, edge


def _is_overdue(edge: EdgeShown) -> bool:
    return edge.state in OVERDUE


def status_of(board: Board, name: str, now: float) -> tuple[str, str]:
    """The word, and why it is not ``coordinated``."""
    heard = board.pulses.get(name)
    if heard is not None and heard.pulse.status is Status.MAINTENANCE:
        return "maintenance", heard.pulse.why
    for conflict in board.disputes.open:
        if conflict.resource.partition("/")[0] == name:
            return "conflict", f"{conflict.id} on {conflict.resource} is open"
    why = next(_lacks(board, name, now), "")
    return ("uncoordinated", why) if why else ("coordinated", "")


def _lacks(board: Board, name: str, now: float) -> Iterator[str]:
    heard = board.pulses.get(name)
    if unwatched := board.unwatched(name):
        yield unwatched
    if heard is None:
        yield "nothing was heard of it yet"
    elif now - heard.at > board.spec.fragile_s:
        yield f"nothing was heard of it for {now - heard.at:.0f} s"
    elif heard.pulse.status not in RUNS:
        yield f"it is {heard.pulse.status.value}: {heard.pulse.why}"
    if board.child_state(COORDINATOR) in {state.value for state in NOT_UP}:
        yield "the coordinator is not up"
    if board.rules is not None and not board.rules.auto:
        yield "automatic coordination is off"
    resources = [one for one in (board.rules.resources if board.rules else ()) if _is_of(one.resource, name)]
    for one in resources:
        if one.kind == "mode" and one.answer not in OBEYED:
            yield f"{one.resource} is to be {one.rung}, and the last answer was: {one.answer}"
    edges = [(sync, edge) for sync, edge in _edges(board, name) if edge.target == name]
    for sync, edge in edges:
        if _is_overdue(edge):
            yield f"{sync.sync}: {edge.why or edge.state.value}"
    attached = any(name in rule.attached for rule in board.rules.rules) if board.rules else False
    if not (attached or resources or any(True for _ in _edges(board, name))):
        yield "no rule, no resource and no sync reaches it"


def _is_of(resource: str, name: str) -> bool:
    return resource.partition("/")[0] == name
