"""What an actor heard and what came of it, turn by turn, as the trail has it: for those who ask about a decision.

Of what is in the store; what is still in spools is there a moment later.  Read-only.
"""

from typing import NamedTuple

from alluse_hub.actors.auditor.history import History
from alluse_hub.protocols.message import EntryId

STEP = 50_000
"""Places that are looked through at first, from the newest back; then twice as many, and so on."""


class Heard(NamedTuple):
    """The receipt of a letter, and its place in the store; ``at`` in hub time."""

    leaf: int
    incarnation: int
    n: int
    letter: str
    at: float
    wall: float


def heard(history: History, actor: str, message: str, last: int | None, limit: int) -> list[Heard]:
    """The latest letters of a kind that it heard up to a place, newest first."""
    sql = (
        "SELECT leaf, incarnation, n, letter, at, wall FROM entries"
        " WHERE actor = ? AND kind = 'heard' AND message = ? AND leaf > ? AND leaf <= ?"
    )
    high = _up_to(history, last)
    found: list[Heard] = []
    step = STEP
    while high > 0 and len(found) < limit:
        rows = history.rows(sql, (actor, message), low=max(0, high - step), high=high)
        found += sorted((Heard(*row) for row in rows), reverse=True)
        high, step = high - step, step * 2
    return found[:limit]


def came_of(history: History, actor: str, receipt: Heard) -> list[tuple[str, str]]:
    """Kind and body of the facts that were recorded in that turn."""
    sql = (
        "SELECT n, message, body FROM entries WHERE actor = ? AND incarnation = ? AND n > ?"
        " AND kind = 'fact' AND cause = ? AND leaf > ? AND leaf <= ? ORDER BY n"
    )
    rows = history.rows(sql, (actor, receipt.incarnation, receipt.n, receipt.letter))
    return [
        (message, history.body_of(EntryId(actor, receipt.incarnation, n), message, body or ""))
        for n, message, body in rows
    ]


def facts_of(history: History, actor: str, message: str, last: int | None = None) -> list[tuple[float, float, str]]:
    """Hub time, wall time and body of each fact of a kind up to a place, in order."""
    sql = (
        "SELECT incarnation, n, at, wall, body FROM entries INDEXED BY entries_facts"
        " WHERE kind = 'fact' AND actor = ? AND message = ? AND leaf > ? AND leaf <= ? ORDER BY incarnation, n"
    )
    rows = history.rows(sql, (actor, message), high=_up_to(history, last))
    return [
        (at, wall, history.body_of(EntryId(actor, incarnation, n), message, body or ""))
        for incarnation, n, at, wall, body in sorted(rows)
    ]


def _up_to(history: History, last: int | None) -> int:
    return history.newest if last is None else min(last, history.newest)
