"""Which text of an entry can be searched: that under declared keys, and nothing else of its body.

Ids, symbols, names and sentences are written under these keys, at whatever depth, alone or in a list.  A key that is
not named here is never read, so what a workstream says under a key of its own does not come into the index by accident,
and no secret does unless somebody writes it into a sentence.

It is one statement, run inside SQLite: no body becomes a Python object, and the interpreter's lock is free meanwhile.

Pure.
"""

NAMES = (
    *("account", "actor", "by", "child", "command", "conflict", "delivery", "event", "events", "flow", "holder", "id"),
    *("name", "order", "parties", "position", "request", "resource", "rule", "rung", "sealed", "session", "side"),
    *("signal", "source", "strategy", "subject", "supervisor", "symbol", "target", "user", "venue", "want", "winner"),
    *("workstream", "workstreams", "ws"),
)
"""Keys under which things are named."""

SENTENCES = (
    *("description", "error", "explanation", "fault", "hint", "last_exit", "message", "note", "outcome", "reason"),
    *("refusal", "sentence", "text", "told", "warning", "when", "why"),
)
"""Keys under which people and programs say why."""

DECLARED = tuple(sorted({*NAMES, *SENTENCES}))

TEXT_CHARS_MAX = 20_000
"""Of one entry; a letter with a whole session in it has more, and its events are entries of their own."""

BLOCK_SHIFT = 10
"""Times are known for each 1,024 places: the earliest and the latest."""

TABLES = (
    "CREATE VIRTUAL TABLE words USING fts5(said, content='', detail='full', tokenize='unicode61'{})",
    "CREATE TABLE spans (block INTEGER PRIMARY KEY, first REAL NOT NULL, last REAL NOT NULL) STRICT",
    "CREATE TABLE progress (version INTEGER NOT NULL, through INTEGER NOT NULL, hash BLOB NOT NULL) STRICT",
)
"""``hash``: of the leaf ``through``, so that an index of another trail, or of another time of it, is known for that."""

_KEYS = ", ".join(f"'{key}'" for key in DECLARED)
# An element of a list has its number as its key; the list's own name is the last part of the path to it.
_LIST = "replace(part.path, rtrim(part.path, replace(part.path, '.', '')), '')"

PUT_WORDS = f"""
INSERT INTO words (rowid, said)
SELECT leaf, said FROM (
  SELECT leaf, (
    SELECT substr(group_concat(DISTINCT part.atom), 1, {TEXT_CHARS_MAX}) FROM json_tree(entry.body) AS part
    WHERE part.type = 'text'
      AND (part.key IN ({_KEYS}) OR (typeof(part.key) = 'integer' AND {_LIST} IN ({_KEYS})))
  ) AS said
  FROM trail.entries AS entry
  WHERE leaf > ? AND leaf <= ? AND body IS NOT NULL AND json_valid(body)
) WHERE said IS NOT NULL
"""  # noqa: S608  # constants of this module only

PUT_SPANS = f"""
INSERT INTO spans (block, first, last)
SELECT leaf >> {BLOCK_SHIFT}, min(wall), max(wall) FROM trail.entries WHERE leaf > ? AND leaf <= ? GROUP BY 1
ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)
"""  # noqa: S608  # as above
