"""Death on real processes, at full speed, with real workstreams: kill means SIGKILL, and nothing shows afterwards."""

import signal
from pathlib import Path

import pytest

from alluse_hub.supervision import processes
from tests.live.daemons import eventually
from tests.live.hubs import (
    PACE,
    SPAN,
    SPARE_INTENSITY,
    WORKSTREAMS,
    configured,
    digest_of,
    kill_each_and_then_all,
    one_more_session,
    replay,
    serving,
    whole,
)

IMPATIENT = """
[[workstream]]
id = "ws1"
name = "Agent Foundation"
program = ["{python}", "-m", "alluse_hub.actors.workstreams.ws1", "--state", "{state}"]
lockstep = true
heartbeat_timeout_s = 2.0
"""


@pytest.fixture(scope="module")
def calm_digest() -> str:
    """Of the same span in a hub in which nothing dies."""
    return digest_of(replay(*SPAN))


def test_any_actor_and_any_program_may_be_killed(tmp_path: Path, calm_digest: str) -> None:
    with serving(configured(tmp_path, replay(*SPAN, speed=PACE) + SPARE_INTENSITY)) as hub:
        hub.reach(2)
        for actor in ("auditor", "board", "coordinator", "router", "gateway"):
            hub.daemon.await_replaced(hub.daemon.kill(actor))
            one_more_session(hub)
        for name in WORKSTREAMS:
            program = hub.program(name)
            processes.kill(program)
            hub.await_new_program(program)
            one_more_session(hub)

        assert hub.finish() == calm_digest
        whole(hub)
        assert hub.daemon.process.poll() is None


def test_a_killed_monitor_leaves_its_program_alone_and_loses_none_of_its_events(
    tmp_path: Path, calm_digest: str
) -> None:
    with serving(configured(tmp_path, replay(*SPAN, speed=PACE) + SPARE_INTENSITY)) as hub:
        hub.reach(2)
        before = hub.programs()
        kill_each_and_then_all(hub, WORKSTREAMS)

        assert hub.programs() == before
        assert hub.finish() == calm_digest
        assert hub.programs() == before
        whole(hub)


def test_a_killed_daemon_is_found_again_and_nothing_runs_twice(tmp_path: Path, calm_digest: str) -> None:
    home = configured(tmp_path, replay(*SPAN, speed=PACE) + SPARE_INTENSITY)
    with serving(home) as first:
        first.reach(4)
        programs = first.programs()
        actors = [process for process in processes.entered(home) if processes.is_alive(process)]
        first.daemon.end(signal.SIGKILL)
        with serving(home) as second:
            eventually(lambda: not any(processes.is_alive(actor) for actor in actors), "the old tree has ended")
            one_more_session(second)

            assert second.programs() == programs
            assert _running(home) == dict.fromkeys(WORKSTREAMS, 1)
            assert second.finish() == calm_digest
            whole(second)


def _running(home: Path) -> dict[str, int]:
    """How many programs of each workstream run on this home."""
    found = dict.fromkeys(WORKSTREAMS, 0)
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        for name in WORKSTREAMS:
            is_shim = any("shim" in word for word in words)
            found[name] += not is_shim and f"alluse_hub.actors.workstreams.{name}" in words and str(home) in str(words)
    return found


def test_an_idle_program_that_stands_still_is_judged_hung_and_replaced(tmp_path: Path, calm_digest: str) -> None:
    """With work in hand it may be busy, and has until the deadline of that work."""
    with serving(configured(tmp_path, replay(*SPAN) + IMPATIENT)) as hub:
        assert hub.finish() == calm_digest
        program = hub.program("ws1")
        processes.kill(program, signal.SIGSTOP)
        eventually(lambda: not processes.is_alive(program), "it was killed")
        hub.await_new_program(program)

        told = hub.ask("trail", messages=["HealthChanged"], kind="fact", limit=1_000)["entries"]
        assert ("ws1", "hung") in [(entry["body"]["workstream"], entry["body"]["now"]) for entry in told]
        assert hub.rest() == calm_digest
        whole(hub)
