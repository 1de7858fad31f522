"""How actors and the admin send: no governor, no text for logs that are off, and order per pair whatever happens.

A letter that speaks of a child whose address is not known yet cannot leave.  Thespian lets later letters to the same
receiver pass it; here they wait behind it.
"""

import logging
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from thespian.actors import ActorAddress, ActorExitRequest, ChildActorExited, DeadEnvelope, PoisonMessage
from thespian.system.addressManager import ActorAddressManager, ActorLocalAddress, CannotPickleAddress
from thespian.system.transport import ReceiveEnvelope, TransmitIntent

from alluse_hub.supervision.engine.address import SocketAddress
from alluse_hub.supervision.engine.children import Children
from alluse_hub.supervision.engine.exchange import FloodError
from alluse_hub.supervision.engine.letters import Fate, Letter
from alluse_hub.supervision.engine.transport import Transport, letter_of


class NoGovernor:
    """In place of Thespian's, which holds every actor below about 4,480 sends/s by sleeping."""

    def eventRatePause(self, _now: object) -> None:  # noqa: N802  # Thespian's name
        return

    def __str__(self) -> str:
        return "none"


class OwnMail:
    """In place of Thespian's list of mail to oneself, which is looked at only after the next message from others."""

    def __init__(self, deliver: Callable[[ReceiveEnvelope], None]) -> None:
        self.append = deliver

    def __iter__(self) -> Iterator[ReceiveEnvelope]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Addresses(ActorAddressManager):  # type: ignore[misc]  # Thespian ships no types
    """Thespian's book of a process's children, which is asked for every letter to one; it compares whole addresses to
    find that an address is its own."""

    def exportAddr(self, anAddress: Any) -> ActorAddress | None:  # noqa: N802, N803  # an address, or its details
        details = getattr(anAddress, "addressDetails", anAddress)
        if type(details) is ActorLocalAddress and details.addressManager is self:
            return self._managed[details.addressInstanceNum]
        return super().exportAddr(anAddress)


@dataclass(slots=True)
class _Held:
    """Letters to one receiver, waiting for the child ``number`` to have an address."""

    number: int
    letters: deque[Letter]


class Sending:
    """Mixed in before Thespian's common base, whose names these are."""

    transport: Transport
    children: Children
    myAddress: ActorAddress  # noqa: N815
    _adminAddr: ActorAddress  # noqa: N815
    _addrManager: ActorAddressManager  # noqa: N815

    def use_our_sending(self) -> None:
        self._governer = NoGovernor()
        self._addrManager = Addresses(self._adminAddr, self.transport.myAddress)
        self.transport.setAddressManager(self._addrManager)
        self._on_failure = self.not_delivered
        self._receiveQueue = OwnMail(self.transport.exchange.deliver)
        self._held: dict[str | int, _Held] = {}
        self._stillborn: dict[int, str] = {}  # children that never started -> why

    # --- Thespian's way in -------------------------------------------------------------------------------------------

    def actor_send(self, targetAddr: ActorAddress, msg: Any) -> None:  # noqa: N803  # msg: whatever actors send
        """Raises FloodError: the handler that floods is to fail."""
        self._submit(Letter(targetAddr, msg, self._on_failure))

    def _send_intent(self, intent: TransmitIntent, _now: object = None) -> None:
        self.submit(letter_of(intent))

    def not_delivered(self, fate: Fate, letter: Letter) -> None:
        """An actor's letter has failed: a dead letter, or back to its sender as poison."""
        if fate is Fate.DEAD:
            about_the_dead = isinstance(letter.message, (DeadEnvelope, ChildActorExited))
            if letter.to != self._adminAddr and not about_the_dead:
                self.submit(Letter(self._adminAddr, DeadEnvelope(letter.to, letter.message)))
        else:
            self._poison(letter)

    # --- sending, in order per receiver ------------------------------------------------------------------------------

    def submit(self, letter: Letter) -> None:
        """Never raises; what cannot be sent is told in the loop."""
        with suppress(FloodError):
            self._submit(letter)

    def _submit(self, letter: Letter) -> None:
        if self._held and (held := self._held.get(_key(letter.to))) is not None:
            held.letters.append(letter)
            return
        to = letter.to.addressDetails
        if type(to) is not SocketAddress:
            known = self._addrManager.exportAddr(letter.to)
            if known is None:
                self._wait_for(letter.to, letter)
                return
            letter.to = known
            to = known.addressDetails
        try:
            self.transport.exchange.post(letter, to)
        except CannotPickleAddress as error:
            self._wait_for(error.address, letter)
            return
        except FloodError:
            raise  # the letter's own fate is told all the same
        except Exception:  # pickling may raise anything; the sender is told
            letter.why = traceback.format_exc()
            if not isinstance(letter.message, logging.LogRecord):
                logging.getLogger("alluse_hub.engine").exception("a message cannot be sent")
            self._failed(letter)
            return
        if type(letter.message) is ActorExitRequest and (child := self.children.at(letter.to)) is not None:
            self.children.must_end(child)

    def _wait_for(self, child: ActorAddress, letter: Letter) -> None:
        number: int = child.addressDetails.addressInstanceNum
        if number in self._stillborn:
            letter.why = f"Child Aborted: {self._stillborn[number]}"
            self._failed(letter)
        else:
            self._held[_key(letter.to)] = _Held(number, deque([letter]))

    def _failed(self, letter: Letter) -> None:
        self._poison(letter)
        if letter.done is not None and letter.done != self._on_failure:
            letter.done(Fate.FAILED, letter)

    def _poison(self, letter: Letter) -> None:
        if not isinstance(letter.message, (PoisonMessage, logging.LogRecord)):
            self.transport.exchange.deliver(ReceiveEnvelope(letter.to, PoisonMessage(letter.message, letter.why)))

    def address_known(self, number: int) -> None:
        """What waited for this child can go, or has failed with it."""
        for key, held in list(self._held.items()):
            if held.number == number:
                del self._held[key]
                for letter in held.letters:
                    self.submit(letter)

    def stillborn(self, number: int, why: str) -> None:
        self._stillborn[number] = why
        self.address_known(number)


def _key(address: ActorAddress) -> str | int:
    """One for each receiver.  A child is one receiver before its address is known and another after; what waited for
    the address is sent before anything can go to the second."""
    details = address.addressDetails
    if isinstance(details, ActorLocalAddress):
        known = details.addressManager.exportAddr(address)
        return int(details.addressInstanceNum) if known is None else str(known.addressDetails.path)
    return str(details.path)
