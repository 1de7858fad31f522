"""Messages to canonical JSON and back.

The kind of a message is its class name; the table below holds every message that may cross a process border or stand
in the trail, so bytes never choose a class by themselves.
"""

from types import ModuleType

from pydantic import ValidationError
from pydantic_core import to_json

from alluse_hub.protocols import (
    admin,
    approvals,
    arbitration,
    board,
    children,
    claims,
    ending,
    erasure,
    flow,
    foresight,
    health,
    keeping,
    lifecycle,
    liveness,
    message,
    program,
    program_claims,
    quarantine,
    resources,
    rules,
    ruleset,
    scarcity,
    sync,
    trail,
    versions,
    windows,
    workstream,
)
from alluse_hub.protocols.declared import personal_in, secrets_in
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.masking import without_secrets

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
    admin, approvals, arbitration, board, children, claims, ending, erasure, flow, foresight, health, keeping,
    lifecycle, liveness, program, program_claims, quarantine, resources, rules, ruleset, scarcity, sync, trail,
    versions, windows, workstream,
)  # fmt: skip


PERSONAL = {name: kind for name, kind in KINDS.items() if personal_in(kind)}
"""Those with a field that is declared personal."""

SECRET = {kind: found for kind in KINDS.values() if (found := secrets_in(kind))}
"""Those with a field that is declared secret, and where it stands."""


def kind_of(body: message.Message) -> str:
    return type(body).__name__


def encode(body: message.Message) -> bytes:
    """As JSON.  Raises CallerError if longer than ``MESSAGE_BYTES_MAX``."""
    encoded = body.__pydantic_serializer__.to_json(body)
    if len(encoded) > MESSAGE_BYTES_MAX:
        raise CallerError(f"a {kind_of(body)} of {len(encoded)} bytes; the limit is {MESSAGE_BYTES_MAX}")
    return encoded


def for_record(body: message.Message, encoded: bytes = b"") -> bytes:
    """As it stands in the trail: without what is declared secret, and in short where its bulk is there already.

    ``encoded``: the whole of it, if that is at hand.  Raises CallerError as ``encode`` does.
    """
    shown = body.for_trail()
    if (secrets := SECRET.get(type(shown))) is not None:
        kept: bytes = to_json(without_secrets(shown.model_dump(mode="json"), secrets))
        return kept
    return encoded if encoded and shown is body else encode(shown)


def decode(kind: str, encoded: bytes | str) -> message.Message:
    """Raises CallerError for an unknown kind or a body that does not fit it."""
    if kind not in KINDS:
        raise CallerError(f"{kind!r} is no message of the hub")
    try:
        return KINDS[kind].model_validate_json(encoded)
    except ValidationError as error:
        raise CallerError(f"not a {kind}: {error}") from error
