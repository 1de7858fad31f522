"""D9: spools and write-ahead logs that end anywhere, and what a dying disk leaves behind such an end: nothing, zeros,
garbage, or bytes of an older time.  What was whole is taken in, once and unaltered, and not a byte more.
"""

import json
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.leftover import FRAME, HEAD
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision.spool import Frame, Spool, SpoolName, spools_in
from tests.actors.auditor.conftest import SmallHub
from tests.actors.auditor.words import SAID
from tests.faults.tools import in_memory

TAILS = ("nothing", "zeros", "garbage", "older bytes")
DRAINS_MAX = 30
AT_ONCE = 250
"""Torn spools that one auditor takes in."""


def tail(kind: str, data: bytes, cut: int, dice: random.Random) -> bytes:
    size = dice.randrange(1, 1_500)
    match kind:
        case "zeros":
            return b"\0" * size
        case "garbage":
            return dice.randbytes(size)
        case "older bytes":  # of a place that is not this one
            start = dice.randrange(max(1, cut))
            return data[start : start + size] if start + 1 < cut else b""
        case _:
            return b""


def whole_in(torn: bytes, data: bytes, ends: list[int]) -> int:
    """How many ended before the first byte that is another; a tail may begin, by chance, with what was cut off."""
    same = next((at for at, (a, b) in enumerate(zip(torn, data, strict=False)) if a != b), min(len(torn), len(data)))
    return sum(1 for end in ends if end <= same)


# --- spools --------------------------------------------------------------------------------------------------------


def whole_spool(folder: Path) -> tuple[bytes, list[int], list[str]]:
    """Its bytes, where each entry ends, and what each says."""
    spool = Spool.open(folder, "model")
    dice = random.Random(1)
    ends, bodies = [], []
    for n in range(60):
        body = json.dumps({"n": n, "x": "y" * dice.randrange(300)}, separators=(",", ":"))
        spool.write([Frame(EntryKind.FACT, "Said", body.encode())], 1.0, 2.0)
        ends.append(spool.path.stat().st_size)
        bodies.append(body)
    spool.close()
    return spool.path.read_bytes(), ends, bodies


def take_in(hub: SmallHub) -> None:
    """Until every first life is closed: an auditor that is to end stops after a while."""
    for _ in range(DRAINS_MAX):
        hub.drain(rounds=2)
        if all(name.incarnation > 1 for name in spools_in(hub.directory) if name.actor != "auditor"):
            return


def take_in_torn_spools(folder: Path, count: int, seed: int) -> Counter[str]:
    """How many had which tail; fails at the first wrong recovery."""
    print(f"seed {seed}")
    dice = random.Random(seed)
    data, ends, bodies = whole_spool(folder / "model")
    tails = Counter[str]()
    for first in range(0, count, AT_ONCE):
        hub = SmallHub(folder / f"home{first}")
        whole: dict[str, int] = {}
        hub.directory.mkdir(parents=True)
        for number in range(first, min(first + AT_ONCE, count)):
            cut, kind = dice.randrange(len(data)), TAILS[number % len(TAILS)]
            actor = f"a{number}"
            torn = data[:cut] + tail(kind, data, cut, dice)
            (hub.directory / str(SpoolName(actor, 1))).write_bytes(torn)
            tails[kind] += 1
            whole[actor] = whole_in(torn, data, ends)
            hub.restart(actor)
            hub.say(actor, SAID)
        take_in(hub)
        hub.close()
        there: dict[str, list[tuple[object, ...]]] = {actor: [] for actor in whole}
        for whose, n, body in hub.rows("actor, n, body", "WHERE actor <> 'auditor' AND incarnation = 1"):
            there[str(whose)].append((n, body))
        for actor, entries in whole.items():
            assert there[actor] == list(enumerate(bodies[:entries], start=1)), f"{actor}, seed {seed}"
        closed = [json.loads(str(body)) for (body,) in hub.rows("body", "WHERE kind = 'fact' AND message = 'Closed'")]
        ends_told = {fact["actor"]: fact["n"] for fact in closed if fact["actor"] != "auditor"}
        assert ends_told == whole, f"seed {seed}"
        shutil.rmtree(hub.home)
    return tails


