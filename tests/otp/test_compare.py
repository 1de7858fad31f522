"""A comparison that overlooks something would make every trace agree."""

from copy import deepcopy
from typing import Any

import pytest

from tests.otp.compare import differences

Json = Any  # values of JSON are what a trace is made of

UP: Json = {"ev": "started", "id": "a", "inc": 1}
GONE: Json = {"ev": "exited", "id": "a", "inc": 1, "reason": "killed"}
REPORT: Json = {"ev": "report", "sup": "root", "kind": "child_terminated", "child": "a", "reason": "killed"}
OTHER: Json = {"ev": "exited", "id": "b", "inc": 1, "reason": "shutdown"}
LISTED: Json = [
    {"id": "a", "kind": "worker", "state": "running", "inc": 1},
    {"id": "b", "kind": "worker", "state": "stopped"},
]


def trace(*events: Json, result: Json = None, **step: Json) -> Json:
    return {
        "scenario": "test",
        "start": {"result": {"ok": "started"}, "events": [UP]},
        "steps": [{"step": 1, "op": "kill", "result": result, "events": list(events), **step}],
        "final": {"id": "root", "state": "running", "children": [{"id": "a"}, {"id": "b"}]},
        "teardown": {"events": [GONE]},
    }


def test_a_trace_agrees_with_itself() -> None:
    assert differences(trace(GONE, REPORT), trace(GONE, REPORT)) == []


@pytest.mark.parametrize(
    "ours",
    [
        (),
        (GONE,),
        (REPORT, GONE),
        (GONE, REPORT, OTHER),
        (GONE, {**REPORT, "reason": "normal"}),
        (GONE, REPORT | {"children": 2}),
        (GONE, GONE, REPORT),
    ],
)
def test_an_event_more_less_elsewhere_or_otherwise_is_a_difference(ours: tuple[Json, ...]) -> None:
    assert len(differences(trace(GONE, REPORT), trace(*ours))) == 1


def test_events_of_a_group_may_come_in_any_order_but_not_elsewhere() -> None:
    recorded = trace(UP, {"unordered": [GONE, OTHER]}, REPORT)

    assert differences(recorded, trace(UP, OTHER, GONE, REPORT)) == []
    assert differences(recorded, trace(UP, OTHER, REPORT, GONE)) != []
    assert differences(recorded, trace(OTHER, UP, GONE, REPORT)) != []


def test_a_free_event_may_lie_anywhere_but_must_be_there() -> None:
    recorded = trace(GONE, {**OTHER, "free": True}, REPORT)

    for ours in ((OTHER, GONE, REPORT), (GONE, REPORT, OTHER)):
        assert differences(recorded, trace(*ours)) == []
    assert differences(recorded, trace(GONE, REPORT)) != []


@pytest.mark.parametrize(
    ("want", "have", "agrees"),
    [
        ({"ok": True}, {"ok": True}, True),
        ({"ok": True}, {"ok": "started"}, False),
        (LISTED, LISTED[::-1], True),
        (LISTED, LISTED[:1], False),
        (LISTED, [LISTED[0], {**LISTED[1], "state": "restarting"}], False),
        ([{**LISTED[0], "id": None, "inc": 3}], [LISTED[0]], False),
        ([{"id": None, "kind": "worker", "state": "restarting"}], [{**LISTED[1], "state": "restarting"}], True),
        ([LISTED, {"ok": True}], [LISTED[::-1], {"ok": True}], True),
        ([LISTED, {"ok": True}], [{"ok": True}, LISTED], False),
        ([], [], True),
        ([], None, False),
    ],
)
def test_results_are_compared_whole_but_for_the_order_of_listings(want: Json, have: Json, agrees: bool) -> None:
    assert (differences(trace(result=want), trace(result=have)) == []) is agrees


def test_bounds_count_where_the_recorded_step_kept_them() -> None:
    kept, broken = trace(within_bounds=True), trace(within_bounds=False)

    assert differences(kept, broken) == ["step 1 (kill): took too short or too long a time"]
    assert differences(broken, kept) == []


def test_of_a_refused_start_only_the_result_counts() -> None:
    recorded = trace()
    recorded["start"]["result"] = {"error": "invalid:invalid_period"}
    ours = deepcopy(recorded)
    ours["start"]["events"] = []

    assert differences(recorded, ours) == []
    assert differences(recorded, trace()) != []


def test_starts_finals_teardowns_and_the_number_of_steps_are_compared() -> None:
    recorded = trace()
    changes: tuple[Json, ...] = (
        {"start": {"result": {"ok": "started"}, "events": []}},
        {"final": {"id": "root", "state": "stopped"}},
        {"teardown": {"events": []}},
        {"steps": []},
    )

    for change in changes:
        assert len(differences(recorded, recorded | change)) == 1


def test_children_of_the_final_tree_are_compared_in_any_order() -> None:
    ours = trace()
    ours["final"]["children"].reverse()

    assert differences(trace(), ours) == []
