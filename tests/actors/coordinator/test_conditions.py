"""The condition language: what it says, what it refuses, and what it does not know."""

import time
from typing import Any

import pytest

from alluse_hub.protocols.conditions import ConditionError, evaluate, holds, parse
from alluse_hub.protocols.conditions.tree import DEPTH_MAX, LIST_MAX, NODES_MAX, TEXT_MAX, Kind

PAYLOAD: dict[str, Any] = {
    "volume": 15420,
    "volume_mean_20": 7000.5,
    "regime": "very high",
    "ok": True,
    "nothing": None,
    "symbols": ["AAPL", "IBM"],
    "risk": {"level": 0.93, "kind": "drawdown", "deep": {"er": 1}},
    "equity": "1250.75",
    "zero": 0,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("volume > 1000", True),
        ("volume > 2 * volume_mean_20", True),
        ("volume >= 15420 && volume <= 15420 && !(volume < 15420) && volume != 1", True),
        ('regime == "very high"', True),
        ("regime == 'very high'", True),
        ('regime != "low" && regime > "a"', True),
        ('regime in ["high", "very high"]', True),
        ("risk.level > 0.8", True),
        ("risk.deep.er == 1", True),
        ("ok", True),
        ("!ok", False),
        ("ok == true", True),
        ("nothing == null", True),
        ("volume == null", False),
        ("1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 7 / 2 == 3.5 && 2 - 3 - 4 == -5", True),
        ("-volume < 0 && - -1 == 1", True),
        ('"AAPL" in symbols && !("MSFT" in symbols)', True),
        ('"level" in risk', True),
        ("symbols == ['AAPL', 'IBM']", True),
        ("symbols == ['AAPL']", False),
        ("size(symbols) == 2 && size(regime) == 9 && size(risk) == 3", True),
        ("abs(-3) == 3 && min(3, 1, 2) == 1 && max(1, volume) == 15420", True),
        ("has(volume) && has(risk.level) && !has(risk.depth) && !has(volume.x)", True),
        ("has(nothing)", True),
        ("number(equity) == 1250.75 && number('12') == 12 && number(volume) > 1", True),
        ("true || false && false", True),
        ("1e3 == 1000 && 1.5E-1 == 0.15", True),
        (r'"a\"b\n" == "a\"b\n"', True),
    ],
)
def test_conditions_have_the_value_that_cel_gives_them(text: str, value: bool) -> None:
    assert evaluate(parse(text), PAYLOAD).value is value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("missing > 5", "missing is missing"),
        ("!(missing > 5)", "missing is missing"),
        ("risk.depth == 1", "risk.depth is missing"),
        ("volume.x == 1", "volume.x is missing"),
        ("regime > 5", "'>' cannot compare text with a number"),
        ("!(regime > 5)", "'>' cannot compare text with a number"),
        ('volume == "15420"', "a number cannot be compared with text"),
        ('volume != "15420"', "a number cannot be compared with text"),
        ("ok > 0", "'>' cannot compare true or false with a number"),
        ("ok == 1", "true or false cannot be compared with a number"),
        ("nothing > 0", "'>' cannot compare null with a number"),
        ("-ok == 1", "'-' needs a number, not true or false"),
        ("ok + 1 == 2", "'+' needs a number, not true or false"),
        ("regime * 3 == 1", "'*' needs a number, not text"),
        ("volume / zero > 1", "division by zero"),
        ("symbols < symbols", "'<' cannot compare a list with a list"),
        ("risk == risk", "maps cannot be compared; compare their fields"),
        ("!volume", "'!' needs true or false, not a number"),
        ("volume", "the whole must be true or false"),
        ("volume || missing", "'||' needs true or false, not a number"),
        ("volume in regime", "'in' needs a list on its right, not text"),
        ("volume in symbols", "a number cannot be compared with text"),
        ("equity > 5", "'>' cannot compare text with a number"),
        ("number(regime) > 5", "number() takes a plain decimal number such as '12.50', not this text"),
        ("number(ok) > 5", "not true or false"),
        ("size(volume) > 5", "size() measures texts, lists and maps, not a number"),
        ("abs(regime) > 5", "abs() needs a number, not text"),
        ("min(1, nothing) > 5", "min() needs a number, not null"),
        ("max(1, missing) > 5", "missing is missing"),
        ("1e308 * volume > 1", "not a finite number"),
        ("[missing] == [1]", "missing is missing"),
    ],
)
def test_missing_fields_and_wrong_types_are_unknown_and_named(text: str, why: str) -> None:
    verdict = evaluate(parse(text), PAYLOAD)

    assert verdict.value is None
    assert why in verdict.why


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("missing > 5 || true", True),
        ("true || missing > 5", True),
        ("missing > 5 && false", False),
        ("false && missing > 5", False),
        ("missing > 5 && true", None),
        ("missing > 5 || false", None),
        ("!(missing > 5 && false)", True),
        ("missing && ok || ok", True),
    ],
)
def test_junctions_look_past_the_unknown_for_what_decides(text: str, value: bool | None) -> None:
    assert holds(parse(text), PAYLOAD) is value


