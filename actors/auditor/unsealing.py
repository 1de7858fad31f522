"""Sealed fields on the way to those who may read them.

An actor that recovers and a replay need what was said as it was said; a person who looks at a state of the past need
not.  So there are two ways to read: with the keys, and with a sentence in the place of each sealed field.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic_core import from_json, to_json

from alluse_hub.actors.auditor.left import LeftFact
from alluse_hub.protocols.personal import MARK, has_sealed, opened, sealed_sentence
from alluse_hub.protocols.whole import NotWholeError

if TYPE_CHECKING:
    from alluse_hub.supervision.veil import Opener


class Reading(Protocol):
    """``opened``: how many fields were shown as they were said.  ``is_strict``: what cannot be stays sealed, and
    whoever needs it is told."""

    opened: int
    is_strict: bool

    def body(self, body: str, actor: str, incarnation: int, n: int, kind: str) -> str: ...


class Sentences:
    """Without any key."""

    opened = 0
    is_strict = False

    def body(self, body: str, actor: str, incarnation: int, n: int, kind: str) -> str:  # noqa: ARG002  # as Reading
        if MARK not in body:
            return body
        return to_json(opened(from_json(body), sealed_sentence)).decode()


def with_keys(home: Path, *, is_strict: bool = False) -> "Opener":
    """``is_strict``: what cannot be opened stays as it is.  Raises TrailError for keys that cannot be read."""
    from alluse_hub.supervision.keyring import Keyring  # noqa: PLC0415  # brings cryptography, which most never need
    from alluse_hub.supervision.veil import Opener  # noqa: PLC0415  # as above

    return Opener(Keyring(home), is_strict=is_strict)


def unsealed(reading: Reading, actor: str, facts: Iterable[LeftFact]) -> list[LeftFact]:
    """Raises NotWholeError where the reading is strict, and something cannot be opened."""
    found = []
    for fact in facts:
        if MARK in fact.body:
            body = reading.body(fact.body, actor, fact.incarnation, fact.n, fact.message)
            if reading.is_strict:
                refuse_sealed(body, f"{actor}/{fact.incarnation}/{fact.n}")
            fact = fact._replace(body=body)  # noqa: PLW2901  # the same fact, as it may be read
        found.append(fact)
    return found


def for_recovery(home: Path, actor: str, facts: Iterable[LeftFact]) -> list[LeftFact]:
    """With the keys; where a subject was erased, or its key is lost, life goes on with a sentence in its place."""
    found = list(facts)
    if not any(MARK in fact.body for fact in found):
        return found
    return unsealed(with_keys(home), actor, found)


def refuse_sealed(body: str, whose: str) -> None:
    """Raises NotWholeError for what could not be opened: nothing can be decided on it again."""
    if MARK in body and has_sealed(from_json(body)):
        raise NotWholeError(f"{whose} has a sealed field that nobody can open here: its subject was erased, or no key")
