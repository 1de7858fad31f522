"""What a search costs, and what the index behind it costs to make."""

import random
import time
from contextlib import closing
from pathlib import Path

from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.indexer import advance, index_of, open_index
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols.find import Find
from alluse_hub.supervision.spool import SpoolName
from tests.benchmarks.figures import Figure, Sample

BATCH = 5_000
SYMBOLS = 500
QUESTIONS = {
    "of a workstream": Find(workstream="ws3"),
    "with a word of one in 500": Find(text="SYM77"),
    "with that word, of a workstream": Find(text="SYM77", workstream="ws3"),
    "with three words in a row that all have": Find(text='"mean of twenty"'),
}


def search(folder: Path, *, entries: int, asks: int, runs: int) -> list[Figure]:
    """The newest hundred; a connection for each, as the gateway opens it."""
    _store(folder, entries)
    cpu_s, floor_s = _index(folder)
    floor = Sample.of([_newest(folder) for _ in range(asks)] for _ in range(runs))
    figures = []
    for name, question in QUESTIONS.items():
        taken = [[_asked(folder, question) for _ in range(asks)] for _ in range(runs)]
        found = len(query.find(folder, question).entries)
        figures.append(
            Figure(
                f"search: the newest 100 of {entries:,} entries {name}",
                "ms",
                Sample.of(taken).times(1e3),
                floor.times(1e3),
                "the newest 100 rows by their places, one connection, no filter, rows as they are",
                counts={"entries": entries, "found": found},
            )
        )
    index = Figure(
        "search: the index, an entry",
        "µs CPU",
        Sample.each([cpu_s / entries]).times(1e6),
        Sample.each([floor_s / entries]).times(1e6),
        "the lengths of the same bodies, read once",
    )
    return [*figures, index]


def _store(home: Path, entries: int) -> None:
    dice = random.Random(1)
    store = Store.open(home / "trail" / "trail.db")
    for first in range(1, entries + 1, BATCH):
        numbers = range(first, min(first + BATCH, entries + 1))
        store.commit([_row(n, dice) for n in numbers], {SpoolName("ws1", 1): Place(numbers[-1], numbers[-1])})
    store.close()


def _row(n: int, dice: random.Random) -> Row:
    body = (
        f'{{"workstream":"ws{n % 5 + 1}","symbol":"SYM{dice.randrange(SYMBOLS)}","rule":"hold-{n % 30}",'
        f'"why":"volume {dice.randrange(10**6)} is above twice the mean of twenty sessions",'
        f'"payload":{{"price":{dice.random():.6f},"volume":{dice.randrange(10**7)},"note":"filled at the open"}}}}'
    )
    actor, kind = f"ws{n % 5 + 1}", ("heard", "fact", "sent", "did")[n % 4]
    cause, correlation = f"ws1/1/{n // 20 * 20}", f"ws1/1/{n // 200 * 200}"
    return Row(
        actor,
        1,
        n,
        kind,
        f"Kind{n % 40}",
        "router",
        "",
        cause,
        correlation,
        n / 100,
        1.7e9 + n / 100,
        False,
        actor,
        body,
    )


def _index(home: Path) -> tuple[float, float]:
    """Seconds of CPU to make it, and to read all that it is made of."""
    with closing(open_index(home / "trail" / "trail.db", index_of(home))) as connection:
        cpu = time.process_time()
        while advance(connection):
            pass
        made = time.process_time()
        connection.execute("SELECT sum(length(body)) FROM trail.entries").fetchone()
        return made - cpu, time.process_time() - made


def _asked(home: Path, question: Find) -> float:
    began = time.perf_counter()
    query.find(home, question)
    return time.perf_counter() - began


def _newest(home: Path) -> float:
    began = time.perf_counter()
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as connection:
        connection.execute("SELECT * FROM entries ORDER BY leaf DESC LIMIT 100").fetchall()
    return time.perf_counter() - began
