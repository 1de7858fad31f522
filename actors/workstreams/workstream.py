"""The base of every workstream: what it does on a command and on an event, found by the names of its methods.

A workstream is a deterministic function of its commands: no clock, no random numbers, no files inside handlers; its
time is the market session.  What a handler tells is collected here and sent by the Runner, numbered, before the reply.
"""

import re
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

from .datasets import Shelf, Take
from .lines import JsonObject
from .readers import Reading

TEXT_CHARS_MAX = 4_000
"""Of one log text; a traceback is cut to its end, where the reason stands."""

REASON_CHARS_MAX = 500
"""Of one withdrawal."""

CLAIM_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
"""What the hub takes for an id (protocols/program_claims.py).  A line with another one it refuses whole, and with that
all events after it, since a number is missing; so such a line is not said."""


class Delivered(NamedTuple):
    """An event of another workstream, as it arrives here."""

    ws: str
    n: int
    event: str
    session: str
    payload: Reading


class Claimed(NamedTuple):
    """What has become of a claim.  ``outcome``: granted, covered, queued or needs_ruling; refused, withdrawn or ended,
    and ``how``.  What is done under the claim carries its ``fence``, and so is told from what was done under another.
    """

    id: str
    outcome: str
    why: str
    position: int = 0
    fence: int = 0
    klass: str = ""
    how: str = ""

    @property
    def stands(self) -> bool:
        return self.outcome not in {"refused", "withdrawn", "ended"}

    @classmethod
    def read(cls, told: Reading) -> Self:
        return cls(
            id=told.text("id"),
            outcome=told.text("outcome"),
            why=told.text("why", ""),
            position=told.whole("position", 0),
            fence=told.whole("fence", 0),
            klass=told.text("klass", ""),
            how=told.text("how", ""),
        )


class Told(NamedTuple):
    """Something a handler said, in the order it was said; ``kind`` is event, claim, withdraw, log or progress."""

    kind: str
    body: JsonObject


class Workstream:
    """Base of every workstream.  Methods ``do_<command>`` and ``on_<event>`` are found by their names.

    ``datasets`` names those it shares.  Copies of others' come by themselves, by way of the hub; ``take_<data set>``,
    if there is such a method, is given each new content, and may refuse it.
    """

    ws: ClassVar[str]
    name: ClassVar[str]
    version: ClassVar[str]
    emits: ClassVar[tuple[str, ...]] = ()
    datasets: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.session = ""  # ISO date of the market session at hand; empty before the first
        self.told: list[Told] = []
        self.shelf = Shelf(self.ws)
        self.claims: dict[str, Claimed] = {}  # those that stand, by id, as they were last told
        self.epoch = 0  # of the coordinator that told it

    def emit(self, event: str, payload: JsonObject) -> None:
        """Tell ``event`` to whom it concerns.  ``payload`` is given away: do not change it afterwards."""
        assert event in self.emits, f"{self.ws} does not declare the event {event!r}"
        self.told.append(Told("event", {"event": event, "session": self.session, "payload": payload}))

    def claim(self, claim: str, words: JsonObject) -> None:
        """Claim, under an id of one's own; again with the same id, for longer.  ``words``: README, "Claims"."""
        assert CLAIM_ID.fullmatch(claim), f"{claim!r} is no id of a claim: 64 letters, digits and _.:- at most"
        assert isinstance(words, dict), f"what {claim} claims is an object, not {words!r}"
        self.told.append(Told("claim", {"id": claim, "session": self.session, "claim": words}))

    def withdraw(self, claim: str, reason: str = "") -> None:
        """``claim``: ``*`` for all."""
        assert claim == "*" or CLAIM_ID.fullmatch(claim), f"{claim!r} is no id of a claim"
        reason = reason[:REASON_CHARS_MAX]
        self.told.append(Told("withdraw", {"id": claim, "session": self.session, "reason": reason}))

    def claimed(self, news: Claimed) -> None:
        """The hub has told what has become of a claim; ``claims`` has it already."""

    def share(self, dataset: str, content: JsonObject) -> None:
        """``content`` is the data set from now on; nothing is new if it was so already."""
        assert dataset in self.datasets, f"{self.ws} does not declare the data set {dataset!r}"
        self.shelf.publish(dataset, content, self.session)

    def dataset(self, name: str) -> JsonObject | None:
        """What stands here under that name, its own or a copy; None if nothing does."""
        held = self.shelf.copies.get(name)
        return None if held is None else held.content

    def taker(self, dataset: str) -> Take | None:
        return getattr(self, f"take_{dataset}", None)

    def log(self, level: str, text: str) -> None:
        self.told.append(Told("log", {"level": level, "text": text[-TEXT_CHARS_MAX:]}))

    def progress(self, fraction: float) -> None:
        self.told.append(Told("progress", {"fraction": fraction}))

    def snapshot(self) -> JsonObject:
        """The whole state in JSON values; ``restore(snapshot())`` changes nothing."""
        return {}

    def restore(self, state: JsonObject) -> None:
        """Take ``state``, which an earlier ``snapshot`` gave.  May raise anything: the Runner then keeps what was."""

    def summary(self) -> JsonObject:
        """What a person or a screen wants to see; small."""
        return {}

    @classmethod
    def begin(cls, data: Path | None) -> Self:
        """A new one.  ``data`` names the file to work on, for those that work on one.  May raise DamagedError."""
        del data
        return cls()

    @classmethod
    def _named(cls, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(name.removeprefix(prefix) for name in dir(cls) if name.startswith(prefix)))

    @classmethod
    def commands(cls) -> tuple[str, ...]:
        return cls._named("do_")

    @classmethod
    def hears(cls) -> tuple[str, ...]:
        return cls._named("on_")
