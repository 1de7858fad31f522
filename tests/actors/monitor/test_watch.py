"""The watch, on a clock that the test moves: what is silence, and whose is it."""

from dataclasses import dataclass, field

import pytest

from alluse_hub.actors.monitor.watch import STALL_S, UNREAD_LOOK_S, Watch
from alluse_hub.protocols.detection import INTERVALS_LEAST, DetectorKind
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.program import BeatsBack, WentSilent
from alluse_hub.protocols.workstream import MonitorSpec

BOTH = pytest.mark.parametrize("detector", DetectorKind)


@dataclass
class Stand:
    """A watch, its clock, what it told, and when its thread would look again."""

    spec: MonitorSpec
    now: float = 1_000.0
    told: list[Message] = field(default_factory=list)
    is_unread: bool = False
    halted: str = ""
    watch: Watch = field(init=False)
    wakes_at: float | None = None

    def __post_init__(self) -> None:
        self.watch = Watch(self.spec, self.told.append, lambda: self.now)

    def begin(self, *, is_greeted: bool = True) -> "Stand":
        self.watch.begin(lambda: self.is_unread, is_greeted=is_greeted, halted=lambda: self.halted)
        return self.look()

    def look(self) -> "Stand":
        wait_s = self.watch.look()
        self.wakes_at = None if wait_s is None else self.now + wait_s
        return self

    def stand_still(self, seconds: float) -> "Stand":
        """Time passes; nothing of this process runs."""
        self.now += seconds
        return self

    def pass_time(self, seconds: float) -> "Stand":
        """Time passes, and the thread looks when it meant to."""
        until = self.now + seconds
        while self.wakes_at is not None and self.wakes_at <= until:
            self.now = self.wakes_at
            self.look()
        self.now = until
        return self

    def say(self, beats: int = 1, *, is_hello: bool = False) -> "Stand":
        self.watch.heard(beats=beats, is_hello=is_hello)
        if self.watch._wakes_at > self.watch._detector.due_at:
            self.look()  # the thread was woken
        return self

    def beat(self, period_s: float, count: int) -> "Stand":
        for _ in range(count):
            self.pass_time(period_s).say()
        return self

    def silences(self) -> list[WentSilent]:
        return [message for message in self.told if isinstance(message, WentSilent)]


def stand(detector: DetectorKind = DetectorKind.DEADLINE, **more: float) -> Stand:
    return Stand(MonitorSpec(workstream="ws9", command=("program",), detector=detector, **more))


# --- silence ---------------------------------------------------------------------------------------------------------


def test_the_deadline_is_the_default_and_says_so() -> None:
    watched = stand(heartbeat_timeout_s=5.0).begin().beat(1.0, 30).pass_time(5.0)

    assert watched.told == [WentSilent(age_s=5.0, why="deadline 5 s")]


def test_phi_judges_by_the_rhythm_and_says_so() -> None:
    watched = stand(DetectorKind.PHI, heartbeat_timeout_s=30.0).begin().beat(0.1, 30).pass_time(5.0)

    (silence,) = watched.silences()
    assert silence.age_s == pytest.approx(1.66, abs=0.01)
    assert silence.why.startswith("phi 8.0: silent 1.66 s, mean 0.1 s, deviation ")


def test_what_phi_is_told_is_what_the_specification_says() -> None:
    watched = stand(
        DetectorKind.PHI,
        heartbeat_timeout_s=30.0,
        phi_threshold=3.0,
        phi_window=20,
        phi_deviation_min_s=0.5,
        phi_pause_s=0.0,
    )
    watched.begin().beat(10.0, 20).beat(1.0, 21).pass_time(30.0)

    assert watched.silences()[-1].why.endswith("mean 1 s, deviation 0 s (at least 0.5 s)")
    assert watched.silences()[-1].age_s == pytest.approx(1.0 + 3.09 * 0.5, abs=0.01)


@BOTH
def test_silence_is_told_once_and_so_is_its_end(detector: DetectorKind) -> None:
    watched = stand(detector).begin().beat(1.0, 5).pass_time(100.0).say().pass_time(1.0).say()

    assert [type(message) for message in watched.told] == [WentSilent, BeatsBack]


@BOTH
def test_a_silence_tells_who_is_stopped_and_whoever_asks_hears_it_as_long_as_it_lasts(detector: DetectorKind) -> None:
    program = stand(detector).begin().say()
    program.halted = "it is stopped"
    assert program.watch.halted == ""

    program.pass_time(60.0)
    assert [silence.halted for silence in program.silences()] == ["it is stopped"]
    assert program.watch.halted == "it is stopped"

    program.say()
    assert program.watch.halted == ""


@BOTH
def test_until_the_hello_the_start_timeout_counts(detector: DetectorKind) -> None:
    watched = stand(detector, start_timeout_s=15.0, heartbeat_timeout_s=5.0).begin(is_greeted=False)

    assert watched.pass_time(14.9).told == []
    assert watched.say(0, is_hello=True).pass_time(4.9).told == []
    assert [silence.age_s for silence in watched.pass_time(1.0).silences()] == [5.0]


@BOTH
def test_a_program_that_is_gone_is_not_watched(detector: DetectorKind) -> None:
    watched = stand(detector).begin().beat(1.0, 5)
    watched.watch.end()

    assert watched.pass_time(100.0).told == []


@BOTH
def test_a_new_program_is_not_silent_because_the_last_one_was(detector: DetectorKind) -> None:
    watched = stand(detector).begin().beat(1.0, 5).pass_time(100.0)
    watched.told.clear()

    watched.begin().beat(1.0, 5).pass_time(100.0)

    assert [type(message) for message in watched.told] == [WentSilent]


