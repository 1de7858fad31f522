"""``serve --dense`` on real programs: one process for all actors, and nobody can tell by what the hub does."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from alluse_hub.cli.client import Answer
from alluse_hub.supervision import processes
from tests.benchmarks.kernel import tcp_listeners
from tests.live.daemons import PATIENCE_S, eventually
from tests.live.hubs import WORKSTREAMS, Hub, configured, digest_of, replay, running_programs, serving

SLOWLY = replay("2004-08-02", "2013-03-01", speed=10.0)
WEEKS = replay("2004-08-02", "2004-08-20")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One that replays slowly while tests look at it and take its parts away."""
    with serving(configured(tmp_path_factory.mktemp("dense"), SLOWLY), "--dense") as served:
        eventually(lambda: served.ask("status")["hub"]["status"] == "healthy", "the hub is healthy")
        yield served


def pids_below(branch: Answer) -> set[int]:
    """Of the actors below this one in the tree."""
    children: list[Answer] = branch.get("children", [])
    return {int(child["pid"]) for child in children}.union(*map(pids_below, children))


def test_all_actors_are_in_the_host_and_it_looks_like_any_hub(hub: Hub) -> None:
    said, tree = hub.run("status", "--json"), hub.ask("tree")["tree"]

    assert said.status == 0
    assert {each["id"]: each["pid"] for each in said.document["workstreams"]} == hub.programs()
    assert pids_below(tree) == {hub.daemon.pid("hub")}
    assert {process.name for process in processes.entered(hub.home)} == {"hub"}


def test_nobody_listens_on_the_network_and_nobody_warns_of_it(hub: Hub) -> None:
    assert tcp_listeners([hub.daemon.process.pid, hub.daemon.pid("hub")]) == 0
    assert "warning" not in hub.daemon.output()


def test_a_killed_program_is_replaced(hub: Hub) -> None:
    program = hub.program("ws5")
    processes.kill(program)

    hub.await_new_program(program)


def test_an_actor_is_restarted_by_order_and_its_program_left_alone(hub: Hub) -> None:
    host, program = hub.daemon.pid("hub"), hub.program("ws1")

    for words in (("restart", "ws1", "--monitor"), ("restart", "coordinator"), ("restart", "auditor")):
        said = hub.run(*words)
        assert (said.status, said.err) == (0, "")

    assert hub.daemon.pid("hub") == host
    assert hub.program("ws1") == program


def test_a_killed_host_is_a_death_of_the_tree_and_the_next_finds_its_programs(hub: Hub) -> None:
    programs = hub.programs()

    hub.daemon.await_replaced(hub.daemon.kill("hub"))

    sessions = hub.sessions
    eventually(lambda: hub.sessions > sessions, "the replay goes on")
    assert hub.programs() == programs
    assert hub.run("trail", "check").status == 0


def test_it_says_what_the_other_bases_say_and_leaves_nothing_behind(tmp_path: Path) -> None:
    home = configured(tmp_path, f'[hub]\nbase = "dense"\n{WEEKS}')
    with serving(home) as hub:
        assert hub.finish() == digest_of(WEEKS)
        assert hub.run("shutdown").status == 0

        assert hub.daemon.process.wait(PATIENCE_S) == 0
        assert running_programs(home) == []
        assert processes.entered(home) == []
        assert "ended: " not in hub.daemon.output()  # nobody had to be killed


def test_a_killed_guardian_leaves_the_tree_to_the_next_which_takes_it_over(tmp_path: Path) -> None:
    home = configured(tmp_path, SLOWLY)
    with serving(home, "--dense") as first:
        programs, host = first.programs(), first.daemon.actor("hub")
        first.daemon.end(signal.SIGKILL)
        assert host is not None
        assert first.ask("status")["hub"]["actors_up"] == 8 + len(WORKSTREAMS)
        with serving(home, "--dense") as second:
            assert not processes.is_alive(host)
            assert second.programs() == programs
            assert second.daemon.end() == 0
