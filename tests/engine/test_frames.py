from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.supervision.engine.frames import (
    HEADER,
    LARGE_BYTES,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    distance,
    header,
)

LIMIT = 4 * LARGE_BYTES


def wire(*payloads: bytes) -> bytes:
    return b"".join(header(Kind.MESSAGE, len(payload), 7, 1, 2) + payload for payload in payloads)


def read(reader: FrameReader, pieces: list[bytes]) -> list[bytes]:
    """As a link reads: into the reader's own buffer while it has one."""
    found: list[Frame] = []
    for piece in pieces:
        rest = piece
        while rest:
            room = reader.room()
            if room is None:
                found += reader.feed(rest)
                break
            taken, rest = rest[: len(room)], rest[len(room) :]
            room[: len(taken)] = taken
            found += reader.filled(len(taken))
    return [bytes(frame.payload) for frame in found]


def trusting() -> FrameReader:
    reader = FrameReader(128)
    reader.trust(LIMIT)
    return reader


@given(
    payloads=st.lists(
        st.one_of(st.binary(max_size=50), st.integers(LARGE_BYTES - 1, LARGE_BYTES + 1).map(lambda n: b"x" * n)),
        max_size=6,
    ),
    cuts=st.lists(st.integers(0, 7 * LARGE_BYTES), max_size=8),
)
def test_frames_come_out_whole_and_in_order_wherever_the_stream_is_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = wire(*payloads)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})

    assert read(trusting(), [stream[a:b] for a, b in pairwise(edges)]) == payloads


def test_a_header_carries_count_kind_and_requests() -> None:
    [frame] = trusting().feed(header(Kind.CONTROL, 2, 2**32 + 5, 3, 4) + b"ab")

    assert frame == Frame(Kind.CONTROL, 5, 3, 4, b"ab")


@pytest.mark.parametrize("announced", [LIMIT + 1, 2**31, 2**32 - 1])
def test_a_frame_above_the_limit_is_refused_before_anything_is_allocated(announced: int) -> None:
    with pytest.raises(FrameError, match="announced"):
        trusting().feed(HEADER.pack(announced, 0, Kind.MESSAGE, 0, 0))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(FrameError, match="kind"):
        trusting().feed(HEADER.pack(0, 0, 99, 0, 0))


def test_until_the_peer_is_trusted_only_one_small_frame_is_given_out() -> None:
    reader = FrameReader(128)

    [first] = reader.feed(wire(b"hello", b"x" * LARGE_BYTES))
    reader.trust(LIMIT)

    assert first.payload == b"hello"
    assert [len(frame.payload) for frame in reader.feed(b"")] == [LARGE_BYTES]


@given(start=st.integers(0, 2**32 - 1), step=st.integers(0, 10_000))
def test_counts_wrap_round(start: int, step: int) -> None:
    assert distance((start + step) % 2**32, start) == step
