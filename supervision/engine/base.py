"""The system base: what an outside process holds in its hands, and how an actor system of ours is opened."""

import os
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from thespian.actors import (
    ActorAddress,
    ActorSystem,
    ActorSystemRequestTimeout,
    ActorSystemStartupFailure,
    ThespianGeneration,
    WatchMessage,
)
from thespian.system.messages.multiproc import EndpointConnected
from thespian.system.multiprocCommon import MAX_ADMIN_STARTUP_DELAY
from thespian.system.systemBase import BaseContext, systemBase
from thespian.system.transport import ReceiveEnvelope

from alluse_hub.supervision.engine.address import SocketAddress
from alluse_hub.supervision.engine.admin import TAKEN, be_admin
from alluse_hub.supervision.engine.asking import Asking
from alluse_hub.supervision.engine.forks import fork_detached
from alluse_hub.supervision.engine.room import admin_path, await_no_admin, open_room
from alluse_hub.supervision.engine.settings import Settings
from alluse_hub.supervision.engine.transport import Endpoint, Transport

ADMIN_GONE_S = 5.0
"""After the shutdown was acknowledged: how long the admin's process may take to be gone."""

OUTCOME_BYTES_MAX = 64 * 1024


class Context(Asking, BaseContext):  # type: ignore[misc]  # Thespian ships no types
    """An outside endpoint of its own (``ActorSystem.private``)."""

    def __init__(self, admin: ActorAddress, transport: Transport) -> None:
        super().__init__(admin, transport)
        self.prepare_to_ask()


class EngineBase(Asking, systemBase):  # type: ignore[misc]  # as above
    """Raises RoomError, ActorSystemStartupFailure, and Thespian's InvalidActorAddress."""

    transport_class: ClassVar[type[Transport]] = Transport

    def __init__(self, system: Any, log_defs: Any, settings: Settings) -> None:
        self.settings = settings
        admin = ActorAddress(SocketAddress(admin_path(settings.room)))
        system.capabilities.update(
            {
                "Python Version": tuple(sys.version_info),
                "Thespian Generation": ThespianGeneration,
                "Thespian Version": str(int(time.time() * 1000)),
                "Thespian ActorSystem Name": "alluse-hub",
                "Thespian ActorSystem Version": 1,
                "Thespian Watch Supported": True,
            }
        )
        self.transport = self.transport_class(Endpoint(None, None, admin, settings, "x"))
        self.prepare_to_ask()
        try:
            super().__init__(system, log_defs)
        except BaseException:
            self.transport.close()
            raise

    def _startAdmin(  # noqa: N802
        self,
        adminAddr: ActorAddress,  # noqa: N803
        addrOfStarter: ActorAddress,  # noqa: N803
        capabilities: Any,
        logDefs: Any,  # noqa: N803
    ) -> None:
        endpoint = self.transport.prepEndpoint(adminAddr, capabilities)
        outcome, said = os.pipe()
        try:
            life = partial(be_admin, type(self.transport), endpoint, addrOfStarter, capabilities, logDefs, said)
            fork_detached(life, keep=(said,))
            os.close(said)
            self._await_admin(outcome)
        finally:
            self.transport.set_watch([])
            os.close(outcome)

    def _await_admin(self, outcome: int) -> None:
        self.transport.set_watch([outcome])
        deadline = time.monotonic() + MAX_ADMIN_STARTUP_DELAY.total_seconds()
        while (left_s := deadline - time.monotonic()) > 0:
            heard = self.transport.run(None, left_s)
            if not isinstance(heard, ReceiveEnvelope):
                continue
            if isinstance(heard.message, EndpointConnected):
                return
            if isinstance(heard.message, WatchMessage):
                self.transport.set_watch([])
                text = os.read(outcome, OUTCOME_BYTES_MAX)
                if text == TAKEN:
                    return
                if text:
                    raise ActorSystemStartupFailure(f"the admin could not start:\n{text.decode(errors='replace')}")
        raise ActorSystemStartupFailure(f"the admin did not start within {MAX_ADMIN_STARTUP_DELAY}")

    def external_clone(self) -> Context:
        return Context(self.adminAddr, self.transport)

    def shutdown(self) -> None:
        """End the system for all.  Raises ActorSystemRequestTimeout if it does not end."""
        super().shutdown()
        self.transport.close()
        if not await_no_admin(self.settings.room, ADMIN_GONE_S):
            raise ActorSystemRequestTimeout(f"the admin at {self.adminAddr} did not end")


@dataclass(slots=True)
class _Capable:
    """What a base needs of the system that will own it."""

    capabilities: dict[str, Any] = field(default_factory=dict)  # Thespian's


def open_system(
    room: Path,
    log_defs: dict[str, Any] | None = None,  # the form is logging.config's
    capabilities: dict[str, Any] | None = None,  # Thespian's
    settings: Settings | None = None,
) -> ActorSystem:
    """The actor system whose runtime directory is ``room``: joined if it runs, else started.

    ``settings`` other than the room are those of the process that starts it.  Raises RoomError if the directory is not
    ours alone, ActorSystemStartupFailure if the admin cannot start.
    """
    found = open_room(room)
    settings = Settings(found) if settings is None else settings
    stub = _Capable(dict(capabilities or {}))
    base = EngineBase(stub, log_defs, settings)
    return ActorSystem(base, stub.capabilities, log_defs, transientUnique=True)
