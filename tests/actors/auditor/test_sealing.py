"""Sealing: whoever reads finds the same as before, and a kill between any two steps costs nothing."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import keys, query
from alluse_hub.actors.auditor.export import export
from alluse_hub.actors.auditor.find import find
from alluse_hub.actors.auditor.history import History
from alluse_hub.actors.auditor.indexer import advance, index_of, open_index
from alluse_hub.actors.auditor.reader import reading, store_of
from alluse_hub.actors.auditor.seal import sealing
from alluse_hub.actors.auditor.sealed import segments_dir
from alluse_hub.actors.auditor.sealer import Sealer
from alluse_hub.actors.auditor.store import Store
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.keeping import SegmentSealed
from alluse_hub.protocols.message import EntryId, Message
from alluse_hub.protocols.trail import AuditorSpec, Entry, EntryKind
from alluse_hub.supervision.spool import Frame, SpoolName
from tests.actors.auditor.classed import OLD, folders, seal_through
from tests.actors.auditor.conftest import SmallHub
from tests.actors.auditor.words import until


@pytest.fixture
def home(hot: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(hot, tmp_path / "home"))


def hot_rows(home: Path) -> int:
    with reading(home) as store:
        assert store is not None
        return int(store.execute("SELECT count(*) FROM entries").fetchone()[0])


def indexed(home: Path) -> None:
    index = open_index(store_of(home), index_of(home))
    while advance(index):
        pass
    index.close()


# --- readers ---------------------------------------------------------------------------------------------------------


def pages(home: Path, **filters: Any) -> list[list[Entry]]:
    """Forwards in pages of 100, then the newest 100."""
    found, leaf = [], 0
    while True:
        page = query.tail(home, limit=100, after_leaf=leaf, **filters)
        found.append([entry for entry in page.entries if entry.actor != "keeper"])
        if not page.entries:
            break
        leaf = page.leaf
    newest = query.tail(home, limit=100, **filters)
    return [[entry for one in found for entry in one], [one for one in newest.entries if one.actor != "keeper"][-80:]]


def searched(home: Path, **question: Any) -> list[Any]:
    """All pages, from either end."""
    found = []
    for oldest_first in (True, False):
        asked = Find(limit=50, oldest_first=oldest_first, **question)
        for _ in range(100):
            answer = find(home, asked)
            found += answer.rows
            if answer.next is None:
                break
            asked = asked.model_copy(update={"after" if oldest_first else "before": answer.next})
        else:
            raise AssertionError("it has an end")
    return found


def told_by(home: Path) -> dict[str, Any]:
    history = History.of(home)
    try:
        incarnations = [one for one in history.incarnations() if one.actor != "keeper"]
        return {
            "incarnations": incarnations,
            "entries": [[*piece] for one in incarnations for piece in history.pieces(one)],
            "left": history.left_at(EntryId("coordinator", 1, 400), frozenset({"ClaimPlaced"})),
            "place": history.place_of("ws3/1/7"),
            "before": history.place_before(OLD + 2_010),
            "through": history.through("ws3", None),
            "letter": history.letter("ws3/1/7"),
        }
    finally:
        history.close()


READERS: dict[str, Callable[[Path], Any]] = {
    "tail": pages,
    "tail of a workstream": lambda home: pages(home, workstream="ws4"),
    "tail of a message": lambda home: pages(home, message="EventsTaken"),
    "tail of a correlation": lambda home: query.tail(home, correlation="ws3/1/7").entries,
    "tail since": lambda home: pages(home, since=OLD + 2_010, until=OLD + 3_010),
    "entry": lambda home: [query.entry(home, name) for name in ("ws3/1/1", "ws3/2/80", "router/1/99", "nobody/1/1")],
    "a long body": lambda home: query.by_message(home, ["OrderGiven"]),
    "why": lambda home: query.why(home, "router/1/14"),
    "by message": lambda home: query.by_message(home, ["EventsTaken", "Woken"], 70),
    "correlated": lambda home: query.correlated(home, "ws3/1/7"),
    "lives": lambda home: query.lives(home, "ws3", 3),
    "recover": lambda home: query.recover(home, "coordinator", frozenset({"ClaimPlaced"})),
    "recover from a snapshot": lambda home: query.recover(home, "steward", frozenset({"ClaimPlaced"})),
    "facts of": lambda home: query.facts_of(home, "router", frozenset({"EventsTaken"})),
    "search by place": lambda home: searched(home, after=100, before=700),
    "search by correlation": lambda home: searched(home, correlation="ws3/1/7"),
    "search by cause": lambda home: searched(home, cause="ws3/2/7"),
    "search by message": lambda home: searched(home, messages=("HealthChanged",)),
    "search by workstream": lambda home: searched(home, workstream="ws4", kind=EntryKind.FACT),
    "search with a rest": lambda home: searched(home, messages=("EventsTaken",), cause="ws3/2/7", until=OLD + 4_000),
    "search by time": lambda home: searched(home, since=OLD + 2_010, until=OLD + 3_010, actor="router"),
    "history": told_by,
}


@pytest.mark.parametrize("reader", READERS)
def test_whoever_reads_finds_in_segments_what_was_in_the_database(hot: Path, sealed: Path, reader: str) -> None:
    assert READERS[reader](sealed) == READERS[reader](hot)


def test_words_are_indexed_out_of_segments_as_out_of_the_database(home: Path) -> None:
    asked = {"text": '"orange 2"'}
    indexed(home)
    before = searched(home, **asked)
    seal_through(home, 800)
    still = searched(home, **asked)
    for path in (home / "trail").glob("index.db*"):
        path.unlink()
    indexed(home)

    assert len(before) == 80
    assert before == still == searched(home, **asked)


def test_a_search_that_is_cut_to_its_window_goes_on_over_the_borders(
    hot: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alluse_hub.actors.auditor.find.WINDOW_ROWS", 17)
    monkeypatch.setattr("alluse_hub.actors.auditor.find.SEGMENTS_MAX", 1)
    asked = {"messages": ("EventsTaken",), "actor": "router", "cause": ""}

    assert len(searched(sealed, **asked)) == 320
    assert searched(sealed, **asked) == searched(hot, **asked)


def test_a_sealed_trail_is_whole_to_both_who_check_it(hot: Path, sealed: Path) -> None:
    report = hub_verify.verify(sealed)

    assert report.findings == []
    assert report.figures["segments"] == 2
    assert report.figures["entries"] == report.figures["size"] == hub_verify.verify(hot).figures["size"]
    assert query.wholeness(sealed).is_whole


def test_what_is_exported_from_segments_proves_itself(hot: Path, sealed: Path, tmp_path: Path) -> None:
    for home, folder in ((hot, "hot"), (sealed, "sealed")):
        export(home, Find(workstream="ws3"), tmp_path / folder, "jsonl", lambda *_: None)

    report = hub_verify.verify_export(tmp_path / "sealed", [], [], [], every=True)
    assert report.findings == []
    assert (tmp_path / "sealed" / "entries.jsonl").read_bytes() == (tmp_path / "hot" / "entries.jsonl").read_bytes()


# --- writers ---------------------------------------------------------------------------------------------------------


def test_the_rows_of_a_segment_leave_the_database_and_what_comes_gets_the_next_place(home: Path) -> None:
    hub = SmallHub(home)
    rows = hot_rows(home)

    sealed = seal_through(home, 10_000)
    hub.say("ws9", Frame(EntryKind.FACT, "Said", b"{}"))
    hub.drain()
    hub.close()

    assert sealed is not None
    assert sealed.last == rows // 256 * 256
    newest = query.tail(home, limit=1).entries[0]
    assert newest.leaf > rows
    assert hub_verify.verify(home).findings == []


def test_the_newest_entries_are_never_sealed_and_nothing_unsigned_is(home: Path) -> None:
    hub = SmallHub(home)
    signed = hub_verify.verify(home).figures["signed"]
    hub.say("ws9", *[Frame(EntryKind.FACT, "Said", b"{}")] * 600)
    hub.drain()
    hub.close()

    made = seal_through(home, 10_000)

    assert made is not None
    assert made.last == signed // 256 * 256


def test_a_spool_whose_beginning_is_sealed_is_known_again(home: Path) -> None:
    seal_through(home, 10_000)
    store = Store.open(store_of(home))

    assert store.written_at(SpoolName("ws3", 1)) == (1.0, OLD + 1_001)
    store.close()


def test_what_does_not_read_back_as_it_was_written_is_not_sealed(hot: Path, home: Path) -> None:
    def lying_disk(step: str) -> None:
        if step == "written":
            path = segments_dir(home) / "1-512.partial" / "books.bundles"
            raw = bytearray(path.read_bytes())
            raw[len(raw) // 2] ^= 1
            path.write_bytes(raw)

    with pytest.raises(TrailError, match="does not read back as it was written"):
        seal_through(home, 600, lying_disk)

    assert folders(home) == []
    assert pages(home) == pages(hot)


def test_an_entry_that_was_altered_in_the_database_is_not_sealed(home: Path) -> None:
    with closing(sqlite3.connect(store_of(home))) as db, db:
        db.execute("UPDATE entries SET body = '{}' WHERE leaf = 9")

    with pytest.raises(TrailError, match="the entry at place 9 is not the one that the tree has there"):
        seal_through(home, 600)

    assert folders(home) == []


def test_two_do_not_seal_at_once(home: Path) -> None:
    with sealing(home), pytest.raises(CallerError, match="somebody else is sealing"), sealing(home):
        pass


# --- killed ----------------------------------------------------------------------------------------------------------


class KilledError(Exception):
    """In the place of signal 9."""


class Killer:
    """Ends the work at its ``at``-th step."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.steps: list[str] = []

    def __call__(self, step: str) -> None:
        self.steps.append(step)
        self.left -= 1
        if not self.left:
            raise KilledError(step)


