"""What the board is shown: what has changed, in bounded letters; to a new board all of it."""

from collections.abc import Iterator

from alluse_hub.actors.board.picture import Syncs
from alluse_hub.actors.replicator.figures import EDGES_SHOWN_MAX, SHOW_S, sync_shown
from alluse_hub.actors.replicator.state import Turn
from alluse_hub.protocols import wire
from alluse_hub.protocols.lifecycle import PeerUp
from alluse_hub.protocols.sync import Sync
from tests.actors.replicator.worlds import World, sharer

MANY = 450


def world(count: int = 3, **more: float) -> World:
    syncs = [Sync(id=f"d{n}", source="a", targets=("b",), pace_s=0.2, **more) for n in range(count)]
    programs = {"a": sharer("a", *(f"d{n}" for n in range(count))), "b": sharer("b")}
    return World(syncs, programs)


def timeless(one: World) -> Iterator[dict[str, object]]:
    """As the replicator would show it now, but for what ages by itself."""
    for sync in one.spec.syncs:
        yield without_age(sync_shown(Turn(one.state, one.now, ""), sync).model_dump(mode="json"))


def without_age(sync: dict[str, object]) -> dict[str, object]:
    ages = {"freshness_s", "within", "bytes_per_s", "records_per_s"}
    targets = sync["targets"]
    assert isinstance(targets, list)
    return {**sync, "targets": [{key: edge[key] for key in edge.keys() - ages} for edge in targets]}


def test_only_what_has_changed_is_shown_and_the_board_has_it_all() -> None:
    one = world(anti_entropy_s=600)
    for n in range(3):
        one.share("a", f"d{n}", {"x": n})
    one.advance(20)
    one.pictures.clear()
    one.share("a", "d1", {"x": 7})
    one.advance(10)

    assert {sync.sync for picture in one.pictures for sync in picture.syncs} == {"d1"}
    assert all(not sync.config for picture in one.pictures for sync in picture.syncs)
    assert [without_age(sync.model_dump(mode="json")) for sync in one.board.syncs] == list(timeless(one))
    assert [sync.sync for sync in one.board.syncs] == ["d0", "d1", "d2"]


def test_nothing_that_changes_is_nothing_shown() -> None:
    one = world(anti_entropy_s=600)
    one.advance(20)
    one.pictures.clear()
    one.advance(100)

    assert one.pictures == []


def test_a_board_that_died_is_shown_all_of_it_in_letters_that_are_bounded() -> None:
    one = world(MANY, anti_entropy_s=600)
    one.share("a", "d7", {"x": 1})
    one.advance(10)
    one.pictures.clear()
    one.board = Syncs()

    one.post("hub", "replicator", PeerUp(name="board", incarnation=2))
    one.advance(1)

    assert [picture.afresh for picture in one.pictures] == [True, False]
    assert [len(picture.syncs) for picture in one.pictures] == [EDGES_SHOWN_MAX, MANY - EDGES_SHOWN_MAX]
    assert [sync.sync for sync in one.board.syncs] == [f"d{n}" for n in range(MANY)]
    assert all(sync.config for sync in one.board.syncs)
    assert max(len(wire.encode(picture)) for picture in one.pictures) < 700_000


def test_of_much_that_changes_at_once_each_has_its_turn() -> None:
    one = world(MANY, anti_entropy_s=30)
    one.advance(10)
    one.pictures.clear()
    for n in range(MANY):
        one.share("a", f"d{n}", {"x": n})
    one.advance(3 * SHOW_S)

    assert max(len(picture.syncs) for picture in one.pictures) <= EDGES_SHOWN_MAX
    assert {sync.sync for picture in one.pictures for sync in picture.syncs} == {f"d{n}" for n in range(MANY)}
    one.advance(40)
    assert all(sync.targets[0].ever.verified == 1 for sync in one.board.syncs)
