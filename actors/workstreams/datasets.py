"""Data sets: what a workstream shares, and its copies of what others share.

A copy is its canonical text with a version vector.  Whoever asks for its digest gets it worked out anew from that text,
so that the answer tells what is stored and not what was once sent.  To store the same version again changes nothing; an
older one is not taken; one that has not seen what stands here is told apart as *diverged*, never overwritten.

Copies live in the snapshot and are stored by a journaled command, so that a handler that reads one reads the same when
the journal is run again.  The other side of this, and what the hub makes of it: ``protocols/versions.py``.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from heapq import nsmallest
from typing import NamedTuple

from .lines import CANONICAL, DECODER, JsonObject
from .readers import Reading, RefusedError

CONTENT_BYTES_MAX = 256_000
"""Of one data set in canonical JSON."""

DATASETS_MAX = 1_000
"""Copies that one workstream keeps."""

ANSWERED_MAX = 64
"""Data sets in one question or order."""

ANSWER_BYTES_MAX = 600_000
"""Contents in one answer, so that its line stays below its bound; what does not fit is asked for again."""

Take = Callable[[JsonObject], None]


class Copy(NamedTuple):
    vector: dict[str, int]
    text: str
    form: int = 1
    session: str = ""

    @property
    def digest(self) -> str:
        return sha256(self.text.encode("ascii")).hexdigest()

    @property
    def content(self) -> JsonObject:
        content: JsonObject = DECODER.decode(self.text)
        return content

    @property
    def version(self) -> JsonObject:
        return self._version(self.digest, self.content)

    def sampled(self, digest: str, count: int) -> JsonObject:
        """The version under the digest it was told by, and the digest of ``count`` records as they stand here."""
        content = self.content
        sample = sample_digest(content, self.vector, digest, count)
        return {"version": self._version(digest, content), "sample": sample}

    def _version(self, digest: str, content: JsonObject) -> JsonObject:
        return {
            "vector": self.vector,
            "digest": digest,
            "bytes": len(self.text),
            "records": len(content),
            "form": self.form,
            "session": self.session,
        }


def sample_digest(content: JsonObject, vector: Mapping[str, int], digest: str, count: int) -> str:
    """Of ``count`` records, those of which the SHA-256 of ``VECTOR DIGEST NAME`` is the least."""
    salt = f"{CANONICAL.encode(dict(vector))} {digest} "
    names = nsmallest(count, content, key=lambda name: sha256(f"{salt}{name}".encode()).digest())
    return sha256(CANONICAL.encode({name: content[name] for name in names}).encode("ascii")).hexdigest()


NOTHING: JsonObject = {"vector": {}, "digest": "", "bytes": 0, "records": 0, "form": 1, "session": ""}


def is_covered(mine: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether ``other`` contains all that ``mine`` does."""
    return all(count <= other.get(writer, 0) for writer, count in mine.items())


class Shelf:
    """All data sets of one workstream.  ``takers``: by name, who in it takes over what others have made."""

    def __init__(self, ws: str) -> None:
        self.ws = ws
        self.copies: dict[str, Copy] = {}
        self._unsaid: dict[str, None] = {}

    def publish(self, name: str, content: JsonObject, session: str, form: int = 1) -> bool:
        """Make ``content`` the new version; False if it is what stands there.  Raises ValueError if it is too long."""
        text = CANONICAL.encode(content)
        held = self.copies.get(name)
        if held is not None and held.text == text and held.form == form:
            return False
        if len(text) > CONTENT_BYTES_MAX:
            raise ValueError(f"{name} has {len(text)} bytes; a data set has at most {CONTENT_BYTES_MAX}")
        before = {} if held is None else held.vector
        self.copies[name] = Copy({**before, self.ws: before.get(self.ws, 0) + 1}, text, form, session)
        self._unsaid[name] = None
        return True

    def unsaid(self) -> JsonObject:
        """Versions published since this was last asked."""
        told = {name: self.copies[name].version for name in self._unsaid}
        self._unsaid.clear()
        return told

    def version(self, name: str) -> JsonObject:
        held = self.copies.get(name)
        return dict(NOTHING) if held is None else held.version

    # --- what the hub asks ------------------------------------------------------------------------------------------

    def offered(self, name: str, vector: Mapping[str, int], digest: str) -> JsonObject:
        held = self.copies.get(name)
        return {"outcome": self._judge(held, vector, digest), "version": self.version(name)}

    def store(self, name: str, offer: Reading, take: Take | None, *, is_own: bool) -> JsonObject:
        """Keep the version that ``offer`` holds, if it is later than what stands here.  A workstream does not let its
        own data set be changed by others unless it takes that over.  Where a sample is asked for, the digest of the
        whole is not worked out, now."""
        vector, digest, content = vector_in(offer), offer.text("digest"), offer.object("data").body
        text = CANONICAL.encode(content)
        copy = Copy(vector, text, offer.whole("form", 1, least=1), offer.text("session", ""))
        sample = offer.whole("sample", 0, least=0)
        if not sample and copy.digest != digest:
            return self._refused(name, f"the content has the digest {copy.digest[:16]}, not {digest[:16]}")
        if len(text) > CONTENT_BYTES_MAX:
            return self._refused(name, f"{len(text)} bytes; at most {CONTENT_BYTES_MAX} are kept")
        held = self.copies.get(name)
        if held is None and len(self.copies) >= DATASETS_MAX:
            return self._refused(name, f"{DATASETS_MAX} data sets are kept here already")
        outcome = self._judge(held, vector, digest)
        if outcome != "want":
            return {"outcome": outcome, "version": self.version(name)}
        if held is None or held.text != text:
            if is_own and take is None:
                return self._refused(name, f"{self.ws} shares {name} itself and takes no other's (take_{name})")
            if take is not None:
                try:
                    take(copy.content)
                except RefusedError as error:
                    return self._refused(name, str(error))
        self.copies[name] = copy
        self._unsaid.pop(name, None)
        if sample:
            return {"outcome": "applied", **copy.sampled(digest, sample)}
        return {"outcome": "applied", "version": self.version(name)}

    def told(self, name: str) -> JsonObject:
        return {"outcome": "have", "version": self.version(name)}

    def shown(self, name: str) -> JsonObject:
        held = self.copies.get(name)
        return self.told(name) if held is None else {**self.told(name), "data": held.content}

    def _judge(self, held: Copy | None, vector: Mapping[str, int], digest: str) -> str:
        if held is None:
            return "want"
        if is_covered(vector, held.vector):
            is_same = is_covered(held.vector, vector)
            return "want" if is_same and held.digest != digest else "have"
        return "want" if is_covered(held.vector, vector) else "diverged"

    def _refused(self, name: str, why: str) -> JsonObject:
        return {"outcome": "refused", "version": self.version(name), "why": why}

    # --- kept -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> JsonObject:
        return {name: list(copy) for name, copy in self.copies.items()}

    def restore(self, state: JsonObject) -> None:
        self.copies = {name: Copy(dict(kept[0]), *kept[1:]) for name, kept in state.items()}
        self._unsaid.clear()


def vector_in(offer: Reading) -> dict[str, int]:
    vector = offer.object("vector")
    return {writer: vector.whole(writer, least=1) for writer in vector.body}
