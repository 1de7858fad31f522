"""What may come out of a message: an allow-list in place of pickle's trust in whoever wrote the bytes.

Unpickling calls what the bytes name.  Here they may name only classes that are on the list, by module and name, found
as such in that module: no functions, no dotted paths, nothing re-exported.  Names are text, so the list itself imports
nothing.  A list of None takes everything; that is for Thespian's own test suite.

Unpickling safely costs as much as all the rest of a hop.  So a class that travels much may have a form of its own,
which is no pickle: ``pack(mark)`` gives bytes of which the first is ``mark``, or None if this object must be pickled
after all; ``unpack``, a classmethod, takes them back.  A pickle begins with 0x80, and marks are below that.
"""

import importlib
import io
import pickle
from collections.abc import Callable, Mapping
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
        "BootOrder", "Condition", "Ending", "House", "Introduce", "NewbornUp", "Ping", "Pong", "Register", "StopOrder",
    )}
    | {f"alluse_hub.supervision.pings.{name}" for name in ("Mail", "Work")}
    | {"alluse_hub.supervision.origins.Origin", "alluse_hub.supervision.parcel.Parcel"}
)  # fmt: skip
"""What the hub's shells say to each other.  Hub messages travel inside a Parcel, as bytes."""

PACKED = {1: "alluse_hub.supervision.parcel.Parcel"}
"""Marks of the classes with a form of their own."""

PICKLE = 0x80
"""The first byte of a pickle: the opcode PROTO."""


class RefusedClassError(pickle.UnpicklingError):
    """A message named a class that is not on the list."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """``classes``: full names, ``module.Class``; None for everything.  ``packed``: those of them that have a form of
    their own, by mark."""

    classes: frozenset[str] | None
    packed: Mapping[int, str] = field(default_factory=dict)
    _found: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)  # any class
    _marks: dict[type, int] = field(default_factory=dict, repr=False, compare=False)  # 0: is pickled
    _unpack: dict[int, Callable[[bytes | bytearray], Any]] = field(default_factory=dict, repr=False, compare=False)

    def encode(self, message: object) -> bytes:
        """Raises whatever packing or pickling raises."""
        mark = self._marks.get(type(message))
        if mark is None:
            mark = self._mark_of(type(message))
        if mark:
            packed: bytes | None = message.pack(mark)  # type: ignore[attr-defined]  # it is marked, so it has this
            if packed is not None:
                return packed
        return pickle.dumps(message, PROTOCOL)

    def _mark_of(self, kind: type) -> int:
        name = f"{kind.__module__}.{kind.__qualname__}"
        mark = self._marks[kind] = next((mark for mark, packed in self.packed.items() if packed == name), 0)
        return mark

    def decode(self, payload: bytes | bytearray) -> Any:  # whatever the sender sent
        """The message in ``payload``.

        Raises RefusedClassError for a class not listed, and whatever unpacking or unpickling raises.
        """
        mark = payload[0] if payload else PICKLE
        if mark < PICKLE:
            unpack = self._unpack.get(mark) or self._unpack_for(mark)
            return unpack(payload)
        if self.classes is None:
            return pickle.loads(payload)  # noqa: S301  # the suite's own messages, between processes of one user
        return _Gate(payload, self.find).load()

    def _unpack_for(self, mark: int) -> Callable[[bytes | bytearray], Any]:  # as above
        if mark not in self.packed:
            raise RefusedClassError(f"no class has the mark {mark}")
        module, _, name = self.packed[mark].rpartition(".")
        unpack: Callable[[bytes | bytearray], Any] = self.find(module, name).unpack
        self._unpack[mark] = unpack
        return unpack

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


HUB = Allowed(THESPIAN | SHELL, PACKED)

EVERYTHING = Allowed(None)
