"""Models are scored before they learn; patterns and drift are found where they were put."""

from math import sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.workstreams.learner import (
    LOSS_MOST,
    SCORED,
    Answer,
    Contest,
    Model,
    PageHinkley,
    features_of,
    log_loss,
    score_of,
)
from alluse_hub.actors.workstreams.patterns import find, oddness

FEATURES = st.lists(st.floats(-3, 3), min_size=6, max_size=6)


@given(FEATURES)
@settings(deadline=None)
def test_a_prediction_is_a_probability(features: list[float]) -> None:
    assert 0 < Model((9.0, -9.0, 9.0, -9.0, 9.0, -9.0)).predict(features) < 1


@given(FEATURES.filter(lambda f: sum(x * x for x in f) > 0.1), st.booleans())
@settings(deadline=None)
def test_learning_moves_towards_the_answer(features: list[float], outcome: bool) -> None:
    before = Model()

    after = before.learned(Answer(features, outcome, ""))

    assert log_loss(after.predict(features), outcome) <= log_loss(before.predict(features), outcome) + 1e-9


def test_a_loss_is_cut() -> None:
    assert log_loss(0.0, outcome=True) == LOSS_MOST


def contest(rounds: int, answer: Answer) -> Contest:
    one = Contest()
    for _ in range(rounds):
        one.answer(answer)
    return one


def test_the_challenger_wins_only_after_a_full_window() -> None:
    surprising = Answer([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], outcome=False, session="")

    assert not contest(SCORED - 1, surprising).is_won()
    assert contest(SCORED, surprising).is_won()


def test_a_model_is_scored_before_it_learns() -> None:
    one = Contest()

    one.answer(Answer([1.0] * 6, outcome=False, session=""))

    assert one.score().gain == 0
    assert one.challenger != one.champion


def test_a_crowned_contest_begins_again() -> None:
    one = contest(SCORED, Answer([1.0] * 6, outcome=False, session=""))

    one.crown(one.challenger)

    assert one.champion == one.challenger
    assert one.score() == score_of([])


def test_drift_is_found_after_a_rise_and_not_before() -> None:
    calm = PageHinkley()
    assert not any(calm.take(0.5 + 0.1 * sin(index)) for index in range(500))

    assert any(calm.take(1.5) for _ in range(100))


def test_features_wait_for_the_warm_up() -> None:
    bar = {"realised_vol": 0.3, "trend_20": 0.0, "rsi_14": 50.0, "atr_pct": 0.025, "change": 0.0}

    assert features_of(bar) == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert features_of({**bar, "atr_pct": None}) is None


CALM = [0.001 * (-1) ** (index * index // 3) for index in range(100)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([*CALM[:-1], 0.02], "spike"),
        ([sin(index) for index in range(100)], "cycle"),
        ([0.001 * sin(index * index) + (0.01 if index > 50 else 0) for index in range(100)], "step"),
    ],
)
def test_a_pattern_is_found_where_it_was_put(values: list[float], kind: str) -> None:
    found = find(values)

    assert kind in found.kinds
    assert 0 < found.confidence < 1


def test_too_few_values_or_none_that_vary_hold_no_pattern() -> None:
    assert find([0.1] * 10).kinds == ()
    assert find([0.1] * 100).kinds == ()
    assert oddness([0.0] * 100, 1.0) == 0