def test_100_torn_spools_are_taken_in_to_the_last_whole_entry(tmp_path: Path) -> None:
    with in_memory(tmp_path) as folder:
        take_in_torn_spools(folder, 100, seed=1)


@pytest.mark.deep
def test_10000_torn_spools_are_taken_in_to_the_last_whole_entry(tmp_path: Path) -> None:
    with in_memory(tmp_path) as folder:
        tails = take_in_torn_spools(folder, 10_000, seed=int(os.environ.get("TORN_SEED", "2")))

    print(f"10000 torn spools, 0 wrong recoveries; {dict(tails)}")


# --- the log beside the database -----------------------------------------------------------------------------------

SIGNED, COMMITS = 10, 30


def store_with_log(home: Path) -> bytes:
    """The first entries are signed and in the database, all others in its log alone; the bytes of that log."""
    store = Store.open(home / "trail" / "trail.db")
    notary = Notary(store, Head(home / "trail" / "head"), keys.make(keys.key_of(home), "alluse/1"))
    notary.begin()
    for n in range(1, COMMITS + 1):
        store.commit([row(n)], {SpoolName("ws1", 1): Place(100 * n, n)})
        if n == SIGNED:
            notary.seal()
            store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    log = (home / "trail" / "trail.db-wal").read_bytes()
    shutil.copytree(home, home.with_name("model"))
    store.close()
    return log


def row(n: int) -> Row:
    body = '{"x":"%s"}' % ("y" * (37 * n))
    return Row("ws1", 1, n, "fact", "Said", "", "", "", "", 1.0, 2.0, False, "ws1", body)


def commit_ends(log: bytes, page_bytes: int = 4_096) -> list[int]:
    step = FRAME.size + 8 + page_bytes
    starts = range(HEAD.size, len(log) - step + 1, step)
    return [start + step for start in starts if FRAME.unpack_from(log, start)[1]]


def recover_from_torn_logs(folder: Path, count: int, seed: int) -> Counter[str]:
    """What came of it: refused in words, or as many entries as were whole; fails at anything else."""
    print(f"seed {seed}")
    dice = random.Random(seed)
    log = store_with_log(folder / "home")
    ends, model = commit_ends(log), folder / "model"
    assert len(ends) == COMMITS - SIGNED
    outcomes = Counter[str]()
    for number in range(count):
        cut, kind = dice.randrange(len(log)), TAILS[number % len(TAILS)]
        trail = folder / "torn" / "trail"
        shutil.copytree(model, trail.parent)
        (trail / "trail.db-shm").unlink(missing_ok=True)
        torn = log[:cut] + tail(kind, log, cut, dice)
        (trail / "trail.db-wal").write_bytes(torn)
        whole = SIGNED + whole_in(torn, log, ends)
        try:
            store = Store.open(trail / "trail.db")
        except TrailError as error:
            if "log of another time" not in str(error):
                raise
            outcomes["refused"] += 1
        else:
            try:
                signer = keys.for_trail(trail.parent, "alluse", is_new=False)
                Notary(store, Head(trail / "head"), signer).begin()
                got = store._db.execute("SELECT n, body FROM entries ORDER BY leaf").fetchall()
                wanted = [(n, row(n).body) for n in range(1, whole + 1)]
                assert got == wanted, f"cut {cut}, {kind}, seed {seed}: {len(got)} entries, {whole} were whole"
                assert store.tree.now.size == whole == store.last_of(SpoolName("ws1", 1))
            finally:
                store.close()
            outcomes["recovered"] += 1
        shutil.rmtree(trail.parent)
    return outcomes


def test_30_torn_logs_give_the_transactions_that_were_whole(tmp_path: Path) -> None:
    with in_memory(tmp_path) as folder:
        outcomes = recover_from_torn_logs(folder, 30, seed=1)

    assert outcomes["recovered"] == 30


@pytest.mark.deep
def test_10000_torn_logs_give_the_transactions_that_were_whole(tmp_path: Path) -> None:
    with in_memory(tmp_path) as folder:
        outcomes = recover_from_torn_logs(folder, 10_000, seed=int(os.environ.get("TORN_SEED", "2")))

    print(f"10000 torn write-ahead logs, 0 wrong recoveries; {dict(outcomes)}")
