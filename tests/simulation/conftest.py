"""What the modules here share: one tape, and what calm spans give."""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from alluse_hub.actors.workstreams import ws3
from alluse_hub.actors.workstreams.bars import load
from alluse_hub.testing import TestHub
from tests.simulation.laws import decisions, obeyed
from tests.simulation.spans import LISTING, STORM, played

SHARED = cache(load)


@pytest.fixture(autouse=True, scope="module")
def one_tape() -> Iterator[None]:
    """It is only read, and each start of ws3 would unpack it afresh."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ws3, "load", SHARED)
        yield


class Calm(NamedTuple):
    """What a span gives when nothing goes wrong."""

    digests: dict[str, str]
    decisions: list[tuple[str, Any]]  # bodies of facts


@pytest.fixture(scope="session")
def calm() -> dict[str, Calm]:
    found: dict[str, Calm] = {}
    for span in (LISTING, STORM):
        with played(span) as hub:
            obeyed(hub)
            found[span] = Calm(hub.digests, decisions(hub))
    return found


def same_as_calm(hub: TestHub, calm: Calm) -> None:
    seed = hub.world.seed
    assert hub.digests == calm.digests, f"seed {seed}"
    assert decisions(hub) == calm.decisions, f"seed {seed}"
    obeyed(hub)