def test_a_rhythm_that_has_slowed_down_is_learned_although_it_was_judged_silent() -> None:
    watched = stand(DetectorKind.PHI, heartbeat_timeout_s=30.0).begin().beat(1.0, 100).beat(4.0, 200)

    assert 1 <= len(watched.silences()) < 20


@BOTH
def test_every_line_is_a_sign_of_life(detector: DetectorKind) -> None:
    watched = stand(detector, heartbeat_timeout_s=3.0).begin()
    for _ in range(100):
        watched.pass_time(1.5).say(0)

    assert watched.told == []


@BOTH
def test_a_new_program_is_judged_by_its_own_rhythm(detector: DetectorKind) -> None:
    watched = stand(detector, heartbeat_timeout_s=5.0).begin().beat(0.1, 50)

    watched.begin().beat(4.0, 1)

    assert watched.told == []


def test_the_age_is_that_of_the_last_sign_of_life() -> None:
    watched = stand().begin().pass_time(1.0).say().pass_time(1.5)

    assert watched.watch.age_s == 1.5


def test_the_thread_sleeps_until_it_is_due_and_no_beat_wakes_it() -> None:
    watched = stand(heartbeat_timeout_s=5.0).begin()
    first = watched.wakes_at

    watched.beat(1.0, 4)

    assert watched.wakes_at == first == 1_005.0


def test_the_thread_is_woken_when_the_rhythm_makes_it_due_earlier() -> None:
    watched = stand(DetectorKind.PHI, heartbeat_timeout_s=30.0).begin().beat(0.1, INTERVALS_LEAST)
    assert watched.wakes_at == 1_030.0

    watched.beat(0.1, 1)

    assert watched.wakes_at is not None
    assert watched.wakes_at < watched.now + 2.0
    assert len(watched.pass_time(3.0).silences()) == 1


# --- whose silence ---------------------------------------------------------------------------------------------------


@BOTH
def test_what_has_come_and_is_unread_was_said(detector: DetectorKind) -> None:
    watched = stand(detector, heartbeat_timeout_s=3.0).begin().beat(1.0, 30)
    watched.is_unread = True
    watched.pass_time(60.0)
    assert watched.told == []

    watched.say(60)
    watched.is_unread = False
    assert watched.pass_time(2.0).told == []
    assert len(watched.pass_time(60.0).silences()) == 1


def test_it_looks_again_soon_when_something_is_unread() -> None:
    watched = stand(heartbeat_timeout_s=3.0).begin()
    watched.is_unread = True
    watched.pass_time(3.0)
    assert watched.wakes_at == 1_003.0 + UNREAD_LOOK_S

    watched.is_unread = False
    (silence,) = watched.pass_time(1.0).silences()
    assert silence.age_s == pytest.approx(3.0 + UNREAD_LOOK_S)


@BOTH
@pytest.mark.parametrize("stood_s", [10.0, 3_600.0])
def test_while_this_process_stood_still_the_program_is_not_judged(detector: DetectorKind, stood_s: float) -> None:
    watched = stand(detector, heartbeat_timeout_s=5.0).begin().beat(1.0, 30)

    watched.stand_still(stood_s).look()
    assert watched.told == []

    watched.pass_time(1.0).say().pass_time(2.0)
    assert watched.told == []
    assert len(watched.pass_time(10.0).silences()) == 1


@BOTH
def test_it_does_not_matter_who_runs_first_after_a_stall(detector: DetectorKind) -> None:
    reader, thread = (stand(detector, heartbeat_timeout_s=5.0).begin().beat(1.0, 30) for _ in range(2))

    reader.stand_still(20.0).say().look()
    thread.stand_still(20.0).look().say()

    assert reader.told == thread.told == []
    assert reader.watch._detector.due_at == thread.watch._detector.due_at


def test_a_stall_teaches_no_rhythm() -> None:
    stalled, calm = (stand(DetectorKind.PHI, heartbeat_timeout_s=30.0).begin().beat(1.0, 50) for _ in range(2))

    for _ in range(20):
        stalled.stand_still(20.0).say().look().beat(1.0, 5)

    assert stalled.told == []
    assert stalled.pass_time(10.0).silences()[0].age_s == calm.pass_time(10.0).silences()[0].age_s


def test_beats_that_come_several_at_once_have_waited_and_teach_no_rhythm() -> None:
    waited, calm = (stand(DetectorKind.PHI, heartbeat_timeout_s=30.0).begin().beat(1.0, 50) for _ in range(2))

    for _ in range(20):
        waited.pass_time(2.0).say(2).beat(1.0, 5)

    assert waited.told == []
    assert waited.pass_time(10.0).silences()[0].age_s == calm.pass_time(10.0).silences()[0].age_s


@pytest.mark.parametrize(("timeout_s", "late_s", "is_stall"), [
    (60.0, STALL_S + 0.1, True), (60.0, STALL_S - 0.1, False), (0.4, 0.15, True), (0.4, 0.05, False),
])  # fmt: skip
def test_a_stall_is_measured_against_what_was_waited_for(timeout_s: float, late_s: float, is_stall: bool) -> None:
    watched = stand(heartbeat_timeout_s=timeout_s).begin().stand_still(timeout_s + late_s).look()

    assert (watched.told == []) == is_stall


def test_a_stall_puts_judgement_off_by_one_period_and_no_more() -> None:
    watched = stand(heartbeat_timeout_s=5.0).begin().stand_still(20.0).look()

    (silence,) = watched.pass_time(5.0).silences()

    assert silence.age_s == 25.0


def test_after_a_stall_the_next_is_measured_against_the_new_period() -> None:
    watched = stand(heartbeat_timeout_s=0.4).begin().stand_still(20.0).look().stand_still(0.4 + 0.15).look()

    assert watched.told == []
