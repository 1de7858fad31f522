"""Whatever is tried here, each decision is made twice."""

from collections.abc import Iterator

import pytest

from alluse_hub.actors.coordinator.core import COORDINATOR
from tests.twice import decided_twice


@pytest.fixture(autouse=True, scope="module")
def each_decision_is_made_twice(request: pytest.FixtureRequest) -> Iterator[None]:
    """But for the worlds of a thousand seeds: whole hubs are run again as well."""
    if request.module.__name__.endswith("test_world"):
        yield
        return
    with decided_twice(COORDINATOR):
        yield
