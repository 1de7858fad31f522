"""Whatever is tried here, each decision is made twice."""

from collections.abc import Iterator

import pytest

from alluse_hub.actors.board.core import BOARD
from tests.twice import decided_twice


@pytest.fixture(autouse=True, scope="module")
def each_decision_is_made_twice() -> Iterator[None]:
    with decided_twice(BOARD):
        yield
