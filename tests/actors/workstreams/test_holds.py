"""Pauses belong to their leases, the longer wins, and a fence never goes back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.workstreams.holds import EVERYTHING, Hold, Holds, sessions_in
from alluse_hub.actors.workstreams.readers import RefusedError


def hold(lease: str, scope: str = EVERYTHING, sessions: int | None = None, until: str = "") -> Hold:
    return Hold(lease, scope, sessions, until, "tester", "test")


@given(st.lists(st.integers(0, 50), max_size=40))
@settings(deadline=None)
def test_the_fence_is_monotone(fences: list[int]) -> None:
    holds = Holds()
    for fence in fences:
        before = holds.fence
        if fence < before:
            with pytest.raises(RefusedError, match="stale fence"):
                holds.pass_fence(fence)
        else:
            holds.pass_fence(fence)
        assert holds.fence == max(before, fence)


def test_a_sender_without_fence_passes_and_leaves_it() -> None:
    holds = Holds()
    holds.pass_fence(7)

    holds.pass_fence(None)

    assert holds.fence == 7


def test_releasing_one_lease_leaves_the_other_in_force() -> None:
    holds = Holds()
    holds.place(hold("a"))
    holds.place(hold("b"))

    holds.release("b")

    assert "lease a" in holds.why_not_open("Gen-Acc", "GOOG")
    with pytest.raises(RefusedError, match="no pause with the lease 'b' is in force; in force: a"):
        holds.release("b")


def test_of_two_pauses_the_longer_wins() -> None:
    holds = Holds()
    holds.place(hold("short", sessions=1))
    holds.place(hold("long", sessions=3))

    held = []
    for day in range(1, 6):
        holds.open_session(f"2004-08-0{day}")
        held.append(bool(holds.why_not_open("Gen-Acc", "GOOG")))

    assert held == [True, True, True, False, False]


def test_a_pause_until_a_session_holds_through_it() -> None:
    holds = Holds()
    holds.place(hold("a", until="2004-08-03"))

    assert holds.open_session("2004-08-03") == []
    assert [ended.lease for ended in holds.open_session("2004-08-04")] == ["a"]


def test_a_pause_without_end_outlasts_everything() -> None:
    holds = Holds()
    holds.place(hold("a"))

    assert holds.open_session("2104-08-03") == []


@pytest.mark.parametrize(
    ("scope", "account", "symbol", "is_held"),
    [
        ("all", "Gen-Acc", "GOOG", True),
        ("Gen-Acc", "Gen-Acc", "GOOG", True),
        ("Gen-Acc", "Rev-Acc", "AAPL", False),
        ("AAPL", "Rev-Acc", "AAPL", True),
        ("AAPL", "Rev-Acc", "MSFT", False),
    ],
)
def test_a_pause_covers_its_scope_only(scope: str, account: str, symbol: str, is_held: bool) -> None:
    holds = Holds()
    holds.place(hold("a", scope=scope))

    assert bool(holds.why_not_open(account, symbol)) == is_held


@pytest.mark.parametrize(("duration_s", "sessions"), [(1, 1), (300, 1), (23_400, 1), (23_401, 2), (86_400, 4)])
def test_a_duration_lasts_begun_sessions(duration_s: float, sessions: int) -> None:
    assert sessions_in(duration_s) == sessions


def test_restored_holds_are_the_holds() -> None:
    holds = Holds()
    holds.place(hold("a", "AAPL", 2))
    holds.pass_fence(9)
    holds.mode = "paused"

    assert Holds.of(holds.snapshot()).snapshot() == holds.snapshot()
