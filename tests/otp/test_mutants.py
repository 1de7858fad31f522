"""The traces are worth something only if a supervisor with a bug does not get through."""

import pytest

from tests.otp.mutants import MUTANTS, Mutant, core_with, first_difference

SLICE = 7
"""Of so many planted bugs, one is looked for in the plain run."""


def plant(mutant: Mutant) -> None:
    found = first_difference(core_with(mutant))

    print(f"{mutant.bug}\n    {found}")
    assert found != ""


@pytest.mark.parametrize("mutant", MUTANTS[::SLICE], ids=lambda mutant: mutant.bug)
def test_a_planted_bug_is_noticed(mutant: Mutant) -> None:
    plant(mutant)


@pytest.mark.deep
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_every_planted_bug_is_noticed(mutant: Mutant) -> None:
    plant(mutant)


def test_planting_itself_changes_nothing() -> None:
    assert first_difference(core_with(None)) == ""


def test_bugs_enough_are_planted_and_each_is_another() -> None:
    assert len({mutant.bug for mutant in MUTANTS}) == len(MUTANTS) >= 50
    assert len({(mutant.module, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
