"""``replace`` does what that of ``dataclasses`` does, for states."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.states import replace


@dataclass(frozen=True, slots=True)
class State:
    count: int
    names: tuple[str, ...] = ()
    seen: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Single:
    count: int


@dataclass(frozen=True)
class Open:
    count: int
    other: int = 0


@dataclass(frozen=True, slots=True)
class Busy:
    count: int
    other: int = 0

    def __post_init__(self) -> None:
        assert self.count >= 0


changes = st.fixed_dictionaries(
    {},
    optional={"count": st.integers(), "names": st.tuples(st.text()), "seen": st.dictionaries(st.text(), st.integers())},
)


@given(changes)
def test_it_gives_what_the_standard_one_gives(fields: dict[str, Any]) -> None:
    state = State(1, ("a",), {"a": 1})

    copy = replace(state, **fields)

    assert copy == dataclasses.replace(state, **fields)
    assert copy is not state
    assert state == State(1, ("a",), {"a": 1})


def test_what_is_not_changed_is_shared() -> None:
    state = State(1)

    assert replace(state, count=2).seen is state.seen


@dataclass(frozen=True, slots=True)
class Stateful:
    state: int
    other: int = 0


def test_a_field_may_be_called_state() -> None:
    assert replace(Stateful(1), state=2) == Stateful(2)


def test_a_field_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="State has no field 'counts'"):
        replace(State(1), counts=2)  # type: ignore[call-arg]


@pytest.mark.parametrize("state", [Single(1), Open(1), Busy(1)])
def test_a_class_that_is_no_state_is_refused(state: Any) -> None:
    with pytest.raises(TypeError, match="no dataclass with slots"):
        replace(state, count=2)
