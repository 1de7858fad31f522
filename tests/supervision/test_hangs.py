"""Hangs in virtual time: by the same pings as on real processes, and what survives them."""

from functools import reduce

import pytest

from alluse_hub.protocols.lifecycle import ChildEnded, ChildSpec, Intensity, SupervisorSpec
from alluse_hub.protocols.liveness import ChildHung, Liveness
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.pings import UNREAD_LOOK_S
from alluse_hub.supervision.simulation import Simulation, Weather
from alluse_hub.supervision.supervisor_hung import TERM_GRACE_S
from alluse_hub.supervision.tree import start_of
from tests.supervision.toys import SHUT_DOWN, TOY, ask

LIVENESS = Liveness(interval_s=5.0, limit_s=15.0)
BOUND_S = LIVENESS.interval_s + LIVENESS.limit_s + UNREAD_LOOK_S + TERM_GRACE_S + 1.0
"""From a hang to the replacement."""

NAMES = ("a", "b", "c")


def booted(seed: int = 1, weather: Weather | None = None, liveness: Liveness | None = LIVENESS) -> Simulation:
    """A supervisor under the root, over three counters."""
    limit = Intensity(restarts=1_000, period_s=60.0)
    children = tuple(ChildSpec(name=name, start=TOY, liveness=liveness) for name in NAMES)
    inner = SupervisorSpec(intensity=limit, siblings_wait=False, children=children)
    sup = ChildSpec(name="sup", start=start_of(inner), kind="supervisor", liveness=liveness)
    world = Simulation(seed, weather)
    world.boot(start_of(SupervisorSpec(intensity=limit, children=(sup,))))
    world.run_until(lambda: set(NAMES) <= world.actors.keys(), 10.0)
    world.advance(0.5)
    return world


def facts(world: Simulation, message: str) -> list[Json]:
    return [entry.body for entry in world.trail.entries if entry.kind is EntryKind.FACT and entry.message == message]


def incarnation(world: Simulation, name: str) -> int:
    return world.actors[name].life.spool.incarnation


def test_one_that_hangs_is_replaced_within_the_bound_and_nobody_else() -> None:
    world = booted()
    world.hangs.begin(world.actors["a"])
    world.advance(BOUND_S)

    assert [incarnation(world, name) for name in NAMES] == [2, 1, 1]
    assert [fact["cause"] for fact in facts(world, ChildEnded.__name__)] == ["hung: no answer to a ping for 15.1 s"]


def test_one_that_goes_on_in_time_is_left_alone_and_hears_what_waited() -> None:
    world = booted()
    world.hangs.begin(world.actors["a"])
    world.tell("a", ask("relay", "x"))
    world.advance(10.0)
    world.hangs.end(world.actors["a"])
    world.advance(60.0)

    assert facts(world, ChildHung.__name__) == []
    assert incarnation(world, "a") == 1
    assert len(world.actors["b"].life.state.heard) == 5


def test_without_a_liveness_it_hangs_for_ever() -> None:
    world = booted(liveness=None)
    world.hangs.begin(world.actors["a"])
    world.advance(600.0)

    assert incarnation(world, "a") == 1


def test_a_supervisor_that_hangs_is_ended_with_its_family_and_all_come_back() -> None:
    world = booted()
    world.hangs.begin(world.actors["sup"])
    world.advance(BOUND_S + 1.0)

    assert [incarnation(world, name) for name in ("sup", *NAMES)] == [2, 2, 2, 2]


def test_a_supervisor_that_stood_still_does_not_blame_its_children() -> None:
    """All hang, the supervisor for longer than its children: whoever owes it an answer gets a new period."""
    world = booted(liveness=Liveness(interval_s=1.0, limit_s=2.0))
    root_liveness = world.hangs._watched[world.actors["hub"].serial]
    root_liveness.clear()  # nobody judges the supervisor itself
    for name in ("a", "sup"):
        world.hangs.begin(world.actors[name])
    world.advance(30.0)
    world.hangs.end(world.actors["sup"])
    world.hangs.end(world.actors["a"])
    world.advance(30.0)

    assert facts(world, ChildHung.__name__) == []
    assert [incarnation(world, name) for name in NAMES] == [1, 1, 1]


@pytest.mark.parametrize("seed", [3, 14, 19, 42, 77])
def test_whoever_hangs_when_all_are_up_in_the_end_and_only_who_hung_was_ended(seed: int) -> None:
    world = booted(seed, Weather(latency_s=(0.0001, 0.3), loss=0.1, hang_every_s=8.0))
    hung: set[str] = set()
    for _ in range(300):
        world.advance(1.0)
        hung |= {actor.name for actor in world.actors.values() if world.hangs.is_hung(actor)}
    world.weather = Weather()
    world.advance(3 * BOUND_S)

    assert not any(world.hangs.is_hung(actor) for actor in world.actors.values() if actor.is_alive)
    assert {str(fact["name"]) for fact in facts(world, ChildHung.__name__)} <= hung
    assert len(facts(world, ChildHung.__name__)) >= 3
    ends = facts(world, ChildEnded.__name__)
    assert {str(fact["cause"]).partition(":")[0] for fact in ends} == {"hung"}
    assert reduce(max, (incarnation(world, name) for name in NAMES)) > 1
    world.tell("hub", SHUT_DOWN)
    world.advance(60.0)
    assert [actor.name for actor in world.actors.values() if actor.is_alive] == []


@pytest.mark.parametrize("seed", [1, 2])
def test_hangs_too_come_from_the_seed(seed: int) -> None:
    runs = []
    for _ in range(2):
        world = booted(seed, Weather(hang_every_s=5.0))
        world.advance(200.0)
        runs.append([entry.model_dump_json() for entry in world.trail.entries])

    assert runs[0] == runs[1]
