"""The severity of entries as SQLite works it out: the table of ``protocols.severity``, and no column.

A body is taken apart only where the table says that it matters, so that of most entries only the kind is looked at.

Pure.
"""

from alluse_hub.protocols.severity import FACT, LEVELS, SEVERITIES, Depends, Severity

KEPT_FROM = Severity.NOTICE
"""The index keeps the places of entries as grave as this; ``info`` is what most of a trail is."""


def at_least(severity: Severity) -> str:
    """A condition on ``kind``, ``message`` and ``body`` that takes no value and uses no index."""
    level = LEVELS[severity]
    return f"({_is_one_of(severity)} AND {LEVEL} >= {level})"


def _text(value: str | int) -> str:
    """Constants of our own table only."""
    doubled = str(value).replace("'", "''")
    return str(value) if isinstance(value, int) else f"'{doubled}'"


def _level_of(message: str, found: Severity | Depends) -> str:
    if isinstance(found, Severity):
        return f"WHEN {_text(message)} THEN {LEVELS[found]}"
    values = " ".join(f"WHEN {_text(value)} THEN {LEVELS[one]}" for value, one in found.values.items())
    said = f"coalesce(CASE WHEN json_valid(body) THEN json_extract(body, '$.{found.key}') END, '')"
    return f"WHEN {_text(message)} THEN CASE {said} {values} ELSE {LEVELS[found.otherwise]} END"


def _gravest(found: Severity | Depends) -> int:
    return LEVELS[found if isinstance(found, Severity) else found.gravest]


def _is_one_of(severity: Severity) -> str:
    """Of those messages that can be as grave as that."""
    names = sorted(name for name, found in SEVERITIES.items() if _gravest(found) >= LEVELS[severity])
    return f"+kind = '{FACT}' AND +message IN ({', '.join(map(_text, names))})"


LEVEL = f"CASE message {' '.join(_level_of(*each) for each in SEVERITIES.items())} ELSE 0 END"
"""0 to 4, of a fact."""

TABLE = "CREATE TABLE grave (level INTEGER, leaf INTEGER, PRIMARY KEY (level, leaf)) STRICT, WITHOUT ROWID"

PUT_GRAVE = f"""
INSERT INTO grave (level, leaf)
SELECT level, leaf FROM (
  SELECT {LEVEL} AS level, leaf FROM trail.entries WHERE leaf > ? AND leaf <= ? AND {_is_one_of(KEPT_FROM)}
) WHERE level >= {LEVELS[KEPT_FROM]}
"""  # noqa: S608  # constants of this module only
