"""Core and adapter together on real programs: what dies is healed, and nothing is lost or doubled."""

import os
import signal

from alluse_hub.protocols.flow import Present, Produced
from alluse_hub.protocols.health import HealthChanged, Status
from alluse_hub.protocols.lifecycle import StopAsked
from alluse_hub.protocols.workstream import (
    CommandReply,
    OrderDone,
    ProgramEnded,
    ProgramParked,
    ProgramStarted,
    RestartProgram,
    StopProgram,
)
from tests.actors.monitor.programs import is_dead
from tests.actors.monitor.whole import MakeLive


def test_a_killed_program_is_started_again_and_the_open_command_is_done(live: MakeLive) -> None:
    monitor = live()
    first = monitor.up()
    monitor.ask("k1", f"os.getpid() == {first} and os.kill({first}, 9)")

    assert monitor.answered("k1").ok
    assert monitor.bench.recorded(ProgramEnded)[0].cause == "killed by SIGKILL"
    assert [fact.count for fact in monitor.bench.recorded(ProgramStarted)] == [1, 2]
    assert monitor.heard() == [1]


def test_a_killed_monitor_leaves_its_program_alone_and_loses_nothing(live: MakeLive) -> None:
    monitor = live()
    pid = monitor.up()
    for number in range(20):
        monitor.ask(f"k{number}")
        if number % 4 == 3:
            monitor.kill_monitor()
    for number in range(20):
        monitor.answered(f"k{number}")

    assert monitor.up() == pid
    assert all(fact.pid == pid for fact in monitor.bench.recorded(ProgramStarted))
    assert monitor.heard() == list(range(1, len(monitor.heard()) + 1))
    handed = {event.n for produced in monitor.bench.said(Produced) for event in produced.events}
    assert handed == set(monitor.heard())


def test_a_stopped_program_is_found_hung_and_replaced(live: MakeLive) -> None:
    monitor = live(heartbeat_timeout_s=0.5)
    first = monitor.up()

    os.kill(first, signal.SIGSTOP)
    monitor.until(lambda bench: len(bench.recorded(ProgramStarted)) == 2, "it is not replaced")

    assert monitor.up() != first
    assert "hung: silent" in monitor.bench.recorded(ProgramEnded)[0].cause
    assert Status.HUNG in [change.now for change in monitor.bench.recorded(HealthChanged)]


def test_a_busy_program_is_left_to_work(live: MakeLive) -> None:
    monitor = live(heartbeat_timeout_s=0.3)
    pid = monitor.up()
    monitor.ask("k1", "lock.acquire(); time.sleep(1); lock.release()")

    assert monitor.answered("k1").ok
    assert Status.BUSY in [change.now for change in monitor.bench.recorded(HealthChanged)]
    assert monitor.up() == pid


def test_a_program_that_is_not_there_is_parked_with_the_reason(live: MakeLive) -> None:
    monitor = live(command=("no-such-program",), pause_first_s=0.01, pause_factor=1.0)

    monitor.until(lambda bench: bench.recorded(ProgramParked), "it is not parked")

    assert "No such file or directory" in monitor.bench.recorded(ProgramParked)[0].why
    assert monitor.bench.said(Present, "router")[-1].presence == "out"


def test_an_ordered_restart_gives_a_new_pid(live: MakeLive) -> None:
    monitor = live()
    first = monitor.up()
    monitor.bench.tell(RestartProgram(by="ann"), "gateway")
    done = monitor.until(lambda bench: bench.said(OrderDone), "the order is not done")[0]

    assert done.text == f"pid {first} ended, pid {monitor.up()} runs"
    assert is_dead(first)


def test_an_ordered_stop_leaves_nothing_behind(live: MakeLive) -> None:
    monitor = live()
    pid = monitor.up()
    monitor.bench.tell(StopProgram(by="ann"), "gateway")
    monitor.until(lambda bench: bench.said(OrderDone), "the order is not done")

    assert is_dead(pid)
    assert monitor.real.leftovers() == []
    assert monitor.bench.recorded(ProgramEnded)[0].cause == "normal"


def test_the_hub_going_down_takes_its_program_with_it_unless_told_to_keep_it(live: MakeLive) -> None:
    monitor = live()
    kept = monitor.up()
    monitor.bench.tell(StopAsked(reason="keep-workstreams"))
    assert monitor.bench.stopped
    assert not is_dead(kept)
    monitor.kill_monitor()
    assert monitor.up() == kept
    monitor.bench.stopped = ""
    monitor.bench.tell(StopAsked(reason="shutdown"))
    monitor.until(lambda bench: bench.stopped, "the monitor does not end")

    assert is_dead(kept)
    assert monitor.real.leftovers() == []


def test_jobs_of_a_turn_reach_the_program_in_order(live: MakeLive) -> None:
    monitor = live()
    monitor.up()
    for number in range(50):
        monitor.ask(f"k{number}")
    monitor.answered("k49")

    assert [reply.key for reply in monitor.bench.said(CommandReply)] == [f"k{number}" for number in range(50)]
