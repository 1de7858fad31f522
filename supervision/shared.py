"""The whole tree in this process: what the host of a dense hub and an embedded hub have in common.

It belongs to one thread, which opens, runs and closes it.  It knows nothing of signals, locks and registers: those are
its owner's.
"""

import math
from collections.abc import Callable
from typing import Any

from alluse_hub.protocols.lifecycle import ChildStart
from alluse_hub.protocols.names import GUARDIAN, ROOT
from alluse_hub.supervision.dense.base import open_dense
from alluse_hub.supervision.words import BootOrder, House, order_to_end

ROOT_LIFE = 1


class SharedTree:
    def __init__(self, house: House, tree: ChildStart, log_defs: dict[str, Any] | None = None) -> None:
        """``log_defs``: in the form of logging.config's; None leaves logging alone."""
        self._system = open_dense(log_defs)
        self._root = self._system.createActor(tree.actor)
        self._asked = 0
        self._system.tell(self._root, BootOrder(ROOT, ROOT_LIFE, tree.spec, GUARDIAN, 0, house))

    @property
    def has_ended(self) -> bool:
        return not self._system.is_alive(self._root)

    def run(self, until: Callable[[], bool], timeout_s: float = math.inf) -> None:
        """Until ``until`` is true, the tree has ended or the time is over.  ``until`` is looked at again after ``wake``
        at the latest."""
        self._system.run(lambda: until() or self.has_ended, timeout_s)

    def wake(self) -> None:
        """From any thread, and from a signal handler."""
        self._system.wake()

    def ask_to_end(self, reason: str, *, keep_workstreams: bool) -> None:
        """In order; it has ended when ``has_ended`` says so."""
        self._asked += 1
        self._system.tell(self._root, order_to_end(self._asked, reason, keep_workstreams=keep_workstreams))

    def close(self) -> None:
        """End whatever has not, and leave nothing.  Raises ActorSystemRequestTimeout."""
        self._system.shutdown()
