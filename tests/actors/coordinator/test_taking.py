"""Commands that take of a pool: what is sent, what waits, what is refused; P4 and P9 in a world that loses letters."""

from collections import Counter
from itertools import pairwise

import pytest

from alluse_hub.actors.coordinator import taking
from alluse_hub.actors.coordinator.people import PASSED_S
from alluse_hub.actors.coordinator.state import Turn
from alluse_hub.protocols.claims import ConflictClosed, ConflictOpened, Directive
from alluse_hub.protocols.effects import Commit, Send
from alluse_hub.protocols.flow import Consider
from alluse_hub.protocols.lifecycle import ChildState, PeerDown
from alluse_hub.protocols.resources import Pool, taken
from alluse_hub.protocols.rules import (
    CommandGranted,
    CommandIssued,
    RuleActionDone,
    RuleActionRefused,
    Tell,
)
from alluse_hub.protocols.workstream import Command, CommandReply
from tests.actors.coordinator.desks import People
from tests.actors.coordinator.worlds import MARKET_DATA_SYNC, SHIPPED, SPEC, Desk, World, breach, busy, volatile

BROKER = Pool(resource="ws4/broker", capacity=2)
UPDATE, ANALYSE = MARKET_DATA_SYNC.tell
TAKING = MARKET_DATA_SYNC.model_copy(
    update={"tell": (UPDATE.model_copy(update={"takes": ("ws4/broker",)}), ANALYSE)},
)
POOLED = SPEC.model_copy(update={"rules": (TAKING, *SHIPPED[1:]), "pools": (BROKER,)})


@pytest.fixture
def desk() -> Desk:
    return Desk(POOLED)


def told(desk: Desk, command: str = "update_positions") -> list[str]:
    """The keys of the commands that the last letter sent."""
    return [message.key for message in desk.said(Command) if message.command == command]


def key(n: int, number: int = 1) -> str:
    return f"c/{number}/market-data-sync/{n}"


def answer(desk: Desk, key_: str, *, ok: bool = True) -> None:
    desk.tell(CommandReply(key=key_, workstream="ws4", ok=ok), "ws4")


def waits(desk: Desk) -> list[str]:
    return [issued.key for issued in desk.ledger.commands.values() if issued.waits]


def test_what_fits_goes_its_way_without_another_word(desk: Desk) -> None:
    desk.consider(1, busy(1), busy(2))

    assert [fact.waits for fact in desk.all_facts(CommandIssued)] == [False] * 4
    assert desk.said(ConflictOpened, CommandGranted) == []


def test_what_does_not_fit_waits_and_is_one_conflict_told_in_sentences(desk: Desk) -> None:
    desk.consider(1, *(busy(n) for n in range(1, 5)), session="s1")

    assert waits(desk) == [key(5), key(7)]
    (opened,), (closed,) = desk.said(ConflictOpened), desk.said(ConflictClosed)
    assert (opened.klass, opened.resource, opened.parties) == ("C2", "ws4/broker", ("market-data-sync",))
    assert opened.sentence == (
        "market-data-sync asks for update_positions, which takes of ws4/broker more than is free, because "
        "volume > 2 * volume_mean_20 (volume = 3000000.0, volume_mean_20 = 1000000.0) in ws3#3 and 1 more."
    )
    assert closed.outcome == "command waits"
    assert closed.sentence == (
        "Each is sent when there is enough, in the order of the claims. ws4/broker has 2 of 2 taken, by "
        "market-data-sync (ws3#1) until it is answered, market-data-sync (ws3#2) until it is answered. "
        "2 wait, first market-data-sync (ws3#3): ws4/broker has 0 of 2 free, and it takes 1."
    )


def test_what_waits_is_sent_in_its_order_as_others_are_answered(desk: Desk) -> None:
    desk.consider(1, *(busy(n) for n in range(1, 6)))
    sent = told(desk)
    while desk.ledger.commands:
        first = next(iter(desk.ledger.commands.values()))
        desk.tell(CommandReply(key=first.key, workstream=first.workstream, ok=True), first.workstream)
        sent += told(desk)

    assert sent == [key(n) for n in (1, 3, 5, 7, 9)]
    assert len(desk.all_facts(CommandGranted)) == 3


def test_a_workstream_has_one_command_under_way_and_what_waited_goes_before_what_came_later() -> None:
    one = POOLED.pools[0].model_copy(update={"capacity": 1})
    other = Tell(workstream="ws4", command="tidy")
    rule = TAKING.model_copy(update={"tell": (TAKING.tell[0], other)})
    desk = Desk(POOLED.model_copy(update={"rules": (rule,), "pools": (one,)}))
    desk.consider(1, busy(1), busy(2))
    sent = [message.key for message in desk.said(Command)]
    assert sent == [key(1)]

    while desk.ledger.commands:
        answer(desk, sent[-1])
        (*_, last) = [message.key for message in desk.said(Command)] or [""]
        assert len(desk.said(Command)) <= 1
        sent += [last] if last else []

    assert sent == [key(1), key(2), key(3), key(4)]


def test_what_fails_gives_back_what_it_took(desk: Desk) -> None:
    desk.consider(1, busy(1), busy(2), busy(3))
    answer(desk, key(1), ok=False)

    assert waits(desk) == []


def test_what_waited_is_refused_if_the_rung_does_not_permit_it_any_more() -> None:
    """C3 again at the time of sending."""
    desk = People(POOLED)
    desk.consider(1, busy(1), busy(2), busy(3))
    desk.claim("alice", want="paused")
    answer(desk, key(1))

    (done,) = [fact for fact in desk.said(RuleActionDone) if fact.key == key(5)]
    assert done.error == "ws4/trading is paused, which permits only cancel"
    assert desk.met() == [("C3", "command refused", "")]


