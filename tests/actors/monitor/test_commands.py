"""Commands, deliveries and directives: opened, written, answered once."""

from typing import Any

import pytest

from alluse_hub.actors.monitor import commands
from alluse_hub.actors.monitor.show import status_of
from alluse_hub.protocols.claims import Directive, DirectiveAck, DirectiveHeard, FenceRaised
from alluse_hub.protocols.effects import Do, Record, Send
from alluse_hub.protocols.flow import AskUnsettled, Deliver, Event, EventHeard, EventsTaken, Produced, Unsettled
from alluse_hub.protocols.health import Status
from alluse_hub.protocols.program import ProgramGone, ReleaseLines, SignalProgram
from alluse_hub.protocols.workstream import Command, CommandClosed, CommandOpened, CommandReply
from tests.actors.monitor.bench import Bench, event, reply


def deliver(key: str = "d1", taken: int = 0, **more: Any) -> Deliver:
    events = (Event(ws="ws3", n=4, event="session_closed", session="2004-09-01", payload={"a": 1}),)
    return Deliver(delivery=key, round=1, session="2004-09-01", events=events, taken=taken, **more)


def directive(fence: int, deadline_s: float = 10.0) -> Directive:
    return Directive(
        resource="ws9/trading",
        rung="paused",
        command="pause_trading",
        parameters={"scope": "all"},
        fence=fence,
        reason="a test",
        deadline_s=deadline_s,
    )


def test_a_delivery_is_opened_before_it_is_written(bench: Bench) -> None:
    bench.boot().up().tell(deliver(), "router")

    kinds = [type(effect.fact) if isinstance(effect, Record) else type(effect) for effect in bench.effects]
    assert kinds.index(CommandOpened) < kinds.index(Do)


def test_a_delivery_reaches_the_program_with_session_and_events(bench: Bench) -> None:
    bench.boot().up().tell(deliver(), "router")

    [asked] = bench.written()
    assert asked["id"] == "d1"
    assert asked["command"] == "deliver"
    assert asked["parameters"]["session"] == "2004-09-01"
    assert asked["parameters"]["events"][0]["n"] == 4
    assert asked["deadline_s"] == 60.0


def test_next_session_carries_no_events(bench: Bench) -> None:
    bench.boot().up().tell(Deliver(delivery="d1", round=1, command="next_session", parameters={"to": 3}), "router")

    [asked] = bench.written()
    assert asked["parameters"] == {"to": 3, "session": ""}


def test_the_events_of_a_delivery_and_its_reply_go_out_in_one_letter(bench: Bench) -> None:
    bench.boot().up().tell(deliver(), "router")
    bench.hears(event(1, "d1"))
    assert bench.said(Produced) == []
    bench.hears(event(2, "d1"), reply("d1", heard=1))

    [produced] = bench.said(Produced, "router")
    assert produced.delivery == "d1"
    assert [each.n for each in produced.events] == [1, 2]
    assert produced.through == 2
    assert produced.result == {"heard": 1}


def test_a_refused_delivery_is_produced_with_its_error(bench: Bench) -> None:
    bench.boot().up().tell(deliver(), "router").hears(reply("d1", ok=False, error="no such session"))

    [produced] = bench.said(Produced)
    assert (produced.ok, produced.error) == (False, "no such session")


def test_an_open_delivery_said_again_is_not_written_twice(bench: Bench) -> None:
    bench.boot().up().tell(deliver(), "router").tell(deliver(), "router")

    assert len(bench.written()) == 1


def test_a_closed_delivery_said_again_is_produced_again_with_all_that_is_unsettled(bench: Bench) -> None:
    bench.boot().up().tell(deliver(), "router").hears(event(1, "d1"), reply("d1"))
    bench.tell(deliver(), "router")

    first, second = bench.said(Produced)
    assert second == first
    assert len(bench.written()) == 1


def test_results_are_forgotten_in_order_and_the_program_is_asked_again(bench: Bench) -> None:
    bench.boot().up()
    for number in range(70):
        bench.tell(deliver(f"d{number}"), "router").hears(reply(f"d{number}"))
    bench.tell(deliver("d0"), "router")

    assert [asked["id"] for asked in bench.written()][-1] == "d0"


