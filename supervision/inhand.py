"""What an actor has in hand, kept where it survives whatever kills the actor; and what it must not take again.

Before each letter a few bytes are put into a piece of memory that outlives the process, and after it one is taken
back.  An incarnation that finds them knows what its predecessor died over: an exception, ``os._exit``, a null pointer,
a hang that was ended, kill -9.  A letter over which ``DEATHS_MAX`` incarnations died since it was last handled is
*quarantined*: it is set aside when it comes again, and the actor handles the next.

A letter has no name of its own that lasts, because it is said again under another id.  So it is known by its sender,
its kind and a checksum of its body: two that agree in these say the same.  One that is handled is a suspect no more, so
letters that are always about, such as a status asked for each second, are not blamed for chance kills.  A quarantine
ends after ``QUARANTINE_S``, with one try; and with another version of the hub.

What a shell itself says to its core is never set aside: an actor that does not hear ``Started``, a timer, or the end of
a child is worse than none.

Pure; the memory is given.
"""

import zlib
from collections.abc import Callable
from struct import Struct
from typing import Protocol

from pydantic import ValidationError

from alluse_hub.protocols.lifecycle import ChildCondition, ChildUp, Exited, PeerUp, Started, StopAsked, Woken
from alluse_hub.protocols.liveness import Hung
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.quarantine import Death, Suspect, Suspects
from alluse_hub.protocols.trail import TailFailed

DEATHS_MAX = 3
"""Deaths over one letter; then it is set aside."""

SUSPECTS_MAX = 16
"""Suspects remembered; the oldest is forgotten first."""

QUARANTINE_S = 3_600.0
"""How long a letter is set aside before it is tried once more."""

EXEMPT: frozenset[type[Message]] = frozenset(
    {Started, Woken, StopAsked, ChildUp, ChildCondition, Exited, Hung, PeerUp, TailFailed}
)
"""What a shell says to its core; and that the auditor cannot go on, without which it would live and store nothing."""

LETTER_BYTES = 6_144
"""As much of a body is kept and compared: what differs only further on is taken for the same."""

INCARNATION = Struct("<Q")
INCARNATION_AT = 8_184

TABLE = Struct("<II")
"""CRC-32 and length of the suspects, as JSON."""

TABLE_AT = 8_192
HAND_BYTES = 20_480
"""Of the memory.  From 0 on: whether there is a letter in hand (1), then its sender, kind, id and body, each with a NUL
after it; none of them holds one.  Suspects take less than 700 bytes each."""

TEXTS = 4

Shadow = Callable[[str, bytes], bytes]
"""From a kind and a body: what the body is known by, where it must not lie on the disk as it is."""

Print = tuple[str, str, int, int]
"""Sender, kind, CRC-32 and length: what a letter is known by."""


class Memory(Protocol):
    """``HAND_BYTES`` of it: a bytearray, or a map of a file."""

    def __getitem__(self, part: slice, /) -> bytes | bytearray: ...
    def __setitem__(self, at: int | slice, value: int | bytes, /) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...


def letter_in(memory: Memory) -> str:
    """Id of the letter in hand; empty if there is none."""
    text = bytes(memory[:INCARNATION_AT])
    parts = text[1:].split(b"\0", TEXTS)
    return parts[TEXTS - 2].decode("utf-8", "replace") if text[0] == 1 and len(parts) > TEXTS else ""


