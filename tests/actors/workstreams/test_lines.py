"""Lines are strict JSON objects, bounded; values are read by type or refused with what would be right."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.workstreams.lines import LINE_IN_MAX, LINE_OUT_MAX, MalformedLineError, digest, encode, parse
from alluse_hub.actors.workstreams.readers import Reading, RefusedError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "not strict JSON"),
        (b"[1]", "not a list"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":1', "not strict JSON"),
        (b"[" * 100_000, "not strict JSON"),
        (b'{"a":' + b"1" * 5_000 + b"}", "not strict JSON"),
        (b"x" * (LINE_IN_MAX + 1), "the longest accepted"),
    ],
)
def test_a_line_that_is_no_strict_json_object_is_refused(line: bytes, why: str) -> None:
    with pytest.raises(MalformedLineError, match=why):
        parse(line)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
@settings(deadline=None)
def test_what_is_written_is_read_back(body: dict[str, object]) -> None:
    assert parse(encode(body)) == body


def test_what_json_cannot_say_is_not_written() -> None:
    for body in ({"a": float("nan")}, {"a": "x" * LINE_OUT_MAX}):
        with pytest.raises(ValueError, match=r"not JSON compliant|more than"):
            encode(body)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
@settings(deadline=None)
def test_the_digest_knows_nothing_of_the_order_of_keys(body: dict[str, object]) -> None:
    assert digest(dict(reversed(body.items()))) == digest(body)


@pytest.mark.parametrize(
    ("body", "ask", "why"),
    [
        ({}, lambda r: r.text("name"), "'name' is missing; it must be a text"),
        ({"name": 5}, lambda r: r.text("name"), "must be a text, not 5"),
        ({"n": True}, lambda r: r.whole("n"), "whole number"),
        ({"n": 1.5}, lambda r: r.whole("n"), "whole number"),
        ({"n": -1}, lambda r: r.whole("n"), "from 0"),
        ({"x": "9"}, lambda r: r.number("x"), "must be a number"),
        ({"x": 9}, lambda r: r.number("x", most=5), "between"),
        ({"p": 1.5}, lambda r: r.price("p"), "decimal text"),
        ({"p": "inf"}, lambda r: r.price("p"), "decimal text"),
        ({"d": "19.8.2004"}, lambda r: r.day("d"), "2004-08-19"),
        ({"c": "z"}, lambda r: r.choice("c", ("b", "a")), "one of a, b"),
        ({"o": []}, lambda r: r.object("o"), "must be an object"),
        ({"l": [1]}, lambda r: r.objects("l"), "list of objects"),
        ({"l": [1]}, lambda r: r.texts("l"), "list of texts"),
        ({"t": 1}, lambda r: r.truth("t", default=False), "true or false"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(body: dict[str, object], ask: object, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        ask(Reading(body))  # type: ignore[operator]  # a function of the table above


def test_a_long_wrong_value_is_not_repeated_whole() -> None:
    with pytest.raises(RefusedError) as caught:
        Reading({"n": "x" * 10_000}).whole("n")

    assert len(str(caught.value)) < 300
    assert json.dumps(str(caught.value))
