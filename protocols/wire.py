"""Messages to canonical JSON and back.

The kind of a message is its class name; the table below holds every message that may cross a process border or stand
in the trail, so bytes never choose a class by themselves.
"""

from types import ModuleType

from pydantic import ValidationError

from alluse_hub.protocols import (
    admin,
    board,
    children,
    claims,
    ending,
    flow,
    foresight,
    health,
    lifecycle,
    liveness,
    message,
    program,
    quarantine,
    rules,
    scarcity,
    trail,
    workstream,
)
from alluse_hub.protocols.errors import CallerError

MESSAGE_BYTES_MAX = 16_000_000
"""A longer message is refused at the sender: nothing the hub says is near it."""


def _messages_of(module: ModuleType) -> dict[str, type[message.Message]]:
    return {
        name: thing
        for name, thing in vars(module).items()
        if isinstance(thing, type) and issubclass(thing, message.Message) and thing.__module__ == module.__name__
    }


def _table(*modules: ModuleType) -> dict[str, type[message.Message]]:
    kinds: dict[str, type[message.Message]] = {}
    for module in modules:
        found = _messages_of(module)
        twice = sorted(kinds.keys() & found.keys())
        assert not twice, f"two messages of one name, which the wire cannot tell apart: {', '.join(twice)}"
        kinds |= found
    return kinds


KINDS = _table(
    admin, board, children, claims, ending, flow, foresight, health, lifecycle, liveness, program, quarantine, rules,
    scarcity, trail, workstream,
)  # fmt: skip


def kind_of(body: message.Message) -> str:
    return type(body).__name__


def encode(body: message.Message) -> bytes:
    """As JSON.  Raises CallerError if longer than ``MESSAGE_BYTES_MAX``."""
    encoded = body.__pydantic_serializer__.to_json(body)
    if len(encoded) > MESSAGE_BYTES_MAX:
        raise CallerError(f"a {kind_of(body)} of {len(encoded)} bytes; the limit is {MESSAGE_BYTES_MAX}")
    return encoded


def decode(kind: str, encoded: bytes | str) -> message.Message:
    """Raises CallerError for an unknown kind or a body that does not fit it."""
    if kind not in KINDS:
        raise CallerError(f"{kind!r} is no message of the hub")
    try:
        return KINDS[kind].model_validate_json(encoded)
    except ValidationError as error:
        raise CallerError(f"not a {kind}: {error}") from error
