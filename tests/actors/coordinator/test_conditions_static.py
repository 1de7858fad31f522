"""What is said of conditions before, or without, an event: whether two can be true together, and what one turns on."""

import random
from typing import Any

import pytest

from alluse_hub.protocols.conditions import ConditionError, Kind, explained, holds, parse, walked
from alluse_hub.protocols.conditions.condition import condition_of
from alluse_hub.protocols.conditions.joint import Can, joint
from alluse_hub.protocols.conditions.parse import tree_of
from alluse_hub.protocols.conditions.sensitive import sensitivity
from alluse_hub.protocols.conditions.values import Unknown
from tests.actors.coordinator.expressions import Generator

# --- together ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "can"),
    [
        ("a > 5", "a < 3", Can.NEVER),
        ("a > 5", "a <= 5", Can.NEVER),
        ("a >= 5", "a <= 5 && a != 5", Can.NEVER),
        ("a >= 5", "a <= 5", Can.YES),
        ("a > 5", "a < 6", Can.YES),
        ("a > 5", "b < 3", Can.YES),
        ("a > 5", 'a == "x"', Can.NEVER),
        ("a > 5", "a == null", Can.NEVER),
        ('s == "x"', 's in ["y", "z"]', Can.NEVER),
        ('s in ["x", "y"]', '!(s in ["y"]) && s != "x"', Can.NEVER),
        ('s in ["x", "y"]', 's in ["y", "z"]', Can.YES),
        ('s in ["ab", "b"]', 's.startsWith("c")', Can.NEVER),
        ('s == "ab"', 's.matches("^b")', Can.NEVER),
        ("ok", "!ok", Can.NEVER),
        ("ok", "ok == false", Can.NEVER),
        ("a > b", "a < b", Can.NEVER),
        ("a > b", "b > a", Can.NEVER),
        ("a >= b && a <= b", "a != b", Can.NEVER),
        ("a >= b", "a <= b", Can.YES),
        ("a > a", "true", Can.NEVER),
        ("volume > 2 * mean", "volume < 2 * mean", Can.NEVER),
        ("size(xs) > 3", "size(xs) < 2", Can.NEVER),
        ('count(ws4.fill, "60s") > 5', 'count(ws4.fill, "1m") < 3', Can.NEVER),
        ('count(ws4.fill, "60s") > 5', 'count(ws4.fill, "61s") < 3', Can.PERHAPS),
        ("a > 5 || s == 'x'", "a < 3 && s != 'x'", Can.NEVER),
        ("a > 5 || s == 'x'", "a < 3", Can.YES),
        ("!has(a)", "a > 5", Can.NEVER),
        ("!has(a)", "a > 5 || b", Can.YES),
        ("false", "true", Can.NEVER),
        ("a > 2 + 3", "a < 10 / 2", Can.NEVER),
        ("xs.exists(x, x > 3)", "!xs.exists(x, x > 3)", Can.NEVER),
        ("a * a < 0", "true", Can.PERHAPS),
        ("r.level > 0.8", "r.level < 0.5", Can.NEVER),
    ],
)
def test_two_conditions_can_be_true_together_or_never(one: str, other: str, can: Can) -> None:
    found = joint(parse(one).tree, parse(other).tree)

    assert found.can is can
    assert joint(parse(other).tree, parse(one).tree).can is can
    if can is Can.YES:
        assert holds(parse(one), found.example) is holds(parse(other), found.example) is True


def test_a_condition_that_can_never_be_true_is_known() -> None:
    assert joint(parse("a > 5 && a < 3").tree).can is Can.NEVER
    assert joint(parse("a > 5 && a < 7").tree).can is Can.YES


def test_too_many_ways_are_perhaps() -> None:
    many = " && ".join(f"(a{n} > 1 || b{n} > 1)" for n in range(20))

    assert joint(parse(many).tree, parse("a0 < 0").tree).can in {Can.PERHAPS, Can.YES}


