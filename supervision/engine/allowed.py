"""What may come out of a message: an allow-list in place of pickle's trust in whoever wrote the bytes.

Unpickling calls what the bytes name.  Here they may name only classes that are on the list, by module and name, found
as such in that module: no functions, no dotted paths, nothing re-exported.  Names are text, so the list itself imports
nothing.  A list of None takes everything; that is for Thespian's own test suite.
"""

import importlib
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PROTOCOL = 5

THESPIAN = frozenset(
    {f"thespian.actors.{name}" for name in (
        "ActorAddress", "ActorExitRequest", "ChildActorExited", "DeadEnvelope", "PoisonMessage", "WakeupMessage",
        "ActorSystemConventionUpdate",
    )}
    | {f"thespian.system.messages.admin.{name}" for name in (
        "CapabilityUpdate", "HandleDeadLetters", "NewCapabilities", "PendingActor", "PendingActorResponse", "QueryAck",
        "QueryExists", "SystemShutdown", "SystemShutdownCompleted",
    )}
    | {f"thespian.system.messages.convention.{name}" for name in ("NotifyOnSystemRegistration",)}
    | {f"thespian.system.messages.logcontrol.{name}" for name in ("SetLogging",)}
    | {f"thespian.system.messages.multiproc.{name}" for name in ("EndpointConnected", "LoggerConnected")}
    | {f"thespian.system.messages.status.{name}" for name in (
        "Thespian_ActorStatus", "Thespian_StatusReq", "Thespian_SystemStatus",
    )}
    | {
        "thespian.system.logdirector.LoggerExitRequest",
        "thespian.system.timing.ExpirationTimer",
        "logging.LogRecord",
        "datetime.timedelta",
        "alluse_hub.supervision.engine.address.SocketAddress",
        "alluse_hub.supervision.engine.exits.ChildExited",
        "alluse_hub.supervision.engine.exits.ExitCause",
        "alluse_hub.supervision.engine.exits.Farewell",
    }
)  # fmt: skip
"""What Thespian's own machinery and ours say to each other.  The messages that load actor source are left out."""

SHELL = frozenset(
    {f"alluse_hub.supervision.words.{name}" for name in (
        "BootOrder", "Ending", "House", "Introduce", "NewbornUp", "Register", "StopOrder",
    )}
    | {"alluse_hub.supervision.life.Parcel"}
)  # fmt: skip
"""What the hub's shells say to each other.  Hub messages travel inside a Parcel, as bytes."""


class RefusedClassError(pickle.UnpicklingError):
    """A message named a class that is not on the list."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """``classes``: full names, ``module.Class``; None for everything."""

    classes: frozenset[str] | None
    _found: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)  # any class

    def decode(self, payload: bytes | bytearray) -> Any:  # whatever the sender sent
        """The message in ``payload``.  Raises whatever unpickling raises; RefusedClassError for a class not listed."""
        if self.classes is None:
            return pickle.loads(payload)  # noqa: S301  # the suite's own messages, between processes of one user
        return _Gate(payload, self.find).load()

    def find(self, module: str, name: str) -> Any:  # a class
        found = self._found.get((module, name))
        if found is None:
            found = self._found[module, name] = self._look_up(module, name)
        return found

    def _look_up(self, module: str, name: str) -> type:
        if self.classes is None or f"{module}.{name}" not in self.classes:
            raise RefusedClassError(f"{module}.{name} may not come out of a message")
        found = vars(importlib.import_module(module)).get(name)
        if not isinstance(found, type) or found.__module__ != module or found.__qualname__ != name:
            raise RefusedClassError(f"{module}.{name} is not a class of that module")
        return found


class _Gate(pickle.Unpickler):
    def __init__(self, payload: bytes | bytearray, find: Callable[[str, str], Any]) -> None:  # as above
        super().__init__(io.BytesIO(payload))
        self._find = find

    def find_class(self, module: str, name: str) -> Any:  # as above
        return self._find(module, name)


def encode(message: object) -> bytes:
    """Raises whatever pickling raises."""
    return pickle.dumps(message, PROTOCOL)


HUB = Allowed(THESPIAN | SHELL)

EVERYTHING = Allowed(None)