def killed_before_it_is_said(step: str) -> None:
    if step == "unsaid":
        raise KilledError(step)


@pytest.fixture(scope="module")
def steps(hot: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    home = Path(shutil.copytree(hot, tmp_path_factory.mktemp("steps") / "home"))
    counted = Killer(-1)
    seal_through(home, 600, counted)
    return counted.steps


def distinct(steps: list[str]) -> Iterator[int]:
    """The first of each sort, and the last one of all that is done step by step to the database."""
    yield from (steps.index(name) + 1 for name in dict.fromkeys(steps))
    if steps.count("dropped") > 1:
        yield len(steps) - steps[::-1].index("dropped")


def test_a_kill_between_any_two_steps_loses_nothing_and_doubles_nothing(
    hot: Path, steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = pages(hot)
    assert set(steps) == {"bundled", "written", "read back", "verified", "named", "known", "dropped", "unsaid"}

    for at in distinct(steps):
        home = Path(shutil.copytree(hot, tmp_path / str(at)))
        with monkeypatch.context() as patch:
            patch.setattr(
                "alluse_hub.actors.auditor.seal.shutil.rmtree", lambda *_, **__: None
            )  # the dead tidy nothing
            with pytest.raises(KilledError):
                seal_through(home, 600, Killer(at))

        assert pages(home) == everything, steps[at - 1]
        assert hub_verify.verify(home).findings == [], steps[at - 1]
        seal_through(home, 600)

        report = hub_verify.verify(home)
        assert report.findings == [], steps[at - 1]
        assert report.figures["segments"] == 1
        assert pages(home) == everything, steps[at - 1]
        assert [path.name for path in folders(home)] == ["1-512"]
        assert not [text for text in report.told if "segment" in text or "sealed" in text], report.told
        assert hot_rows(home) == report.figures["size"] - 512


def test_the_auditor_seals_by_itself_and_says_so_also_of_what_was_left_unsaid(home: Path) -> None:
    with pytest.raises(KilledError):
        seal_through(home, 300, killed_before_it_is_said)
    store = Store.open(store_of(home))
    signer = keys.load(keys.key_of(home))
    assert signer is not None
    said: list[Message] = []
    spec = AuditorSpec(seal_after_s=1.0, seal_entries=1_024)
    sealer = Sealer(home, store, signer, spec, said.append)

    sealer.start()
    until(lambda: len(said) >= 2)
    sealer.close()
    store.close()

    assert [(word.first, word.last) for word in said if isinstance(word, SegmentSealed)] == [(1, 256), (257, 768)]
    assert "seal" not in {thread.name for thread in threading.enumerate()}


def test_a_folder_that_nobody_knows_is_not_deleted_if_it_alone_has_the_entries(home: Path) -> None:
    seal_through(home, 300)
    stray = segments_dir(home) / "1-999936"
    stray.mkdir()

    with pytest.raises(TrailError, match="is no segment that the store knows"):
        seal_through(home, 800)

    assert stray.exists()


def test_a_segment_of_which_the_database_has_nothing_is_not_deleted(home: Path, hub: SmallHub) -> None:
    """Somebody put another database in the place of the one that was lost."""
    seal_through(home, 300)
    hub.say("ws3", *[Frame(EntryKind.DID, "Other", b"{}")] * 600)
    hub.drain()
    for suffix in ("-wal", "-shm"):
        store_of(home).with_name(f"trail.db{suffix}").unlink(missing_ok=True)
    shutil.copyfile(hub.db, store_of(home))

    with pytest.raises(TrailError, match="is no segment that the store knows"):
        seal_through(home, 800)

    assert [path.name for path in folders(home)] == ["1-256"]
