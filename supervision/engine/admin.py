"""The admin: parent of the root actors and of the logger, keeper of the system's only well-known address."""

import logging
import os
import resource
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from thespian.actors import ActorAddress, ActorSystemMessage
from thespian.system.addressManager import ActorLocalAddress
from thespian.system.logdirector import startupASLogger
from thespian.system.messages.multiproc import ChildMayHaveDied
from thespian.system.systemAdmin import ThespianAdmin
from thespian.system.systemCommon import ActorStartupFailed
from thespian.system.transport import ReceiveEnvelope

from alluse_hub.supervision.engine.children import Child
from alluse_hub.supervision.engine.exits import ChildExited, ExitCause, Farewell
from alluse_hub.supervision.engine.forks import FILES_MAX, fork, keep_logging_alive
from alluse_hub.supervision.engine.logs import LogDesk, log_through
from alluse_hub.supervision.engine.manager import Manager
from alluse_hub.supervision.engine.parenting import Parenting, logger_endpoint
from alluse_hub.supervision.engine.room import admin_path, remove_sockets_of, sweep, take_lock
from alluse_hub.supervision.engine.transport import Endpoint, Transport

LOCK_PATIENCE_S = 0.5
"""A lock that is held for longer than this is another admin's."""

LOGGER_GONE_S = 1.0
"""How long the admin, at its end, waits for the logger to write its last line."""

TAKEN = b"taken"
"""What a starter hears if another admin was faster."""

LOGGER_NUMBER = -1

LOGGER_DEATHS_MAX = 5
LOGGER_DEATHS_S = 60.0
"""A logger that dies is replaced; one that dies more often than this within this time is not."""


class Admin(Parenting, ThespianAdmin):  # type: ignore[misc]  # Thespian ships no types
    """``outcome``: a pipe to the starter, closed when the first logger is up; on it goes why there is none."""

    def __init__(
        self, transport: Transport, address: ActorAddress, capabilities: Any, log_defs: Any, outcome: int
    ) -> None:
        super().__init__(transport, address, capabilities, log_defs, None)
        self.be_a_parent()
        self.desk = self.logs = LogDesk(transport)
        self.asLogger = None
        self._outcome = outcome
        self._has_been_up = False
        self._logger_deaths: deque[float] = deque(maxlen=LOGGER_DEATHS_MAX)

    def manager_class(self) -> Any:
        return Manager

    # --- mail --------------------------------------------------------------------------------------------------------

    def handleIncoming(self, envelope: ReceiveEnvelope) -> bool:  # noqa: N802
        try:
            return self._handle(envelope)
        except ActorStartupFailed:
            raise  # the starter is gone before we were up
        except Exception:  # whoever sent it, the others need an admin
            name = type(envelope.message).__name__
            logging.getLogger("alluse_hub.engine").exception("the admin failed on a %s of %s", name, envelope.sender)
            return True

    def _handle(self, envelope: ReceiveEnvelope) -> bool:
        message = envelope.message
        if type(message) is ChildMayHaveDied:
            return self.childDied()
        if type(message) is Farewell and self.says_farewell(message):
            return True
        handled, going_on = self._handleReplicatorMessages(envelope)
        if handled or not isinstance(message, ActorSystemMessage):
            return bool(going_on)
        name = "ChildActorExited" if isinstance(message, (ChildExited, Farewell)) else type(message).__name__
        handler: Callable[[ReceiveEnvelope], object] = getattr(self, f"h_{name}", None) or self.unrecognized
        return bool(handler(envelope))

    # --- the logger --------------------------------------------------------------------------------------------------

    def start_logger(self) -> None:
        local = ActorAddress(ActorLocalAddress(self.transport.myAddress, LOGGER_NUMBER, None))
        endpoint = logger_endpoint(self.transport.prepEndpoint(local, self.capabilities))
        life = partial(_be_logger, self.transport.myAddress, endpoint, self.logdefs, self._outcome)
        pid = fork(life, keep=() if self._has_been_up else (self._outcome,))
        self.children.add(Child(pid, LOGGER_NUMBER, "logger"))

    def h_LoggerConnected(self, envelope: ReceiveEnvelope) -> bool:  # noqa: N802
        self.children.started(LOGGER_NUMBER, envelope.sender)
        self.asLogger = envelope.sender
        self.desk.logger_is(envelope.sender)
        log_through(self.desk)
        if not self._has_been_up:
            self._has_been_up = True
            os.close(self._outcome)
            self._outcome = -1
            super().h_LoggerConnected(envelope)
            log_through(self.desk)  # Thespian has put its own in the place
        return True

    def _logger_gone(self, cause: ExitCause) -> None:
        if self.isShuttingDown():
            return
        if not self._has_been_up:
            os.write(self._outcome, f"the logger could not start: {cause}\n".encode())
            self.transport.abort_run()
            return
        self.desk.logger_gone()
        now = time.monotonic()
        self._logger_deaths.append(now)
        if len(self._logger_deaths) == LOGGER_DEATHS_MAX and now - self._logger_deaths[0] < LOGGER_DEATHS_S:
            self.desk.print_from_now_on(f"the logger died {LOGGER_DEATHS_MAX} times, at last: {cause}")
            return
        logging.getLogger("alluse_hub.engine").error("the logger died (%s) and is replaced", cause)
        self.start_logger()

    # --- children ----------------------------------------------------------------------------------------------------

    def child_gone(self, child: Child, cause: ExitCause) -> None:
        if child.number == LOGGER_NUMBER:
            self._logger_gone(cause)
        else:
            super().child_gone(child, cause)

    def child_never_started(self, child: Child, cause: ExitCause) -> None:
        waiting = self._pendingChildren.pop(child.number, ()) if isinstance(self._pendingChildren, dict) else ()
        for request in waiting:
            self._sendPendingActorResponse(request, None, errorCode=f"it died while starting: {cause}")
        assert child.number is not None, "an actor has a number at its parent"
        self.stillborn(child.number, str(cause))

    def _retryPendingChildOperations(self, childInstance: int, actualAddress: ActorAddress | None) -> None:  # noqa: N802, N803
        if actualAddress is not None:
            self.address_known(childInstance)
        else:
            self.stillborn(childInstance, "it could not be started")

    def _cleanupAdminFinish(self, _result: object, _intent: object) -> None:  # noqa: N802
        self.post_cleanup()


