"""What a target's answer proves: all of a version, so many of its records, or nothing.

A digest that was worked out from what is stored proves all of it.  A sample proves the records that are in it, and the
number of all; what it leaves out is proved by the next comparison, which is always of digests of the whole.  So a
sample is counted as a sample and never as the whole.  A program that knows nothing of samples answers with the digest
of the whole, and has proved that.
"""

from typing import NamedTuple

from alluse_hub.protocols.message import Json
from alluse_hub.protocols.sync import Sync
from alluse_hub.protocols.versions import Held, Order, Version, digest_of, order_of, sample_of


class Proof(NamedTuple):
    """``sampled``: by so many records, 0 by all of them.  ``why``: what lacks, if the digest is right all the same."""

    is_good: bool
    sampled: int = 0
    why: str = ""


NONE = Proof(is_good=False)


def sample_for(sync: Sync, data: Json) -> int:
    """Records to be drawn; 0 for all of them, which a sample that is not smaller comes to."""
    return sync.sample if sync.sample < len(data) else 0


def proof_of(sync: Sync, version: Version, data: Json | None, held: Held) -> Proof:
    """``data``: the content of ``version``, if it is here."""
    if order_of(held.version.vector, version.vector) is not Order.EQUAL or held.version.digest != version.digest:
        return NONE
    sample = 0 if data is None else sample_for(sync, data)
    if sample and data is not None and held.sample:
        expected = digest_of(sample_of(data, version.vector, version.digest, sample))
        if held.sample != expected or held.version.records != len(data):
            return NONE
        return Proof(is_good=True, sampled=sample)
    if sync.verify == "count+digest" and data is not None and held.version.records != len(data):
        why = f"it counts {held.version.records} records of {len(data)}, though the digest is the same"
        return Proof(is_good=False, why=why)
    return Proof(is_good=True)
