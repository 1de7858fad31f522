"""The tree on real processes, on both bases that have them: one process an actor, and kill means SIGKILL."""

import signal
from pathlib import Path

import pytest

from alluse_hub.supervision import processes
from tests.live.daemons import eventually, running, start

TOY = ("-m", "tests.live.toy_daemon")

on_both = pytest.mark.parametrize("base", ["engine", "stock"])


@on_both
def test_a_killed_actor_is_replaced_and_its_siblings_are_left_alone(tmp_path: Path, base: str) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home), base) as daemon:
        sibling = daemon.pid("b")
        killed = daemon.kill("a")

        daemon.await_replaced(killed)
        assert daemon.pid("b") == sibling


@on_both
def test_the_children_of_a_killed_supervisor_go_with_it_and_all_are_replaced(tmp_path: Path, base: str) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home), base) as daemon:
        children = [process for name in ("a", "b") if (process := daemon.actor(name))]
        killed = daemon.kill("pair")

        eventually(lambda: not any(processes.is_alive(child) for child in children), "the children ended")
        daemon.await_replaced(killed, *children)


@on_both
def test_a_killed_root_is_a_death_of_the_tree_and_the_guardian_starts_it_again(tmp_path: Path, base: str) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home), base) as daemon:
        leaf = daemon.actor("a")
        killed = daemon.kill("hub")

        assert leaf is not None
        daemon.await_replaced(killed, leaf)
        assert daemon.process.poll() is None


@on_both
def test_a_killed_admin_is_repaired_as_well(tmp_path: Path, base: str) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home), base) as daemon:
        eventually(lambda: daemon.pid("admin") != 0, "the admin is in the register")
        root = daemon.actor("hub")
        daemon.kill("admin")

        assert root is not None
        daemon.await_replaced(root)


@on_both
def test_term_ends_everything_in_order(tmp_path: Path, base: str) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home), base) as daemon:
        everybody = processes.entered(home)

        assert daemon.end() == 0
        assert [process.name for process in everybody if processes.is_alive(process)] == []
        assert "ended: " not in daemon.output()  # nobody had to be killed


@on_both
def test_a_second_daemon_on_the_same_home_is_refused(tmp_path: Path, base: str) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home), base) as daemon:
        second = start(home, *TOY, str(home), base)

        assert second.process.wait(30) != 0
        assert f"pid {daemon.process.pid}" in daemon.output()
        assert daemon.pid("a") != 0


@on_both
def test_the_next_start_ends_what_a_killed_daemon_left_over(tmp_path: Path, base: str) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home), base) as first:
        left = first.actor("a")
        first.end(signal.SIGKILL)
        with running(home, *TOY, str(home), base) as second:
            assert left is not None
            eventually(lambda: not processes.is_alive(left), "the leftover ended")
            assert second.pid("a") not in {0, left.pid}


def test_an_actor_that_hangs_over_a_letter_is_ended_by_the_kernel_and_replaced(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home), "engine", "sleeper") as daemon:
        sleeper, sibling = daemon.actor("sleeper"), daemon.pid("a")

        assert sleeper is not None
        daemon.await_replaced(sleeper)
        assert daemon.pid("a") == sibling
