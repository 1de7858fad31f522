"""Syncs on an event that wait for a condition: carried when it was true, not otherwise, and never lost in silence."""

import random

import pytest

from alluse_hub.protocols.sync import DriftFound, ForceSync, Play, Stage, SwitchSync, Sync, SyncMode
from alluse_hub.protocols.versions import Order, order_of
from tests.actors.replicator.worlds import World, sharer

WAITS = Sync(
    id="models", source="a", targets=("b",), mode=SyncMode.ON_EVENT, event="trained", when="accuracy > 0.9",
    deadline_s=300,
)  # fmt: skip


def world(seed: int = 0, **more: object) -> World:
    return World([WAITS], {"a": sharer("a", "models"), "b": sharer("b")}, seed=seed, **more)  # type: ignore[arg-type]


def causes(one: World) -> list[str]:
    return [move.cause for move in one.moves if move.version is not None]


def test_only_an_event_for_which_it_is_true_makes_it_due() -> None:
    one = world()
    one.share("a", "models", {"n": 1}, event="trained")
    one.advance(100)
    before = one.content("b", "models")
    one.share("a", "models", {"n": 2}, met="models")
    one.advance(3)
    one.share("a", "models", {"n": 3})
    one.advance(100)

    assert before is None
    assert one.content("b", "models") == {"n": 2}
    assert causes(one) == ["event"]
    one.lawful()


def test_after_a_death_nothing_is_carried_that_was_not_due() -> None:
    one = world()
    one.share("a", "models", {"n": 1}, met="models")
    one.advance(3)
    one.share("a", "models", {"n": 2})
    one.death()
    one.presence("a", "down")
    one.advance(5)
    one.presence("a", "up")
    one.advance(100)

    assert one.content("b", "models") == {"n": 1}
    assert causes(one) == ["event"]


def test_a_copy_that_has_drifted_is_mended_with_the_same_version_and_never_with_one_that_is_not_due() -> None:
    one = world()
    one.share("a", "models", {"n": 1}, met="models")
    one.advance(3)
    one.do("b", "spoil", dataset="models")
    one.advance(100)
    mended = one.content("b", "models")
    one.share("a", "models", {"n": 2})
    one.advance(100)
    one.do("b", "spoil", dataset="models")
    one.advance(100)

    assert mended == {"n": 1}
    assert one.content("b", "models") == {"spoiled": True}
    assert len(one.of(DriftFound)) >= 2
    one.share("a", "models", {"n": 3}, met="models")
    one.advance(10)
    assert one.content("b", "models") == {"n": 3}


def test_a_person_carries_it_all_the_same_and_to_play_it_is_no_such_order() -> None:
    one = world()
    one.order(SwitchSync(sync="models", play=Play.PAUSED, by="ann"))
    one.share("a", "models", {"n": 1}, met="models")
    one.advance(5)
    one.order(SwitchSync(sync="models", play=Play.PLAYING, by="ann"))
    one.advance(100)
    played = one.content("b", "models")
    one.order(ForceSync(sync="models", by="ann"))
    one.advance(5)

    assert played is None
    assert one.content("b", "models") == {"n": 1}


@pytest.mark.parametrize("seed", range(6))
def test_in_any_weather_what_was_due_arrives(seed: int) -> None:
    dice = random.Random(seed)
    one = world(seed, loss=dice.choice((0, 0.05, 0.3)), doubles=0.2, reorder=seed % 2 == 0, latency_s=(0.001, 1.0))
    due: dict[str, int] = {}
    for number in range(80):
        is_met = dice.random() < 0.2
        one.share("a", "models", {"n": number}, met="models" if is_met else "")
        if is_met:
            due = one.programs["a"].shelf.copies["models"].vector
        if dice.random() < 0.03 and one.is_alive:
            one.death()
        one.advance(dice.uniform(0.01, 1.0))
    one.loss = one.doubles = 0.0
    one.reorder = False
    one.advance(200)

    held = one.programs["b"].shelf.copies["models"]
    assert order_of(held.vector, due) in {Order.AFTER, Order.EQUAL}, f"seed {seed}: {held.vector} of {due}"
    assert set(causes(one)) <= {"event", "anti-entropy"}, f"seed {seed}"
    assert one.ledger.edge("models>b").verified.digest == held.digest
    assert all(move.to is not Stage.EXPIRED for move in one.moves)
    one.lawful()
