"""The condition language against another author's CEL, over random conditions, well typed and ill typed on purpose.

Where both have an answer it is the same one.  Where only one has, there must be a deviation behind it that is written
in the language's page, and each of those must be met.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import cel
import pytest

from alluse_hub.protocols.conditions import holds
from alluse_hub.protocols.conditions.condition import Condition, condition_of
from alluse_hub.protocols.conditions.parse import tree_of
from alluse_hub.protocols.conditions.text import text_of
from alluse_hub.protocols.conditions.values import Doubt, Unknown
from alluse_hub.protocols.conditions.walk import NO_WINDOWS, Walk
from tests.actors.coordinator.expressions import Generator, Payload

PLAIN, DEEP = 5_000, 100_000
ROUND = 500

STRICTER: dict[str, Callable[[Unknown], object]] = {
    "values of different kinds, and maps, cannot be compared": lambda doubt: doubt.doubt is Doubt.MIXED,
    "no infinities and no division by zero": lambda doubt: doubt.doubt is Doubt.NUMBER,
    "true and false are not ordered": lambda doubt: "true or false with true or false" in doubt.why,
    "+ adds numbers only": lambda doubt: re.match(r"'\+' needs a number, not (text|a list)", doubt.why),
    "- needs a number": lambda doubt: doubt.why.startswith("'-' needs a number, not "),
    "! needs true or false": lambda doubt: doubt.why.startswith("'!' needs true or false, not "),
}
"""Ours is unknown where CEL, or this build of it, has a value; by what unknowns were met."""

ORACLES_OWN = frozenset({"- needs a number", "! needs true or false"})
"""What its own specification forbids: it takes a pair of signs for none, and the minus of a boolean for something."""


def cel_value(text: str, payload: Payload) -> Any:
    """Its value; an exception where it has none."""
    try:
        return cel.evaluate(text, payload)
    except (TypeError, ValueError, RuntimeError, KeyError, ZeroDivisionError, OverflowError) as error:
        return error


def compared(text: str, payload: Payload) -> str:
    """*same*, *none* where neither has a value, or the deviation.  AssertionError if there is no excuse."""
    condition = condition_of(tree_of(text), text)  # not checked at load: ill-typed ones are to be evaluated
    walk = Walk(payload, NO_WINDOWS, condition.patterns)
    ours, theirs = walk.value(condition.tree), cel_value(text, payload)
    told = f"{text}\n{payload}\nours {ours}, theirs {theirs!r}"
    fast_agrees(condition, payload, ours, told)
    has_ours = ours is True or ours is False
    if isinstance(theirs, Exception):
        return lenient(text, payload, walk.doubts, told) if has_ours else "none"
    if has_ours:
        assert ours is theirs, told
        return "same"
    if theirs is not True and theirs is not False and not isinstance(ours, Unknown):
        return "none"
    excuses = [name for name, is_met in STRICTER.items() if any(is_met(doubt) for doubt in walk.doubts)]
    assert excuses, told
    return excuses[0]


def fast_agrees(condition: Condition, payload: Payload, walked: Any, told: str) -> None:
    assert holds(condition, payload) is (walked if walked is True or walked is False else None), told
    assert tree_of(text_of(condition.tree)) == condition.tree, told


def lenient(text: str, payload: Payload, doubts: list[Unknown], told: str) -> str:
    """Ours has a value where this build of CEL raises."""
    if "has(" in text and not isinstance(payload.get("r"), Mapping):
        return "has() of what is no map is false"
    assert doubts, told
    assert re.search(r"\.(exists|all)\(", text), told
    return "exists and all look past what is unknown, as CEL's specification asks"


def run(count: int, seed: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for start in range(0, count, ROUND):
        dice = random.Random(seed + start)
        generator = Generator(dice, doubles=dice.random() < 0.7)
        for _ in range(ROUND):
            found[compared(generator.condition(), generator.payload())] += 1
    return found


def check(found: Counter[str], count: int) -> None:
    told = f"{found}"
    assert found["same"] > 0.5 * count, told
    assert found["none"] > 0.15 * count, told
    assert sum(found.values()) - found["same"] - found["none"] < 0.15 * count, told


def test_it_agrees_with_another_cel_but_where_it_says_so() -> None:
    check(run(PLAIN, 0), PLAIN)


@pytest.mark.deep
def test_it_agrees_with_another_cel_over_a_hundred_thousand() -> None:
    found = run(DEEP, 1_000_000)

    check(found, DEEP)
    assert {*STRICTER} <= {*found}, "an excuse that is never needed is none"


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        ('1.0 == "1"', False),
        ("true > false", True),
        ('"a" + "b" == "ab"', True),
        ("1.0 / 0.0 > 1.0", True),
        ("7 / 2 == 3", True),
        ("r == r", True),
        ("5 in r", False),
    ],
)
def test_where_cel_has_a_value_and_the_hub_none_or_another(text: str, theirs: bool) -> None:
    """The deviations one by one, so that the page's list is not longer than the truth."""
    payload: Payload = {"r": {"n": 1.0}}

    assert cel_value(text, payload) is theirs
    assert holds(condition_of(tree_of(text), text), payload) is not theirs


@pytest.mark.parametrize("text", ["1 + 0.5 == 1.5", "7.5 > 7 - 0.5", "size(s) + 0.5 == 1.5", "7.0 % 2.0 == 1.0"])
def test_where_the_hub_has_a_value_and_cel_none_since_numbers_are_of_one_kind(text: str) -> None:
    assert isinstance(cel_value(text, {"s": "a"}), Exception)
    assert holds(condition_of(tree_of(text), text), {"s": "a"}) is True


@pytest.mark.parametrize(("text", "value"), [("-7 % 2 == -1", True), ("7 % -2 == 1", True), ("-7 % -2 == -1", True)])
def test_the_remainder_has_the_sign_of_the_first_as_in_cel(text: str, value: bool) -> None:
    assert cel_value(text, {}) is value
    assert holds(condition_of(tree_of(text), text), {}) is value
