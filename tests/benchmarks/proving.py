"""What it takes to verify a trail, and how much room one takes."""

import hashlib
import json
import resource
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.bindings import sqlite3
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.leaves import ENTRY_COLUMNS
from alluse_hub.actors.auditor.merkle import TILE_WIDTH
from alluse_hub.actors.auditor.seal import go_on, seal, sealing
from alluse_hub.actors.auditor.segments import INDEX
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols import wire
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame, Spool, SpoolName
from tests.benchmarks.figures import Figure, Sample
from tests.benchmarks.recording import COMMAND, REPLY

BATCH = 10_000
"""Entries in a transaction, and under a checkpoint."""

VERIFIED_S = 900.0
ROUNDS_SPOOLED = 10_000
MB = 1e6

SENDER, HEARER = SpoolName("coordinator", 1), SpoolName("ws4", 1)
HASHED_IS = "SHA-256 of the same columns as text, row by row, one process, no tree"
ROUND = 4
"""Entries: a command sent and heard, a reply sent and heard."""


def verify(folder: Path, *, entries: int, runs: int) -> list[Figure]:
    """``hub_verify.py`` as a program of its own, with the standard library only, start to exit."""
    written = _store(folder, entries)
    rates, cpu, floor_rates, floor_cpu = [], [], [], []
    verified = 0
    for _ in range(runs):
        began, cpu_began = time.monotonic(), _of_children_s()
        told = subprocess.run(
            (sys.executable, "-I", hub_verify.__file__, str(folder), "--json"),
            check=True,
            capture_output=True,
            timeout=VERIFIED_S,
        )
        rates.append(written / (time.monotonic() - began))
        cpu.append((_of_children_s() - cpu_began) / written)
        verified += json.loads(told.stdout)["entries"]
        bare_s, bare_cpu_s = _hashed(folder)
        floor_rates.append(written / bare_s)
        floor_cpu.append(bare_cpu_s / written)
    return [
        Figure(
            f"verify: entries, of a trail of {entries:,}",
            "1/s",
            Sample.each(rates),
            Sample.each(floor_rates),
            HASHED_IS,
            counts={"entries": written, "verified": verified},
        ),
        Figure("verify: an entry", "µs CPU", Sample.each(cpu).times(1e6), Sample.each(floor_cpu).times(1e6), HASHED_IS),
        *_sizes(folder, written, Sample.each(floor_cpu)),
    ]


