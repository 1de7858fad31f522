"""A hub in small: actors that are no more than their spools, and an auditor without Thespian."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from alluse_hub.actors.auditor import ingest as ingest_module
from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.core import CORE
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.ingest import Ingest
from alluse_hub.actors.auditor.store import Store
from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Record, Send
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.trail import AuditorSpec, EntryKind
from alluse_hub.supervision.spool import Frame, Spool

UNHURRIED_S = 60.0


@pytest.fixture(autouse=True, scope="session")
def _unhurried() -> Iterator[None]:
    """An auditor that is stopped leaves to the next one what it has not stored in ``FAREWELL_S``.  Tests that store a
    trail by stopping one mean all of it, however slow the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest_module, "FAREWELL_S", UNHURRIED_S)
        yield


class SmallAuditor:
    """One incarnation: the true core decides on what the true worker says, and a spool records it as a shell would."""

    def __init__(self, home: Path) -> None:
        self.spool = Spool.open(home / "trail" / "spool", "auditor")
        self.state = CORE.start("auditor", AuditorSpec())
        self.said: list[Message] = []
        self.sent: list[Send] = []
        self._turn = threading.Lock()

    def deliver(self, message: Message) -> None:
        with self._turn:
            self.said.append(message)
            own = f"auditor/{self.spool.incarnation}/{self.spool.n + 1}"
            decision = CORE.decide(self.state, Envelope(own, "auditor", "auditor", message, 1.0))
            self.state = decision.state
            frames = [Frame(EntryKind.HEARD, wire.kind_of(message), wire.encode(message), "auditor")]
            for effect in decision.effects:
                match effect:
                    case Record(fact=fact):
                        frames.append(Frame(EntryKind.FACT, wire.kind_of(fact), wire.encode(fact), cause=own))
                    case Send(to=to, message=letter):
                        self.sent.append(effect)
                        frames.append(Frame(EntryKind.SENT, wire.kind_of(letter), wire.encode(letter), to, cause=own))
            self.spool.write(frames, 1.0, 2.0)


class SmallHub:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.directory = home / "trail" / "spool"
        self.db = home / "trail" / "trail.db"
        self._spools: dict[str, Spool] = {}

    def restart(self, actor: str) -> Spool:
        """A new incarnation of the actor."""
        if actor in self._spools:
            self._spools[actor].close()
        self._spools[actor] = Spool.open(self.directory, actor)
        return self._spools[actor]

    def say(self, actor: str, *frames: Frame, at: float = 1.0, wall: float = 2.0) -> int:
        """The number of the last frame."""
        spool = self._spools.get(actor) or self.restart(actor)
        return spool.write(frames, at, wall)

    def drain(self, rounds: int = 1) -> SmallAuditor:
        """One incarnation of the auditor, from start to end, over all that is there; in ``rounds`` it hears itself."""
        auditor = SmallAuditor(self.home)
        for _ in range(rounds):
            self.ingest(auditor.deliver)
        auditor.spool.close()
        return auditor

    def ingest(self, deliver: Callable[[Message], None], spec: AuditorSpec | None = None) -> None:
        store = Store.open(self.db)
        try:
            ingest = Ingest(self.directory, store, "auditor", spec or AuditorSpec(), deliver)
            try:
                ingest.stop()
                ingest.run()
            finally:
                ingest.close()
        finally:
            store.close()

    def sign(self) -> None:
        """What an auditor does at its start: compare, and sign what is new."""
        store = Store.open(self.db)
        try:
            signer = keys.for_trail(self.home, "alluse", is_new=not store.newest_checkpoint())
            notary = Notary(store, Head(self.db.parent / "head"), signer)
            notary.begin()
            notary.seal()
        finally:
            store.close()

    def rows(self, columns: str, where: str = "", values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        store = Store.open(self.db)
        try:
            return list(store._db.execute(f"SELECT {columns} FROM entries {where} ORDER BY leaf", values))
        finally:
            store.close()

    def close(self) -> None:
        for spool in self._spools.values():
            spool.close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[SmallHub]:
    made = SmallHub(tmp_path)
    yield made
    made.close()


@pytest.fixture
def auditor(hub: SmallHub) -> Iterator[SmallAuditor]:
    made = SmallAuditor(hub.home)
    yield made
    made.spool.close()


@pytest.fixture
def make_auditor() -> Callable[[Path], SmallAuditor]:
    return SmallAuditor


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two senders, one of them in two lives, who hear each other; signed at several sizes, with spools left over."""
    hub = SmallHub(tmp_path_factory.mktemp("trail"))
    for turn in range(1, 5):
        for n in range(1, 81):
            own = hub.say("ws3", Frame(EntryKind.SENT, "Said", b'{"x":%d}' % n, "ws4"), at=turn)
            hub.say("ws4", Frame(EntryKind.HEARD, "Said", b"", "ws3", letter=f"ws3/{(turn + 1) // 2}/{own}"), at=turn)
        if turn == 2:
            hub.restart("ws3")
        hub.drain(rounds=2)
        hub.sign()
    hub.close()
    assert hub.rows("actor, kind", "WHERE leaf IN (201, 202)") == [("ws3", "sent")] * 2
    return hub.home


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "home"))


@pytest.fixture(scope="session")
def hot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trail with entries of every class, none of them sealed."""
    from tests.actors.auditor.classed import told  # noqa: PLC0415  # it has its hub from here

    hub = SmallHub(tmp_path_factory.mktemp("hot"))
    told(hub)
    hub.close()
    return hub.home


@pytest.fixture(scope="session")
def sealed(hot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same trail, in two segments and what is left in the database."""
    from tests.actors.auditor.classed import seal_through  # noqa: PLC0415  # as above

    home = Path(shutil.copytree(hot, tmp_path_factory.mktemp("sealed") / "home"))
    assert None not in {seal_through(home, 300), seal_through(home, 800)}
    return home