class Hand:
    """Of one incarnation.  ``died_over``: what the one before it died over."""

    def __init__(
        self, memory: Memory, incarnation: int, version: str, now: float, shadow: Shadow | None = None
    ) -> None:
        self._memory = memory
        self._shadow = shadow
        self._incarnation = incarnation
        self._version = version
        self._suspects = self._remembered()
        self._tried: Print | None = None  # the suspect in hand
        self._told: set[Print] = set()  # set aside by this incarnation
        self.died_over = self._inherited(now)
        self.put_down()
        if shadow is not None:  # what was declared only since is not to lie there on
            memory[:INCARNATION_AT] = bytes(INCARNATION_AT)

    @classmethod
    def forgetful(cls) -> "Hand":
        """One that leaves nothing to anybody."""
        return cls(bytearray(HAND_BYTES), 1, "", 0.0)

    def take(self, sender: str, kind: str, body: bytes, letter: str, now: float) -> Suspect | None:
        """A letter is about to be handled; the suspect, if it must not be."""
        if self._shadow is not None:
            body = self._shadow(kind, body)
        if len(body) > LETTER_BYTES:
            body = body[:LETTER_BYTES]
        if self._suspects:
            print_ = sender, kind, zlib.crc32(body), len(body)
            suspect = self._suspects.get(print_)
            if suspect is not None and suspect.held_at is not None and now - suspect.held_at < QUARANTINE_S:
                return suspect
            self._tried = None if suspect is None else print_
        # One copy and no checksum: this is done for every letter, and read only by who comes after a death.
        text = b"%b%b\0" % (f"\1{sender}\0{kind}\0{letter}\0".encode(), body)
        self._memory[: len(text)] = text
        return None

    def put_down(self) -> None:
        """It has been handled."""
        self._memory[0] = 0
        if self._tried is not None:
            del self._suspects[self._tried]
            self._tried = None
            self._keep()

    def close(self) -> None:
        """The life is over, and nothing more is remembered."""
        memory, self._memory = self._memory, bytearray(HAND_BYTES)
        if (close := getattr(memory, "close", None)) is not None:
            close()

    def is_news(self, suspect: Suspect) -> bool:
        """Whether this incarnation sets it aside for the first time."""
        is_news = _print(suspect) not in self._told
        self._told.add(_print(suspect))
        return is_news

    # --- from one incarnation to the next ----------------------------------------------------------------------------

    def _inherited(self, now: float) -> Suspect | None:
        (incarnation,) = INCARNATION.unpack_from(self._memory, INCARNATION_AT)
        INCARNATION.pack_into(self._memory, INCARNATION_AT, self._incarnation)
        text = bytes(self._memory[:INCARNATION_AT])
        parts = text[1:].split(b"\0", TEXTS)
        if text[0] != 1 or incarnation == 0 or len(parts) <= TEXTS:
            return None
        *names, body, _ = parts
        sender, kind, letter = (name.decode("utf-8", "replace") for name in names)
        crc, size = zlib.crc32(body), len(body)
        print_ = sender, kind, crc, size
        known = self._suspects.pop(print_, None)
        deaths = (*(known.deaths if known is not None else ()), Death(incarnation=incarnation, letter=letter))
        held_at = now if len(deaths) >= DEATHS_MAX else None
        suspect = Suspect(sender=sender, kind=kind, crc=crc, size=size, deaths=deaths[-DEATHS_MAX:], held_at=held_at)
        self._suspects[print_] = suspect
        if len(self._suspects) > SUSPECTS_MAX:
            del self._suspects[next(iter(self._suspects))]
        self._keep()
        return suspect

    def _remembered(self) -> dict[Print, Suspect]:
        """None, if they were left by another version, or in the middle of being written."""
        crc, size = TABLE.unpack_from(self._memory, TABLE_AT)
        begin = TABLE_AT + TABLE.size
        text = bytes(self._memory[begin : begin + min(size, HAND_BYTES)])
        if not size or zlib.crc32(text) != crc:
            return {}
        try:
            left = Suspects.model_validate_json(text)
        except ValidationError:
            return {}
        return {_print(each): each for each in left.suspects} if left.version == self._version else {}

    def _keep(self) -> None:
        left = Suspects(version=self._version, suspects=tuple(self._suspects.values()))
        text = left.model_dump_json().encode()
        begin = TABLE_AT + TABLE.size
        self._memory[begin : begin + len(text)] = text
        TABLE.pack_into(self._memory, TABLE_AT, zlib.crc32(text), len(text))


def _print(suspect: Suspect) -> Print:
    return suspect.sender, suspect.kind, suspect.crc, suspect.size
