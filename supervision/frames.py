"""A fact as its actor hands it to the spool."""

from alluse_hub.protocols import wire
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame


def fact_frame(fact: Fact, cause: str = "", correlation: str = "", *, power: bool = False) -> Frame:
    body = wire.for_record(fact)
    return Frame(EntryKind.FACT, wire.kind_of(fact), body, "", "", cause, correlation, power)
