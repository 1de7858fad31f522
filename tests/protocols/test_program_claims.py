"""What a program may say of a claim, and what it is told where it says something else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.claims import Clock, Lease, Tier
from alluse_hub.protocols.program_claims import (
    ClaimRights,
    ClaimWords,
    claim_id,
    claim_of,
    lease_of,
    own_id,
    refused_words,
    words_of,
)

LEAST = {"resource": "ws5/gpu", "reason": "a test"}


def said(**more: Any) -> ClaimWords | str:
    return words_of({"id": "gpu", "claim": {**LEAST, **more}})


def words(**more: Any) -> ClaimWords:
    found = said(**more)
    assert isinstance(found, ClaimWords), found
    return found


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"amount": 3, "lease_s": 60, "priority": 9, "yields": "let_go", "max_wait_s": 2.5},
        {"want": "paused", "sessions": 2, "exact": True},
        {"versions": {"ws5": 3}, "basis": {"ws4/trading": 7}, "epoch": 2},
        {"safety": True},
    ],
)
def test_what_fits_is_a_claim(more: dict[str, Any]) -> None:
    assert words(**more).model_dump(exclude_defaults=True) == {**LEAST, **more}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"amuont": 2}, "'amuont' is no key of a claim; did you mean 'amount'?"),
        ({"resource": "gpu"}, "'resource' must be a path such as ws5/gpu"),
        ({"reason": ""}, "'reason': String must have at least 1 character"),
        ({"amount": 0}, "'amount': must be greater than or equal to 1"),
        ({"amount": "2"}, "'amount': must be a valid integer"),
        ({"lease_s": 0}, "'lease_s': must be greater than 0"),
        ({"lease_s": 5, "sessions": 1}, "'lease_s' and 'sessions' are both given; a lease counts one of them"),
        ({"priority": 1_001}, "'priority': must be less than or equal to 1000"),
        ({"basis": {"gpu": 1}}, "'basis.gpu.[key]' must be a path such as ws5/gpu"),
        ({"basis": {f"ws5/r{n}": 1 for n in range(33)}}, "'basis': Dictionary must have at most 32 items"),
        ({"yields": "let go"}, "'yields': String must match pattern"),
        ({"tier": "operator"}, "'tier' is no key of a claim"),
        ({"holder": "alice"}, "'holder' is no key of a claim"),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(more: dict[str, Any], why: str) -> None:
    found = said(**more)

    assert isinstance(found, str)
    assert found.startswith(why)


@pytest.mark.parametrize("payload", [{}, {"claim": None}, {"claim": [1]}, {"claim": "gpu"}])
def test_what_is_no_object_is_told_so(payload: dict[str, Any]) -> None:
    found = words_of(payload)

    assert isinstance(found, str)
    assert found.startswith("'claim': ")


def test_a_missing_key_is_named() -> None:
    assert words_of({"claim": {"resource": "ws5/gpu"}}) == "'reason' is missing"


def test_for_safety_only_where_it_is_configured() -> None:
    assert "give the workstream `claims = { safety = true }`" in refused_words(
        words(safety=True), ClaimRights(), in_rounds=True
    )
    assert refused_words(words(safety=True), ClaimRights(safety=True), in_rounds=True) == ""


def test_sessions_are_counted_in_lockstep_only() -> None:
    assert refused_words(words(sessions=1), ClaimRights(), in_rounds=True) == ""
    assert "give 'lease_s'" in refused_words(words(sessions=1), ClaimRights(), in_rounds=False)


def test_leases_count_from_now() -> None:
    assert lease_of(words(), 100.0, 7) == Lease()
    assert lease_of(words(lease_s=5), 100.0, 7) == Lease(until=105.0)
    assert lease_of(words(sessions=2), 100.0, 7) == Lease(clock=Clock.MARKET, until=9.0)


@pytest.mark.parametrize("tier", [Tier.OPERATOR, Tier.RULE])
def test_no_configuration_lets_a_program_claim_as_people_or_rules(tier: Tier) -> None:
    with pytest.raises(ValueError, match="tier"):
        ClaimRights.model_validate({"tier": tier})


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", fullmatch=True))
def test_a_claim_bears_its_workstream_and_its_own_id(own: str) -> None:
    claim = claim_of(words(), "ws5", own, rights=ClaimRights(), event="ws5#3", lease=Lease())

    assert own_id(claim.id) == ("ws5", own)
    assert (claim.holder, claim.at, claim.cause, claim.tier) == ("ws5", "ws5", "ws5#3", Tier.WORKFLOW)


@pytest.mark.parametrize("id_", ["operator:alice@ws5/gpu", "rule:r@ws5/gpu", ""])
def test_nobody_elses_claim_is_a_programs(id_: str) -> None:
    assert own_id(id_) == ("", "")
    assert own_id(claim_id("ws5", "*")) == ("ws5", "*")
