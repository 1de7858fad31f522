"""The veil: declared fields are sealed on their way into a spool, and opened for those who have the keys.

A spool stays on the disk for as long as its actor lives, so what is sealed only in the store would lie open beside it.
Letters between living actors stay as they are: they are in memory, and nowhere else.

Only kinds of messages that can have a declared field are looked at, and of those only bodies with the name of a
declared event in them; all others cost one look at a set.  The tree vouches for the sealed form, so it verifies
whatever becomes of the keys.

A box is bound to its place: actor, incarnation, number of the entry, kind, and the path of the field (as associated
data), so none can be shown in the place of another.  What is worth it is compressed before.

The first bytes of a refused line may be anybody's, and nobody knows whose: where something is declared neither they are
kept, nor a reason that quotes them.
"""

import base64
import errno
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from cryptography.exceptions import InvalidTag
from pydantic import JsonValue
from pydantic_core import from_json, to_json

from alluse_hub.protocols import wire
from alluse_hub.protocols.declared import bears, personal_in
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.personal import (
    MARK,
    PersonalField,
    Rules,
    Said,
    Sealed,
    erased_sentence,
    opened,
    seal_typed,
    without_key_sentence,
)
from alluse_hub.protocols.personal import Path as FieldPath
from alluse_hub.protocols.program import LinesRead
from alluse_hub.protocols.trail import Snapshot
from alluse_hub.protocols.workstream import EventLine, LineRefused, ProgramLine
from alluse_hub.supervision.keyfiles import NONCE_BYTES
from alluse_hub.supervision.keyring import Keyring
from alluse_hub.supervision.spool import Frame, SpoolFullError

COMPRESSED_FROM_BYTES = 128
"""Shorter ones do not become shorter."""

PLAIN, DEFLATED = b"\0", b"\1"
"""First byte of what is in a box: how the JSON after it is written."""

WITHHELD = "(withheld: fields of events are declared personal)"

_OUT_OF_TURN = re.compile(r"an event before the hello|a gap: event \d+ came where \d+ was due")
"""Why a monitor refuses an event out of turn.  Then the beginning is its own, and has nothing but the event's name in
it; what a line looks like tells nothing, since a program may say the same words."""

_OF_A_LINE = re.compile(
    r"not JSON: [a-zA-Z :`,]{1,80} at line \d+ column \d+|a line of \d+ bytes; the limit is \d+"
    r"|seq: \d+ came where \d+ was due|it is no line of the contract \(withheld.*"
)
_OF_A_FIELD = re.compile(r"([a-z_.]+): (?:Field required|(?:Input|String|Number|Dictionary) should [^:]*)")
_FIELDS = frozenset(name for line in get_args(ProgramLine) for name in line.model_fields)
_KINDS = frozenset(kind for line in get_args(ProgramLine) for kind in get_args(line.model_fields["kind"].annotation))

LINES = frozenset({LinesRead.__name__, LineRefused.__name__})

EVENTFUL = {name for name, kind in wire.KINDS.items() if bears(kind, Event) or bears(kind, EventLine)}
"""Messages that can have an event of a workstream in them."""


class Veil:
    """Of one actor."""

    def __init__(self, keyring: Keyring, fields: Sequence[PersonalField]) -> None:
        self.keyring = keyring
        self._rules = Rules(fields)
        self._kinds = {*wire.PERSONAL}
        if self._rules:
            self._kinds |= EVENTFUL | {Snapshot.__name__, LineRefused.__name__}

    # --- into a spool ------------------------------------------------------------------------------------------------

    def sealed(self, frames: Sequence[Frame], actor: str, incarnation: int, n: int) -> Sequence[Frame]:
        """As they may be written; the first of them becomes entry ``n``.  Raises SpoolFullError, TrailError."""
        if not any(frame.message in self._kinds for frame in frames):
            return frames
        return [self._frame(frame, actor, incarnation, at) for at, frame in enumerate(frames, start=n)]

    def _frame(self, frame: Frame, actor: str, incarnation: int, n: int) -> Frame:
        if frame.message not in self._kinds or not frame.body:
            return frame
        has_event = self._rules.may_be_in(frame.body)
        if not has_event and frame.message not in wire.PERSONAL and b'"beginning":' not in frame.body:
            return frame
        body: JsonValue = from_json(frame.body)

        def seal(subject: str, path: FieldPath, value: JsonValue, said: Said | None) -> Sealed:
            return self._box(subject, value, said, _bound(actor, incarnation, n, frame.message, path))

        try:
            if has_event:
                self._rules.seal(body, seal)
            if frame.message in wire.PERSONAL:
                seal_typed(body, personal_in(wire.PERSONAL[frame.message]), seal)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise SpoolFullError(f"disk full: free some space ({self.keyring.folder})") from error
            raise TrailError(f"no key in {self.keyring.folder} to seal a {frame.message} with: {error}") from error
        if self._rules and frame.message in LINES:
            _withhold(body)
        return frame._replace(body=to_json(body))

    def _box(self, subject: str, value: JsonValue, said: Said | None, bound: bytes) -> Sealed:
        pseudonym = self.keyring.pseudonym(subject)
        key = self.keyring.to_seal(pseudonym)
        if said is not None and said.n <= key.not_for.get(said.ws, 0):
            return Sealed(pseudonym, key.id, "")  # the subject was erased since it was said
        plain = to_json(value)
        if len(plain) >= COMPRESSED_FROM_BYTES and len(deflated := zlib.compress(plain)) < len(plain):
            plain = DEFLATED + deflated
        else:
            plain = PLAIN + plain
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(pseudonym, key.id, base64.b64encode(nonce + key.cipher.encrypt(nonce, plain, bound)).decode())

    # --- into the memory of what an actor has in hand -----------------------------------------------------------------

    def shadow(self, kind: str, body: bytes) -> bytes:
        """What a letter may be known by on the disk: itself, or its digest if somebody's data may be in it."""
        if kind not in self._kinds:
            return body
        if not self._rules.may_be_in(body) and kind not in wire.PERSONAL and b'"beginning":' not in body:
            return body
        return self.keyring.digest(body).hex().encode()


