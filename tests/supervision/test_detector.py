"""Failure detectors: when silence is suspected, what a rhythm is, and what must not disturb either."""

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.detection import INTERVALS_LEAST
from alluse_hub.supervision.detector import (
    TAIL_FROM,
    Deadline,
    Detector,
    PhiAccrual,
    deviations_at,
    phi_of,
    seconds,
)

LIMIT_S = 30.0

MAKERS: dict[str, Callable[[], Detector]] = {
    "deadline": lambda: Deadline(0.0, LIMIT_S),
    "phi": lambda: PhiAccrual(0.0, LIMIT_S),
    "phi without pause": lambda: PhiAccrual(0.0, LIMIT_S, threshold=3.0, window=20, deviation_min_s=0.01, pause_s=0.0),
}
BOTH = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def beating(detector: PhiAccrual, period_s: float, count: int) -> float:
    """Beats regularly from 0 on; the time of the last."""
    for number in range(count):
        detector.heard(number * period_s)
    return (count - 1) * period_s


# --- the tail of the normal distribution -----------------------------------------------------------------------------


def test_at_the_mean_one_in_two_beats_is_later() -> None:
    assert phi_of(0.0) == math.log10(2.0)


@pytest.mark.parametrize(
    ("deviations", "phi"),
    [
        (1.0, 0.799_545_541_491_969_7),
        (5.612_001_244_174_79, 8.0),
        (9.262_340_089_798_408, 20.0),
        (20.0, 88.560_095_343_075_57),
        (-6.0, 4.284e-10),
    ],
)
def test_phi_is_what_tables_of_the_normal_distribution_say(deviations: float, phi: float) -> None:
    assert phi_of(deviations) == pytest.approx(phi, rel=1e-3 if deviations < 0 else 1e-12)


def mills(x: int) -> Fraction:
    """x times Mills' ratio of the standard normal distribution, by its continued fraction."""
    tail = Fraction(x)
    for k in range(200, 0, -1):
        tail = x + Fraction(k) / tail
        tail = Fraction(int(tail * 10**30), 10**30)
    return x / tail


@pytest.mark.parametrize("deviations", [30, 35, 36, 40, 100, 1_000])
def test_phi_is_right_where_the_probability_is_too_small_for_a_float(deviations: int) -> None:
    power = deviations * deviations / 2.0 * math.log10(math.e)
    exact = power + math.log10(deviations * math.sqrt(2.0 * math.pi)) - math.log10(float(mills(deviations)))

    assert phi_of(float(deviations)) == pytest.approx(exact, rel=1e-12)


def test_phi_has_no_step_where_one_formula_takes_over_from_the_other() -> None:
    seam = TAIL_FROM * math.sqrt(2.0)
    below, above = phi_of(math.nextafter(seam, 0.0)), phi_of(math.nextafter(seam, 100.0))

    assert above == pytest.approx(below, rel=1e-12)


@given(low=st.floats(-50, 200), more=st.floats(1e-6, 100))
def test_phi_grows_with_the_distance(low: float, more: float) -> None:
    assert phi_of(low + more) >= phi_of(low) >= 0.0


@given(phi=st.floats(0.31, 300))
def test_the_distance_at_a_phi_is_the_inverse_of_the_phi_at_a_distance(phi: float) -> None:
    assert phi_of(deviations_at(phi)) == pytest.approx(phi, rel=1e-12)


def test_a_silence_below_the_mean_is_never_a_threshold() -> None:
    with pytest.raises(AssertionError):
        deviations_at(0.3)


# --- both ------------------------------------------------------------------------------------------------------------


@st.composite
def lives(draw: st.DrawFn, regular: int = 0) -> list[tuple[str, float]]:
    """What a detector is told: a rhythm of ``regular`` beats or more, then anything in any order of times, other signs
    of life, excuses, late ones and doubles."""
    period_s = draw(st.floats(0.01, 10.0))
    told = [("beat", number * period_s) for number in range(draw(st.integers(regular, 150)))]
    at = len(told) * period_s
    for gap in draw(st.lists(st.floats(0.0, 4.0), max_size=30)):
        at += gap * period_s
        kind = draw(st.sampled_from(["beat", "beat", "beat", "word", "excuse", "late", "twice"]))
        match kind:
            case "late":
                told.append(("beat", at - draw(st.floats(0.0, 50.0))))
            case "twice":
                told += [("beat", at), ("beat", at)]
            case _:
                told.append((kind, at))
    return told


def tell(detector: Detector, told: list[tuple[str, float]]) -> float:
    """The time of the newest of it."""
    for kind, at in told:
        if kind == "excuse":
            detector.excuse(at)
        else:
            detector.heard(at, is_beat=kind == "beat")
    return max([0.0, *(at for _, at in told)])


