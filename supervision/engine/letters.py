"""A message on its way: out, with what has become of it, and in."""

from collections.abc import Callable
from enum import Enum
from typing import Any

from thespian.actors import (
    ActorAddress,
    ActorExitRequest,
)
from thespian.system.messages.admin import QueryExists, SystemShutdown
from thespian.system.messages.status import Thespian_StatusReq
from thespian.system.transport import ReceiveEnvelope, SendStatus

from alluse_hub.supervision.engine.frames import Kind

CONTROL = frozenset({ActorExitRequest, Thespian_StatusReq, SystemShutdown, QueryExists})
"""Messages that go ahead of what other peers have sent.  Behind earlier ones of the same sender they stay."""


_CONTROL, _MESSAGE = Kind.CONTROL, Kind.MESSAGE


class Fate(Enum):
    """SENT: handled by the receiver.  DEAD: not known to be handled, and the receiver is gone.  REFUSED: the receiver
    could not make sense of it.  FAILED: it could not be sent: it cannot be pickled, is too large,
    or too much is waiting for the receiver already."""

    SENT = SendStatus.Sent
    DEAD = SendStatus.DeadTarget
    REFUSED = SendStatus.BadPacket
    FAILED = SendStatus.Failed


class Letter:
    """``done`` hears of the fate, in the loop and never inside ``post``; of SENT only if ``wants_receipt``.

    ``why`` says more about a failure.
    """

    __slots__ = ("answers", "asked", "done", "kind", "message", "payload", "to", "wants_receipt", "why")

    def __init__(
        self,
        to: ActorAddress,
        message: Any,  # whatever actors send
        done: Callable[[Fate, "Letter"], None] | None = None,
        *,
        wants_receipt: bool = False,
        asked: int = 0,
    ) -> None:
        self.to = to
        self.message = message
        self.done = done
        self.wants_receipt = wants_receipt
        self.asked = asked
        self.answers = 0
        self.payload: bytes = b""
        self.kind = _CONTROL if type(message) in CONTROL else _MESSAGE
        self.why = ""


class Envelope(ReceiveEnvelope):  # type: ignore[misc]  # Thespian ships no types
    """A message that has come in.  ``answers``: number of the outside request that it answers, 0 for none.

    Thespian's properties are plain attributes here: they are looked up several times for every message.
    """

    __slots__ = ("answers", "message", "sender")

    def __init__(self, sender: ActorAddress, message: Any, answers: int = 0) -> None:  # whatever actors send
        self.sender = sender
        self.message = message
        self.answers = answers
