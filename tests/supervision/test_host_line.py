"""The line between guardian and host: orders arrive, silence is judged, and only the guardian's own clock counts."""

from collections.abc import Iterator

import pytest

from alluse_hub.supervision.host_line import PULSE_S, STALL_S, GuardianEnd, HostEnd, line

NOW = 1_000.0


@pytest.fixture
def ends() -> Iterator[tuple[GuardianEnd, HostEnd]]:
    guardian, host = line(15.0, NOW)
    yield guardian, host
    guardian.close()
    host.line.close()


def test_orders_arrive_with_what_becomes_of_the_programs(ends: tuple[GuardianEnd, HostEnd]) -> None:
    guardian, host = ends
    assert host.orders() == []

    guardian.order(keep_workstreams=True)
    guardian.order(keep_workstreams=False)

    assert host.orders() == [True, False]
    assert host.orders() == []


def test_silence_lasts_from_the_last_sign_of_life(ends: tuple[GuardianEnd, HostEnd]) -> None:
    guardian, host = ends
    host.pulse()

    assert guardian.silence_s(NOW + 1.0) == 0.0
    assert guardian.silence_s(NOW + 3.0) == 2.0
    assert guardian.silence_s(NOW + 5.0) == 4.0
    host.pulse()
    assert guardian.silence_s(NOW + 7.0) == 0.0


def test_a_guardian_that_looks_too_late_begins_a_new_period(ends: tuple[GuardianEnd, HostEnd]) -> None:
    guardian, _ = ends

    assert guardian.silence_s(NOW + PULSE_S + STALL_S + 0.1) == 0.0
    assert guardian.silence_s(NOW + 2 * PULSE_S + STALL_S + 0.1) == pytest.approx(PULSE_S)


def test_a_line_whose_other_end_has_gone_says_nothing_and_hurts_nobody(ends: tuple[GuardianEnd, HostEnd]) -> None:
    guardian, host = ends
    host.line.close()

    guardian.order(keep_workstreams=False)

    assert guardian.silence_s(NOW + 1.0) == 1.0


def test_a_host_that_nobody_reads_never_waits(ends: tuple[GuardianEnd, HostEnd]) -> None:
    _, host = ends

    for _ in range(20_000):
        host.pulse()
