"""Templates: parameters and subjects that take values from the payload of an event.

``"{symbol}"`` alone gives the field's value with its type; text around it makes it text.  ``{a.b}`` reads into a map,
``{{`` and ``}}`` stand for braces.  A field that is missing, or that cannot be written into a text, is an error for the
one who asked, not an empty text.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.message import Json

PART = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\}|[{}]")

DEPTH_MAX = 8
"""Levels of lists and maps within parameters."""


class FieldError(CallerError):
    """The payload does not have what the template needs; the text names the field."""


def check_template(template: JsonValue, depth: int = 0) -> None:
    """Raises CallerError for a lone brace, or for parameters nested too deep."""
    if depth > DEPTH_MAX:
        raise CallerError(f"nested deeper than {DEPTH_MAX} levels; flatten it")
    match template:
        case str():
            for part in PART.finditer(template):
                if part.group() in {"{", "}"}:
                    raise CallerError(
                        f"{template!r} has a lone {part.group()!r}; write '{{name}}' for a field, "
                        f"or {part.group() * 2!r} for the brace itself"
                    )
        case list():
            for item in template:
                check_template(item, depth + 1)
        case dict():
            for item in template.values():
                check_template(item, depth + 1)


def filled(template: JsonValue, payload: Mapping[str, Any]) -> JsonValue:
    """Raises FieldError."""
    match template:
        case str():
            whole = PART.fullmatch(template)
            if whole is not None and whole.group(1):
                return _value(whole.group(1), payload)
            return PART.sub(lambda part: _as_text(part, payload), template)
        case list():
            return [filled(item, payload) for item in template]
        case dict():
            return {name: filled(item, payload) for name, item in template.items()}
        case _:
            return template


def filled_parameters(parameters: Json, payload: Mapping[str, Any]) -> Json:
    """Raises FieldError."""
    return {name: filled(item, payload) for name, item in parameters.items()}


def filled_text(template: str, payload: Mapping[str, Any]) -> str:
    """``template`` as text, even where it is a field alone.  Raises FieldError."""
    return PART.sub(lambda part: _as_text(part, payload), template)


def _as_text(part: re.Match[str], payload: Mapping[str, Any]) -> str:
    name = part.group(1)
    if not name:
        return part.group()[0]
    match _value(name, payload):
        case bool() as value:
            return "true" if value else "false"
        case str() | int() | float() as value:
            return str(value)
        case _:
            raise FieldError(f"{name} is no text or number and cannot be written into a text")


def _value(name: str, payload: Mapping[str, Any]) -> JsonValue:
    at: Any = payload  # Any: a JSON value
    for step in name.split("."):
        if not isinstance(at, Mapping) or step not in at:
            raise FieldError(f"{name} is missing")
        at = at[step]
    found: JsonValue = at
    return found
