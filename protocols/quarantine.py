"""Poisoned letters: what is known of a letter over which its addressee died, and the facts about it."""

from pydantic import NonNegativeInt, PositiveInt

from alluse_hub.protocols.message import Fact, Message


class Death(Message):
    """An incarnation that died with a letter in hand, and that letter's id: each time it is said again it has a new
    one."""

    incarnation: PositiveInt
    letter: str


class Suspect(Message):
    """A letter that may be poisoned, known by who says it, its kind, and the CRC-32 and the length of what it says; of
    what is long, of its beginning.

    ``deaths``: those over it since it was last handled; the latest few.  ``held_at``: hub time since which it is in
    quarantine; None if it is not.
    """

    sender: str
    kind: str
    crc: NonNegativeInt
    size: NonNegativeInt
    deaths: tuple[Death, ...]
    held_at: float | None = None


class Suspects(Message):
    """As an actor leaves them to its next incarnation.  ``version``: of the hub; another may survive them."""

    version: str
    suspects: tuple[Suspect, ...] = ()


class DiedInHand(Fact):
    """The incarnation of ``name`` before this one died while it had a letter in hand, whatever killed it."""

    name: str
    suspect: Suspect


class LetterSetAside(Fact):
    """A letter that its addressee would not survive: it has come again, and is not handled.  ``letter``: its id this
    time; those of the earlier times stand beside the deaths."""

    name: str
    letter: str
    suspect: Suspect
