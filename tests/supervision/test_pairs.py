import random

from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.supervision.pairs import GAP_WAIT_S, Inbound


def test_letters_that_overtook_another_wait_for_it() -> None:
    inbound = Inbound[str]()

    assert inbound.take("a", 1, 2, "second", 0.0) == []
    assert inbound.take("a", 1, 1, "first", 0.1) == ["first", "second"]


def test_a_double_is_dropped() -> None:
    inbound = Inbound[str]()
    inbound.take("a", 1, 1, "first", 0.0)

    assert inbound.take("a", 1, 1, "first", 0.1) == []


def test_a_lost_letter_is_waited_for_and_then_given_up() -> None:
    inbound = Inbound[str]()
    inbound.take("a", 1, 2, "second", 0.0)

    assert inbound.overdue(GAP_WAIT_S - 0.1) == []
    assert inbound.overdue(GAP_WAIT_S) == ["second"]
    assert inbound.take("a", 1, 1, "first", GAP_WAIT_S) == []


def test_a_newer_incarnation_begins_anew_and_the_older_is_not_heard_again() -> None:
    inbound = Inbound[str]()
    inbound.take("a", 1, 1, "old", 0.0)

    assert inbound.take("a", 2, 1, "new", 0.1) == ["new"]
    assert inbound.take("a", 1, 2, "late", 0.2) == []


@given(st.integers(0, 40), st.randoms(use_true_random=False), st.integers(0, 3))
def test_any_shuffle_with_doubles_is_heard_in_order_once(count: int, dice: random.Random, doubles: int) -> None:
    letters = list(range(1, count + 1)) * (doubles + 1)
    dice.shuffle(letters)
    inbound = Inbound[int]()

    heard = [letter for number in letters for letter in inbound.take("a", 1, number, number, 0.0)]

    assert heard == list(range(1, count + 1))


@given(st.floats(0.0, 1e9))
def test_at_the_moment_that_next_overdue_names_the_wait_is_over(since: float) -> None:
    inbound = Inbound[str]()
    inbound.take("a", 1, 2, "second", since)
    due = inbound.next_overdue()

    assert due is not None
    assert inbound.overdue(due) == ["second"]
