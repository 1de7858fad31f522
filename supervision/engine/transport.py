"""The transport: what Thespian asks of one, in Thespian's words, over an exchange."""

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from thespian.actors import ActorAddress
from thespian.system.addressManager import ActorAddressManager, ActorLocalAddress, CannotPickleAddress
from thespian.system.timing import ExpirationTimer
from thespian.system.transport import (
    ResultCallback,
    SendStatus,
    Thespian__Run_Expired,
    Thespian__Run_HandlerResult,
    Thespian__Run_Terminated,
    Thespian__UpdateWork,
    TransmitIntent,
    TransmitOnly,
)

from alluse_hub.supervision.engine.address import SocketAddress, is_plausible, name_of
from alluse_hub.supervision.engine.exchange import Exchange, Wakeup
from alluse_hub.supervision.engine.letters import Fate, Letter
from alluse_hub.supervision.engine.room import has_admin
from alluse_hub.supervision.engine.settings import Settings

DRAIN_S = 7.0
"""How long an ending process waits for its letters to be written; Thespian's own figure."""

UNIQUE_BYTES = 8

SHOWN_MAX = 1_000
"""Unsent messages listed in a status; there may be many thousands."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """From parent to newborn, by fork: how it finds its place.  ``number``: the child's local address at its parent;
    ``kind``: first letter of its socket's name."""

    number: int | None
    address: ActorAddress | None
    admin: ActorAddress
    settings: Settings
    kind: str = "a"

    @property
    def addrInst(self) -> int | None:  # noqa: N802  # Thespian's name
        return self.number


def fresh_address(settings: Settings, kind: str) -> ActorAddress:
    name = name_of(kind, os.getpid(), os.urandom(UNIQUE_BYTES).hex())
    return ActorAddress(SocketAddress(str(settings.room / name)))


