"""A kill -9 on real processes, and the one question afterwards: what happened, and for how long?"""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from alluse_hub.supervision import processes
from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, replay, serving

SLOWLY = replay("2004-08-02", "2004-12-31", speed=2.0)


def incident(hub: Hub, name: str, step: str = "ready") -> Any:  # JSON
    """Of the last crash of ``name``, when all are back and the store has it, and that ``step``."""
    found: list[Any] = []

    def is_told() -> bool:
        told = hub.ask("why", name=name).get("incident") or {}
        found.append(told)
        return bool(told.get("is_over")) and step in {each["what"] for each in told["steps"]}

    eventually(is_told, f"the incident of {name}: {found[-1:]}")
    return found[-1]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with serving(configured(tmp_path_factory.mktemp("why"), SLOWLY)) as hub:
        hub.reach(1)
        yield hub


def test_after_a_kill_one_question_tells_what_it_led_to(hub: Hub) -> None:
    hub.daemon.await_replaced(hub.daemon.kill("ws3"))
    monitor = incident(hub, "ws3", "found again")  # its program ran all the time

    assert monitor["trigger"]["kind"] == "crash"
    assert monitor["trigger"]["name"] == "ws3"
    assert [step["name"] for step in monitor["steps"] if step["what"] == "ready"] == ["ws3"]
    assert 0.0 < monitor["took_s"] < 30.0

    said = hub.run("why", "ws3")
    assert "ws3 crashed (" in said.out
    assert f"trail tail --correlation {monitor['correlation']}" in said.out
    chain = hub.run("trail", "tail", "--correlation", monitor["correlation"], "-n", "500", "--json")
    assert {"ChildEnded", "ChildStarted", "Booted", "PeerUp"} <= {
        line.split('"message": "')[1].split('"')[0] for line in chain.out.splitlines()
    }

    program = hub.program("ws2")
    processes.kill(program, signal.SIGKILL)
    hub.await_new_program(program)
    own = incident(hub, "ws2")
    assert own["trigger"]["name"] == "ws2's program"
    assert [step["what"] for step in own["steps"]] == ["ended", "starts", "ready"]

    hub.daemon.kill("coordination")
    eventually(lambda: incident(hub, "coordination")["trigger"]["name"] == "coordination", "its own incident")
    middle = incident(hub, "coordination")
    assert set(middle["with_it"]) == {"board", "coordinator", "replicator", "router"}
    assert middle["missing"] == []


def test_what_an_order_would_do_is_told_and_nothing_is_changed(hub: Hub) -> None:
    pids = hub.programs() | {name: hub.daemon.pid(name) for name in ("coordination", "router", "board")}

    told = hub.run("restart", "coordination", "--dry-run", "--json").document
    assert (told["goes_down"], told["comes_back"]) == (["coordination"], ["coordination"])
    assert told["below"] == ["board", "coordinator", "router", "replicator"]
    assert told["failure"]["outcome"] in {"gives_up", "parked", "hub_ends"}

    said = hub.run("restart", "ws3", "--dry-run")
    assert said.status == 0
    assert "ws3's program" in said.out
    assert "leave for a while without ws3: ws4, ws5" in said.out
    assert "nothing was changed" in said.out
    assert hub.run("stop", "ws3", "--monitor", "--dry-run", "--json").document["comes_back"] == []
    assert hub.run("restart", "ws9", "--dry-run").status == 6

    assert hub.programs() | {name: hub.daemon.pid(name) for name in ("coordination", "router", "board")} == pids
