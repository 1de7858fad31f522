"""The trail of a real hub, run again in another process: whoever was killed meanwhile, no decision differs."""

from pathlib import Path

from alluse_hub.cli import failure
from tests.live.hubs import SPAN, SPARE_INTENSITY, Hub, configured, control, one_more_session, replay, serving

KILLED = ("coordinator", "ws3", "auditor")


def nothing_differs(home: Path) -> None:
    said = control(home, "trail", "rerun", "--json")

    assert said.status == failure.DONE, said.out + said.err
    found = said.document
    assert (found["first"], found["unknown"]) == (None, [])
    assert found["judged"] + found["set_aside"] == found["letters"] > 100


def kill(hub: Hub, actor: str) -> None:
    hub.daemon.await_replaced(hub.daemon.kill(actor))
    one_more_session(hub)


def test_kill_9_of_actors_changes_no_decision_that_is_made_again(tmp_path: Path) -> None:
    home = configured(tmp_path, replay(*SPAN, speed=20.0) + SPARE_INTENSITY)
    with serving(home) as hub:
        for actor in KILLED:
            kill(hub, actor)
        nothing_differs(home)  # beside the daemon
        shown = control(home, "trail", "state", "coordinator", "--json").document
        assert shown["state"]["ledger"]
        hub.daemon.kill("hub")  # and the whole tree with it: what it said last is in the spools
    nothing_differs(home)
