"""Which entries a hold covers, and which holds are in force."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.auditor.holds import Header, covering, covers, overlaps, refuse_boundless, standing
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.keeping import HoldLifted, HoldPlaced
from alluse_hub.protocols.message import Fact

ENTRY = Header(100.0, "ws3", "router", "ws3/1/7", "EventsTaken", '{"symbol":"Aapl"}')


def hold(**named: object) -> HoldPlaced:
    return HoldPlaced.model_validate({"owner": "Legal", "reason": "case 7", **named})


@pytest.mark.parametrize(
    ("placed", "is_covered"),
    [
        (hold(workstream="ws3"), True),
        (hold(workstream="ws4"), False),
        (hold(actor="router"), True),
        (hold(actor="ws3"), False),
        (hold(correlation="ws3/1/7"), True),
        (hold(correlation="ws3/1/8"), False),
        (hold(message="EventsTaken"), True),
        (hold(message="eventstaken"), False),
        (hold(since=100.0), True),
        (hold(since=100.1), False),
        (hold(until=100.0), False),
        (hold(until=100.1), True),
        (hold(text="AAPL"), True),
        (hold(text="MSFT"), False),
        (hold(workstream="ws3", message="Woken"), False),
        (hold(workstream="ws3", message="EventsTaken", since=1.0, until=200.0, text="symbol"), True),
    ],
)
def test_a_hold_covers_what_fits_all_that_it_names(placed: HoldPlaced, is_covered: bool) -> None:
    assert covers(placed, ENTRY) is is_covered


def test_what_was_lifted_is_not_in_force_and_covers_nothing() -> None:
    facts: list[tuple[str, float, Fact]] = [
        ("keeper/1/1", 1.0, hold(workstream="ws3")),
        ("keeper/2/1", 2.0, hold(actor="router")),
        ("keeper/3/1", 3.0, HoldLifted(hold="keeper/1/1", who="Noor", reason="settled")),
        ("keeper/4/1", 4.0, HoldLifted(hold="keeper/9/9", who="Noor", reason="never was")),
    ]

    assert [one.id for one in standing(facts[:2])] == ["keeper/1/1", "keeper/2/1"]
    assert [one.id for one in standing(facts)] == ["keeper/2/1"]
    assert [one.id for one in covering(standing(facts), ENTRY)] == ["keeper/2/1"]


SPAN = st.none() | st.integers(0, 20).map(float)


@given(since=SPAN, until=SPAN, walls=st.lists(st.integers(0, 20).map(float), min_size=1))
def test_a_hold_that_covers_an_entry_overlaps_the_time_of_its_segment(
    since: float | None, until: float | None, walls: list[float]
) -> None:
    placed = hold(since=since, until=until, actor="router")

    if any(covers(placed, ENTRY._replace(wall=wall)) for wall in walls):
        assert overlaps(placed, min(walls), max(walls))


def test_a_hold_that_names_nothing_is_refused() -> None:
    with pytest.raises(CallerError, match="names nothing"):
        refuse_boundless(hold())
    refuse_boundless(hold(since=0.0))
