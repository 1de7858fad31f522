"""What a witness decides: C2SP tlog-witness, the answer to ``add-checkpoint``.

A witness remembers of each log its name, its size and its root, and nothing of what is in it.  It signs a head only if
a proof shows that all it ever signed of that log is the beginning of it; so a log cannot show it one past and somebody
else another.

Pure.
"""

import base64
import re
from collections.abc import Mapping
from typing import NamedTuple

from alluse_hub.actors.auditor.merkle import EMPTY_ROOT, HASH_BYTES, extends
from alluse_hub.actors.auditor.notes import Checkpoint, Note, NoteError, Vkey, decoded

REQUEST_BYTES_MAX = 64_000
PROOF_MAX = 63
"""Steps: as many as the specification allows."""

SIZE_TYPE = "text/x.tlog.size"

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class Log(NamedTuple):
    """One that is witnessed: who signs for it, and the last head of it that was cosigned."""

    keys: tuple[Vkey, ...]
    size: int = 0
    root: bytes = EMPTY_ROOT


class Request(NamedTuple):
    """``old``: the size that the proof begins at."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def __str__(self) -> str:
        steps = "".join(f"{base64.b64encode(step).decode()}\n" for step in self.proof)
        return f"old {self.old}\n{steps}\n{self.note}"

    @classmethod
    def parse(cls, body: bytes) -> "Request":
        """Raises NoteError."""
        try:
            head, gap, note = body.decode().partition("\n\n")
        except UnicodeDecodeError as error:
            raise NoteError("not UTF-8") from error
        first, *steps = head.split("\n")
        old = _OLD.fullmatch(first)
        if not gap or old is None or len(steps) > PROOF_MAX:
            raise NoteError("not `old` and a size, a proof, an empty line and a checkpoint")
        proof = tuple(map(decoded, steps))
        if any(len(step) != HASH_BYTES for step in proof):
            raise NoteError("a step of the proof is no hash")
        return cls(int(old[1]), proof, Note.parse(note))


class Verdict(NamedTuple):
    """An HTTP status and its text.  ``accepted``: to be remembered, and then cosigned."""

    status: int
    text: str
    accepted: Checkpoint | None = None

    @property
    def content_type(self) -> str:
        return SIZE_TYPE if self.status == 409 else "text/plain; charset=utf-8"


def judge(logs: Mapping[str, Log], body: bytes) -> Verdict:
    """The statuses are those of the specification, in its order."""
    try:
        request = Request.parse(body)
        checkpoint = Checkpoint.parse(request.note.text)
    except NoteError as error:
        return Verdict(400, f"{error}\n")
    log = logs.get(checkpoint.origin)
    if log is None:
        return Verdict(404, f"{checkpoint.origin} is not witnessed here\n")
    if not _is_signed(request.note, log):
        return Verdict(403, "not signed by a key of that log\n")
    if request.old > checkpoint.size:
        return Verdict(400, "the old size is above the new one\n")
    if request.old != log.size or (log.size == checkpoint.size and log.root != checkpoint.root):
        return Verdict(409, f"{log.size}\n")
    if not extends(log.size, checkpoint.size, request.proof, log.root, checkpoint.root):
        return Verdict(422, "the proof does not show that the new tree begins with the old one\n")
    return Verdict(200, "", checkpoint)


def _is_signed(note: Note, log: Log) -> bool:
    for key in log.keys:
        try:
            if note.signed_by(key):
                return True
        except NoteError:
            continue
    return False
