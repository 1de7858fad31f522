import json
import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision import spool as spool_module
from alluse_hub.supervision.spool import (
    Frame,
    Spool,
    SpoolEntry,
    SpoolFullError,
    SpoolName,
    latest_incarnation,
    read,
    spools_in,
)

HEADER_BYTES = 23
FACT = Frame(EntryKind.FACT, "Granted", b'{"resource":"ws4/trading"}')


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool.open(tmp_path, "ws3")
    yield opened
    opened.close()


def numbered(count: int) -> list[Frame]:
    return [Frame(EntryKind.SENT, "Probe", json.dumps({"serial": i}).encode(), to="ws3") for i in range(count)]


# --- round trip ----------------------------------------------------------------------------------------------------


def test_an_entry_comes_back_as_it_was_written(spool: Spool) -> None:
    frame = Frame(EntryKind.SENT, "Directive", b'{"fence":7}', "ws4", "ws3/1/2", "ws3/1/2", "ws3/1/1", power=True)

    spool.write([frame], at=12.345678901234567, wall=1.7e9)

    assert read(spool.path).entries == [
        SpoolEntry(
            n=1,
            kind="sent",
            message="Directive",
            to="ws4",
            letter="ws3/1/2",
            cause="ws3/1/2",
            correlation="ws3/1/1",
            at=12.345678901234567,
            wall=1.7e9,
            power=True,
            body='{"fence":7}',
        )
    ]


def test_an_entry_without_a_body_comes_back_without_one(spool: Spool) -> None:
    spool.write([Frame(EntryKind.HEARD, "Pulse", b"", "ws3", "ws3/1/1")], 1.0, 2.0)

    assert read(spool.path).entries[0].body == ""


def test_a_turn_is_numbered_on_from_the_last(spool: Spool) -> None:
    assert spool.write(numbered(3), 1.0, 2.0) == 3
    assert spool.write(numbered(2), 1.0, 2.0) == 5

    assert spool.n == 5
    assert [entry.n for entry in read(spool.path).entries] == [1, 2, 3, 4, 5]


def test_reading_goes_on_where_it_stopped(spool: Spool) -> None:
    spool.write(numbered(3), 1.0, 2.0)
    first = read(spool.path)
    spool.write(numbered(2), 1.0, 2.0)

    second = read(spool.path, first.offset, first.entries[-1].n)

    assert [entry.n for entry in second.entries] == [4, 5]
    assert second.offset == spool.path.stat().st_size


def test_reading_stops_at_the_wanted_number_of_entries_and_calls_nothing_torn(spool: Spool) -> None:
    spool.write(numbered(5), 1.0, 2.0)

    part = read(spool.path, entries_max=2)

    assert ([entry.n for entry in part.entries], part.torn) == ([1, 2], 0)


def test_entries_longer_than_a_chunk_come_back(spool: Spool) -> None:
    body = json.dumps({"text": "x" * (2 * spool_module.CHUNK_BYTES)}).encode()

    spool.write([FACT, Frame(EntryKind.FACT, "Long", body), FACT], 1.0, 2.0)

    assert [entry.body for entry in read(spool.path).entries] == [FACT.body.decode(), body.decode(), FACT.body.decode()]


TEXT = st.text(max_size=40)


@given(
    message=TEXT,
    to=TEXT,
    letter=TEXT,
    cause=TEXT,
    correlation=TEXT,
    body=st.none() | st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=4),
    kind=st.sampled_from(EntryKind),
    power=st.booleans(),
    at=st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_text_in_any_field_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    message: str,
    to: str,
    letter: str,
    cause: str,
    correlation: str,
    body: dict[str, str | int | None] | None,
    kind: EntryKind,
    power: bool,
    at: float,
) -> None:
    opened = Spool.open(tmp_path_factory.mktemp("spool"), "a")
    encoded = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()

    opened.write([Frame(kind, message, encoded, to, letter, cause, correlation, power)], at, 1.0)
    opened.close()

    expected = SpoolEntry(1, kind.value, message, to, letter, cause, correlation, at, 1.0, power, encoded.decode())
    assert read(opened.path).entries == [expected]


def test_a_frame_is_json_that_any_tool_can_read(spool: Spool) -> None:
    spool.write([FACT], 1.5, 2.5)

    shown = json.loads(spool.path.read_bytes()[HEADER_BYTES:])

    assert shown == {
        "message": "Granted",
        "to": "",
        "letter": "",
        "cause": "",
        "correlation": "",
        "at": 1.5,
        "wall": 2.5,
        "body": {"resource": "ws4/trading"},
    }