def _be_logger(admin: ActorAddress, endpoint: Endpoint, log_defs: Any, outcome: int) -> None:
    """The whole life of the logger.  ``outcome``: where it says why it cannot start; -1 for nowhere."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_logging_alive()
    is_up = False

    def begin(endpoint: Endpoint) -> Transport:
        """Thespian asks for the transport once logging is configured."""
        nonlocal is_up
        is_up = True
        if outcome >= 0:
            os.close(outcome)
        return Transport(endpoint)

    try:
        startupASLogger(admin, endpoint, log_defs, begin, None)
    except BaseException:
        if outcome >= 0 and not is_up:
            os.write(outcome, traceback.format_exc().encode(errors="replace"))
        raise
    remove_sockets_of(endpoint.settings.room, os.getpid())


def be_admin(
    transport_class: type[Transport],
    endpoint: Endpoint,
    starter: ActorAddress,
    capabilities: Any,
    log_defs: Any,
    outcome: int,
) -> None:
    """The whole life of an admin.  ``outcome``: a pipe to the starter, closed when the admin is up; on it goes TAKEN if
    there is an admin already, or why there cannot be one."""
    try:
        if take_lock(endpoint.settings.room, LOCK_PATIENCE_S) is None:
            os.write(outcome, TAKEN)
            return
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        sweep(endpoint.settings.room)
        Path(admin_path(endpoint.settings.room)).unlink(missing_ok=True)
        transport = transport_class(endpoint)
        admin = Admin(transport, transport.myAddress, capabilities, log_defs, outcome)
        admin.addrOfStarter = starter
        signal.signal(signal.SIGCHLD, admin.signalChildDied)
        admin.start_logger()
    except BaseException:
        os.write(outcome, traceback.format_exc().encode(errors="replace"))
        raise
    admin.run()
    transport.finish()
    admin.children.await_gone(LOGGER_GONE_S)
    sweep(endpoint.settings.room)
