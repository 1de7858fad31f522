"""The whole hub, run again from its trail: every decision of every actor is as it was, whatever died when."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from alluse_hub.actors.catalog import ACTORS, core_of
from alluse_hub.protocols.effects import Core, Decision, Record
from alluse_hub.protocols.flow import Consider
from alluse_hub.protocols.message import Envelope
from alluse_hub.protocols.trail import Entry, EntryKind
from alluse_hub.supervision.judgement import Difference, Judgement
from alluse_hub.supervision.tree import SUPERVISOR_ACTOR
from alluse_hub.testing import TestHub, Weather
from tests.simulation.again import judged
from tests.simulation.spans import LEAVES, LISTING, ROUGH, STORM, played

CELLS = f"{LISTING}\n[hub]\nmonitors_per_process = 2\n"


def nothing_differs(trail: list[Entry], seed: int) -> list[Judgement]:
    found = judged(trail)
    assert [one.difference for one in found if one.difference] == [], f"seed {seed}"
    assert [(one.unknown_from, one.unknown) for one in found if one.unknown] == [], f"seed {seed}"
    assert [one for one in found if one.judged + one.set_aside != one.letters] == [], f"seed {seed}"
    return found


@pytest.fixture(scope="module")
def stormy() -> list[Entry]:
    with played(LISTING, 7, ROUGH) as hub:
        return hub.trail


def first(trail: list[Entry], actor: str, cores: Callable[[str], Core[Any] | None] = core_of) -> Difference | None:
    found = [one.difference for one in judged(trail, cores, actor) if one.difference is not None]
    return min(found, key=lambda one: one.at, default=None)


def test_every_role_decides_again_as_it_did_through_crashes_and_losses(stormy: list[Entry]) -> None:
    found = nothing_differs(stormy, 7)

    assert {one.actor for one in found} >= {*LEAVES, "hub", "coordination", "workstreams"}
    assert {one.actor for one in found if one.incarnation > 1} >= set(LEAVES)


def test_so_does_a_hub_that_is_told_to_end_and_whose_supervisors_die() -> None:
    with TestHub(LISTING, seed=2, weather=Weather(latency_s=(0.001, 0.02))) as hub:
        for actor in ("coordination", "workstreams", "ws3"):
            hub.run_sessions(2)
            hub.crash(actor)
        hub.run_sessions(2)
        hub.shut_down()

        nothing_differs(hub.trail, 2)


def test_so_do_actors_that_share_a_cell() -> None:
    with played(CELLS, 4, ROUGH) as hub:
        found = nothing_differs(hub.trail, 4)

    assert {one.actor for one in found} >= {"cell-1", "cell-2", "cell-3"}


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(3_000, 3_040))
def test_forty_seeds_of_rough_weather_run_again(seed: int) -> None:
    with played(STORM, seed, ROUGH) as hub:
        nothing_differs(hub.trail, seed)


def planted(path: str, wrong: Callable[[Decision[Any], Envelope], Decision[Any]]) -> Callable[[str], Core[Any] | None]:
    """This version's cores, but for one."""

    def cores(asked: str) -> Core[Any] | None:
        core = core_of(asked)
        if asked != path or core is None:
            return core
        decide = core.decide
        return replace(core, decide=lambda state, letter: wrong(decide(state, letter), letter))

    return cores


def without_facts(kind: str, after: int) -> Callable[[Decision[Any], Envelope], Decision[Any]]:
    """From the ``after``-th on, decisions lack these facts."""
    seen = 0

    def wrong(decision: Decision[Any], _letter: Envelope) -> Decision[Any]:
        nonlocal seen
        effects = []
        for effect in decision.effects:
            if isinstance(effect, Record) and type(effect.fact).__name__ == kind:
                seen += 1
                if seen >= after:
                    continue
            effects.append(effect)
        return Decision(decision.state, tuple(effects))

    return wrong


@pytest.mark.parametrize(
    ("actor", "path", "kind"),
    [
        ("router", ACTORS["router"], "RoundSettled"),
        ("ws3", ACTORS["monitor"], "EventHeard"),
        ("workstreams", SUPERVISOR_ACTOR, "ChildEnded"),
    ],
)
def test_a_core_that_was_changed_is_named_with_the_very_entry(
    actor: str, path: str, kind: str, stormy: list[Entry]
) -> None:
    found = first(stormy, actor, planted(path, without_facts(kind, after=1)))

    own = [entry for entry in stormy if entry.message == kind and entry.kind is EntryKind.FACT]
    assert found is not None
    assert found.recorded is not None
    assert found.recorded.message == kind
    assert found.entry in {entry.id for entry in own}
    assert found.letter == next(entry.cause for entry in own if entry.id == found.entry)


def test_a_rule_that_is_another_now_is_found_where_it_first_matters(stormy: list[Entry]) -> None:
    """Its condition, as it stands in the specification and in the set that was taken from it, is harder to meet."""
    given = {"Booted", "RulesChanged"}
    told = [entry for entry in stormy if "2 * volume_mean_20" in str(entry.body) and entry.message not in given]
    fired = next(entry for entry in told if entry.actor == "coordinator")
    altered = []
    for entry in stormy:
        if entry.message in given and entry.actor == "coordinator":
            body = json.loads(json.dumps(entry.body).replace("2 * volume_mean_20", "200 * volume_mean_20"))
            altered.append(entry.model_copy(update={"body": body}))
        else:
            altered.append(entry)

    found = first(altered, "coordinator")

    assert any(entry.message == "RuleFired" for entry in told)
    assert found is not None
    assert found.recorded is not None
    assert (found.letter, found.kind) == (fired.cause, Consider.__name__)
    assert found.recorded.cause == fired.cause


@pytest.mark.parametrize("message", ["RoundSettled", "CommandOpened", "Produced", "ChildStarted", "ReleaseLines"])
def test_an_entry_that_was_altered_is_named(message: str, stormy: list[Entry]) -> None:
    """It differs itself, or what was made of it does."""
    of_kind = [at for at, entry in enumerate(stormy) if entry.message == message and entry.kind is not EntryKind.HEARD]
    at = of_kind[len(of_kind) // 2]
    body = stormy[at].body
    name, value = next((name, value) for name, value in body.items() if isinstance(value, int | str))
    changed = f"{value}x" if isinstance(value, str) else not value if isinstance(value, bool) else value + 1
    altered = stormy[at].model_copy(update={"body": body | {name: changed}})

    found = first([*stormy[:at], altered, *stormy[at + 1 :]], altered.actor)

    assert found is not None
    assert (found.entry, found.why) == (altered.id, "other than recorded: body")