class Opener:
    """For readers.  It counts fields: ``opened``, ``erased`` with their subjects, and ``lost``: of those no key is
    here, or they were altered."""

    def __init__(self, keyring: Keyring, *, is_strict: bool = False) -> None:
        """``is_strict``: what cannot be opened stays sealed, instead of a sentence in its place."""
        self._keyring = keyring
        self.is_strict = is_strict
        self._gone = frozenset((each.subject, key) for each in keyring.erased() for key in each.keys)
        self.opened = 0
        self.erased = 0
        self.lost = 0

    def body(self, body: str, actor: str, incarnation: int, n: int, kind: str) -> str:
        """JSON with all that can be opened, and sentences in place of the rest."""
        if MARK not in body:
            return body
        return to_json(self.value(from_json(body), actor, incarnation, n, kind)).decode()

    def value(self, body: JsonValue, actor: str, incarnation: int, n: int, kind: str) -> JsonValue:
        """Raises TrailError if a key cannot be read."""
        return opened(body, lambda path, sealed: self._field(sealed, _bound(actor, incarnation, n, kind, path)))

    def _field(self, sealed: Sealed, bound: bytes) -> JsonValue:
        cipher = self._keyring.to_open(sealed.subject, sealed.key) if sealed.box else None
        if cipher is None:
            is_erased = not sealed.box or (sealed.subject, sealed.key) in self._gone
            self.erased += is_erased
            self.lost += not is_erased
            if self.is_strict:
                return sealed.as_json()
            return erased_sentence(sealed.subject) if is_erased else without_key_sentence(sealed.subject)
        try:
            box = base64.b64decode(sealed.box, validate=True)
            plain = cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], bound)
        except (ValueError, InvalidTag):
            self.lost += 1
            return sealed.as_json() if self.is_strict else f"(altered: subject {sealed.subject})"
        self.opened += 1
        value: JsonValue = from_json(zlib.decompress(plain[1:]) if plain[:1] == DEFLATED else plain[1:])
        return value


def veil_of(home: Path, fields: Sequence[PersonalField]) -> Veil:
    return Veil(Keyring(home), fields)


def _bound(actor: str, incarnation: int, n: int, kind: str, path: FieldPath) -> bytes:
    return "\0".join(("alluse-hub field 1", actor, str(incarnation), str(n), kind, *path)).encode()


def _withhold(body: JsonValue) -> None:
    """Of refused lines their beginnings, and reasons that quote them, in place."""
    if not isinstance(body, dict):
        return
    refused = body.get("refused")
    for each in (body, *(refused if isinstance(refused, list) else ())):
        if isinstance(each, dict) and "beginning" in each and not _OUT_OF_TURN.fullmatch(str(each.get("why"))):
            each["beginning"] = WITHHELD
            if not _quotes_nothing(str(each.get("why"))):
                each["why"] = f"it is no line of the contract {WITHHELD}"


def _quotes_nothing(why: str) -> bool:
    """Whether nothing of what a program said is in a reason for refusing it."""
    if _OF_A_LINE.fullmatch(why):
        return True
    field = _OF_A_FIELD.fullmatch(why)
    return field is not None and {*field[1].split(".")} <= _FIELDS | _KINDS
