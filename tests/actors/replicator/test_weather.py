"""Any weather: letters lost, doubled, out of order; lives that end at any point.  It converges, nothing is lost in
silence, nothing has its effect twice.
"""

import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alluse_hub.actors.replicator.comparing import WORD_AGAIN_S
from alluse_hub.protocols.sync import Stage, Sync, SyncMode
from alluse_hub.protocols.versions import AskDatasets, Order, order_of
from tests.actors.replicator.worlds import World, counts, sharer


def syncs() -> list[Sync]:
    return [
        Sync(id="prices", source="a", targets=("b", "c"), pace_s=0.2, deadline_s=300),
        Sync(id="limits", source="b", targets=("a", "c"), mode=SyncMode.ON_EVENT, event="changed", deadline_s=300),
        Sync(id="models", source="c", targets=("a",), mode=SyncMode.PERIODIC, every_s=20, deadline_s=300),
    ]


def world(seed: int, **more: object) -> World:
    programs = {"a": sharer("a", "prices"), "b": sharer("b", "limits"), "c": sharer("c", "models")}
    return World(syncs(), programs, seed=seed, **more)  # type: ignore[arg-type]  # of the world


def busy(one: World, rounds: int, dice: random.Random) -> None:
    """Sources change as they like, now and then a program goes and comes back, or the replicator dies."""
    for number in range(rounds):
        name, dataset = dice.choice((("a", "prices"), ("a", "prices"), ("b", "limits"), ("c", "models")))
        if one.programs[name].presence == "up":
            one.share(name, dataset, {"n": number}, event="changed" if dataset == "limits" else "")
        if dice.random() < 0.03:
            other = dice.choice("abc")
            one.presence(other, "down" if one.programs[other].presence == "up" else "up")
        if dice.random() < 0.02 and one.is_alive:
            one.death()
        one.advance(dice.uniform(0.01, 0.5))
    for name in "abc":
        one.presence(name, "up")


def calm(one: World) -> None:
    one.loss = one.doubles = 0.0
    one.reorder = False
    one.crash_at = 0
    one.advance(200)


def applied_once(one: World) -> None:
    """What a target has stored grew with every time it stored something."""
    for program in one.programs.values():
        for dataset, vectors in program.history.items():
            for earlier, later in pairwise(vectors):
                assert order_of(earlier, later) is Order.BEFORE, f"seed {one.seed}: {dataset} {earlier} then {later}"


def judged(one: World) -> None:
    assert one.is_equal(), f"seed {one.seed}: {one.ledger.edges}"
    one.lawful()
    applied_once(one)
    assert all(not edge.open and not edge.conflict for edge in one.ledger.edges.values()), f"seed {one.seed}"
    for edge, state in one.ledger.edges.items():
        sync = one.state.syncs[edge.partition(">")[0]]
        held = one.programs[sync.source].shelf.copies[sync.content]
        assert state.verified.digest == held.digest, f"seed {one.seed}: {edge}"


@pytest.mark.parametrize("seed", [*range(8), 202, 1082])
def test_it_converges_in_any_weather(seed: int) -> None:
    dice = random.Random(seed)
    one = world(seed, loss=dice.choice((0, 0.05, 0.3)), doubles=dice.choice((0, 0.1, 0.5)), reorder=seed % 2 == 0,
                latency_s=(0.001, dice.choice((0.01, 0.5, 3.0))))  # fmt: skip
    busy(one, 120, dice)
    calm(one)

    judged(one)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(1_000, 1_600))
def test_it_converges_in_any_weather_at_length(seed: int) -> None:
    test_it_converges_in_any_weather(seed)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.floats(0, 0.4), st.floats(0, 0.5), st.booleans(), st.integers(1, 60))
def test_it_converges_whatever_the_weather(seed: int, loss: float, doubles: float, reorder: bool, rounds: int) -> None:
    one = world(seed, loss=loss, doubles=doubles, reorder=reorder, latency_s=(0.001, 1.0))
    busy(one, rounds, random.Random(seed))
    calm(one)

    judged(one)


def story(one: World) -> None:
    """Short, and with every kind of delivery; the same every time."""
    for number in range(2):
        one.share("a", "prices", {"n": number})
        one.share("b", "limits", {"n": number}, event="changed")
        one.share("c", "models", {"n": number})
        one.advance(0.7)


def letters_of_story() -> int:
    one = world(7)
    story(one)
    return one.letters


KEEPS = (-1, 0, 1, 2)
"""Effects done before a death; -1: the turn itself is lost."""


def survives(position: int, keeps: int) -> None:
    one = world(7, crash_at=position, crash_keeps=keeps)
    story(one)
    calm(one)

    assert one.incarnation == 2, f"position {position}"
    judged(one)


def test_a_death_at_any_letter_loses_nothing() -> None:
    for position in range(1, letters_of_story() + 1):
        survives(position, KEEPS[position % len(KEEPS)])


@pytest.mark.deep
@pytest.mark.parametrize("keeps", KEEPS)
def test_a_death_at_any_letter_and_between_any_effects_loses_nothing(keeps: int) -> None:
    for position in range(1, letters_of_story() + 1):
        survives(position, keeps)


def test_with_one_letter_in_a_hundred_lost_and_one_doubled_all_is_verified_in_the_end() -> None:
    one = world(11, loss=0.01, doubles=0.01)
    dice = random.Random(11)
    for number in range(600):
        one.share("a", "prices", {"n": number})
        one.advance(dice.uniform(0.1, 0.4))
    calm(one)

    edges = [one.ledger.edge(f"prices>{target}") for target in "bc"]
    assert all(counts(edge).success == 1.0 for edge in edges)
    assert sum(counts(edge).verified for edge in edges) > 300
    late = [move for move in one.moves if move.to is Stage.VERIFIED]
    changed = {(m.sync, m.target, m.serial): m.at for m in one.moves if m.version is not None}
    in_time = [m for m in late if m.at - changed[m.sync, m.target, m.serial] <= one.state.syncs[m.sync].objective_s]
    assert len(in_time) / len(late) >= 0.998


def test_a_lost_question_for_the_next_word_is_asked_again_long_before_the_next_comparison() -> None:
    sync = Sync(id="prices", source="a", targets=("b",), pace_s=0.2, anti_entropy_s=3_600)
    one = World([sync], {"a": sharer("a", "prices"), "b": sharer("b")})
    one.advance(30)  # the first comparison is over
    one.share("a", "prices", {"x": 1})
    one.advance(0.1)
    one.programs["a"].is_deaf = True
    one.advance(1)  # the question is lost, and nothing else is said
    one.programs["a"].is_deaf = False
    one.share("a", "prices", {"x": 2})
    before = one.content("b", "prices")
    one.advance(WORD_AGAIN_S)

    assert (before, one.content("b", "prices")) == ({"x": 1}, {"x": 2})
    one.lawful()


def test_a_quiet_source_is_asked_for_its_next_word_a_few_times_and_then_only_when_it_is_compared() -> None:
    sync = Sync(id="prices", source="a", targets=("b",), pace_s=0.2, anti_entropy_s=3_600)
    one = World([sync], {"a": sharer("a", "prices"), "b": sharer("b")})
    one.share("a", "prices", {"x": 1})
    one.advance(100)
    some = sum(isinstance(each.message, AskDatasets) for each in one.sent)
    one.advance(1_000)

    assert some <= 6, f"{some} questions"
    assert sum(isinstance(each.message, AskDatasets) for each in one.sent) == some
