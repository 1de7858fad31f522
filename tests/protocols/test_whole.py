"""What stands in the trail in short is made whole again, as far as any decision rests on it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from alluse_hub.protocols import wire
from alluse_hub.protocols.admin import Answer, ReadTrail
from alluse_hub.protocols.board import BoardShown
from alluse_hub.protocols.flow import Consider, Deliver, Event, EventHeard, Produced, Unsettled
from alluse_hub.protocols.lifecycle import Booted
from alluse_hub.protocols.masking import MASKED
from alluse_hub.protocols.message import Fact, Json, Message
from alluse_hub.protocols.program import LinesRead, Refusal, WriteLines
from alluse_hub.protocols.trail import Snapshot
from alluse_hub.protocols.whole import NOT_KEPT, SHORT, NotWholeError, whole
from alluse_hub.protocols.workstream import EventLine, EventsLost, Hello, LineRefused, Log, ProgramLine, Reply

JOBS: set[type[Message]] = {Answer, ReadTrail, WriteLines}
"""They go to workers, and no core hears them."""

EVENTS = {f"ws3#{n}": Event(ws="ws3", n=n, event=f"e{n}", session="s", payload={"x": n}) for n in range(1, 9)}
SOME = tuple(EVENTS.values())[2:5]


def again(message: Message, facts: Sequence[Fact] = ()) -> Message:
    """By way of the trail."""
    return whole(wire.kind_of(message), wire.encode(message.for_trail()), EVENTS.__getitem__, lambda: facts)


def test_every_message_that_stands_in_the_trail_in_short_can_be_made_whole_or_is_a_job() -> None:
    short = {kind for kind in wire.KINDS.values() if "for_trail" in vars(kind)}

    assert short == set(SHORT) | JOBS


@pytest.mark.parametrize(
    "message",
    [
        Deliver(delivery="r1/ws3", round=1, session="s", events=SOME, taken=7),
        Deliver(delivery="r2/ws3", round=2, command="set_replay", parameters={"from": "2004-08-02", "to": None}),
        Produced(
            workstream="ws3", delivery="r1", result={"of": 3, "end": True}, events=SOME, through=5, latency_s=0.25
        ),
        Unsettled(workstream="ws3", events=SOME, through=5),
        Consider(round=1, session="s", events=SOME),
        Refusal(why="no JSON", beginning="{"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_letter_is_the_same_afterwards(message: Message) -> None:
    assert again(message) == message
    assert again(message).__dict__.keys() == type(message).model_fields.keys(), "every field is given: none is checked"


def test_an_event_as_a_program_said_it_has_every_field() -> None:
    event = SOME[0]
    line = EventLine(ws="ws3", seq=1, t=0.0, kind="event", n=7, event=event.event, session="s", payload=event.payload)
    heard = EventHeard(event=line.as_event(3))

    (told,) = again(LinesRead(through=7, lines=(line,)), [heard]).lines  # type: ignore[attr-defined]  # it is one

    assert heard.event == event
    assert told == line
    assert told.__dict__.keys() == EventLine.model_fields.keys()
    assert heard.event.__dict__.keys() == Event.model_fields.keys()


def test_of_a_picture_only_whether_there_is_one_is_known() -> None:
    for view, known in (({}, {}), ({"status": "up"}, NOT_KEPT)):
        shown = again(BoardShown(request="q", version=3, view=view))

        assert isinstance(shown, BoardShown)
        assert (shown.request, shown.version, shown.view) == ("q", 3, known)


def test_an_event_that_is_not_in_the_trail_is_named() -> None:
    with pytest.raises(NotWholeError, match="a Consider told of an event that is not in the trail: ws3#99"):
        again(Consider(round=1, session="s", events=(Event(ws="ws3", n=99, event="e"),)))


def test_a_kind_or_a_body_of_another_version_is_told() -> None:
    with pytest.raises(NotWholeError, match="Unheard is no message of this version"):
        whole("Unheard", b"{}", EVENTS.__getitem__, tuple)
    with pytest.raises(NotWholeError, match="not a ConsiderIds"):
        whole("Consider", b'{"turn":1}', EVENTS.__getitem__, tuple)


# --- lines of a program ----------------------------------------------------------------------------------------------


def event_line(n: int) -> EventLine:
    return EventLine(ws="ws3", seq=1, t=0.0, kind="event", n=n, event=f"e{n}", session="s", cause="c", payload={"n": n})


def reply(n: int) -> Reply:
    return Reply(ws="ws3", seq=n, t=0.0, kind="reply", id=f"r{n}", ok=True, result={"n": n})


HELLO = Hello(ws="ws3", seq=1, t=0.0, kind="hello", name="x", version="1", pid=7)
LOG = Log(ws="ws3", seq=9, t=0.0, kind="log", text="hm")


def heard(line: EventLine, shift: int) -> EventHeard:
    return EventHeard(event=line.as_event(line.n + shift))


@given(st.lists(st.sampled_from("erh "), max_size=12), st.integers(0, 50))
def test_lines_come_again_in_their_order_with_what_came_of_them(order: list[str], shift: int) -> None:
    lines: list[ProgramLine] = []
    for at, letter in enumerate(order, start=1):
        if letter == "h" and HELLO in lines:
            continue  # the first counts
        made: dict[str, ProgramLine] = {"e": event_line(at), "r": reply(at), "h": HELLO, " ": LOG}
        lines.append(made[letter])
    # An event's number counts events.
    events = [line for line in lines if isinstance(line, EventLine)]
    numbered = {id(line): event_line(n) for n, line in enumerate(events, start=4)}
    told = [numbered.get(id(line), line) for line in lines]
    facts = [heard(line, shift) for line in numbered.values()]

    read = again(LinesRead(through=9, lines=tuple(told)), facts)

    assert isinstance(read, LinesRead)
    assert read.lines == tuple(line for line in told if line is not LOG)


@pytest.mark.parametrize(
    ("numbers", "taken", "lost"),
    [
        ([4, 5, 6], [6], None),  # two were heard before
        ([4, 5, 6], [4, 5, 6], None),
        ([4, 5, 9], [4, 5], None),  # the last leaves a gap, and is refused
        ([9, 8, 9], [8, 9], None),  # so did the first
        ([4, 7, 8], [4, 7, 8], (5, 6)),
        ([7, 8], [7, 8], (5, 6)),
        ([4, 5], [], None),
        ([], [], None),
    ],
)
def test_what_was_taken_is_told_from_what_was_heard_before_or_refused(
    numbers: list[int], taken: list[int], lost: tuple[int, int] | None
) -> None:
    """The hub's numbers are eleven higher than the program's, and lower again by what was lost."""
    facts: list[Fact] = []
    shift = 11
    for n in taken:
        if lost is not None and n == lost[1] + 1:
            facts.append(EventsLost(workstream="ws3", first=lost[0], last=lost[1]))
            shift -= lost[1] - lost[0] + 1
        facts.append(heard(event_line(n), shift))

    read = again(LinesRead(through=9, lines=tuple(map(event_line, numbers))), facts)

    assert isinstance(read, LinesRead)
    known = [line.n for line in read.lines if isinstance(line, EventLine) and line.payload]
    assert known == taken
    assert [line.n for line in read.lines if isinstance(line, EventLine)] == numbers


def test_an_event_that_was_refused_keeps_its_name_by_the_refusal() -> None:
    refused = LineRefused(workstream="ws3", why="a gap", beginning="event odd n=1 n=9", count=1)

    read = again(LinesRead(through=9, lines=(event_line(9),), refused=(Refusal(why="w", beginning="b"),)), [refused])

    assert isinstance(read, LinesRead)
    assert [line.event for line in read.lines if isinstance(line, EventLine)] == ["odd n=1"]
    assert read.refused == (Refusal(why="w", beginning="b"),)


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_no_value_of_an_environment_stands_in_the_trail_at_any_depth() -> None:
    inner: Json = {"command": ["x"], "env": {"KEY": "hunter2", "TOKEN": "hunter2"}}
    spec: Json = {"env": {"A": "hunter2"}, "children": [{"start": {"spec": inner}}, 7], "n": 1}
    booted = Booted(pid=1, start_ticks=1, parent="hub", version="1", actor="x.Y", spec=spec)

    for message in (booted, Snapshot(state={"spec": spec, "kept": 1})):
        shown = wire.for_record(message).decode()
        assert "hunter2" not in shown
        assert shown.count(MASKED) == 3


def test_a_snapshot_keeps_what_is_durable_as_it_is() -> None:
    state = {"spec": {"n": 1}, "kept": {"parameters": {"env": {"A": "b"}}}}

    assert from_json(wire.for_record(Snapshot(state=state))) == {"state": state}
