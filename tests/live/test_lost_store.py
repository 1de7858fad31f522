"""The database of a running hub is deleted: it fails closed, says so, and begins no new trail in place of the old."""

from pathlib import Path

import pytest

from tests.live.daemons import eventually
from tests.live.hubs import configured, replay, serving

STEADILY = replay("2004-08-02", "2005-12-30", speed=10.0)


@pytest.mark.deep
def test_a_deleted_store_is_told_and_never_replaced_by_an_empty_one(tmp_path: Path) -> None:
    home = configured(tmp_path, STEADILY)
    with serving(home) as hub:
        hub.reach(3)
        eventually((home / "trail" / "head").exists, "something was signed")
        (home / "trail" / "trail.db").unlink()

        eventually(lambda: "critical" in hub.run("status").out, "status tells")
        eventually(lambda: hub.daemon.process.poll() is not None, "the hub gives up rather than go on without a trail")

        said = hub.daemon.output()
        assert "trail.db was deleted, moved or replaced while it was in use" in said
        assert "trail.db is older than" in said
