"""Events that nobody listened to, put where they would have been shown."""

import pytest

from alluse_hub.actors.coordinator.unshown import Rounds, settled_in
from alluse_hub.protocols.flow import Consider, Event, RoundSettled
from alluse_hub.protocols.lifecycle import PeerUp
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.supervision.relive import Relived

EVENTS = {
    f"{ws}#{n}": Event(ws=ws, n=n, event=name, session="s1")
    for ws, names in {"ws2": ("risk", "note", "risk"), "ws3": ("bar", "close", "bar", "bar", "close")}.items()
    for n, name in enumerate(names, start=1)
}


def settled(number: int, at: float, **consumed: int) -> tuple[float, float, str]:
    fact = RoundSettled(round=number, session="s1", consumed=consumed, digests={}, sessions=1)
    return at, 1_000.0 + at, fact.model_dump_json()


TRAIL = settled_in(
    [settled(1, 10.0, ws3=2), settled(2, 20.0, ws2=2, ws3=3), settled(3, 30.0, ws2=3), settled(4, 40.0, ws3=5)]
)


def heard(body: Message, at: float) -> Relived:
    return Relived(Envelope(f"router/1/{at}", "router", "coordinator", body, at), f"coordinator/1/{at}", 1_000.0 + at)


def shown(number: int, at: float, *ids: str) -> Relived:
    return heard(Consider(round=number, session="s1", events=tuple(EVENTS[id_] for id_ in ids)), at)


RECORDED = (shown(2, 15.0, "ws2#1"), heard(PeerUp(name="board", incarnation=2), 35.0), shown(4, 38.0, "ws3#4"))


def with_all(*triggers: str, since: float = 0.0) -> tuple[list[tuple[float, list[str]]], int]:
    rounds = Rounds(TRAIL, frozenset(triggers), EVENTS.__getitem__)
    letters = list(rounds.with_all(RECORDED, since))
    told = [
        (one.letter.at, [event.id for event in one.letter.body.events])
        for one in letters
        if isinstance(one.letter.body, Consider)
    ]
    return told, rounds.added


def test_what_a_round_took_is_told_from_where_the_last_one_left_off() -> None:
    assert [one.took for one in TRAIL] == [
        {"ws3": range(1, 3)},
        {"ws2": range(1, 3), "ws3": range(3, 4)},
        {"ws2": range(3, 4)},
        {"ws3": range(4, 6)},
    ]


def test_nothing_is_put_in_where_the_rules_listen_to_what_they_did() -> None:
    assert with_all("ws2.gone") == ([(15.0, ["ws2#1"]), (38.0, ["ws3#4"])], 0)


def test_missing_events_come_into_their_round_in_the_order_of_the_router_and_into_rounds_of_their_own() -> None:
    told, added = with_all("ws2.risk", "ws3.bar", "ws3.close")

    assert told == [
        (10.0, ["ws3#1", "ws3#2"]),
        (15.0, ["ws2#1", "ws3#3"]),
        (30.0, ["ws2#3"]),
        (38.0, ["ws3#4", "ws3#5"]),
    ]
    assert added == 5


def test_before_the_fork_nothing_is_put_in() -> None:
    told, added = with_all("ws3.bar", "ws3.close", since=1_016.0)

    assert told == [(15.0, ["ws2#1"]), (38.0, ["ws3#4", "ws3#5"])]
    assert added == 1


def test_an_event_that_is_not_in_the_trail_is_an_error_and_not_passed_over() -> None:
    nothing: dict[str, Event] = {}
    rounds = Rounds(TRAIL, frozenset({"ws3.bar"}), nothing.__getitem__)

    with pytest.raises(LookupError):
        list(rounds.with_all(RECORDED, 0.0))
