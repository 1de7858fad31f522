"""Letters made whole again from what the trail holds of them.

Some messages stand in the trail in short, because their bulk has entries of its own: events, above all.  Whoever runs
a core again from the trail needs them as they were.  Here each short form meets its whole one.

What cannot be had again is what no decision rests on: the contents of a picture that a gateway hands on, and what a
line of a program looked like that was heard twice or had nothing to say to the hub.

Pure.
"""

import re
from collections.abc import Callable, Sequence

from alluse_hub.protocols import wire
from alluse_hub.protocols.board import BoardShown, BoardVersion
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.flow import (
    Consider,
    ConsiderIds,
    Deliver,
    Delivered,
    Event,
    EventHeard,
    Produced,
    ProducedIds,
    Unsettled,
)
from alluse_hub.protocols.message import Fact, Json, Message, built
from alluse_hub.protocols.program import LinesHeard, LinesRead
from alluse_hub.protocols.workstream import EventLine, EventsLost, LineRefused, ProgramLine

SHORT: dict[type[Message], type[Message]] = {
    BoardShown: BoardVersion,
    Consider: ConsiderIds,
    Deliver: Delivered,
    LinesRead: LinesHeard,
    Produced: ProducedIds,
    Unsettled: ProducedIds,
}
"""How letters that a core takes stand in the trail, where they do not stand there whole."""

NOT_KEPT: Json = {"": "not in the trail"}
"""In place of a picture of the board: something, but nobody knows what."""

UNHEARD = "unheard"
"""Name of an event of which the trail holds no more than its number, because nothing came of it."""

_RUN = re.compile(r"(\d*)([her])")
_REFUSED = re.compile(r"event (.*) n=(\d+)", re.DOTALL)

Find = Callable[[str], Event]
"""The event of an id such as ``ws3#17``.  Raises LookupError if it is not in the trail."""


class NotWholeError(Exception):
    """The trail does not hold what the letter said; the text tells what is missing."""


def whole(kind: str, body: bytes | str, find: Find, facts: Callable[[], Sequence[Fact]]) -> Message:
    """The message that stands in the trail as ``body``.  ``facts``: what its addressee recorded because of it.

    Raises NotWholeError.
    """
    known = wire.KINDS.get(kind)
    if known is None:
        raise NotWholeError(f"{kind} is no message of this version")
    try:
        short = SHORT.get(known)
        if short is None:
            return wire.decode(kind, body)
        return _whole(known, wire.decode(short.__name__, body), find, facts)
    except CallerError as error:
        raise NotWholeError(str(error)) from error
    except LookupError as error:
        raise NotWholeError(f"a {kind} told of an event that is not in the trail: {error.args[0]}") from error


def _whole(kind: type[Message], short: Message, find: Find, facts: Callable[[], Sequence[Fact]]) -> Message:
    match short:
        case BoardVersion(request=request, version=version, is_known=is_known):
            return BoardShown(request=request, version=version, view=NOT_KEPT if is_known else {})
        case ConsiderIds(round=number, session=session, events=ids):
            return built(Consider, {"round": number, "session": session, "events": _found(ids, find)})
        case Delivered(delivery=delivery, round=number, command=command, session=session):
            return built(
                Deliver,
                {
                    "delivery": delivery,
                    "round": number,
                    "command": command,
                    "session": session,
                    "events": _found(short.events, find),
                    "parameters": short.parameters,
                    "taken": short.taken,
                },
            )
        case ProducedIds(workstream=workstream, events=ids, through=through) if kind is Unsettled:
            return built(Unsettled, {"workstream": workstream, "events": _found(ids, find), "through": through})
        case ProducedIds(workstream=workstream, delivery=delivery, ok=ok, error=error):
            return built(
                Produced,
                {
                    "workstream": workstream,
                    "delivery": delivery,
                    "ok": ok,
                    "error": error,
                    "result": short.result,
                    "events": _found(short.events, find),
                    "through": short.through,
                    "latency_s": short.latency_s,
                },
            )
        case LinesHeard():
            return _lines(short, facts())
        case other:
            raise TypeError(f"{type(other).__name__} stands for no {kind.__name__}")


def _found(ids: tuple[str, ...], find: Find) -> tuple[Event, ...]:
    return tuple(map(find, ids))


# --- lines of a program ----------------------------------------------------------------------------------------------


def _lines(short: LinesHeard, facts: Sequence[Fact]) -> LinesRead:
    """Lines as they came.  What an event said stands in the fact that came of it, and nowhere else: so this is where
    the letter is told from the decision."""
    events = iter(_events(short.events, facts))
    replies = iter(short.replies)
    lines: list[ProgramLine] = []
    order = short.order or f"{'h' if short.hello else ''}{len(short.events)}e{len(short.replies)}r"
    for count, letter in _RUN.findall(order):
        for _ in range(int(count or 1)):
            match letter:
                case "e":
                    lines.append(next(events))
                case "r":
                    lines.append(next(replies))
                case "h" if short.hello is not None:
                    lines.append(short.hello)
    fields = {"through": short.through, "lines": tuple(lines), "refused": short.refused, "refusals": short.refusals}
    return built(LinesRead, fields)


def _events(numbers: tuple[int, ...], facts: Sequence[Fact]) -> list[EventLine]:
    names = _refused_names(facts)
    heard = _heard(numbers, [fact for fact in facts if isinstance(fact, EventHeard | EventsLost)])
    return [_event(n, heard.get(at), names.get(n, UNHEARD)) for at, n in enumerate(numbers)]


def _event(n: int, event: Event | None, name: str) -> EventLine:
    if event is None:
        said: Json = {"ws": "", "event": name, "session": "", "cause": "", "payload": {}}
    else:
        said = event.__dict__
    return built(EventLine, said | {"seq": 1, "t": 0.0, "kind": "event", "n": n})


def _refused_names(facts: Sequence[Fact]) -> dict[int, str]:
    """Of events that left a gap or came before the hello."""
    refused = [_REFUSED.fullmatch(fact.beginning) for fact in facts if isinstance(fact, LineRefused)]
    return {int(match[2]): match[1] for match in refused if match is not None}


def _heard(numbers: tuple[int, ...], told: Sequence[Fact]) -> dict[int, Event]:
    """Which of the program's numbers became which event, by place.

    The hub's own numbers differ from the program's by as much as nobody knows here.  But both go up by one, save where
    events were lost, and the fact of that says from where they go on; so the first place from which all facts are met,
    and after which no further one would have followed, is the one.
    """
    for start in range(len(numbers)):
        if (found := _from(start, numbers, told)) is not None:
            return found
    return {}


def _from(start: int, numbers: tuple[int, ...], told: Sequence[Fact]) -> dict[int, Event] | None:
    found: dict[int, Event] = {}
    due = numbers[start]
    at = start
    for fact in told:
        if isinstance(fact, EventsLost):
            due = fact.last + 1
            continue
        assert isinstance(fact, EventHeard), "of the two that were asked for"
        while at < len(numbers) and numbers[at] != due:
            at += 1
        if at == len(numbers):
            return None
        found[at] = fact.event
        at, due = at + 1, due + 1
    return None if due in numbers[at:] else found
