"""JSON lines, strictly: one object a line, UTF-8, no NaN, bounded.

Both ends of the link between hub and workstream speak RFC 8259 JSON, one value a line (ndjson).  Python's ``json``
lets NaN and Infinity through by default; here they are refused on both ways, because other readers choke on them and
because a digest over them means nothing.

Pure.
"""

import json
from hashlib import sha256
from typing import Any, NoReturn

JsonObject = dict[str, Any]  # Any: what json.loads gives; readers.Reading checks each value before it is used

LINE_IN_MAX = 8_000_000
"""Bytes of one line that a program accepts: a session's events are some 10 kB, so this is 800 times the usual."""

LINE_OUT_MAX = 1_000_000
"""Bytes of one line that a program writes; the hub refuses longer ones (protocols/workstream.py)."""


class MalformedLineError(ValueError):
    """The line is not one strict JSON object; the text says why."""


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(parse_constant=refuse_constant)
ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
CANONICAL = json.JSONEncoder(separators=(",", ":"), allow_nan=False, sort_keys=True)


def parse(line: bytes) -> JsonObject:
    """The object on ``line``, which may end in a line feed."""
    if len(line) > LINE_IN_MAX:
        raise MalformedLineError(f"line of {len(line)} bytes refused; the longest accepted has {LINE_IN_MAX}")
    try:
        value = DECODER.decode(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedLineError(f"not UTF-8: {error}") from error
    except (ValueError, RecursionError) as error:
        raise MalformedLineError(f"not strict JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedLineError(f"a line holds one JSON object, not a {type(value).__name__}")
    return value


def encode(body: JsonObject) -> bytes:
    """``body`` as a line.  Raises ValueError or TypeError for what JSON cannot say, ValueError if it is too long."""
    line = ENCODER.encode(body).encode("ascii") + b"\n"
    if len(line) > LINE_OUT_MAX:
        raise ValueError(f"{len(line)} bytes are more than the {LINE_OUT_MAX} of one line")
    return line


def digest(value: JsonObject) -> str:
    """SHA-256 of the canonical form (sorted keys, no spaces, ASCII escapes), in hex."""
    return sha256(CANONICAL.encode(value).encode("ascii")).hexdigest()
