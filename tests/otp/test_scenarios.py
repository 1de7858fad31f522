"""The language of the scenarios: what is not of it, or cannot be, is told with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.otp.__main__ import main
from tests.otp.recordings import DATA, traces
from tests.otp.runner import trace_of
from tests.otp.scenario import Scenario, ScenarioError, parsed

Json = Any  # values of JSON are what a scenario is made of


def scenario(tree: Json, *steps: Json) -> Scenario:
    return parsed(json.dumps({"name": "test", "tree": tree, "steps": steps}))


def root(*children: Json, **more: Json) -> Json:
    return {"id": "root", "children": list(children), **more}


POOL = root({"id": "tpl", "init": ["fail"], "on_shutdown": {"exit": "normal"}}, strategy="simple_one_for_one")


def short(events: list[Json]) -> str:
    """``+a1`` up, ``-a1`` ended, ``!a1`` failed to start, ``~a1`` ignored, ``(a`` begun; and the kinds of reports."""
    signs = {"started": "+", "exited": "-", "start_failed": "!", "ignored": "~", "init": "("}
    return " ".join(e["kind"] if e["ev"] == "report" else f"{signs[e['ev']]}{e['id']}{e['inc']}" for e in events)


def played(tree: Json, *steps: Json) -> list[str]:
    """What happened in each step."""
    trace: Json = trace_of(scenario(tree, *steps))
    return [short(step["events"]) for step in trace["steps"]]


@pytest.mark.parametrize(
    ("tree", "step", "told"),
    [
        (root(), {"op": "dance"}, "steps.0: "),
        (root(), {"op": "kill"}, "steps.0.kill.child: Field required"),
        (root(), {"op": "kill", "child": "a", "how": "softly"}, "steps.0.kill.how: Extra inputs are not permitted"),
        (root(), {"op": "crash", "child": "a", "reason": "normal"}, "steps.0.crash.reason: "),
        (root(), {"op": "exit", "child": "a", "reason": "error:x"}, "steps.0.exit.reason: "),
        (root(), {"op": "start_child", "sup": "root"}, "start_child takes a spec, or in a pool a label"),
        (root(), {"op": "plan_init", "child": "a", "outcomes": ["perhaps"]}, "steps.0.plan_init.outcomes.0: "),
        (root({"id": "a", "shut": 3}), {"op": "stop"}, "tree.children.0.shut: Extra inputs are not permitted"),
        (root({"kind": "worker"}), {"op": "stop"}, "tree.children.0.id: Field required"),
        (
            root({"id": "a"}, {"id": "m", "kind": "supervisor", "children": [{"id": "a"}]}),
            {"op": "stop"},
            "ids are unique in a scenario; given twice: a",
        ),
    ],
)
def test_what_is_not_of_the_language_is_told_with_its_place(tree: Json, step: Json, told: str) -> None:
    with pytest.raises(ScenarioError) as error:
        scenario(tree, step)

    assert told in str(error.value)


@pytest.mark.parametrize(
    ("tree", "step", "told"),
    [
        (
            root({"id": "m", "kind": "supervisor"}),
            {"op": "crash", "child": "m", "reason": "error:x"},
            "step 1: m is a supervisor: it can be killed, but does not crash by itself",
        ),
        (root({"id": "a"}), {"op": "count_children", "sup": "a"}, "step 1: a is no supervisor"),
        (
            root({"id": "a"}, {"id": "b"}),
            {
                "op": "while_restarting",
                "sup": "root",
                "child": "b",
                "trigger": {"op": "kill", "child": "a"},
                "calls": [],
            },
            "step 1: the trigger does not make root restart b",
        ),
        (
            root({"id": "a", "shutdown": "infinity", "on_shutdown": "hang"}),
            {"op": "stop"},
            "step 1: will never be over: root waits for a child that does not end",
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_step(tree: Json, step: Json, told: str) -> None:
    with pytest.raises(ScenarioError) as error:
        trace_of(scenario(tree, step))

    assert str(error.value) == told


def test_a_call_to_a_supervisor_that_never_was_finds_nobody() -> None:
    trace: Json = trace_of(scenario(root(), {"op": "which_children", "sup": "ghost"}))

    assert trace["steps"][0]["result"] == {"error": "noproc"}


def test_ids_that_the_hub_could_not_use_as_names_and_its_own_names_will_do() -> None:
    tree = root({"id": "board"}, {"id": "WS 4/Börse"}, {"id": "hub"})
    trace: Json = trace_of(scenario(tree, {"op": "kill", "child": "WS 4/Börse"}))

    assert short(trace["steps"][0]["events"]) == "-WS 4/Börse1 child_terminated +WS 4/Börse2"
    assert [child["id"] for child in trace["final"]["children"]] == ["board", "WS 4/Börse", "hub"]


def test_members_of_a_pool_play_what_its_template_says_unless_told_otherwise() -> None:
    steps = [
        {"op": "plan_shutdown", "child": "p2", "on_shutdown": "stop"},
        {"op": "plan_init", "child": "p2", "outcomes": ["ok"]},
        {"op": "start_child", "sup": "root", "label": "p1"},
        {"op": "start_child", "sup": "root", "label": "p2"},
        {"op": "start_child", "sup": "root", "label": "p1"},
        {"op": "stop"},
    ]

    assert played(POOL, *steps)[2:] == ["!p11", "+p21", "+p12", "-p21 -p12 shutdown_error -root1"]


def test_ends_below_a_supervisor_that_reacts_meanwhile_are_its_own_affair() -> None:
    tree = root({"id": "a"}, {"id": "m", "kind": "supervisor", "children": [{"id": "x"}]}, intensity=5)
    ends = [{"op": "kill", "child": "x"}, {"op": "kill", "child": "a"}]

    assert played(tree, {"op": "at_once", "sup": "root", "steps": ends}) == [
        "-x1 child_terminated +x2 -a1 child_terminated +a2"
    ]


def test_below_a_killed_supervisor_workers_are_killed_and_supervisors_end_in_order() -> None:
    low = {"id": "low", "kind": "supervisor", "children": [{"id": "x"}, {"id": "y", "on_shutdown": {"linger_ms": 50}}]}
    tree = root({"id": "mid", "kind": "supervisor", "children": [{"id": "w"}, low]}, intensity=5)
    trace: Json = trace_of(scenario(tree, {"op": "kill", "child": "mid"}))
    events = trace["steps"][0]["events"]

    assert short(events) == "-mid1 -w1 child_terminated (mid2 +w2 (low2 +x2 +y2 +low2 +mid2 -y1 -x1 -low1"
    assert [(e["id"], e["reason"]) for e in events if e["ev"] == "exited"] == [
        ("mid", "killed"), ("w", "killed"), ("y", "shutdown"), ("x", "shutdown"), ("low", "killed"),
    ]  # fmt: skip


def test_a_start_that_fails_is_told_though_others_end_after_it() -> None:
    low = {"id": "low", "kind": "supervisor", "children": [{"id": "x", "on_shutdown": {"linger_ms": 50}}]}
    mid = {"id": "mid", "kind": "supervisor", "shutdown": "brutal_kill", "children": [low]}
    trace: Json = trace_of(scenario(root(mid, {"id": "a", "init": ["fail"]})))

    assert trace["start"]["result"] == {"error": "failed_to_start_child", "child": "a", "reason": "error:init_failed"}
    assert short(trace["start"]["events"]).endswith("!a1 start_error -mid1 !root1 -x1 -low1")


def test_a_root_that_is_killed_leaves_nobody() -> None:
    trace: Json = trace_of(scenario(root({"id": "a"}), {"op": "kill", "child": "root"}, {"op": "stop"}))

    assert [short(step["events"]) for step in trace["steps"]] == ["-root1 -a1", ""]
    assert trace["final"] == {"id": "root", "state": "stopped"}


def test_bounds_are_kept_on_the_clock_that_only_the_scenario_moves() -> None:
    tree = root({"id": "a", "shutdown": 300, "on_shutdown": "hang"})
    steps = [{"op": "wait", "ms": 700, "bounds_ms": [700, 700]}, {"op": "stop", "bounds_ms": [0, 299]}]
    trace: Json = trace_of(scenario(tree, *steps))

    assert [step["within_bounds"] for step in trace["steps"]] == [True, False]


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({"restart": "eternal"}, "invalid_restart_type"),
        ({"shutdown": "grace"}, "invalid_shutdown"),
        ({"shutdown": -1}, "invalid_shutdown"),
        ({"shutdown": 1.5}, "invalid_shutdown"),
        ({"kind": "robot"}, "invalid_child_type"),
        ({"significant": True}, "bad_combination"),
    ],
)
def test_what_a_specification_says_wrongly_is_the_supervisors_to_refuse(spec: Json, what: str) -> None:
    step = {"op": "start_child", "sup": "root", "spec": {"id": "a", **spec}}
    trace: Json = trace_of(scenario(root(), step))

    assert trace["steps"][0] == {
        "step": 1, "op": "start_child", "events": [], "result": {"error": f"invalid:{what}"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ({"strategy": "two_for_one"}, "invalid_strategy"),
        ({"intensity": 1.5}, "invalid_intensity"),
        ({"intensity": True}, "invalid_intensity"),
        ({"period": 0}, "invalid_period"),
        ({"auto_shutdown": "sometimes"}, "invalid_auto_shutdown"),
        ({"strategy": "simple_one_for_one"}, "bad_start_spec"),
        ({"children": [{"id": "a"}, {"id": "a"}]}, "duplicate_child_name"),
    ],
)
def test_a_tree_that_is_refused_starts_nothing(flags: Json, what: str) -> None:
    trace: Json = trace_of(scenario({"id": "root", **flags}))

    assert trace["start"]["result"] == {"error": f"invalid:{what}"}
    assert trace["final"] == {"state": "not_started"}


def test_a_refusal_further_down_is_a_start_that_failed() -> None:
    trace: Json = trace_of(scenario(root({"id": "a"}, {"id": "m", "kind": "supervisor", "intensity": -1})))

    assert trace["start"]["result"] == {
        "error": "failed_to_start_child", "child": "m", "reason": "invalid:invalid_intensity",
    }  # fmt: skip


def test_the_command_writes_a_trace_per_scenario_and_tells_what_is_at_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = (DATA / "scenarios.jsonl").read_text(encoding="utf-8").splitlines()[0]
    name = json.loads(first)["name"]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{name}.json").write_text(first, encoding="utf-8")
    (tmp_path / "in" / "torn.json").write_text(first[:-1], encoding="utf-8")

    status = main([str(tmp_path / "in"), str(tmp_path / "out")])

    assert status == 1
    assert "torn.json: no JSON: " in capsys.readouterr().err
    written = [path.name for path in (tmp_path / "out").iterdir()]
    assert written == [f"{name}.json"]
    trace = json.loads((tmp_path / "out" / f"{name}.json").read_text(encoding="utf-8"))
    assert trace["steps"] == traces()[name]["steps"]


@pytest.mark.parametrize("arguments", [[], ["in"], ["no such folder", "out"]])
def test_the_command_tells_how_it_is_used(arguments: list[str]) -> None:
    assert main(arguments) == 2
