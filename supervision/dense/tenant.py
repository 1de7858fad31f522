"""One actor as the base keeps it; what Thespian's Actor calls ``_myRef``, with the names that Thespian uses there.

Its address is the tenant itself, so that sending needs no directory; a dead one stays dead for ever.  Addresses mean
something in their own process only.
"""

from collections import deque
from datetime import timedelta
from typing import Any, NoReturn, Protocol, Self

from thespian.actors import ActorAddress, ActorExitRequest, ActorSystemException, ChildActorExited

from alluse_hub.supervision.engine.exits import ExitCause

NO_SOURCE = "the dense base loads no source: its actors are classes that can be imported"


class Kill(ActorExitRequest):  # type: ignore[misc]  # Thespian ships no types
    """End the receiver at once, whatever mail it has, and all below it.

    On this base only; on any other it is an ``ActorExitRequest``.
    """


class ChildExited(ChildActorExited):  # type: ignore[misc]  # as above
    """What a parent hears of a child's end: once, and after it is gone."""

    def __init__(self, address: ActorAddress, cause: ExitCause) -> None:
        super().__init__(address)
        self.cause = cause

    def __str__(self) -> str:
        return f"ChildExited({self.childAddress}: {self.cause})"


class NotHereError(ActorSystemException):  # type: ignore[misc]  # as above
    """What the dense base leaves out."""


class Keeper(Protocol):
    """What a tenant asks of the base."""

    def create(
        self, actor_class: Any, parent: "Tenant | None", requirements: Any, global_name: str | None
    ) -> "Tenant": ...
    def send(self, sender: ActorAddress, to: ActorAddress, message: Any) -> None: ...
    def wake_after(self, who: "Tenant", period: Any, payload: Any) -> None: ...
    def handle_dead_letters(self, who: ActorAddress, enable: bool) -> None: ...
    def update_capability(self, name: str, value: Any) -> None: ...
    def end_all(self) -> None: ...


class Tenant:
    """``actor`` is made at its first turn and dropped at its end.  ``children``: those whose end has not been heard of.
    ``aborted``: why it never came to be.  ``watch``: what its handler last answered that it wants watched; the same
    answer again means that nothing has changed.  ``watched``: what is.
    """

    __slots__ = (
        "_keeper",
        "aborted",
        "actor",
        "actor_class",
        "address",
        "children",
        "globalName",
        "is_called",
        "is_dead",
        "is_ending",
        "is_listed",
        "mail",
        "parent",
        "requirements",
        "watch",
        "watched",
    )

    def __init__(
        self, keeper: Keeper, actor_class: Any, parent: "Tenant | None", requirements: Any, global_name: str | None
    ) -> None:
        self._keeper = keeper
        self.actor_class = actor_class
        self.parent = parent
        self.requirements = requirements
        self.globalName = global_name  # Thespian's name
        self.address = ActorAddress(self)
        self.actor: Any = None  # Thespian's Actor
        self.mail: deque[tuple[Any, ActorAddress]] = deque()  # whatever actors send, and who sent it
        self.children: dict[Tenant, None] = {}
        self.watch: Any = None  # a ThespianWatch
        self.watched: tuple[int, ...] = ()
        self.aborted = ""
        self.is_listed = False
        self.is_called = False
        self.is_ending = False
        self.is_dead = False

    def __str__(self) -> str:
        return f"{self.class_name}:{id(self):x}"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("an address of the dense base means something in its own process only")

    @property
    def class_name(self) -> str:
        return str(getattr(self.actor_class, "__name__", self.actor_class))

    def is_of(self, keeper: object) -> bool:
        return self._keeper is keeper

    # --- what an actor may ask ----------------------------------------------------------------------------------------

    def createActor(  # noqa: N802
        self,
        actorClass: Any,  # noqa: N803  # a class or its path
        targetActorRequirements: Any,  # noqa: N803  # the actor's own
        globalName: str | None,  # noqa: N803
        sourceHash: str | None = None,  # noqa: N803
    ) -> ActorAddress:
        refuse_source(sourceHash)
        return self._keeper.create(actorClass, self, targetActorRequirements, globalName).address

    def actor_send(self, to: ActorAddress, message: Any) -> None:  # whatever actors send
        """What is said after its end, by a thread it left behind, is said to nobody."""
        if not self.is_dead:
            self._keeper.send(self.address, to, message)

    def wakeupAfter(self, timePeriod: timedelta | float, payload: Any = None) -> None:  # noqa: N802, N803  # the actor's
        self._keeper.wake_after(self, timePeriod, payload)

    def handleDeadLetters(self, address: ActorAddress, enable: bool) -> None:  # noqa: N802
        self._keeper.handle_dead_letters(address, enable)

    def updateCapability(self, capabilityName: str, capabilityValue: Any) -> None:  # noqa: N802, N803  # the actor's
        self._keeper.update_capability(capabilityName, capabilityValue)

    def actorSystemShutdown(self) -> None:  # noqa: N802
        self._keeper.end_all()

    # --- what there is not --------------------------------------------------------------------------------------------

    def notifyOnSystemRegistrationChanges(self, _address: ActorAddress, _enable: bool) -> None:  # noqa: N802
        """There is no convention of systems, so nothing ever changes in it."""

    def notifyOnSourceAvailability(self, _address: ActorAddress, _enable: bool) -> None:  # noqa: N802
        """No source is ever loaded."""

    def registerSourceAuthority(self, _address: ActorAddress) -> NoReturn:  # noqa: N802
        raise NotHereError(NO_SOURCE)

    def loadActorSource(self, _fname: object) -> NoReturn:  # noqa: N802
        raise NotHereError(NO_SOURCE)

    unloadActorSource = loadActorSource  # noqa: N815

    def preRegisterRemoteSystem(self, *_: object) -> NoReturn:  # noqa: N802
        raise NotHereError("the dense base knows no other actor systems")

    deRegisterRemoteSystem = preRegisterRemoteSystem  # noqa: N815


def refuse_source(source: str | None) -> None:
    if source is not None:
        raise NotHereError(NO_SOURCE)
