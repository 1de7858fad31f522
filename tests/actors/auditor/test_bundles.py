"""What goes into a bundle comes out of it, to the byte; and nothing else does."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.auditor.bundles import LENGTH_BYTES, BundleError, Numbers, decoded, packed, unpacked
from alluse_hub.actors.auditor.leaves import BODY_BYTES_MAX, encoded
from alluse_hub.hub_verify import records_in

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBER = st.integers(1, 2**62)
REAL = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)
BODY = st.none() | TEXT | st.integers(BODY_BYTES_MAX - 2, BODY_BYTES_MAX + 2).map(lambda size: "ä" + "x" * (size - 2))
ROW = st.tuples(
    TEXT, NUMBER, NUMBER, st.sampled_from(["heard", "fact", "sent", "did"]), TEXT, TEXT, TEXT, TEXT, TEXT, REAL, REAL,
    st.integers(0, 1), TEXT, BODY,
)  # fmt: skip


def records(rows: list[tuple[object, ...]]) -> list[tuple[int, tuple[object, ...]]]:
    return list(enumerate(rows, start=7))


@settings(max_examples=40)
@given(st.lists(ROW, min_size=1, max_size=8))
def test_a_bundle_gives_back_its_entries_and_their_leaves_are_the_same(rows: list[tuple[object, ...]]) -> None:
    bundle = unpacked(packed(records(rows))[LENGTH_BYTES:])

    assert list(bundle.rows()) == records(rows)
    assert [bundle.row(place) for place in bundle.places] == rows
    assert list(encoded(row for _, row in bundle.rows())) == list(encoded(rows))


@settings(max_examples=40)
@given(st.lists(ROW, min_size=1, max_size=4))
def test_the_verifier_reads_the_same_out_of_a_bundle(rows: list[tuple[object, ...]]) -> None:
    assert list(records_in(zlib.decompress(packed(records(rows))[LENGTH_BYTES:]))) == records(rows)


@settings(max_examples=40)
@given(st.lists(ROW, min_size=1, max_size=3), st.data())
def test_a_bundle_that_was_cut_or_flipped_is_none(rows: list[tuple[object, ...]], data: st.DataObject) -> None:
    made = packed(records(rows))[LENGTH_BYTES:]
    at = data.draw(st.integers(0, len(made) - 1))
    for broken in (made[:at], made[:at] + bytes([made[at] ^ 1]) + made[at + 1 :]):
        with pytest.raises(BundleError):
            list(unpacked(broken).rows())


def test_an_entry_of_a_form_that_is_not_known_is_refused() -> None:
    entry = next(encoded([("a", 1, 1, "fact", "b", "", "", "", "", 1.0, 1.0, 0, "a", "{}")]))

    for wrong in (b"\x02" + entry[1:], entry[:2] + b"\x03" + entry[3:]):
        with pytest.raises(BundleError, match="does not know"):
            decoded(wrong)


def test_a_long_body_that_is_not_the_one_of_its_entry_is_refused() -> None:
    row = ("a", 1, 1, "fact", "b", "", "", "", "", 1.0, 1.0, 0, "a", "x" * (BODY_BYTES_MAX + 1))
    entry = next(encoded([row]))

    assert decoded(entry, row[-1].encode()) == row
    for wrong in (None, b"y" * (BODY_BYTES_MAX + 1), b"x"):
        with pytest.raises(BundleError, match="not the one of its entry"):
            decoded(entry, wrong)


SENDER = st.tuples(st.sampled_from(["ws1", "ws2", "auditor"]), st.integers(1, 3))


@given(st.lists(st.tuples(SENDER, NUMBER, st.booleans(), st.integers(0, 5)), max_size=40))
def test_numbers_give_back_who_wrote_what_of_which_class(
    said: list[tuple[tuple[str, int], int, bool, int]],
) -> None:
    made = Numbers()
    for (actor, incarnation), n, is_letter, retention in said:
        made.add([(actor, incarnation, n, "sent" if is_letter else "fact")], [retention])

    found = list(Numbers.parse(made.packed()))

    assert found == [(*sender, n, retention, is_letter) for sender, n, is_letter, retention in said]


@pytest.mark.parametrize("raw", [b"x", b"\x00\x00\x00\x01x", Numbers().packed()[:-3]])
def test_numbers_that_are_none_are_refused(raw: bytes) -> None:
    with pytest.raises(BundleError):
        Numbers.parse(raw)
