"""The whole real hub inside this process: real programs, a real trail, and nothing left of it afterwards."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from alluse_hub.cli import failure
from alluse_hub.cli.failure import Failure
from alluse_hub.embedded import EmbeddedHub
from alluse_hub.supervision import processes
from alluse_hub.supervision.dense.tenant import Kill
from tests.live.daemons import HOUSE, end_shims, eventually
from tests.live.hubs import configured, control, digest_of, replay, running_programs

DAYS = replay("2004-08-02", "2004-08-13")
SLOWLY = replay("2004-08-02", "2013-03-01", speed=10.0)

LEFT_ALONE = """
import sys, time
from alluse_hub.embedded import EmbeddedHub
with EmbeddedHub(home=sys.argv[1]) as hub:
    print("ready", flush=True)
    time.sleep(600)
"""


def program(hub: EmbeddedHub, name: str) -> int:
    """The pid of a workstream's program, once it runs."""
    found: list[int] = []

    def runs() -> bool:
        found[:] = [int(each["pid"] or 0) for each in hub.ask("status")["workstreams"] if each["id"] == name]
        return found[0] != 0

    eventually(runs, f"the program of {name} runs")
    return found[0]


def of_this_process() -> tuple[object, ...]:
    """Its descriptors, threads, signal handlers, environment and name."""
    handlers = [signal.getsignal(number) for number in sorted(signal.valid_signals())]
    descriptors = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return descriptors, threading.enumerate(), handlers, dict(os.environ), processes.name_of(os.getpid())


def test_it_does_what_a_daemon_does_and_leaves_nothing_but_its_home(tmp_path: Path) -> None:
    digest, before = digest_of(DAYS), of_this_process()

    with EmbeddedHub(DAYS, home=tmp_path / "hub") as hub:
        eventually(lambda: bool(hub.ask("progress")["ended"]), "the end of the span")
        eventually(lambda: bool(hub.ask("progress")["digest"] == digest), "the digest of the span")
        said = control(hub.home, "status", "--json")
        old = program(hub, "ws2")
        text = hub.ask("restart", {"name": "ws2", "reason": "a test"})["text"]

        assert (said.status, said.document["guarded"]) == (0, False)
        assert text == f"pid {old} ended, pid {program(hub, 'ws2')} runs"
        assert hub.ask("check")["whole"] is True

    assert not hub.is_running
    assert running_programs(hub.home) == []
    assert of_this_process() == before


def test_a_killed_coordinator_is_restarted_by_its_supervisor_and_nobody_else(tmp_path: Path) -> None:
    with EmbeddedHub(configured(tmp_path, SLOWLY) / "hub.toml", home=tmp_path / "hub") as hub:
        ws4 = program(hub, "ws4")
        tree = hub._tree
        assert tree is not None
        addresses = tree._root.addressDetails.actor._addresses
        before = dict(addresses)
        sessions = hub.ask("progress")["sessions"]

        tree._system.tell(addresses["coordinator"], Kill())

        eventually(lambda: addresses["coordinator"] != before["coordinator"], "a new coordinator")
        eventually(lambda: hub.ask("progress")["sessions"] > sessions, "the replay goes on")
        assert {name for name in before if addresses[name] != before[name]} == {"coordinator"}
        assert program(hub, "ws4") == ws4
        assert hub.ask("check")["whole"] is True


def test_a_home_that_a_hub_holds_is_refused_to_any_other(tmp_path: Path) -> None:
    with EmbeddedHub(SLOWLY, home=tmp_path / "hub") as hub:
        with pytest.raises(Failure, match=f"pid {os.getpid()}, embedded") as refused, EmbeddedHub(home=hub.home):
            pass
        daemon = control(hub.home, "serve", "--dense")

        assert refused.value.code == daemon.status == failure.CONFLICT
        assert hub.is_running
        assert hub.ask("status")["hub"]["actors_up"] == 13


def test_a_hub_that_was_told_to_end_has_ended(tmp_path: Path) -> None:
    with EmbeddedHub(SLOWLY, home=tmp_path / "hub") as hub:
        hub.ask("shutdown", {"reason": "a test"})
        eventually(lambda: not hub.is_running, "the hub has ended")

        with pytest.raises(Failure) as unreachable:
            hub.ask("status")
        assert unreachable.value.code == failure.UNREACHABLE


def test_the_end_of_a_hub_that_died_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    def hold_and_kill() -> None:
        with EmbeddedHub(SLOWLY, home=tmp_path / "hub") as hub:
            tree = hub._tree
            assert tree is not None
            tree._system.tell(tree._root, Kill())
            eventually(lambda: not hub.is_running, "the hub has ended")

    before = of_this_process()

    with pytest.raises(Failure, match="by itself"):
        hold_and_kill()

    assert of_this_process() == before
    end_shims(tmp_path / "hub")


def test_a_wrong_configuration_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with (
        pytest.raises(Failure, match=r"hub\.name") as refused,
        EmbeddedHub('[hub]\nname = "Nö"', home=tmp_path / "hub"),
    ):
        pass

    assert refused.value.code == failure.USAGE
    assert not (tmp_path / "hub").exists()


def test_without_a_home_it_has_one_of_its_own_which_goes_with_it() -> None:
    with EmbeddedHub(SLOWLY) as hub:
        home = hub.home
        assert (home / "trail" / "trail.db").exists()

    assert not home.exists()


def test_the_programs_of_a_killed_process_are_found_by_the_next_hub(tmp_path: Path) -> None:
    home = configured(tmp_path, SLOWLY)
    with subprocess.Popen(
        [sys.executable, "-c", LEFT_ALONE, str(home)], cwd=HOUSE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(Failure, match=f"pid {process.pid}, embedded"), EmbeddedHub(home=home):
            pass
        running = {name: control(home, "status", name, "--json") for name in ("ws1", "ws5")}
        process.kill()
    found = {name: said.document["workstream"]["pid"] for name, said in running.items()}

    with EmbeddedHub(home=home) as hub:
        assert {name: program(hub, name) for name in found} == found
