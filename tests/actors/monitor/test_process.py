"""The adapter on real programs: started, adopted, judged silent, ended, refused."""

import os
import signal
from pathlib import Path

from alluse_hub.actors.monitor.process import ProcessAdapter
from alluse_hub.protocols.program import (
    Attach,
    Attached,
    AttachFailed,
    BeatsBack,
    Detach,
    Dismiss,
    EndProgram,
    LinesRead,
    Look,
    Looked,
    NotRunning,
    ProgramGone,
    ReleaseLines,
    SignalProgram,
    WentSilent,
)
from alluse_hub.protocols.workstream import Hello
from tests.actors.monitor.programs import SAYS_HELLO, MakeReal, RealProgram, is_dead, wait_for

MUTE = "import sys, time\nfor line in sys.stdin: pass\n"
"""Says nothing and ends with its input."""


def test_a_program_starts_says_hello_and_answers(real: MakeReal) -> None:
    program = real().do(Attach())

    there = program.hear(Attached)
    assert not there.adopted
    assert isinstance(program.hear(LinesRead).lines[0], Hello)
    program.run("k1").hear_reply("k1")
    assert [event.cause for event in program.told()] == ["k1"]
    assert program.reads()[-1].lines[-1].kind == "reply"


def test_a_program_killed_is_told_and_can_be_started_again(real: MakeReal) -> None:
    program = real().do(Attach())
    first = program.hear(Attached)
    program.hear(LinesRead)

    os.kill(first.pid, signal.SIGKILL)

    assert program.hear(ProgramGone).cause == "killed by SIGKILL"
    second = program.do(Dismiss(), Attach()).hear(Attached)
    assert (second.adopted, second.first_line) == (False, 1)
    assert second.pid != first.pid


def test_a_program_outlives_its_monitor_and_nothing_it_said_is_lost(real: MakeReal) -> None:
    program = real().do(Attach())
    first = program.hear(Attached)
    program.run("k1").hear_reply("k1")
    program.run("k2", "time.sleep(0.2)")
    program.renew()
    program.said.clear()

    second = program.do(Attach()).hear(Attached)
    program.hear_reply("k2")

    assert (second.adopted, second.pid, second.shim_pid) == (True, first.pid, first.shim_pid)
    assert program.events() == [1, 2]


def test_what_was_released_is_not_said_again(real: MakeReal) -> None:
    program = real().do(Attach())
    program.run("k1")
    program.do(ReleaseLines(through=program.hear_reply("k1").through)).run("k2").hear_reply("k2")
    program.renew()
    program.said.clear()

    assert program.do(Attach()).hear(Attached).first_line > 2
    program.hear_reply("k2")
    assert program.events() == [2]


def test_signs_of_life_alone_cost_no_letters_and_fill_no_buffer(real: MakeReal) -> None:
    program = real().do(Attach())
    program.do(ReleaseLines(through=program.hear(LinesRead).through))

    wait_for(lambda: seen(program) > 4, "no beats come")

    assert program.queue.empty()
    program.renew()
    assert program.do(Attach()).hear(Attached).first_line > 4


def seen(program: RealProgram) -> int:
    """Lines that the adapter has seen by now.  Another connection, to ask the shim, would take the program over."""
    program.read(0.0)
    adapter = program.worker._adapter
    assert isinstance(adapter, ProcessAdapter)
    return adapter._seen


def test_the_home_may_have_a_path_longer_than_a_socket_address(real: MakeReal) -> None:
    program = real()
    program.home = program.home / ("long" * 30)
    program.renew()

    assert program.do(Attach()).hear(Attached).pid


def test_silence_is_told_once_and_so_is_its_end(real: MakeReal) -> None:
    program = real(heartbeat_timeout_s=0.5).do(Attach())
    there = program.hear(Attached)
    program.hear(LinesRead)

    os.kill(there.pid, signal.SIGSTOP)
    assert program.hear(WentSilent).age_s >= 0.5
    os.kill(there.pid, signal.SIGCONT)
    program.hear(BeatsBack)

    assert program.do(Look()).hear(Looked).age_s < 1.0


