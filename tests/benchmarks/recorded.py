"""A trail as a coordinator of many rules leaves it: events of a workstream, rounds of a router, and what was decided.

The coordinator is the real one and decides on every letter; what it says stands in the store as its shell would have
written it.  The router and the workstreams are only their words.
"""

import os
from pathlib import Path

from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.actors.catalog import ACTORS
from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.state import Coordinator
from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Commit, Record
from alluse_hub.protocols.flow import Consider, Event, EventHeard, RoundSettled
from alluse_hub.protocols.lifecycle import Booted, Started
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.names import COORDINATION, ROUTER
from alluse_hub.protocols.names import COORDINATOR as NAME
from alluse_hub.protocols.rules import CommandIssued, CoordinatorSpec, Priority, Rule, Tell
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.protocols.workstream import CommandReply
from alluse_hub.supervision.origins import Origin
from alluse_hub.supervision.outbox import Outbox
from alluse_hub.supervision.sayings import Said, said_by
from alluse_hub.supervision.spool import SpoolName

NAMES = 10
A_ROUND = 50
ROUNDS_A_SESSION = 20
RARE = 0.999
"""Of all events so many fire nothing."""

SOURCE, TOLD = "ws1", "ws2"
BATCH_ROUNDS = 200
"""In one transaction: some ten thousand entries."""


def rules(count: int, above: float = RARE) -> tuple[Rule, ...]:
    """On ten events; so each event is asked of by a tenth of them."""
    return tuple(
        Rule(
            id=f"rule-{n}",
            name=f"Rule {n}",
            priority=Priority.HIGH if n % 2 else Priority.LOW,
            workstream=SOURCE,
            event=f"event_{n % NAMES}",
            when=f"level > {above} && kind == 'k{n % 7}'",
            tell=(Tell(workstream=TOLD, command="note", parameters={"level": "{level}"}, pure=True),),
        )
        for n in range(count)
    )


def specification(count: int) -> CoordinatorSpec:
    return CoordinatorSpec(rules=rules(count), workstreams=(SOURCE, TOLD))


def event(n: int) -> Event:
    level = ((n * 7_919) % 10_007) / 10_007
    return Event(
        ws=SOURCE,
        n=n,
        event=f"event_{n % NAMES}",
        session=f"s{n // A_ROUND // ROUNDS_A_SESSION}",
        payload={"level": level, "kind": f"k{n % 7}", "symbol": f"SYM{n % 500}", "volume": n % 19_993},
    )


class Writer:
    """Entries by actor, numbered as they come."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self.rows: list[Row] = []
        self.count = 0

    def put(self, actor: str, said: Said, at: float, letter: str = "") -> str:
        """Returns its id."""
        n = self._last[actor] = self._last.get(actor, 0) + 1
        body = None if said.kind is EntryKind.HEARD and letter else said.body
        row = Row(
            actor,
            1,
            n,
            said.kind.value,
            said.message,
            said.to,
            letter,
            said.cause,
            said.correlation,
            at,
            1.7e9 + at,
            said.power,
            actor,
            body,
        )
        self.rows.append(row)
        self.count += 1
        return f"{actor}/1/{n}"

    def store(self, store: Store) -> None:
        places = {SpoolName(actor, 1): Place(n, n) for actor, n in self._last.items()}
        store.commit(self.rows, places)
        self.rows = []


class Decider:
    """The coordinator, and what its shell writes of each letter."""

    def __init__(self, spec: CoordinatorSpec, writer: Writer) -> None:
        self.state: Coordinator = COORDINATOR.start(NAME, spec)
        self._writer = writer
        self._outbox = Outbox()
        start = Booted(
            pid=os.getpid(),
            start_ticks=1,
            parent=COORDINATION,
            version="benchmark",
            actor=ACTORS[NAME],
            spec=spec.model_dump(mode="json"),
        )
        self._put(Said(EntryKind.FACT, "Booted", _text(start)), 0.0)

    def _put(self, said: Said, at: float, letter: str = "") -> str:
        return self._writer.put(NAME, said, at, letter)

    def hear(self, sender: str, body: Message, at: float, letter: str = "") -> list[CommandIssued]:
        """The commands that come of it."""
        said = Said(EntryKind.HEARD, wire.kind_of(body), _text(body), sender)
        id_ = letter or self._put(said, at)
        if letter:
            self._put(said, at, letter)
        decision = COORDINATOR.decide(self.state, Envelope(id_, sender, NAME, body, at))
        self.state = decision.state
        for one in said_by(decision.effects, Origin(id_, ""), self._outbox):
            self._put(one, at)
        facts = [effect.fact for effect in decision.effects if isinstance(effect, Record | Commit)]
        return [fact for fact in facts if isinstance(fact, CommandIssued)]


def _text(body: Message) -> str:
    return wire.for_record(body).decode()


def write(home: Path, count: int, events: int) -> int:
    """A home with the trail of so many events through so many rules; returns its entries."""
    store = Store.open(home / "trail" / "trail.db")
    writer = Writer()
    decider = Decider(specification(count), writer)
    decider.hear("", Started(incarnation=1), 0.0)
    for number in range(1, events // A_ROUND + 1):
        _round(writer, decider, number)
        if number % BATCH_ROUNDS == 0:
            writer.store(store)
    writer.store(store)
    store.close()
    return writer.count


def _round(writer: Writer, decider: Decider, number: int) -> None:
    at = float(number)
    last = number * A_ROUND
    told = tuple(event(n) for n in range(last - A_ROUND + 1, last + 1))
    for one in told:
        writer.put(SOURCE, Said(EntryKind.FACT, "EventHeard", _text(EventHeard(event=one))), at)
    session = told[0].session
    shown = Consider(round=number, session=session, events=told)
    letter = writer.put(ROUTER, Said(EntryKind.SENT, "Consider", _text(shown), NAME), at)
    waiting = decider.hear(ROUTER, shown, at, letter)
    while waiting:
        issued = waiting.pop(0)
        reply = CommandReply(key=issued.key, workstream=TOLD, ok=True)
        letter = writer.put(TOLD, Said(EntryKind.SENT, "CommandReply", _text(reply), NAME), at)
        waiting += decider.hear(TOLD, reply, at + 0.01, letter)
    settled = RoundSettled(round=number, session=session, consumed={SOURCE: last}, digests={}, sessions=1)
    writer.put(ROUTER, Said(EntryKind.FACT, "RoundSettled", _text(settled)), at + 0.02)
