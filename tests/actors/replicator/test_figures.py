"""The figures, each counted again from the trail alone, by its definition and by other code."""

import math
import random
from collections import defaultdict
from itertools import pairwise

import pytest

from alluse_hub.actors.replicator.figures import sync_shown
from alluse_hub.actors.replicator.ledger import LEGS
from alluse_hub.actors.replicator.state import Turn
from alluse_hub.protocols.sync import Counts, Move, Play, Stage, SwitchSync, Sync, SyncMode
from alluse_hub.protocols.versions import Version
from tests.actors.replicator.worlds import World, sharer

FINALS = ("verified", "refused", "diverged", "expired", "superseded", "sampled")


def world(seed: int) -> World:
    syncs = [
        Sync(id="prices", source="a", targets=("b", "c"), pace_s=0.3, objective_s=2, deadline_s=8, anti_entropy_s=20),
        Sync(id="limits", source="b", targets=("c",), mode=SyncMode.PERIODIC, every_s=25, objective_s=2, deadline_s=8),
        Sync(id="terms", source="a", targets=("b",), verify="sample(2)", objective_s=2, deadline_s=8),
    ]
    programs = {"a": sharer("a", "prices", "terms"), "b": sharer("b", "limits"), "c": sharer("c")}
    return World(syncs, programs, seed=seed, loss=0.1, doubles=0.05, reorder=True, latency_s=(0.001, 0.8))


def lived(seed: int) -> World:
    """An hour and a half of it, with a target that goes now and then."""
    one, dice = world(seed), random.Random(seed)
    for number in range(150):
        one.share("a", "prices", {f"k{each}": number for each in range(dice.randint(1, 5))})
        if dice.random() < 0.2:
            one.share("b", "limits", {"n": number})
        one.share("a", "terms", {f"k{each}": number for each in range(dice.randint(1, 5))})
        if dice.random() < 0.1:
            one.presence("c", "down" if one.programs["c"].presence == "up" else "up")
        one.advance(dice.expovariate(1 / 36))
    one.advance(2.5)
    return one


def recounted(moves: list[Move], sync: str, target: str) -> dict[str, list[Move]]:
    found: dict[str, list[Move]] = defaultdict(list)
    for move in moves:
        if (move.sync, move.target) == (sync, target):
            found["sampled" if move.sampled else move.to.value].append(move)
    return found


