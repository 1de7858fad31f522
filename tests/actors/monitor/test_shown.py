"""What others see of a workstream: status, presence, pulse."""

import pytest

from alluse_hub.actors.monitor.core import CORE
from alluse_hub.protocols.flow import AskUnsettled, Present, Unsettled
from alluse_hub.protocols.health import HealthChanged, Pulse, Status
from alluse_hub.protocols.lifecycle import ChildState, PeerDown, PeerUp
from alluse_hub.protocols.names import RESERVED
from alluse_hub.protocols.program import (
    AttachFailed,
    Look,
    Looked,
    ProgramGone,
    WentSilent,
)
from alluse_hub.protocols.workstream import (
    Command,
    MonitorSpec,
)
from tests.actors.monitor.bench import Bench, event

KILLED = ProgramGone(cause="killed by SIGKILL")


def test_a_change_of_status_is_recorded_and_told_once(bench: Bench) -> None:
    bench.boot().up()
    before = len(bench.recorded(HealthChanged))
    bench.hears(event(1)).hears(event(2))

    assert [change.now for change in bench.recorded(HealthChanged)[before:]] == [Status.ACTIVE]
    assert bench.said(HealthChanged, "board")[-1].now is Status.ACTIVE
    assert bench.said(Pulse, "board")[-1].status is Status.ACTIVE


def test_a_pulse_is_sent_each_interval_with_the_age_of_the_last_sign_of_life(bench: Bench) -> None:
    bench.boot().up().pass_time(5.0)
    assert len(bench.did(Look)) == 1
    bench.tell(Looked(age_s=0.7))

    assert bench.said(Pulse)[-1].staleness_s == pytest.approx(0.7)
    assert bench.said(Pulse)[-1].pid == 50


def test_without_a_program_the_pulse_needs_no_look(bench: Bench) -> None:
    bench.boot().tell(AttachFailed(error="x"))
    bench.timers.pop("restart")
    before = len(bench.said(Pulse))
    bench.pass_time(5.0)

    assert len(bench.said(Pulse)) == before + 1
    assert bench.said(Pulse)[-1].health == 0.0


def test_who_needs_what_is_down_is_degraded_not_dead() -> None:
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), depends_on=("ws3",)))
    bench.boot().up().tell(Present(workstream="ws3", presence="down"), "ws3").tell(Looked(age_s=0.0))

    assert bench.said(Pulse)[-1].health == 80.0
    assert "it needs ws3" in bench.said(Pulse)[-1].why
    bench.tell(Present(workstream="ws3", presence="up"), "ws3").tell(Looked(age_s=0.0))
    assert bench.said(Pulse)[-1].health == 100.0


def down(incarnation: int, standing: ChildState = ChildState.PARKED) -> PeerDown:
    return PeerDown(name="ws3", incarnation=incarnation, standing=standing, cause="error: boom")


def test_who_needs_one_whose_monitor_is_down_is_degraded_until_the_monitor_is_up_again() -> None:
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), depends_on=("ws3",)))
    bench.boot().up().tell(PeerUp(name="ws3", incarnation=4), "hub").tell(Present(workstream="ws3", presence="up"))

    bench.tell(down(4), "workstreams").tell(down(4, ChildState.RESTARTING), "workstreams").tell(down(4), "workstreams")
    assert bench.said(Pulse)[-1].health == 80.0
    assert bench.said(Pulse)[-1].why.endswith("degraded: it needs ws3, whose monitor is parked")

    bench.tell(PeerUp(name="ws3", incarnation=5), "hub")
    assert bench.said(Pulse)[-1].health == 100.0


def test_that_a_monitor_is_down_is_old_news_when_its_next_incarnation_is_up() -> None:
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), depends_on=("ws3",)))
    bench.boot().up().tell(PeerUp(name="ws3", incarnation=5), "hub")
    before = bench.state

    bench.tell(down(4), "workstreams")

    assert bench.state == before


def test_the_news_that_a_monitor_was_up_does_not_end_the_news_that_it_is_down_again() -> None:
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), depends_on=("ws3",)))
    bench.boot().up().tell(down(4), "workstreams")

    bench.tell(PeerUp(name="ws3", incarnation=4), "hub")

    assert bench.said(Pulse)[-1].health == 80.0


def test_a_monitor_down_that_it_does_not_need_is_nothing_to_it(bench: Bench) -> None:
    bench.boot().up()
    before = bench.state

    bench.tell(down(4), "workstreams")

    assert bench.state == before


@pytest.mark.parametrize(("allowed_s", "health"), [(1.0, 50.0), (4.0, 100.0)])
def test_a_busy_program_fades_from_the_silence_on_that_its_detector_allowed(allowed_s: float, health: float) -> None:
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), heartbeat_timeout_s=5.0, pulse_s=2.0))
    bench.boot().up().pass_time(1.0).tell(Command(key="k1", command="x"), "coordinator")
    bench.tell(WentSilent(age_s=allowed_s)).pass_time(0.5)
    bench.tell(Looked(age_s=max(2.0, allowed_s)))

    assert bench.said(Pulse)[-1].health == health


def test_whoever_needs_it_is_told_when_it_comes_and_goes() -> None:
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), needed_by=("ws4",)))
    bench.boot().up()

    assert bench.presences("ws4") == ["down", "up"]


@pytest.mark.parametrize("peer", ["router", "coordinator"])
def test_a_peers_new_incarnation_is_told_the_presence_again(bench: Bench, peer: str) -> None:
    bench.boot().up()
    bench.sent.clear()
    bench.tell(PeerUp(name=peer, incarnation=2), "hub")

    assert bench.presences(peer) == ["up"]


def test_an_idle_program_becomes_idle_again(bench: Bench) -> None:
    bench.boot().up().hears(event(1)).pass_time(66)

    assert bench.statuses()[-1] is Status.IDLE


def test_a_peer_of_no_concern_is_told_nothing(bench: Bench) -> None:
    bench.boot().up()
    bench.sent.clear()
    bench.tell(PeerUp(name="auditor", incarnation=2), "hub")

    assert bench.sent == []
    assert "auditor" in RESERVED


@pytest.mark.parametrize("peer", sorted({*RESERVED, "ws3", "ws4", "ws9"}))
def test_it_heeds_exactly_those_that_it_would_tell_something_and_those_it_needs(peer: str) -> None:
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), needed_by=("ws4",), depends_on=("ws3",)))
    bench.boot().up()
    bench.sent.clear()
    bench.tell(PeerUp(name=peer, incarnation=2), "hub")

    assert CORE.heeds is not None
    assert CORE.heeds(bench.state, peer) == (bool(bench.sent) or peer == "ws3")


def test_asking_for_the_unsettled_of_a_program_that_said_nothing_is_answered(bench: Bench) -> None:
    bench.boot().up().tell(AskUnsettled(taken=0), "router")

    assert bench.said(Unsettled)[-1].events == ()
