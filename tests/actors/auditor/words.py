"""What the tests of the auditor say, wait for and look at."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallHub

DEADLINE_S = 60.0

SAID = Frame(EntryKind.FACT, "Said", b'{"x":1}')
ORDER = Frame(EntryKind.FACT, "Ordered", b'{"x":2}', power=True)


def until(claim: Callable[[], bool]) -> None:
    """Waits until the claim holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < deadline, f"still not so after {DEADLINE_S} s"
        threading.Event().wait(0.002)


def all_but_auditor(hub: "SmallHub", columns: str) -> list[tuple[object, ...]]:
    return hub.rows(columns, "WHERE actor <> 'auditor'")
