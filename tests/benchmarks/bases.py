"""The system bases that can be compared: Thespian's stock base, and the hub's own engine where there is one.

A base here is a name and a way to start an actor system on it.  The engine takes part where
``alluse_hub.supervision.engine.base`` can be imported and has ``open_system(room, log_defs)``.
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from thespian.actors import ActorSystem

from alluse_hub.supervision import system

STOCK = "stock"
ENGINE = "engine"
ENGINE_MODULE = "alluse_hub.supervision.engine.base"
ENGINE_START = "open_system"

ASK_S = 600.0
"""For an answer from an actor: the stock base takes minutes for a large burst."""


def available() -> tuple[str, ...]:
    """Those that can be started here."""
    return (STOCK, ENGINE) if _engine() is not None else (STOCK,)


def of_the_hub() -> str:
    """What ``serve`` runs on."""
    return STOCK if getattr(system, "BASE", "") == "multiprocTCPBase" else ENGINE


@contextmanager
def running(base: str, folder: Path) -> Iterator[Any]:  # Any: Thespian ships no types
    """An actor system on ``base``, shut down at the end; raises KeyError for a base that is not there."""
    (folder / "log").mkdir(parents=True, exist_ok=True)
    started = _stock(folder) if base == STOCK else _on_engine(folder)
    try:
        yield started
    finally:
        started.shutdown()


def _stock(folder: Path) -> Any:  # Any: as above
    """As ``serve`` starts it."""
    os.environ.update(system.environment(folder))
    return ActorSystem("multiprocTCPBase", {"Admin Port": system.free_port()}, logDefs=system.logging_to(folder))


def _on_engine(folder: Path) -> Any:  # Any: as above
    open_system = _engine()
    if open_system is None:
        raise KeyError(f"{ENGINE_MODULE} is not there")
    return open_system(folder / "room", system.logging_to(folder))


def _engine() -> Any:  # Any: the function, or None
    try:
        return getattr(importlib.import_module(ENGINE_MODULE), ENGINE_START, None)
    except ImportError:
        return None
