"""Messages and the letters that carry them.

A *message* is what is said: a frozen pydantic model.  A *letter* (``Envelope``) is a message on its way, with sender,
addressee, the time, and the id of the letter that caused it; so all letters together form a causal tree.  Ids are
``actor/incarnation/n``: no randomness, no clock, unique as long as no incarnation of an actor is used twice.
"""

from dataclasses import dataclass
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

Json = dict[str, JsonValue]
"""A JSON object as it came from outside."""


class Message(BaseModel):
    """Anything one part may say to another, and every fact in the trail.  Its kind on the wire is its class name."""

    # An error names the field and never what was given: it may be a secret, or somebody's, and errors are recorded.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    def for_trail(self) -> "Message":
        """How the message stands in the trail: itself, unless its bulk is already there under ids of its own."""
        return self


M = TypeVar("M", bound=Message)


def built(kind: type[M], fields: dict[str, Any]) -> M:
    """A message of all its fields, which are known to be right: nothing is looked at, and the dictionary is kept.

    A fifth of what ``model_construct`` takes, which looks for defaults and aliases, and so is slower than validation.
    """
    made = object.__new__(kind)
    put = object.__setattr__  # messages are frozen
    put(made, "__dict__", fields)
    put(made, "__pydantic_fields_set__", set(fields))
    put(made, "__pydantic_extra__", None)
    put(made, "__pydantic_private__", None)
    return made


class Fact(Message):
    """What happened.  Only facts change the durable state of an actor, and all of them are in the trail."""


@dataclass(frozen=True, slots=True, order=True)
class EntryId:
    """One entry of the trail: the ``n``-th of the ``incarnation``-th life of ``actor``; both count from 1."""

    actor: str
    incarnation: int
    n: int

    def __str__(self) -> str:
        return f"{self.actor}/{self.incarnation}/{self.n}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError unless ``text`` reads ``actor/incarnation/n``."""
        actor, incarnation, n = text.rsplit("/", 2)
        return cls(actor, int(incarnation), int(n))


@dataclass(frozen=True, slots=True)
class Envelope:
    """A letter in the hands of its addressee.

    ``id``: the entry that recorded the sending; for timers, answers of jobs and words from outside, the receipt itself.
    ``cause``: the letter whose handling led to this one; ``correlation``: the first of that chain.  Both as text ids,
    empty where there is none.  ``at``: hub time of the handling, in seconds; the only time a core ever sees.
    """

    id: str
    sender: str
    to: str
    body: Message
    at: float
    cause: str = ""
    correlation: str = ""
