"""Sealing in earnest: a million entries, and kills by signal 9.  Figures are printed; the claims are ratios."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import keys, query
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.notes import Signer
from alluse_hub.actors.auditor.seal import go_on, seal, sealing
from alluse_hub.actors.auditor.sealed import segments_dir
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.cli.failure import DONE
from alluse_hub.cli.main import main
from alluse_hub.supervision.spool import SpoolName
from tests.actors.auditor.classed import told
from tests.actors.auditor.conftest import SmallHub
from tests.live.daemons import HOUSE

ENTRIES = 1_000_000
KILLS = 20
BATCH = 2_000
SAID = (
    ("fact", "EventHeard"),
    ("heard", "Woken"),
    ("sent", "Produced"),
    ("fact", "HealthChanged"),
    ("fact", "RuleFired"),
)


def row(actor: str, n: int, at: float, dice: random.Random) -> Row:
    kind, message = dice.choice(SAID)
    payload = {
        "symbol": dice.choice(("AAPL", "MSFT", "NVDA", "TSLA")),
        "delta": round(dice.random(), 4),
        "price": round(dice.random() * 500, 2),
        "order": f"{dice.getrandbits(128):032x}",
        "note": "weekly put sold on schedule",
    }
    event = {"ws": actor, "n": n, "event": "position_opened", "payload": payload}
    body = json.dumps({"workstream": actor, "event": event}, separators=(",", ":"))
    cause = f"{actor}/1/{max(1, n - 1)}"
    return Row(
        actor, 1, n, kind, message, "router", "", cause, f"ws1/1/{max(1, n // 9)}", at, 1.7e9 + at, False, actor, body
    )


def written(home: Path) -> Signer:
    dice = random.Random(7)
    last: dict[str, int] = {}
    store = Store.open(home / "trail" / "trail.db")
    for batch in range(ENTRIES // BATCH):
        rows = []
        for each in range(BATCH):
            actor = f"ws{dice.randint(1, 5)}"
            last[actor] = last.get(actor, 0) + 1
            rows.append(row(actor, last[actor], batch + each / BATCH, dice))
        store.commit(rows, {SpoolName(actor, 1): Place(n, n) for actor, n in last.items()})
    signer = keys.for_trail(home, "alluse", is_new=True)
    notary = Notary(store, Head(home / "trail" / "head"), signer)
    notary.begin()
    notary.seal()
    store.close()
    return signer


@pytest.mark.deep
def test_a_million_entries_take_less_than_two_thirds_of_the_room_when_they_are_sealed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = written(tmp_path)
    hot = (tmp_path / "trail" / "trail.db").stat().st_size
    began = time.process_time()
    with sealing(tmp_path) as store:
        go_on(tmp_path, store)
        made = seal(tmp_path, store, signer, (1, ENTRIES // 256 * 256 - 256))
    cpu_s = time.process_time() - began
    sizes = {path.name: path.stat().st_size for path in (segments_dir(tmp_path) / f"1-{made.last}").iterdir()}
    sealed = sum(sizes.values())

    with capsys.disabled():
        print(
            f"\nhot {hot / 1e6:.0f} MB, sealed {sealed / 1e6:.0f} MB, {cpu_s / made.last * 1e6:.0f} us of a core each"
        )
        print({name: f"{size / 1e6:.1f} MB" for name, size in sorted(sizes.items())})
    assert sealed * 3 < hot * 2
    assert query.tail(tmp_path, limit=10, after_leaf=made.last // 2).entries[0].leaf == made.last // 2 + 1


@pytest.mark.deep
def test_sealing_and_expiring_killed_with_signal_9_lose_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it hits; each time the next one goes on with what is there."""
    hub = SmallHub(tmp_path / "home")
    told(hub)
    hub.close()
    home = hub.home
    expected = [entry for entry in query.tail(home, limit=5_000).entries if entry.actor != "keeper"]
    seed = random.randrange(10**9)
    dice = random.Random(seed)
    words = (("seal",), ("expire", "--who", "Mira", "--reason", "past their duty"))
    for turn in range(2 * KILLS):
        if turn == KILLS:  # all of it is sealed by now, or will be
            assert main(["trail", "seal", "--home", str(home)]) == DONE
        command = [sys.executable, "run.py", "trail", *words[turn >= KILLS], "--home", str(home)]
        running = subprocess.Popen(command, cwd=HOUSE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.uniform(0.2, 1.6))
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert hub_verify.verify(home).findings == [], f"seed {seed}, turn {turn}"
        if turn < KILLS:
            found = [entry for entry in query.tail(home, limit=5_000).entries if entry.actor != "keeper"]
            assert found == expected, f"seed {seed}, turn {turn}"
    assert main(["trail", "expire", "--who", "Mira", "--reason", "past their duty", "--home", str(home)]) == DONE
    assert hub_verify.verify(home).findings == []
    capsys.readouterr()
    with capsys.disabled():
        print(f"\nseed {seed}: {hub_verify.verify(home).figures}")
