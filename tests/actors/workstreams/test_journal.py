"""Journal and snapshot: what was accepted is kept, a torn end is cut off, any other damage stops the start."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.workstreams.journal import StateFolder
from alluse_hub.actors.workstreams.readers import DamagedError

FIRST = {"format": 1, "generation": 1, "state": 0}
COMMANDS = [b'{"id":"a"}', b'{"id":"b"}', b'{"id":"c"}']


def filled(path: Path) -> StateFolder:
    folder = StateFolder(path)
    assert folder.load() == (None, [])
    folder.save({"state": 0})
    for command in COMMANDS:
        folder.append(command)
    return folder


def reloaded(path: Path) -> tuple[object, list[bytes]]:
    with StateFolder(path) as folder:
        return folder.load()


def test_accepted_commands_are_kept_in_order(tmp_path: Path) -> None:
    filled(tmp_path).close()

    assert reloaded(tmp_path) == (FIRST, COMMANDS)


def test_a_snapshot_begins_a_new_journal(tmp_path: Path) -> None:
    with filled(tmp_path) as folder:
        folder.save({"state": 1})
        folder.append(b'{"id":"d"}')

        assert sorted(path.name for path in tmp_path.iterdir()) == ["journal-2.jsonl", "snapshot.json"]

    assert reloaded(tmp_path) == ({"format": 1, "generation": 2, "state": 1}, [b'{"id":"d"}'])


@given(cut=st.integers(1, 20))
@settings(deadline=None, max_examples=20)
def test_a_torn_last_line_is_cut_off_and_the_next_stands_alone(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("torn")
    filled(path).close()
    journal = path / "journal-1.jsonl"
    journal.write_bytes(journal.read_bytes()[:-cut])

    with StateFolder(path) as folder:
        assert folder.load()[1] == COMMANDS[:2]
        folder.append(b'{"id":"e"}')

    assert reloaded(path)[1] == [*COMMANDS[:2], b'{"id":"e"}']


@given(at=st.integers(0, 39), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=60)
def test_a_flipped_bit_before_the_end_is_never_believed(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flipped")
    filled(path).close()
    journal = path / "journal-1.jsonl"
    content = bytearray(journal.read_bytes())
    content[at] ^= 1 << bit
    journal.write_bytes(content)

    with pytest.raises(DamagedError, match=r"journal-1\.jsonl, line \d: the checksum .*; restore the folder"):
        reloaded(path)


@pytest.mark.parametrize("content", [b"", b"x", b"00000000 {}\n"])
def test_a_damaged_snapshot_is_named_with_its_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "snapshot.json").write_bytes(content)

    with pytest.raises(DamagedError, match=r"snapshot\.json: the checksum .*; restore the folder"):
        reloaded(tmp_path)


def test_a_lost_snapshot_is_no_fresh_start(tmp_path: Path) -> None:
    with filled(tmp_path) as folder:
        folder.save({"state": 1})
    (tmp_path / "snapshot.json").unlink()

    with pytest.raises(DamagedError, match=r"snapshot\.json is missing or old: journal-2\.jsonl follows it"):
        reloaded(tmp_path)


def test_a_crash_between_snapshot_and_journal_pairs_the_right_ones(tmp_path: Path) -> None:
    with filled(tmp_path) as folder:
        folder.save({"state": 1})
    (tmp_path / "journal-2.jsonl").unlink()
    (tmp_path / "journal-1.jsonl").write_bytes(b"left over")

    assert reloaded(tmp_path) == ({"format": 1, "generation": 2, "state": 1}, [])


def test_a_snapshot_half_written_aside_is_not_taken(tmp_path: Path) -> None:
    filled(tmp_path).close()
    (tmp_path / "snapshot.json.new").write_bytes(b"half")

    assert reloaded(tmp_path) == (FIRST, COMMANDS)


def test_commands_without_their_snapshot_are_no_fresh_start(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as folder:
        folder.load()
        folder.append(COMMANDS[0])

    with pytest.raises(DamagedError, match=r"snapshot\.json is missing, though .*journal-0\.jsonl holds commands"):
        reloaded(tmp_path)
