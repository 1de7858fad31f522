"""Conditions over the payload of an event: a strict subset of CEL, with a third value.

A condition is true, false or *unknown*: a field that is missing or of the wrong type makes unknown whatever depends on
it, and no negation turns that into true.  ``&&``, ``||``, ``exists`` and ``all`` absorb as in CEL: ``false && x`` is
false and ``true || x`` is true whatever x is.  Who asks must say what unknown means to them; a rule fires only on true.

``lex`` and ``parse`` (text to tree) → ``check`` (kinds that can be known before any event, and the cost) → ``walk``
(the meaning) and ``compile`` (the same, faster); ``explain`` puts the values beside the text, ``text`` writes a tree
again.
The language for its users, and where it differs from CEL: ``README.md``.  Pure, no dependency.
"""

from alluse_hub.protocols.conditions.compile import NO_VALUE
from alluse_hub.protocols.conditions.condition import (
    Condition,
    Part,
    Verdict,
    evaluate,
    explained,
    holds,
    holds_walked,
    parse,
    walked,
)
from alluse_hub.protocols.conditions.tree import ConditionError, Kind

__all__ = [
    "NO_VALUE",
    "Condition",
    "ConditionError",
    "Kind",
    "Part",
    "Verdict",
    "evaluate",
    "explained",
    "holds",
    "holds_walked",
    "parse",
    "walked",
]
