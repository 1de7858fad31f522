"""Expiry and holds: what may go goes, is told and proved; what is taken away otherwise is found out."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import keeper, keeper_log, query
from alluse_hub.actors.auditor.bundles import Numbers, packed
from alluse_hub.actors.auditor.indexer import index_of
from alluse_hub.actors.auditor.keeper import candidates
from alluse_hub.actors.auditor.sealed import Bundles
from alluse_hub.actors.auditor.segments import CLASSES
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.keeping import Expired, HoldPlaced
from alluse_hub.protocols.names import KEEPER
from alluse_hub.protocols.retention import DAYS_MIN, Retention
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame
from tests.actors.auditor.classed import DURABLE, OLD, expire_all, folders
from tests.actors.auditor.conftest import SmallHub
from tests.actors.auditor.test_sealing import KilledError, Killer, distinct


@pytest.fixture
def home(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "home"))


@pytest.fixture(scope="module")
def expired(sealed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = Path(shutil.copytree(sealed, tmp_path_factory.mktemp("expired") / "home"))
    expire_all(home)
    return home


def due(home: Path, now: float = OLD + 10**9) -> list[tuple[str, str, str]]:
    found = candidates(home, DAYS_MIN, DURABLE, now)
    return [(one.segment.name, one.retention.value, one.kept_by.partition(":")[0]) for one in found]


def said_by(home: Path) -> str:
    return "\n".join(hub_verify.verify(home).findings)


# --- what may go ------------------------------------------------------------------------------------------------------


def test_a_class_is_due_when_its_youngest_entry_is_past_its_duty(home: Path) -> None:
    day = 86_400.0
    young = json.loads((folders(home)[0] / "manifest.json").read_text(encoding="utf-8"))["written_until"]

    assert due(home, young + 29 * day) == []
    assert {retention for _, retention, _ in due(home, young + 31 * day)} == {"heartbeat"}
    assert {retention for _, retention, _ in due(home, young + 367 * day)} == {"heartbeat", "ops"}


def test_what_says_how_the_trail_was_kept_is_never_due(home: Path) -> None:
    assert "permanent" not in {retention for _, retention, _ in due(home)}


def test_facts_that_an_actor_still_needs_to_start_are_kept(home: Path) -> None:
    kept = {(name, kept_by) for name, retention, kept_by in due(home) if retention == "order"}

    assert {kept_by for _, kept_by in kept} == {"coordinator, which still needs them to start"}
    before = query.recover(home, "coordinator", frozenset({"ClaimPlaced"}))
    expire_all(home)
    assert query.recover(home, "coordinator", frozenset({"ClaimPlaced"})) == before


def test_facts_before_a_snapshot_of_their_actor_may_go(home: Path) -> None:
    hub = SmallHub(home)
    for actor in ("coordinator", "steward"):
        hub.say(actor, Frame(EntryKind.FACT, "Snapshot", b'{"state":{}}'))
    hub.drain()
    hub.close()

    assert {kept_by for _, retention, kept_by in due(home) if retention == "order"} == {""}


# --- expiry -----------------------------------------------------------------------------------------------------------


def test_what_has_expired_is_gone_and_all_else_is_there(sealed: Path, expired: Path) -> None:
    gone = {"EventsTaken", "Produced", "Woken", "HealthChanged", "ChildStarted", "OrderGiven"}

    in_segments = [entry for entry in query.tail(expired, limit=2_000).entries if entry.leaf <= 768]
    assert {entry.message for entry in in_segments} & gone == set()
    assert {entry.message for entry in in_segments} >= {"ClaimPlaced", "Closed"}
    assert query.entry(expired, "router/1/2") is None
    assert query.entry(sealed, "router/1/2") is not None
    before = {entry.id: entry for entry in query.tail(sealed, limit=2_000).entries}
    assert all(before[entry.id] == entry for entry in in_segments)


def test_nothing_that_was_said_is_left_of_it_in_any_file(sealed: Path, expired: Path) -> None:
    def files_with(home: Path, word: bytes) -> list[str]:
        found = []
        for folder in folders(home):
            bundles = Bundles(folder)
            found += [
                folder.name
                for number in range(len(CLASSES))
                if number in bundles and any(word in bundle._raw for _, bundle in bundles.all_of(number))
            ]
            bundles.close()
            found += [path.name for path in folder.iterdir() if word in path.read_bytes()]
        return found

    assert files_with(sealed, b"orange") != []
    assert files_with(expired, b"orange") == []
    assert files_with(expired, b"EventsTaken") == ["manifest.json"] * 2


def test_an_expired_trail_is_whole_and_the_verifier_says_who_and_why(sealed: Path, expired: Path) -> None:
    report = hub_verify.verify(expired)

    assert report.findings == []
    assert report.figures["size"] == report.figures["entries"]
    assert report.figures["expired"] > 0
    told_ = [text for text in report.told if "expired at" in text]
    assert len(told_) == 7
    assert all("by Mira, past their duty (keeper/" in text for text in told_)
    assert query.wholeness(expired).is_whole


def test_of_an_expired_entry_it_is_said_who_and_why_and_of_a_missing_one_that_it_was_taken_away(
    sealed: Path, expired: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(sealed, tmp_path / "home"))
    (folders(home)[0] / "books.bundles").unlink()

    assert query.gone(sealed, "router/1/2") == query.gone(expired, "nobody/1/1") == ""
    assert "router/1/2 expired at 2" in query.gone(expired, "router/1/2")
    assert query.gone(expired, "router/1/2").endswith("with all of its class books: by Mira, past their duty")
    assert "was taken away from the segment 1-256" in query.gone(home, "router/1/2")


def test_the_verifier_alone_reads_segments_with_the_standard_library_only(expired: Path) -> None:
    key = (expired / "keys" / "trail.vkey").read_text(encoding="utf-8").strip()
    command = [sys.executable, "-I", "-S", hub_verify.__file__, str(expired), "--vkey", key, "--json"]

    said = subprocess.run(command, capture_output=True, text=True, check=False)

    assert said.returncode == hub_verify.WHOLE, said
    document = json.loads(said.stdout)
    assert (document["whole"], document["segments"]) == (True, 2)
    assert sum("expired at" in text for text in document["told"]) == 7


def test_words_of_what_has_expired_are_not_in_the_index_either(home: Path) -> None:
    index_of(home).write_bytes(b"with words")

    expire_all(home)

    assert not index_of(home).exists()


def test_expiring_again_has_nothing_to_do(expired: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(expired, tmp_path / "home"))

    again = expire_all(home)

    assert {one.retention for one in again} == {Retention.ORDER}
    assert len([text for text in hub_verify.verify(home).told if "expired at" in text]) == 7


def test_a_kill_between_any_two_steps_of_an_expiry_is_gone_on_with(sealed: Path, tmp_path: Path) -> None:
    counted = Killer(-1)
    everything = sum(
        part["entries"]
        for folder in folders(sealed)
        for name, part in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["classes"].items()
        if name in {"books", "ops", "heartbeat", "security"}
    )
    expire_all(Path(shutil.copytree(sealed, tmp_path / "counted")), counted)
    assert set(counted.steps) == {"said", "read back", "taken out of the index", "deleted"}

    for at in distinct(counted.steps):
        home = Path(shutil.copytree(sealed, tmp_path / str(at)))
        with pytest.raises(KilledError):
            expire_all(home, Killer(at))
        assert hub_verify.verify(home).findings == [], counted.steps[at - 1]
        expire_all(home)

        report = hub_verify.verify(home)
        assert report.findings == [], counted.steps[at - 1]
        assert not [text for text in report.told if "still there" in text]
        assert report.figures["expired"] == everything
        assert len(keeper_log.said(home, KEEPER, (Expired,))) == 7, "each is said once"


# --- holds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("placed", "kept"),
    [
        ({"message": "EventsTaken"}, {"books"}),
        ({"workstream": "ws4"}, {"ops"}),
        ({"correlation": "ws3/1/7"}, {"books", "order"}),
        ({"actor": "router", "text": "ORANGE 1"}, {"books"}),
        ({"since": OLD, "until": OLD + 5_000, "message": "Woken"}, {"heartbeat"}),
        ({"since": OLD + 90_000}, set()),
        ({"message": "NeverSaid"}, set()),
    ],
)
def test_a_hold_keeps_the_classes_in_which_it_covers_anything(
    home: Path, placed: dict[str, Any], kept: set[str]
) -> None:
    hold = keeper.place(home, HoldPlaced(owner="Legal", reason="case 7", **placed))

    held = {retention for _, retention, kept_by in due(home) if kept_by == f"the hold {hold.id} of Legal"}
    assert held == kept


def test_a_hold_that_was_lifted_keeps_nothing_and_both_are_on_record(home: Path) -> None:
    hold = keeper.place(home, HoldPlaced(owner="Legal", reason="case 7", message="EventsTaken"))
    assert [one.id for one in keeper.holds_in(home)] == [hold.id]

    keeper.lift(home, hold.id, "Noor", "settled")
    SmallHub(home).drain()

    assert keeper.holds_in(home) == ()
    assert [entry.message for entry in query.by_message(home, ["HoldPlaced", "HoldLifted"])] == [
        "HoldLifted",
        "HoldPlaced",
    ]
    with pytest.raises(CallerError, match="no hold in force"):
        keeper.lift(home, hold.id, "Noor", "settled")


def test_a_hold_that_comes_after_the_look_keeps_what_would_have_expired(home: Path) -> None:
    found = candidates(home, DAYS_MIN, DURABLE, OLD + 10**9)
    hold = keeper.place(home, HoldPlaced(owner="Legal", reason="case 7", since=OLD))

    with pytest.raises(CallerError, match=f"is kept by the hold {hold.id} of Legal"):
        keeper.expire(home, found, DAYS_MIN, "Mira", "past their duty")

    assert keeper_log.said(home, KEEPER, (Expired,)) == []
    assert said_by(home) == ""


def test_what_somebody_else_had_expire_since_the_look_is_on_record_once(home: Path) -> None:
    found = candidates(home, DAYS_MIN, DURABLE, OLD + 10**9)
    assert keeper.expire(home, found, DAYS_MIN, "Mira", "past their duty") > 0

    assert keeper.expire(home, found, DAYS_MIN, "Noor", "past their duty") == 0

    facts = [fact for _, _, fact in keeper_log.said(home, KEEPER, (Expired,)) if isinstance(fact, Expired)]
    assert {fact.who for fact in facts} == {"Mira"}


def test_a_hold_on_everything_is_refused(home: Path) -> None:
    with pytest.raises(CallerError, match="names nothing"):
        keeper.place(home, HoldPlaced(owner="Legal", reason="case 7"))


# --- tampered with ----------------------------------------------------------------------------------------------------


def edit_bundle(home: Path) -> None:
    """One byte of one body, packed as it should be."""
    path = folders(home)[0] / "books.bundles"
    bundles = Bundles(path.parent)
    records = [record for _, bundle in bundles.all_of(CLASSES.index(Retention.BOOKS)) for record in bundle.rows()]
    bundles.close()
    place, row = records[3]
    records[3] = place, (*row[:-1], '{"taken":9}')
    path.write_bytes(b"".join(packed(records[at : at + 256]) for at in range(0, len(records), 256)))


def flip(home: Path) -> None:
    path = folders(home)[0] / "books.bundles"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def swap(home: Path) -> None:
    one, other = folders(home)[:2]
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def manifest(home: Path) -> None:
    path = folders(home)[0] / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"entries": ', '"entries": 1'), encoding="utf-8")


def numbers(home: Path) -> None:
    """A letter that was sent is said not to be one."""
    path = folders(home)[0] / "numbers"
    known = Numbers.parse(path.read_bytes())
    known._what[0] ^= 128
    path.write_bytes(known.packed())


def forget(home: Path) -> None:
    """The segment, and that there is one."""
    shutil.rmtree(folders(home)[0])
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as db, db:
        db.execute("DELETE FROM segments WHERE first = 1")


def unindex(home: Path) -> None:
    with closing(sqlite3.connect(folders(home)[0] / "index.db")) as db, db:
        db.create_function("sealed", 4, lambda *_: None, deterministic=True)
        db.execute("DROP INDEX entries_lives")
        for name in ("entries_facts", "entries_cause", "entries_correlation"):
            db.execute(f"DROP INDEX {name}")
        db.execute("DELETE FROM entries WHERE leaf = 9")


def rename(home: Path) -> None:
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as db, db:
        db.execute("UPDATE segments SET manifest = ?", ("0" * 64,))


@pytest.mark.parametrize(
    ("attack", "sentences"),
    [
        (edit_bundle, ["books.bundles was altered", "was altered or moved"]),
        (flip, ["books.bundles was altered", "books.bundles cannot be read on"]),
        (lambda home: (folders(home)[0] / "order.bundles").unlink(), ["nobody on record had them expire"]),
        (swap, ["is not the one that the trail has on record"]),
        (manifest, ["is not the one that was signed", "is not the one that the trail has on record"]),
        (lambda home: shutil.rmtree(folders(home)[0]), ["the segment 1-256 is not there"]),
        (forget, ["the entry at place 1 is missing", "does not follow the one before it"]),
        (numbers, ["1-256/numbers was altered"]),
        (lambda home: (folders(home)[0] / "tiles").write_bytes(b"x"), ["tiles are not those of the tree"]),
        (unindex, ["index.db does not have the entry at place 9 as it is"]),
        (lambda home: (folders(home)[0] / "index.db").unlink(), ["index.db is missing"]),
        (rename, ["is not the one that the trail has on record", "is not the one that the trail says was sealed"]),
    ],
    ids=[
        "edit-a-bundle", "flip-a-bit", "delete-a-bundle", "swap-two", "alter-the-manifest", "remove-a-segment",
        "forget-a-segment", "alter-the-numbers", "alter-the-tiles", "take-out-of-the-index", "delete-the-index",
        "another-manifest",
    ],
)  # fmt: skip
def test_what_was_done_to_a_segment_is_said(home: Path, attack: Callable[[Path], object], sentences: list[str]) -> None:
    assert said_by(home) == ""

    attack(home)

    said = said_by(home)
    for sentence in sentences:
        assert sentence in said


def test_a_class_that_is_taken_away_beside_one_that_expired_is_found_out(expired: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(expired, tmp_path / "home"))
    (folders(home)[1] / "order.bundles").unlink()

    assert "of the class order are missing from 257-768, and nobody on record had them expire" in said_by(home)


def test_a_segment_that_is_gone_is_said_and_no_reader_says_that_there_was_nothing(home: Path) -> None:
    shutil.rmtree(folders(home)[0])

    with pytest.raises(TrailError, match="look with `trail verify`"):
        query.entry(home, "ws3/1/1")


def test_a_lost_index_is_made_anew_from_the_bundles(home: Path) -> None:
    before = query.tail(home, limit=2_000).entries
    unindex(home)
    (folders(home)[1] / "index.db").unlink()

    keeper.mend(home, lambda _: None)

    assert said_by(home) == ""
    assert query.tail(home, limit=2_000).entries == before


def test_no_index_is_made_of_bundles_that_were_altered_and_that_is_told(home: Path) -> None:
    edit_bundle(home)

    with pytest.raises(TrailError, match="is damaged: the entry at place"):
        keeper.mend(home, lambda _: None)
