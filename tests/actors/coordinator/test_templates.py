import pytest

from alluse_hub.actors.coordinator.templates import (
    DEPTH_MAX,
    FieldError,
    check_template,
    filled,
    filled_parameters,
    filled_text,
)
from alluse_hub.protocols.errors import CallerError

PAYLOAD = {"symbol": "AAPL", "n": 3, "x": 0.5, "ok": True, "list": [1, 2], "map": {"a": {"b": "deep"}}, "none": None}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{symbol}", "AAPL"),
        ("{n}", 3),
        ("{ok}", True),
        ("{list}", [1, 2]),
        ("{map.a.b}", "deep"),
        ("{none}", None),
        ("model-{n}", "model-3"),
        ("{symbol}/{x}/{ok}", "AAPL/0.5/true"),
        ("{{symbol}}", "{symbol}"),
        ("plain", "plain"),
        ("", ""),
        (7, 7),
        (["{symbol}", {"deep": "{n}"}], ["AAPL", {"deep": 3}]),
    ],
)
def test_a_field_alone_keeps_its_type_and_text_around_it_makes_text(template: object, value: object) -> None:
    assert filled(template, PAYLOAD) == value  # type: ignore[arg-type]  # JSON values


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{gone}", "gone is missing"),
        ("a{gone}", "gone is missing"),
        ("{map.a.c}", "map.a.c is missing"),
        ("{symbol.a}", "symbol.a is missing"),
        ("a{list}", "list is no text or number"),
        ("a{none}", "none is no text or number"),
    ],
)
def test_a_missing_field_is_an_error_that_names_it(template: str, why: str) -> None:
    with pytest.raises(FieldError, match=why):
        filled_parameters({"name": template}, PAYLOAD)


def test_a_subject_is_text_even_if_it_is_a_field_alone() -> None:
    assert filled_text("{n}", PAYLOAD) == "3"


@pytest.mark.parametrize("template", ["{", "a}", "{a-b}", "{}", "{a", ["{"], {"a": "}"}, {"a": ["{ a }"]}])
def test_a_lone_brace_is_refused(template: object) -> None:
    with pytest.raises(CallerError, match="for the brace itself"):
        check_template(template)  # type: ignore[arg-type]  # JSON values


def test_depth_is_bounded() -> None:
    nested: list[object] = []
    for _ in range(DEPTH_MAX + 1):
        nested = [nested]

    with pytest.raises(CallerError, match="flatten it"):
        check_template(nested)  # type: ignore[arg-type]  # JSON values
