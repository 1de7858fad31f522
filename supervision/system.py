"""The host: the process that starts the actor system, boots the root actor and later ends both.

The one place that names a system base.  On the dense base the host is the whole tree; on any other it holds the system
and waits.  It is forked by the guardian, so that the guardian itself never holds Thespian's state and can begin afresh
after any death.
"""

import gc
import os
import select
import shutil
import signal
import socket
import sys
from collections import deque
from pathlib import Path
from typing import Any

from thespian.actors import ActorSystem

from alluse_hub.protocols.lifecycle import ChildStart
from alluse_hub.protocols.names import GUARDIAN, ROOT
from alluse_hub.supervision import processes
from alluse_hub.supervision.engine.base import open_system
from alluse_hub.supervision.engine.room import room_for
from alluse_hub.supervision.host_line import ASK_S, PULSE_S, HostEnd
from alluse_hub.supervision.lodging import DENSE
from alluse_hub.supervision.shared import ROOT_LIFE, SharedTree
from alluse_hub.supervision.tree import cells_of
from alluse_hub.supervision.words import BootOrder, House, Ping, order_to_end

BASE = "multiprocTCPBase"
"""Thespian's name for its stock base."""

STOCK = "stock"
ENGINE = "engine"

ASKED = "asked to end"

DOORBELL = signal.SIGUSR1
"""Tells a host of orders on its line; by itself it orders nothing, and SIGTERM nothing at all."""

SHUTDOWN_S = 60.0
"""How long the tree may take to end in order before the guardian ends it."""

GARBAGE_OBJECTS = 10_000
"""New objects between two looks of the collector at the youngest; Python's own figure is 700."""

ENDED_LOOK_S = 0.02
"""How often the host looks whether the root has ended, once it was asked to."""

QUEUED_TRANSMITS = "40"
UNBLOCK_AT = "20"
"""The stock base scans its send queue per message: a short queue sends nearly four times faster than its default."""

QUEUED_WITH_CELLS = "4000"
HUB_LOG = "alluse_hub.supervision.hub_log.HubLog"

UNBLOCK_WITH_CELLS = "2000"
"""Above its limit the stock base takes no more connections until the queue is shorter.  A cell speaks for hundreds at a
time, and so do those who write to all of them: with a short queue they would wait for each other."""


def environment(home: Path, *, has_cells: bool = False) -> dict[str, str]:
    """What the stock base reads from the environment."""
    return {
        "THESPLOG_FILE": str(home / "log" / "thespian.log"),
        "THESPLOG_THRESHOLD": "WARNING",
        "THESPIAN_BASE_IPADDR": "127.0.0.1",
        "THESPIAN_MAX_QUEUED_TRANSMITS": QUEUED_WITH_CELLS if has_cells else QUEUED_TRANSMITS,
        "THESPIAN_QUEUED_TRANSMIT_UNBLOCK_THRESHOLD": UNBLOCK_WITH_CELLS if has_cells else UNBLOCK_AT,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def logging_to(home: Path) -> dict[str, Any]:  # the form is logging.config's
    """Thespian's own warnings go to the hub's log; what actors say goes to the trail."""
    return {
        "version": 1,
        "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {"hub": {"class": HUB_LOG, "filename": str(home / "log" / "hub.log"), "formatter": "plain"}},
        "root": {"level": "WARNING", "handlers": ["hub"]},
        "disable_existing_loggers": False,
    }


def opened(house: House) -> ActorSystem:
    """The actor system on the base that the house names: ``stock`` or ``engine``."""
    home = Path(house.home)
    if house.base == ENGINE:
        return open_system(room_for(home), logging_to(home))
    return ActorSystem(BASE, {"Admin Port": free_port()}, logDefs=logging_to(home))


def run(house: House, tree: ChildStart, line: HostEnd) -> int:
    """Start the system and the root; wait for an order to end, or for the root's end.  Returns an exit status."""
    return run_shared(house, tree, line) if house.base == DENSE else run_apart(house, tree, line)


def run_shared(house: House, tree: ChildStart, line: HostEnd) -> int:
    """The tree in this process, which stands in the register in the place of the root's."""
    home = Path(house.home)
    rung: deque[int] = deque()

    def ring(number: int, _frame: object) -> None:
        rung.append(number)
        hub.wake()

    processes.enter(home, ROOT)
    hub = SharedTree(house, tree, logging_to(home))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(DOORBELL, ring)
    while not hub.has_ended:
        hub.run(lambda: bool(rung), PULSE_S)
        rung.clear()
        for keeps in line.orders():
            hub.ask_to_end(ASKED, keep_workstreams=keeps)
        line.pulse()
    hub.close()
    return 0


def run_apart(house: House, tree: ChildStart, line: HostEnd) -> int:
    home = Path(house.home)
    system = opened(house)
    root = system.createActor(tree.actor)
    system.tell(root, BootOrder(ROOT, ROOT_LIFE, tree.spec, GUARDIAN, 0, house))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # not before: Thespian's processes would inherit it
    signal.signal(DOORBELL, lambda _number, _frame: None)
    asked = 0
    while True:
        select.select([line.line], [], [], ENDED_LOOK_S if asked else PULSE_S)
        for keeps in line.orders():
            asked += 1
            system.tell(root, order_to_end(asked, ASKED, keep_workstreams=keeps))
        if asked and root_of(home) is None:
            break
        if not asked and system.ask(root, Ping(ROOT, ROOT_LIFE), ASK_S) is not None:
            line.pulse()
    system.shutdown()
    clear_room(house)
    return 0


def clear_room(house: House) -> None:
    """Remove the sockets of a tree that has ended, however it ended."""
    if house.base == ENGINE:
        shutil.rmtree(room_for(Path(house.home)), ignore_errors=True)


def root_of(home: Path) -> processes.Process | None:
    """The live root actor's process, as it stands in the register."""
    alive = (process for process in processes.entered(home) if process.name == ROOT and processes.is_alive(process))
    return next(alive, None)


def settle_memory() -> None:
    """What is loaded before the first fork stays: the collector need not look at it again, nor have it copied for that.

    Actors make many short-lived objects and few cycles; looking less often halves what the collector costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


def serve_host(house: House, tree: ChildStart, line: HostEnd) -> None:
    """The whole life of a forked host; never returns."""
    status = 1
    try:
        os.environ.update(environment(Path(house.home), has_cells=bool(cells_of(tree, ROOT))))
        processes.name_process("hub:host")
        processes.enter(Path(house.home), "host")
        settle_memory()
        status = run(house, tree, line)
    except BaseException as error:  # noqa: BLE001  # a forked child must never return into its parent's code
        sys.stderr.write(f"the host ended: {type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(status)
