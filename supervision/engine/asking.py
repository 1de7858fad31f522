"""How an outside process tells, asks and listens.

An ask carries a number, which its answer brings back; so a late answer is never taken for the answer to a later ask,
and several threads may ask at once.  A late answer is kept for ``listen``.  Mail that answers no ask at all (it was
sent to the address that came with a ``tell``) goes to whoever waits, as Thespian has it; but what was told and came
back as poison answers nobody.  A letter that fails ends only the ask it belongs to.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

from thespian.actors import ActorAddress, ActorSystemFailure, ActorSystemRequestTimeout, DeadEnvelope, PoisonMessage
from thespian.system import isInternalActorSystemMessage
from thespian.system.systemBase import MAX_TELL_PERIOD, ExternalOpsToActors, TransmitTrack
from thespian.system.timing import toTimeDeltaOrNone
from thespian.system.transport import ReceiveEnvelope, SendStatus, Thespian__Run_Expired, TransmitIntent

from alluse_hub.supervision.engine.frames import COUNT_MASK
from alluse_hub.supervision.engine.transport import Transport

KEPT_MAX = 10_000
"""Messages kept for ``listen``; beyond that the oldest is given up, and said so."""

LOOK_S = 0.005

TELL_TURN_S = 0.05
"""How long one who tells keeps the loop from those who ask."""

_UNANSWERED = object()


class Track(TransmitTrack):  # type: ignore[misc]  # Thespian ships no types
    """What becomes of one letter."""

    def __init__(self, transport: Transport, admin: ActorAddress, is_awaited: Callable[["Track"], bool]) -> None:
        super().__init__(transport, admin)
        self._is_awaited = is_awaited

    def transmit_failed(self, result: Any, intent: TransmitIntent) -> None:  # a SendStatus
        if result == SendStatus.DeadTarget and intent.targetAddr != self._adminAddr:
            letter = DeadEnvelope(intent.targetAddr, intent.message)
            self._transport.scheduleTransmit(None, TransmitIntent(self._adminAddr, letter))
        self._pcrFAILED = result
        if self._is_awaited(self):
            self._transport.abort_run()


class Asking(ExternalOpsToActors):  # type: ignore[misc]  # as above
    """Mixed in before Thespian's outside interface, whose names these are."""

    transport: Transport
    _transport_runner: bool

    def prepare_to_ask(self) -> None:
        self._numbers = count(1)
        self._answers: dict[int, Any] = {}  # asks that are waiting
        self._awaited: set[Track] = set()
        self._kept: deque[Any] = deque()

    def _tx_to_actor(self, actorAddress: ActorAddress, message: Any, request: int = 0) -> Track:  # noqa: N803
        track = Track(self.transport, self.adminAddr, self._awaited.__contains__)
        self._awaited.add(track)
        intent = TransmitIntent(actorAddress, message, onError=track.transmit_failed)
        intent.request = request
        self.transport.scheduleTransmit(None, intent)
        return track

    def tell(self, anActor: ActorAddress, msg: Any) -> None:  # noqa: N803
        """Returns when the letter is written.  Raises ActorSystemRequestTimeout if the receiver takes nothing."""
        track = self._tx_to_actor(anActor, msg)
        self._awaited.discard(track)
        deadline = time.monotonic() + MAX_TELL_PERIOD.total_seconds()
        while not self._is_written(anActor):
            if time.monotonic() >= deadline:
                raise ActorSystemRequestTimeout(f"{anActor} took no message within {MAX_TELL_PERIOD}")
            time.sleep(LOOK_S)

    def _is_written(self, to: ActorAddress) -> bool:
        if not self._take_turn(lambda: False, 0.0):  # another thread runs the loop, and writes
            return not self.transport.exchange.unwritten(to.addressDetails.path)
        try:
            return not self.transport.exchange.write_out(time.monotonic() + TELL_TURN_S, only=to.addressDetails.path)
        finally:
            self._end_turn(None)

    def ask(self, anActor: ActorAddress, msg: Any, timeout: Any) -> Any:  # noqa: N803  # Thespian takes several kinds
        """The answer, or None if there was none in time or the actor is gone."""
        number = next(self._numbers) & COUNT_MASK or next(self._numbers) & COUNT_MASK
        self._answers[number] = _UNANSWERED
        track = self._tx_to_actor(anActor, msg, number)
        try:
            self._pump(lambda: self._answers[number] is not _UNANSWERED or track.failed, _deadline(timeout))
        finally:
            self._awaited.discard(track)
            answer = self._answers.pop(number)
        if answer is not _UNANSWERED:
            return answer
        if track.failed and track.failure not in {SendStatus.DeadTarget, SendStatus.Failed, SendStatus.NotSent}:
            raise ActorSystemFailure(f"Transmit of ask message to {anActor} failed ({track.failure})")
        return None

    def listen(self, timeout: Any) -> Any:  # as above
        self._pump(lambda: bool(self._kept), _deadline(timeout))
        return self._kept.popleft() if self._kept else None

    # --- the loop, shared by threads ---------------------------------------------------------------------------------

    def _pump(self, is_done: Callable[[], bool], deadline: float) -> None:
        """Run the loop, or let another thread run it, until done or the deadline."""
        while self._take_turn(is_done, deadline):
            result = None
            try:
                left_s = deadline - time.monotonic()
                result = self.transport.run(None, None if left_s == math.inf else timedelta(seconds=max(0.0, left_s)))
            finally:
                self._end_turn(result)
            if is_done() or isinstance(result, Thespian__Run_Expired):
                return

    def _take_turn(self, is_done: Callable[[], bool], deadline: float) -> bool:
        """Whether it is for this thread to run the loop now."""
        with self._cv:
            while self._transport_runner and not is_done():
                left_s = deadline - time.monotonic()
                if left_s <= 0.0:
                    return False
                self._cv.wait(None if left_s == math.inf else left_s)
            if is_done():
                return False
            self._transport_runner = True
            return True

    def _end_turn(self, result: object) -> None:
        with self._cv:
            self._transport_runner = False
            if isinstance(result, ReceiveEnvelope) and not isInternalActorSystemMessage(result.message):
                self._sort(result)
            self._cv.notify_all()

    def _sort(self, envelope: ReceiveEnvelope) -> None:
        number = getattr(envelope, "answers", 0)
        if not number and not isinstance(envelope.message, PoisonMessage):
            number = self._longest_waiting()
        if self._answers.get(number) is _UNANSWERED:
            self._answers[number] = envelope.message
            return
        self._kept.append(envelope.message)
        if len(self._kept) > KEPT_MAX:
            lost = type(self._kept.popleft()).__name__
            logging.getLogger("alluse_hub.engine").warning("nobody listens; a %s was given up", lost)

    def _longest_waiting(self) -> int:
        """0 if nobody waits."""
        waiting = list(self._answers.items())  # at once: other threads begin and end asks meanwhile
        return next((number for number, answer in waiting if answer is _UNANSWERED), 0)


def _deadline(timeout: Any) -> float:  # Thespian takes a timedelta, a number of seconds, or None for ever
    period = toTimeDeltaOrNone(timeout)
    return math.inf if period is None else time.monotonic() + float(period.total_seconds())
