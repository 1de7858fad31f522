"""``serve`` and the control script, as a person has them: real processes, exit statuses, JSON."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from alluse_hub.supervision import processes
from tests.benchmarks.kernel import tcp_listeners
from tests.live.daemons import PATIENCE_S, eventually
from tests.live.hubs import (
    WORKSTREAMS,
    Hub,
    configured,
    control,
    digest_of,
    replay,
    running_programs,
    serving,
)

SLOWLY = replay("2004-08-02", "2013-03-01", speed=10.0)
MONTHS = ("2004-08-02", "2004-10-29")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One that replays slowly while tests look at it and give it orders that they take back."""
    with serving(configured(tmp_path_factory.mktemp("serve"), SLOWLY)) as served:
        served.reach(3)
        eventually(lambda: served.ask("status")["hub"]["status"] == "healthy", "the hub is healthy")
        yield served


# --- looking ---------------------------------------------------------------------------------------------------------


def test_status_tells_of_the_hub_and_its_workstreams(hub: Hub) -> None:
    said = hub.run("status", "--json")

    assert (said.status, said.err) == (0, "")
    assert said.document["schema"] == "alluse-hub/status"
    assert [workstream["id"] for workstream in said.document["workstreams"]] == list(WORKSTREAMS)
    assert {workstream["id"]: workstream["pid"] for workstream in said.document["workstreams"]} == hub.programs()


def test_status_of_one_names_its_program_and_what_depends_on_it(hub: Hub) -> None:
    said = hub.run("status", "ws3")

    assert said.status == 0
    assert f"pid {hub.program('ws3').pid}" in said.out
    assert "Market Intelligence" in said.out


@pytest.mark.parametrize("words", [("status", "ws9"), ("why", "ws9"), ("restart", "ws9"), ("stop", "rooter")])
def test_a_name_that_is_none_is_not_found(hub: Hub, words: tuple[str, ...]) -> None:
    said = hub.run(*words, "--json")

    assert said.status == 6
    assert said.out == ""
    assert words[-1] in said.refusal["message"]


def test_the_tree_is_the_tree(hub: Hub) -> None:
    said = hub.run("tree", "--json")
    tree = said.document["tree"]
    children = {child["name"]: [each["name"] for each in child.get("children", ())] for child in tree["children"]}

    assert said.status == 0
    assert children == {
        "auditor": [],
        "coordination": ["board", "coordinator", "router", "replicator"],
        "workstreams": list(WORKSTREAMS),
        "gateway": [],
    }


def test_flows_are_measured(hub: Hub) -> None:
    said = hub.run("flows", "--json")
    flows = {flow["flow"]: flow for flow in said.document["flows"]}

    assert said.status == 0
    assert flows["ws3-ws4"]["events"] > 0
    assert 0 < flows["ws3-ws4"]["latency_p50_ms"] <= flows["ws3-ws4"]["latency_p99_ms"]


def test_events_come_oldest_first_and_can_be_chosen(hub: Hub) -> None:
    said = hub.run("events", "--json", "-n", "3", "--type", "session_opened", "--source", "ws3")
    events = [line for line in said.out.splitlines() if line]

    assert said.status == 0
    assert len(events) == 3
    assert all('"event": "session_opened"' in line for line in events)


def test_why_of_a_workstream_an_event_and_a_rule(hub: Hub) -> None:
    for name, told in (
        ("ws4", "ws4"),
        ("ws3#1", "what led to it"),
        ("volatility-pause", "volatility-pause"),
        ("ws4/trading", "ws4/trading is "),
        ("ws3-ws4", "ws3-ws4"),
        ("router", "router"),
    ):
        said = hub.run("why", name)
        assert (said.status, said.err) == (0, ""), name
        assert told in said.out


def test_conflicts_and_rules_can_be_looked_at(hub: Hub) -> None:
    conflicts, rules = hub.run("conflicts", "--json"), hub.run("rules", "list", "--json")

    assert (conflicts.status, rules.status) == (0, 0)
    assert conflicts.document["resources"][0]["resource"] == "ws4/trading"
    assert len(rules.document["rules"]) == 5


def test_the_trail_can_be_read_while_it_is_written(hub: Hub) -> None:
    tail = hub.run("trail", "tail", "--json", "-n", "5")
    entries = tail.out.splitlines()
    check = hub.run("trail", "check", "--json")

    assert (tail.status, check.status) == (0, 0)
    assert len(entries) == 5
    assert check.document["whole"] is True
    assert check.document["entries"] > 100


def test_the_configuration_in_force_is_shown_and_is_a_configuration(hub: Hub, tmp_path: Path) -> None:
    shown = hub.run("config", "show")
    (tmp_path / "again.toml").write_text(shown.out, encoding="utf-8")
    checked = control(hub.home, "config", "check", str(tmp_path / "again.toml"))

    assert shown.status == 0
    assert "speed = 10.0" in shown.out
    assert (checked.status, checked.err) == (0, "")


def test_without_a_daemon_the_control_script_says_how_to_start_one(tmp_path: Path) -> None:
    said = control(tmp_path / "nobody", "status", "--json")

    assert said.status == 4
    assert "serve" in said.refusal["hint"]


# --- orders ----------------------------------------------------------------------------------------------------------


def test_restart_replaces_the_program_and_leaves_its_monitor(hub: Hub) -> None:
    program, monitor = hub.program("ws2"), hub.daemon.pid("ws2")
    said = hub.run("restart", "ws2", "--reason", "a test", "--json")

    assert (said.status, said.err) == (0, "")
    assert not processes.is_alive(program)
    assert hub.program("ws2").pid != program.pid
    assert hub.daemon.pid("ws2") == monitor


