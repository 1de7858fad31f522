"""The figures of syncs, each by its definition, and what the board is shown.

*Success*: (verified + sampled) / (verified + sampled + refused + diverged + expired) of the deliveries that ended
within the last hour, counted by the minute of hub time, the current one and the 59 before it; superseded stands beside
it.  Of nothing due there is none.  *sampled* was verified by a sample of its records, where its sync asks for no more,
and is not among *verified*.

*Freshness*, by target: now, less the hub time at which the verified version was first heard of from its source.

*Lag*, by target: how many changes by its source the newest known version has beyond the verified one.

*Within*, by target: the share of the time since its first delivery in which no due version was missing for longer than
``objective_s``.

*Latency*: over the last 256 verified deliveries of the sync, by leg, nearest rank; p95 of 20 or more, p99 of 100 or
more.

*Data flow*, by target: bytes and records of what was verified in the hour above, over 3600 s, or over the time since
its first delivery if that is less, but at least 60 s.  *again*: letters said again; *doubles*: versions
sent that the target had already.

The trail holds all that they are made of: ``DeliveriesMoved``.  Pure.
"""

import math
from collections.abc import Iterable, Sequence

from alluse_hub.protocols.claims import ConflictOpened, ConflictShown
from alluse_hub.protocols.names import BOARD
from alluse_hub.protocols.sync import (
    P95_FROM,
    P99_FROM,
    WINDOW_S,
    Counts,
    DisputesShown,
    EdgeShown,
    EdgeState,
    Percentiles,
    Play,
    Sync,
    SyncMode,
    SyncShown,
    SyncsShown,
)
from alluse_hub.protocols.versions import NO_VERSION, Version, is_same

from . import diverging
from .ledger import FINALS, LEGS, MINUTE_S, NONE_ENDED, Edge, Minute, Tally
from .state import Turn, source_of

SHOW_S = 2.0
"""The board is shown what has changed at most so often."""

EDGES_SHOWN_MAX = 400
"""Syncs times targets in one letter to the board, some 250 kB; of what changes, the rest goes with the next ones."""

OPEN_SHOWN_MAX = 200
"""Open conflicts that the board is shown, the oldest; all are in the trail."""


def show(turn: Turn, *, afresh: bool = False) -> None:
    """What has changed since it was last shown; to a board that begins afresh all of it, in as many letters as it
    takes.  A letter that is lost leaves a sync as it was until its next change, which is its next comparison at the
    latest."""
    if afresh:
        turn.set(marks={}, disputes=())
    elif turn.state.is_shown or (turn.state.show_at is not None and turn.now < turn.state.show_at):
        return
    turn.set(is_shown=True, show_at=turn.now + SHOW_S)
    parts = _parts(turn, _changed(turn))
    disputes = _disputes(turn)
    for number, part in enumerate(parts if afresh else parts[:1]):
        shown = tuple(sync_shown(turn, turn.state.syncs[sync], config=afresh) for sync in part)
        is_first = number == 0
        turn.send(
            BOARD,
            SyncsShown(syncs=shown, afresh=afresh and is_first, disputes=disputes if is_first else None),
        )
    if not parts and (afresh or disputes is not None):
        turn.send(BOARD, SyncsShown(afresh=afresh, disputes=disputes))
    turn.set(is_shown=afresh or len(parts) <= 1)


def _changed(turn: Turn) -> dict[str, tuple[object, ...]]:
    """By sync that is not as the board has it: what it is now; those that were shown longest ago first."""
    marks, syncs = turn.state.marks, turn.state.syncs
    in_turn = [*(sync for sync in syncs if sync not in marks), *marks]
    found = ((sync, _mark(turn, syncs[sync])) for sync in in_turn)
    return {sync: mark for sync, mark in found if marks.get(sync) != mark}


def _parts(turn: Turn, changed: dict[str, tuple[object, ...]]) -> list[list[str]]:
    """Letters' worth of syncs; only those of the first are marked as shown, unless all are sent now."""
    parts: list[list[str]] = []
    edges = 0
    for sync in changed:
        edges += len(turn.state.syncs[sync].targets)
        if not parts or edges > EDGES_SHOWN_MAX:
            parts.append([])
            edges = len(turn.state.syncs[sync].targets)
        parts[-1].append(sync)
    sent = parts if not turn.state.marks else parts[:1]
    done = {sync: changed[sync] for part in sent for sync in part}
    turn.set(marks={**{sync: mark for sync, mark in turn.state.marks.items() if sync not in done}, **done})
    return parts


