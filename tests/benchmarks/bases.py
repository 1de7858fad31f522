"""The system bases that are compared: Thespian's stock base, the hub's own engine, and the dense base.

A base here is a name, as ``serve --base`` has it, and a way to start an actor system on it as ``serve`` does.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from thespian.actors import ActorSystem

from alluse_hub.supervision import system
from alluse_hub.supervision.dense.base import open_dense
from alluse_hub.supervision.engine.base import open_system
from alluse_hub.supervision.lodging import DENSE
from alluse_hub.supervision.system import ENGINE, STOCK

__all__ = ["ASK_S", "BASES", "DENSE", "ENGINE", "STOCK", "running"]

BASES = (STOCK, ENGINE, DENSE)
"""In the order in which they are told."""

ASK_S = 600.0
"""For an answer from an actor: the stock base takes minutes for a large burst."""


@contextmanager
def running(base: str, folder: Path) -> Iterator[Any]:  # Any: Thespian ships no types
    """An actor system on ``base``, shut down at the end; raises ValueError for a base that is none."""
    (folder / "log").mkdir(parents=True, exist_ok=True)
    system.settle_memory()
    started = _opened(base, folder)
    try:
        yield started
    finally:
        started.shutdown()


def _opened(base: str, folder: Path) -> Any:  # Any: as above
    log_defs = system.logging_to(folder)
    match base:
        case "stock":
            os.environ.update(system.environment(folder))
            return ActorSystem(system.BASE, {"Admin Port": system.free_port()}, logDefs=log_defs)
        case "engine":
            return open_system(folder / "room", log_defs)
        case "dense":
            return open_dense(log_defs)
        case _:
            raise ValueError(f"{base!r} is no base; there are {', '.join(BASES)}")
