"""Signed notes, checkpoints and cosignatures, byte for byte as C2SP has them.

signed-note v1.0.0: a text, an empty line, then a line per signature, ``— name base64(key id, signature)``, the key id
being the first four bytes of SHA-256 over name, newline, the kind of signature and the public key.  tlog-checkpoint
v1.0.0: the text is origin, size and root of a log.  tlog-cosignature v1: a witness signs the text behind a line with
its time.  Public keys are written ``name+hash+key`` and secret ones ``PRIVATE+KEY+name+hash+key``, as Go does.

Pure, but for OpenSSL's arithmetic behind ``cryptography``.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from alluse_hub.actors.auditor.merkle import HASH_BYTES

ED25519 = 1
COSIGNATURE = 4
"""Kinds of signature: over the text, and over the text with a time before it."""

NOTE_BYTES_MAX = 100_000
SIGNATURES_MAX = 64
"""C2SP asks for 16 or more to be taken."""

SIZE_MAX = 2**63 - 1

_SIGNED = "\u2014 "
_SKEY = "PRIVATE+KEY+"
_NAME = re.compile(r"[^\s+\x00-\x1f]{1,200}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteError(ValueError):
    """Not in the form, or not signed by whom it should be; the text says what."""


class Signature(NamedTuple):
    """One line under a note.  ``key_id`` tells the key and the kind of its signature."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_SIGNED}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Without its newline."""
        name, space, rest = line.removeprefix(_SIGNED).partition(" ")
        if not line.startswith(_SIGNED) or not space or not _NAME.fullmatch(name):
            raise NoteError(f"{line[:80]!r} is no line of a signature")
        raw = decoded(rest)
        if len(raw) <= 4:
            raise NoteError(f"the signature of {name} is empty")
        return cls(name, raw[:4], raw[4:])


@dataclass(frozen=True, slots=True)
class Note:
    """``text`` ends with a newline.  Nothing in it counts before a signature has been verified."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    @classmethod
    def parse(cls, note: str) -> Self:
        """Raises NoteError."""
        if len(note) > NOTE_BYTES_MAX or any(char < " " and char != "\n" for char in note):
            raise NoteError("no note: too long, or with control characters")
        text, gap, below = note.rpartition("\n\n")
        if not gap or not text or not below.endswith("\n"):
            raise NoteError("no note: a text, an empty line and signatures, each line ended")
        lines = below.removesuffix("\n").split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise NoteError(f"{len(lines)} signatures; {SIGNATURES_MAX} are looked at")
        return cls(text + "\n", tuple(map(Signature.parse, lines)))

    def with_more(self, more: Iterable[Signature]) -> Self:
        new = [line for line in more if line not in self.signatures]
        return type(self)(self.text, (*self.signatures, *new))

    def signed_by(self, key: "Vkey") -> list[Signature]:
        """The valid signatures of this key.  Raises NoteError for one that claims to be and is not."""
        own = [line for line in self.signatures if (line.name, line.key_id) == (key.name, key.id)]
        for line in own:
            if not key.verifies(self.text, line.signature):
                raise NoteError(f"the signature of {key.name} is not that of this text")
        return own


@dataclass(frozen=True, slots=True)
class Vkey:
    """A public key as others are given it."""

    name: str
    key: bytes
    kind: int = ED25519

    @property
    def id(self) -> bytes:
        return sha256(b"%b\n%c%b" % (self.name.encode(), self.kind, self.key)).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.key).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises NoteError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = decoded(encoded)
        if not _NAME.fullmatch(name) or len(raw) != 33 or raw[0] not in {ED25519, COSIGNATURE}:
            raise NoteError(f"{text[:80]!r} is no public key: name+hash+key, of Ed25519")
        key = cls(name, raw[1:], raw[0])
        if key.id.hex() != key_id:
            raise NoteError(f"{text[:80]!r} does not have the hash of its key: mistyped?")
        return key

    def verifies(self, text: str, signature: bytes) -> bool:
        if self.kind == COSIGNATURE:
            at, signature = int.from_bytes(signature[:8]), signature[8:]
            if at > SIZE_MAX:
                return False
            text = cosigned(text, at)
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Signer:
    """Holds a secret key; ``kind`` COSIGNATURE is a witness's."""

    def __init__(self, name: str, seed: bytes, kind: int = ED25519) -> None:
        if not _NAME.fullmatch(name):
            raise NoteError(f"{name!r} is no name for a key: no spaces, no '+'")
        self._secret = Ed25519PrivateKey.from_private_bytes(seed)
        self._seed = seed
        self.vkey = Vkey(name, self._secret.public_key().public_bytes_raw(), kind)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises NoteError, with nothing of the key in it."""
        name, _, rest = text.strip().removeprefix(_SKEY).partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            raw = decoded(encoded)
        except NoteError:
            raw = b""
        if not text.startswith(_SKEY) or len(raw) != 33 or raw[0] not in {ED25519, COSIGNATURE}:
            raise NoteError("no secret key")
        made = cls(name, raw[1:], raw[0])
        if made.vkey.id.hex() != key_id:
            raise NoteError("a secret key that does not fit its hash")
        return made

    def secret(self) -> str:
        """What goes into a file closed to others, and nowhere else."""
        kind = bytes([self.vkey.kind])
        return f"{_SKEY}{self.vkey.name}+{self.vkey.id.hex()}+{base64.b64encode(kind + self._seed).decode()}\n"

    def sign(self, text: str, at: int = 0) -> Signature:
        """``at``: seconds since 1970, of a cosignature only."""
        vkey = self.vkey
        if vkey.kind == COSIGNATURE:
            return Signature(vkey.name, vkey.id, at.to_bytes(8) + self._secret.sign(cosigned(text, at).encode()))
        return Signature(vkey.name, vkey.id, self._secret.sign(text.encode()))


class Checkpoint(NamedTuple):
    """The head of a log: its name, how many leaves, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises NoteError.  Lines below the third are somebody else's and are let be."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines) or not _NUMBER.fullmatch(lines[1]):
            raise NoteError("no checkpoint: origin, size and root, a line each")
        size, root = int(lines[1]), decoded(lines[2])
        if len(root) != HASH_BYTES or size > SIZE_MAX:
            raise NoteError("no checkpoint: its size or root cannot be")
        return cls(lines[0], size, root)


def cosigned(text: str, at: int) -> str:
    """What a witness signs."""
    return f"cosignature/v1\ntime {at}\n{text}"


def decoded(text: str) -> bytes:
    """Base 64 as it is written, and in no other way.  Raises NoteError."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError(f"{text[:80]!r} is not base 64") from error
    if base64.b64encode(raw).decode() != text:
        raise NoteError(f"{text[:80]!r} is base 64 that others would write in another way")
    return raw
