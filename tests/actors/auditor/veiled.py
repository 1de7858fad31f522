"""A hub whose spools are veiled, and how tests of erasure and rotation look at it."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import errands, query
from alluse_hub.protocols.erasure import SubjectErased
from alluse_hub.protocols.flow import Event, EventHeard
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.names import KEEPER
from alluse_hub.protocols.personal import PersonalField
from alluse_hub.protocols.retention import DAYS_MIN
from alluse_hub.supervision.frames import fact_frame
from alluse_hub.supervision.keyring import Keyring
from alluse_hub.supervision.spool import Spool
from alluse_hub.supervision.veil import Veil
from tests.actors.auditor.conftest import SmallHub

ADA, BOB = "ACC-7161-Ada", "ACC-9302-Bob"
FIELDS = (PersonalField(event="filled", field="account", subject="account", duty=False),)


def ring_of(home: Path) -> Keyring:
    return Keyring(home)


class Sealing:
    """A hub whose ws4 writes with a veil: events of two people, half of them stored, half in the spool."""

    def __init__(self, hub: SmallHub) -> None:
        self.hub = hub
        self.home = hub.home
        self.n = 0
        self.spool = Spool.open(hub.directory, "ws4", Veil(Keyring(hub.home), FIELDS))
        for whose in (ADA, BOB, ADA):
            self.say(whose)
        hub.drain()
        hub.sign()
        self.say(ADA)
        self.say(BOB)

    def say(self, account: str) -> None:
        self.n += 1
        event = Event(ws="ws4", n=self.n, event="filled", payload={"account": account, "quantity": self.n})
        self.spool.write([fact_frame(EventHeard(event=event))], 1.0, 2.0)

    def accounts(self) -> list[object]:
        """As who has the keys reads them, in their order."""
        found = query.recover(self.home, "ws4", frozenset({"EventHeard"})).facts
        return [json.loads(body)["event"]["payload"]["account"] for _, body in found]

    @property
    def ada(self) -> str:
        return ring_of(self.home).pseudonym(ADA)

    def erase(self, step: Callable[[str], None] = errands.nothing) -> SubjectErased:
        fact, _ = errands.erase(self.home, self.ada, "Eve", "asked by letter", 5.0, FIELDS, DAYS_MIN, step)
        return fact


def killed_after(step: str, what: Callable[[Callable[[str], None]], object]) -> None:
    """In a process of its own that dies there with no word to anybody."""

    def die(done: str) -> None:
        if done == step:
            os._exit(9)

    child = os.fork()
    if not child:
        try:
            what(die)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, f"it never came to {step}"


def facts(home: Path, kind: str) -> list[Json]:
    return [json.loads(body) for _, body in query.facts_of(home, KEEPER, frozenset({kind}))]


def found_in(folder: Path, *texts: str) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted({path.name for path in files for text in texts if text.encode() in path.read_bytes()})


def verified(folder: Path) -> list[str]:
    return list(hub_verify.verify(folder).findings)
