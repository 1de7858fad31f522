"""Failure detection in a whole hub: a program that stands still, and a monitor that does."""

import signal
from pathlib import Path

from alluse_hub.supervision import processes
from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, serving

BEATS = """
import json, sys, time
def say(seq, kind, **more):
    print(json.dumps({"ws": "ws9", "seq": seq, "t": 0.0, "kind": kind, **more}), flush=True)
say(1, "hello", name="Nine", version="1", pid=1)
for seq in range(2, 1_000_000):
    time.sleep(0.05)
    say(seq, "heartbeat")
    with open(sys.argv[1] + "/beats", "a") as file:
        file.write("x")
"""
"""Beats twenty times a second, and notes each beat."""

LIMIT_S = 30.0

LEARNED = 15
"""Beats, after which the detector knows the rhythm; for the first ten intervals it waits as long as the limit."""

CONFIG = f"""
[hub]
reference = false

[[workstream]]
id = "ws9"
name = "Nine"
program = ["{{python}}", "{{home}}/beats.py", "{{state}}"]
detector = "phi"
heartbeat_timeout_s = {LIMIT_S}
"""


def home_in(folder: Path) -> Path:
    home = configured(folder, CONFIG)
    (home / "beats.py").write_text(BEATS, encoding="utf-8")
    return home


def await_beats(hub: Hub, count: int) -> None:
    """So many more."""
    path = hub.home / "state" / "ws9" / "beats"

    def beats() -> int:
        return path.stat().st_size if path.exists() else 0

    before = beats()
    eventually(lambda: beats() >= before + count, f"{count} beats")


def health_of(hub: Hub) -> list[str]:
    told = hub.ask("trail", messages=["HealthChanged"], kind="fact", limit=1_000)["entries"]
    return [str(entry["body"]["now"]) for entry in told]


def test_a_stopped_program_is_judged_by_its_rhythm_and_the_hub_says_so(tmp_path: Path) -> None:
    with serving(home_in(tmp_path)) as hub:
        program = hub.program("ws9")
        await_beats(hub, LEARNED)

        processes.kill(program, signal.SIGSTOP)
        hub.await_new_program(program)

        told = hub.ask("trail", messages=["ProgramEnded"], kind="fact", limit=10)["entries"]
        cause = str(told[-1]["body"]["cause"])
        assert cause.startswith("hung: silent for ")
        assert " with nothing to do; phi 8." in cause
        assert float(cause.split()[3]) < LIMIT_S
        assert "phi 8." in str(hub.ask("why", name="ws9"))


def test_a_monitor_that_stood_still_does_not_blame_its_program(tmp_path: Path) -> None:
    """Stopped for more than twice as long as this rhythm allows."""
    with serving(home_in(tmp_path)) as hub:
        program = hub.program("ws9")
        await_beats(hub, LEARNED)
        monitor = hub.daemon.actor("ws9")
        assert monitor is not None

        processes.kill(monitor, signal.SIGSTOP)
        await_beats(hub, 70)
        processes.kill(monitor, signal.SIGCONT)
        await_beats(hub, 20)

        assert "hung" not in health_of(hub)
        assert hub.program("ws9") == program
        assert hub.daemon.actor("ws9") == monitor
