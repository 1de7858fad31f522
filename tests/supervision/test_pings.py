"""Pings: who is taken for hung, on what grounds, and who is not."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.liveness import Liveness
from alluse_hub.supervision.pings import ARRIVALS_MAX, UNREAD_LOOK_S, Mail, Pings, Work

LIVENESS = Liveness(interval_s=5.0, limit_s=15.0, job_limit_s=60.0, mail_limit_s=60.0)
QUIET = Mail()


def watching(*names: str, liveness: Liveness = LIVENESS) -> Pings:
    pings = Pings()
    for name in names:
        pings.watch(name, 1, liveness, 0.0)
    return pings


def asked(pings: Pings, now: float, own: Mail = QUIET) -> list[str]:
    return [name for name, _ in pings.look(now, own).asked]


def hung(pings: Pings, now: float, own: Mail = QUIET) -> dict[str, str]:
    return {word.name: word.why for word in pings.look(now, own).hung}


def answer(pings: Pings, name: str, now: float, work: Work = Work(), mail: Mail = QUIET) -> str:  # noqa: B008  # frozen
    word = pings.answered(name, 1, work, mail, now)
    return "" if word is None else word.why


def run(pings: Pings, until: float, answers: Mapping[str, float]) -> dict[str, tuple[float, str]]:
    """Look whenever that is due; a child answers so many seconds after it was asked, or never.  Who is hung, when."""
    found: dict[str, tuple[float, str]] = {}
    due: list[tuple[float, str]] = []
    while (at := pings.next_due) is not None and at <= until:
        for when, name in [one for one in due if one[0] < at]:
            due.remove((when, name))
            if why := answer(pings, name, when):
                found[name] = (when, why)
        told = pings.look(at, QUIET)
        found |= {word.name: (at, word.why) for word in told.hung}
        due += [(at + answers[name], name) for name, _ in told.asked if name in answers]
    return found


def test_nobody_is_asked_by_who_watches_nobody() -> None:
    assert Pings().next_due is None
    assert Pings().look(100.0, QUIET) == ((), ())


def test_all_are_asked_at_once_every_interval() -> None:
    pings = watching("a", "b")
    assert pings.next_due == 5.0
    assert asked(pings, 5.0) == ["a", "b"]
    answer(pings, "a", 5.1)
    answer(pings, "b", 5.1)
    assert asked(pings, 9.9) == []
    assert asked(pings, 10.0) == ["a", "b"]


def test_who_owes_an_answer_is_not_asked_again() -> None:
    pings = watching("a", "b")
    pings.look(5.0, QUIET)
    answer(pings, "a", 5.1)

    assert asked(pings, 10.0) == ["a"]


def test_who_does_not_answer_within_the_limit_is_hung() -> None:
    found = run(watching("a", "b"), 100.0, {"a": 0.2})

    assert found == {"b": (20.0 + UNREAD_LOOK_S, "no answer to a ping for 15.1 s")}


def test_a_slow_answer_within_the_limit_is_in_order() -> None:
    assert run(watching("a"), 200.0, {"a": 14.9}) == {}


def test_one_job_above_its_limit_hangs_its_actor_and_is_named() -> None:
    pings = watching("a")
    pings.look(5.0, QUIET)

    assert answer(pings, "a", 5.0, Work("Attach", 59.9)) == ""
    assert answer(pings, "a", 6.0, Work("Attach", 61.0)) == "one job for 61 s: Attach"


def test_jobs_that_wait_for_an_overlong_one_are_counted() -> None:
    assert answer(watching("a"), "a", 5.0, Work("Attach", 61.0, 3)) == "one job for 61 s: Attach, and 3 wait"


def test_jobs_and_mail_without_a_limit_take_as_long_as_they_take() -> None:
    pings = watching("a", liveness=Liveness(job_limit_s=None, mail_limit_s=None))

    assert answer(pings, "a", 5.0, Work("Attach", 3_600.0)) == ""
    assert answer(pings, "a", 5.0, mail=Mail(10, 0)) == ""
    assert answer(pings, "a", 500.0, mail=Mail(10, 0)) == ""


def test_a_letter_that_nobody_handles_is_noticed_by_counting() -> None:
    """Nine were taken, and ten had come by then: one of those ten is in there still, whatever came and went since."""
    pings = watching("a")
    assert answer(pings, "a", 5.0, mail=Mail(10, 5)) == ""
    assert answer(pings, "a", 64.9, mail=Mail(500, 9)) == ""

    assert answer(pings, "a", 65.0, mail=Mail(510, 9)) == "a letter unhandled for 60 s, and 501 in the mail"


def test_a_backlog_that_moves_is_no_hang() -> None:
    """Always a hundred letters in the mail, none of them older than 20 s."""
    pings = watching("a")
    for step in range(100):
        assert answer(pings, "a", 5.0 * step, mail=Mail(100 + 25 * step, 25 * step)) == ""


def test_a_parent_that_looks_too_late_blames_nobody() -> None:
    pings = watching("a")
    pings.look(5.0, QUIET)

    assert hung(pings, 100.0) == {}
    assert pings.next_due is not None
    found = run(pings, 200.0, {})
    assert found["a"][0] == 115.0 + UNREAD_LOOK_S


def test_an_answer_that_has_come_and_is_unread_counts() -> None:
    """When it missed the answer the parent had 50 letters and had taken 40: it judges when it has taken 50."""
    pings = watching("a")
    pings.look(5.0, QUIET)
    for at in (10.0, 15.0):
        pings.look(at, QUIET)

    assert hung(pings, 20.0, Mail(50, 40)) == {}
    assert hung(pings, 20.1, Mail(90, 49)) == {}
    assert answer(pings, "a", 20.15) == ""
    assert hung(pings, 20.2, Mail(90, 50)) == {}


def test_a_parent_under_a_flood_judges_when_it_has_taken_what_there_was() -> None:
    pings = watching("a")
    for at in (5.0, 10.0, 15.0):
        pings.look(at, QUIET)

    assert hung(pings, 20.0, Mail(50, 40)) == {}
    assert hung(pings, 20.1, Mail(900, 50)) == {"a": "no answer to a ping for 15.1 s"}


def test_who_was_judged_or_forgotten_is_neither_asked_nor_judged_again() -> None:
    pings = watching("a", "b")
    answer(pings, "a", 5.0, Work("Attach", 61.0))
    pings.forget("b")

    assert pings.next_due is None
    assert pings.look(100.0, QUIET) == ((), ())
    assert answer(pings, "a", 5.0, Work("Attach", 61.0)) == ""


def test_the_answer_of_an_earlier_life_says_nothing() -> None:
    pings = Pings()
    pings.watch("a", 2, LIVENESS, 0.0)
    pings.look(5.0, QUIET)

    assert pings.answered("a", 1, Work("Attach", 99.0), QUIET, 5.1) is None
    assert asked(pings, 10.0) == []


def test_one_watched_later_joins_the_round_of_the_others() -> None:
    pings = watching("a")
    pings.watch("b", 1, LIVENESS, 3.0)

    assert asked(pings, 5.0) == ["a", "b"]


def test_counts_of_mail_are_bounded() -> None:
    pings = watching("a", liveness=Liveness(mail_limit_s=3_600.0))
    for step in range(10 * ARRIVALS_MAX):
        answer(pings, "a", 5.0 * step, mail=Mail(10 + step, 1))

    assert len(pings._watched["a"].arrivals) == ARRIVALS_MAX


@given(
    limit_s=st.floats(1.0, 60.0),
    interval_s=st.floats(0.5, 30.0),
    delays=st.lists(st.floats(0.0, 90.0), min_size=1, max_size=5),
)
def test_who_answers_in_time_is_never_hung_and_who_does_not_always_is_within_the_bound(
    limit_s: float, interval_s: float, delays: list[float]
) -> None:
    """Asked at the next round, judged when the limit is over; and the look after the first miss."""
    names = [f"child-{number}" for number in range(len(delays))]
    pings = watching(*names, liveness=Liveness(interval_s=interval_s, limit_s=limit_s))
    found = run(pings, 300.0, dict(zip(names, delays, strict=True)))

    for name, delay_s in zip(names, delays, strict=True):
        if delay_s < limit_s:
            assert name not in found
        elif delay_s > limit_s + UNREAD_LOOK_S:
            assert found[name][0] <= interval_s + limit_s + 2 * UNREAD_LOOK_S


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=60))
def test_a_letter_is_never_called_older_than_it_is(steps: list[tuple[int, int]]) -> None:
    """Against a mailbox that takes first what came first, in which no letter is older than the oldest it holds."""
    pings = watching("a", liveness=Liveness(mail_limit_s=20.0))
    mailbox: list[float] = []
    came = taken = 0
    for number, (arriving, leaving) in enumerate(steps):
        now = 5.0 * number
        mailbox += [now] * arriving
        came += arriving
        taken += min(leaving, len(mailbox))
        del mailbox[:leaving]
        why = answer(pings, "a", now, mail=Mail(came, taken))
        oldest_s = now - mailbox[0] if mailbox else 0.0
        assert bool(why) == (oldest_s >= 20.0)
        if why:
            return