def test_a_program_without_a_hello_goes_silent_after_its_start_timeout(real: MakeReal) -> None:
    program = real(MUTE, start_timeout_s=0.3).do(Attach())

    assert program.hear(WentSilent).age_s >= 0.3


def test_a_stopped_program_can_be_ended_in_order(real: MakeReal) -> None:
    program = real().do(Attach())
    os.kill(program.hear(Attached).pid, signal.SIGSTOP)

    program.do(EndProgram(grace_s=0.1))

    assert program.hear(ProgramGone).cause in {"normal", "killed by SIGTERM"}


def test_the_end_of_input_is_tried_first(real: MakeReal) -> None:
    program = real(SAYS_HELLO + "sys.stdin.read(); sys.exit(7)").do(Attach())
    program.hear(LinesRead)

    program.do(EndProgram(grace_s=10))

    assert program.hear(ProgramGone).cause == "exit status 7"


def test_a_program_that_ignores_the_end_of_input_gets_term(real: MakeReal) -> None:
    program = real(SAYS_HELLO + "import time; time.sleep(60)").do(Attach())
    program.hear(LinesRead)

    program.do(EndProgram(grace_s=0.1))

    assert program.hear(ProgramGone).cause == "killed by SIGTERM"


def test_a_program_that_ignores_term_is_killed(real: MakeReal) -> None:
    ignores = "import signal\nsignal.signal(15, signal.SIG_IGN)\n" + SAYS_HELLO + "import time; time.sleep(60)"
    program = real(ignores).do(Attach())
    program.hear(LinesRead)

    program.do(EndProgram(grace_s=0.1))

    assert program.hear(ProgramGone).cause == "killed by SIGKILL"


def test_a_signal_reaches_the_whole_group(real: MakeReal) -> None:
    text = SAYS_HELLO + (
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "say('event', seq=2, n=1, event='child', payload={'pid': child.pid})\n"
        "time.sleep(60)\n"
    )
    program = real(text).do(Attach())
    wait_for(lambda: program.hear(LinesRead) and program.events(), "no event")
    child = program.told()[-1].payload["pid"]
    assert isinstance(child, int)

    program.do(SignalProgram(signal="KILL")).hear(ProgramGone)

    wait_for(lambda: is_dead(child), "the grandchild lives on")


def test_a_program_that_is_not_there_is_told_with_the_name_and_the_place_to_mend_it(real: MakeReal) -> None:
    program = real(command=("no-such-program", "--now")).do(Attach())

    error = program.hear(AttachFailed).error
    assert "cannot start 'no-such-program': No such file or directory" in error
    assert "the command of ws9 in hub.toml" in error
    assert program.leftovers() == []


def test_a_file_that_is_no_program_is_told(real: MakeReal, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("words", encoding="utf-8")

    error = real(command=(str(tmp_path / "notes.txt"),)).do(Attach()).hear(AttachFailed).error

    assert "Permission denied" in error


def test_a_working_directory_that_is_not_there_is_told(real: MakeReal) -> None:
    error = real(cwd="nowhere").do(Attach()).hear(AttachFailed).error

    assert "nowhere" in error


def test_a_module_that_is_not_there_is_told_by_the_last_words_of_the_program(real: MakeReal) -> None:
    program = real(command=("{python}", "-m", "no_such_module")).do(Attach())

    assert "exit status 1: " in (cause := program.hear(ProgramGone).cause)
    assert "No module named no_such_module" in cause


def test_the_hubs_own_modules_are_found_from_anywhere(real: MakeReal) -> None:
    program = real(command=("{python}", "-c", "import alluse_hub")).do(Attach())

    assert program.hear(ProgramGone).cause == "normal"


def test_nothing_is_started_that_was_not_asked_for(real: MakeReal) -> None:
    program = real().do(Attach(start=False))

    program.hear(NotRunning)
    assert program.leftovers() == []


def test_what_runs_is_adopted_even_if_nothing_was_to_be_started(real: MakeReal) -> None:
    program = real().do(Attach())
    first = program.hear(Attached)
    program.do(Detach(), Attach(start=False))

    assert program.hear(Attached).pid == first.pid