def _mark(turn: Turn, sync: Sync) -> tuple[object, ...]:
    """Equal if nothing about it has changed but time."""
    state, ledger = turn.state, turn.ledger
    mark: list[object] = [state.known.get(source_of(sync)), ledger.play(sync.id), state.pass_at.get(sync.id)]
    mark.append(state.asked.get(sync.id))
    for target in sync.targets:
        name = f"{sync.id}>{target}"
        edge = ledger.edge(name)
        word, why = _state(turn, sync, target, edge)
        mark += (edge, state.compared.get(name), word, "" if word is EdgeState.LATE else why)
    return tuple(mark)


def _disputes(turn: Turn) -> DisputesShown | None:
    """None if they are as they were shown."""
    ledger = turn.ledger
    mark = (ledger.conflicts, ledger.closed, ledger.asked, turn.state.unmended)
    was = turn.state.disputes
    if was and all(one is other for one, other in zip(mark, was, strict=True)):
        return None
    turn.set(disputes=mark)
    edges = {state.conflict: name for name, state in ledger.edges.items() if state.conflict}
    listed = list(ledger.conflicts.values())[:OPEN_SHOWN_MAX]
    return DisputesShown(
        open=tuple(_open(turn, conflict, edges.get(conflict.id, "")) for conflict in listed),
        closed=ledger.closed,
        conflicts=ledger.conflicts_count,
        unshown=len(ledger.conflicts) - len(listed),
    )


def _open(turn: Turn, conflict: ConflictOpened, edge: str) -> ConflictShown:
    """With the question, if people are asked, or if what was tried did not close it."""
    asked = turn.ledger.asked.get(conflict.id)
    is_stuck = edge in turn.state.unmended and edge.partition(">")[0] in turn.state.syncs
    question, choices = (asked.question, asked.choices) if asked is not None else ("", ())
    if asked is None and is_stuck:
        question, choices = diverging.question(turn, edge), diverging.choices(turn, edge)
    return ConflictShown.of(conflict, question, choices)


def sync_shown(turn: Turn, sync: Sync, *, config: bool = True) -> SyncShown:
    edges = tuple(edge_shown(turn, sync, target) for target in sync.targets)
    rows = turn.ledger.latencies_ms.get(sync.id, ())
    names = [f"{sync.id}>{target}" for target in sync.targets]
    minutes = [minute for name in names for minute in within_hour(turn.edge(name).minutes, turn.now)]
    hour, ever = hour_of(minutes), ever_of(turn.edge(name) for name in names)
    known = turn.state.known.get(source_of(sync))
    play = turn.ledger.play(sync.id)
    return SyncShown(
        sync=sync.id,
        name=sync.name or sync.id,
        source=sync.source,
        dataset=sync.content,
        mode=sync.mode,
        play=play,
        status=_status(play, sync, edges),
        version=known.version if known else NO_VERSION,
        hour=hour,
        ever=ever,
        success=hour.success,
        latency_ms={leg: percentiles([row[at] for row in rows]) for at, leg in enumerate(LEGS)},
        last_at=max((edge.verified_at for edge in edges if edge.verified_at is not None), default=None),
        next_at=turn.state.pass_at.get(sync.id),
        targets=edges,
        asked=turn.state.asked.get(sync.id),
        config=sync.model_dump(mode="json") if config else {},
    )


def _status(play: Play, sync: Sync, edges: Sequence[EdgeShown]) -> str:
    """*completed*: nothing is due before the next time that is planned."""
    if play is not Play.PLAYING:
        return play.value
    if any(edge.state in {EdgeState.DIVERGED, EdgeState.DARK, EdgeState.LATE} for edge in edges):
        return "error"
    is_done = all(edge.verified_at is not None and not edge.open for edge in edges)
    return "completed" if is_done and sync.mode is not SyncMode.LIVE else "active"


