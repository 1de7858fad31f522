"""A parcel: a letter between two actors of the hub, as it travels.

The message stays encoded from the sender's spool to the receiver's hands.  Parcels are most of what the hub's actors
say to each other, so they have a form of their own, which is cheaper than a pickle and says nothing but texts, numbers
and bytes: a head of fixed size, the texts with a NUL between them, the body.

Pure.
"""

from struct import Struct
from typing import NamedTuple, Self

HEAD = Struct("<BIQQQ")
"""The mark of the form, bytes of text, the two incarnations, the number."""

NUL = "\0"
TEXTS = 6


class Parcel(NamedTuple):
    """``number`` counts the letters between this pair of incarnations from 1.  A tuple, because it is made, packed and
    taken apart for every letter.
    """

    id: str
    sender: str
    incarnation: int
    to: str
    to_incarnation: int
    number: int
    kind: str
    body: bytes
    cause: str
    correlation: str

    def __str__(self) -> str:  # Thespian makes texts for logs that are off
        return self.kind

    def addressed(self, to_incarnation: int, number: int) -> Self:
        """To this incarnation, as that letter of the pair.  As ``_replace``, for a third of what it takes."""
        name, sender, incarnation, to, _, _, kind, body, cause, correlation = self
        return tuple.__new__(
            type(self), (name, sender, incarnation, to, to_incarnation, number, kind, body, cause, correlation)
        )

    def pack(self, mark: int) -> bytes | None:
        """As bytes, of which the first is ``mark``; None if a text has a NUL or half a surrogate pair in it.

        Raises struct.error and TypeError where a field is not what it should be.
        """
        name, sender, incarnation, to, to_incarnation, number, kind, body, cause, correlation = self
        try:
            text = NUL.join((name, sender, to, kind, cause, correlation)).encode()
        except UnicodeEncodeError:
            return None
        if text.count(0) != TEXTS - 1:
            return None
        return b"".join((HEAD.pack(mark, len(text), incarnation, to_incarnation, number), text, body))

    @classmethod
    def unpack(cls, packed: bytes | bytearray) -> Self:
        """What was packed.  Raises ValueError or struct.error where that cannot be."""
        _, size, incarnation, to_incarnation, number = HEAD.unpack_from(packed)
        end = HEAD.size + size
        name, sender, to, kind, cause, correlation = packed[HEAD.size : end].decode().split(NUL)
        # A slice of bytes is bytes; a large parcel comes as a bytearray, of which a second copy would count.
        body = packed[end:] if type(packed) is bytes else bytes(memoryview(packed)[end:])
        # As cls(...), without the Python code that a named tuple has for that.
        return tuple.__new__(
            cls, (name, sender, incarnation, to, to_incarnation, number, kind, body, cause, correlation)
        )
