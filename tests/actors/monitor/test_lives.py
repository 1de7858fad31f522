"""The life of the program as the core decides it: attach, hang, restart, park, orders, shutdown."""

import pytest

from alluse_hub.actors.monitor.core import CORE
from alluse_hub.protocols.ending import Overran, Overrun
from alluse_hub.protocols.flow import Deliver, Present, Produced
from alluse_hub.protocols.health import HealthChanged, Pulse, Status
from alluse_hub.protocols.lifecycle import Intensity, RestartType, StopAsked
from alluse_hub.protocols.message import Envelope
from alluse_hub.protocols.program import (
    Attach,
    AttachFailed,
    BeatsBack,
    Detach,
    Dismiss,
    EndProgram,
    NotRunning,
    ProgramGone,
    Replaced,
    ShimForeign,
    SignalProgram,
    WentSilent,
)
from alluse_hub.protocols.workstream import (
    Command,
    CommandReply,
    MonitorSpec,
    OrderDone,
    ProgramEnded,
    ProgramGreeted,
    ProgramParked,
    ProgramStarted,
    ShimReplaced,
    StartProgram,
    StopProgram,
    Wanted,
)
from tests.actors.monitor.bench import Bench, attached, hello, reply

KILLED = ProgramGone(cause="killed by SIGKILL")


def kill_until_parked(bench: Bench) -> None:
    for _ in range(bench.spec.intensity.restarts + 1):
        bench.up().tell(KILLED).pass_time(bench.spec.pause_cap_s)


@pytest.fixture
def parked() -> Bench:
    bench = Bench(
        MonitorSpec(
            workstream="ws9", command=("program",), intensity=Intensity(restarts=2, period_s=100), pause_cap_s=0.4
        )
    )
    bench.boot()
    kill_until_parked(bench)
    return bench


# --- start -----------------------------------------------------------------------------------------------------------


def test_a_program_that_is_wanted_is_attached_at_the_start(bench: Bench) -> None:
    assert bench.boot().did(Attach) == [Attach(start=True)]


def test_it_is_up_when_it_has_said_hello(bench: Bench) -> None:
    bench.boot().tell(attached())
    assert bench.statuses() == [Status.STARTING]
    bench.hears(hello())

    assert bench.statuses() == [Status.STARTING, Status.IDLE]
    assert bench.presences() == ["down", "up"]
    assert bench.presences("coordinator") == ["down", "up"]


def test_each_start_is_counted_and_recorded(bench: Bench) -> None:
    bench.boot().up(50).tell(KILLED).pass_time(0.2).up(60)

    assert [(fact.pid, fact.count, fact.adopted) for fact in bench.recorded(ProgramStarted)] == [
        (50, 1, False),
        (60, 2, False),
    ]


def test_an_adopted_program_is_up_at_once_if_an_earlier_incarnation_heard_its_hello(bench: Bench) -> None:
    bench.boot().up(50).die().boot().tell(attached(50, adopted=True))

    assert bench.presences()[-1] == "up"
    assert bench.recorded(ProgramStarted)[-1].adopted
    assert bench.recorded(ProgramStarted)[-1].count == 1


def test_a_new_start_is_waited_for_even_under_the_same_pid(bench: Bench) -> None:
    bench.boot().up(50).die().boot().tell(attached(50, adopted=False))

    assert bench.presences()[-1] == "down"


def test_an_adopted_program_whose_hello_nobody_heard_is_waited_for(bench: Bench) -> None:
    bench.boot().tell(attached(50)).die().boot().tell(attached(50, adopted=True))
    assert bench.presences()[-1] == "down"
    bench.hears(hello(50))

    assert bench.presences()[-1] == "up"


def test_a_hello_heard_again_is_not_recorded_again(bench: Bench) -> None:
    bench.boot().up(50).die().boot().up(50, adopted=True).hears(hello(50))

    assert len(bench.recorded(ProgramGreeted)) == 1


def test_a_monitor_takes_the_name_of_its_workstream_only() -> None:
    with pytest.raises(AssertionError, match="name of its workstream"):
        CORE.start("ws8", MonitorSpec(workstream="ws9", command=("program",)))


def test_a_letter_of_another_kind_is_not_ignored(bench: Bench) -> None:
    with pytest.raises(TypeError, match="does not take"):
        CORE.decide(bench.state, Envelope(id="x", sender="x", to="ws9", body=Attach(), at=0.0))


