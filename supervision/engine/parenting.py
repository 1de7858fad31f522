"""What actors and the admin have in common as parents: they make children, and hear once of the end of each."""

import signal
from abc import abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any

from thespian.actors import ActorAddress, ActorSystemFailure, NoCompatibleSystemForActor
from thespian.system.messages.multiproc import EndpointConnected
from thespian.system.multiprocCommon import MultiProcReplicator, get_min_log_level
from thespian.system.sourceLoader import loadModuleFromHashSource
from thespian.system.transport import ReceiveEnvelope
from thespian.system.utilis import actualActorClass, checkActorCapabilities

from alluse_hub.supervision.engine.children import EXIT_GRACE_S, KILL_GRACE_S, Child, Children
from alluse_hub.supervision.engine.exits import ChildExited, ExitCause, Farewell
from alluse_hub.supervision.engine.forks import fork, keep_logging_alive
from alluse_hub.supervision.engine.letters import Letter
from alluse_hub.supervision.engine.logs import LogPost, log_through
from alluse_hub.supervision.engine.sending import Sending
from alluse_hub.supervision.engine.transport import Endpoint, Transport

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGQUIT)
"""Ask an actor to end in order."""

IGNORED_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""For the daemon as a whole, not for one of its processes."""


class Parenting(Sending, MultiProcReplicator):  # type: ignore[misc]  # Thespian ships no types
    """Mixed in before Thespian's manager or admin, whose names these are."""

    logs: LogPost

    def be_a_parent(self) -> None:
        self.children = Children(self.transport, self.child_gone)
        self.use_our_sending()

    def h_LogRecord(self, envelope: ReceiveEnvelope) -> bool:  # noqa: N802
        self.logs.post(envelope.message)
        return True

    @abstractmethod
    def manager_class(self) -> Any:  # Thespian's ActorManager, of our kind
        """What a child's process runs."""

    # --- birth -------------------------------------------------------------------------------------------------------

    def _startChildActor(  # noqa: N802
        self,
        childAddr: ActorAddress,  # noqa: N803
        childClass: Any,  # noqa: N803  # a class or its path
        globalName: str | None,  # noqa: N803
        parentAddr: ActorAddress | None,  # noqa: N803
        notifyAddr: ActorAddress,  # noqa: N803
        childRequirements: Any = None,  # noqa: N803  # the actor's
        sourceHash: str | None = None,  # noqa: N803
        sourceToLoad: Any = None,  # noqa: N803  # Thespian's
    ) -> None:
        """Raises NoCompatibleSystemForActor, and whatever importing the class raises."""
        if parentAddr is None or self.asLogger is None:
            raise ActorSystemFailure("children are made by live parents, when there is a logger")
        loader = partial(loadModuleFromHashSource, sourceHash, {sourceHash: sourceToLoad}) if sourceHash else None
        if not checkActorCapabilities(childClass, self.capabilities, childRequirements, loader):
            raise NoCompatibleSystemForActor(childClass, "no system has compatible capabilities")
        known = childClass if sourceHash else actualActorClass(childClass)
        path = childClass if isinstance(childClass, str) else f"{childClass.__module__}.{childClass.__name__}"
        endpoint = self.transport.prepEndpoint(childAddr, self.capabilities)
        source_hash = sourceHash or self._sourceHash
        common = (parentAddr, self._adminAddr, childRequirements, self.capabilities, None, self.logdefs)

        def make(transport: Transport, logs: LogPost) -> Any:  # the manager
            manager = self.manager_class()(path, globalName, transport, source_hash, sourceToLoad, *common)
            manager.asLogger = logger
            manager.logs = logs
            return manager

        logger = self.asLogger
        pid = fork(partial(_be_child, make, type(self.transport), endpoint, notifyAddr, logger, self.logdefs))
        exit_grace_s = getattr(known, "exit_grace_s", EXIT_GRACE_S)
        kill_grace_s = getattr(known, "kill_grace_s", KILL_GRACE_S)
        self.children.add(Child(pid, endpoint.number, path, exit_grace_s, kill_grace_s))

    def h_EndpointConnected(self, envelope: ReceiveEnvelope) -> bool:  # noqa: N802
        number = envelope.message.childInstance
        if self.children.started(number, envelope.sender):
            self._pendingActorReady(number, envelope.sender)
        return True

    # --- death -------------------------------------------------------------------------------------------------------

    def signalChildDied(self, _number: int, _frame: object) -> None:  # noqa: N802
        self.transport.interrupt_wait(check_children=True)

    def childDied(self) -> bool:  # noqa: N802
        self.children.reap()
        return True

    def _childExited(self, _address: ActorAddress) -> None:  # noqa: N802
        """Nothing to do: what a child says is not taken for its end."""

    def says_farewell(self, farewell: Farewell) -> bool:
        """Whether this is one of our own children, of whose end we shall hear when it is over."""
        child = self.children.at(farewell.childAddress)
        if child is not None:
            child.error = farewell.error
        return child is not None

    def child_gone(self, child: Child, cause: ExitCause) -> None:
        if child.address is None:
            self.child_never_started(child, cause)
        else:
            notice = ChildExited(child.address, cause)
            self.transport.exchange.deliver(ReceiveEnvelope(child.address, notice))

    @abstractmethod
    def child_never_started(self, child: Child, cause: ExitCause) -> None:
        """It ended before it had an address; whoever wanted it is to hear why."""


def _be_child(
    make: Any, transport_class: type[Transport], endpoint: Endpoint, notify: ActorAddress, logger: Any, log_defs: Any
) -> None:
    """The whole life of an actor's process."""
    transport = transport_class(endpoint)
    logs = LogPost(transport, logger, endpoint.admin)
    keep_logging_alive()
    log_through(logs, get_min_log_level(log_defs))
    manager = make(transport, logs)
    signal.signal(signal.SIGCHLD, manager.signalChildDied)
    for number in ENDING_SIGNALS:
        signal.signal(number, lambda _number, _frame: transport.interrupt_wait(signal_shutdown=True))
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # A newborn that its parent does not take ends; so the parent hears of it after all.
    transport.send(Letter(notify, EndpointConnected(endpoint.number), lambda _fate, _letter: transport.abort_run()))
    manager.run()


def logger_endpoint(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, kind="l")
