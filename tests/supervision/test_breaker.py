"""The circuit breaker: when it opens, when one request is tried, when it closes, and what it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.lifecycle import ChildState, PeerDown
from alluse_hub.supervision.breaker import FAILURES_MAX, FIRST_S, LONGEST_S, TRY_MARGIN_S, Breaker, Circuit

RESTARTING, PARKED, STOPPED = ChildState.RESTARTING, ChildState.PARKED, ChildState.STOPPED


def down(standing: ChildState = PARKED, incarnation: int = 1, next_try: float | None = None) -> PeerDown:
    return PeerDown(name="ws4", incarnation=incarnation, standing=standing, cause="error: boom", next_try=next_try)


def silent(times: int = FAILURES_MAX, at: float = 10.0) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.unanswered(at, "the last was to stop")
    return breaker


def test_it_begins_closed_and_refuses_nothing() -> None:
    assert not Breaker().refuses(0.0)
    assert Breaker().answered() is not None


def test_so_many_unanswered_in_a_row_open_it_and_one_fewer_does_not() -> None:
    assert silent(FAILURES_MAX - 1).circuit is Circuit.CLOSED
    assert silent().refuses(10.0)


def test_an_answer_begins_the_row_anew() -> None:
    assert silent(FAILURES_MAX - 1).answered().unanswered(11.0, "").circuit is Circuit.CLOSED


def test_when_its_time_is_over_one_request_is_let_through_and_no_other() -> None:
    breaker = silent()
    assert breaker.refuses(10.0 + FIRST_S - 0.001)
    assert not breaker.refuses(10.0 + FIRST_S)

    tried = breaker.asked(10.0 + FIRST_S)

    assert tried.circuit is Circuit.HALF_OPEN
    assert tried.refuses(10.0 + FIRST_S)


def test_an_answer_to_the_one_that_was_tried_closes_it() -> None:
    assert silent().asked(10.0 + FIRST_S).answered() == Breaker()


def test_it_stays_open_twice_as_long_after_each_try_in_vain_up_to_a_bound() -> None:
    breaker, waits = silent(), []
    for _ in range(8):
        assert breaker.try_at is not None
        waits.append(breaker.try_at - breaker.since)
        breaker = breaker.asked(breaker.try_at).unanswered(breaker.try_at, "again")

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_S, LONGEST_S, LONGEST_S]


def test_a_request_made_before_it_opened_does_not_open_it_again() -> None:
    breaker = silent()

    assert breaker.unanswered(10.5, "late").try_at == breaker.try_at


@pytest.mark.parametrize("standing", [PARKED, STOPPED])
def test_one_that_comes_back_by_order_only_is_not_tried(standing: ChildState) -> None:
    breaker = Breaker().down(down(standing), 5.0)

    assert breaker.refuses(5.0)
    assert breaker.refuses(5_000.0)


def test_one_that_is_being_restarted_is_tried_a_little_after_its_next_start_was_due() -> None:
    breaker = Breaker().down(down(RESTARTING, next_try=7.0), 5.0)

    assert breaker.refuses(7.0 + TRY_MARGIN_S - 0.001)
    assert not breaker.refuses(7.0 + TRY_MARGIN_S)
    assert breaker.is_back_within(3.0, 5.0)
    assert not breaker.is_back_within(2.9, 5.0)


def test_a_newer_incarnation_closes_it_and_the_one_that_went_down_does_not() -> None:
    breaker = Breaker().up(3).down(down(incarnation=3), 5.0)

    assert breaker.up(3) is breaker
    assert breaker.up(4) == Breaker(incarnation=4)


def test_word_of_an_incarnation_that_is_over_is_ignored() -> None:
    breaker = Breaker().up(4)

    assert breaker.down(down(incarnation=3), 5.0) is breaker


def test_the_last_word_of_a_life_that_is_over_does_not_close_it() -> None:
    breaker = Breaker().down(down(), 5.0)

    assert breaker.answered() is breaker


def test_it_says_why_and_what_is_due() -> None:
    assert Breaker().down(down(), 5.0).why("ws4", 5.0) == "ws4 is parked: error: boom"
    assert Breaker().down(down(RESTARTING, next_try=7.0), 5.0).why("ws4", 5.0) == (
        "ws4 is restarting: error: boom; its next start is due within 3.0 s"
    )
    assert silent().why("ws4", 10.0) == "ws4 left 3 requests in a row unanswered (the last was to stop)"


# --- laws ------------------------------------------------------------------------------------------------------------

WORDS = st.lists(
    st.one_of(
        st.tuples(st.just("up"), st.integers(1, 6)),
        st.tuples(st.just("down"), st.integers(0, 6), st.sampled_from((RESTARTING, PARKED, STOPPED))),
        st.tuples(st.just("unanswered")),
        st.tuples(st.just("answered")),
        st.tuples(st.just("request")),
    ),
    max_size=40,
)


def after(words: list[tuple[object, ...]]) -> list[tuple[float, Breaker]]:
    """The breaker after each word, half a second apart."""
    breaker, seen = Breaker(), []
    for number, word in enumerate(words):
        at = number / 2
        match word:
            case ("up", int(incarnation)):
                breaker = breaker.up(incarnation)
            case ("down", int(incarnation), ChildState() as standing):
                breaker = breaker.down(down(standing, incarnation, at + 1.0), at)
            case ("unanswered",):
                breaker = breaker.unanswered(at, "silence")
            case ("answered",):
                breaker = breaker.answered()
            case _ if not breaker.refuses(at):
                breaker = breaker.asked(at)
        seen.append((at, breaker))
    return seen


@given(WORDS)
def test_the_incarnation_known_never_goes_back(words: list[tuple[object, ...]]) -> None:
    known = [breaker.incarnation for _, breaker in after(words)]

    assert known == sorted(known)


@given(WORDS, st.integers(1, 9))
def test_a_newer_incarnation_always_closes_it(words: list[tuple[object, ...]], newer: int) -> None:
    breaker = [(0.0, Breaker()), *after(words)][-1][1]

    assert not breaker.up(breaker.incarnation + newer).refuses(1_000.0)


@given(WORDS)
def test_open_by_silence_it_is_tried_within_its_longest_time(words: list[tuple[object, ...]]) -> None:
    for at, breaker in after(words):
        if breaker.circuit is Circuit.OPEN and breaker.standing is None:
            assert not breaker.refuses(at + LONGEST_S)


@given(WORDS)
def test_nobody_opens_it_who_is_answered(words: list[tuple[object, ...]]) -> None:
    answered = [word for word in words if word[0] != "unanswered" and word[0] != "down"]

    assert all(not breaker.refuses(at) for at, breaker in after(answered))
