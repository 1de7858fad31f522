"""From a question to one statement whose cost is known before it runs.

Exactly one thing drives a statement: an index on equal text, which SQLite keeps in order of place within equal text, or
the places themselves.  ``INDEXED BY`` makes that a claim that SQLite refuses rather than breaks.  All other filters are
*rest*: looked at in each row that the driver brings, and kept from using an index by a unary plus.

So a question is refused if nothing drives it and nothing bounds it.  A question with a rest is cut to a window: what it
does not find there costs no more than the window, and the answer says how far it looked.

Pure.
"""

import re
from typing import NamedTuple

from alluse_hub.actors.auditor.graveness import KEPT_FROM, at_least
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.severity import Severity

WINDOW_LEAVES = 250_000
"""Entries looked through for one answer, where the places drive: about a quarter of a second."""

WINDOW_ROWS = 50_000
"""The same where an index drives: each row is looked up for itself."""

COLUMNS = "actor, incarnation, n, kind, message, peer, letter, cause, correlation, at, wall, power, leaf, body"

BY_PLACE = "places"
BY_TEXT = "words"
BY_SEVERITY = "severity"

LOOKED_UP = frozenset({BY_TEXT, BY_SEVERITY})
"""Drivers whose places come from the index behind the search."""

UNBOUNDED = (
    "this would look at every entry there is; bound it with --since, --until, --after or --before, or add what has an"
    " index: --correlation, --cause, one --message, --workstream, a --severity above info, or a text"
)

UNKNOWN_SEVERITY = (
    "there is no index that knows severities yet, so this would look at every entry there is; start the hub on this"
    " home, which makes one, or bound the question with --since, --until, --after or --before"
)

WORD = re.compile(r'"([^"]*)"(\*?)|(\S+)')

UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class Plan(NamedTuple):
    """``sql`` takes ``values``, then the first place (not included), the last (included), and the limit.

    ``reach`` (empty where nothing has to be cut) takes ``driven``, the same two places and an offset, and gives the
    place where the window ends.  ``tally`` takes the same but the offset.
    """

    driver: str
    sql: str
    values: tuple[str | int | float, ...]
    reach: str
    tally: str
    driven: tuple[str, ...]
    is_cut: bool


def plan(find: Find, columns: str = COLUMNS, *, is_indexed: bool = True) -> Plan:
    """``is_indexed``: there is an index that knows severities.  Raises CallerError, naming what to add, if the question
    has neither index nor bound."""
    index, filters, driver = _driver(find, is_indexed=is_indexed)
    rest = _rest(find, index)
    is_bounded = any(bound is not None for bound in (find.after, find.before, find.since, find.until))
    if index == BY_PLACE and rest and not is_bounded:
        raise CallerError(UNBOUNDED if is_indexed or find.severity is None else UNKNOWN_SEVERITY)
    table = "entries NOT INDEXED" if index in {BY_PLACE, *LOOKED_UP} else f"entries INDEXED BY {index}"
    order = "ASC" if find.oldest_first else "DESC"
    places = "leaf > ? AND leaf <= ?"
    conditions = " AND ".join([*filters, *(text for text, _ in rest), places])
    # No value is in any of these texts: question marks only.
    sql = f"SELECT {columns} FROM {table} WHERE {conditions} ORDER BY leaf {order} LIMIT ?"  # noqa: S608
    reach = tally = ""
    if rest and index not in {BY_PLACE, *LOOKED_UP}:
        known = " AND ".join([*filters, places])
        reach = f"SELECT leaf FROM {table} WHERE {known} ORDER BY leaf {order} LIMIT 1 OFFSET ?"  # noqa: S608
        tally = f"SELECT count(*) FROM {table} WHERE {known}"  # noqa: S608
    values = (*driver, *(value for _, values in rest for value in values))
    return Plan(index, sql, values, reach, tally, driver, bool(rest))


def _driver(find: Find, *, is_indexed: bool) -> tuple[str, list[str], tuple[str, ...]]:
    """The index, its conditions, their values; the most telling one there is."""
    if find.text:
        return BY_TEXT, [], ()
    if find.correlation:
        return "entries_correlation", ["correlation = ?", "correlation <> ''"], (find.correlation,)
    if find.cause:
        return "entries_cause", ["cause = ?", "cause <> ''"], (find.cause,)
    if len(find.messages) == 1:
        return "entries_message", ["message = ?"], find.messages
    if is_indexed and find.severity is not None and find.severity.level >= KEPT_FROM.level:
        return BY_SEVERITY, [], ()
    if find.workstream:
        return "entries_subject", ["subject = ?"], (find.workstream,)
    return BY_PLACE, [], ()


Rest = list[tuple[str, tuple[str | int | float, ...]]]


def _rest(find: Find, index: str) -> Rest:
    """What the driver does not see to."""
    rest: Rest = []
    equal = (
        ("correlation", find.correlation, "entries_correlation"),
        ("cause", find.cause, "entries_cause"),
        ("subject", find.workstream, "entries_subject"),
        ("kind", find.kind.value if find.kind else "", ""),
        ("actor", find.actor, ""),
        ("peer", find.peer, ""),
    )
    rest += [(f"+{column} = ?", (value,)) for column, value, driven in equal if value and driven != index]
    if find.messages and index != "entries_message":
        rest.append((f"+message IN ({', '.join('?' * len(find.messages))})", find.messages))
    if find.severity not in {None, Severity.INFO} and index != BY_SEVERITY:
        rest.append((at_least(find.severity), ()))
    if find.power is not None:
        rest.append(("+power = ?", (int(find.power),)))
    if find.since is not None:
        rest.append(("+wall >= ?", (find.since,)))
    if find.until is not None:
        rest.append(("+wall < ?", (find.until,)))
    return rest


def matching(text: str) -> str:
    """Words of a person as a query of FTS5: all of them, in whatever place; quoted ones in a row.

    Raises CallerError for a text with no word in it.
    """
    terms = []
    # Control characters part words; half of a surrogate pair is no letter.
    cleaned = UNWRITABLE.sub(" ", text)
    for row, row_star, word in WORD.findall(cleaned):
        said = row or word.removesuffix("*")
        star = row_star or ("*" if word.endswith("*") else "")
        if any(char.isalnum() for char in said):
            doubled = said.replace('"', '""')
            terms.append(f'"{doubled}"{star}')
    if not terms:
        raise CallerError(f"{text!r} has no word in it; give letters or digits")
    return " ".join(terms)
