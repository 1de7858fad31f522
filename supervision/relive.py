"""Reliving: the letters that an incarnation heard, as its shell handed them to its core, each with the facts that were
recorded because of it.

For whoever asks what else could have been decided on them.  Unlike a replay nothing is judged; what a shell kept from
its core (what was stored, what was set aside) is not among them.  Pure.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from alluse_hub.protocols import wire
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.trail import EntryKind, Stored
from alluse_hub.protocols.whole import NotWholeError, whole
from alluse_hub.supervision.replay import Material
from alluse_hub.supervision.sayings import is_quarantine
from alluse_hub.supervision.spool import SpoolEntry


class Relived(NamedTuple):
    """``entry``: id of its receipt; ``wall``: when that was written, in seconds since 1970."""

    letter: Envelope
    entry: str
    wall: float
    facts: tuple[Fact, ...]


def relived(
    actor: str, incarnation: int, entries: Iterable[SpoolEntry], accepts: frozenset[type[Message]], material: Material
) -> Iterator[Relived]:
    """Raises NotWholeError for a letter that the trail does not hold."""
    for receipt, rest in _turns(entries):
        if receipt.message == Stored.__name__ or (rest and is_quarantine(rest[0])):
            continue
        entry = f"{actor}/{incarnation}/{receipt.n}"
        id_ = receipt.letter or entry
        facts = tuple(_facts(rest, id_))
        body = _body(receipt, material, facts)
        if type(body) not in accepts:
            continue
        letter = Envelope(id_, receipt.to, actor, body, receipt.at, receipt.cause, receipt.correlation)
        yield Relived(letter, entry, receipt.wall, facts)


def _turns(entries: Iterable[SpoolEntry]) -> Iterator[tuple[SpoolEntry, list[SpoolEntry]]]:
    """A receipt, and what follows it until the next."""
    receipt: SpoolEntry | None = None
    rest: list[SpoolEntry] = []
    for entry in entries:
        if entry.kind == EntryKind.HEARD:
            if receipt is not None:
                yield receipt, rest
            receipt, rest = entry, []
        else:
            rest.append(entry)
    if receipt is not None:
        yield receipt, rest


def _facts(rest: list[SpoolEntry], letter: str) -> Iterator[Fact]:
    for entry in rest:
        if entry.kind == EntryKind.FACT and entry.cause == letter:
            try:
                fact = wire.decode(entry.message, entry.body)
            except CallerError as error:
                raise NotWholeError(str(error)) from error
            if isinstance(fact, Fact):
                yield fact


def _body(receipt: SpoolEntry, material: Material, facts: tuple[Fact, ...]) -> Message:
    kind, text = receipt.message, receipt.body
    if receipt.letter:
        sent = material.letter(receipt.letter)
        if sent is None:
            raise NotWholeError(f"the letter {receipt.letter} is not in the trail")
        kind, text = sent
    return whole(kind, text, material.event, lambda: facts)