@pytest.mark.parametrize("seed", [1])
def test_every_figure_can_be_counted_again_from_the_trail(seed: int) -> None:
    one = lived(seed)
    now = one.now
    shown = {sync.id: sync_shown(Turn(one.state, now, ""), sync) for sync in one.spec.syncs}
    by_delivery = defaultdict(list)
    for move in one.moves:
        by_delivery[move.sync, move.target, move.serial].append(move)
    for sync in one.spec.syncs:
        for edge in shown[sync.id].targets:
            by = recounted(one.moves, sync.id, edge.target)
            hour = {name: sum(int(m.at // 60) > int(now // 60) - 60 for m in by[name]) for name in FINALS}
            due = sum(hour[name] for name in FINALS if name != "superseded")
            assert edge.hour.model_dump() == hour
            assert edge.ever.model_dump() == {name: len(by[name]) for name in FINALS}
            assert edge.success == ((hour["verified"] + hour["sampled"]) / due if due else None)
            begun = {m.serial: m for m in by["changed"] if m.version is not None}
            last = max((*by["verified"], *by["sampled"]), key=lambda move: move.serial)
            assert edge.verified == begun[last.serial].version
            assert edge.freshness_s == pytest.approx(now - begun[last.serial].at, abs=0.002)
            assert edge.lag == shown[sync.id].version.by(sync.source) - edge.verified.by(sync.source)
            assert edge.again == sum(m.again for moves in by.values() for m in moves)
            assert edge.within == pytest.approx(within(one.moves, sync, edge.target, now), abs=1e-5)
            good = (*by["verified"], *by["sampled"])
            verified = [begun[m.serial].version for m in good if int(m.at // 60) > int(now // 60) - 60]
            over_s = min(3600, now - min(m.at for m in begun.values()))
            assert edge.bytes_per_s == pytest.approx(sum(v.bytes for v in verified if v) / over_s, abs=0.001)
            assert edge.records_per_s == pytest.approx(sum(v.records for v in verified if v) / over_s, abs=0.001)
        last_ones = [m for m in one.moves if m.sync == sync.id and m.to is Stage.VERIFIED][-256:]
        rows = [legs(by_delivery[m.sync, m.target, m.serial]) for m in last_ones]
        for place, leg in enumerate(LEGS):
            values = sorted(row[place] for row in rows)
            figure = shown[sync.id].latency_ms[leg]
            assert figure.count == len(values)
            for share, told, least in ((0.5, figure.p50, 1), (0.95, figure.p95, 20), (0.99, figure.p99, 100)):
                if len(values) < least:
                    assert told is None, f"a percentile of {len(values)} readings"
                    continue
                assert told == pytest.approx(values[math.ceil(share * len(values)) - 1], abs=0.002)


def legs(moves: list[Move]) -> tuple[float, ...]:
    """Of one delivery, in ms, from its own moves."""
    first: dict[str, float] = {}
    for move in moves:
        first.setdefault(move.to.value, move.at)
    received = [move.at for move in moves if move.to is Stage.RECEIVED]
    times = [first["changed"]]
    for moment in (first.get("offered"), first.get("sent"), received[-1] if received else None, first["verified"]):
        times.append(max(times[-1], moment or 0.0))
    return (*(1000 * (b - a) for a, b in pairwise(times)), 1000 * (times[-1] - times[0]))


def within(moves: list[Move], sync: Sync, target: str, now: float) -> float:
    """By walking through time: from when was a version missing that was due, and was it for too long?"""
    mine = [move for move in moves if (move.sync, move.target) == (sync.id, target)]
    began = mine[0].at
    missing: dict[int, float] = {}
    since: float | None = None
    outside = 0.0
    for move in mine:
        if move.version is not None:
            missing[move.serial] = move.at
            since = move.at if since is None else since
        elif move.to is Stage.VERIFIED and since is not None:
            outside += max(0.0, move.at - since - sync.objective_s)
            open_ = [at for serial, at in missing.items() if serial > move.serial]
            since = min(open_, default=None)
        if move.to.value in FINALS:
            missing.pop(move.serial, None)
    if since is not None:
        outside += max(0.0, now - since - sync.objective_s)
    return 1 - outside / (now - began)


def test_nothing_due_is_no_data_and_no_hundred_per_cent() -> None:
    assert Counts().success is None
    assert Counts(superseded=9).success is None
    assert Counts(verified=3, expired=1, superseded=9).success == 0.75


def test_a_sync_is_shown_with_the_state_of_each_edge() -> None:
    one = World(
        [Sync(id="prices", source="a", targets=("b", "c"), pace_s=0.3, objective_s=5, deadline_s=300)],
        {"a": sharer("a", "prices"), "b": sharer("b"), "c": sharer("c")},
    )
    seen = []

    def look() -> None:
        [sync] = one.board.syncs
        seen.append((sync.status, [edge.state.value for edge in sync.targets]))

    one.advance(3)
    look()
    one.share("a", "prices", {"x": 1})
    one.advance(3)
    look()
    one.advance(70)
    look()
    one.programs["b"].is_deaf = True
    one.share("a", "prices", {"x": 2})
    one.advance(20)
    one.presence("c", "down")
    one.advance(3)
    look()
    one.order(SwitchSync(sync="prices", play=Play.PAUSED, by="ann"))
    one.advance(3)
    look()

    assert seen == [
        ("active", ["new", "new"]),
        ("active", ["alive", "alive"]),
        ("active", ["quiet", "quiet"]),
        ("error", ["late", "dark"]),
        ("paused", ["stopped", "stopped"]),
    ]


def test_a_version_reads_well() -> None:
    assert Version().label == "none"
    assert Version(vector={"ws4": 1, "ws3": 17}, digest="9f86d081" + "0" * 56).label == "ws3:17+ws4:1 9f86d081"