def test_restart_of_a_monitor_leaves_its_program(hub: Hub) -> None:
    program, monitor = hub.program("ws1"), hub.daemon.pid("ws1")
    said = hub.run("restart", "ws1", "--monitor")

    assert (said.status, said.err) == (0, "")
    eventually(lambda: hub.daemon.pid("ws1") not in {0, monitor}, "a new monitor")
    assert hub.program("ws1") == program


def test_what_is_stopped_stays_down_until_it_is_started(hub: Hub) -> None:
    program = hub.program("ws5")
    stopped = hub.run("stop", "ws5", "--json")
    after = hub.run("status", "ws5", "--json").document["workstream"]
    started = hub.run("start", "ws5", "--json")

    assert (stopped.status, started.status) == (0, 0)
    assert after["status"] == "stopped"
    assert not processes.is_alive(program)
    assert hub.program("ws5").pid != program.pid


def test_maintenance_is_switched_on_and_off(hub: Hub) -> None:
    on = hub.run("maintenance", "ws1", "on", "--reason", "a test", "--json")
    during = hub.run("status", "ws1", "--json").document["workstream"]["status"]
    off = hub.run("maintenance", "ws1", "off", "--json")

    assert (on.status, off.status) == (0, 0)
    assert during == "maintenance"
    eventually(lambda: hub.workstream("ws1")["status"] in {"active", "idle", "busy"}, "maintenance is over")


def test_a_flow_is_paused_and_resumed(hub: Hub) -> None:
    paused = hub.run("flow", "pause", "ws3-ws1", "--json")
    eventually(lambda: _flow(hub, "ws3-ws1")["held"] > 0, "events are held")
    resumed = hub.run("flow", "resume", "ws3-ws1", "--json")

    assert (paused.status, resumed.status) == (0, 0)
    eventually(lambda: _flow(hub, "ws3-ws1")["held"] == 0, "what was held has gone on")


def test_who_ordered_what_and_why_is_in_the_trail(hub: Hub) -> None:
    hub.run("restart", "board", "--reason", "to see it in the trail")

    def is_there() -> bool:
        tail = hub.run("trail", "tail", "--json", "-n", "20", "--message", "OrderGiven")
        return '"to see it in the trail"' in tail.out

    eventually(is_there, "the order is in the trail")


def test_the_auditor_is_not_stopped_alone(hub: Hub) -> None:
    said = hub.run("stop", "auditor", "--json")

    assert said.status == 7
    assert "nothing could be recorded" in said.refusal["message"]


def _flow(hub: Hub, name: str) -> dict[str, int]:
    return next(flow for flow in hub.ask("flows")["flows"] if flow["flow"] == name)


# --- the daemon ------------------------------------------------------------------------------------------------------


def test_a_second_daemon_on_the_same_home_is_refused_with_the_pid_of_the_first(hub: Hub) -> None:
    said = control(hub.home, "serve")

    assert said.status == 7
    assert f"pid {hub.daemon.process.pid}" in said.err
    assert hub.daemon.process.poll() is None


def test_shut_down_and_started_again_it_goes_on_where_it_was(tmp_path: Path) -> None:
    home = configured(tmp_path, replay(*MONTHS, speed=60.0))
    with serving(home) as first:
        first.reach(12)
        assert first.run("shutdown", "--reason", "the first half is over", "--json").status == 0
        assert first.daemon.process.wait(PATIENCE_S) == 0
        assert running_programs(home) == []
    with serving(home) as second:
        eventually(lambda: second.sessions >= 12, "it knows where it was")
        digest = second.finish()

        assert second.ask("progress")["sessions"] == second.ask("progress")["of"]
        assert digest == digest_of(replay(*MONTHS))
        assert second.run("trail", "check").status == 0
        eventually(
            lambda: {second.workstream(name)["program_starts"] for name in WORKSTREAMS} == {2}, "each was started again"
        )


def test_it_tells_the_service_manager_when_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with serving(configured(tmp_path, SLOWLY)) as hub:
            assert b"READY=1" in manager.recv(4_096).splitlines()
            hub.daemon.end()
            assert b"STOPPING=1" in manager.recv(4_096).splitlines()


def test_term_drains_what_is_under_way_and_ends_everything(tmp_path: Path) -> None:
    home = configured(tmp_path, replay(*MONTHS))
    with serving(home) as hub:
        hub.reach(5)
        everybody = processes.entered(home)

        assert hub.daemon.end(signal.SIGTERM) == 0
        assert [process.name for process in everybody if processes.is_alive(process)] == []
        assert running_programs(home) == []
        assert "ended: " not in hub.daemon.output()  # nobody had to be killed


def test_shutdown_may_leave_the_programs_running_for_the_next_daemon(tmp_path: Path) -> None:
    home = configured(tmp_path, replay(*MONTHS, speed=60.0))
    with serving(home) as first:
        first.reach(3)
        programs = first.programs()
        assert first.run("shutdown", "--keep-workstreams").status == 0
        assert first.daemon.process.wait(PATIENCE_S) == 0
        assert all(processes.start_ticks(pid) for pid in programs.values())
        with serving(home) as second:
            second.reach(6)
            assert second.programs() == programs


def test_the_home_is_closed_to_others(hub: Hub) -> None:
    modes = {path: (hub.home / path).stat().st_mode & 0o777 for path in (".", "trail", "run", "log", "state")}

    assert set(modes.values()) == {0o700}


def test_no_process_of_the_hub_listens_on_a_port(hub: Hub) -> None:
    """Guardian, host, admin, logger, every actor, and the programs."""
    pids = [hub.daemon.process.pid, *(process.pid for process in processes.entered(hub.home)), *hub.programs().values()]

    assert len(pids) > 15
    assert tcp_listeners([pid for pid in pids if processes.start_ticks(pid)]) == 0