def _of_children_s() -> float:
    """CPU of those that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _store(home: Path, entries: int) -> int:
    """Two who talk to each other; how many entries it became."""
    store = Store.open(home / "trail" / "trail.db")
    notary = Notary(store, Head(home / "trail" / "head"), keys.make(keys.key_of(home), keys.new_origin("benchmark")))
    notary.begin()
    rounds = entries // ROUND
    for first in range(0, rounds, BATCH // ROUND):
        rows: list[Row] = []
        for number in range(first, min(first + BATCH // ROUND, rounds)):
            rows += _round(number)
        n = rows[-1].n
        store.commit(rows, {SENDER: Place(n, n), HEARER: Place(n, n)})
        notary.seal()
    store.close()
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return rounds * ROUND


def _round(number: int) -> list[Row]:
    first, second = 2 * number + 1, 2 * number + 2
    command, reply = f"{SENDER.actor}/1/{first}", f"{HEARER.actor}/1/{second}"
    at = number / 100
    told = _told(number)
    parts = (
        (SENDER, first, "sent", "Command", HEARER.actor, "", "", told[0]),
        (HEARER, first, "heard", "Command", SENDER.actor, command, "", None),
        (HEARER, second, "sent", "CommandReply", SENDER.actor, "", command, told[1]),
        (SENDER, second, "heard", "CommandReply", HEARER.actor, reply, command, None),
    )
    return [
        Row(
            name.actor, 1, n, kind, message, peer, letter, cause, command, at, 1.7e9 + at, False, name.actor, body
        )
        for name, n, kind, message, peer, letter, cause, body in parts
    ]  # fmt: skip


def _told(number: int) -> tuple[str, str]:
    """Bodies as a hub has them: the same words, and other ids, prices and sums in each."""
    some = number * 2_654_435_761 % 2**32  # as good as random, and the same in each run
    symbol, volume, mean = f"SYM{some % 500}", some % 19_999_993, some // 7 % 9_999_991
    why = f"volume > 2 * volume_mean_20 (volume = {volume}, volume_mean_20 = {mean})"
    limits = {"delta": some % 997 / 1_000, "gross": some % 1_999_993, "per_name": some % 39_989}
    command = COMMAND.model_copy(
        update={
            "key": f"c/{number}/rule-{some % 30}/1",
            "parameters": {"symbol": symbol, "priority": "high", "reason": why, "limits": limits},
        }
    )
    orders = [f"o-{some // part % 1_000_003}" for part in (3, 5, 11)]
    result = {"symbol": symbol, "resized": 3, "orders": orders, "exposure": some % 99_999_989 / 100}
    reply = REPLY.model_copy(update={"key": command.key, "result": result, "events_through": number})
    return wire.encode(command).decode(), wire.encode(reply).decode()


def _hashed(home: Path) -> tuple[float, float]:
    """Seconds by the clock and of CPU."""
    began, cpu_began = time.monotonic(), time.process_time()
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as connection:
        for row in connection.execute(f"SELECT {ENTRY_COLUMNS} FROM entries ORDER BY leaf"):
            hashlib.sha256(repr(row).encode()).digest()
    return time.monotonic() - began, time.process_time() - cpu_began


def _sizes(home: Path, entries: int, hashed: Sample) -> list[Figure]:
    """Of a database that has been folded; its floor is what its writers wrote."""
    database = sum(path.stat().st_size for path in (home / "trail").glob("trail.db*"))
    floor = Sample.each([_spooled(home / "bare", min(entries // ROUND, ROUNDS_SPOOLED)) * 1e6 / MB])
    return [
        Figure(
            "size: a million entries in the store, tree and checkpoints with them",
            "MB",
            Sample.each([database / entries * 1e6 / MB]),
            floor,
            "the same entries as frames of their spools",
            counts={"entries": entries},
        ),
        *_sealed(home, entries, floor, hashed),
    ]


def _sealed(home: Path, entries: int, floor: Sample, hashed: Sample) -> list[Figure]:
    """All but the newest, which never are, as one segment."""
    last = (entries - 1) // TILE_WIDTH * TILE_WIDTH
    signer = keys.load(keys.key_of(home))
    assert signer is not None, "it was made with the trail"
    cpu = time.process_time()
    with sealing(home) as store:
        go_on(home, store)
        seal(home, store, signer, (1, last))
    cpu = time.process_time() - cpu
    sizes = {path.name: path.stat().st_size for path in (home / "trail" / "segments").glob("*/*")}
    proof = sum(size for name, size in sizes.items() if name != INDEX)
    floor_is = "the same entries as frames of their spools"
    return [
        Figure(
            "size: a million entries sealed, tiles and manifest with them",
            "MB",
            Sample.each([proof / last * 1e6 / MB]),
            floor,
            floor_is,
        ),
        Figure(
            "size: a million entries sealed, and the index to search them by",
            "MB",
            Sample.each([sum(sizes.values()) / last * 1e6 / MB]),
            floor,
            floor_is,
        ),
        Figure(
            "sealing: an entry",
            "µs CPU",
            Sample.each([cpu / last * 1e6]),
            hashed.times(1e6),
            HASHED_IS,
        ),
    ]


def _spooled(folder: Path, rounds: int) -> float:
    """Bytes of an entry in its spool, over the first so many rounds."""
    folder.mkdir()
    size = 0
    for owner in (SENDER, HEARER):
        spool = Spool.open(folder, owner.actor)
        for number in range(rounds):
            rows = [row for row in _round(number) if row.actor == owner.actor]
            spool.write([_frame(row) for row in rows], rows[0].at, rows[0].wall)
        size += spool.path.stat().st_size
        spool.close()
    return size / (rounds * ROUND)


def _frame(row: Row) -> Frame:
    body = (row.body or "").encode()
    return Frame(EntryKind(row.kind), row.message, body, row.peer, row.letter, row.cause, row.correlation)