def test_what_people_hold_is_not_waited_for() -> None:
    desk = People(POOLED)
    desk.claim("alice", "ws4/broker", amount=2)
    desk.consider(1, busy(1))

    (refused,) = desk.said(RuleActionRefused)
    assert refused.why == "ws4/broker has 0 of 2 for commands, beside alice, and it takes 1"
    assert desk.met() == [("C2", "command refused", "alice")]
    assert told(desk) == []


def test_what_waits_is_refused_when_people_take_what_it_waits_for() -> None:
    desk = People(POOLED)
    desk.consider(1, busy(1), busy(2), busy(3))
    desk.claim("alice", "ws4/broker", amount=2)
    desk.wait(PASSED_S)
    answer(desk, key(1))
    assert waits(desk) == [key(5)]
    answer(desk, key(3))

    assert list(desk.ledger.docket.granted) == ["operator:alice@ws4/broker"]
    assert waits(desk) == []
    assert not desk.ledger.pending() or all(one.command != "update_positions" for one in desk.ledger.commands.values())


def test_a_workstream_that_is_gone_gives_back_all_that_was_taken(desk: Desk) -> None:
    desk.consider(1, busy(1), busy(2), busy(3))
    desk.tell(PeerDown(name="ws4", incarnation=1, standing=ChildState.PARKED, cause="crash: status 1"), "hub")

    assert [one.workstream for one in desk.ledger.commands.values() if one.workstream == "ws4"] == []


def test_a_coordinator_that_dies_goes_on_where_it_was(desk: Desk) -> None:
    desk.consider(1, *(busy(n) for n in range(1, 5)))
    for cut in range(len(desk.facts) + 1):
        later = Desk(POOLED, facts=desk.facts[:cut])
        later.answer_all()
        later.consider(1, *(busy(n) for n in range(1, 5)))
        later.answer_all()
        assert later.ledger.commands == {}
        assert later.refolded() == later.ledger


def test_more_than_one_of_a_pool_and_more_than_one_pool_is_taken_whole_or_not_at_all() -> None:
    both = Tell(workstream="ws4", command="rebuild", takes=("ws4/broker:2", "ws4/feed"))
    feed = Pool(resource="ws4/feed", capacity=1)
    rule = MARKET_DATA_SYNC.model_copy(update={"tell": (UPDATE.model_copy(update={"takes": ("ws4/broker",)}), both)})
    desk = Desk(SPEC.model_copy(update={"rules": (rule,), "pools": (BROKER, feed)}))
    desk.consider(1, busy(1))
    assert waits(desk) == [key(2)]

    answer(desk, key(1))
    assert told(desk, "rebuild") == [key(2)]


def test_a_restriction_waits_for_nothing_however_much_else_does(desk: Desk) -> None:
    """P13: with hundreds of commands in the queue, it goes out in the letter that calls for it, before any commit."""
    desk.consider(1, *(busy(n) for n in range(1, 400)))
    assert len(waits(desk)) > 300
    desk.tell(Consider(round=2, session="s1", events=(breach(500),)), "router")

    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in desk.effects]
    assert kinds.index(Directive) < kinds.index(Commit)


# --- in a world that loses letters -----------------------------------------------------------------------------------


def within(world: World) -> None:
    """P4: at every position no pool gives more than it has."""
    under_way = [issued for issued in world.desk.ledger.commands.values() if not issued.waits]
    amounts = [amount for issued in under_way for name, amount in map(taken, issued.takes) if name == BROKER.resource]
    assert sum(amounts) <= BROKER.capacity


@pytest.mark.parametrize("seed", range(25))
def test_no_pool_gives_more_than_it_has_and_each_command_is_done_once_in_any_weather(seed: int) -> None:
    world = World(seed, 10, spec=POOLED)
    for _ in range(20_000):
        within(world)
        if not world.step() or (world.shown is None and not world.desk.ledger.commands):
            break

    issued = Counter(fact.key for fact in world.desk.facts if isinstance(fact, CommandIssued))
    assert set(issued.values()) <= {1, 2}  # twice where a round was cut short and decided afresh
    ended = [fact.key for fact in world.desk.facts if isinstance(fact, RuleActionDone)]
    assert world.desk.ledger.commands == {}
    assert set(issued) == set(ended)
    done = [key_ for program in world.programs.values() for key_ in program.done]
    assert len(done) == len(set(done))  # P9


def test_in_a_long_life_something_waits_and_all_of_it_is_granted() -> None:
    desk = Desk(POOLED)
    for number in range(1, 20):
        desk.consider(number, *(busy(10 * number + n) for n in range(number % 5)), session=f"s{number}")
        desk.answer_all()
        turn = Turn(desk.state, 0.0)
        assert taking.ruling(turn, BROKER).taken == 0

    waited = [fact.key for fact in desk.all_facts(CommandIssued) if fact.waits]
    assert waited == [fact.key for fact in desk.all_facts(CommandGranted)] != []
    assert all(one != other for one, other in pairwise(waited))


def test_a_pause_in_the_same_round_refuses_before_anything_is_taken(desk: Desk) -> None:
    desk.consider(1, volatile(1), breach(2), *(busy(n) for n in range(3, 6)))

    assert {fact.klass for fact in desk.said(ConflictOpened)} == {"C1", "C3"}
    assert waits(desk) == []
