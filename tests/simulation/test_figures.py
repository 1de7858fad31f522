"""What the product says of its coordination, counted again from the trail by another hand, over rough and calm runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from alluse_hub.actors.gateway.deeds import gathered
from alluse_hub.actors.gateway.figures import Span, figures
from alluse_hub.protocols.claims import Claim, PlaceClaim, Tier
from alluse_hub.protocols.rules import Rule, Tell
from alluse_hub.protocols.ruleset import ChangeRules
from alluse_hub.protocols.workstream import Maintain
from alluse_hub.supervision.memory import MemorySpool
from alluse_hub.supervision.simulation import VanishedError
from alluse_hub.supervision.spool import Frame
from alluse_hub.testing import TestHub
from tests.simulation.recount import Recount, rows_of
from tests.simulation.spans import LIMIT_S, RESTARTS, ROUGH, is_over, played, replay

POOL = """
[[pool]]
resource = "ws5/gpu"
capacity = 1
policy = "negotiate"
"""
SHORT = replay("2007-10-29", "2007-11-16", RESTARTS + POOL)
CLOSING = Rule(
    id="closing",
    name="Closing",
    workstream="ws3",
    event="session_closed",
    tell=(Tell(workstream="ws1", command="agent_status", pure=True), Tell(workstream="ws5", command="no_such_thing")),
)
"""One of its commands fails every time."""


def told(hub: TestHub, since: float, until: float) -> Any:  # JSON
    heard = {f"{e.body['event']['ws']}#{e.body['event']['n']}": e.at for e in hub.facts("EventHeard")}  # type: ignore[index, call-overload]  # JSON
    return figures(gathered(hub.trail, until), heard, Span(since, until))


def counted_again(hub: TestHub) -> Any:
    """Of the whole run, and of parts of it that begin and end anywhere."""
    rows = rows_of(hub.trail)
    ends = sorted(row.at for row in rows if row.message in {"DirectiveAnswered", "ConflictOpened"}) or [hub.now / 2]
    middle = ends[len(ends) // 2]
    for since, until in ((-1.0, hub.now), (-1.0, middle), (middle, hub.now), (middle / 3, middle * 1.2)):
        Recount(rows, since, until).check(told(hub, since, until))
    return told(hub, -1.0, hub.now)


@pytest.fixture(scope="module")
def calm() -> Any:
    with played(SHORT, 3) as hub:
        return counted_again(hub)


def test_of_a_calm_run(calm: Any) -> None:
    assert calm["score"] == 100.0
    assert calm["executions"] >= 5
    assert calm["latency_ms"]["event_to_acknowledged"]["count"] == calm["executions"]
    assert calm["latency_ms"]["event_to_acknowledged"]["p99"] is None, "there are fewer than 100 readings"


@pytest.mark.parametrize("seed", [21, *(pytest.param(seed, marks=pytest.mark.deep) for seed in (22, 23, 24))])
def test_of_a_run_in_rough_weather_with_deaths_of_everybody(seed: int) -> None:
    with played(SHORT, seed, ROUGH) as hub:
        assert hub.world.trail.incarnations["coordinator"] + hub.world.trail.incarnations["board"] > 2
        shown = counted_again(hub)

        assert shown["success"]["due"] > 0


def test_of_a_run_with_changed_rules_failing_commands_and_a_conflict_that_is_still_open() -> None:
    with TestHub(SHORT, seed=5) as hub:
        hub.run_sessions(2)
        hub.tell("coordinator", ChangeRules(about="a", how="add", by="ann", put=(CLOSING,)))
        hub.run_sessions(3)
        hub.crash("board")
        hub.run_sessions(3)
        for tier in (Tier.SYNC, Tier.WORKFLOW):
            claim = Claim(id=tier.value, resource="ws5/gpu", holder=tier.value, reason="a test", tier=tier, at="ws5")
            hub.tell("coordinator", PlaceClaim(claim=claim))
        hub.advance(2.0)
        hub.crash("coordinator")
        hub.advance(2.0)
        shown = counted_again(hub)

        assert shown["conflicts"]["open"] == 1
        assert shown["conflicts"]["escalated"] == 1
        assert shown["work"]["commands"]["well"] < shown["work"]["commands"]["due"]
        assert 0 < shown["score"] < 100
        assert shown["workstreams"]["ws5"]["score"] < shown["workstreams"]["ws1"]["score"] == 100
        now = hub.view("coordination")
        assert {one["id"]: one["status"] for one in now["workstreams"]}["ws5"] == "conflict"
        assert now["headline"]["executions"] == shown["executions"]
        assert now["headline"]["conflicts_open"] == shown["conflicts"]["open"]
        assert now["headline"]["conflicts_closed"] == shown["conflicts"]["closed"]


def test_of_a_run_in_which_a_workstream_is_out_and_obeys_nothing() -> None:
    with TestHub(SHORT, seed=6) as hub:
        hub.run_sessions(2)
        hub.tell("ws4", Maintain(on=True, by="ann", reason="a test"))
        hub.run_until(lambda: is_over(hub), LIMIT_S)
        hub.advance(30.0)
        shown = counted_again(hub)

        assert shown["success"]["due"] > shown["success"]["applied"]
        assert shown["success"]["rate"] < 1
        now = {one["id"]: one for one in hub.view("coordination")["workstreams"]}
        assert now["ws4"]["status"] == "maintenance"
        assert {rule for rule in now["ws4"]["rules"] if rule != "market-data-sync"} >= {"volatility-pause"}


@contextmanager
def torn(hub: TestHub, message: str) -> Iterator[list[int]]:
    """The coordinator's next turn with such a fact is cut behind it, as a write that its death cut short."""
    true_write = MemorySpool.write
    cuts: list[int] = []

    def write(self: MemorySpool, frames: Sequence[Frame], at: float, wall: float, *, urgent: bool = False) -> int:
        names = [frame.message for frame in frames]
        if cuts or self.actor != "coordinator" or "RoundOpened" not in names or message not in names:
            return true_write(self, frames, at, wall, urgent=urgent)
        cut = names.index(message) + 1
        cuts.append(cut)
        true_write(self, frames[:cut], at, wall)
        raise VanishedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemorySpool, "write", write)
        yield cuts
    assert cuts, f"seed {hub.world.seed}: no {message}"


@pytest.mark.parametrize(
    "message",
    ["ConflictOpened", *(pytest.param(name, marks=pytest.mark.deep) for name in ("RuleFired", "DirectiveIssued"))],
)
def test_of_a_run_with_a_round_that_was_abandoned(calm: Any, message: str) -> None:
    """What was decided in it was never sent, and is decided afresh: nothing of it counts twice."""
    with TestHub(SHORT, seed=7) as hub, torn(hub, message):
        hub.run_until(lambda: is_over(hub), LIMIT_S)
        hub.advance(30.0)
        assert len(hub.facts("RoundAbandoned")) == 1
        shown = counted_again(hub)

        assert shown["fired"] == calm["fired"]
        assert shown["conflicts"]["opened"] == calm["conflicts"]["opened"]