def test_taken_events_are_settled_and_forgotten(bench: Bench) -> None:
    bench.boot().up().hears(event(1), event(2), event(3))
    bench.tell(deliver(taken=2), "router")

    assert bench.recorded(EventsTaken)[0].through == 2
    assert [each.n for each in bench.state.kept.unsettled] == [3]


def test_no_more_is_settled_than_was_heard(bench: Bench) -> None:
    bench.boot().up().hears(event(1)).tell(deliver(taken=10), "router")

    assert bench.state.kept.taken == 1


def test_events_that_come_by_themselves_are_handed_over_at_once(bench: Bench) -> None:
    bench.boot().up().hears(event(1))

    [produced] = bench.said(Produced)
    assert (produced.delivery, [each.n for each in produced.events]) == ("", [1])


def test_each_event_is_handed_over_once_by_one_incarnation(bench: Bench) -> None:
    bench.boot().up().hears(event(1)).hears(event(2))

    assert [[each.n for each in produced.events] for produced in bench.said(Produced)] == [[1], [2]]


def test_a_new_incarnation_hands_over_again_what_is_not_settled(bench: Bench) -> None:
    bench.boot().up().hears(event(1), event(2)).tell(AskUnsettled(taken=1), "router")
    bench.sent.clear()
    bench.die().boot()

    [produced] = bench.said(Produced)
    assert [each.n for each in produced.events] == [2]


def test_unsettled_events_are_answered_from_the_trail(bench: Bench) -> None:
    bench.boot().up().hears(event(1), event(2)).tell(AskUnsettled(taken=1), "router")

    [unsettled] = bench.said(Unsettled, "router")
    assert ([each.n for each in unsettled.events], unsettled.through) == ([2], 2)


def test_bulk_is_cut_into_letters_that_fit_the_wire(bench: Bench) -> None:
    bulk = "x" * 900_000
    bench.boot().up()
    for number in range(1, 11):
        bench.hears(event(number, bulk=bulk))
    bench.sent.clear()
    bench.tell(AskUnsettled(taken=0), "router")

    [first] = bench.said(Produced)
    [last] = bench.said(Unsettled)
    assert [each.n for each in (*first.events, *last.events)] == list(range(1, 11))
    assert first.through == first.events[-1].n
    assert all(len(message.model_dump_json()) < 9_000_000 for message in (first, last))


def test_a_command_is_answered_to_its_asker_with_latency_and_result(bench: Bench) -> None:
    bench.boot().up().tell(Command(key="k1", command="classify_week"), "coordinator")
    bench.at += 0.25
    bench.hears(reply("k1", week="P-EW"))

    [answer] = bench.said(CommandReply, "coordinator")
    assert (answer.key, answer.ok, answer.result) == ("k1", True, {"week": "P-EW"})
    assert answer.latency_s == pytest.approx(0.25)


def test_the_router_has_a_commands_events_before_the_reply_goes_out(bench: Bench) -> None:
    bench.boot().up().tell(Command(key="k1", command="stress_test"), "coordinator")
    bench.hears(event(1, "k1"), reply("k1"))

    sends = [type(effect.message) for effect in bench.effects if isinstance(effect, Send)]
    assert sends.index(Produced) < sends.index(CommandReply)
    assert bench.said(CommandReply)[0].events_through == 1


def test_a_command_said_again_is_done_once_and_answered_the_same(bench: Bench) -> None:
    bench.boot().up().tell(Command(key="k1", command="x"), "coordinator").hears(reply("k1"))
    bench.tell(Command(key="k1", command="x"), "coordinator")

    first, second = bench.said(CommandReply)
    assert first == second
    assert len(bench.written()) == 1


def test_a_second_reply_changes_nothing(bench: Bench) -> None:
    bench.boot().up().tell(Command(key="k1", command="x"), "coordinator").hears(reply("k1"))
    bench.hears(reply("k1", ok=False, error="late"))

    assert len(bench.said(CommandReply)) == 1
    assert len(bench.recorded(CommandClosed)) == 1


def test_a_command_without_an_answer_is_refused_at_its_deadline_and_the_program_judged_hung(bench: Bench) -> None:
    bench.boot().up().tell(Command(key="k1", command="x", deadline_s=2.0), "coordinator").pass_time(2.1)

    [answer] = bench.said(CommandReply)
    assert (answer.ok, answer.error) == (False, "no answer within its deadline")
    assert bench.did(SignalProgram)[0].signal == "TERM"
    assert "no answer to x" in bench.state.hung


