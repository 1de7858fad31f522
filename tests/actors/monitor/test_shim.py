"""The shim: what it keeps, what it bounds, how it dies, what it leaves behind."""

import os
import signal
import stat
from pathlib import Path
from shutil import rmtree

import pytest

from alluse_hub.actors.monitor import process
from alluse_hub.actors.monitor.shim import held
from alluse_hub.protocols.program import (
    Attach,
    Attached,
    Detach,
    Dismiss,
    EndProgram,
    LinesRead,
    ProgramGone,
    ReleaseLines,
    Replaced,
    WriteLines,
)
from alluse_hub.protocols.workstream import Hello
from alluse_hub.supervision import processes
from alluse_hub.supervision.processes import Process
from tests.actors.monitor.programs import SAYS_HELLO, MakeReal, RealProgram, is_dead, wait_for

FLOOD = """
for n in range(1, 401):
    say("event", seq=1 + n, n=n, event="e", payload={"x": "y" * 50_000})
sys.stdin.read()
"""

WORDY = """
say("log", seq=2, level="info", text="a log line")
print("on stderr", file=sys.stderr, flush=True)
sys.stdin.read()
"""

WORDIER = """
sys.stderr.write(("z" * 99 + "\\n") * 100_000)
sys.stderr.flush()
say("event", seq=2, n=1, event="e")
sys.stdin.read()
"""


def test_the_shim_is_started_in_a_session_of_its_own_and_its_files_are_private(real: MakeReal) -> None:
    program = real().do(Attach())
    there = program.hear(Attached)

    assert os.getsid(there.shim_pid) not in {os.getsid(0), there.pid}
    assert os.getpgid(there.pid) == there.pid
    for name in ("ws9.sock", "ws9.json", "ws9.lock"):
        assert stat.S_IMODE((program.home / "run" / "shims" / name).stat().st_mode) == 0o600


def test_garbage_and_wrong_text_are_refused_and_the_rest_goes_on(real: MakeReal) -> None:
    text = SAYS_HELLO + (
        "sys.stdout.buffer.write(b'\\xff\\xfe not text\\nplain words\\n\\n')\n"
        "say('event', seq=2, n=1, event='after')\n"
        "sys.stdin.read()\n"
    )
    program = real(text).do(Attach())
    while not program.events():
        program.hear(LinesRead)

    assert sum(read.refusals for read in program.reads()) == 3
    assert [refusal.beginning for read in program.reads() for refusal in read.refused] == [
        "\\xff\\xfe not text",
        "plain words",
        "",
    ]


def test_a_line_of_ten_megabytes_is_refused_with_its_length_and_the_rest_goes_on(real: MakeReal) -> None:
    text = SAYS_HELLO + (
        "sys.stdout.write('x' * 10_000_000 + '\\n')\nsay('event', seq=2, n=1, event='after')\nsys.stdin.read()\n"
    )
    program = real(text).do(Attach())
    there = program.hear(Attached)
    while not program.events():
        program.hear(LinesRead)

    [refusal] = [refusal for read in program.reads() for refusal in read.refused]
    assert refusal.why == "a line of 10000000 bytes; the limit is 1000000"
    assert refusal.beginning == "x" * 200
    assert peak_kb(there.shim_pid) < 30_000


def peak_kb(pid: int) -> int:
    """Highest resident size of a process so far."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def test_a_flood_that_nobody_releases_stops_at_the_bound_and_goes_on_when_released(real: MakeReal) -> None:
    text = SAYS_HELLO + FLOOD
    program = real(text).do(Attach())
    there = program.hear(Attached)
    program.hear(LinesRead)
    program.read_until(Standstill(there.pid), "it does not stop")
    drain(program)

    assert 8_000_000 / 50_000 * 0.9 < program.events()[-1] < 8_000_000 / 50_000 + 15
    assert peak_kb(there.shim_pid) < 40_000
    while program.events()[-1] < 400:
        program.do(ReleaseLines(through=program.reads()[-1].through))
        program.hear(LinesRead)
    assert program.events() == list(range(1, 401))


def drain(program: RealProgram) -> None:
    while not program.queue.empty():
        program.said.append(program.queue.get())


class Standstill:
    """Whether a process has used no time for a hundred looks in a row."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.used = ""
        self.looks = 0

    def __call__(self) -> bool:
        used = Path(f"/proc/{self.pid}/schedstat").read_text(encoding="utf-8")
        self.looks = self.looks + 1 if used == self.used else 0
        self.used = used
        return self.looks >= 100


