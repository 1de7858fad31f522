"""Core and adapter together on real programs that die over a command, or are stopped, they or their shims."""

import os
import signal

import pytest

from alluse_hub.protocols.lifecycle import Intensity
from alluse_hub.protocols.workstream import CommandReply, CommandSetAside, ProgramEnded
from tests.actors.monitor.programs import is_dead
from tests.actors.monitor.whole import MakeLive

GENEROUS = Intensity(restarts=1_000, period_s=60.0)


@pytest.mark.parametrize(
    ("death", "cause"),
    [
        ("os._exit(3)", "exit status 3"),
        ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
    ],
)
def test_a_command_that_kills_three_programs_is_set_aside_and_the_next_is_served(
    live: MakeLive, death: str, cause: str
) -> None:
    monitor = live(intensity=GENEROUS, pause_cap_s=0.1)
    monitor.up()
    monitor.ask("poison", death)
    monitor.ask("good")
    monitor.until(lambda bench: len(bench.said(CommandReply)) == 2, "both are answered")

    assert [(said.key, said.ok) for said in monitor.bench.said(CommandReply)] == [("poison", False), ("good", True)]
    (fact,) = monitor.bench.recorded(CommandSetAside)
    assert (fact.key, fact.deaths) == ("poison", 3)
    assert fact.cause.startswith(cause)
    assert [ended.in_hand for ended in monitor.bench.recorded(ProgramEnded)] == ["poison"] * 3


def test_a_stopped_program_with_a_command_in_hand_is_hung_at_the_heartbeat_timeout(live: MakeLive) -> None:
    monitor = live(heartbeat_timeout_s=0.5)
    pid = monitor.up()
    monitor.ask("slow", "time.sleep(60)")
    monitor.until(lambda bench: "slow" in bench.state.written, "it is at work")
    os.kill(pid, signal.SIGSTOP)
    monitor.until(lambda bench: bench.recorded(ProgramEnded), "it is ended")

    (ended,) = monitor.bench.recorded(ProgramEnded)
    assert ", and it is stopped; " in ended.cause
    assert ended.cause.endswith("(killed by SIGTERM)")


def test_a_stopped_shim_is_killed_with_its_program_and_both_are_started_anew(live: MakeLive) -> None:
    monitor = live(heartbeat_timeout_s=0.5)
    pid = monitor.up()
    assert monitor.bench.state.program is not None
    shim = monitor.bench.state.program.shim_pid
    os.kill(shim, signal.SIGSTOP)
    monitor.until(lambda bench: bench.recorded(ProgramEnded), "it is ended")

    assert is_dead(shim)
    assert is_dead(pid)
    assert monitor.bench.recorded(ProgramEnded)[0].cause.endswith("(its shim did not listen; both were killed)")
    monitor.until(lambda bench: bench.state.told == "up", "there is a new one")
    assert monitor.bench.state.kept.pid != pid