# --- restarts --------------------------------------------------------------------------------------------------------


def test_a_killed_program_is_started_again_after_a_pause_that_doubles(bench: Bench) -> None:
    bench.boot().up().tell(KILLED)
    assert bench.timers["restart"] - bench.at == pytest.approx(0.1)
    assert bench.did(Dismiss) == [Dismiss()]
    bench.pass_time(0.1).up(60).tell(KILLED)

    assert bench.timers["restart"] - bench.at == pytest.approx(0.2)
    assert len(bench.did(Attach)) == 2
    assert bench.statuses()[-1] is Status.ERROR


@pytest.mark.parametrize(("up_s", "pause_s"), [(29.9, 0.2), (30.1, 0.1)])
def test_a_program_that_was_up_for_a_quiet_time_is_started_again_as_at_first(
    bench: Bench, up_s: float, pause_s: float
) -> None:
    bench.boot().up().tell(KILLED).pass_time(0.1)
    bench.up(60)
    bench.at += up_s

    bench.tell(KILLED)

    assert bench.timers["restart"] - bench.at == pytest.approx(pause_s)


def test_a_program_that_never_said_hello_was_not_up(bench: Bench) -> None:
    bench.boot().up().tell(KILLED).pass_time(0.1).tell(attached(60))
    bench.at += 40.0

    bench.tell(KILLED)

    assert bench.timers["restart"] - bench.at == pytest.approx(0.2)


def test_the_row_of_restarts_outlives_the_monitor_and_ends_with_an_order(bench: Bench) -> None:
    bench.boot().up().tell(KILLED).pass_time(0.1).up(60).tell(KILLED).die().boot().up(70).tell(KILLED)
    assert bench.timers["restart"] - bench.at == pytest.approx(0.4)

    bench.tell(StopProgram(by="op", reason="x")).tell(StartProgram(by="op", reason="x")).up(80).tell(KILLED)

    assert bench.timers["restart"] - bench.at == pytest.approx(0.1)


def test_pauses_of_programs_have_jitter_if_that_is_asked_for() -> None:
    def pause(workstream: str) -> float:
        jittery = Bench(MonitorSpec(workstream=workstream, command=("program",), pause_jitter=0.5))
        jittery.boot().up().tell(KILLED)
        return jittery.timers["restart"] - jittery.at

    pauses = [pause(f"ws{n}") for n in range(1, 9)]

    assert pauses == [pause(f"ws{n}") for n in range(1, 9)]
    assert len(set(pauses)) == 8
    assert all(0.05 <= each <= 0.1 + 1e-9 for each in pauses)


def test_a_program_that_cannot_be_started_is_tried_again_and_then_parked_with_the_reason(bench: Bench) -> None:
    bench.boot()
    for _ in range(6):
        bench.tell(AttachFailed(error="cannot start 'x': No such file")).pass_time(10)

    assert "No such file" in bench.recorded(ProgramParked)[0].why
    assert bench.did(Dismiss) == []
    assert bench.statuses()[-1] is Status.PARKED


def test_at_the_limit_it_is_parked_and_out(parked: Bench) -> None:
    [fact] = parked.recorded(ProgramParked)
    assert fact.why == "more than 2 restarts within 100 s; the last end: killed by SIGKILL"
    assert parked.presences()[-1] == "out"
    assert len(parked.did(Attach)) == 3


def test_a_parked_program_stays_parked_over_the_monitors_death(parked: Bench) -> None:
    parked.jobs.clear()
    parked.die().boot()

    assert parked.did(Attach) == [Attach(start=False)]
    parked.tell(NotRunning())
    assert parked.statuses()[-1] is Status.PARKED


def test_an_operator_releases_a_parked_program_with_a_fresh_budget(parked: Bench) -> None:
    parked.tell(StartProgram(by="ann"), "gateway").up(70)
    assert parked.said(OrderDone, "gateway")[0].text == "started, pid 70"
    parked.tell(KILLED)

    assert parked.statuses()[-1] is Status.ERROR
    assert "restart" in parked.timers


