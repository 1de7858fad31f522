"""Events that the recorded rules did not listen to, and other rules would: put where they would have been shown.

The coordinator is shown what its rules listen to, so of other events its letters know nothing.  But the trail has every
event, and of every round up to where it took each workstream's; so the rounds can be had whole.  What is missing is put
into the letter of its round, in the order of the router; a round that was not shown at all is shown when it was over.

Pure.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from alluse_hub.protocols.flow import Consider, Event, RoundSettled
from alluse_hub.protocols.message import Envelope
from alluse_hub.protocols.names import COORDINATOR, ROUTER
from alluse_hub.supervision.relive import Relived


class Settled(NamedTuple):
    """A round that is over: when, and the numbers of the events that it took, from the first on, by workstream."""

    at: float
    wall: float
    round: int
    session: str
    took: dict[str, range]


def settled_in(facts: Iterable[tuple[float, float, str]]) -> list[Settled]:
    """From the router's facts: hub time, wall time and body of each, in order."""
    found: list[Settled] = []
    taken: dict[str, int] = {}
    for at, wall, body in facts:
        fact = RoundSettled.model_validate_json(body)
        took = {ws: range(taken.get(ws, 0) + 1, n + 1) for ws, n in fact.consumed.items()}
        taken |= fact.consumed
        found.append(Settled(at, wall, fact.round, fact.session, took))
    return found


class Rounds:
    """``triggers``: what the other rules listen to, as ``ws3.session_opened``.  ``added``: events put in so far."""

    def __init__(self, settled: Sequence[Settled], triggers: frozenset[str], event: Callable[[str], Event]) -> None:
        self._settled = settled
        self._by_round = {one.round: one for one in settled}
        self._workstreams = {trigger.partition(".")[0] for trigger in triggers}
        self._triggers = triggers
        self._event = event
        self._next = 0
        self._seen: set[int] = set()
        self.added = 0

    def with_all(self, letters: Iterable[Relived], since: float) -> Iterator[Relived]:
        """From wall time ``since`` on."""
        for relived in letters:
            yield from self._over_before(relived, since)
            body = relived.letter.body
            if isinstance(body, Consider):
                self._seen.add(body.round)
                if relived.wall >= since:
                    relived = self._completed(relived, body)  # noqa: PLW2901  # the letter as it would have been
            yield relived

    def _over_before(self, relived: Relived, since: float) -> Iterator[Relived]:
        """Rounds that were over before a letter, and had nothing in them for the recorded rules."""
        while self._next < len(self._settled) and self._settled[self._next].at < relived.letter.at:
            one = self._settled[self._next]
            self._next += 1
            if one.round in self._seen or one.wall < since:
                continue
            events = tuple(self._missing(one, frozenset()))
            if events:
                self.added += len(events)
                body = Consider(round=one.round, session=one.session, events=events)
                letter = Envelope(f"{ROUTER}/round/{one.round}", ROUTER, COORDINATOR, body, one.at)
                yield Relived(letter, f"round {one.round}", one.wall, state=relived.state)

    def _completed(self, relived: Relived, body: Consider) -> Relived:
        one = self._by_round.get(body.round)
        if one is None:
            return relived  # it was not over yet when the trail ends
        missing = tuple(self._missing(one, frozenset(event.id for event in body.events)))
        if not missing:
            return relived
        self.added += len(missing)
        events = tuple(sorted((*body.events, *missing), key=lambda event: (event.ws, event.n)))
        letter = relived.letter
        whole = body.model_copy(update={"events": events})
        changed = Envelope(letter.id, letter.sender, letter.to, whole, letter.at, letter.cause, letter.correlation)
        return relived._replace(letter=changed)

    def _missing(self, one: Settled, shown: frozenset[str]) -> Iterator[Event]:
        for ws in sorted(self._workstreams & one.took.keys()):
            for n in one.took[ws]:
                if f"{ws}#{n}" in shown:
                    continue
                event = self._event(f"{ws}#{n}")
                if f"{event.ws}.{event.event}" in self._triggers:
                    yield event
