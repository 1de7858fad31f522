"""Conditions over the payload of an event: a strict subset of CEL, with a third value.

A condition is true, false or *unknown*: a field that is missing or of the wrong type makes unknown whatever depends on
it, and no negation turns that into true.  ``&&`` and ``||`` absorb as in CEL: ``false && x`` is false and ``true || x``
is true whatever x is.  Who asks must say what unknown means to them; a rule fires only on true.

What differs from CEL, on purpose: numbers are of one kind, ``/`` is real division, values of different types cannot be
compared even with ``==``, comparisons do not chain, and the whole must be true or false.

``parse`` (text to tree) → ``check`` (types that can be known before any event) → ``compile`` (tree to closures);
``explain`` puts the values beside the text.  Pure, no dependency.
"""

from alluse_hub.actors.coordinator.conditions.condition import Condition, Verdict, evaluate, holds, parse
from alluse_hub.actors.coordinator.conditions.tree import ConditionError

__all__ = ["Condition", "ConditionError", "Verdict", "evaluate", "holds", "parse"]