@BOTH
@given(told=lives(), silence_s=st.floats(0, 100), more_s=st.floats(0, 100))
def test_suspicion_never_falls_while_the_silence_lasts(
    make: Callable[[], Detector], told: list[tuple[str, float]], silence_s: float, more_s: float
) -> None:
    detector = make()
    now = tell(detector, told)

    assert detector.suspicion(now + silence_s) <= detector.suspicion(now + silence_s + more_s)


@BOTH
@given(told=lives())
def test_suspicion_reaches_its_threshold_when_it_is_due_and_not_before(
    make: Callable[[], Detector], told: list[tuple[str, float]]
) -> None:
    detector = make()
    tell(detector, told)

    assert detector.suspicion(detector.due_at) == pytest.approx(detector.threshold, rel=1e-9)
    assert detector.suspicion(detector.due_at - 0.001) < detector.threshold


@given(told=lives(regular=INTERVALS_LEAST + 1), threshold=st.floats(1, 100), pause_s=st.floats(0, 10))
def test_phi_itself_is_at_its_threshold_when_it_is_due_if_the_limit_is_far(
    told: list[tuple[str, float]], threshold: float, pause_s: float
) -> None:
    detector = PhiAccrual(0.0, 1e6, threshold=threshold, pause_s=pause_s)
    tell(detector, told)

    assert detector._phi(detector.due_at) == pytest.approx(threshold, rel=1e-6)


@BOTH
@given(told=lives())
def test_it_is_due_within_the_limit_of_the_newest_sign_of_life(
    make: Callable[[], Detector], told: list[tuple[str, float]]
) -> None:
    detector = make()
    now = tell(detector, told)

    assert now < detector.due_at <= now + LIMIT_S


@BOTH
@given(told=lives(), back_s=st.floats(0.001, 50))
def test_what_comes_late_changes_nothing(
    make: Callable[[], Detector], told: list[tuple[str, float]], back_s: float
) -> None:
    detector = make()
    now = tell(detector, told)
    due_at = detector.due_at

    detector.heard(now - back_s)
    detector.heard(now - back_s, is_beat=False)

    assert detector.due_at == due_at


@BOTH
@given(told=lives())
def test_what_comes_twice_counts_once(make: Callable[[], Detector], told: list[tuple[str, float]]) -> None:
    once, twice = make(), make()
    tell(once, told)
    tell(twice, [each for word in told for each in (word, word)])

    assert twice.due_at == once.due_at


@BOTH
@given(told=lives())
def test_it_says_what_it_rests_on(make: Callable[[], Detector], told: list[tuple[str, float]]) -> None:
    detector = make()
    tell(detector, told)

    assert detector.why(detector.due_at).partition(" ")[0] in {"deadline", "limit", "phi"}


@BOTH
def test_who_is_excused_has_a_new_period(make: Callable[[], Detector]) -> None:
    detector = make()
    detector.heard(10.0)
    detector.excuse(100.0)

    assert detector.due_at == 100.0 + LIMIT_S


# --- the deadline ----------------------------------------------------------------------------------------------------


def test_a_deadline_is_after_the_last_sign_of_life_of_any_kind() -> None:
    detector = Deadline(0.0, 5.0)

    detector.heard(3.0)
    detector.heard(4.0, is_beat=False)

    assert (detector.due_at, detector.suspicion(6.5), detector.why(9.0)) == (9.0, 0.5, "deadline 5 s")


# --- phi -------------------------------------------------------------------------------------------------------------


@given(
    period_s=st.floats(0.05, 20),
    wobble=st.lists(st.floats(-1, 1), min_size=1, max_size=300),
    pause_s=st.sampled_from([0.0, 1.0]),
)
def test_there_is_no_suspicion_while_beats_are_regular(period_s: float, wobble: list[float], pause_s: float) -> None:
    """Regular: never further from the period than the deviation that is allowed to anybody."""
    detector = PhiAccrual(0.0, LIMIT_S, deviation_min_s=period_s / 10, pause_s=pause_s)
    at = 0.0
    for each in wobble:
        detector.heard(at)
        at += period_s * (1 + each / 10)

        assert at < detector.due_at


@pytest.mark.parametrize(("period_s", "due_s"), [(0.1, 1.66), (1.0, 2.56), (4.0, 5.56)])
def test_it_is_as_fast_as_the_rhythm_it_listens_to(period_s: float, due_s: float) -> None:
    detector = PhiAccrual(0.0, LIMIT_S)
    last = beating(detector, period_s, 30)

    assert detector.due_at - last == pytest.approx(due_s, abs=0.005)


def test_without_a_rhythm_the_limit_counts() -> None:
    detector = PhiAccrual(0.0, LIMIT_S)
    assert detector.due_at == LIMIT_S

    last = beating(detector, 1.0, INTERVALS_LEAST)
    assert (detector.has_rhythm, detector.due_at, detector.suspicion(last + 29.0)) == (False, last + LIMIT_S, 0.0)
    assert detector.why(last + LIMIT_S) == "limit 30 s: 9 of 10 intervals known, no rhythm yet"

    detector.heard(last + 1.0)
    assert (detector.has_rhythm, detector.due_at < last + 4.0) == (True, True)


