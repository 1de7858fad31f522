import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.supervision.parcel import Parcel

MARK = 7

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
counts = st.integers(0, 2**64 - 1)

parcels = st.builds(
    Parcel,
    id=texts,
    sender=texts,
    incarnation=counts,
    to=texts,
    to_incarnation=counts,
    number=counts,
    kind=texts,
    body=st.binary(max_size=100),
    cause=texts,
    correlation=texts,
)

PARCEL = Parcel("a/1/2", "a", 1, "b", 1, 2, "Woken", b"{}", "c", "d")


@given(parcels)
def test_what_is_packed_comes_out_again(parcel: Parcel) -> None:
    packed = parcel.pack(MARK)

    assert packed is not None
    assert packed[0] == MARK
    for seen in (packed, bytearray(packed)):
        again = Parcel.unpack(seen)
        assert again == parcel
        assert type(again) is Parcel
        assert type(again.body) is bytes


@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["nul", "half a surrogate pair"])
def test_a_text_with_such_a_character_cannot_be_packed(text: str) -> None:
    assert PARCEL._replace(cause=text).pack(MARK) is None


@pytest.mark.parametrize("field", [{"cause": None}, {"number": -1}, {"number": 2**64}, {"body": "text"}])
def test_what_cannot_be_written_is_an_error_and_no_text_made_of_it(field: dict[str, Any]) -> None:
    with pytest.raises((TypeError, struct.error)):
        PARCEL._replace(**field).pack(MARK)


@pytest.mark.parametrize("size", [0, 1, 10, 20, 30])
def test_a_parcel_cut_short_is_an_error(size: int) -> None:
    packed = PARCEL.pack(MARK)
    assert packed is not None

    with pytest.raises((ValueError, struct.error)):
        Parcel.unpack(packed[:size])
