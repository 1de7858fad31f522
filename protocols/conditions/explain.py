"""A condition with its values: ``risk_level > 0.8 (risk_level = 0.93)``."""

from collections.abc import Iterable, Mapping
from typing import Any

from alluse_hub.protocols.conditions.text import text_of
from alluse_hub.protocols.conditions.tree import Field, Window
from alluse_hub.protocols.conditions.walk import Payload, Windows

SHOWN_MAX = 60
"""Characters of one value; more is cut, and says so."""

FIELDS_MAX = 12
"""Fields and functions of streams shown with their values."""

BITS_MAX = 200
"""A whole number of more bits is not written out."""


def with_values(
    text: str, fields: Iterable[Field], watched: Iterable[Window], payload: Payload, windows: Windows
) -> str:
    said = [_field(field, payload) for field in fields]
    said += [f"{text_of(window)} = {windows.shown(window, payload)}" for window in watched]
    if len(said) > FIELDS_MAX:
        said = [*said[:FIELDS_MAX], f"and {len(said) - FIELDS_MAX} more"]
    return f"{text} ({', '.join(said)})" if said else text


def _field(field: Field, payload: Payload) -> str:
    at: Any = payload  # Any: a JSON value
    for step in field.path:
        if not isinstance(at, Mapping) or step not in at:
            return f"{field.name} is missing"
        at = at[step]
    return f"{field.name} = {shown(at)}"


def shown(value: object) -> str:
    """As JSON would write it, but short."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > BITS_MAX:
            return f"a number of {value.bit_length()} bits"
        case int() | float():
            return repr(value)
        case str():
            return f'"{value}"' if len(value) <= SHOWN_MAX else f'"{value[:SHOWN_MAX]}…"'
        case list() | tuple():
            return f"a list of {len(value)}" if len(value) > 4 else f"[{', '.join(_item(item) for item in value)}]"
        case _:
            return "a map"


def _item(value: object) -> str:
    return "a list" if isinstance(value, list | tuple) else shown(value)
