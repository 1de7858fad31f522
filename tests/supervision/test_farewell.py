"""Shares of a deadline: nobody gets more than its grace, and all together never more than there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.ending import HubEnded, Overrun, Phase, PhaseEnded
from alluse_hub.supervision.farewell import passed_on_s, share_s, told_of

seconds = st.floats(min_value=0.001, max_value=10_000.0)


@pytest.mark.parametrize(
    ("grace_s", "others_s", "left_s", "share"),
    [
        (5.0, 10.0, 30.0, 5.0),  # there is time for all
        (5.0, 10.0, 15.0, 5.0),
        (5.0, 10.0, 6.0, 2.0),  # a third of what is left
        (5.0, 0.0, 2.0, 2.0),  # the last one
        (5.0, 10.0, 0.0, 0.0),
        (0.0, 10.0, 5.0, 0.0),
    ],
)
def test_a_share_is_the_grace_if_all_fits_and_else_in_proportion(
    grace_s: float, others_s: float, left_s: float, share: float
) -> None:
    assert share_s(grace_s, others_s, left_s) == share


@given(st.lists(st.tuples(seconds, st.floats(0, 1)), min_size=1, max_size=20), seconds)
def test_shares_one_after_the_other_never_add_up_to_more_than_there_is(
    graces: list[tuple[float, float]], total_s: float
) -> None:
    """Whoever uses only a part of its share leaves the rest to the others."""
    left_s = total_s
    for place, (grace_s, used) in enumerate(graces):
        share = share_s(grace_s, sum(grace for grace, _ in graces[place + 1 :]), left_s)
        assert share <= grace_s
        left_s -= used * share

    assert left_s >= -1e-6 * total_s


@given(seconds)
def test_a_supervisor_keeps_a_tenth_of_its_share_and_at_most_a_second(left_s: float) -> None:
    kept_s = left_s - passed_on_s(left_s)

    assert 0 < kept_s <= 1.0
    assert kept_s <= 0.1 * left_s * (1 + 1e-9) + 1e-9


def test_an_end_is_told_with_a_line_for_whoever_overran_and_for_each_phase() -> None:
    late = Overrun(name="ws3", of="workstreams", allowed_s=2.0, took_s=2.01, killed=True)
    slow = Overrun(name="board", of="coordination", allowed_s=1.0, took_s=1.5, killed=False)
    phases = (
        PhaseEnded(phase=Phase.INTAKE, took_s=0.5, late=("gateway",)),
        PhaseEnded(phase=Phase.DRAIN, took_s=2.25),
    )

    assert told_of(HubEnded(total_s=5.0, took_s=2.75, phases=phases, overran=(late, slow))) == [
        "overran: ws3, a part of workstreams: killed after 2.0 s, its share was 2.0 s",
        "overran: board, a part of coordination: ended after 1.5 s, its share was 1.0 s",
        "phase intake: 0.50 s, without an answer of gateway",
        "phase drain: 2.25 s",
        "ended not all in order: 2.75 of 5 s",
    ]
    assert told_of(HubEnded(total_s=5.0, took_s=1.0, phases=()))[-1] == "ended in order: 1.00 of 5 s"
