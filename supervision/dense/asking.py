"""How those outside the actors tell, ask and listen.

Each ask has an address of its own, so a late answer is never taken for the answer to a later ask, and several threads
may ask at once.  A late answer is kept for ``listen``.  Mail that answers no ask at all (it was sent to the address
that came with a ``tell``) goes to whoever has waited longest, as Thespian has it.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from thespian.actors import ActorAddress
from thespian.system import isInternalActorSystemMessage
from thespian.system.timing import toTimeDeltaOrNone

from alluse_hub.supervision.dense.loop import Loop

KEPT_MAX = 10_000
"""Messages kept for ``listen``; beyond that the oldest is given up, and said so."""

LOG = logging.getLogger("alluse_hub.dense")

Send = Callable[[ActorAddress, ActorAddress, Any], None]


class Place:
    """Where an outside endpoint is reached.  Two are the same if they are of the same endpoint, whatever was asked."""

    __slots__ = ("_ask", "_outside")

    def __init__(self, outside: "Outside | None", ask: "Ask | None" = None) -> None:
        self._outside = outside
        self._ask = ask

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self._outside is other._outside

    def __hash__(self) -> int:
        return id(self._outside)

    def __str__(self) -> str:
        return "outside" if self._outside is not None else "the base"

    def take(self, message: Any) -> None:
        if self._outside is not None:
            self._outside.take(message, self._ask)

    def give_up(self) -> None:
        """What was asked has come to nobody."""
        if self._outside is not None and self._ask is not None:
            self._outside.give_up(self._ask)


class Ask:
    """``answer`` counts once it ``is_settled``."""

    __slots__ = ("answer", "is_settled")

    def __init__(self) -> None:
        self.answer: Any = None
        self.is_settled = False


class Outside:
    """One outside endpoint; for any thread but the one that runs the actors."""

    def __init__(self, loop: Loop, send: Send) -> None:
        self._loop = loop
        self._send = send
        self._address = ActorAddress(Place(self))
        self._lock = threading.Lock()
        self._open: list[Ask] = []
        self._kept: deque[Any] = deque()

    def tell(self, to: ActorAddress, message: Any) -> None:
        """Also from an actor's own thread.  If nobody runs the loop, a bounded share of the work is done here."""
        self._send(self._address, to, message)
        self._loop.lend_a_hand()

    def ask(self, to: ActorAddress, message: Any, timeout: Any) -> Any:  # Thespian takes several kinds of timeout
        """The answer, or None if there was none in time or the actor is gone."""
        ask = Ask()
        with self._lock:
            self._open.append(ask)
        try:
            self._send(ActorAddress(Place(self, ask)), to, message)
            self._loop.pump(lambda: ask.is_settled, deadline_of(timeout))
        finally:
            with self._lock:
                if ask in self._open:
                    self._open.remove(ask)
        return ask.answer

    def listen(self, timeout: Any) -> Any:  # as above
        self._loop.pump(lambda: bool(self._kept), deadline_of(timeout))
        with self._lock:
            return self._kept.popleft() if self._kept else None

    def take(self, message: Any, ask: Ask | None) -> None:
        """``ask``: what the message answers, if it answers one."""
        if isInternalActorSystemMessage(message):
            return
        with self._lock:
            waiting = ask or (self._open[0] if self._open else None)
            if waiting is None or not self._settled(waiting, message):
                self._kept.append(message)
                if len(self._kept) > KEPT_MAX:
                    LOG.warning("nobody listens; a %s was given up", type(self._kept.popleft()).__name__)
        self._loop.notice()

    def give_up(self, ask: Ask) -> None:
        with self._lock:
            self._settled(ask, None)
        self._loop.notice()

    def _settled(self, ask: Ask, answer: Any) -> bool:
        """Whether it waited for this."""
        if ask not in self._open:
            return False
        self._open.remove(ask)
        ask.answer = answer
        ask.is_settled = True
        return True


def deadline_of(timeout: Any) -> float:  # a timedelta, a number of seconds, or None for ever
    period = toTimeDeltaOrNone(timeout)
    return math.inf if period is None else time.monotonic() + float(period.total_seconds())
