"""Signal 9 at the auditor and at those who write, in a hub at work: nothing lost, nothing doubled, and it is proved.

Fault P3 of the catalogue of reliability, and its promise R6.  ``KILL_SEED=7 pytest -m deep
tests/live/test_exactly_once.py -s`` plays another sequence and prints it.
"""

import os
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.leaves import ENTRY_COLUMNS, leaf_hashes
from alluse_hub.actors.auditor.merkle import Tree
from alluse_hub.actors.auditor.stored_tree import StoredTree
from alluse_hub.supervision import processes
from alluse_hub.supervision.spool import spools_in
from tests.actors.auditor.conftest import SmallHub
from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, one_more_session, replay
from tests.live.reporting import reported, reporting, stored
from tests.live.storms import stormproof
from tests.live.test_storm import stands

AUDITOR_SHARE = 1 / 3
"""Of the kills; the others fall upon all who write, supervisors and the root among them."""

PAUSE_S = 0.25
"""Between two kills, on average: so short that many hit somebody who has not recovered from the last."""


def kill_at_random(hub: Hub, kills: int, seed: int) -> Counter[str]:
    """Who was hit how often."""
    dice = random.Random(seed)
    struck = Counter[str]()
    while struck.total() < kills:
        time.sleep(min(dice.expovariate(1 / PAUSE_S), 4 * PAUSE_S))  # the moment of death is what is drawn here
        writers = {name.actor for name in spools_in(hub.home / "trail" / "spool")}
        there = sorted(
            (each for each in processes.entered(hub.home) if each.name in writers and processes.is_alive(each)),
            key=lambda each: (each.name, each.pid),
        )
        aim, is_auditor = dice.random(), dice.random() < AUDITOR_SHARE
        aimed = [each for each in there if each.name == "auditor"] if is_auditor else there
        if aimed and processes.kill(aimed[int(aim * len(aimed))]):
            struck[aimed[int(aim * len(aimed))].name] += 1
        assert hub.daemon.process.poll() is None, hub.daemon.output()
    return struck


def tree_made_anew(home: Path) -> tuple[int, bytes]:
    """Size and root, out of the rows and nothing else."""
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as db:
        rows = db.execute(f"SELECT {ENTRY_COLUMNS} FROM entries ORDER BY leaf").fetchall()
    tree, _ = Tree().grown(leaf_hashes(rows))
    return tree.size, tree.root()


def tree_stored(home: Path) -> tuple[int, bytes]:
    with closing(sqlite3.connect(home / "trail" / "trail.db")) as db:
        tree = StoredTree(db).now
        return tree.size, tree.root()


def take_in_the_last_words(home: Path) -> None:
    """Of those who ended after the auditor, as the next one would."""
    last = SmallHub(home)
    last.ingest(lambda _word: None)
    last.sign()


def nothing_lost_and_nothing_doubled(home: Path, reports: Path) -> dict[str, int]:
    checked = query.wholeness(home)
    assert checked.is_whole, checked
    assert hub_verify.verify(home).findings == [], "as it was left"
    take_in_the_last_words(home)
    told, kept = reported(reports), stored(home)
    lost = [key for key in told if key not in kept]
    other = [key for key in told if key in kept and kept[key] != told[key]]
    assert (lost, other) == ([], []), f"of {len(told)} entries whose write had returned"
    assert tree_made_anew(home) == tree_stored(home)
    proved = hub_verify.verify(home, every=True)
    assert proved.findings == []
    return {"entries": len(kept), "told safe": len(told), "checkpoints": proved.figures["checkpoints"]}


def storm(folder: Path, kills: int, seed: int) -> None:
    print(f"seed {seed}")
    home, reports = configured(folder, ""), folder / "reports"
    (home / "hub.toml").write_text(stormproof(home, replay("2004-08-02", "2009-03-31", speed=8.0)), encoding="utf-8")
    with reporting(home, reports) as hub:
        hub.reach(2)
        struck = kill_at_random(hub, kills, seed)
        eventually(lambda: stands(hub), "all stands again")
        one_more_session(hub)
        sessions = hub.sessions
        assert hub.daemon.end() == 0, hub.daemon.output()
    figures = nothing_lost_and_nothing_doubled(home, reports)
    print(f"{struck.total()} kills, {struck['auditor']} of the auditor, {sessions} sessions; {figures}")


def test_six_kills_of_auditor_and_writers_in_a_hub_at_work_lose_and_double_nothing(tmp_path: Path) -> None:
    storm(tmp_path, kills=6, seed=int(os.environ.get("KILL_SEED", "1")))


@pytest.mark.deep
@pytest.mark.parametrize("seed", [int(os.environ["KILL_SEED"])] if "KILL_SEED" in os.environ else [1, 2])
def test_500_kills_of_auditor_and_writers_in_a_hub_at_work_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    storm(tmp_path, kills=500, seed=seed)