def test_however_unsteady_the_rhythm_the_limit_counts_in_the_end() -> None:
    detector = PhiAccrual(0.0, 5.0)
    for number in range(100):
        detector.heard(number * 2.0 + (number % 2) * 1.8)

    assert detector.due_at == 199.8 + 5.0
    assert detector.why(detector.due_at).startswith("limit 5 s, phi 0.9: silent 5 s, ")


def test_the_grounds_are_all_that_it_takes_to_reckon_again() -> None:
    steady, unsteady = PhiAccrual(0.0, LIMIT_S), PhiAccrual(0.0, LIMIT_S, pause_s=0.0)
    last = beating(steady, 1.0, 50)
    for number in range(50):
        unsteady.heard(number + (number % 2) * 0.5)

    assert steady.why(last + 2.6) == "phi 9.0: silent 2.6 s, mean 1 s, deviation 0 s (at least 0.1 s), pause 1 s"
    assert unsteady.why(49.5 + 3.8) == "phi 7.8: silent 3.8 s, mean 1.01 s, deviation 0.505 s"


def test_the_deviation_is_that_of_the_intervals() -> None:
    detector = PhiAccrual(0.0, LIMIT_S)
    at = 0.0
    for interval_s in (1.0, 2.0, 3.0, 2.0):
        detector.heard(at)
        at += interval_s
    detector.heard(at)

    assert (detector.mean_s, detector.deviation_s) == (2.0, math.sqrt(2.0 / 3.0))


def test_what_is_no_heartbeat_ends_the_silence_and_teaches_nothing() -> None:
    detector = PhiAccrual(0.0, LIMIT_S)
    last = beating(detector, 1.0, 30)
    patience_s = detector.patience_s

    for number in range(1, 100):
        detector.heard(last + number / 200.0, is_beat=False)
    assert (detector.patience_s, detector.due_at) == (patience_s, last + 99 / 200.0 + patience_s)

    detector.heard(last + 1.0)
    assert detector.patience_s == pytest.approx(patience_s)


def test_a_silence_that_was_too_long_is_learned_as_the_longest_that_was_not() -> None:
    dead, slow = PhiAccrual(0.0, 3600.0), PhiAccrual(0.0, 3600.0)
    last = beating(dead, 1.0, 100)
    beating(slow, 1.0, 100)

    dead.heard(last + 1_000.0)
    slow.heard(last + slow.patience_s)

    assert dead.patience_s == slow.patience_s < 3.0


def test_a_rhythm_that_has_slowed_down_is_learned() -> None:
    detector = PhiAccrual(0.0, LIMIT_S)
    at = beating(detector, 1.0, 300)
    alarms = []
    for number in range(300):
        at += 4.0
        if at > detector.due_at:
            alarms.append(number)
        detector.heard(at)

    assert 1 <= len(alarms) < 20
    assert detector.patience_s == pytest.approx(5.56, abs=0.01)


def test_while_it_was_excused_nothing_is_learned() -> None:
    stood_still, ran = PhiAccrual(0.0, LIMIT_S), PhiAccrual(0.0, LIMIT_S)
    last = beating(stood_still, 1.0, 50)
    beating(ran, 1.0, 50)

    stood_still.excuse(last + 2.3)
    stood_still.heard(last + 2.4)
    ran.heard(last + 1.0)

    assert (stood_still.mean_s, stood_still.deviation_s) == (ran.mean_s, ran.deviation_s)


@given(told=lives(), window=st.integers(INTERVALS_LEAST, 30))
def test_it_remembers_no_more_than_its_window(told: list[tuple[str, float]], window: int) -> None:
    detector = PhiAccrual(0.0, LIMIT_S, window=window)
    tell(detector, told)

    kept = list(detector._intervals)
    assert len(kept) <= window
    assert all(0 <= interval <= LIMIT_S * 1e6 for interval in kept)
    assert (detector._sum, detector._squares) == (sum(kept), sum(each * each for each in kept))


def test_only_the_window_counts() -> None:
    changed, young = PhiAccrual(0.0, LIMIT_S, window=20), PhiAccrual(0.0, LIMIT_S, window=20)
    last = beating(changed, 0.5, 1_000)
    beating(young, 1.0, 21)
    for number in range(1, 21):
        changed.heard(last + number)

    assert changed.patience_s == young.patience_s


@pytest.mark.parametrize(("value_s", "shown"), [(3.1416, "3.14 s"), (1.0, "1 s"), (0.012_34, "0.0123 s"), (0.0, "0 s")])
def test_times_are_told_with_three_digits_that_count(value_s: float, shown: str) -> None:
    assert seconds(value_s) == shown