def test_parking_answers_all_that_is_open() -> None:
    """The budget is used up before three programs have died over one command."""
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), intensity=Intensity(restarts=2)))
    bench.boot().up().tell(Command(key="k1", command="x", deadline_s=3600), "coordinator")
    bench.tell(Deliver(delivery="d1", round=1), "router")
    kill_until_parked(bench)

    assert "parked" in bench.said(CommandReply)[0].error
    assert [(produced.delivery, produced.ok) for produced in bench.said(Produced)] == [("d1", False)]
    assert bench.state.kept.open == {}


def test_what_is_asked_of_a_parked_program_is_refused_with_the_reason(parked: Bench) -> None:
    parked.tell(Command(key="k1", command="x"), "coordinator").tell(Deliver(delivery="d1", round=1), "router")

    assert "ws9 is parked: more than 2 restarts" in parked.said(CommandReply)[0].error
    assert not parked.said(Produced)[0].ok


def test_a_transient_program_that_ended_well_is_not_started_again() -> None:
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), restart=RestartType.TRANSIENT))
    bench.boot().up().tell(ProgramGone(cause="normal"))

    assert "transient" in bench.recorded(ProgramParked)[0].why
    assert bench.said(Present)[-1].presence == "out"


def test_a_permanent_program_that_ended_well_is_started_again(bench: Bench) -> None:
    bench.boot().up().tell(ProgramGone(cause="normal")).pass_time(0.2)

    assert len(bench.did(Attach)) == 2


def test_the_budget_is_durable(bench: Bench) -> None:
    bench.boot().up().tell(KILLED).die()

    assert len(bench.state.kept.restarts) == 1


# --- busy and hung ---------------------------------------------------------------------------------------------------


def test_silent_with_a_command_in_hand_is_busy(bench: Bench) -> None:
    bench.boot().up().tell(Command(key="k1", command="train_model", deadline_s=30), "coordinator")
    bench.tell(WentSilent(age_s=3.0))

    assert bench.statuses()[-1] is Status.BUSY
    assert bench.did(SignalProgram) == []
    assert bench.presences()[-1] == "up"


def test_a_busy_program_that_answers_is_well(bench: Bench) -> None:
    bench.boot().up().tell(Command(key="k1", command="x"), "coordinator").tell(WentSilent(age_s=3.0))
    bench.tell(BeatsBack()).hears(reply("k1"))

    assert bench.statuses()[-1] is Status.ACTIVE


def test_a_busy_program_becomes_hung_at_the_deadline(bench: Bench) -> None:
    bench.boot().up().tell(Command(key="k1", command="x", deadline_s=5.0), "coordinator")
    bench.tell(WentSilent(age_s=3.0)).pass_time(5.1)

    assert bench.statuses()[-1] is Status.HUNG
    assert bench.presences()[-1] == "down"


def test_silent_with_nothing_to_do_is_hung_and_ended_with_term_then_kill(bench: Bench) -> None:
    bench.boot().up().tell(WentSilent(age_s=3.0))
    assert bench.statuses()[-1] is Status.HUNG
    assert [job.signal for job in bench.did(SignalProgram)] == ["TERM"]
    bench.pass_time(1.1)
    assert [job.signal for job in bench.did(SignalProgram)] == ["TERM", "KILL"]
    bench.tell(KILLED).pass_time(0.2)

    assert "hung: silent for" in bench.recorded(ProgramEnded)[0].cause
    assert len(bench.did(Attach)) == 2


GROUNDS = "phi 8.2: silent 3.1 s, mean 1 s, deviation 0.05 s"


def test_what_a_silence_was_judged_on_stands_in_the_trail(bench: Bench) -> None:
    bench.boot().up().tell(WentSilent(age_s=3.1, why=GROUNDS)).tell(KILLED)

    assert bench.recorded(ProgramEnded)[0].cause == (
        f"hung: silent for 3.1 s with nothing to do; {GROUNDS} (killed by SIGKILL)"
    )
    assert [change.why for change in bench.recorded(HealthChanged) if change.now is Status.HUNG] == [
        f"silent for 3.1 s with nothing to do; {GROUNDS}"
    ]


def test_what_a_silence_was_judged_on_is_shown_while_it_is_busy(bench: Bench) -> None:
    bench.boot().up().tell(Command(key="k1", command="train_model", deadline_s=30), "coordinator")
    bench.tell(WentSilent(age_s=3.1, why=GROUNDS)).pass_time(6.0)

    assert bench.said(Pulse)[-1].why == f"silent with 1 commands in hand, their deadlines ahead; {GROUNDS}"