def asks_of_syncs(key: str) -> Command:
    return Command(key=key, command="digest_datasets", parameters={"datasets": ["x"]}, deadline_s=2.0)


def test_silence_about_data_sets_says_nothing_of_a_program_that_may_not_know_the_words(bench: Bench) -> None:
    bench.boot().up().tell(asks_of_syncs("k1"), "replicator").pass_time(2.1)

    [answer] = bench.said(CommandReply, "replicator")
    assert (answer.ok, answer.error) == (False, "no answer within its deadline")
    assert bench.state.hung == ""


def test_a_program_that_has_answered_about_data_sets_is_judged_by_its_silence_about_them(bench: Bench) -> None:
    bench.boot().up().tell(asks_of_syncs("k1"), "replicator").hears(reply("k1"))
    bench.tell(asks_of_syncs("k2"), "replicator").pass_time(2.1)

    assert "no answer to digest_datasets" in bench.state.hung


def test_a_command_that_waits_for_a_program_is_refused_at_its_deadline_without_blame(bench: Bench) -> None:
    bench.boot().tell(Command(key="k1", command="x", deadline_s=2.0), "coordinator").pass_time(2.1)

    assert [answer.ok for answer in bench.said(CommandReply)] == [False]
    assert bench.did(SignalProgram) == []


def test_an_earlier_deadline_is_kept_though_a_later_one_was_set_first(bench: Bench) -> None:
    bench.boot().up().tell(deliver(), "router").tell(Command(key="k1", command="x", deadline_s=2.0), "coordinator")
    bench.pass_time(2.1)

    assert [answer.ok for answer in bench.said(CommandReply)] == [False]


def test_open_commands_are_written_again_in_order_to_a_new_start_of_the_program(bench: Bench) -> None:
    bench.boot().up().tell(deliver("d1"), "router").tell(Command(key="k1", command="x"), "coordinator")
    bench.tell(directive(3), "coordinator").tell(ProgramGone(cause="killed by SIGKILL")).pass_time(0.2)
    bench.jobs.clear()
    bench.up(60)

    assert [asked["id"] for asked in bench.written()] == ["d1", "k1", "c/0/directive/ws9/trading/3"]


def test_after_the_monitors_death_commands_come_from_the_trail_and_deliveries_from_the_router(bench: Bench) -> None:
    bench.boot().up().tell(deliver("d1"), "router").tell(Command(key="k1", command="x"), "coordinator")
    bench.die().boot()
    bench.jobs.clear()
    bench.up(adopted=True)
    assert [asked["id"] for asked in bench.written()] == ["k1"]
    bench.tell(deliver("d1"), "router")

    assert [asked["id"] for asked in bench.written()] == ["k1", "d1"]
    assert len(bench.recorded(CommandOpened)) == 2


def test_a_reply_to_a_delivery_of_an_earlier_incarnation_is_produced(bench: Bench) -> None:
    bench.boot().up().tell(deliver("d1"), "router")
    bench.die().boot().up(adopted=True).hears(event(1, "d1"), reply("d1"))

    assert bench.said(Produced)[-1].delivery == "d1"


def test_a_delivery_outlives_a_hung_program(bench: Bench) -> None:
    bench.boot().up().tell(deliver("d1"), "router").pass_time(61)
    assert bench.did(SignalProgram)[0].signal == "TERM"
    bench.tell(ProgramGone(cause="killed by SIGTERM")).pass_time(0.2)
    bench.jobs.clear()
    bench.up(60)

    assert [asked["id"] for asked in bench.written()] == ["d1"]
    assert bench.state.kept.open["d1"].deadline_at > bench.at + 59


def test_the_fence_goes_with_the_directive_and_is_durable_first(bench: Bench) -> None:
    bench.boot().up().tell(directive(7), "coordinator")

    kinds = [type(effect.fact) if isinstance(effect, Record) else type(effect) for effect in bench.effects]
    assert kinds.index(FenceRaised) < kinds.index(CommandOpened) < kinds.index(Do)
    assert bench.written()[0]["parameters"] == {"scope": "all", "fence": 7}


