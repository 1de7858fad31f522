"""What a workstream may say, byte by byte."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alluse_hub.actors.monitor.intake import BEGINNING_CHARS, Sequence, judge, too_long
from alluse_hub.actors.monitor.shim import held
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.program import Refusal
from alluse_hub.protocols.workstream import LINE_BYTES_MAX, EventLine, Heartbeat, Hello, Log, Reply

HEAD = {"ws": "ws9", "seq": 1, "t": 0.5}


def line(**more: Any) -> bytes:
    return json.dumps(HEAD | more).encode()


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (line(kind="hello", name="Nine", version="1", pid=7), Hello),
        (line(kind="heartbeat"), Heartbeat),
        (line(kind="event", n=1, event="moved", payload={"by": [1, None, "x"]}), EventLine),
        (line(kind="reply", id="k", ok=True, result=[1]), Reply),
        (line(kind="log", text="word", more="is let through"), Log),
    ],
)
def test_what_fits_the_contract_is_taken(raw: bytes, kind: type[Message]) -> None:
    assert type(judge(raw, "ws9")) is kind


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"Traceback (most recent call last):", "not JSON"),
        (b'{"ws":"ws9"', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (line(kind="log", text="x").replace(b'"x"', b'"\xff"'), "not JSON"),
        (b"[1,2]", "object"),
        (b"null", "object"),
        (b"[" * 100_000, "recursion"),
        (line(kind="shout"), "tag 'shout'"),
        (line(), "kind"),
        (line(kind="event", event="moved"), "event.n: Field required"),
        (line(kind="event", n=0, event="moved"), "event.n"),
        (line(kind="event", n="1", event="moved"), "event.n"),
        (line(kind="event", n=1, event=""), "event.event"),
        (line(kind="event", n=1, event="moved", payload=[1]), "event.payload"),
        (line(kind="reply", id="k", ok=1), "reply.ok"),
        (line(kind="event", n=1, event="moved", payload={"x": float("nan")}), "not JSON"),
        (line(kind="event", n=1, event="moved", payload={"x": 1}).replace(b'"x": 1', b'"x": 1e999'), "finite"),
        (line(kind="heartbeat", ws="ws4"), "signed 'ws4', not 'ws9'"),
    ],
)
def test_what_breaks_the_contract_is_refused_with_the_reason(raw: bytes, why: str) -> None:
    refusal = judge(raw, "ws9")

    assert isinstance(refusal, Refusal)
    assert why in refusal.why


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_judged_and_what_is_kept_of_them_is_short_and_printable(raw: bytes) -> None:
    judged = judge(raw, "ws9")

    assert isinstance(judged, Refusal)
    assert len(judged.beginning) <= BEGINNING_CHARS
    assert judged.beginning.isprintable()


def test_a_line_that_is_too_long_says_how_long() -> None:
    assert "2000000 bytes; the limit is 1000000" in too_long(2_000_000, b"{").why
    assert isinstance(judge(b"x" * (LINE_BYTES_MAX + 1), "ws9"), Refusal)


def test_shim_and_contract_agree_on_the_longest_line() -> None:
    assert held.LINE_BYTES_MAX == LINE_BYTES_MAX


def beat(seq: int) -> Heartbeat:
    return Heartbeat(ws="ws9", seq=seq, t=0.0, kind="heartbeat")


def test_lines_in_sequence_are_in_order_from_any_first() -> None:
    sequence, refusal = Sequence().take(beat(41))
    assert refusal is None
    _, refusal = sequence.take(beat(42))

    assert refusal is None


def test_a_jump_in_the_sequence_is_told_once() -> None:
    sequence, _ = Sequence().take(beat(1))
    sequence, refusal = sequence.take(beat(3))
    assert refusal is not None
    assert refusal.why == "seq: 3 came where 2 was due"
    _, refusal = sequence.take(beat(4))

    assert refusal is None