def test_without_a_hello_the_grounds_are_told_too(bench: Bench) -> None:
    bench.boot().tell(attached()).tell(WentSilent(age_s=15.0, why="deadline 15 s"))

    assert bench.state.hung == "silent for 15.0 s and no hello yet; deadline 15 s"


def test_a_kill_that_comes_after_the_end_hits_nobody(bench: Bench) -> None:
    bench.boot().up().tell(WentSilent(age_s=3.0)).tell(KILLED).pass_time(0.2).up(60).pass_time(2)

    assert [job.signal for job in bench.did(SignalProgram)] == ["TERM"]


def test_a_program_without_a_hello_in_time_is_hung(bench: Bench) -> None:
    bench.boot().tell(attached()).tell(WentSilent(age_s=15.0))

    assert "no hello" in bench.state.hung


# --- the hub goes down -----------------------------------------------------------------------------------------------


def test_when_the_hub_stops_the_program_is_ended_first(bench: Bench) -> None:
    bench.boot().up().tell(StopAsked(reason="shutdown"))
    assert bench.did(EndProgram) == [EndProgram(grace_s=5.0)]
    assert "stop" in bench.timers
    bench.tell(ProgramGone(cause="normal"))

    assert bench.stopped == "shutdown"
    assert bench.state.kept.wanted is Wanted.RUNNING


def test_when_the_hub_stops_and_keeps_workstreams_the_program_is_left_alone(bench: Bench) -> None:
    bench.boot().up().tell(StopAsked(reason="keep-workstreams"))

    assert (bench.did(Detach), bench.did(EndProgram), bench.stopped) == ([Detach()], [], "shutdown")


def test_a_stop_while_attaching_ends_what_comes_of_it(bench: Bench) -> None:
    bench.boot().tell(StopAsked(reason="shutdown")).tell(attached())
    assert len(bench.did(EndProgram)) == 1
    bench.tell(ProgramGone(cause="normal"))

    assert bench.stopped


def test_a_stop_does_not_wait_for_ever(bench: Bench) -> None:
    bench.boot().up().tell(StopAsked(reason="shutdown")).pass_time(9)

    assert bench.stopped


@pytest.mark.parametrize(
    ("left_s", "grace_s"), [(60.0, 5.0), (8.0, 5.0), (6.5, 3.5), (4.0, 2.0), (3.0, 1.5), (2.0, 0.5), (1.0, 0.01)]
)
def test_a_program_is_given_what_its_monitor_has_left_less_the_time_for_term_and_kill(
    bench: Bench, left_s: float, grace_s: float
) -> None:
    bench.boot().up().tell(StopAsked(reason="shutdown", left_s=left_s))

    assert bench.did(EndProgram) == [EndProgram(grace_s=grace_s)]


def test_a_program_that_ends_within_its_grace_has_not_overrun(bench: Bench) -> None:
    bench.boot().up().tell(StopAsked(reason="shutdown", left_s=6.5))

    bench.pass_time(3.0).tell(ProgramGone(cause="normal"))

    assert bench.recorded(Overran) == []


def test_a_program_that_had_to_be_ended_is_told_of_to_whoever_conducts_the_end(bench: Bench) -> None:
    bench.boot().up().tell(StopAsked(reason="shutdown", left_s=6.0))

    bench.pass_time(4.0).tell(ProgramGone(cause="killed by SIGKILL"))

    told = Overrun(name="the program of ws9", of="ws9", allowed_s=3.0, took_s=4.0, killed=True)
    assert bench.recorded(Overran) == [Overran(overrun=told)]
    assert ("hub", told) in bench.sent


def test_a_shim_that_is_not_understood_is_told_of(bench: Bench) -> None:
    bench.boot().tell(ShimForeign(pid=77, protocol=9, spoken=(1,)))

    assert bench.recorded(ShimReplaced) == [ShimReplaced(workstream="ws9", pid=77, protocol=9, spoken=(1,))]


def test_a_replaced_monitor_ends_and_touches_nothing(bench: Bench) -> None:
    bench.boot().up()
    bench.jobs.clear()
    bench.tell(Replaced())

    assert bench.stopped
    assert bench.jobs == []
