"""The manager: what stands between one actor and its mail.

A handler that fails is not run again: its supervisor decides.  The sender gets the message back as poison, with the
error, once.  A class may bound its handlers by ``handler_limit_s``: the kernel's timer then kills a process that does
not come back in time, whatever it hangs in, and the parent hears that it was SIGALRM.
"""

import logging
import signal
import traceback
from functools import partial
from typing import Any, ClassVar

from thespian.actors import (
    ActorAddress,
    ActorExitRequest,
    ActorSystemMessage,
    ChildActorExited,
    DeadEnvelope,
    PoisonMessage,
    ThespianWatch,
)
from thespian.system.actorManager import ActorManager
from thespian.system.messages.admin import NewCapabilities, NotifyOnSourceAvailability, PendingActorResponse
from thespian.system.messages.logcontrol import SetLogging
from thespian.system.messages.multiproc import ChildMayHaveDied, EndpointConnected
from thespian.system.messages.status import Thespian_StatusReq
from thespian.system.sourceLoader import loadModuleFromHashSource
from thespian.system.transport import ReceiveEnvelope
from thespian.system.utilis import actualActorClass, withPossibleInitArgs

from alluse_hub.supervision.engine.children import Child
from alluse_hub.supervision.engine.exits import ChildExited, ExitCause, Farewell
from alluse_hub.supervision.engine.letters import Letter
from alluse_hub.supervision.engine.parenting import Parenting
from alluse_hub.supervision.engine.transport import Transport

EXIT_FAILED = 1
"""Exit status of an actor that could not be made, or whose manager failed."""


SYSTEM = (ActorSystemMessage, logging.LogRecord)
"""Messages that may be for the manager, or have a meaning to it."""