def test_never_is_a_proof() -> None:
    """Of random pairs that are said never to meet, no random event meets both."""
    dice = random.Random(7)
    generator = Generator(dice)
    proofs = 0
    for _ in range(120):
        texts = generator.condition(2), generator.condition(2)
        trees = [tree_of(text) for text in texts]
        found = joint(trees[0], trees[1])
        one, other = (condition_of(tree) for tree in trees)
        if found.can is Can.YES:
            assert holds(one, found.example) is holds(other, found.example) is True
        if found.can is Can.NEVER:
            proofs += 1
            for _ in range(60):
                event = generator.payload()
                assert not (holds(one, event) is holds(other, event) is True), (texts, event)
    assert proofs > 5


# --- what it turns on -------------------------------------------------------------------------------------------------


def turned(text: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {found.field: found.other for found in sensitivity(parse(text), payload)}


def test_the_nearest_value_that_would_have_changed_it_is_told() -> None:
    assert turned("risk_level > 0.8", {"risk_level": 0.93}) == {"risk_level": 0.8}
    assert turned("volume > 2 * mean", {"volume": 100, "mean": 40}) == {"volume": 80, "mean": 50}
    assert turned('regime == "high" && ok', {"regime": "high", "ok": True}) == {"regime": "", "ok": False}
    assert turned('regime == "high"', {"regime": "low"}) == {"regime": "high"}


def test_a_field_that_alone_changes_nothing_is_not_named() -> None:
    assert turned("a > 1 || b > 1", {"a": 5, "b": 5}) == {}
    assert turned("a > 1 || b > 1", {"a": 5, "b": 0}) == {"a": 1}


def test_of_the_unknown_nothing_is_said() -> None:
    assert turned("a > 1", {}) == {}


def test_what_is_told_to_change_it_does() -> None:
    dice = random.Random(3)
    generator = Generator(dice)
    told = 0
    for _ in range(400):
        text, event = generator.condition(2), generator.payload()
        condition = condition_of(tree_of(text))
        for found in sensitivity(condition, event):
            told += 1
            path, changed = found.field.split("."), dict(event)
            if len(path) == 1:
                changed[path[0]] = found.other
            else:
                changed[path[0]] = {**event[path[0]], path[1]: found.other}
            assert holds(condition, changed) is found.becomes is not holds(condition, event)
    assert told > 50


# --- explanations -----------------------------------------------------------------------------------------------------


def test_each_part_is_shown_with_what_came_of_it() -> None:
    parts = explained(parse("a > 1 && (b || !(c < 2))"), {"a": 5, "b": False, "c": "x"})

    assert [(part.depth, part.value, part.text) for part in parts] == [
        (0, None, 'a > 1 && (b || !(c < 2)) (a = 5, b = false, c = "x")'),
        (1, True, "a > 1 (a = 5)"),
        (1, None, 'b || !(c < 2) (b = false, c = "x")'),
        (2, False, "b (b = false)"),
        (2, None, '!(c < 2) (c = "x")'),
        (3, None, 'c < 2 (c = "x")'),
    ]
    assert parts[-1].why == "'<' cannot compare text with a number"


def test_the_explanation_agrees_with_the_value() -> None:
    """Of the whole, and of every part: its value is that of the part alone."""
    generator = Generator(random.Random(11))
    for _ in range(600):
        text, event = generator.condition(3), generator.payload()
        condition = condition_of(tree_of(text))
        parts = explained(condition, event)
        value = walked(condition, event)
        assert parts[0].value is (value if value is True or value is False else None)
        assert (parts[0].why == "") is (parts[0].value is not None)
        if isinstance(value, Unknown):
            assert parts[0].why == value.why


# --- declared events --------------------------------------------------------------------------------------------------


class Declared:
    def kinds(self, ws: str, event: str) -> dict[str, Kind] | None:
        if ws != "ws4":
            raise ValueError(f"{ws!r} is no workstream; did you mean 'ws4'?")
        return {"quantity": Kind.NUMBER, "symbol": Kind.TEXT, "leg": Kind.MAP} if event == "fill" else None


KINDS = {"volume": Kind.NUMBER, "symbol": Kind.TEXT, "risk.level": Kind.NUMBER, "risk": Kind.MAP, "more": Kind.MAP}


@pytest.mark.parametrize(
    ("text", "column", "right"),
    [
        ("volum > 5", 1, "the event has no field 'volum'; did you mean 'volume'?"),
        ("size(symbol) > 1 && has(zzz)", 25, "the event has no field 'zzz'; there are more, risk"),
        ("risk.levle > 5", 1, "did you mean 'risk.level'?"),
        ("symbol > 5", 8, "text cannot be compared with a number"),
        ("symbol.deep == 1", 1, "has no field 'symbol.deep'"),
        ("volume && true", 1, "'&&' needs true or false here, not a number"),
        ("volume.exists(x, x > 1)", 1, "exists() goes over a list, not a number"),
        ('count(ws9.fill, "5s") > 1', 1, "'ws9' is no workstream; did you mean 'ws4'?"),
        ('sum(ws4.fill.quantty, "5s") > 1', 1, "ws4.fill has no field 'quantty'; did you mean 'quantity'?"),
        ('sum(ws4.fill.symbol, "5s") > 1', 1, "sum() needs a number; ws4.fill.symbol is text"),
        ('distinct(ws4.fill.leg, "5s") > 1', 1, "distinct() needs a number, text, or true or false"),
        ('count(ws4.fill, "5s", where(volume > 1)) > 1', 29, "the event has no field 'volume'"),
        ('count(ws4.fill, "5s", by(smybol, symbol)) > 1', 1, "ws4.fill has no field 'smybol'"),
        ('count(ws4.fill, "5s", by(quantity)) > 1', 26, "the event has no field 'quantity'"),
    ],
)
def test_what_events_never_have_is_refused_with_what_is_meant(text: str, column: int, right: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text, KINDS, Declared())

    assert right in str(caught.value)
    assert caught.value.column == column


@pytest.mark.parametrize(
    "text",
    [
        "risk.level > 0.5 && more.of.it > 3 && symbol != null",
        'sum(ws4.fill.quantity, "5s", where(symbol == "A" && leg.x > 1), by(symbol)) > volume',
        'count(ws4.unheard_of, "5s", where(anything > 1)) > 1',
    ],
)
def test_what_is_declared_or_left_open_is_taken(text: str) -> None:
    parse(text, KINDS, Declared())


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_loops_that_could_take_too_long_are_refused_before_any_event() -> None:
    with pytest.raises(ConditionError, match=r"could take [\d,]+ steps for one event; at most 1,000,000"):
        parse("xs.exists(x, ys.exists(y, x + y > 1 && x - y > 1 && x * y > 1))")
    with pytest.raises(ConditionError, match="more than 2 loops within one another"):
        parse("xs.exists(x, ys.exists(y, zs.exists(z, z)))")
    with pytest.raises(ConditionError, match="steps for one event"):
        parse('xs.exists(x, x.matches("a*b"))')


def test_a_list_longer_than_is_looked_through_is_unknown() -> None:
    condition = parse("xs.exists(x, x > 5)")

    assert holds(condition, {"xs": [1] * 999 + [9]}) is True
    assert holds(condition, {"xs": [9] * 1_001}) is None


def test_a_list_is_not_compared_and_a_text_not_multiplied() -> None:
    assert holds(parse("xs < ys"), {"xs": [1], "ys": [2]}) is None
    assert holds(parse("s * n == 1"), {"s": "a", "n": 999_999_999}) is None
    assert holds(parse("b > 0"), {"b": True}) is None
    assert holds(parse("b == 1"), {"b": True}) is None
    assert holds(parse("-b == -1"), {"b": True}) is None
