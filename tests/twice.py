"""Whatever else a test is about: each decision is made twice, the second time on the letter as the trail would give it
back, and both must say the same and leave the same state.  So every generator of letters tries the replay as well."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Commit, Core, Decision, Effect, Record
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.whole import whole
from alluse_hub.supervision.origins import UNKNOWN, unwrapped
from alluse_hub.supervision.outbox import Outbox
from alluse_hub.supervision.sayings import is_silent, said_by


def again(body: Message, effects: tuple[Effect, ...]) -> Message:
    """What the trail has of a letter, given what was decided on it."""
    told = getattr(body, "events", ())
    events = {event.id: event for event in told if isinstance(event, Event)} if isinstance(told, tuple) else {}
    if events and len(events) < len(told):
        return body  # of two events of one name, which only tests know, the trail would have one
    bare = [unwrapped(effect, UNKNOWN)[0] for effect in effects]
    facts: list[Fact] = [effect.fact for effect in bare if isinstance(effect, Record | Commit)]
    return whole(wire.kind_of(body), wire.encode(body.for_trail()), events.__getitem__, lambda: facts)


@contextmanager
def decided_twice(core: Core[Any]) -> Iterator[None]:
    """Any: each core has a state of its own."""
    decide = core.decide

    def twice(state: Any, letter: Envelope) -> Decision[Any]:  # as above
        if wire.kind_of(letter.body) not in wire.KINDS:
            return decide(state, letter)  # a word of the test's own
        first = decide(state, letter)
        second = decide(state, replace(letter, body=again(letter.body, first.effects)))
        turn = UNKNOWN._replace(cause=letter.id)
        assert said_by(first.effects, turn, Outbox()) == said_by(second.effects, turn, Outbox())
        assert [each for each in first.effects if is_silent((each,))] == [
            each for each in second.effects if is_silent((each,))
        ]
        assert first.state == second.state
        return first

    object.__setattr__(core, "decide", twice)  # it is frozen against all but this
    try:
        yield
    finally:
        object.__setattr__(core, "decide", decide)
