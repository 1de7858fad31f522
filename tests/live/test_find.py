"""The trail of a running hub: found by a word, taken out, and verified by somebody who has nothing else."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor.indexer import remove
from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, replay, serving

SLOWLY = replay("2004-08-02", "2004-12-31", speed=5.0)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with serving(configured(tmp_path_factory.mktemp("find"), SLOWLY)) as hub:
        hub.reach(3)
        yield hub


def found(hub: Hub, *words: str) -> list[Any]:  # JSON
    said = hub.run("trail", "search", *words, "--json")
    if said.status:
        assert "there is no index of words" in said.err
        return []
    entries: list[Any] = said.document["entries"]
    return entries


def test_what_happens_is_soon_found_by_its_words_and_taken_out_with_its_proof(hub: Hub, tmp_path: Path) -> None:
    eventually(lambda: bool(found(hub, "market_data_update AAPL", "--workstream", "ws3")), "indexed")
    remove(hub.home / "trail" / "index.db")
    eventually(lambda: bool(found(hub, "AAPL", "--message", "EventHeard", "-n", "3")), "the index made anew")
    first = found(hub, "--correlation", found(hub, "AAPL", "-n", "1")[0]["correlation"], "--oldest-first")
    told = hub.run("trail", "timeline", first[0]["correlation"], "-n", "1000", "--json").document["entries"]
    assert first[0]["id"] in {one["id"] for one in told}

    out = tmp_path / "out"
    assert hub.run("trail", "export", str(out), "--text", "AAPL", "--workstream", "ws3", "--json").document["rows"]
    key = hub.run("trail", "key").out.strip()
    alone = shutil.copy(Path(hub_verify.__file__), tmp_path / "hub_verify.py")
    words = [sys.executable, "-I", "-S", alone, str(out), "--json", "--vkey", key]
    verified = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert (verified.returncode, verified.stderr) == (0, "")
    assert json.loads(verified.stdout)["entries"] > 0
