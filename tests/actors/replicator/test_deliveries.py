"""A delivery, step by step, in good weather and in bad."""

import json
from typing import Any

import pytest

from alluse_hub.protocols.sync import DriftFound, Stage, Sync, SyncMode
from alluse_hub.protocols.versions import DATASET_BYTES_MAX
from tests.actors.replicator.worlds import World, counts, sharer


def sync(**more: object) -> Sync:
    return Sync.model_validate({"id": "prices", "source": "a", "targets": ("b", "c"), "pace_s": 0.5, **more})


def three() -> dict[str, object]:
    return {"a": sharer("a", "prices"), "b": sharer("b"), "c": sharer("c")}


def world(*syncs: Sync, **more: object) -> World:
    return World(syncs or (sync(),), three(), **more)  # type: ignore[arg-type]  # of the world


def steps(of: World, target: str, serial: int = 1) -> list[str]:
    return [move.to.value for move in of.moves if move.target == target and move.serial == serial]


def test_a_change_goes_step_by_step_until_the_target_has_proved_it() -> None:
    one = world()
    one.share("a", "prices", {"x": 1})
    one.advance(0.9)

    assert steps(one, "b") == [
        *("changed", "offered", "wanted", "sent", "received", "applied", "acknowledged", "verified"),
    ]
    assert one.content("b", "prices") == one.content("c", "prices") == {"x": 1}
    one.lawful()


def test_nothing_is_verified_that_the_target_did_not_store() -> None:
    one = world()
    target = one.programs["b"].runner.workstream
    store = target.shelf.store
    target.shelf.store = lambda *args, **more: {**store(*args, **more), **_spoiled(target)}  # type: ignore[method-assign]
    one.share("a", "prices", {"x": 1})
    one.advance(3)

    assert counts(one.ledger.edge("prices>b")).verified == 0
    assert counts(one.ledger.edge("prices>c")).verified == 1
    assert steps(one, "b").count("sent") == 2  # once more, and then it is a conflict
    assert steps(one, "b")[-1] == "diverged"
    assert one.ledger.edge("prices>b").conflict
    one.lawful()


def _spoiled(target: object) -> dict[str, object]:
    shelf = target.shelf  # type: ignore[attr-defined]
    shelf.copies["prices"] = shelf.copies["prices"]._replace(text='{"x":2}')
    return {"version": shelf.version("prices")}


def test_a_source_that_names_no_digest_has_nothing_verified() -> None:
    one = world()
    source, target = one.programs["a"].shelf, one.programs["b"].shelf
    version, store = source.version, target.store

    def believing(name: str, offer: Any, *rest: Any, **more: Any) -> dict[str, Any]:
        told: dict[str, Any] = store(name, offer, *rest, **more)
        return {
            "outcome": "applied",
            "version": {**told["version"], "vector": {"a": 1}, "digest": offer.text("digest")},
        }

    source.version = lambda name: {**version(name), "digest": ""}
    target.store = believing
    one.share("a", "prices", {"x": 1})
    one.advance(100)

    assert one.ends(Stage.VERIFIED) == 0
    assert all("another digest than it says" in move.why for move in one.moves if move.to is Stage.EXPIRED)


def test_what_is_longer_than_a_data_set_may_be_is_not_carried() -> None:
    one = world()
    text = json.dumps({"x": "y" * DATASET_BYTES_MAX}, separators=(",", ":"))
    one.programs["a"].shelf.restore({"prices": [{"a": 1}, text, 1, ""]})
    one.advance(100)

    expired = [move.why for move in one.moves if move.to is Stage.EXPIRED]
    assert expired
    assert all(f"a data set has at most {DATASET_BYTES_MAX}" in why for why in expired)
    assert one.content("b", "prices") is None


def test_an_answer_that_is_not_understood_is_no_word_that_there_is_nothing() -> None:
    one = world()
    questions = one.programs["a"].runner._questions
    shown, answers = questions["get_datasets"], iter([{"prices": {"version": "garbage"}}])
    questions["get_datasets"] = lambda names: next(answers, None) or shown(names)
    one.share("a", "prices", {"x": 1})
    one.advance(30)

    assert not any("has no prices any more" in move.why for move in one.moves)
    assert one.is_equal()


def test_content_goes_only_to_those_who_want_it() -> None:
    one = world()
    one.share("a", "prices", {"x": 1})
    one.advance(0.9)
    one.programs["b"].answers.clear()
    sent = len([send for send in one.sent if getattr(send.message, "command", "") == "apply_datasets"])
    one.facts.clear()  # a life that remembers nothing
    one.death()
    one.advance(3)

    again = [send for send in one.sent if getattr(send.message, "command", "") == "apply_datasets"]
    assert len(again) == sent
    assert one.ends(Stage.VERIFIED) == 2
    assert one.is_equal()


def test_a_source_that_changes_fast_is_coalesced_to_the_newest_and_it_is_said() -> None:
    one = world(sync(pace_s=0.0, window=1), latency_s=(0.02, 0.03))
    for number in range(200):
        one.share("a", "prices", {"x": number})
        one.advance(0.005)
    one.advance(5)

    assert one.content("b", "prices") == {"x": 199}
    assert one.ends(Stage.VERIFIED) < 60
    said = [move.why for move in one.moves if move.to is Stage.SUPERSEDED]
    assert any(why.startswith("coalesced: 1 are on their way already") for why in said)
    one.lawful()


