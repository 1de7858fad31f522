"""The hub's causes in the words of the traces, and back.

Both say ``normal``, ``shutdown``, ``shutdown:TEXT`` and ``killed``.  The hub writes ``error: TEXT`` where a trace has
``error:TEXT``, tells after ``killed: `` why, and writes ``failed_to_start_child: NAME: CAUSE`` where a trace has nested
objects.
"""

from collections.abc import Callable

Reason = str | dict[str, "Reason"]

ERROR = "error:"
FAILED_CHILD = "failed_to_start_child"
INVALID = "invalid: "


def cause_of(reason: str) -> str:
    """As the hub says it."""
    return f"error: {reason.removeprefix(ERROR)}" if reason.startswith(ERROR) else reason


def reason_of(cause: str, id_of: Callable[[str], str]) -> Reason:
    """As a trace says it; ``id_of`` an actor's name is what the scenario calls it."""
    if cause.startswith("error: "):
        return ERROR + cause.removeprefix("error: ")
    if cause.startswith("killed: "):
        return "killed"
    if cause.startswith(INVALID):
        return f"invalid:{cause.removeprefix(INVALID).partition(':')[0]}"
    if cause.startswith(f"{FAILED_CHILD}: "):
        _, child, inner = cause.split(": ", 2)
        return {"error": FAILED_CHILD, "child": id_of(child), "reason": reason_of(inner, id_of)}
    return cause