# --- tails that are no frame ---------------------------------------------------------------------------------------


def cut_everywhere(path: Path, ends: list[int], cuts: list[int], scratch: Path) -> None:
    """Each cut, alone and followed by zeros, leaves exactly the frames that were whole."""
    data = path.read_bytes()
    for cut in cuts:
        whole = sum(1 for end in ends if end <= cut)
        end = ends[whole - 1] if whole else 0
        for tail in (b"", b"\0" * random.Random(cut).randrange(1, 200)):
            scratch.write_bytes(data[:cut] + tail)
            result = read(scratch)
            assert [entry.n for entry in result.entries] == list(range(1, whole + 1)), f"cut at {cut}"
            assert (result.offset, result.torn) == (end, cut - end + len(tail)), f"cut at {cut}"


def write_uneven(spool: Spool, seed: int) -> list[int]:
    """Frames of uneven length; their ends."""
    chance = random.Random(seed)
    ends = []
    for _ in range(60):
        spool.write([Frame(EntryKind.FACT, "Said", json.dumps({"x": "y" * chance.randrange(300)}).encode())], 1.0, 2.0)
        ends.append(spool.path.stat().st_size)
    return ends


def test_a_torn_tail_is_never_taken_for_an_entry_in_2000_random_cuts(spool: Spool, tmp_path: Path) -> None:
    ends = write_uneven(spool, seed=1)
    chance = random.Random(2)

    cut_everywhere(spool.path, ends, [chance.randrange(ends[-1]) for _ in range(1_000)], tmp_path / "scratch")


@pytest.mark.deep
def test_a_torn_tail_is_never_taken_for_an_entry_in_10000_random_cuts(spool: Spool, tmp_path: Path) -> None:
    ends = write_uneven(spool, seed=3)
    chance = random.Random(4)

    cut_everywhere(spool.path, ends, [chance.randrange(ends[-1]) for _ in range(5_000)], tmp_path / "scratch")


def test_a_magic_followed_by_zeros_is_no_entry(spool: Spool) -> None:
    spool.write([FACT], 1.0, 2.0)
    end = spool.path.stat().st_size
    head = spool.path.read_bytes()[:6]  # magic, version and kind of a true frame; length, number and sum are zero

    with spool.path.open("ab") as file:
        file.write(head + b"\0" * 500)

    assert read(spool.path) == (read(spool.path).entries[:1], end, 506, True)


def test_a_frame_that_comes_twice_in_a_row_is_no_second_entry(spool: Spool) -> None:
    spool.write([FACT], 1.0, 2.0)
    frame = spool.path.read_bytes()

    with spool.path.open("ab") as file:
        file.write(frame)

    assert [entry.n for entry in read(spool.path).entries] == [1]


def test_any_flipped_bit_ends_the_reading_before_its_frame(spool: Spool, tmp_path: Path) -> None:
    ends = [0]
    for _ in range(3):
        spool.write([FACT], 1.0, 2.0)
        ends.append(spool.path.stat().st_size)
    data = bytearray(spool.path.read_bytes())
    whole = read(spool.path).entries
    scratch = tmp_path / "scratch"

    for at in range(ends[1], ends[2]):
        for bit in (0, 3, 7):
            data[at] ^= 1 << bit
            scratch.write_bytes(data)
            data[at] ^= 1 << bit
            assert read(scratch).entries == whole[:1], f"byte {at}, bit {bit}"


def test_a_tail_that_may_still_grow_into_a_frame_is_torn_but_not_damaged(spool: Spool) -> None:
    spool.write([FACT, FACT], 1.0, 2.0)
    os.truncate(spool.path, spool.path.stat().st_size - 1)

    result = read(spool.path)

    assert (len(result.entries), result.damaged, result.torn > 0) == (1, False, True)


def test_a_spool_shorter_than_what_is_stored_of_it_holds_nothing_new(spool: Spool) -> None:
    spool.write([FACT], 1.0, 2.0)

    assert read(spool.path, offset=10_000, after_n=50).entries == []


# --- incarnations --------------------------------------------------------------------------------------------------


