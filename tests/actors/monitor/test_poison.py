"""Commands that no program survives: set aside after three deaths, and the next one is served."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.monitor.poison import DEATHS_MAX, EVENTS_NAMED
from alluse_hub.actors.monitor.state import SET_ASIDE_MAX, Monitor
from alluse_hub.protocols.claims import Directive, DirectiveAck
from alluse_hub.protocols.flow import Deliver, Event, Produced
from alluse_hub.protocols.health import Pulse, Status
from alluse_hub.protocols.lifecycle import Intensity
from alluse_hub.protocols.program import EndShim, ProgramGone, SignalProgram, WentSilent
from alluse_hub.protocols.workstream import (
    Command,
    CommandReply,
    CommandSetAside,
    MonitorSpec,
    ProgramEnded,
    ProgramParked,
    StartProgram,
    StopProgram,
)
from tests.actors.monitor.bench import Bench, reply

KILLED = ProgramGone(cause="killed by SIGSEGV")
GENEROUS = Intensity(restarts=1_000, period_s=60.0)


@pytest.fixture
def bench() -> Bench:
    return patient().boot().up()


def patient() -> Bench:
    return Bench(MonitorSpec(workstream="ws9", command=("program",), intensity=GENEROUS))


def deliver(bench: Bench, key: str, events: int = 2) -> Bench:
    carried = tuple(Event(ws="ws3", n=n, event="moved") for n in range(1, events + 1))
    return bench.tell(Deliver(delivery=key, round=1, events=carried), "router")


def die(bench: Bench, times: int = 1, death: ProgramGone = KILLED) -> Bench:
    """So often, with a new program each time."""
    for _ in range(times):
        pid = bench.state.kept.pid + 1
        bench.tell(death).pass_time(30.0).up(pid)
    return bench


def refusals(bench: Bench) -> list[tuple[str, str]]:
    return [(word.delivery, word.error) for word in bench.said(Produced) if not word.ok]


def test_a_delivery_over_which_three_programs_died_is_refused_and_named(bench: Bench) -> None:
    die(deliver(bench, "d1"), DEATHS_MAX)

    (fact,) = bench.recorded(CommandSetAside)
    assert (fact.key, fact.events, fact.count, fact.deaths) == ("d1", ("ws3#1", "ws3#2"), 2, 3)
    assert fact.cause == "killed by SIGSEGV"
    assert refusals(bench) == [("d1", fact.sentence)]
    assert fact.sentence == (
        "deliver (d1) with ws3#1, ws3#2 is set aside: 3 programs died over it, the last of: killed by SIGSEGV"
    )


def test_it_is_not_written_to_a_fourth_program_which_gets_the_next(bench: Bench) -> None:
    die(deliver(bench, "d1"), DEATHS_MAX)
    deliver(bench, "d2").hears(reply("d2"))

    assert [line["id"] for line in bench.written()] == ["d1", "d1", "d1", "d2"]
    assert [(word.delivery, word.ok) for word in bench.said(Produced)] == [("d1", False), ("d2", True)]


def test_two_deaths_are_not_enough(bench: Bench) -> None:
    die(deliver(bench, "d1"), DEATHS_MAX - 1).hears(reply("d1"))

    assert bench.recorded(CommandSetAside) == []
    assert [(word.delivery, word.ok) for word in bench.said(Produced)] == [("d1", True)]


def test_deaths_over_an_answered_command_are_forgotten(bench: Bench) -> None:
    die(deliver(bench, "d1"), DEATHS_MAX - 1).hears(reply("d1"))

    assert bench.state.kept.deaths == {}


def test_who_asks_for_it_again_is_refused_at_once(bench: Bench) -> None:
    die(deliver(bench, "d1"), DEATHS_MAX)
    written = len(bench.written())
    deliver(bench, "d1")

    assert len(refusals(bench)) == 2
    assert len(bench.written()) == written


def test_the_deaths_are_counted_over_the_monitor_s_own(bench: Bench) -> None:
    die(deliver(bench, "d1"), DEATHS_MAX - 1)
    bench.die().boot().up(bench.state.kept.pid, adopted=True)
    die(deliver(bench, "d1"))

    assert len(bench.recorded(CommandSetAside)) == 1


def test_of_several_in_hand_the_one_asked_first_is_blamed_then_the_next(bench: Bench) -> None:
    deliver(bench, "d1").tell(Command(key="k1", command="x", deadline_s=3_600), "coordinator")
    die(bench, DEATHS_MAX)
    assert [fact.key for fact in bench.recorded(CommandSetAside)] == ["d1"]

    die(bench, DEATHS_MAX)
    assert [fact.key for fact in bench.recorded(CommandSetAside)] == ["d1", "k1"]
    assert not bench.said(CommandReply)[0].ok


def test_a_directive_is_set_aside_too_and_its_asker_told(bench: Bench) -> None:
    told = Directive(
        resource="ws9/trading", rung="paused", command="pause", fence=3, reason="a rule", deadline_s=3_600.0
    )
    die(bench.tell(told, "coordinator"), DEATHS_MAX)

    assert [ack.outcome for ack in bench.said(DirectiveAck)] == ["failed"]
    assert "3 programs died over it" in bench.said(DirectiveAck)[0].error


def test_a_delivery_that_hangs_its_programs_is_poison_as_well(bench: Bench) -> None:
    deliver(bench, "d1")
    for _ in range(DEATHS_MAX):
        bench.pass_time(bench.spec.delivery_deadline_s + 0.1)
        assert bench.state.status is Status.HUNG
        die(bench, death=ProgramGone(cause="killed by SIGTERM"))

    (fact,) = bench.recorded(CommandSetAside)
    assert fact.cause.startswith("hung: no answer to deliver (d1) within its deadline")


def test_ends_that_were_asked_for_are_nobody_s_fault(bench: Bench) -> None:
    deliver(bench, "d1")
    for _ in range(2 * DEATHS_MAX):
        bench.tell(StopProgram(by="me"), "gateway").tell(ProgramGone(cause="normal"))
        bench.tell(StartProgram(by="me"), "gateway").up(bench.state.kept.pid + 1)
        deliver(bench, "d1")

    assert {fact.in_hand for fact in bench.recorded(ProgramEnded)} == {""}
    assert bench.recorded(CommandSetAside) == []


def test_a_program_that_uses_up_its_budget_first_is_parked(bench: Bench) -> None:
    bench.spec = MonitorSpec(workstream="ws9", command=("program",), intensity=Intensity(restarts=2, period_s=600.0))
    short = Bench(bench.spec).boot().up()
    die(deliver(short, "d1"), DEATHS_MAX)

    assert short.recorded(CommandSetAside) == []
    assert len(short.recorded(ProgramParked)) == 1


def test_the_pulse_tells_of_it_until_an_operator_starts_the_program_anew(bench: Bench) -> None:
    die(deliver(bench, "d1"), DEATHS_MAX).pass_time(10.0)
    assert "deliver (d1) with ws3#1, ws3#2 is set aside" in bench.said(Pulse)[-1].why

    bench.tell(StopProgram(by="me"), "gateway").tell(ProgramGone(cause="normal"))
    bench.tell(StartProgram(by="me"), "gateway").up(bench.state.kept.pid + 1).pass_time(10.0)
    assert "set aside" not in bench.said(Pulse)[-1].why


def test_of_a_delivery_with_many_events_the_first_are_named_and_all_counted(bench: Bench) -> None:
    die(deliver(bench, "d1", events=EVENTS_NAMED + 5), DEATHS_MAX)

    (fact,) = bench.recorded(CommandSetAside)
    assert (len(fact.events), fact.count) == (EVENTS_NAMED, EVENTS_NAMED + 5)
    assert "ws3#3 and 22 more is set aside" in fact.sentence


def test_what_is_remembered_is_bounded(bench: Bench) -> None:
    for number in range(SET_ASIDE_MAX + 3):
        die(deliver(bench, f"d{number}"), DEATHS_MAX)

    assert len(bench.state.kept.set_aside) == SET_ASIDE_MAX
    assert f"d{SET_ASIDE_MAX + 2}" in bench.state.kept.set_aside


@given(poison=st.sets(st.integers(0, 7)), monitor_dies=st.lists(st.booleans(), min_size=40, max_size=40))
def test_whatever_is_poisoned_all_else_is_served_and_facts_tell_the_state(
    poison: set[int], monitor_dies: list[bool]
) -> None:
    """A program dies over each poisoned delivery as soon as it is written, and answers each other."""
    bench = patient().boot().up()
    dies = iter(monitor_dies)
    for number in range(8):
        key = f"d{number}"
        deliver(bench, key)
        while key in bench.state.kept.open:
            if number not in poison:
                bench.hears(reply(key))
                continue
            die(bench)
            if next(dies, False):
                bench.die().boot().up(bench.state.kept.pid, adopted=True)
                deliver(bench, key)

    assert {fact.key for fact in bench.recorded(CommandSetAside)} == {f"d{number}" for number in poison}
    answered = {word.delivery: word.ok for word in bench.said(Produced) if word.delivery}
    assert answered == {f"d{number}": number not in poison for number in range(8)}
    folded: Monitor = bench.folded()
    assert folded.kept == bench.state.kept


# --- programs and shims that are stopped -----------------------------------------------------------------------------


def silent(bench: Bench, halted: str = "") -> Bench:
    return bench.tell(WentSilent(age_s=3.0, why="a deadline of 3 s", halted=halted))


def test_a_silent_program_with_a_delivery_in_hand_is_busy(bench: Bench) -> None:
    assert silent(deliver(bench, "d1")).state.status is Status.BUSY


def test_one_that_is_stopped_is_hung_at_once_whatever_it_has_in_hand(bench: Bench) -> None:
    silent(deliver(bench, "d1"), "it is stopped")

    assert bench.state.status is Status.HUNG
    assert bench.state.hung == "silent for 3.0 s, and it is stopped; a deadline of 3 s"
    assert bench.did(SignalProgram) == [SignalProgram(signal="TERM")]


def test_a_shim_that_does_not_end_its_hung_program_is_ended_with_it(bench: Bench) -> None:
    silent(bench, "its shim is stopped").pass_time(2.9)
    assert bench.did(EndShim) == []

    bench.pass_time(0.2)
    assert bench.did(EndShim) == [EndShim()]


def test_a_shim_that_ends_its_program_is_left_alone(bench: Bench) -> None:
    silent(bench, "it is stopped").tell(ProgramGone(cause="killed by SIGTERM")).up(60).pass_time(30.0)

    assert bench.did(EndShim) == []


def test_a_shim_that_does_not_end_its_program_when_asked_is_ended_with_it(bench: Bench) -> None:
    bench.tell(StopProgram(by="me"), "gateway").pass_time(bench.spec.grace_s + 3.1)

    assert bench.did(EndShim) == [EndShim()]