class Manager(Parenting, ActorManager):  # type: ignore[misc]  # Thespian ships no types
    HANDLERS: ClassVar[dict[type, str]] = {
        EndpointConnected: "h_EndpointConnected",
        PendingActorResponse: "_pendingActorResponse",
        Thespian_StatusReq: "replyWithActorStatus",
        NewCapabilities: "checkNewCapabilities",
        SetLogging: "setLoggingControls",
        logging.LogRecord: "h_LogRecord",
    }
    """Mail for the manager itself."""

    def __init__(
        self,
        childClass: Any,  # noqa: N803  # a class or its path
        globalName: str | None,  # noqa: N803
        transport: Transport,
        *rest: Any,  # Thespian's
    ) -> None:
        super().__init__(childClass, globalName, transport, *rest)
        self.be_a_parent()
        self._limit_s: float | None = None
        self._error = ""
        self._answer: object = None  # the last handler's: the same object asks for the same descriptors
        self._is_leaving = False  # stands beside Thespian's _exiting, which is not there until it is true

    def manager_class(self) -> Any:
        return type(self)

    # --- the whole life ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        self._createInstance()
        if self.actorInst is not None:
            try:
                self.transport.run(self.handleMessages)
            except BaseException as error:
                # Whatever ends an actor is told to its parent before it takes effect.
                self._error = "" if isinstance(error, SystemExit) else traceback.format_exc()
                self._sayGoodbye()
                self.transport.finish()
                raise
        self.transport.finish()
        if self._error:
            raise SystemExit(EXIT_FAILED)

    def _createInstance(self) -> None:  # noqa: N802
        try:
            load = partial(loadModuleFromHashSource, self._sourceHash, self._sources) if self._sourceHash else None
            actor_class = actualActorClass(self._actorClass, load)
            self._limit_s = getattr(actor_class, "handler_limit_s", None)
            if self._limit_s is not None:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
            arguments = withPossibleInitArgs(capabilities=self.capabilities, requirements=self._childReqs)
            self._set_deadline()
            try:
                actor = arguments.create(actor_class)
            finally:
                self._clear_deadline()
        except Exception:  # the parent is told, with the text
            self._error = traceback.format_exc()
            logging.getLogger(str(self._actorClass)).exception("%s cannot be made", self._actorClass)
            self._sayGoodbye()
            return
        actor._myRef = self  # noqa: SLF001  # Thespian's way to bind them
        self.actorInst = actor

    def _set_deadline(self) -> None:
        if self._limit_s is not None:
            signal.setitimer(signal.ITIMER_REAL, self._limit_s)

    def _clear_deadline(self) -> None:
        if self._limit_s is not None:
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    # --- mail --------------------------------------------------------------------------------------------------------

    def handleMessages(self, envelope: ReceiveEnvelope) -> bool:  # noqa: N802
        """Whether to go on."""
        message = envelope.message
        if isinstance(message, SYSTEM):
            return self._handle_system(envelope)
        if self._is_leaving:
            self._return_unread(envelope)
        else:
            self._to_actor(message, envelope.sender)
        return True

    def _handle_system(self, envelope: ReceiveEnvelope) -> bool:
        message = envelope.message
        kind = type(message)
        if kind is ChildMayHaveDied:
            return self.childDied()
        if (handler := self.HANDLERS.get(kind)) is not None:
            getattr(self, handler)(envelope)
            return True
        if isinstance(message, Farewell) and self.says_farewell(message):
            return True
        if self._is_leaving and not isinstance(message, (ActorExitRequest, ChildActorExited)):
            self._return_unread(envelope)
            return True
        self._to_actor(message, envelope.sender)
        if isinstance(message, ActorExitRequest):
            return bool(self._actorExit(message))
        if isinstance(message, ChildActorExited):
            return bool(self._handleChildExited(message.childAddress))
        return True

    def _to_actor(self, message: Any, sender: ActorAddress) -> None:  # whatever actors send
        answer = None
        try:
            if self._limit_s is None:
                answer = self.actorInst.receiveMessage(message, sender)
            else:
                self._set_deadline()
                try:
                    answer = self.actorInst.receiveMessage(message, sender)
                finally:
                    self._clear_deadline()
        except Exception:  # noqa: BLE001  # whatever it is, it is told to the sender, and not tried again
            self._handler_failed(message, sender)
        if answer is not self._answer:
            self._answer = answer
            self.transport.exchange.watch(answer.filenos if isinstance(answer, ThespianWatch) else ())

    def _handler_failed(self, message: Any, sender: ActorAddress) -> None:  # as above
        error = traceback.format_exc()
        logging.getLogger(str(self._actorClass)).error(
            "%s @ %s failed on a %s:\n%s", self._actorClass, self.myAddress, type(message).__name__, error
        )
        if not isinstance(message, (PoisonMessage, ActorExitRequest)):
            self.submit(Letter(sender, PoisonMessage(message, error), self.not_delivered))

    def _return_unread(self, envelope: ReceiveEnvelope) -> None:
        """An actor on its way out handles no more mail; that others sent it is no secret."""
        from_others = envelope.sender != self.myAddress
        if from_others and not isinstance(envelope.message, (DeadEnvelope, ActorSystemMessage)):
            self.submit(Letter(self._adminAddr, DeadEnvelope(self.myAddress, envelope.message)))

    def count_mail(self) -> tuple[int, int]:
        """How much has come in since the beginning, and how much of that was taken out."""
        inbox = self.transport.exchange.inbox
        return inbox.added, inbox.taken

    # --- children ----------------------------------------------------------------------------------------------------

    def _pendingActorReady(  # noqa: N802
        self,
        childInstance: int,  # noqa: N803
        actualAddress: ActorAddress,  # noqa: N803
        isMyChild: bool = True,  # noqa: N803
    ) -> None:
        super()._pendingActorReady(childInstance, actualAddress, isMyChild)
        if self._is_leaving and isMyChild:
            self.submit(Letter(actualAddress, ActorExitRequest(recursive=True)))

    def _pendingActorResponse(self, envelope: ReceiveEnvelope) -> bool:  # noqa: N802
        answer = envelope.message
        if answer.errorCode:
            self._stillborn[answer.instanceNum] = answer.errorStr or f"refused ({answer.errorCode})"
        return bool(super()._pendingActorResponse(envelope))

    def _retryPendingChildOperations(  # noqa: N802
        self,
        childInstance: int,  # noqa: N803
        actualAddress: ActorAddress | None,  # noqa: N803
    ) -> None:
        """The child has an address now, or never will."""
        if actualAddress is not None:
            self.address_known(childInstance)
            return
        local = self._addrManager.getLocalAddress(childInstance)
        why = self._stillborn.get(childInstance, "it could not be started")
        self.transport.exchange.deliver(ReceiveEnvelope(local, ChildExited(local, ExitCause(error=why))))
        self.stillborn(childInstance, why)

    def child_never_started(self, child: Child, cause: ExitCause) -> None:
        assert child.number is not None, "an actor's children have numbers"
        local = self._addrManager.getLocalAddress(child.number)
        self.transport.exchange.deliver(ReceiveEnvelope(local, ChildExited(local, cause)))
        self.stillborn(child.number, str(cause))

    # --- the end -----------------------------------------------------------------------------------------------------

    def _shutdownActor(self, shutdownChildren: bool = True) -> bool:  # noqa: N802, N803
        if self._is_leaving:
            self.children.must_end_now()  # asked again: hurry
            return True
        self._is_leaving = True
        return bool(super()._shutdownActor(shutdownChildren))

    def _sayGoodbye(self) -> None:  # noqa: N802
        if self._srcNotifyEnabled:
            self.submit(Letter(self._adminAddr, NotifyOnSourceAvailability(self.transport.myAddress, False)))
        self.submit(Letter(self._parentAddr, Farewell(self.transport.myAddress, self._error)))

    def _updateStatusResponse(self, status: Any) -> None:  # noqa: N802
        super()._updateStatusResponse(status)
        for held in self._held.values():
            for letter in held.letters:
                status.addTXPendingAddressCount(letter.to, 1)