def test_a_source_is_heard_at_most_once_in_its_pace() -> None:
    one = world(sync(pace_s=1.0))
    for number in range(1000):
        one.share("a", "prices", {"x": number})
        one.advance(0.01)

    assert counts(one.ledger.edge("prices>b")).verified <= 12


def test_a_target_that_is_down_gets_the_newest_when_it_is_back() -> None:
    one = world(sync(deadline_s=30, objective_s=5))
    one.presence("b", "down")
    one.advance(0.1)
    for number in range(5):
        one.share("a", "prices", {"x": number})
        one.advance(1)
    one.presence("b", "up")
    one.advance(5)

    assert one.content("b", "prices") == {"x": 4}
    edge = one.ledger.edge("prices>b")
    assert (counts(edge).verified, counts(edge).superseded, counts(edge).expired) == (1, 4, 0)


def test_what_is_not_verified_in_time_has_expired_and_goes_again_with_the_next_comparison() -> None:
    one = world(sync(deadline_s=30, objective_s=5))
    one.programs["b"].is_deaf = True
    one.share("a", "prices", {"x": 1})
    one.advance(40)
    assert counts(one.ledger.edge("prices>b")).expired == 1
    [expired] = [move.why for move in one.moves if move.to is Stage.EXPIRED]
    assert expired == "not verified within 30 s: offered was as far as it got"

    one.programs["b"].is_deaf = False
    one.advance(130)

    assert one.content("b", "prices") == {"x": 1}
    assert counts(one.ledger.edge("prices>b")).verified == 1
    one.lawful()


def test_a_target_that_refuses_says_why() -> None:
    one = world()
    one.programs["b"].runner._handlers.pop("apply_datasets")
    one.share("a", "prices", {"x": 1})
    one.advance(3)

    assert steps(one, "b")[-1] == "refused"
    refusals = [move.why for move in one.moves if move.to is Stage.REFUSED]
    assert all("is not a command" in why for why in refusals)


def test_a_program_without_data_sets_is_refused_once_and_not_asked_in_a_loop() -> None:
    one = world()
    one.programs["b"].runner._questions.clear()
    one.share("a", "prices", {"x": 1})
    one.advance(30)

    assert counts(one.ledger.edge("prices>b")).refused == 1
    assert one.programs["b"].commands < 15
    assert one.content("c", "prices") == {"x": 1}


def test_a_source_without_data_sets_is_left_alone_for_a_while() -> None:
    one = world()
    one.share("a", "prices", {"x": 1})
    one.programs["a"].runner._questions.clear()
    one.advance(100)

    assert one.programs["a"].commands < 60
    assert one.ends(Stage.EXPIRED) == 2


# --- modes -----------------------------------------------------------------------------------------------------------


def test_a_periodic_sync_carries_the_newest_at_its_time_and_not_before() -> None:
    one = world(sync(mode=SyncMode.PERIODIC, every_s=100, pace_s=1.0))
    one.share("a", "prices", {"x": 1})
    one.advance(5)
    first = one.content("b", "prices")
    for number in range(2, 20):
        one.share("a", "prices", {"x": number})
        one.advance(5)
    before = one.content("b", "prices")
    one.advance(10)

    assert (first, before, one.content("b", "prices")) == ({"x": 1}, {"x": 1}, {"x": 19})
    assert counts(one.ledger.edge("prices>b")).verified == 2
    assert one.of(DriftFound) == []


def test_a_sync_on_an_event_waits_for_it() -> None:
    one = world(sync(mode=SyncMode.ON_EVENT, event="closed", pace_s=1.0))
    one.advance(3)
    one.share("a", "prices", {"x": 1})
    one.advance(3)
    before = one.content("b", "prices")
    one.share("a", "prices", {"x": 2}, event="closed")
    one.advance(3)

    assert (before, one.content("b", "prices")) == (None, {"x": 2})


# --- comparing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [SyncMode.LIVE, SyncMode.PERIODIC])
@pytest.mark.parametrize("how", ["spoil", "forget"])
def test_a_target_that_has_gone_stale_in_silence_is_found_and_repaired(mode: SyncMode, how: str) -> None:
    pace_s = 0.5 if mode is SyncMode.LIVE else 1.0
    one = world(sync(mode=mode, anti_entropy_s=60, pace_s=pace_s))
    one.share("a", "prices", {"x": 1})
    one.advance(5)
    one.do("b", how, dataset="prices")
    one.advance(50)
    before = one.content("b", "prices")
    one.advance(15)

    assert before != {"x": 1}
    assert one.content("b", "prices") == {"x": 1}
    [drift] = one.of(DriftFound)
    assert (drift.sync, drift.target) == ("prices", "b")
    assert drift.found.digest != drift.verified.digest
    one.lawful()


def test_comparing_finds_nothing_where_nothing_is() -> None:
    one = world()
    one.share("a", "prices", {"x": 1})
    one.advance(600)

    assert one.ends(Stage.VERIFIED) == 2
    assert one.of(DriftFound) == []
    assert one.state.compared["prices>b"] > 500


def test_many_data_sets_of_one_target_share_commands() -> None:
    names = [f"d{n}" for n in range(50)]
    syncs = [Sync(id=name, source="a", targets=("b",), pace_s=0.1) for name in names]
    one = World(syncs, {"a": sharer("a", *names), "b": sharer("b")})
    one.advance(3)
    for name in names:
        one.share("a", name, {"x": 1})
    one.advance(3)

    assert one.ends(Stage.VERIFIED) == 50
    assert len([send for send in one.sent if getattr(send.message, "command", "") == "apply_datasets"]) <= 4
