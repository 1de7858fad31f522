"""Syncs on real processes: the shipped three are verified at every target, over deaths and over a target gone stale."""

import re
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, replay, serving
from tests.simulation.recount import Recount
from tests.simulation.test_figures_stored import rows_in

SLOWLY = replay("2004-08-02", "2013-03-01", speed=4.0)

SYNCS = """
[[sync]]
id = "market_data"
source = "ws3"
targets = ["ws4", "ws5"]
pace_s = 0.2
anti_entropy_s = 2.0

[[sync]]
id = "at_open"
source = "ws3"
dataset = "market_data"
targets = ["ws1"]
mode = "on_event"
event = "session_opened"
when = "index > 3 && size(symbols) > 1"
verify = "sample(1)"
anti_entropy_s = 600.0
"""

EDGES = {
    *(("market_data", "ws4"), ("market_data", "ws5")),
    *(("protocol_config", "ws3"), ("protocol_config", "ws4"), ("protocol_config", "ws5")),
    *(("ml_models", "ws1"), ("ml_models", "ws2"), ("ml_models", "ws3"), ("ml_models", "ws4")),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with serving(configured(tmp_path_factory.mktemp("sync"), SLOWLY + SYNCS)) as hub:
        yield hub


def edges(hub: Hub) -> dict[tuple[str, str], Any]:
    return {(sync["sync"], edge["target"]): edge for sync in hub.ask("syncs")["syncs"] for edge in sync["targets"]}


def verified(hub: Hub, sync: str, target: str) -> int:
    return int(edges(hub)[sync, target]["ever"]["verified"])


def version(hub: Hub) -> int:
    """Of the market data that ws4 was proved to hold."""
    return int(edges(hub)["market_data", "ws4"]["verified"]["vector"].get("ws3", 0))


def test_the_shipped_syncs_are_verified_at_every_target(hub: Hub) -> None:
    eventually(lambda: {e for e, shown in edges(hub).items() if shown["ever"]["verified"]} >= EDGES, "all verified")
    eventually(lambda: verified(hub, "market_data", "ws4") >= 5, "the market goes on")

    eventually(lambda: edges(hub)["at_open", "ws1"]["ever"]["sampled"] > 0, "the condition is true")
    shown = edges(hub)
    assert all(edge["success"] == 1.0 for edge in shown.values())
    listed = hub.run("sync", "list")
    assert listed.status == 0
    assert "100.00 %" in listed.out
    assert "protocol_config" in hub.run("sync", "show", "protocol_config").out


def test_a_sync_on_a_condition_tells_what_that_said_and_that_it_was_verified_by_a_sample(hub: Hub) -> None:
    eventually(lambda: edges(hub)["at_open", "ws1"]["sampled"] == 1, "shown as a sample")

    assert edges(hub)["at_open", "ws1"]["ever"]["verified"] == 0  # a sample is not the whole
    told = " ".join(hub.run("sync", "show", "at_open").out.split())
    assert "index > 3 && size(symbols) > 1; true " in told
    assert "because index > 3 && size(symbols) > 1 (index = " in told
    assert "verified by sample(1); the whole is not proved yet at ws1" in told
    assert "  sample " in hub.run("sync", "list").out
    met = hub.ask("trail", messages=["SyncEventMet"], kind="fact", limit=10)["entries"]
    assert {entry["body"]["sync"] for entry in met} == {"at_open"}


def test_a_person_pauses_forces_and_plays(hub: Hub) -> None:
    assert hub.run("sync", "pause", "market_data", "--reason", "a try").out == "market_data: paused\n"
    forced = hub.run("sync", "force", "market_data")
    assert forced.status == 0, forced.err
    assert re.match("ws4(, ws5 hold| holds) market_data ws3:", forced.out)
    held = int(forced.out.split("ws3:")[1].split()[0])
    eventually(lambda: version(hub) == held, "the board has it")  # it is shown a picture every 2 s
    hub.reach(hub.sessions + 12)
    assert version(hub) == held

    assert hub.run("sync", "play", "market_data").out == "market_data: playing\n"
    eventually(lambda: version(hub) > held + 4, "it goes on")
    assert hub.run("sync", "force", "marketdata").status == 6


def test_a_target_that_has_lost_its_copies_is_found_and_repaired(hub: Hub) -> None:
    eventually(lambda: verified(hub, "ml_models", "ws4") >= 1, "verified once")
    before = verified(hub, "ml_models", "ws4")
    assert hub.run("stop", "ws4", "--reason", "a disk is lost").status == 0
    for path in (hub.home / "state" / "ws4").iterdir():
        if path.is_file() and path.name != "lock":
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
    assert hub.run("start", "ws4").status == 0

    eventually(lambda: verified(hub, "ml_models", "ws4") > before, "repaired")
    drifts = hub.ask("trail", messages=["DriftFound"], kind="fact", limit=100)["entries"]
    assert ("ml_models", "ws4") in {(entry["body"]["sync"], entry["body"]["target"]) for entry in drifts}


def test_a_killed_replicator_goes_on_and_forgets_nothing(hub: Hub) -> None:
    before = verified(hub, "market_data", "ws5")
    hub.daemon.await_replaced(hub.daemon.kill("replicator"))

    eventually(lambda: verified(hub, "market_data", "ws5") > before + 2, "it goes on counting where it was")
    assert edges(hub)["market_data", "ws5"]["success"] == 1.0


def test_the_figures_of_coordination_are_those_counted_again_with_sql(hub: Hub) -> None:
    eventually(lambda: verified(hub, "market_data", "ws4") >= 2, "something came due")
    until = time.time()
    hub.reach(hub.sessions + 12)  # three seconds: all that was said until then is stored

    told = hub.ask("figures", last_s=0, until=until)
    Recount(rows_in(hub.home), float("-inf"), told["until"]).check(told)
    assert told["work"]["deliveries"]["due"] > 0

    shown = hub.run("coordination", "--json").document
    assert len(shown["workstreams"]) == shown["headline"]["workstreams"] == 5
    assert shown["headline"]["score"] == shown["figures"]["score"] is not None
    assert shown["headline"]["syncs"] == 4
