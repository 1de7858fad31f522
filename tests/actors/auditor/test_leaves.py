"""The bytes of an entry: no two alike, the same from a row of SQLite, and the same for the stand-alone verifier."""

import sqlite3
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alluse_hub import hub_verify
from alluse_hub.actors.auditor.leaves import BODY_BYTES_MAX, encoded, leaf_hashes

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
TIME = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(1, 2**62)
ROWS = st.tuples(
    TEXT, COUNT, COUNT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TIME, TIME, st.booleans(), TEXT, st.none() | TEXT
)  # fmt: skip

ROW = ("ws3", 1, 42, "fact", "Said", "", "", "", "", 1.5, 2.0, False, "ws3", '{"x":"ä"}')


def bytes_of(*row: Any) -> bytes:
    return next(encoded([row]))


def plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """With zeros that have no sign, as SQLite keeps them."""
    return (*row[:9], row[9] + 0.0, row[10] + 0.0, *row[11:])


@given(ROWS, ROWS)
def test_two_entries_have_the_same_bytes_only_if_they_are_the_same(
    one: tuple[Any, ...], other: tuple[Any, ...]
) -> None:
    assert (bytes_of(*one) == bytes_of(*other)) == (plain(one) == plain(other))


@given(ROWS, st.integers(0, 12))
def test_text_that_moves_to_the_next_column_is_another_entry(row: tuple[Any, ...], at: int) -> None:
    if isinstance(row[at], str) and isinstance(row[at + 1], str) and row[at]:
        moved = (*row[:at], row[at][:-1], row[at][-1] + row[at + 1], *row[at + 2 :])
        assert bytes_of(*moved) != bytes_of(*row)


@given(ROWS)
def test_a_row_of_the_database_gives_the_same_bytes(row: tuple[Any, ...]) -> None:
    with sqlite3.connect(":memory:") as db:
        db.execute(
            "CREATE TABLE entries (a TEXT, b INTEGER, c INTEGER, d TEXT, e TEXT, f TEXT, g TEXT, h TEXT, i TEXT,"
            " j REAL, k REAL, l INTEGER, m TEXT, n TEXT) STRICT"
        )
        db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        back = db.execute("SELECT * FROM entries").fetchone()
    db.close()

    assert bytes_of(*back) == bytes_of(*row)


@given(st.lists(ROWS, max_size=4))
def test_the_verifier_hashes_as_the_auditor_does(rows: list[tuple[Any, ...]]) -> None:
    assert hub_verify.leaf_hashes([(place, *row) for place, row in enumerate(rows)]) == leaf_hashes(rows)


def test_the_form_stays_as_it_is_documented() -> None:
    """A change here would make every trail there is look altered."""
    assert bytes_of(*ROW).hex() == (
        "010001" + "0000000000000001" + "000000000000002a" + "3ff8000000000000" + "4000000000000000"
        "00000003" "00000004" "00000004" "00000000" "00000000" "00000000" "00000000" "00000003" "0000000a"
        + b"ws3factSaidws3".hex() + '{"x":"ä"}'.encode().hex()
    )  # fmt: skip


def test_a_leaf_is_the_entry_behind_a_zero() -> None:
    assert leaf_hashes([ROW]) == [sha256(b"\x00" + bytes_of(*ROW)).digest()]


def test_a_long_body_goes_by_its_digest_so_that_every_entry_fits_a_bundle() -> None:
    body = '"' + "x" * BODY_BYTES_MAX + '"'

    entry = bytes_of(*ROW[:-1], body)

    assert entry.endswith(sha256(body.encode()).digest())
    assert len(entry) < 1_000
    assert entry != bytes_of(*ROW[:-1], body[:-2] + '"')
    assert len(bytes_of(*ROW[:-1], body[2:])) < 65_536


def test_no_body_and_an_empty_one_are_two_things() -> None:
    assert bytes_of(*ROW[:-1], None) != bytes_of(*ROW[:-1], "")


def test_a_zero_has_no_sign_since_the_database_keeps_none() -> None:
    assert bytes_of(*ROW[:9], -0.0, -0.0, *ROW[11:]) == bytes_of(*ROW[:9], 0.0, 0.0, *ROW[11:])