def test_a_directive_is_acknowledged_when_the_program_has_applied_it(bench: Bench) -> None:
    bench.boot().up().tell(directive(7), "coordinator")
    assert bench.said(DirectiveAck) == []
    bench.hears(event(1, "c/0/directive/ws9/trading/7"), reply("c/0/directive/ws9/trading/7"))

    [ack] = bench.said(DirectiveAck, "coordinator")
    assert (ack.outcome, ack.fence, ack.events_through) == ("applied", 7, 1)


def test_a_directive_said_again_is_already_applied(bench: Bench) -> None:
    bench.boot().up().tell(directive(7), "coordinator").hears(reply("c/0/directive/ws9/trading/7"))
    bench.tell(directive(7), "coordinator")

    assert [ack.outcome for ack in bench.said(DirectiveAck)] == ["applied", "already"]
    assert len(bench.written()) == 1


def test_a_lower_fence_is_stale_even_for_the_next_incarnation(bench: Bench) -> None:
    bench.boot().up().tell(directive(7), "coordinator")
    bench.die().boot().up(adopted=True)
    bench.jobs.clear()
    bench.tell(directive(6), "coordinator")

    assert [ack.outcome for ack in bench.said(DirectiveAck)] == ["stale"]
    assert bench.written() == []


def test_a_directive_said_again_while_the_program_is_at_it_has_been_heard(bench: Bench) -> None:
    bench.boot().up().tell(directive(7), "coordinator")
    assert bench.said(DirectiveHeard) == []
    bench.tell(directive(7), "coordinator")

    assert bench.said(DirectiveHeard) == [DirectiveHeard(resource="ws9/trading", fence=7)]
    assert len(bench.written()) == 1
    bench.die().boot().up(adopted=True).tell(directive(7), "coordinator")
    assert len(bench.said(DirectiveHeard)) == 2


def test_a_directive_without_an_answer_fails_at_its_deadline(bench: Bench) -> None:
    bench.boot().up().tell(directive(7, deadline_s=1.0), "coordinator").pass_time(1.1)

    assert [ack.outcome for ack in bench.said(DirectiveAck)] == ["failed"]
    assert bench.did(SignalProgram)[0].signal == "TERM"


def test_a_failed_directive_may_be_tried_again(bench: Bench) -> None:
    bench.boot().up().tell(directive(7), "coordinator")
    bench.hears(reply("c/0/directive/ws9/trading/7", ok=False, error="no")).tell(directive(7), "coordinator")

    assert [ack.outcome for ack in bench.said(DirectiveAck)] == ["failed"]
    assert len(bench.written()) == 2


def test_more_than_the_bound_of_open_commands_is_refused(bench: Bench) -> None:
    bench.boot().up()
    for number in range(commands.OPEN_MAX + 1):
        bench.tell(Command(key=f"k{number}", command="x"), "coordinator")

    [answer] = bench.said(CommandReply)
    assert not answer.ok
    assert "256 commands" in answer.error


def test_lines_are_held_back_while_the_router_does_not_take(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "UNSETTLED_MAX", 2)
    bench.boot().up()
    bench.jobs.clear()
    bench.hears(event(1), event(2), event(3), through=4)
    assert bench.did(ReleaseLines) == []
    bench.tell(deliver(taken=2), "router")

    assert [job.through for job in bench.did(ReleaseLines)] == [4]


def test_events_are_recorded_before_their_lines_are_released(bench: Bench) -> None:
    bench.boot().up().hears(event(1), through=2)

    kinds = [type(effect.fact) if isinstance(effect, Record) else type(effect) for effect in bench.effects]
    assert kinds.index(EventHeard) < kinds.index(Send) < kinds.index(Do)


def test_a_program_that_knows_nothing_of_data_sets_is_no_worse_for_saying_so(bench: Bench) -> None:
    bench.boot().up()
    for n in range(10):
        bench.tell(Command(key=f"o{n}", command="offer_datasets"), "replicator")
        bench.hears(reply(f"o{n}", ok=False, error="'offer_datasets' is not a command"))
    assert status_of(bench.state, bench.at)[0] is Status.ACTIVE

    for n in range(10):
        bench.tell(Command(key=f"c{n}", command="work"), "coordinator")
        bench.hears(reply(f"c{n}", ok=False, error="no"))
    assert status_of(bench.state, bench.at)[0] is Status.ERROR
