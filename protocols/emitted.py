"""What workstreams declare of their events: which fields they have, and of what kind.

With it a rule that asks for a field that no such event has, or compares a text with a number, is refused when it is
loaded, and not found out at the first event.  What is not declared may be anything.
"""

from collections.abc import Mapping
from enum import StrEnum


class FieldKind(StrEnum):
    NUMBER = "number"
    TEXT = "text"
    TRUTH = "boolean"
    LIST = "list"
    MAP = "map"
    ANY = "any"


EmittedFields = dict[str, FieldKind]
"""By name; a field within a map by its whole name, such as ``risk.level``."""

Emitted = Mapping[str, Mapping[str, Mapping[str, FieldKind]]]
"""By workstream, event and field."""
