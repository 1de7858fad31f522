import pytest

from alluse_hub.actors.coordinator.leases import Now, as_text, end, extended, is_live, is_served, of_hold
from alluse_hub.protocols.claims import Clock, Lease
from alluse_hub.protocols.rules import Hold


def market(until: float | None, *, until_cleared: bool = False) -> Lease:
    return Lease(clock=Clock.MARKET, until=until, until_cleared=until_cleared)


def hub(until: float | None, *, until_cleared: bool = False) -> Lease:
    return Lease(clock=Clock.HUB, until=until, until_cleared=until_cleared)


def hold(**how: object) -> Hold:
    return Hold.model_validate({"resource": "ws4/trading", "rung": "paused", **how})


def at(ordinal: int, hub_s: float = 0.0) -> Now:
    return Now(hub_s, ordinal, f"s{ordinal}")


def test_seconds_of_market_time_last_to_the_end_of_the_session_they_fall_in() -> None:
    lease = of_hold(hold(for_s=300), at(7))

    assert is_live(lease, at(7, hub_s=1e9))
    assert not is_live(lease, at(8))


def test_sessions_are_counted_after_the_one_the_hold_falls_in() -> None:
    lease = of_hold(hold(for_sessions=5), at(7))

    assert is_live(lease, at(12))
    assert not is_live(lease, at(13))


def test_a_whole_day_of_seconds_is_a_session_more() -> None:
    assert of_hold(hold(for_s=2 * 86_400), at(7)) == market(9)
    assert of_hold(hold(for_s=2 * 86_400, for_sessions=4), at(7)) == market(11)


def test_seconds_of_hub_time_do_not_look_at_the_market() -> None:
    lease = of_hold(hold(clock="hub", for_s=300), at(7, hub_s=100))

    assert is_live(lease, at(99, hub_s=399.9))
    assert not is_live(lease, at(7, hub_s=400))


def test_a_lease_until_cleared_outlives_its_least_time() -> None:
    lease = of_hold(hold(for_s=300, until_cleared=True), at(7))

    assert not is_served(lease, at(7))
    assert is_served(lease, at(8))
    assert is_live(lease, at(999))


def test_a_lease_without_an_end_lives() -> None:
    assert is_live(hub(None), at(5, hub_s=1e9))
    assert not is_served(hub(None, until_cleared=True), at(5))


@pytest.mark.parametrize(
    ("old", "new", "both"),
    [
        (market(7), market(9), market(9)),
        (market(9), market(7), market(9)),
        (market(7), market(7, until_cleared=True), market(7, until_cleared=True)),
        (market(9, until_cleared=True), market(7), market(9, until_cleared=True)),
        (hub(7), hub(None), hub(None)),
        (hub(None), hub(7), hub(None)),
    ],
)
def test_placing_again_extends_and_never_shortens(old: Lease, new: Lease, both: Lease) -> None:
    assert extended(old, new) == both


def test_an_open_end_is_the_latest_and_a_session_outlasts_seconds() -> None:
    shuffled = [market(2), hub(9), market(0, until_cleared=True), hub(5), market(1)]

    assert sorted(shuffled, key=end) == [hub(5), hub(9), market(1), market(2), market(0, until_cleared=True)]
    assert end(hub(None)) == end(market(3, until_cleared=True))


@pytest.mark.parametrize(
    ("lease", "text"),
    [
        (market(7), "to the end of session s7"),
        (market(8), "for 1 session after s7"),
        (market(12), "for 5 sessions after s7"),
        (market(6), "until now"),
        (market(7, until_cleared=True), "until it is cleared, but at least to the end of session s7"),
        (market(6, until_cleared=True), "until it is cleared"),
        (hub(350), "for 250 s more"),
        (hub(None), "until it is withdrawn"),
    ],
)
def test_leases_are_told_in_words(lease: Lease, text: str) -> None:
    assert as_text(lease, at(7, hub_s=100)) == text


def test_before_the_first_session_a_lease_ends_with_it() -> None:
    assert as_text(market(0), Now(0.0)) == "to the end of session the first"
