"""What the trail must not hold: secrets, above all the values that a specification gives to a program's environment.

A key or a password of a broker is given to a program so.  Its name may be known; its value stands in the configuration
and nowhere else.  Which fields hold secrets is declared with their types (``declared``); here they are masked.
"""

from collections.abc import Sequence

from pydantic import JsonValue

from alluse_hub.protocols.declared import EACH, Path, Secret
from alluse_hub.protocols.message import Json

ENVIRONMENT = "env"

MASKED = "***"
"""In place of a value that the trail must not hold."""

SAID = frozenset({"payload", "parameters", "result"})
"""Keys below which programs say what they like: no specification of ours, whatever it looks like."""


def without_secrets(body: Json, secrets: Sequence[tuple[Path, Secret]]) -> Json:
    """A message as JSON, with what is declared secret in it masked."""
    for path, secret in secrets:
        body = {key: _at(value, path[1:], secret) if key == path[0] else value for key, value in body.items()}
    return body


def masked(value: JsonValue) -> JsonValue:
    """Keys may be known; values may not."""
    if isinstance(value, dict):
        return {key: masked(each) for key, each in value.items()}
    return [masked(each) for each in value] if isinstance(value, list) else MASKED


def _at(value: JsonValue, path: Path, secret: Secret) -> JsonValue:
    if not path:
        return _below(value, secret.under) if secret.under else masked(value)
    if isinstance(value, dict):
        return {key: _at(each, path[1:], secret) if path[0] in {EACH, key} else each for key, each in value.items()}
    if isinstance(value, list) and path[0] == EACH:
        return [_at(each, path[1:], secret) for each in value]
    return value


def _without(spec: Json, under: str) -> Json:
    return {
        key: value
        if key in SAID
        else masked(value)
        if key == under and isinstance(value, dict)
        else _below(value, under)
        for key, value in spec.items()
    }


def _below(value: JsonValue, under: str) -> JsonValue:
    if isinstance(value, dict):
        return _without(value, under)
    return [_below(each, under) for each in value] if isinstance(value, list) else value
