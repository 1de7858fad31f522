"""Changing a frozen state: the copy that differs in some fields.

``replace`` is as that of ``dataclasses``, for the one kind of class that states are: frozen, with slots, and nothing to
be done after ``__init__``.  It copies slot by slot and runs no ``__init__``, which takes half the time; cores change
their state several times a letter, and that was the largest single cost of a decision.
"""

from collections.abc import Callable
from dataclasses import is_dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

_Slots = tuple[Callable[[Any], tuple[Any, ...]], dict[str, Callable[[Any, Any], None]]]  # Any: fields of any type

_SLOTS: dict[type, _Slots] = {}


def _replace(state: Any, /, **fields: Any) -> Any:  # Any: see TYPE_CHECKING below
    """Raises TypeError for a field that the state does not have, and for a class that is no state."""
    kind = type(state)
    values, setters = _SLOTS.get(kind) or _slots_of(kind)
    copy = object.__new__(kind)
    for put, value in zip(setters.values(), values(state), strict=True):
        put(copy, value)
    for name, value in fields.items():
        if name not in setters:
            raise TypeError(f"{kind.__name__} has no field {name!r}")
        setters[name](copy, value)
    return copy


def _slots_of(kind: type) -> _Slots:
    names: tuple[str, ...] = vars(kind).get("__slots__", ())
    is_pair = len(names) > 1  # of a single field, attrgetter would not give a tuple
    if not is_dataclass(kind) or not is_pair or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} is no dataclass with slots, two fields or more, and no __post_init__")
    setters = {name: vars(kind)[name].__set__ for name in names}
    _SLOTS[kind] = attrgetter(*names), setters
    return _SLOTS[kind]


if TYPE_CHECKING:
    from dataclasses import replace as replace  # noqa: PLC0414  # said twice, it is exported; and mypy knows its fields
else:
    replace = _replace
