"""What the replicator is told: who claims the data sets that syncs carry."""

from alluse_hub.protocols.lifecycle import PeerUp
from alluse_hub.protocols.sync import ClaimOnData, RungsShown
from tests.actors.coordinator.desks import SPEC, People

HELD = "ws5/models"
CARRIED = SPEC.model_copy(update={"held_for_syncs": (HELD,)})


def told(people: People) -> list[dict[str, tuple[ClaimOnData, ...]]]:
    """In the last letter."""
    return [word.claims for word in people.said(RungsShown)]


def test_a_persons_claim_holds_what_stands_there_and_is_told_until_it_is_released() -> None:
    people = People(CARRIED)

    held = people.claim("ann", HELD)
    while_held = told(people)
    people.release("ann", HELD)

    assert held.ok
    assert f"{HELD} stands as it is" in held.text
    assert while_held == [{HELD: (ClaimOnData(holder="ann"),)}]
    assert told(people) == [{}]


def test_others_claim_a_version_and_nothing_without_one() -> None:
    people = People(CARRIED)

    placed = people.place("run7", HELD, versions={"ws5": 3})
    while_held = told(people)
    refused = people.place("run8", HELD)

    assert placed.outcome == "granted"
    assert while_held == [{HELD: (ClaimOnData(holder="run7", versions={"ws5": 3}),)}]
    assert (refused.outcome, told(people)) == ("refused", [])


def test_a_new_replicator_is_told_at_once() -> None:
    people = People(CARRIED)
    people.claim("ann", HELD)

    people.tell(PeerUp(name="replicator", incarnation=2), "hub")

    assert told(people) == [{HELD: (ClaimOnData(holder="ann"),)}]


def test_where_no_sync_carries_anything_nothing_is_told() -> None:
    people = People()

    people.claim("ann", HELD)

    assert told(people) == []
