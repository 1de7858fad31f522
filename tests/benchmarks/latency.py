"""From an event to the acknowledged directive it causes, on real processes, as the trail has it.

The clock starts when the monitor of ``feed`` has heard the event (``EventHeard``) and stops when the coordinator has
the answer of ``desk`` (``DirectiveAnswered``).  Each event is cued only when the last one is answered, and after a
pause, so that no event waits for another's round.
"""

import socket
import time
from pathlib import Path

from alluse_hub.protocols.message import Json
from tests.benchmarks import floors, hubs
from tests.benchmarks.bases import DENSE, ENGINE, STOCK
from tests.benchmarks.figures import Figure, Sample
from tests.benchmarks.hubs import Hub
from tests.benchmarks.recording import COMMAND, REPLY

HOPS = {STOCK: 8, ENGINE: 8, DENSE: 4}
"""One way each between two processes: monitor, router, coordinator, monitor, shim, program, shim, monitor, coordinator;
on the dense base those to the program and back, the rest is in one process."""

HOPS_OF_COMMIT = {STOCK: 2, ENGINE: 2, DENSE: 0}
"""A loosening directive waits for its commit as well: the auditor is woken, and answers; between them it syncs."""

ANSWER_S = 30.0


def directive(folder: Path, *, base: str, cycles: int, runs: int, gap_s: float) -> list[Figure]:
    """Restricting and loosening directives apart, ``cycles`` of each in every run."""
    restricting, loosening, trips, syncs = [], [], [], []
    hops, hops_of_commit = HOPS[base], HOPS_OF_COMMIT[base]
    for run in range(runs):
        home = folder / str(run)
        with hubs.greeted(home, hubs.PROBES, base) as hub:
            _cue(hub, cycles, gap_s)
            hub.await_facts(2 * cycles, "DirectiveAnswered")
        trips.append(floors.ping_pong(COMMAND, REPLY, cycles))
        syncs.append(floors.syncs(folder, cycles))
        took = answered(home)
        restricting.append([took_s for loosens, took_s in took if not loosens])
        loosening.append([took_s for loosens, took_s in took if loosens])
    one_way = [[trip / 2 for trip in run] for run in trips]
    bare = Sample.of([hop * hops for hop in run] for run in one_way)
    synced = Sample.of(
        [hop * (hops + hops_of_commit) + sync_s for hop, sync_s in zip(*both, strict=True)]
        for both in zip(one_way, syncs, strict=True)
    )
    floor_is = f"half a bare socket round trip x {hops} hops"
    return [
        Figure(
            "event to acknowledged directive, restricting",
            "ms",
            Sample.of(restricting).times(1e3),
            bare.times(1e3),
            floor_is,
            counts={"answered": sum(map(len, restricting))},
        ),
        Figure(
            "event to acknowledged directive, loosening",
            "ms",
            Sample.of(loosening).times(1e3),
            synced.times(1e3),
            f"half a bare socket round trip x {hops + hops_of_commit} hops, and one fdatasync",
            counts={"answered": sum(map(len, loosening))},
        ),
    ]


def _cue(hub: Hub, cycles: int, gap_s: float) -> None:
    cue = str(hub.home / "state" / "feed" / "cue")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(str(hub.home / hubs.TOLD))
        bell.settimeout(ANSWER_S)
        for _ in range(cycles):
            for event in (b"breach", b"clear"):
                time.sleep(gap_s)
                bell.sendto(event, cue)
                bell.recv(1)


def answered(home: Path) -> list[tuple[bool, float]]:
    """For every event that led to a directive: whether that loosens, and seconds from heard to obeyed."""
    heard = {f"{entry.actor}#{_event(entry.body)['n']}": entry.at for entry in hubs.facts(home, "EventHeard")}
    fired = {entry.cause: str(entry.body["event"]) for entry in hubs.facts(home, "RuleFired")}
    obeyed: dict[object, float] = {}
    for entry in hubs.facts(home, "DirectiveAnswered"):
        if entry.body["outcome"] in {"applied", "already"}:
            obeyed.setdefault(entry.body["fence"], entry.at)
    return [
        (bool(entry.body["loosens"]), obeyed[entry.body["fence"]] - heard[fired[entry.cause]])
        for entry in hubs.facts(home, "DirectiveIssued")
    ]


def _event(body: Json) -> Json:
    event = body["event"]
    assert isinstance(event, dict), "an EventHeard carries its event"
    return event