def test_text_after_the_last_line_feed_of_a_killed_program_is_no_line(real: MakeReal) -> None:
    text = SAYS_HELLO + "sys.stdout.write('{\"ws\":'); sys.stdout.flush(); os.kill(os.getpid(), 9)\n"
    program = real(text).do(Attach())

    program.hear(ProgramGone)
    assert sum(read.refusals for read in program.reads()) == 0


def test_all_a_program_said_comes_before_its_end(real: MakeReal) -> None:
    text = SAYS_HELLO + "for n in range(1, 2001): say('event', seq=1 + n, n=n, event='e')\n"
    program = real(text).do(Attach())

    program.hear(ProgramGone)
    assert program.events() == list(range(1, 2001))


def test_the_end_of_a_program_is_kept_for_the_next_monitor(real: MakeReal) -> None:
    program = real(SAYS_HELLO + "sys.stdin.readline(); sys.exit(3)").do(Attach())
    there = program.hear(Attached)
    program.hear(LinesRead)
    program.do(WriteLines(ids=("x",), lines=("end",)))
    program.renew()
    wait_for(lambda: is_dead(there.pid), "it does not end")

    program.do(Attach())
    assert program.hear(Attached).adopted
    assert isinstance(program.hear(LinesRead).lines[0], Hello)
    assert program.hear(ProgramGone).cause == "exit status 3"


def test_what_a_program_leaves_in_its_group_is_ended_with_it(real: MakeReal) -> None:
    text = SAYS_HELLO + (
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '60'], stdin=subprocess.DEVNULL)\n"
        "say('event', seq=2, n=1, event='child', payload={'pid': child.pid})\n"
        "sys.exit(0)\n"
    )
    program = real(text).do(Attach())

    assert program.hear(ProgramGone).cause == "normal"
    child = program.told()[-1].payload["pid"]
    assert isinstance(child, int)
    wait_for(lambda: is_dead(child), "the grandchild lives on")


def test_a_dismissed_shim_leaves_nothing_behind(real: MakeReal) -> None:
    program = real().do(Attach())
    there = program.hear(Attached)
    program.do(EndProgram(grace_s=5.0)).hear(ProgramGone)
    program.do(Dismiss())

    assert is_dead(there.shim_pid)
    assert [path.name for path in (program.home / "run" / "shims").iterdir()] == ["ws9.lock"]


def test_a_killed_shim_takes_its_program_with_it_and_is_told(real: MakeReal) -> None:
    program = real(SAYS_HELLO + "import time; time.sleep(60)").do(Attach())
    there = program.hear(Attached)
    program.hear(LinesRead)

    os.kill(there.shim_pid, signal.SIGKILL)

    assert "its shim was killed" in program.hear(ProgramGone).cause
    assert is_dead(there.pid)


def test_what_a_dead_shim_left_running_is_ended_before_a_new_start(real: MakeReal) -> None:
    program = real(SAYS_HELLO + "import time; time.sleep(60)").do(Attach())
    first = program.hear(Attached)
    program.hear(LinesRead)
    program.do(Detach())
    os.kill(first.shim_pid, signal.SIGKILL)

    second = program.do(Attach()).hear(Attached)

    assert not second.adopted
    assert is_dead(first.pid)


def test_a_shim_that_stands_still_is_ended_with_its_program(real: MakeReal) -> None:
    program = real().do(Attach())
    first = program.hear(Attached)
    program.do(Detach())
    os.kill(first.shim_pid, signal.SIGSTOP)

    second = program.do(Attach()).hear(Attached)

    assert not second.adopted
    assert is_dead(first.pid)
    assert is_dead(first.shim_pid)


