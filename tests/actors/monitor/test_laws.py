"""Laws that hold whatever is lost, doubled, reordered or killed."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from alluse_hub.actors.monitor.core import CORE
from alluse_hub.actors.monitor.state import Monitor
from alluse_hub.protocols.claims import Directive, DirectiveAck
from alluse_hub.protocols.flow import Deliver, EventHeard, Produced, Unsettled
from alluse_hub.protocols.lifecycle import Intensity
from alluse_hub.protocols.program import BeatsBack, ProgramGone, WentSilent
from alluse_hub.protocols.workstream import (
    Command,
    CommandClosed,
    CommandOpened,
    CommandReply,
    Maintain,
    MonitorSpec,
    RestartProgram,
    StartProgram,
    StopProgram,
)
from tests.actors.monitor.bench import Bench, FakeShim, event

Step = tuple[Any, ...]
"""What happens, and how: read by ``take_step``."""

steps = st.lists(
    st.one_of(
        st.just(("step",)),
        st.tuples(st.just("deliver"), st.integers(1, 6), st.integers(0, 12)),
        st.tuples(st.just("command"), st.integers(1, 6)),
        st.tuples(st.just("directive"), st.integers(1, 6)),
        st.sampled_from([("kill",), ("kill monitor",), ("unasked",), ("silent",), ("lose letters",), ("double",)]),
        st.tuples(st.just("time"), st.sampled_from([0.05, 0.5, 5.0, 40.0])),
        st.tuples(st.just("order"), st.sampled_from(["start", "stop", "restart", "on", "off"])),
    ),
    max_size=60,
)


def take_step(bench: Bench, shim: FakeShim, step: Step) -> None:
    match step:
        case ("step",):
            shim.step()
        case ("deliver", key, taken):
            bench.tell(Deliver(delivery=f"d{'x' * key}", round=1, taken=taken), "router")
        case ("command", key):
            bench.tell(Command(key=f"k{'x' * key}", command="do", deadline_s=20), "coordinator")
        case ("directive", fence):
            bench.tell(Directive(resource="ws9/m", rung="r", command="go", fence=fence, reason="a test"), "coordinator")
        case ("kill",) if shim.is_running:
            shim.kill()
        case ("kill monitor",):
            shim.kill_monitor()
        case ("unasked",) if shim.is_running:
            shim.tell_unasked()
        case ("silent",) if shim.is_running:
            bench.tell(WentSilent(age_s=3.0))
        case ("lose letters",) if shim.outbox and not isinstance(shim.outbox[0], ProgramGone):
            shim.kill_monitor()  # letters from the worker are lost with the process only
        case ("double",) if shim.outbox:
            shim.outbox.insert(0, shim.outbox[0])
        case ("time", seconds):
            bench.pass_time(seconds)
        case ("order", order):
            orders = {
                "start": StartProgram(by="ann"),
                "stop": StopProgram(by="ann"),
                "restart": RestartProgram(by="ann"),
                "on": Maintain(on=True, by="ann"),
                "off": Maintain(on=False, by="ann"),
            }
            bench.tell(orders[order], "gateway")


def settle(bench: Bench, shim: FakeShim) -> None:
    """Let everything that is under way arrive, until nothing more happens."""
    for _ in range(400):
        while shim.outbox:
            shim.step()
        if bench.state.is_silent:
            bench.tell(BeatsBack())
        bench.pass_time(0.5)


def run(happened: list[Step]) -> tuple[Bench, FakeShim]:
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), intensity=Intensity(restarts=1000, period_s=10)))
    shim = FakeShim(bench)
    bench.boot()
    for step in happened:
        take_step(bench, shim, step)
        assert bench.folded().kept == bench.state.kept
    bench.tell(StartProgram(by="ann"), "gateway")
    settle(bench, shim)
    return bench, shim


@settings(max_examples=150, deadline=None)
@given(happened=steps)
def test_folding_the_facts_gives_the_live_state_and_nothing_is_lost_or_doubled(happened: list[Step]) -> None:
    bench, shim = run(happened)

    assert bench.folded().kept == bench.state.kept
    # Every event of the program is in the trail once, in order, and settled or handed over.
    heard = [fact.event for fact in bench.recorded(EventHeard)]
    assert [event.n for event in heard] == [event.n for event in shim.events]
    handed = {event.n for message in (*bench.said(Produced), *bench.said(Unsettled)) for event in message.events}
    assert handed == {event.n for event in shim.events}
    # A key has one effect, whatever was said again.
    assert len(shim.done) == len(set(shim.done))
    # What was opened is closed, but for deliveries whose text went with a dead monitor: the router says them again.
    assert all(opened.kind == "delivery" for opened in bench.state.kept.open.values())


@settings(max_examples=80, deadline=None)
@given(happened=steps)
def test_every_delivery_said_again_is_answered_with_its_events_and_no_gap(happened: list[Step]) -> None:
    bench, shim = run(happened)
    for key in {message.delivery for message in bench.said(Produced)} | set(bench.state.kept.open):
        if not key.startswith("d"):
            continue
        bench.sent.clear()
        bench.tell(Deliver(delivery=key, round=1), "router")
        settle(bench, shim)

        answers = [message for message in bench.said(Produced) if message.delivery == key]
        assert answers
        assert answers[-1].ok
        assert answers[-1].through == len(shim.events)


@settings(max_examples=80, deadline=None)
@given(happened=steps)
def test_an_applied_fence_never_goes_back(happened: list[Step]) -> None:
    bench, shim = run(happened)

    fences = [int(key.rpartition("/")[2]) for key in shim.done if "/directive/" in key]
    assert fences == sorted(fences)
    applied = [ack.fence for ack in bench.said(DirectiveAck) if ack.outcome == "applied"]
    assert set(applied) <= set(fences)


@settings(max_examples=80, deadline=None)
@given(happened=steps)
def test_a_command_is_answered_yes_only_if_it_was_done(happened: list[Step]) -> None:
    bench, shim = run(happened)

    assert {answer.key for answer in bench.said(CommandReply) if answer.ok} <= set(shim.done)
    opened = [fact.key for fact in bench.recorded(CommandOpened) if fact.kind == "command"]
    closed = [fact.key for fact in bench.recorded(CommandClosed) if fact.key in set(opened)]
    assert sorted(opened) == sorted(closed)


def test_the_state_of_a_monitor_survives_a_snapshot() -> None:
    bench = Bench()
    bench.boot().up().tell(Deliver(delivery="d1", round=1), "router").hears(event(1, "d1"))
    bench.tell(Command(key="k1", command="x"), "coordinator")
    adapter = TypeAdapter(Monitor)

    snapshot = adapter.validate_json(adapter.dump_json(bench.folded()))

    assert snapshot == bench.folded()
    assert CORE.restore is not None
    today = CORE.start("ws9", MonitorSpec(workstream="ws9", command=("newer",)))
    assert CORE.restore(today, snapshot).kept == bench.state.kept
    assert CORE.restore(today, snapshot).spec.command == ("newer",)
