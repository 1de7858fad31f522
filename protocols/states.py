"""Changing a frozen state: the copy that differs in some fields.

``replace`` is as that of ``dataclasses``, for the one kind of class that states are: frozen, with slots, and nothing to
be done after ``__init__``.  It copies slot by slot and runs no ``__init__``; cores change their state several times a
letter, and that was the largest single cost of a decision.  The copying is written out for each class, as dataclasses
do with ``__init__``: it takes a quarter of the time of theirs, and half of a loop's.
"""

from collections.abc import Callable
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

_Slots = tuple[Callable[[Any], Any], dict[str, Callable[[Any, Any], None]]]  # Any: fields of any type

_SLOTS: dict[type, _Slots] = {}


def _replace(state: Any, /, **fields: Any) -> Any:  # Any: see TYPE_CHECKING below
    """Raises TypeError for a field that the state does not have, and for a class that is no state."""
    kind = type(state)
    copy_of, setters = _SLOTS.get(kind) or _slots_of(kind)
    copy = copy_of(state)
    for name, value in fields.items():
        if name not in setters:
            raise TypeError(f"{kind.__name__} has no field {name!r}")
        setters[name](copy, value)
    return copy


def _slots_of(kind: type) -> _Slots:
    names: tuple[str, ...] = vars(kind).get("__slots__", ())
    is_pair = len(names) > 1  # one of a single field is made anew for less
    if not is_dataclass(kind) or not is_pair or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} is no dataclass with slots, two fields or more, and no __post_init__")
    setters = {name: vars(kind)[name].__set__ for name in names}
    _SLOTS[kind] = _copier(kind, setters), setters
    return _SLOTS[kind]


def _copier(kind: type, setters: dict[str, Callable[[Any, Any], None]]) -> Callable[[Any], Any]:
    lines = [f"    put_{name}(copy, state.{name})" for name in setters]
    text = "\n".join(("def copy_of(state):", "    copy = new(kind)", *lines, "    return copy"))
    names: dict[str, Any] = {f"put_{name}": put for name, put in setters.items()}
    names |= {"new": object.__new__, "kind": kind}
    exec(text, names)  # noqa: S102  # the names of slots are identifiers, and nothing else is in the text
    made: Callable[[Any], Any] = names["copy_of"]
    return made


if TYPE_CHECKING:
    from dataclasses import replace as replace  # noqa: PLC0414  # said twice, it is exported; and mypy knows its fields
else:
    replace = _replace
