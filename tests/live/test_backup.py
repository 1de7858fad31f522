"""A backup taken beside a running daemon, and a daemon that starts on what was restored from it."""

from pathlib import Path

from alluse_hub.cli import failure
from tests.live.daemons import eventually
from tests.live.hubs import configured, control, replay, serving

QUICKLY = replay("2004-08-02", "2004-12-31", speed=20.0)


def test_a_hub_starts_on_a_backup_of_a_busy_one_and_its_trail_goes_on_from_the_same_root(tmp_path: Path) -> None:
    copy, new = tmp_path / "copy", tmp_path / "new"
    home = configured(tmp_path, QUICKLY)
    with serving(home) as hub:
        hub.reach(3)
        hub.daemon.kill("ws3")  # spools come and go while it is copied
        made = hub.run("trail", "backup", str(copy), "--json")
        assert made.status == failure.DONE, made.err
        assert hub.run("trail", "restore", str(copy)).status == failure.CONFLICT

    back = control(new, "trail", "restore", str(copy), "--json")

    assert back.status == failure.DONE, back.err
    kept = new / "kept.checkpoint"
    kept.write_text((copy / "trail" / "head").read_text(encoding="utf-8"), encoding="utf-8")
    with serving(new) as hub:
        hub.reach(1)
        eventually(lambda: "Restored" in hub.run("trail", "tail", "--message", "Restored").out, "the fact is stored")
    proof = control(new, "trail", "verify", "--checkpoint", str(kept), "--json")
    assert proof.status == failure.DONE, proof.out
    assert proof.document["entries"] > made.document["entries"] == back.document["entries"] > 0
    assert control(new, "trail", "check").status == failure.DONE
