"""What a limit leads to on real processes: parked, or the end of the hub; and what is known of it after a kill -9."""

from pathlib import Path

from alluse_hub.supervision.guardian import ENDED_ITSELF
from tests.live.daemons import PATIENCE_S, eventually
from tests.live.hubs import Hub, configured, serving

IDLE = "[replay]\nautostart = false\n[supervision]\n"


def used(hub: Hub) -> int:
    """Of the budget of the supervisor ``coordination``."""
    children = hub.ask("tree")["tree"]["children"]
    (found,) = (child for child in children if child["name"] == "coordination")
    return int(found["budget"]["used"])


def monitor(hub: Hub, name: str) -> str:
    return str(hub.workstream(name)["monitor"]["state"])


def test_a_limit_counts_over_a_kill_of_the_daemon_and_then_ends_the_hub_with_a_status_of_its_own(
    tmp_path: Path,
) -> None:
    home = configured(tmp_path, IDLE + 'coordination = { restarts = 1, on_limit = "stop" }\n')
    with serving(home) as hub:
        hub.daemon.await_replaced(hub.daemon.kill("router"))
        eventually(lambda: used(hub) == 1, "the restart counts")
        hub.daemon.process.kill()
        hub.daemon.process.wait(PATIENCE_S)

    with serving(home) as hub:
        eventually(lambda: used(hub) == 1, "the restart still counts")
        told = hub.run("tree")
        assert "1 of 3 failures" in told.out
        assert "the daemon was killed: it left no word of its end" in told.out

        hub.daemon.kill("router")

        assert hub.daemon.process.wait(PATIENCE_S) == ENDED_ITSELF
        assert "the hub ended itself: router used up the restarts that coordination allows" in hub.daemon.output()


def test_a_parked_monitor_leaves_the_others_at_work_and_is_released_by_start(tmp_path: Path) -> None:
    home = configured(tmp_path, IDLE + "workstreams = { restarts = 0 }\n")
    with serving(home) as hub:
        hub.daemon.kill("ws3")
        eventually(lambda: monitor(hub, "ws3") == "parked", "its monitor is parked")
        eventually(lambda: "ws3, whose monitor is parked" in str(hub.workstream("ws4")["why"]), "ws4 knows")
        assert "workstreams  degraded" in hub.run("tree").out

        assert hub.run("start", "ws3", "--monitor").status == 0

        eventually(lambda: monitor(hub, "ws3") == "ready", "it is back")
        eventually(lambda: "whose monitor" not in str(hub.workstream("ws4")["why"]), "ws4 knows that too")
