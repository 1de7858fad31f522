"""The dense base: what those outside hold in their hands, and how a system of this kind is opened.

Nothing happens by itself: actors run in the thread that asks, listens or runs the loop.
"""

import math
import time
from collections.abc import Callable
from logging.config import dictConfig
from typing import Any, NoReturn

from thespian.actors import ActorAddress, ActorSystem, ActorSystemRequestTimeout, ThespianGeneration

from alluse_hub.supervision.dense.asking import Outside
from alluse_hub.supervision.dense.keeper import Keeper
from alluse_hub.supervision.dense.tenant import NO_SOURCE, NotHereError, Tenant, refuse_source

SHUTDOWN_S = 60.0
"""How long all actors together may take to end."""


class Context:
    """An outside endpoint of its own (``ActorSystem.private``), with the names that Thespian uses."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._outside = Outside(keeper.loop, keeper.send)

    def tell(self, anActor: ActorAddress, msg: Any) -> None:  # noqa: N803
        self._outside.tell(anActor, msg)

    def ask(self, anActor: ActorAddress, msg: Any, timeout: Any) -> Any:  # noqa: N803  # Thespian takes several kinds
        return self._outside.ask(anActor, msg, timeout)

    def listen(self, timeout: Any) -> Any:  # as above
        return self._outside.listen(timeout)

    def newPrimaryActor(  # noqa: N802
        self,
        actorClass: Any,  # noqa: N803  # a class or its path
        targetActorRequirements: Any = None,  # noqa: N803  # the actor's own
        globalName: str | None = None,  # noqa: N803
        sourceHash: str | None = None,  # noqa: N803
    ) -> ActorAddress:
        """Raises ImportError, InvalidActorSpecification, NoCompatibleSystemForActor, ActorSystemFailure."""
        refuse_source(sourceHash)
        return self._keeper.create(actorClass, None, targetActorRequirements, globalName).address

    def _handleDeadLetters(self, address: ActorAddress, enable: bool) -> None:  # noqa: N802
        self._keeper.handle_dead_letters(address, enable)

    def updateCapability(self, capabilityName: str, capabilityValue: Any) -> None:  # noqa: N802, N803  # the actors'
        self._keeper.update_capability(capabilityName, capabilityValue)

    def loadActorSource(self, _fname: object) -> NoReturn:  # noqa: N802
        raise NotHereError(NO_SOURCE)

    unloadActorSource = loadActorSource  # noqa: N815

    def exit_context(self) -> None:
        """Nothing is held for it."""


class DenseBase(Context):
    def __init__(self, capabilities: dict[str, Any]) -> None:  # Thespian's
        capabilities.update(
            {
                "Thespian Generation": ThespianGeneration,
                "Thespian ActorSystem Name": "alluse-hub-dense",
                "Thespian ActorSystem Version": 1,
                "Thespian Watch Supported": True,
            }
        )
        super().__init__(Keeper(capabilities))

    def external_clone(self) -> Context:
        return Context(self._keeper)

    def run(self, until: Callable[[], bool], timeout_s: float) -> bool:
        self._keeper.loop.pump(until, time.monotonic() + timeout_s)
        return until()

    def wake(self) -> None:
        self._keeper.loop.wake()

    def is_alive(self, address: ActorAddress) -> bool:
        found = address.addressDetails
        return isinstance(found, Tenant) and not found.is_dead

    def shutdown(self) -> None:
        """End all actors in order and leave nothing.  Raises ActorSystemRequestTimeout if they do not end."""
        keeper = self._keeper
        keeper.end_all()
        keeper.loop.pump(lambda: keeper.is_over, time.monotonic() + SHUTDOWN_S)
        if not keeper.is_over:
            names = ", ".join(root.class_name for root in list(keeper.roots))
            raise ActorSystemRequestTimeout(f"not ended within {SHUTDOWN_S:.0f} s: {names}")
        keeper.loop.close()


class DenseSystem(ActorSystem):  # type: ignore[misc]  # Thespian ships no types
    """Thespian's ActorSystem, and what the owner of the loop needs besides, also after a shutdown."""

    def __init__(self, base: DenseBase, capabilities: dict[str, Any], log_defs: dict[str, Any] | None) -> None:
        super().__init__(base, capabilities, log_defs, transientUnique=True)
        self._dense = base

    def run(self, until: Callable[[], bool] = bool, timeout_s: float = math.inf) -> bool:
        """Run the actors until ``until`` is true, the system is shut down, or the time is over; whether it is true.

        For one thread, which may be any; others ask and tell meanwhile.  ``until`` is looked at when something has
        happened, or after ``wake``.  By default nothing but a shutdown ends it.
        """
        return self._dense.run(until, timeout_s)

    def wake(self) -> None:
        """Have ``run`` look at its ``until``.  May be called from any thread and from a signal handler."""
        self._dense.wake()

    def is_alive(self, address: ActorAddress) -> bool:
        """Whether the actor has not ended."""
        return self._dense.is_alive(address)


def open_dense(
    log_defs: dict[str, Any] | None = None,  # the form is logging.config's
    capabilities: dict[str, Any] | None = None,  # Thespian's
) -> DenseSystem:
    """A system of its own, in this process.  It touches no signals, and no logging unless ``log_defs`` says how."""
    if log_defs:
        dictConfig(log_defs)
    known = dict(capabilities or {})
    return DenseSystem(DenseBase(known), known, log_defs)