def test_a_shim_that_only_has_no_processor_for_a_while_is_waited_for(
    real: MakeReal, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = real().do(Attach())
    first = program.hear(Attached)
    program.do(Detach())
    os.kill(first.shim_pid, signal.SIGSTOP)

    def looks_alive(shim: Process) -> bool:
        os.kill(shim.pid, signal.SIGCONT)
        return False

    monkeypatch.setattr(process, "HELLO_TIMEOUT_S", 0.2)
    monkeypatch.setattr(processes, "is_stopped", looks_alive)
    second = program.do(Attach()).hear(Attached)

    assert (second.adopted, second.pid, second.shim_pid) == (True, first.pid, first.shim_pid)


def test_a_shim_that_gets_term_ends_its_program_in_order(real: MakeReal) -> None:
    program = real().do(Attach())
    there = program.hear(Attached)

    os.kill(there.shim_pid, signal.SIGTERM)

    assert program.hear(ProgramGone).cause == "normal"
    wait_for(lambda: is_dead(there.shim_pid), "the shim lives on")


def test_a_shim_whose_socket_was_removed_can_be_found_again(real: MakeReal) -> None:
    program = real().do(Attach())
    first = program.hear(Attached)
    program.do(Detach())
    (path := program.home / "run" / "shims" / "ws9.sock").unlink()

    wait_for(path.exists, "the socket is not made anew")

    assert program.do(Attach()).hear(Attached).pid == first.pid


def test_a_shim_whose_home_was_removed_ends_its_program_and_itself(real: MakeReal) -> None:
    program = real().do(Attach())
    there = program.hear(Attached)
    program.hear(LinesRead)
    program.do(Detach())
    rmtree(program.home)

    wait_for(lambda: is_dead(there.pid) and is_dead(there.shim_pid), "it runs on where nobody can find it")


def test_a_newer_monitor_replaces_an_older_one(real: MakeReal) -> None:
    program = real().do(Attach())
    first = program.hear(Attached)
    program.hear(LinesRead)
    newer = real()

    newer.do(Attach())

    assert newer.hear(Attached).pid == first.pid
    program.hear(Replaced)


def test_standard_error_and_log_lines_go_to_the_log(real: MakeReal) -> None:
    text = SAYS_HELLO + WORDY
    program = real(text).do(Attach())
    log = program.home / "log" / "ws9.log"

    wanted = {"info: a log line", "on stderr"}
    program.hear(Attached)
    program.read_until(lambda: wanted <= set(log.read_text(encoding="utf-8").splitlines()), "no log")


def test_the_log_is_rotated_once_and_stays_bounded(real: MakeReal) -> None:
    text = SAYS_HELLO + WORDIER
    program = real(text).do(Attach())
    wait_for(lambda: program.hear(LinesRead) and program.events(), "no event")

    logs = sorted((program.home / "log").iterdir())
    assert [log.name for log in logs] == ["ws9.log", "ws9.log.1"]
    assert all(log.stat().st_size <= held.LOG_BYTES_MAX for log in logs)


def test_a_log_that_is_moved_or_deleted_with_its_folder_comes_back_and_costs_no_descriptor(tmp_path: Path) -> None:
    """D14."""
    folder = tmp_path / "log"
    folder.mkdir()
    log = folder / "ws9.log"
    program = held.Held(str(log))
    try:
        for n in range(30):
            program.write_log(b"a line\n")
            assert log.read_bytes() == b"a line\n"
            if n % 3 == 0:
                log.rename(folder / "rotated")
            elif n % 3 == 1:
                log.unlink()
            else:
                rmtree(folder)

        program.write_log(b"a line\n")
        own = (fd.readlink() for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink())
        assert [there for there in own if there.is_relative_to(folder)] == [log]
    finally:
        os.close(program.log)


def test_a_shim_is_small(real: MakeReal) -> None:
    there = real().do(Attach()).hear(Attached)

    lines = Path(f"/proc/{there.shim_pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    private_kb = sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))
    assert private_kb < 6_000
