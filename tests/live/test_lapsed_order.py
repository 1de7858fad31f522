"""An order that the trail does not store in time: answered within its timeout, and never carried out later."""

import json
import os
import signal
from pathlib import Path

from alluse_hub.actors.auditor import query
from alluse_hub.cli import failure
from tests.live.daemons import eventually
from tests.live.hubs import configured, replay, serving

BRIEFLY = replay("2004-08-02", "2004-08-10")


def test_an_order_that_cannot_be_stored_in_time_is_answered_in_time_and_never_done(tmp_path: Path) -> None:
    with serving(configured(tmp_path, BRIEFLY)) as hub:
        hub.finish()
        before, auditor = hub.programs(), hub.daemon.pid("auditor")
        os.kill(auditor, signal.SIGSTOP)
        try:
            said = hub.run("restart", "ws2", "--timeout", "1", "--json")
        finally:
            os.kill(auditor, signal.SIGCONT)

        given = frozenset({"OrderGiven"})

        def told() -> list[bool]:
            return [json.loads(body)["allowed"] for _, body in query.facts_of(hub.home, "gateway", given)]

        assert said.status == failure.TIMED_OUT
        assert said.refusal["message"] == "restart of ws2 was not done: the trail did not store it in time"
        eventually(lambda: told() == [True, False], f"the trail tells that it was not given: {told()}")
        assert hub.programs() == before
        assert hub.run("restart", "ws2").status == failure.DONE
        eventually(lambda: hub.programs()["ws2"] != before["ws2"], "one that is stored is done")
