"""What was recorded from Erlang/OTP, on real processes: one for each actor, and kill means SIGKILL."""

from collections import Counter
from pathlib import Path

import pytest

from alluse_hub.supervision import processes
from alluse_hub.supervision.engine.room import room_for
from tests.otp.compare import differences
from tests.otp.live import is_playable, live_trace_of
from tests.otp.recordings import scenarios, traces

SLICE = (
    "api-childspec",
    "auto-significant-ignored",
    "limit-reached-with-hanging-child",
    "nest-kill-supervisor-group",
    "ofa-hanging-sibling",
    "pool-start-fails",
    "rfo-hanging-in-rest",
    "stop-other-reasons-transient",
)

PLAYABLE = [name for name, scenario in scenarios().items() if is_playable(scenario)]


def play(name: str, home: Path) -> None:
    assert differences(traces()[name], live_trace_of(scenarios()[name], home)) == []
    assert not any(map(processes.is_alive, processes.entered(home)))


@pytest.mark.parametrize("name", SLICE)
def test_real_processes_do_what_was_recorded_from_otp(name: str, tmp_path: Path) -> None:
    play(name, tmp_path / "hub")


@pytest.mark.deep
@pytest.mark.parametrize("name", PLAYABLE)
def test_real_processes_do_all_that_was_recorded_and_is_not_left_to_the_simulation(name: str, tmp_path: Path) -> None:
    play(name, tmp_path / "hub")


def test_what_is_played_on_real_processes_is_of_every_group() -> None:
    assert Counter(scenarios()[name].group for name in PLAYABLE) == {
        "api": 13, "auto": 14, "limit": 13, "matrix": 24, "mix": 40, "nest": 13, "ofa": 12, "ofo": 4, "pool": 8,
        "rfo": 12, "start": 15, "stop": 12,
    }  # fmt: skip


def test_a_play_that_differs_is_told_and_leaves_nobody(tmp_path: Path) -> None:
    home = tmp_path / "hub"
    found = differences(traces()["matrix-ofo-temporary"], live_trace_of(scenarios()["matrix-ofo-permanent"], home))

    assert found != []
    assert not any(map(processes.is_alive, processes.entered(home)))
    room = room_for(home)  # which makes it anew
    assert list(room.iterdir()) == []
    room.rmdir()
