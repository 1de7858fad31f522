"""Same seed, same trail; another seed or worse weather: same events, same decisions."""

import pytest

from alluse_hub.testing import TestHub, Weather
from tests.simulation.conftest import Calm, same_as_calm
from tests.simulation.spans import LISTING, ROUGH, STORM, is_over, played

SLOW = Weather(latency_s=(0.05, 2.0), store_s=(0.5, 3.0), work_s=(0.1, 0.5))


@pytest.mark.parametrize("weather", [Weather(), ROUGH], ids=["fair", "rough"])
def test_the_same_seed_gives_the_same_trail_to_the_last_entry(weather: Weather) -> None:
    def trail() -> list[str]:
        with played(LISTING, 7, weather) as hub:
            return [entry.model_dump_json() for entry in hub.trail]

    first, second = trail(), trail()
    assert first == second
    assert len(first) > 1_000


def test_two_seeds_give_two_trails() -> None:
    with played(LISTING, seed=1) as first, played(LISTING, seed=2) as second:
        assert [entry.at for entry in first.trail] != [entry.at for entry in second.trail]


@pytest.mark.parametrize(
    ("seed", "weather"),
    [(1, Weather()), (2, SLOW), (3, ROUGH)],
    ids=["another-seed", "slow", "rough"],
)
def test_neither_seed_nor_weather_changes_an_event_or_a_decision(
    seed: int, weather: Weather, calm: dict[str, Calm]
) -> None:
    with played(STORM, seed, weather) as other:
        same_as_calm(other, calm[STORM])


@pytest.mark.parametrize("sessions", [1, 5, 6])
def test_a_replay_seen_in_parts_is_the_same_replay(sessions: int, calm: dict[str, Calm]) -> None:
    with TestHub(LISTING) as hub:
        while not hub.has_ended:
            hub.run_sessions(sessions)
        hub.run_until(lambda: is_over(hub))

        assert hub.digests == calm[LISTING].digests


def test_whatever_is_said_in_a_calm_run_is_for_somebody_who_takes_it() -> None:
    with played(LISTING, seed=1) as hub:
        assert [(entry.actor, entry.body) for entry in hub.facts("DeadLetter")] == []
