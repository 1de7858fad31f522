"""What the trail must not hold of a specification: the values that it gives to a program's environment.

A key or a password of a broker is given to a program so.  Its name may be known; its value stands in the configuration
and nowhere else.
"""

from pydantic import JsonValue

from alluse_hub.protocols.message import Json

ENVIRONMENT = "env"

MASKED = "***"
"""In place of a value that the trail must not hold."""


def without_environment(spec: Json) -> Json:
    """The specification with the values of every environment in it masked, at whatever depth."""
    return {
        key: dict.fromkeys(value, MASKED) if key == ENVIRONMENT and isinstance(value, dict) else _masked(value)
        for key, value in spec.items()
    }


def _masked(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return without_environment(value)
    return [_masked(each) for each in value] if isinstance(value, list) else value