@pytest.mark.parametrize(
    ("text", "column", "right"),
    [
        ("", 1, "a value is missing at the end"),
        ("volume >", 9, "a value is missing at the end"),
        ("volume = 5", 8, "write '=='"),
        ("a === 3", 5, "compares nothing"),
        ("a and b", 3, "write '&&'"),
        ("a && not b", 6, "write '!'"),
        ("a & b", 3, "write '&&' for and"),
        ("a < b < c", 7, "write 'a < b && b < c'"),
        ("(a > 1", 7, "')' is missing for the '(' in column 1"),
        ("a > 1)", 6, "should end before ')'"),
        ("a > 1 b", 7, "join parts with '&&'"),
        ("foo(a)", 1, "there are abs, age, all, avg, before, changed, contains, count"),
        ("abs(1, 2) > 1", 1, "takes 1 value, not 2"),
        ("min(1) > 1", 1, "takes 2 to 16 values, not 1"),
        ("has(1)", 5, "takes the name of a field"),
        ("a. > 1", 4, "the name of a field should follow"),
        ("a[0] > 1", 2, "items cannot be picked"),
        ("[1, 'a'] == a", 1, "a number and text cannot be compared"),
        ("[1 2] == a", 4, "',' is missing or ']'"),
        ("'abc == a", 1, "no closing '"),
        (r"'\q' == a", 2, "unknown escape"),
        ("a == #", 6, "has no meaning here"),
        ("a ? b : c", 3, "no '? :'"),
        ("volume + 1", 8, "must be true or false; this is a number"),
        ("'text'", 1, "must be true or false; this is text"),
        ('"a" > 5', 5, "text cannot be compared with a number"),
        ("true > 0", 1, "orders numbers or texts, not true or false"),
        ("true == 1", 6, "cannot be compared"),
        ("!5", 2, "needs true or false here, not a number"),
        ("-'a' == 1", 2, "needs a number here, not text"),
        ("'a' * 999999999 == b", 1, "needs a number here, not text"),
        ("a && 5", 6, "needs true or false here"),
        ("a in 'abc'", 6, "'in' needs a list"),
        ("1 in ['a']", 3, "cannot be compared"),
        ("size(5) > 1", 6, "size() measures"),
        ("number(true) > 1", 8, "takes a decimal text"),
        ("9" * 41 + " > a", 1, "at most 40 characters"),
        ("1e999 > a", 1, "too large"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_column_and_what_would_be_right(
    text: str, column: int, right: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text)

    assert right in str(caught.value)
    assert caught.value.column == column


def test_declared_kinds_of_fields_are_checked_at_load() -> None:
    parse("volume > 5", {"volume": Kind.NUMBER})

    with pytest.raises(ConditionError, match="text cannot be compared with a number"):
        parse("volume > 5", {"volume": Kind.TEXT})


@pytest.mark.parametrize(
    "text",
    [
        "a" * (TEXT_MAX + 1),
        " && ".join(["a"] * (NODES_MAX + 1)),
        "(" * (DEPTH_MAX + 1) + "a" + ")" * (DEPTH_MAX + 1),
        "!" * (DEPTH_MAX + 2) + "a",
        "a > " + " + ".join(["1"] * (DEPTH_MAX + 1)),
        "a in [" + ", ".join(["1"] * (LIST_MAX + 1)) + "]",
        "[" * 300,
    ],
)
def test_length_size_and_depth_are_bounded(text: str) -> None:
    with pytest.raises(ConditionError):
        parse(text)


def test_the_largest_allowed_condition_is_evaluated() -> None:
    text = " && ".join(["ok"] * (NODES_MAX - 1))

    assert holds(parse(text), PAYLOAD) is True


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("risk.level > 0.8", "risk.level > 0.8 (risk.level = 0.93)"),
        ("missing > 1", "missing > 1 (missing is missing)"),
        ("regime > 1", "regime > 1 (regime = \"very high\"): '>' cannot compare text with a number"),
        ("ok && nothing == null", "ok && nothing == null (ok = true, nothing = null)"),
        ("'IBM' in symbols", '\'IBM\' in symbols (symbols = ["AAPL", "IBM"])'),
        ("size(risk) > 0 && size(risk) < 9", "size(risk) > 0 && size(risk) < 9 (risk = a map)"),
        ("true", "true"),
    ],
)
def test_why_shows_the_condition_with_its_values(text: str, why: str) -> None:
    assert evaluate(parse(text), PAYLOAD).why == why


def test_why_stays_short_whatever_the_payload() -> None:
    payload = {"a": "x" * 10_000, "b": 10**5000, "c": list(range(1000))}

    why = evaluate(parse("a == a && b == b && c == c"), payload).why

    assert len(why) < 300
    assert "a number of 16610 bits" in why


def test_a_number_too_large_for_a_division_is_unknown() -> None:
    assert evaluate(parse("b / 3 > 1"), {"b": 10**400}).value is None


def test_lists_nested_without_end_are_unknown() -> None:
    nested: list[Any] = []
    for _ in range(200):
        nested = [nested]

    assert evaluate(parse("a == b"), {"a": nested, "b": nested}).value is None


def test_a_simple_condition_takes_less_than_ten_microseconds() -> None:
    condition = parse("volume > 2 * volume_mean_20")

    def spent() -> float:
        begun = time.process_time()
        for _ in range(2_000):
            holds(condition, PAYLOAD)
        return (time.process_time() - begun) / 2_000

    assert min(spent() for _ in range(5)) < 10e-6
