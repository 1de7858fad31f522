"""The condition language by property: any tree, ill-typed ones as well, over any payload."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.protocols.conditions import ConditionError, evaluate, holds, parse

NAMES = ("a", "b", "c.d", "c.e.f", "missing")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "x", "1.5", "very high"]),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "a": VALUES,
        "b": VALUES,
        "c": st.one_of(
            VALUES,
            st.fixed_dictionaries(
                {}, optional={"d": VALUES, "e": st.one_of(VALUES, st.fixed_dictionaries({"f": VALUES}))}
            ),
        ),
    },
)
LEAVES = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(["true", "false", "null", "0", "1", "2.5", '"x"', '""', "[]", "[1, 2]", '["x"]']),
)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "&&", "||"])
    return st.one_of(
        st.builds(lambda a, op, b: f"({a} {op} {b})", inner, binary, inner),
        st.builds(lambda op, a: f"({op}{a})", st.sampled_from(["!", "-"]), inner),
        st.builds(lambda f, a: f"{f}({a})", st.sampled_from(["abs", "size", "number"]), inner),
        st.builds(lambda f, a, b: f"{f}({a}, {b})", st.sampled_from(["min", "max"]), inner, inner),
    )


TREES = st.recursive(LEAVES, grown, max_leaves=8)


def value(text: str, payload: dict[str, Any]) -> Any:
    """True, False, None for unknown; the word `refused` for what cannot be loaded."""
    try:
        condition = parse(text)
    except ConditionError:
        return "refused"
    verdict = evaluate(condition, payload)
    assert verdict.value is holds(condition, payload)
    assert verdict.why.startswith(condition.text)
    return verdict.value


@settings(max_examples=600, deadline=None)
@given(TREES, PAYLOADS)
def test_any_condition_over_any_payload_is_true_false_or_unknown_and_never_raises(
    text: str, payload: dict[str, Any]
) -> None:
    assert value(text, payload) in {True, False, None, "refused"}


@settings(max_examples=300, deadline=None)
@given(TREES, TREES, PAYLOADS)
def test_de_morgan_holds_for_three_values(a: str, b: str, payload: dict[str, Any]) -> None:
    assert value(f"!({a} && {b})", payload) == value(f"!{a} || !{b}", payload)
    assert value(f"!({a} || {b})", payload) == value(f"!{a} && !{b}", payload)


@settings(max_examples=300, deadline=None)
@given(TREES, TREES, PAYLOADS)
def test_junctions_commute_and_absorb(a: str, b: str, payload: dict[str, Any]) -> None:
    both, either = value(f"{a} && {b}", payload), value(f"{a} || {b}", payload)

    assert both == value(f"{b} && {a}", payload)
    assert either == value(f"{b} || {a}", payload)
    if both != "refused":
        alone = value(a, payload)
        assert value(f"{a} || ({a} && {b})", payload) == alone
        assert value(f"{a} && ({a} || {b})", payload) == alone
        assert value(f"false && {b}", payload) is False
        assert value(f"true || {b}", payload) is True


@settings(max_examples=300, deadline=None)
@given(TREES, PAYLOADS)
def test_a_double_negation_changes_nothing_and_a_negation_never_turns_unknown_into_true(
    text: str, payload: dict[str, Any]
) -> None:
    plain = value(f"{text} && true", payload)

    if plain != "refused":
        assert value(f"!!({text} && true)", payload) == plain
        assert value(f"!({text} && true)", payload) == (None if plain is None else not plain)


@settings(max_examples=500, deadline=None)
@given(TREES, PAYLOADS, st.sampled_from(["a", "b", "c"]))
def test_taking_a_field_away_never_turns_an_answer_into_its_opposite(
    text: str, payload: dict[str, Any], name: str
) -> None:
    """No generated condition asks `has`: that one is about missing fields."""
    whole = value(text, payload)
    less = value(text, {key: item for key, item in payload.items() if key != name})

    assert less == whole or less is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    value(text, {})
