"""Programs that claim, in the whole hub: alike in every run if they are in lockstep, and whatever is lost or killed."""

from collections import Counter
from typing import Any

import pytest

from alluse_hub.protocols.trail import Entry
from alluse_hub.protocols.workstream import StopProgram
from alluse_hub.testing import TestHub, Weather
from tests.simulation.again import judged
from tests.simulation.claimers import with_claimers, with_free
from tests.simulation.laws import decisions
from tests.simulation.spans import RESTARTS, ROUGH, is_over, played, replay

SLOW = Weather(latency_s=(0.05, 2.0), store_s=(0.5, 3.0), work_s=(0.1, 0.5))

SPAN = replay("2004-08-02", "2004-08-13", RESTARTS)
"""10 sessions."""

QUEUED = with_claimers(SPAN)
TALKED_OVER = with_claimers(SPAN, pool='policy = "negotiate"')
FREE = with_free(SPAN)


def bodies(hub: TestHub, message: str) -> list[Any]:
    return [entry.body for entry in hub.facts(message)]


def events(hub: TestHub, workstream: str | None = None) -> list[Any]:
    entries: list[Any] = hub.facts("EventHeard", workstream) if workstream else hub.facts("EventHeard")
    return [entry.body["event"] for entry in entries]


def heard(hub: TestHub, workstream: str) -> list[tuple[str, str]]:
    """What its program has heard of its claims, in order."""
    told = [each["payload"] for each in events(hub, workstream) if each["event"] == "heard_of_claim"]
    return [(each["id"], each["outcome"]) for each in told]


def books_balance(hub: TestHub) -> None:
    """P5: each claim that is placed has one end, or lives; each word that is heard has one answer."""
    placed = Counter(body["claim"]["id"] for body in bodies(hub, "ClaimPlaced"))
    ended = Counter(body["id"] for body in bodies(hub, "ClaimEnded"))
    live = Counter(list(hub.state("coordinator").ledger.claims))
    assert placed == ended + live
    said = Counter(each["ws"] for each in events(hub) if each["event"] in {"claim_said", "withdrawal_said"})
    assert Counter(body["workstream"] for body in bodies(hub, "ProgramAnswered")) == said


def nothing_differs(trail: list[Entry]) -> None:
    for one in judged(trail):
        assert (one.difference, one.unknown) == (None, ""), one
        assert one.judged + one.set_aside == one.letters, one


@pytest.fixture(scope="module")
def calm() -> tuple[dict[str, str], list[tuple[str, Any]]]:
    with played(QUEUED) as hub:
        books_balance(hub)
        return hub.digests, decisions(hub)


def test_each_word_is_answered_and_each_change_is_told() -> None:
    with played(QUEUED) as hub:
        steady, eager = heard(hub, "ws6"), heard(hub, "ws7")

    assert steady[:2] == [("gpu", "granted"), ("odd", "refused")]
    assert ("none", "refused") in steady
    assert ("gpu", "withdrawn") in steady
    assert {outcome for id_, outcome in eager if id_ == "mine"} >= {"queued", "granted", "ended"}
    mine = [outcome for id_, outcome in eager if id_ == "mine"]
    assert mine[mine.index("queued") + 1] == "granted"


@pytest.mark.parametrize(("seed", "weather"), [(2, SLOW), (3, ROUGH)], ids=["slow", "rough"])
def test_neither_seed_nor_weather_changes_what_is_claimed_or_granted(
    seed: int, weather: Weather, calm: tuple[dict[str, str], list[tuple[str, Any]]]
) -> None:
    with played(QUEUED, seed, weather) as hub:
        digests, decided = calm
        assert hub.digests == digests
        assert decisions(hub) == decided


def test_a_round_waits_for_what_is_talked_over_in_it() -> None:
    """So two runs are alike there as well, as long as nobody is silent for longer than the bounds allow."""
    found = []
    for seed in range(2):
        with played(TALKED_OVER, seed) as hub:
            found.append(hub.digests)
            outcomes = Counter(body["outcome"] for body in bodies(hub, "ConflictClosed"))
            assert outcomes["holder yields"] > 0
            assert "let_go" in {each["event"] for each in events(hub, "ws6")}
    assert found[0] == found[1]


@pytest.mark.parametrize("config", [QUEUED, TALKED_OVER], ids=["queued", "talked-over"])
def test_the_trail_of_claims_run_again_gives_the_same_decisions(config: str) -> None:
    with played(config, seed=5) as hub:
        nothing_differs(hub.trail)


@pytest.mark.parametrize("seed", range(2))
def test_claims_outside_the_lockstep_are_answered_once_whatever_is_lost_or_killed(seed: int) -> None:
    with played(FREE, seed, ROUGH if seed else None) as hub:
        books_balance(hub)
        assert {id_ for id_, _ in heard(hub, "ws8")} == {"gpu"}
        assert hub.state("ws8").kept.words == {}
        nothing_differs(hub.trail)


def test_of_a_workstream_that_is_stopped_what_it_takes_ends_and_goes_to_the_next() -> None:
    with TestHub(QUEUED) as hub:
        hub.run_sessions(3)
        assert list(hub.state("coordinator").ledger.docket.granted) != []
        holder = next(iter(hub.state("coordinator").ledger.docket.granted)).split(":")[1].split("/")[0]
        hub.tell(holder, StopProgram(by="alice", reason="a test"))
        hub.advance(20.0)
        granted = list(hub.state("coordinator").ledger.docket.granted)
        assert not [id_ for id_ in granted if id_.startswith(f"program:{holder}/")]


@pytest.mark.parametrize("actor", ["coordinator", "router", "ws6"])
def test_who_answers_carries_or_says_a_claim_may_die_again_and_again(
    actor: str, calm: tuple[dict[str, str], list[tuple[str, Any]]]
) -> None:
    with TestHub(QUEUED, seed=5, weather=Weather(latency_s=(0.001, 0.02))) as hub:
        for _ in range(6):
            hub.advance(0.137)
            hub.run_until(lambda: actor in hub.world.actors and hub.world.actors[actor].is_alive)
            hub.crash(actor)
        hub.run_until(lambda: is_over(hub))
        hub.advance(30.0)

        assert (hub.digests, decisions(hub)) == calm


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 140))
def test_forty_seeds_of_rough_weather(seed: int, calm: tuple[dict[str, str], list[tuple[str, Any]]]) -> None:
    with played(QUEUED, seed, ROUGH) as hub:
        assert (hub.digests, decisions(hub)) == calm
        books_balance(hub)
