"""Intake: what a workstream may say.  The one place where its bytes become messages.

A line is one JSON object in UTF-8 that fits the contract of ``protocols/workstream.py`` and is said under the
workstream's own name.  Anything else is refused with a sentence and its beginning, so that its author can mend it; it
costs the workstream an error and nobody else anything.

Pure.
"""

from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import from_json

from alluse_hub.protocols.program import Refusal
from alluse_hub.protocols.program_claims import SAID
from alluse_hub.protocols.workstream import (
    LINE_BYTES_MAX,
    PROGRAM_LINE,
    ClaimLine,
    EventLine,
    ProgramLine,
    WithdrawLine,
)

BEGINNING_CHARS = 200
"""How much of a refused line is kept."""


def beginning(raw: bytes) -> str:
    """As printable text: what is no UTF-8, and what would move a terminal's cursor, is escaped."""
    text = raw[:BEGINNING_CHARS].decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)[
        :BEGINNING_CHARS
    ]


def too_long(length: int, start: bytes) -> Refusal:
    return Refusal(why=f"a line of {length} bytes; the limit is {LINE_BYTES_MAX}", beginning=beginning(start))


def judge(raw: bytes, workstream: str) -> ProgramLine | Refusal:
    """The line as a message, or why it is none.  ``raw`` comes without its line feed."""
    if len(raw) > LINE_BYTES_MAX:
        return too_long(len(raw), raw)
    try:
        line = PROGRAM_LINE.validate_python(from_json(raw, allow_inf_nan=False), strict=True)
    except ValidationError as error:
        return Refusal(why=_sentence(error), beginning=beginning(raw))
    except ValueError as error:
        return Refusal(why=f"not JSON: {error}", beginning=beginning(raw))
    if line.ws != workstream:
        return Refusal(why=f"it is signed {line.ws[:48]!r}, not {workstream!r}", beginning=beginning(raw))
    if isinstance(line, EventLine) and line.event in SAID:
        return Refusal(
            why=f"event: {line.event!r} is said by a line of kind claim or withdraw", beginning=beginning(raw)
        )
    if isinstance(line, ClaimLine | WithdrawLine):
        return line.as_event
    return line


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Whether the lines of one start of a program come without gaps.  ``due``: the next number; 0 before the first,
    and after a refused line, which may have carried any.
    """

    due: int = 0

    def take(self, line: ProgramLine) -> tuple["Sequence", Refusal | None]:
        """The line is used either way: what it says is numbered or named again inside."""
        after = Sequence(line.seq + 1)
        if self.due in {0, line.seq}:
            return after, None
        why = f"seq: {line.seq} came where {self.due} was due"
        return after, Refusal(why=why, beginning=f"{line.kind} {line.seq}")
