"""Cause chains over whole runs: whatever crashes, what is stopped and started for it hangs together."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from alluse_hub.actors.gateway.incidents import TOLD, incident
from alluse_hub.protocols.trail import Entry, EntryKind
from alluse_hub.testing import TestHub, Weather
from tests.simulation.spans import ROUGH, replay

CRASHY = replace(ROUGH, crash_every_s=0.4)
GENEROUS = """
[supervision]
root = { restarts = 1000, period_s = 60.0 }
coordination = { restarts = 3, period_s = 60.0 }
workstreams = { restarts = 1000, period_s = 60.0 }
"""
"""The middle gives up now and then, so that chains climb."""

SPAN = replay("2007-10-15", "2007-10-26", GENEROUS)

BEGINNINGS = {"Exited", "Failed", "ProgramGone", "WentSilent", "Hung", "Asked", "ShutDown", "StartActor", "StopActor"}
"""What may stand at the beginning of a restart: a crash, or somebody's order."""


@dataclass
class Chains:
    """The trail by id, and each receipt by the letter it is of."""

    entries: Sequence[Entry]

    def __post_init__(self) -> None:
        self.by_id = {entry.id: entry for entry in self.entries}
        self.by_chain: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.entries:
            self.by_chain[entry.correlation].append(entry)

    def origin(self, entry: Entry) -> Entry:
        for _ in range(1_000):
            parent = self.by_id.get(entry.letter or entry.cause)
            if parent is None or parent is entry:
                return entry
            entry = parent
        raise AssertionError(f"no end of the causes of {entry.id}")

    def of(self, correlation: str) -> list[Entry]:
        return self.by_chain[correlation]


def is_fact(entry: Entry, *messages: str) -> bool:
    return entry.kind is EntryKind.FACT and entry.message in messages


def story(chains: Chains, entry: Entry) -> Any:  # JSON
    first = chains.by_id[entry.correlation]
    return incident(first, [one for one in chains.of(first.id) if one.message in TOLD])


def stormy(seed: int, weather: Weather = CRASHY, virtual_s: float = 20.0) -> TestHub:
    hub = TestHub(SPAN, seed=seed, weather=weather)
    with hub:
        hub.advance(virtual_s)
        hub.clear_up()
        hub.advance(30.0)
    return hub


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(1, 30))]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_start_after_the_first_comes_of_a_crash_or_an_order(seed: int) -> None:
    hub = stormy(seed)
    chains = Chains(hub.trail)
    seen: set[str] = set()
    restarts = 0
    for entry in hub.trail:
        if is_fact(entry, "ChildStarted"):
            name = str(entry.body["name"])
            if name in seen:
                restarts += 1
                origin = chains.origin(entry)
                assert origin.message in BEGINNINGS, f"seed {seed}: {entry.id} comes of {origin.id} {origin.message}"
                assert entry.correlation == origin.id, f"seed {seed}: {entry.id}"
            seen.add(name)

    assert restarts > 15, "the weather was rough"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_chain_of_a_crash_holds_every_stop_and_restart_made_for_it_and_nobody_elses(seed: int) -> None:
    hub = stormy(seed)
    chains = Chains(hub.trail)
    lives: dict[str, Entry] = {}
    climbed = 0
    for entry in hub.trail:
        if is_fact(entry, "ChildEnded"):
            lives[f"{entry.actor} {entry.body['name']}"] = entry
        if is_fact(entry, "ChildRestarted", "GaveUp"):
            child = str(entry.body.get("name") or entry.body.get("child"))
            end = lives[f"{entry.actor} {child}"]
            assert entry.correlation == end.correlation, f"seed {seed}: {entry.id} is due to {end.id}"
            climbed += entry.message == "GaveUp"
    crashes = [e for e in hub.trail if e.message == "Exited" and e.kind is EntryKind.HEARD and e.correlation == e.id]

    starts = hub.facts("ChildStarted")

    assert climbed, "somebody gave up"
    for crash in crashes:
        told = story(chains, crash)
        assert told["trigger"]["name"] == crash.body["name"]
        for name in told["missing"]:  # another crash met it in its pause, and took it along
            is_back = any(start.body["name"] == name and start.at >= crash.at for start in starts)
            assert is_back, f"seed {seed}: {crash.id}"


def test_a_supervisor_that_gives_up_is_restarted_in_the_chain_of_the_crash() -> None:
    with TestHub(SPAN, seed=1) as hub:
        hub.advance(1.0)
        for _ in range(4):
            hub.run_until(lambda: hub.world.actors["router"].is_alive and hub.world.actors["router"].is_announced)
            hub.crash("router")
            hub.advance(0.05)
        hub.advance(10.0)
        gave_up = hub.facts("GaveUp")[-1]
        told = story(Chains(hub.trail), gave_up)

    assert (told["trigger"]["kind"], told["trigger"]["name"], told["trigger"]["cause"]) == ("crash", "router", "killed")
    assert told["gave_up"] == ["coordination"]
    assert set(told["with_it"]) == {"board", "coordinator", "replicator", "coordination"}
    assert told["is_over"]
    assert told["missing"] == []
    back = {step["name"] for step in told["steps"] if step["what"] == "ready"}
    assert back >= {"coordination", "board", "coordinator", "router"}


def test_a_program_that_goes_is_started_again_and_greets_in_one_chain() -> None:
    with TestHub(SPAN, seed=1) as hub:
        hub.run_sessions(2)
        hub.crash("ws3")
        hub.advance(5.0)
        greeted = hub.facts("ProgramGreeted", "ws3")[-1]
        chain = [e.message for e in Chains(hub.trail).of(greeted.correlation) if e.kind is EntryKind.FACT]

    assert [m for m in chain if m.startswith(("Child", "Program", "Booted"))] == [
        "ChildEnded",
        "ChildRestarted",
        "ChildStarted",
        "Booted",
        "ProgramStarted",
        "ProgramGreeted",
    ]


def test_two_crashes_are_two_chains() -> None:
    with TestHub(SPAN, seed=1) as hub:
        hub.run_sessions(1)
        hub.crash("ws3")
        hub.crash("board")
        hub.advance(3.0)
        ends = hub.facts("ChildEnded")
        chains = {str(end.body["name"]): end.correlation for end in ends}
        starts = {str(e.body["name"]): e.correlation for e in hub.facts("ChildStarted")}

    assert chains["ws3"] != chains["board"]
    assert starts["ws3"] == chains["ws3"]
    assert starts["board"] == chains["board"]


def test_the_chain_of_a_crash_does_not_go_on_for_ever() -> None:
    """A newborn's clocks are set in its first turn; what they bring much later is not of the crash."""
    with TestHub(SPAN, seed=1) as hub:
        hub.run_sessions(1)
        hub.crash("ws3")
        hub.advance(900.0)
        chain = Chains(hub.trail).of(hub.facts("ChildEnded")[0].correlation)

    assert chain[-1].at - chain[0].at < 120.0
    assert len(chain) < 1_000
