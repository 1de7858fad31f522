"""Silence of real programs under phi: the same specification is quick with one and patient with another."""

import os
import signal
from typing import Any

import pytest

from alluse_hub.actors.monitor.process import ProcessAdapter
from alluse_hub.protocols.config import WorkstreamConfig
from alluse_hub.protocols.detection import THRESHOLD, DetectorKind
from alluse_hub.protocols.program import Attach, Attached, BeatsBack, WentSilent
from alluse_hub.supervision.detector import PhiAccrual
from tests.actors.monitor.programs import SAYS_HELLO, MakeReal, RealProgram, wait_for

DEADLINE_S: float = WorkstreamConfig.model_fields["heartbeat_timeout_s"].default

PHI: dict[str, Any] = {  # Any: fields of a specification
    "detector": DetectorKind.PHI,
    "heartbeat_timeout_s": DEADLINE_S,
    "phi_pause_s": 0.3,
    "phi_deviation_min_s": 0.02,
}
FAST_S, SLOW_S = 0.05, 0.6


def beating(period_s: float) -> str:
    return SAYS_HELLO + (
        "import time\n"
        "for seq in range(2, 100_000):\n"
        f"    time.sleep({period_s})\n"
        "    say('heartbeat', seq=seq)\n"
    )  # fmt: skip


def rhythm(program: RealProgram) -> PhiAccrual | None:
    """Of the program, once it is known."""
    program.read(0.0)
    adapter = program.worker._adapter
    assert isinstance(adapter, ProcessAdapter)
    found = adapter._watch._detector
    return found if isinstance(found, PhiAccrual) and found.has_rhythm else None


def silences(program: RealProgram) -> list[WentSilent]:
    """All that were told so far."""
    program.said += [program.queue.get() for _ in range(program.queue.qsize())]
    return [message for message in program.said if isinstance(message, WentSilent)]


def test_a_stopped_program_that_used_to_beat_fast_is_found_faster_than_by_the_default_deadline(real: MakeReal) -> None:
    program = real(beating(FAST_S), **PHI).do(Attach())
    there = program.hear(Attached)
    wait_for(lambda: rhythm(program), "no rhythm is known")

    os.kill(there.pid, signal.SIGSTOP)
    silence = program.hear(WentSilent)

    assert float(silence.why.removeprefix("phi ").partition(":")[0]) >= THRESHOLD
    assert silence.age_s < DEADLINE_S
    os.kill(there.pid, signal.SIGCONT)
    program.hear(BeatsBack)


@pytest.mark.deep
def test_a_program_that_beats_slowly_but_regularly_is_never_silent(real: MakeReal) -> None:
    """Its every interval is longer than the silence at which the fast one is found."""
    program = real(beating(SLOW_S), **PHI).do(Attach())
    detector = wait_for(lambda: rhythm(program), "no rhythm is known")
    known = len(detector._intervals)

    program.read_until(lambda: len(detector._intervals) >= known + 10, "no beats come")

    assert silences(program) == []
    assert detector.mean_s == pytest.approx(SLOW_S, rel=0.5)


def test_what_was_said_while_nobody_read_is_no_silence(real: MakeReal) -> None:
    program = real(beating(FAST_S), **PHI).do(Attach())
    program.hear(Attached)
    detector = wait_for(lambda: rhythm(program), "no rhythm is known")
    adapter = program.worker._adapter
    assert isinstance(adapter, ProcessAdapter)
    due_at = detector.due_at

    wait_for(lambda: adapter._watch._alive_at + adapter._watch.age_s > due_at + 1.0, "the clock stands still")

    program.read_until(lambda: adapter._watch.age_s < FAST_S, "no beats come")
    assert silences(program) == []
