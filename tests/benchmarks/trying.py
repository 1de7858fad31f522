"""What trying other rules on a recorded trail takes: events a second, read from the store, checked, and tried.

The whole of ``whatif`` but for the start of Python: each letter is read, made whole, decided on with the rules that
were in force, held against the record, and decided on with the candidates.  Rounds of fifty events, as a day of many
symbols has; a hundred rules on ten events, five of which are others in the trial, so that the loop opens on the way.
"""

import json
import time
from contextlib import closing
from pathlib import Path

from pydantic_core import from_json

from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.history import UNBOUND, History
from alluse_hub.protocols.conditions import Condition, holds, parse
from alluse_hub.protocols.rules import Rule
from alluse_hub.trying import candidates_in, tried
from tests.benchmarks import recorded
from tests.benchmarks.figures import Figure, Sample

CHANGED = 5
LOWER = 0.998
"""Of the candidates' bound: they fire twice as often."""


def whatif(folder: Path, *, events: int, rules: int, runs: int) -> list[Figure]:
    home = folder / "home"
    recorded.write(home, rules, events)
    file = folder / "candidates.toml"
    file.write_text("\n".join(map(_as_toml, recorded.rules(rules, LOWER)[:CHANGED])), encoding="utf-8")
    cpu, walls, floor = [], [], []
    counted = fired = 0
    for _ in range(runs):
        floor.append(_asked(home, rules))
        began, cpu_began = time.monotonic(), time.process_time()
        with closing(History.of(home)) as history:
            doc = tried(history, candidates_in(file, is_whole=False), UNBOUND)
        cpu.append(doc["events"] / max(1e-9, time.process_time() - cpu_began))
        walls.append(doc["events"] / (time.monotonic() - began))
        counted += doc["events"]
        fired += doc["tried"]["firings"]
    floor_is = "the same events read from the store and parsed, the conditions of the rules asked once, nothing decided"
    name = f"whatif: {events:,} recorded events through {rules} rules, {CHANGED} of them others"
    counts = {"events": counted, "firings": fired}
    floor_cpu, floor_wall = (Sample.each(row[at] for row in floor) for at in (0, 1))
    return [
        Figure(f"{name}, in a second of CPU", "1/s", Sample.each(cpu), floor_cpu, floor_is, counts=counts),
        Figure(f"{name}, by the clock", "1/s", Sample.each(walls), floor_wall, floor_is),
    ]


def _as_toml(rule: Rule) -> str:
    tell = rule.tell[0]
    return "\n".join(
        (
            "[[rule]]",
            *(f"{key} = {json.dumps(getattr(rule, key))}" for key in ("id", "name", "priority", "workstream", "event")),
            f"when = {json.dumps(rule.when)}",
            "[[rule.tell]]",
            f"workstream = {json.dumps(tell.workstream)}",
            f"command = {json.dumps(tell.command)}",
            'parameters = { level = "{level}" }',
            "pure = true",
        )
    )


def _asked(home: Path, rules: int) -> tuple[float, float]:
    """Events in a second of CPU, and by the clock."""
    by_name: dict[str, list[Condition]] = {}
    for rule in recorded.rules(rules):
        by_name.setdefault(rule.event, []).append(parse(rule.when))
    count = 0
    began, cpu_began = time.monotonic(), time.process_time()
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as store:
        for (body,) in store.execute("SELECT body FROM entries WHERE message = 'EventHeard'"):
            event = from_json(body)["event"]
            count += 1
            for condition in by_name[event["event"]]:
                holds(condition, event["payload"])
    return count / max(1e-9, time.process_time() - cpu_began), count / (time.monotonic() - began)
