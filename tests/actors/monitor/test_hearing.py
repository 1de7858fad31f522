"""What the program says: numbered, deduplicated, refused."""

from alluse_hub.protocols.flow import EventHeard, Produced
from alluse_hub.protocols.health import HealthChanged, Status
from alluse_hub.protocols.program import LinesRead, Refusal, ReleaseLines
from alluse_hub.protocols.workstream import EventsLost, LineRefused, ProgramGreeted
from tests.actors.monitor.bench import Bench, attached, event


def heard(bench: Bench) -> list[int]:
    return [fact.event.n for fact in bench.recorded(EventHeard)]


def test_an_event_heard_before_is_dropped(bench: Bench) -> None:
    bench.boot().up().hears(event(1), event(2)).hears(event(1), event(2), event(3))

    assert heard(bench) == [1, 2, 3]
    assert bench.recorded(LineRefused) == []


def test_an_event_that_leaves_a_gap_is_refused_and_the_one_that_was_due_still_counts(bench: Bench) -> None:
    bench.boot().up().hears(event(1), event(3), event(2), event(3))

    assert heard(bench) == [1, 2, 3]
    assert bench.recorded(LineRefused)[0].why == "a gap: event 3 came where 2 was due"
    assert bench.state.traffic.counts(bench.at)[1] == 1


def test_a_gap_that_the_hello_vouches_for_is_recorded_as_a_loss_and_the_numbers_stay_without_one(bench: Bench) -> None:
    bench.boot().up(50).hears(event(1), event(2)).die().boot()
    bench.up(60, resumed=True, events=7).hears(event(6), event(7), event(8))

    assert [(fact.first, fact.last) for fact in bench.recorded(EventsLost)] == [(3, 5)]
    assert heard(bench) == [1, 2, 3, 4, 5]
    assert bench.state.traffic.counts(bench.at)[1] == 3


def test_after_a_loss_what_is_told_again_is_known_and_what_is_new_goes_on(bench: Bench) -> None:
    bench.boot().up(60, resumed=True, events=7).hears(event(6), event(7), event(8))
    bench.die().boot().up(70, resumed=True, events=8).hears(event(6), event(7), event(8), event(9))

    assert heard(bench) == [1, 2, 3, 4]
    assert len(bench.recorded(EventsLost)) == 1


def test_a_program_that_starts_counting_afresh_goes_on_where_the_hub_is(bench: Bench) -> None:
    bench.boot().up(50).hears(event(1), event(2)).die().boot().up(60).hears(event(1))

    assert heard(bench) == [1, 2, 3]
    assert bench.recorded(ProgramGreeted)[-1].base == 2


def test_a_program_that_remembers_tells_again_and_is_not_doubled(bench: Bench) -> None:
    bench.boot().up(50).hears(event(1), event(2)).die().boot().up(60, resumed=True, events=3)
    bench.hears(event(1), event(2), event(3))

    assert heard(bench) == [1, 2, 3]


def test_an_event_before_the_hello_is_refused(bench: Bench) -> None:
    bench.boot().tell(attached()).hears(event(1))

    assert heard(bench) == []
    assert bench.recorded(LineRefused)[0].why == "an event before the hello"


def test_three_refused_lines_a_minute_are_recorded_and_all_are_counted(bench: Bench) -> None:
    refused = tuple(Refusal(why="not JSON", beginning=f"line {number}") for number in range(3))
    bench.boot().up()
    bench.at = 1020.0
    bench.tell(LinesRead(through=9, refused=refused, refusals=7)).tell(
        LinesRead(through=12, refused=refused, refusals=3)
    )
    assert [fact.beginning for fact in bench.recorded(LineRefused)] == ["line 0", "line 1", "line 2"]
    bench.at += 60
    bench.tell(LinesRead(through=13, refused=refused[:1], refusals=1))

    assert bench.recorded(LineRefused)[-1].count == 11
    assert bench.state.refusals == 11


def test_garbage_alone_turns_the_status_to_error(bench: Bench) -> None:
    bench.boot().up().tell(LinesRead(through=9, refused=(Refusal(why="not JSON", beginning=""),), refusals=5))

    assert bench.state.status is Status.ERROR
    assert bench.recorded(HealthChanged)[-1].why == "5 errors and 0 requests within 60 s"


def test_every_letter_of_lines_is_released_to_its_end(bench: Bench) -> None:
    bench.boot().up()
    bench.jobs.clear()
    bench.hears(event(1), through=17)

    assert bench.did(ReleaseLines) == [ReleaseLines(through=17)]


def test_many_events_make_few_letters(bench: Bench) -> None:
    bench.boot().up().hears(*(event(number) for number in range(1, 101)))

    assert len(bench.said(Produced)) == 1
    assert len(bench.said(Produced)[0].events) == 100


def test_events_of_a_delivery_wait_but_others_do_not(bench: Bench) -> None:
    bench.boot().up().hears(event(1, cause="somebody else's"))

    assert [each.n for each in bench.said(Produced)[0].events] == [1]