def test_each_opening_is_a_new_incarnation(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        opened = Spool.open(tmp_path, "ws3")
        numbers.append(opened.incarnation)
        opened.close()

    assert numbers == [1, 2, 3]


def test_the_number_goes_on_when_older_spools_are_gone(tmp_path: Path) -> None:
    for _ in range(12):
        Spool.open(tmp_path, "ws3").close()
    for name in spools_in(tmp_path)[:-1]:
        (tmp_path / str(name)).unlink()

    opened = Spool.open(tmp_path, "ws3")
    opened.close()

    assert opened.incarnation == 13
    assert latest_incarnation(tmp_path, "ws3") == 13


def test_actors_whose_names_begin_alike_count_apart(tmp_path: Path) -> None:
    Spool.open(tmp_path, "ws3-x").close()
    Spool.open(tmp_path, "ws3.x").close()

    assert latest_incarnation(tmp_path, "ws3") == 0


def test_no_two_of_many_openers_at_once_get_the_same_incarnation(tmp_path: Path) -> None:
    numbers: list[int] = []

    def opening() -> None:
        for _ in range(5):
            opened = Spool.open(tmp_path, "ws3")
            numbers.append(opened.incarnation)
            opened.close()

    threads = [threading.Thread(target=opening) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers) == list(range(1, 41))


def test_a_spool_is_for_its_owner_only(spool: Spool) -> None:
    assert spool.path.name == "ws3@1.spool"
    assert spool.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["", "WS3", "../ws3", "ws3@1", "a" * 49, "3ws", "ws 3"])
def test_a_name_that_is_no_actors_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CallerError):
        Spool.open(tmp_path, name)


@pytest.mark.parametrize("file", ["ws3@0.spool", "ws3@01.spool", "ws3.spool", "ws3@1.spool.damaged", "@1.spool", "x"])
def test_a_file_that_is_no_spool_is_passed_over(tmp_path: Path, file: str) -> None:
    (tmp_path / file).touch()

    assert spools_in(tmp_path) == []


def test_a_name_reads_back(spool: Spool) -> None:
    assert SpoolName.parse(str(SpoolName("ws3", 12))) == SpoolName("ws3", 12)


def test_before_the_first_start_there_are_no_spools(tmp_path: Path) -> None:
    assert spools_in(tmp_path / "nowhere") == []
    assert latest_incarnation(tmp_path / "nowhere", "ws3") == 0


# --- trouble -------------------------------------------------------------------------------------------------------


def write_only(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The disk takes ``count`` bytes of the next write."""
    true_write = os.write
    monkeypatch.setattr("os.write", lambda fd, data: true_write(fd, data[:count]))


def test_a_write_cut_short_keeps_whole_frames_and_leaves_no_torn_one(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write([FACT], 1.0, 2.0)
    size = spool.path.stat().st_size

    with monkeypatch.context() as patch:
        write_only(patch, size + 10)
        with pytest.raises(TrailError, match=r"ws3@1\.spool after entry 2.*free or mend the disk"):
            spool.write([FACT, FACT], 1.0, 2.0)

    assert (spool.n, spool.path.stat().st_size) == (2, 2 * size)


def test_after_a_write_cut_short_the_next_is_numbered_on(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        write_only(patch, 10)
        with pytest.raises(TrailError):
            spool.write([FACT], 1.0, 2.0)

    assert spool.write([FACT], 1.0, 2.0) == 1
    assert len(read(spool.path).entries) == 1


def test_nothing_is_written_behind_a_torn_frame_that_cannot_be_cut_off(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("read-only file system")

    with monkeypatch.context() as patch:
        write_only(patch, 10)
        patch.setattr("os.ftruncate", refuse)
        with pytest.raises(TrailError, match="could not be cut off"):
            spool.write([FACT], 1.0, 2.0)

    with pytest.raises(TrailError):
        spool.write([FACT], 1.0, 2.0)
    assert spool.path.stat().st_size == 10


def test_a_full_disk_is_named_with_the_file(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", refuse)
    with pytest.raises(SpoolFullError, match="disk full: free some space"):
        spool.write([FACT], 1.0, 2.0)


def test_a_spool_does_not_outgrow_its_bound(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "FILE_BYTES_MAX", 100)

    with pytest.raises(TrailError, match="full at 100 bytes; restart ws3"):
        spool.write([FACT], 1.0, 2.0)
    assert spool.path.stat().st_size == 0


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(TrailError, match="file/spool"):
        Spool.open(tmp_path / "file" / "spool", "ws3")


def test_a_synced_spool_closes_twice(spool: Spool) -> None:
    spool.write([FACT], 1.0, 2.0)

    spool.sync()
    spool.close()
    spool.close()

    assert len(read(spool.path).entries) == 1


def test_a_spool_that_somebody_deleted_is_not_written_on(spool: Spool) -> None:
    spool.path.unlink()

    with pytest.raises(TrailError, match="somebody deleted it"):
        spool.write([FACT], 1.0, 2.0)
