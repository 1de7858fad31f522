"""The end of a real hub: within its total time, in phases, with a list of who overran."""

import signal
import time
from pathlib import Path

import pytest

from alluse_hub.actors.auditor import query
from alluse_hub.supervision import processes
from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, running_programs, serving

TOTAL_S = 4.0

STUBBORN = """
import json, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
seq = 0
def say(**what):
    global seq
    seq += 1
    print(json.dumps({"ws": sys.argv[1], "seq": seq, "t": time.monotonic(), **what}), flush=True)
import os
say(kind="hello", name=sys.argv[1], version="1", pid=os.getpid())
while True:
    time.sleep(1.0)
    say(kind="heartbeat")
"""


def config(script: Path) -> str:
    head = f"[hub]\nreference = false\nshutdown_s = {TOTAL_S}\n"
    table = '[[workstream]]\nid = "{0}"\nname = "{0}"\nprogram = ["{{python}}", "{1}", "{0}"]\ngrace_s = 60.0\n'
    return head + "".join(table.format(name, script) for name in ("mule", "ox"))


def count(hub: Hub, kind: str) -> int:
    return sum(len(query.facts_of(hub.home, actor, frozenset({kind}))) for actor in ("hub", "mule", "ox"))


def test_programs_that_will_not_end_are_killed_within_the_total_time_and_told_of(tmp_path: Path) -> None:
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN, encoding="utf-8")
    home = configured(tmp_path, config(script))
    with serving(home) as hub:
        for name in ("mule", "ox"):
            hub.program(name)
        everybody = processes.entered(home)
        answer = hub.run("shutdown", "--reason", "night", "--json").document
        began = time.monotonic()

        assert hub.daemon.process.wait(60) == 11
        assert time.monotonic() - began < TOTAL_S + 4.0  # the graces of the two alone would be 120 s
        assert answer["phases"] == ["intake", "drain", "flush", "close"]
        assert answer["within_s"] == TOTAL_S
        told = hub.daemon.output()
        for name in ("mule", "ox"):
            assert f"overran: the program of {name}, a part of {name}: killed after" in told
        for phase in ("intake", "drain", "flush", "close"):
            assert f"phase {phase}: " in told
        assert "ended not all in order: " in told
        assert [process.name for process in everybody if processes.is_alive(process)] == []
        assert running_programs(home) == []
        assert (count(hub, "PhaseEnded"), count(hub, "HubEnded"), count(hub, "Overran")) == (4, 1, 2)


@pytest.mark.deep
def test_a_second_signal_ends_at_once_and_the_status_says_so(tmp_path: Path) -> None:
    script = tmp_path / "stubborn.py"
    script.write_text(STUBBORN, encoding="utf-8")
    home = configured(tmp_path, config(script).replace(f"shutdown_s = {TOTAL_S}", "shutdown_s = 600"))
    with serving(home) as hub:
        hub.program("mule")
        hub.daemon.process.send_signal(signal.SIGTERM)
        eventually(lambda: "ending in order" in hub.daemon.output(), "the first signal is heard")

        assert hub.daemon.end(signal.SIGTERM) == 11
        assert "asked again: ending at once" in hub.daemon.output()
