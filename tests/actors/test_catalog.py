"""From a configuration to a tree: who gets a process, and who shares one."""

import pytest

from alluse_hub.actors.catalog import CELL_GRACE_MARGIN_S, MONITOR_GRACE_MARGIN_S, monitor_spec, monitors, tree_of
from alluse_hub.actors.gateway.requests import GatewaySpec
from alluse_hub.protocols.config import HubConfig, parse
from alluse_hub.protocols.detection import DetectorKind
from alluse_hub.protocols.lifecycle import CellSpec, ChildSpec, ChildStart, SupervisorSpec
from alluse_hub.supervision.tree import CELL_ACTOR, cells_of, start_of, supervisors_of


def config(count: int, each: int) -> HubConfig:
    workstreams = "".join(
        f'[[workstream]]\nid = "w{k}"\nname = "W"\nprogram = ["x"]\ngrace_s = {k}.5\n' for k in range(1, count + 1)
    )
    return parse(f"[hub]\nmonitors_per_process = {each}\n{workstreams}", "hub.toml")


def homes(children: tuple[ChildSpec, ...]) -> dict[str, list[str]]:
    """Who lives where."""
    return {
        child.name: [resident.name for resident in CellSpec.model_validate(child.start.spec).residents]
        for child in children
        if child.start.actor == CELL_ACTOR
    }


def gateway(tree: ChildStart) -> GatewaySpec:
    *_, last = SupervisorSpec.model_validate(tree.spec).children
    return GatewaySpec.model_validate(last.start.spec)


def test_each_monitor_has_a_process_unless_they_are_told_to_share() -> None:
    children = monitors(config(3, 1))

    assert [child.name for child in children] == ["w1", "w2", "w3"]
    assert homes(children) == {}
    assert gateway(tree_of(config(3, 1), "0")).cells == {}


@pytest.mark.parametrize(
    ("count", "each", "cells"),
    [
        (4, 2, {"cell-1": ["w1", "w2"], "cell-2": ["w3", "w4"]}),
        (5, 2, {"cell-1": ["w1", "w2"], "cell-2": ["w3", "w4"], "cell-3": ["w5"]}),
        (2, 9, {"cell-1": ["w1", "w2"]}),
        (0, 9, {}),
    ],
)
def test_cells_are_filled_in_the_order_of_the_file(count: int, each: int, cells: dict[str, list[str]]) -> None:
    assert homes(monitors(config(count, each))) == cells


def test_what_lives_in_a_cell_is_what_would_have_a_process() -> None:
    alone = {child.name: (child.start, child.grace_s) for child in monitors(config(3, 1))}
    (cell,) = monitors(config(3, 3))

    residents = CellSpec.model_validate(cell.start.spec).residents

    assert {resident.name: (resident.start, resident.grace_s) for resident in residents} == alone


def test_a_cell_is_given_the_time_of_the_slowest_who_lives_in_it_and_not_of_all() -> None:
    (cell,) = monitors(config(3, 3))

    assert cell.grace_s == 3.5 + MONITOR_GRACE_MARGIN_S + CELL_GRACE_MARGIN_S


def test_the_gateway_knows_cells_as_actors_and_monitors_by_their_cell() -> None:
    spec = gateway(tree_of(config(3, 2), "0"))

    assert {name: spec.supervisors[name] for name in ("cell-1", "cell-2")} == dict.fromkeys(
        ("cell-1", "cell-2"), "workstreams"
    )
    assert "w1" not in spec.supervisors
    assert spec.cells == {"w1": "cell-1", "w2": "cell-1", "w3": "cell-2"}


def test_cells_are_found_however_deep_they_stand() -> None:
    leaf = ChildSpec(name="leaf", start=ChildStart(actor="some.Actor"))
    deep = SupervisorSpec(children=(leaf, *monitors(config(2, 2))))
    tree = start_of(SupervisorSpec(children=(ChildSpec(name="deep", start=start_of(deep)),)))

    assert cells_of(tree, "hub") == {"w1": "cell-1", "w2": "cell-1"}
    assert supervisors_of(tree, "hub") == {"deep": "hub", "leaf": "deep", "cell-1": "deep"}


def test_a_monitor_is_told_which_detector_to_use_and_how() -> None:
    keys = ("detector", "heartbeat_timeout_s", "phi_threshold", "phi_window", "phi_deviation_min_s", "phi_pause_s")
    told = 'detector = "phi"\nheartbeat_timeout_s = 9.0\nphi_threshold = 7.0\nphi_window = 60\n'
    chosen = parse(
        f'[[workstream]]\nid = "w1"\nname = "W"\nprogram = ["x"]\n{told}phi_deviation_min_s = 0.5\nphi_pause_s = 2.0\n',
        "hub.toml",
    )
    plain = config(1, 1)

    specs = [monitor_spec(each, each.workstreams[0]) for each in (chosen, plain)]

    assert [tuple(getattr(spec, key) for key in keys) for spec in specs] == [
        (DetectorKind.PHI, 9.0, 7.0, 60, 0.5, 2.0),
        (DetectorKind.DEADLINE, 5.0, 8.0, 100, 0.1, 1.0),
    ]
