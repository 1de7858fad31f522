"""What operators order, and when it is so."""

from alluse_hub.actors.monitor.core import CORE
from alluse_hub.protocols.effects import Commit, Send
from alluse_hub.protocols.health import Status
from alluse_hub.protocols.message import Envelope
from alluse_hub.protocols.program import (
    Attach,
    AttachFailed,
    EndProgram,
    NotRunning,
    ProgramGone,
    SignalProgram,
    WentSilent,
)
from alluse_hub.protocols.workstream import (
    Maintain,
    OrderDone,
    RestartProgram,
    StartProgram,
    StopProgram,
    Wanted,
    WantedChanged,
)
from tests.actors.monitor.bench import Bench, attached, hello

KILLED = ProgramGone(cause="killed by SIGKILL")


def test_an_order_is_committed_before_anything_is_done(bench: Bench) -> None:
    bench.boot().up().tell(StopProgram(by="ann", reason="leave"), "gateway")

    assert isinstance(bench.effects[0], Commit)
    assert bench.recorded(WantedChanged)[0].wanted is Wanted.STOPPED
    assert bench.did(EndProgram) == [EndProgram(grace_s=5.0)]


def test_a_stop_is_done_when_the_program_has_ended(bench: Bench) -> None:
    bench.boot().up().tell(StopProgram(by="ann"), "gateway")
    assert bench.said(OrderDone) == []
    assert bench.statuses()[-1] is Status.STOPPING
    bench.tell(ProgramGone(cause="normal")).pass_time(60)

    assert [(done.ok, done.text) for done in bench.said(OrderDone, "gateway")] == [(True, "pid 50 has ended")]
    assert bench.statuses()[-1] is Status.STOPPED
    assert bench.presences()[-1] == "out"
    assert len(bench.did(Attach)) == 1


def test_a_stopped_program_stays_down_over_the_monitors_death(bench: Bench) -> None:
    bench.boot().up().tell(StopProgram(by="ann"), "gateway").tell(ProgramGone(cause="normal"))
    bench.jobs.clear()
    bench.die().boot().tell(NotRunning())

    assert bench.did(Attach) == [Attach(start=False)]
    assert bench.statuses()[-1] is Status.STOPPED


def test_a_leftover_of_a_stopped_program_is_ended(bench: Bench) -> None:
    bench.boot().up().tell(StopProgram(by="ann"), "gateway").die().boot()
    bench.jobs.clear()
    bench.up(adopted=True)

    assert len(bench.did(EndProgram)) == 1


def test_a_restart_is_done_when_the_new_program_said_hello_and_names_both_pids(bench: Bench) -> None:
    bench.boot().up(50).tell(RestartProgram(by="ann"), "gateway").tell(ProgramGone(cause="normal"))
    bench.tell(attached(60))
    assert bench.said(OrderDone) == []
    bench.hears(hello(60))

    assert [done.text for done in bench.said(OrderDone, "gateway")] == ["pid 50 ended, pid 60 runs"]
    assert bench.state.kept.restarts == ()


def test_a_restart_during_the_pause_starts_at_once(bench: Bench) -> None:
    bench.boot().up().tell(KILLED).tell(RestartProgram(by="ann"), "gateway")

    assert len(bench.did(Attach)) == 2
    assert "restart" not in bench.timers


def test_starting_what_runs_is_done_at_once(bench: Bench) -> None:
    bench.boot().up().tell(StartProgram(by="ann"), "gateway")

    assert bench.said(OrderDone)[0].text == "it runs, pid 50"


def test_a_start_that_overtakes_a_stop_wins(bench: Bench) -> None:
    bench.boot().up().tell(StopProgram(by="ann"), "gateway").tell(StartProgram(by="bob"), "gateway")
    bench.tell(ProgramGone(cause="normal")).up(60)

    assert [(done.ok, done.text) for done in bench.said(OrderDone)] == [
        (False, "a newer order, start, took its place"),
        (True, "started, pid 60"),
    ]


def test_an_order_that_takes_too_long_is_answered_so(bench: Bench) -> None:
    bench.boot().tell(RestartProgram(by="ann"), "gateway").pass_time(61)

    [done] = bench.said(OrderDone)
    assert not done.ok
    assert "60 s" in done.text


def test_a_start_that_ends_in_parking_has_failed(bench: Bench) -> None:
    bench.boot().tell(StopProgram(by="ann"), "gateway").tell(NotRunning())
    bench.tell(StartProgram(by="ann"), "gateway")
    for _ in range(6):
        bench.tell(AttachFailed(error="no such program")).pass_time(10)

    assert "no such program" in bench.said(OrderDone)[-1].text
    assert not bench.said(OrderDone)[-1].ok


def test_a_stop_before_the_program_is_there_ends_it_when_it_comes(bench: Bench) -> None:
    bench.boot().tell(StopProgram(by="ann"), "gateway").tell(attached())

    assert len(bench.did(EndProgram)) == 1


def test_in_maintenance_nothing_is_judged_or_restarted(bench: Bench) -> None:
    bench.boot().up().tell(Maintain(on=True, by="ann"), "gateway").tell(WentSilent(age_s=30.0))
    assert bench.did(SignalProgram) == []
    bench.tell(KILLED).pass_time(60)

    assert len(bench.did(Attach)) == 1
    assert bench.statuses()[-1] is Status.MAINTENANCE
    assert bench.presences()[-1] == "out"
    assert bench.said(OrderDone)[0].ok


def test_the_end_of_maintenance_starts_what_is_down(bench: Bench) -> None:
    bench.boot().up().tell(Maintain(on=True, by="ann"), "gateway").tell(KILLED)
    bench.tell(Maintain(on=False, by="ann"), "gateway").up(60)

    assert bench.presences()[-1] == "up"


def test_the_end_of_maintenance_judges_what_is_silent(bench: Bench) -> None:
    bench.boot().up().tell(Maintain(on=True, by="ann"), "gateway").tell(WentSilent(age_s=30.0))
    bench.tell(Maintain(on=False, by="ann"), "gateway")

    assert [job.signal for job in bench.did(SignalProgram)] == ["TERM"]


def test_a_restart_in_maintenance_stays_in_maintenance(bench: Bench) -> None:
    bench.boot().up().tell(Maintain(on=True, by="ann"), "gateway").tell(RestartProgram(by="ann"), "gateway")
    bench.tell(ProgramGone(cause="normal")).up(60)

    assert bench.said(OrderDone)[-1].text == "pid 50 ended, pid 60 runs"
    assert bench.state.kept.wanted is Wanted.MAINTENANCE


def test_the_end_of_a_maintenance_that_never_was_is_refused_and_starts_nothing(bench: Bench) -> None:
    bench.boot().tell(StopProgram(by="ann"), "gateway").tell(NotRunning())
    bench.tell(Maintain(on=False, by="ann"), "gateway")

    refused = bench.said(OrderDone)[-1]
    assert not refused.ok
    assert "`start`" in refused.text
    assert bench.state.kept.wanted is Wanted.STOPPED


def test_an_order_that_could_not_be_recorded_is_refused_to_whoever_gave_it(bench: Bench) -> None:
    letter = Envelope("gateway/1/9", "gateway", bench.state.ws, RestartProgram(by="ann"), 1.0)

    assert CORE.unrecorded is not None
    text = "not done, since it could not be recorded: disk full"
    refused = OrderDone(workstream=bench.state.ws, ok=False, text=text)
    assert CORE.unrecorded(bench.state, letter, "disk full") == (Send("gateway", refused),)
