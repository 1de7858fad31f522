"""A monitor that does not hear a directive: it is looked after, people are told, and no decision is another for it."""

import pytest

from alluse_hub.protocols.lifecycle import ChildEnded
from alluse_hub.testing import TestHub, Weather
from tests.simulation.conftest import Calm, same_as_calm
from tests.simulation.spans import STORM, is_over

SLOW_POST = Weather(latency_s=(0.05, 0.1))
"""So that a directive can be met on its way."""


def doubted(hub: TestHub) -> list[tuple[str, str]]:
    """How each doubt opened and closed."""
    opened = {
        str(e.body["id"]): str(e.body["sentence"]) for e in hub.facts("ConflictOpened") if e.body["klass"] == "C9"
    }
    closed = {str(e.body["id"]): str(e.body["sentence"]) for e in hub.facts("ConflictClosed")}
    return [(sentence, closed.get(id_, "")) for id_, sentence in opened.items()]


@pytest.mark.parametrize(
    ("stands_s", "causes"), [(3.0, []), (1e9, ["hung: no answer to a ping for 5.1 s"])], ids=["for a while", "for good"]
)
def test_a_monitor_that_stands_still_over_a_directive(
    stands_s: float, causes: list[str], calm: dict[str, Calm]
) -> None:
    with TestHub(STORM, seed=7, weather=SLOW_POST) as hub:
        hub.run_until(lambda: bool(hub.facts("DirectiveIssued")))
        monitor = hub.world.actors["ws4"]
        hub.world.hangs.begin(monitor)
        hub.advance(2.5)
        assert [closed for _, closed in doubted(hub)] == [""]
        assert [asked.body["choices"] for asked in hub.facts("Escalated")] == [[]]
        hub.advance(min(stands_s, 15.0) - 2.5)
        hub.world.hangs.end(monitor)
        hub.run_until(lambda: is_over(hub), 3_600.0)
        hub.advance(30.0)

        ends = [str(entry.body["cause"]) for entry in hub.facts(ChildEnded.__name__) if entry.body["name"] == "ws4"]
        assert ends == causes
        (doubt,) = doubted(hub)
        assert "its monitor has given no sign for 2 s" in doubt[0]
        assert doubt[1] == "ws4 has obeyed: ws4/trading is paused."
        assert hub.view("conflicts")["open"] == []
        same_as_calm(hub, calm[STORM])


def test_a_monitor_that_dies_and_is_back_at_once_is_in_no_doubt(calm: dict[str, Calm]) -> None:
    with TestHub(STORM, seed=7, weather=SLOW_POST) as hub:
        hub.run_until(lambda: bool(hub.facts("DirectiveIssued")))
        hub.crash("ws4")
        hub.run_until(lambda: is_over(hub), 3_600.0)
        hub.advance(30.0)

        assert doubted(hub) == []
        same_as_calm(hub, calm[STORM])
