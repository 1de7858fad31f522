"""What is said about sealed fields and their keys: that a subject was erased, that keys were changed or saved.

These are facts of nobody's core: the commands that do it record them in a spool of their own, beside a running hub or
without one.  ``errand``: a random name for what was begun, so that it is recorded once whatever was killed meanwhile.
"""

from pydantic import NonNegativeInt, PositiveInt

from alluse_hub.protocols.keeping import Reason, Who
from alluse_hub.protocols.message import Fact


class SubjectErased(Fact):
    """The keys of this pseudonym are destroyed, and what they sealed can be read by nobody any more.  ``through``: by
    workstream, the number of the last event heard by then; none of those is sealed anew.  ``saved``: when the key store
    was last copied before, seconds since 1970; such a copy may still have the keys."""

    errand: str
    subject: str
    keys: tuple[str, ...]
    by: Who
    reason: Reason
    through: dict[str, NonNegativeInt] = {}
    saved: float | None = None


class KeysRotated(Fact):
    """All ``keys`` keys of subjects are wrapped by another key-encryption key, and the one before is destroyed, unless
    it came from a credential (``is_destroyed`` false): that is whose who gave it."""

    errand: str
    was: str
    now: str
    keys: NonNegativeInt
    by: Who
    is_destroyed: bool = True


class KeysSaved(Fact):
    """The key store was copied, wrapped as it is."""

    keys: NonNegativeInt
    by: Who


class KeysBroughtBack(Fact):
    """A copy of the key store was brought back; ``refused`` of its keys were not: they are of erased subjects."""

    keys: NonNegativeInt
    refused: NonNegativeInt
    by: Who


class SealedOpened(Fact):
    """Somebody had sealed fields shown by a command of the hub.  Who has the keys can read them without it, and then
    nobody is told."""

    by: Who
    command: str
    fields: PositiveInt
