"""What is wrong with a specification is said in Erlang/OTP's words, and in the order in which it looks."""

from typing import Any

import pytest

from alluse_hub.protocols.lifecycle import ChildSpec, ChildStart, Shutdown, SupervisorSpec
from alluse_hub.protocols.message import Json
from alluse_hub.supervision.specs import refusal
from alluse_hub.supervision.tree import start_of

START: Json = {"actor": "some.Actor"}


def child(name: str = "a", **fields: Any) -> Json:
    return {"name": name, "start": dict(START), **fields}


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({}, ""),
        ({"children": [child("a"), child("b", restart="transient", kind="supervisor", grace_s=0)]}, ""),
        ({"strategy": "simple_one_for_one", "children": [child()]}, ""),
        ({"auto_shutdown": "all_significant", "children": [child(significant=True, restart="temporary")]}, ""),
        ({"strategy": "two_for_one"}, "invalid_strategy: 'two_for_one'"),
        ({"intensity": {"restarts": -1}}, "invalid_intensity: -1"),
        ({"intensity": {"period_s": 0}}, "invalid_period: 0"),
        ({"intensity": 3}, "invalid_intensity: 3"),
        ({"auto_shutdown": "sometimes"}, "invalid_auto_shutdown: 'sometimes'"),
        ({"on_limit": "shrug"}, "invalid_flags: on_limit: "),
        ({"children": "a"}, "bad_start_spec: 'a' is no list of children"),
        ({"strategy": "simple_one_for_one"}, "bad_start_spec: a pool has one child, its template, and not 0"),
        ({"strategy": "simple_one_for_one", "children": [child("a"), child("b")]}, "bad_start_spec: "),
        ({"children": [child("a"), child("b"), child("a")]}, "duplicate_child_name: 'a'"),
        ({"children": ["a"]}, "invalid_child_spec: 'a'"),
        ({"children": [child("A B")]}, "invalid_child_id: 'A B'"),
        ({"children": [{"name": "a"}]}, "invalid_start: "),
        ({"children": [child(restart="eternal")]}, "invalid_restart_type: 'eternal'"),
        ({"children": [child(significant="yes")]}, "invalid_significant: 'yes'"),
        ({"children": [child(significant=True, restart="transient")]}, "bad_combination: significant where "),
        (
            {"auto_shutdown": "any_significant", "children": [child(significant=True)]},
            "bad_combination: significant and permanent",
        ),
        ({"children": [child(kind="robot")]}, "invalid_child_type: 'robot'"),
        ({"children": [child(shutdown="soon")]}, "invalid_shutdown: 'soon'"),
        ({"children": [child(grace_s=-1)]}, "invalid_shutdown: -1"),
        ({"children": [child(colour="red")]}, "invalid_child_spec: colour: "),
    ],
)
def test_the_first_thing_wrong_is_said_with_what_was_given(spec: Json, wrong: str) -> None:
    found = refusal(spec)

    assert found.startswith(wrong)
    assert bool(found) == bool(wrong)


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"strategy": "x", "intensity": {"restarts": -1}, "children": [child(restart="x")]}, "invalid_strategy"),
        ({"auto_shutdown": "x", "intensity": {"period_s": -1, "restarts": -1}}, "invalid_intensity"),
        ({"children": [child(shutdown="x", kind="x", restart="x")]}, "invalid_restart_type"),
        ({"children": [child(shutdown="x", kind="x", significant=True)]}, "bad_combination"),
        ({"children": [child(shutdown="x", kind="x")]}, "invalid_child_type"),
        ({"children": [child("a"), child("a"), child("b", restart="x")]}, "duplicate_child_name"),
        ({"children": [child("a"), child("a", restart="x")]}, "invalid_restart_type"),
    ],
)
def test_of_several_things_wrong_the_one_is_said_that_otp_says(spec: Json, word: str) -> None:
    assert refusal(spec).partition(":")[0] == word


def test_a_supervisor_takes_its_time_to_end_unless_something_else_is_said() -> None:
    start = ChildStart.model_validate(START)
    whole: Json = {"name": "a", "start": START, "kind": "supervisor"}

    assert ChildSpec(name="a", start=start).shutdown is Shutdown.GRACE
    assert ChildSpec.model_validate(whole).shutdown is Shutdown.INFINITY
    assert ChildSpec.model_validate({**whole, "grace_s": 3.0}).shutdown is Shutdown.GRACE
    assert ChildSpec.model_validate({**whole, "shutdown": "brutal_kill"}).shutdown is Shutdown.BRUTAL_KILL


def test_what_is_made_of_models_is_not_refused() -> None:
    inner = SupervisorSpec(children=(ChildSpec(name="x", start=ChildStart(actor="some.Actor")),))
    outer = SupervisorSpec(children=(ChildSpec(name="m", start=start_of(inner)),))

    assert refusal(start_of(outer).spec) == ""
