"""What trying other rules on recorded letters takes: events decided on again in a second of CPU.

A hundred rules on ten events, five of which differ from those that were in force; rounds of fifty events, as a day of
many symbols has.  The letters are made whole already: reading them from a trail is what ``rerun`` measures.
"""

import time
from pathlib import Path

from alluse_hub.actors.coordinator.conditions import Condition, holds, parse
from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.whatif import Trial
from alluse_hub.protocols.effects import Commit, Record
from alluse_hub.protocols.flow import Consider, Event
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.rules import CoordinatorSpec, Priority, Rule, Tell
from alluse_hub.supervision.relive import Relived
from tests.benchmarks.figures import Figure, Sample

RULES = 100
NAMES = 10
A_ROUND = 50
CHANGED = 5
RARE = 0.999
"""Of all events so many fire nothing."""


def whatif(_folder: Path, *, rounds: int, runs: int) -> list[Figure]:
    spec = CoordinatorSpec(rules=_rules(RARE), workstreams=("ws1", "ws2"))
    candidates = (*_rules(RARE - 0.0001)[:CHANGED], *spec.rules[CHANGED:])
    letters = _recorded(spec, rounds)
    taken, counted = [], 0
    for _ in range(runs):
        trial = Trial(candidates, 0.0)
        fresh = COORDINATOR.start("coordinator", spec)
        trial.begin(fresh, fresh)
        began = time.thread_time()
        for letter in letters:
            trial.hear(letter)
        trial.end()
        counted += trial.events
        taken.append(trial.events / max(1e-9, time.thread_time() - began))
    floor = Sample.each(_asked(spec, letters) for _ in range(runs))
    floor_is = "the conditions of the same rules asked of the same events, and nothing decided"
    name = f"whatif: through {RULES} rules, of which {CHANGED} differ"
    return [Figure(name, "events/s CPU", Sample.each(taken), floor, floor_is, counts={"events": counted})]


def _rules(above: float) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            id=f"rule-{n}",
            name=f"Rule {n}",
            priority=Priority.HIGH if n % 2 else Priority.LOW,
            workstream="ws1",
            event=f"event_{n % NAMES}",
            when=f"level > {above} && kind == 'k{n % 7}'",
            tell=(Tell(workstream="ws2", command="note", parameters={"level": "{level}"}, pure=True),),
        )
        for n in range(RULES)
    )


def _recorded(spec: CoordinatorSpec, rounds: int) -> list[Relived]:
    """Heard by a coordinator of that specification, with what it recorded."""
    state = COORDINATOR.start("coordinator", spec)
    letters: list[Relived] = []
    for number in range(1, rounds + 1):
        events = tuple(_event(number * A_ROUND + place) for place in range(A_ROUND))
        body: Message = Consider(round=number, session=f"s{number // 20}", events=events)
        letter = Envelope(f"router/1/{number}", "router", "coordinator", body, float(number))
        decision = COORDINATOR.decide(state, letter)
        state = decision.state
        facts: tuple[Fact, ...] = tuple(e.fact for e in decision.effects if isinstance(e, Record | Commit))
        letters.append(Relived(letter, f"coordinator/1/{number}", float(number), facts))
    return letters


def _event(n: int) -> Event:
    level = ((n * 7_919) % 10_007) / 10_007
    return Event(
        ws="ws1", n=n, event=f"event_{n % NAMES}", payload={"level": level, "kind": f"k{n % 7}", "symbol": "A"}
    )


def _asked(spec: CoordinatorSpec, letters: list[Relived]) -> float:
    by_name: dict[str, list[Condition]] = {}
    conditions = {rule.id: parse(rule.when) for rule in spec.rules}
    for rule in spec.rules:
        by_name.setdefault(rule.event, []).append(conditions[rule.id])
    count = 0
    began = time.thread_time()
    for letter in letters:
        assert isinstance(letter.letter.body, Consider), "nothing else was recorded"
        for event in letter.letter.body.events:
            count += 1
            for condition in by_name[event.event]:
                holds(condition, event.payload)
    return count / max(1e-9, time.thread_time() - began)