class Transport:
    """Made in the process that uses it, after the fork."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.settings = endpoint.settings
        self.adminAddress = endpoint.admin  # stands beside myAddress, which is Thespian's name
        self.myAddress = endpoint.address or fresh_address(endpoint.settings, endpoint.kind)
        self.exchange = Exchange(endpoint.settings, self.myAddress)

    def close(self) -> None:
        self.exchange.close()

    # --- sending -----------------------------------------------------------------------------------------------------

    def scheduleTransmit(  # noqa: N802
        self,
        addressManager: ActorAddressManager | None,  # noqa: N803
        intent: TransmitIntent,
        **_ignored: object,
    ) -> None:
        """Raises CannotPickleAddress while an address in it is not known yet, and whatever pickling raises."""
        if isinstance(intent.message, Thespian__UpdateWork):
            intent.tx_done(SendStatus.Sent)
            return
        to = intent.targetAddr
        if addressManager is not None:
            to = addressManager.exportAddr(to)
            if to is None:
                raise CannotPickleAddress(intent.targetAddr)
        letter = letter_of(intent)
        letter.to = to
        self.send(letter)

    def send(self, letter: Letter) -> None:
        """Raises whatever encoding raises, and FrameTooLargeError."""
        self.exchange.post(letter, letter.to.addressDetails)

    def addWakeup(self, timePeriod: timedelta | float, payload: Any) -> None:  # noqa: N802, N803  # payload: the actor's
        seconds = timePeriod.total_seconds() if isinstance(timePeriod, timedelta) else float(timePeriod)
        self.exchange.wake_at(time.monotonic() + seconds, Wakeup(timePeriod, payload))

    def do_after(self, seconds: float, act: Callable[[], None]) -> None:
        """A chore of the manager's own."""
        self.exchange.do_at(time.monotonic() + seconds, act)

    def do_after_mail(self, act: Callable[[], None]) -> None:
        """In the loop, after what is in the inbox now and after all fates that are known by now."""
        self.exchange.board.do_later(act)

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self, incomingHandler: Any, maximumDuration: timedelta | None = None) -> Any:  # noqa: N803  # Thespian's
        seconds = math.inf if maximumDuration is None else ExpirationTimer(maximumDuration).view().remainingSeconds()
        deadline = time.monotonic() + seconds
        if incomingHandler is TransmitOnly or isinstance(incomingHandler, TransmitOnly):
            return self.exchange.write_out(deadline)
        how, what = self.exchange.run(incomingHandler, deadline)
        if how == "mail":
            return what
        if how == "result":
            return Thespian__Run_HandlerResult(what)
        if how == "expired":
            return Thespian__Run_Expired()
        if self.exchange.stop:
            self.exchange.write_out(time.monotonic() + DRAIN_S, await_receipts=True)
        return Thespian__Run_Terminated()

    def finish(self) -> None:
        """The process ends: write what can be written, say what could not be delivered, and close."""
        for _ in range(2):  # the second time for the dead letters
            self.exchange.write_out(time.monotonic() + DRAIN_S)
            self.exchange.board.bury_all()
        self.exchange.close()

    def abort_run(self, drain: bool = False) -> None:
        self.exchange.stop = drain
        self.exchange.ring()

    def interrupt_wait(self, signal_shutdown: bool = False, check_children: bool = False) -> None:
        """May be called from a signal handler."""
        self.exchange.must_end |= signal_shutdown
        self.exchange.must_look_at_children |= check_children
        self.exchange.ring()

    def set_watch(self, watchlist: list[int]) -> None:
        self.exchange.watch(watchlist)

    # --- addresses ---------------------------------------------------------------------------------------------------

    def setAddressManager(self, addressManager: ActorAddressManager) -> None:  # noqa: N802, N803
        self.exchange.addresses = addressManager

    def getAdminAddr(self, _capabilities: object) -> ActorAddress:  # noqa: N802
        return self.adminAddress

    def probeAdmin(self, _address: ActorAddress) -> bool:  # noqa: N802
        return has_admin(self.settings.room)

    @staticmethod
    def getConventionAddress(_capabilities: object) -> None:  # noqa: N802
        """One hub, one host: there is no convention of actor systems."""
        return

    @staticmethod
    def getAddressFromString(path: str) -> ActorAddress:  # noqa: N802
        if not is_plausible(path):
            raise ValueError(f"{path!r} is no address of this system")
        return ActorAddress(SocketAddress(path))

    def prepEndpoint(self, address: ActorAddress, _capabilities: object) -> Endpoint:  # noqa: N802
        """For a newborn; ``address`` is the local one its parent gave it, or the admin's own."""
        details = address.addressDetails
        if isinstance(details, ActorLocalAddress):
            return Endpoint(details.addressInstanceNum, None, self.adminAddress, self.settings)
        return Endpoint(None, address, self.adminAddress, self.settings)

    def connectEndpoint(self, _endpoint: Endpoint) -> None:  # noqa: N802
        """Nothing to do: the newborn calls."""

    def external_transport_clone(self) -> "Transport":
        return type(self)(Endpoint(None, None, self.adminAddress, self.settings, "x"))

    def deadAddress(self, addressManager: ActorAddressManager, address: ActorAddress) -> None:  # noqa: N802, N803
        """Letters to it fail; what it wrote is still worth reading."""
        known = addressManager.exportAddr(address)
        if known is not None:
            self.exchange.board.give_up(known.addressDetails.path)

    def lostRemote(self, _address: ActorAddress) -> None:  # noqa: N802
        """Nothing to do: the kernel says when a peer is gone, and one that is not may come back."""

    def enableRXPauseFlowControl(self, enable: bool = True) -> None:  # noqa: N802
        """Nothing to do: no process of this system ever goes deaf."""

    # --- status ------------------------------------------------------------------------------------------------------

    def _updateStatusResponse(self, status: Any) -> None:  # noqa: N802  # Thespian's
        now = time.monotonic()
        status.addWakeups([(self.myAddress, ExpirationTimer(max(0.0, due - now))) for due, _ in self.exchange.wakeups])
        links = self.exchange.board.links()
        unsent = [item for link in links for item in link.queue if isinstance(item, Letter)]
        for letter in unsent[:SHOWN_MAX]:
            status.addPendingMessage(self.myAddress, letter.to, letter.message)
        status.addKeyVal("connections", len(links))
        status.addKeyVal("messages handled", self.exchange.handled)
        status.addKeyVal("messages sent", self.exchange.sent)
        status.addKeyVal("messages unsent", len(unsent))
        status.addKeyVal("messages not known to be handled", sum(len(link.unacked) for link in links))
        status.addKeyVal("refused callers and messages", self.exchange.board.door.refusals)


def letter_of(intent: TransmitIntent) -> Letter:
    letter = Letter(intent.targetAddr, intent.message, partial(_finish, intent))
    letter.wants_receipt = _wants_receipt(intent._callbackTo)  # noqa: SLF001  # Thespian has no other way to ask
    letter.asked = getattr(intent, "request", 0)
    return letter


def _finish(intent: TransmitIntent, fate: Fate, _letter: Letter) -> None:
    intent.tx_done(fate.value)


def _wants_receipt(callback: ResultCallback | None) -> bool:
    while callback is not None:
        if callback._successTo is not None:  # noqa: SLF001  # as above
            return True
        callback = callback._thenTo  # noqa: SLF001
    return False
