"""What an order would do to a program: told by rehearsal, and nothing is changed."""

from typing import Any

from alluse_hub.actors.monitor.core import CORE
from alluse_hub.protocols.foresight import Foresee, Foreseen, Foretold, Outcome
from alluse_hub.protocols.program import ProgramGone
from alluse_hub.protocols.workstream import Command, StopProgram
from tests.actors.monitor.bench import Bench

PROGRAM = ("ws9's program",)


def foreseen(bench: Bench, order: Foretold = Foretold.RESTART) -> Foreseen:
    before: Any = bench.state.kept, bench.state.stage, bench.state.order
    facts, jobs = len(bench.facts), len(bench.jobs)
    bench.tell(Foresee(name="ws9", order=order), "gateway")
    assert (bench.state.kept, bench.state.stage, bench.state.order) == before
    assert (len(bench.facts), len(bench.jobs)) == (facts, jobs)
    (told,) = bench.said(Foreseen, "gateway")
    assert isinstance(told, Foreseen)
    return told


def test_a_restart_ends_the_program_and_starts_it(bench: Bench) -> None:
    told = foreseen(bench.boot().up())

    assert (told.goes_down, told.comes_back, told.by) == (PROGRAM, PROGRAM, "ws9")
    assert told.used == 0


def test_a_stop_only_ends_it(bench: Bench) -> None:
    told = foreseen(bench.boot().up(), Foretold.STOP)

    assert (told.goes_down, told.comes_back, told.failure) == (PROGRAM, (), None)


def test_if_it_did_not_start_it_is_tried_after_pauses_and_then_parked(bench: Bench) -> None:
    told = foreseen(bench.boot().up())

    assert told.failure is not None
    assert told.failure.outcome is Outcome.PARKED
    assert told.failure.tries == bench.spec.intensity.restarts
    assert len(told.failure.pauses_s) == told.failure.tries
    assert list(told.failure.pauses_s) == sorted(told.failure.pauses_s)


def test_restarts_so_far_are_told(bench: Bench) -> None:
    bench.boot().up().tell(ProgramGone(cause="exit 1"))

    assert foreseen(bench).used == 1


def test_what_is_under_way_is_told(bench: Bench) -> None:
    bench.boot().up().tell(Command(key="k", command="do", deadline_s=30.0), "coordinator")

    assert foreseen(bench).notes == ("1 command under way: said again to the new one",)


def test_a_program_that_is_stopped_is_only_started(bench: Bench) -> None:
    bench.boot().up().tell(StopProgram(by="ann"), "gateway").tell(ProgramGone(cause="normal"))

    told = foreseen(bench)
    assert (told.goes_down, told.comes_back) == ((), PROGRAM)


def test_the_question_is_one_that_a_monitor_takes() -> None:
    assert Foresee in CORE.accepts
