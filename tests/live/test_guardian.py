"""What the guardian sees from outside: whatever carries the tree may die, be stopped or be told to end by a stray."""

import signal
import time
from pathlib import Path

import pytest

from alluse_hub.supervision import processes
from alluse_hub.supervision.guardian import STOPPED_S
from alluse_hub.supervision.host_line import ASK_S, PULSE_S
from tests.live.daemons import Daemon, eventually, running, start
from tests.live.toy_daemon import SILENT_S

TOY = ("-m", "tests.live.toy_daemon")

SPARE_S = 5.0
"""Of a machine at work."""


def registered(daemon: Daemon, name: str) -> None:
    eventually(lambda: daemon.pid(name) != 0, f"{name} is in the register")


def test_a_killed_host_is_a_death_of_the_tree(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home)) as daemon:
        root = daemon.actor("hub")
        daemon.kill("host")

        assert root is not None
        daemon.await_replaced(root)
        assert "the host died" in daemon.output()


def test_a_stray_sigterm_ends_an_actor_which_is_restarted_and_the_host_takes_none(tmp_path: Path) -> None:
    """A leaf, a supervisor, the root; each with its children is as after a death."""
    home = tmp_path / "hub"
    with running(home, *TOY, str(home)) as daemon:
        host = daemon.kill("host", signal.SIGTERM)
        for name in ("door", "pair", "hub"):
            daemon.await_replaced(daemon.kill(name, signal.SIGTERM))
            if name == "pair":
                assert daemon.output().count("the tree died") == 0
                assert processes.is_alive(host)
        eventually(lambda: daemon.output().count("ready:") == 2, "the tree is up again")

        assert daemon.end() == 0


def test_a_root_that_dies_before_all_is_up_is_not_waited_for(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home)) as daemon:
        root = daemon.kill("hub")
        eventually(lambda: daemon.pid("hub") not in {0, root.pid}, "the next root")
        again = daemon.kill("hub")  # long before it says that it is ready, which takes a few more forks
        began = time.monotonic()

        daemon.await_replaced(again)
        eventually(lambda: daemon.output().count("ready:") >= 2, "the tree is up again")
        assert time.monotonic() - began < 30.0  # and not after START_S


@pytest.mark.deep
def test_two_ends_at_once_leave_nothing(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    daemon = start(home, *TOY, str(home))
    daemon.ready()
    everybody = processes.entered(home)

    daemon.process.send_signal(signal.SIGTERM)
    status = daemon.end(signal.SIGTERM)

    assert status in {0, 11}  # the first may have been enough
    assert [process.name for process in everybody if processes.is_alive(process)] == []


@pytest.mark.deep
@pytest.mark.parametrize("name", ["hub", "host"])
def test_what_is_stopped_is_noticed_within_the_bound_and_the_tree_begun_again(tmp_path: Path, name: str) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home)) as daemon:
        root = daemon.actor("hub")
        began = time.monotonic()
        daemon.kill(name, signal.SIGSTOP)

        assert root is not None
        daemon.await_replaced(root)
        assert time.monotonic() - began < SILENT_S + PULSE_S + ASK_S + SPARE_S
        assert "have given no sign of life for" in daemon.output()
        assert daemon.end() == 0


@pytest.mark.deep
def test_a_stopped_admin_is_noticed_and_a_stopped_logger_replaced(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home)) as daemon:
        registered(daemon, "logger")
        root = daemon.actor("hub")
        logger = daemon.kill("logger", signal.SIGSTOP)
        eventually(lambda: not processes.is_alive(logger), "the logger is ended")
        assert daemon.actor("hub") == root

        began = time.monotonic()
        daemon.kill("admin", signal.SIGSTOP)
        assert root is not None
        daemon.await_replaced(root)
        assert time.monotonic() - began < STOPPED_S + PULSE_S + SPARE_S
        assert daemon.end() == 0


@pytest.mark.deep
def test_a_guardian_that_was_stopped_itself_holds_it_against_nobody(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    with running(home, *TOY, str(home)) as daemon:
        root = daemon.actor("hub")
        daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(SILENT_S + 2 * PULSE_S)
        daemon.process.send_signal(signal.SIGCONT)
        time.sleep(2 * PULSE_S)

        assert daemon.actor("hub") == root
        assert daemon.end() == 0
