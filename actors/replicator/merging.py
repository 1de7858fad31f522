"""Two versions of a data set that have not seen each other: whose content goes on.

Pure functions over contents; who asks whom is in ``diverging``.
"""

from typing import NamedTuple

from pydantic import JsonValue

from alluse_hub.protocols.message import Json
from alluse_hub.protocols.sync import Divergence
from alluse_hub.protocols.versions import CANONICAL, HUB, Version, digest_of, joined

NOTHING = object()


class Whole(NamedTuple):
    """A version with its content, of ``workstream``."""

    workstream: str
    version: Version
    data: Json


class Mended(NamedTuple):
    version: Version
    data: Json
    winner: str
    sentence: str


def mended(policy: Divergence, source: Whole, target: Whole, base: Json | None) -> Mended:
    """A version that covers both, by ``policy``.  ``base``: the content when both were last equal, if that is known."""
    match policy:
        case Divergence.SOURCE_WINS:
            return _won(source, target, source, f"source wins: {source.workstream}'s content stays")
        case Divergence.TARGET_WINS:
            return _won(source, target, target, f"target wins: {target.workstream}'s content goes on")
        case Divergence.NEWEST:
            newer = target if target.version.session > source.version.session else source
            when = f"of session {newer.version.session}" if newer.version.session else "as neither names a session"
            return _won(source, target, newer, f"the newest wins: {newer.workstream}'s content, {when}")
        case Divergence.MERGE:
            return _merged(source, target, base)
        case Divergence.HUMAN:
            raise ValueError("a person decides; nothing is worked out")


def _won(source: Whole, target: Whole, winner: Whole, sentence: str) -> Mended:
    return Mended(_covering(source, target, winner.data), winner.data, winner.workstream, sentence)


def _merged(source: Whole, target: Whole, base: Json | None) -> Mended:
    data: dict[str, JsonValue] = {}
    clashes: list[str] = []
    for field in sorted({*source.data, *target.data}):
        ours, theirs = source.data.get(field, NOTHING), target.data.get(field, NOTHING)
        was = NOTHING if base is None else base.get(field, NOTHING)
        chosen = ours
        if ours != theirs:
            if base is not None and ours == was:
                chosen = theirs
            elif base is None and ours is NOTHING:
                chosen = theirs  # nobody knows what was: nothing is taken away
            elif base is None or theirs != was:
                clashes.append(field)
        if chosen is not NOTHING:
            data[field] = chosen  # type: ignore[assignment]  # a value of one of the two contents
    told = f"; both changed {', '.join(clashes[:5])}: {source.workstream}'s stays" if clashes else ""
    unknown = "" if base is not None else " (what they had in common is not known)"
    sentence = f"merged field by field{unknown}{told}"
    return Mended(_covering(source, target, data), data, "", sentence)


def _covering(source: Whole, target: Whole, data: Json) -> Version:
    vector = joined(source.version.vector, target.version.vector)
    return Version(
        vector={**vector, HUB: vector.get(HUB, 0) + 1},
        digest=digest_of(data),
        bytes=len(CANONICAL.encode(data)),
        records=len(data),
        form=max(source.version.form, target.version.form),
        session=max(source.version.session, target.version.session),
    )