def edge_shown(turn: Turn, sync: Sync, target: str) -> EdgeShown:
    name = f"{sync.id}>{target}"
    edge = turn.edge(name)
    minutes = within_hour(edge.minutes, turn.now)
    hour = hour_of(minutes)
    known = turn.state.known.get(source_of(sync))
    state, why = _state(turn, sync, target, edge)
    over_s = min(WINDOW_S, max(MINUTE_S, turn.now - edge.began)) if edge.began is not None else WINDOW_S
    return EdgeShown(
        target=target,
        state=state,
        why=why,
        open=len(edge.open),
        verified=edge.verified,
        verified_at=edge.verified_at,
        sampled=sampled(turn, name),
        compared_at=turn.state.compared.get(name),
        changed_at=edge.changed_at if edge.verified_at is not None else None,
        freshness_s=round(turn.now - edge.changed_at, 3) if edge.verified_at is not None else None,
        lag=lag_of(known.version, edge.verified, sync.source) if known is not None else None,
        within=within(edge, sync.objective_s, turn.now),
        hour=hour,
        ever=ever_of((edge,)),
        success=hour.success,
        bytes_per_s=round(sum(minute.bytes for minute in minutes) / over_s, 3),
        records_per_s=round(sum(minute.records for minute in minutes) / over_s, 3),
        again=edge.again,
        doubles=edge.doubles,
    )


def _state(turn: Turn, sync: Sync, target: str, edge: Edge) -> tuple[EdgeState, str]:
    if not turn.plays(sync.id):
        return EdgeState.STOPPED, f"{sync.id} is {turn.ledger.play(sync.id).value}"
    if edge.conflict:
        unmended = turn.state.unmended.get(f"{sync.id}>{target}", "")
        return EdgeState.DIVERGED, f"{edge.conflict}{': ' if unmended else ''}{unmended}"
    if hold := turn.hold_on(f"{sync.id}>{target}"):
        return EdgeState.HELD, hold
    for workstream in (target, sync.source):
        if not turn.is_up(workstream):
            return EdgeState.DARK, f"{workstream} is {turn.state.presence.get(workstream, 'not heard of')}"
        if workstream in turn.state.dark:
            return EdgeState.DARK, f"{workstream}: {turn.state.dark[workstream]}"
    if edge.behind_since is not None and turn.now - edge.behind_since > sync.objective_s:
        return EdgeState.LATE, f"for {turn.now - edge.behind_since:.0f} s a due version is not verified"
    if edge.verified_at is None:
        return EdgeState.NEW, "nothing was verified yet"
    if turn.now - edge.verified_at <= sync.objective_s or edge.behind_since is not None:
        return EdgeState.ALIVE, ""
    known = turn.state.known.get(source_of(sync))
    if known is not None and is_same(known.version, edge.verified):
        return EdgeState.QUIET, "no change since; the last comparison found it equal"
    return EdgeState.QUIET, "what is newer is not due yet"


# --- formulas --------------------------------------------------------------------------------------------------------


def total(tallies: Iterable[Tally], sampled: int = 0) -> Counts:
    return Counts(**dict(zip(FINALS, map(sum, zip(*tallies, NONE_ENDED, strict=True)), strict=True)), sampled=sampled)


def hour_of(minutes: Sequence[Minute]) -> Counts:
    return total((minute.counts for minute in minutes), sum(minute.sampled for minute in minutes))


def ever_of(edges: Iterable[Edge]) -> Counts:
    listed = list(edges)
    return total((edge.ever for edge in listed), sum(edge.sampled_ever for edge in listed))


def sampled(turn: Turn, name: str) -> int:
    """By how many records what stands there was verified, if no comparison has shown since that all of it is equal."""
    edge = turn.edge(name)
    is_whole = edge.verified_at is None or turn.state.compared.get(name, -1.0) >= edge.verified_at
    return 0 if is_whole else edge.sampled


def within_hour(minutes: Sequence[Minute], now: float) -> list[Minute]:
    oldest = int(now // MINUTE_S) - int(WINDOW_S // MINUTE_S)
    return [minute for minute in minutes if minute.minute > oldest]


def lag_of(newest: Version, verified: Version, source: str) -> int:
    return max(0, newest.by(source) - verified.by(source))


def within(edge: Edge, objective_s: float, now: float) -> float | None:
    if edge.began is None or now <= edge.began:
        return None
    late_s = edge.late_s
    if edge.behind_since is not None:
        late_s += max(0.0, now - edge.behind_since - objective_s)
    return round(max(0.0, 1 - late_s / (now - edge.began)), 6)


def percentiles(values: Sequence[float]) -> Percentiles:
    if not values:
        return Percentiles()
    ordered = sorted(values)
    count = len(ordered)
    p50, p95, p99 = (ordered[max(0, math.ceil(share * count) - 1)] for share in (0.50, 0.95, 0.99))
    return Percentiles(
        count=count,
        p50=p50,
        p95=p95 if count >= P95_FROM else None,
        p99=p99 if count >= P99_FROM else None,
    )
