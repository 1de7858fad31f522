"""A hub that seals while it runs: its auditor and its actors are killed, and nobody who reads notices."""

from pathlib import Path

from alluse_hub.actors.auditor import query
from alluse_hub.cli import failure
from alluse_hub.protocols.find import Find
from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, control, replay, serving, whole

QUICKLY = replay("2004-08-02", "2005-02-28", speed=30.0) + "[trail]\nseal_entries = 1024\n"


def known(home: Path) -> list[Path]:
    return [path for path in (home / "trail" / "segments").glob("*-*") if not path.name.endswith(".partial")]


def segments(home: Path) -> int:
    return len(known(home))


def first_entry(hub: Hub) -> str:
    return str(
        hub.run("trail", "search", "--oldest-first", "-n", "1", "--before", "50", "--json").document["entries"][0]["id"]
    )


def test_a_busy_hub_seals_and_goes_on_and_everything_stays_to_be_found(tmp_path: Path) -> None:
    home = configured(tmp_path, QUICKLY)
    with serving(home) as hub:
        eventually(lambda: (home / "trail" / "segments").exists() and segments(home) > 1, "segments")
        oldest = first_entry(hub)
        hub.daemon.await_replaced(hub.daemon.kill("auditor"))
        hub.daemon.await_replaced(hub.daemon.kill("coordinator"), hub.daemon.kill("ws3"))  # facts come out of segments
        sealed = segments(home)
        eventually(lambda: segments(home) > sealed, "it goes on after the kill")
        assert hub.run("trail", "show", oldest).status == failure.DONE
        refused = hub.run("trail", "expire", "--who", "Mira", "--reason", "too early", "--json")
        assert refused.document["classes"] == []
        whole(hub)
        assert control(home, "shutdown").status == failure.DONE

    proof = control(home, "trail", "verify", "--json")
    assert proof.status == failure.DONE, proof.out
    assert proof.document["segments"] >= sealed + 1
    assert control(home, "trail", "rerun").status == failure.DONE
    told = query.find(home, Find(messages=("Sealed",), limit=1_000)).entries
    assert len(told) == len({str(entry.body) for entry in told}) >= sealed, "each is told once"
