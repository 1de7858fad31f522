"""The whole hub with monitors that share processes, in virtual time: nobody can tell by the events."""

import pytest

from alluse_hub.testing import TestHub
from tests.simulation.conftest import Calm, same_as_calm
from tests.simulation.spans import LISTING, ROUGH, is_over, played

CELLS = "[hub]\nmonitors_per_process = 2\n"
HOMES = {"ws1": "cell-1", "ws2": "cell-1", "ws3": "cell-2", "ws4": "cell-2", "ws5": "cell-3"}


def test_cells_change_no_event_and_no_decision(calm: dict[str, Calm]) -> None:
    with played(CELLS + LISTING) as hub:
        same_as_calm(hub, calm[LISTING])


def test_nor_do_crashes_and_losses_when_those_in_a_cell_die_together(calm: dict[str, Calm]) -> None:
    with played(CELLS + LISTING, 3, ROUGH) as hub:
        assert {entry.actor for entry in hub.facts("Booted") if entry.incarnation > 1} >= set(HOMES)
        same_as_calm(hub, calm[LISTING])


@pytest.mark.parametrize("victim", ["ws3", "cell-2"])
def test_whoever_dies_in_a_cell_all_of_it_begins_a_new_life_and_nobody_else(victim: str) -> None:
    with TestHub(CELLS + LISTING, seed=4) as hub:
        hub.run_sessions(3)
        hub.crash(victim)
        hub.run_sessions(3)

        lives = {name: hub.world.actors[name].life.spool.incarnation for name in (*HOMES, *HOMES.values())}
        assert lives == {name: 2 if name in {"ws3", "ws4", "cell-2"} else 1 for name in lives}
        (restarted,) = hub.facts("ChildRestarted")
        assert restarted.body["name"] == "cell-2"
        assert restarted.body["cause"] == ("error: ws3 ended: killed" if victim == "ws3" else "killed")


def test_the_tree_shows_cells_and_who_lives_in_them() -> None:
    with TestHub(CELLS + LISTING) as hub:
        hub.advance(1.0)
        root = hub.view("tree")["tree"]
        (workstreams,) = (child for child in root["children"] if child["name"] == "workstreams")

        shown = {cell["name"]: [(each["name"], each["state"]) for each in cell["children"]]
                 for cell in workstreams["children"]}  # fmt: skip
        assert shown == {
            "cell-1": [("ws1", "ready"), ("ws2", "ready")],
            "cell-2": [("ws3", "ready"), ("ws4", "ready")],
            "cell-3": [("ws5", "ready")],
        }


def test_the_hub_ends_in_order_with_all_its_cells() -> None:
    with TestHub(CELLS + LISTING, seed=2) as hub:
        hub.run_until(lambda: is_over(hub))
        hub.shut_down()

        ends = {entry.body["name"]: entry.body["cause"] for entry in hub.facts("ChildEnded")}
        assert {ends[name] for name in (*HOMES, *HOMES.values())} == {"shutdown"}
        assert [name for name, actor in hub.world.actors.items() if actor.is_alive] == []
