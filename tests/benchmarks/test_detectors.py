"""The measuring of failure detectors: drawn from seeds, the same each time, and what the page says of it is so."""

from itertools import islice, pairwise
from pathlib import Path

import pytest

from alluse_hub.supervision.detector import Deadline, PhiAccrual
from tests.benchmarks.detectors import CHOICES, REGIMES, Dice, Maker, Measured, life, measure, report, steady

HOUSE = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", REGIMES)
def test_a_seed_gives_the_same_life_each_time_and_another_seed_another(name: str) -> None:
    first, again, other = (list(life(name, seed, 500)) for seed in (1, 1, 2))

    assert first == again != other
    assert all(beat.at <= beat.dies_at <= after.at for beat, after in pairwise(first))


def test_a_rhythm_has_the_period_that_it_says() -> None:
    intervals = list(islice(steady(4.0)(Dice("4")), 1_000))

    assert sum(intervals) / 1_000 == pytest.approx(4.0, rel=0.01)


def test_what_comes_after_it_was_due_is_a_wrong_suspicion() -> None:
    found = measure("steady, each 4 s", {"short": lambda: Deadline(0.0, 3.0)}, seeds=2, beats=101)

    assert found["short"].wrong == 200
    assert found["short"].wrong_per_hour == pytest.approx(900, rel=0.01)


def test_a_deadline_finds_a_death_within_itself() -> None:
    found = measure("steady, each second", {"five": lambda: Deadline(0.0, 5.0)}, seeds=1, beats=3_000)

    assert (found["five"].wrong, len(found["five"].found_s)) == (0, 367)
    assert 3.9 < min(found["five"].found_s) < 4.1
    assert 4.9 < found["five"].percentile(1.0) <= 5.0


def test_under_one_configuration_phi_is_right_for_every_steady_rhythm_and_a_deadline_as_fast_is_not() -> None:
    makers: dict[str, Maker] = {"phi": lambda: PhiAccrual(0.0, 30.0), "deadline": lambda: Deadline(0.0, 2.5)}
    found = {
        period: measure(f"steady, each {period}", makers, seeds=1, beats=2_000) for period in ("0.1 s", "second", "4 s")
    }

    assert {period: each["phi"].wrong for period, each in found.items()} == {"0.1 s": 0, "second": 0, "4 s": 0}
    assert found["4 s"]["deadline"].wrong == 1_999
    assert found["0.1 s"]["phi"].percentile(0.99) < found["second"]["phi"].percentile(0.99) < 2.7


def test_percentiles_are_by_nearest_rank() -> None:
    measured = Measured(found_s=[float(value) for value in range(100, 0, -1)])

    assert [measured.percentile(share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]


def test_the_report_has_a_row_for_each_regime_and_a_column_for_each_detector() -> None:
    wrong, times, _ = report(seeds=1, beats=700).split("\n\n")

    for table in (wrong, times):
        rows = table.splitlines()
        assert [row.split(" | ")[0].removeprefix("| ") for row in rows[2:]] == list(REGIMES)
        assert {row.count("|") for row in rows} == {len(CHOICES) + 2}


@pytest.mark.deep
def test_the_figures_on_the_page_are_those_that_the_command_tells() -> None:
    page = (HOUSE / "supervision" / "README.md").read_text(encoding="utf-8")

    for table in report().split("\n\n"):
        assert f"\n{table}\n" in page
