"""Cause chains in a cell: what is done to its residents, and what they fail on, hangs together as among processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alluse_hub.supervision.origins import Origin
from tests.supervision.lodgers import LODGER, Cell, Labour


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Cell]:
    Labour.released.clear()
    made = Cell(tmp_path)
    yield made
    Labour.released.set()
    made.residents.close()


def test_a_resident_is_born_stopped_and_introduced_in_the_chain_of_its_cell(cell: Cell) -> None:
    birth, news, order = (Origin(f"{name}/1/1", f"{name}/1/1") for name in ("sup", "peer", "order"))
    cell.residents.move_in("a", 1, LODGER, birth)
    cell.residents.introduce([("router", 1)], news)
    cell.residents.stop("a", "shutdown", None, order)
    chains = {entry.message: (entry.cause, entry.correlation) for entry in cell.trail.entries}

    assert chains["Booted"] == tuple(birth)
    assert chains["Started"] == tuple(birth)
    assert chains["StopAsked"] == tuple(order)


def test_what_it_failed_on_is_told_with_its_end(cell: Cell) -> None:
    cell.fill("a")
    cell.ask("a", "raise")

    failed = cell.trail.entries[-1]
    assert cell.origins[-1] == (failed.id, failed.id)
    assert failed.cause == "somebody/1/1"
