"""What a sync is verified by: all of it, its count as well, or a sample, which is never told as the whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.replicator.proving import proof_of, sample_for
from alluse_hub.actors.workstreams.datasets import sample_digest
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.sync import DriftFound, ForceSync, Stage, Sync, SyncOrderDone
from alluse_hub.protocols.versions import Held, Version, digest_of, sample_of
from tests.actors.replicator.worlds import World, counts, sharer

CONTENTS = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=40)


def world(verify: str, *, anti_entropy_s: float = 60.0) -> World:
    sync = Sync(id="prices", source="a", targets=("b",), pace_s=0.2, verify=verify, anti_entropy_s=anti_entropy_s)
    one = World([sync], {"a": sharer("a", "prices"), "b": sharer("b")})
    one.advance(3)  # the comparison of a start is over
    return one


def many(salt: int = 0) -> Json:
    return {f"k{number}": number + salt for number in range(100)}


@given(CONTENTS, st.dictionaries(st.text(max_size=3), st.integers(1, 9), max_size=3), st.integers(1, 50))
def test_source_and_target_draw_the_same_sample(content: Any, vector: dict[str, int], count: int) -> None:
    drawn = sample_of(content, vector, "d" * 64, count)

    assert len(drawn) == min(count, len(content))
    assert drawn.items() <= content.items()
    assert digest_of(drawn) == sample_digest(content, dict(reversed(vector.items())), "d" * 64, count)


def test_another_version_has_another_sample_drawn() -> None:
    drawn = {tuple(sorted(sample_of(many(), {"a": n}, "d" * 64, 5))) for n in range(1, 30)}

    assert len(drawn) == 29
    assert len({name for names in drawn for name in names}) > 60  # of 100; each has its turn


def test_a_sample_is_counted_as_one_and_never_as_the_whole() -> None:
    one = world("sample(7)", anti_entropy_s=600)
    one.share("a", "prices", many())
    one.advance(5)

    edge = one.ledger.edge("prices>b")
    shown = one.board.syncs[0].targets[0]
    assert (counts(edge).verified, edge.sampled_ever) == (0, 1)
    assert (shown.ever.verified, shown.ever.sampled, shown.sampled, shown.success) == (0, 1, 7, 1.0)
    assert [move.sampled for move in one.moves if move.to is Stage.VERIFIED] == [7]
    one.lawful()


def test_the_next_comparison_proves_the_whole_and_then_it_is_told_so() -> None:
    one = world("sample(7)", anti_entropy_s=20)
    one.share("a", "prices", many())
    one.advance(5)
    before = one.board.syncs[0].targets[0]
    one.advance(30)
    after = one.board.syncs[0].targets[0]

    assert (before.sampled, before.compared_at) == (7, None)
    assert after.sampled == 0
    assert after.compared_at is not None
    assert after.ever.sampled == 1  # how it was verified then stays as it was


def test_what_a_sample_does_not_see_the_comparison_does() -> None:
    one = world("sample(3)", anti_entropy_s=20)
    store = one.programs["b"].shelf.store
    unseen = next(name for name in many() if name not in sample_of(many(), {"a": 1}, digest_of(many()), 3))
    lapses = [1]

    def losing(name: str, offer: Any, *rest: Any, **more: Any) -> dict[str, Any]:
        told: dict[str, Any] = store(name, offer, *rest, **more)
        if lapses and told["outcome"] == "applied":
            lapses.pop()
            held = one.programs["b"].shelf.copies[name]
            spoiled = json.dumps(held.content | {unseen: -1}, separators=(",", ":"), sort_keys=True)
            one.programs["b"].shelf.copies[name] = held._replace(text=spoiled)
        return told

    one.programs["b"].shelf.store = losing
    one.share("a", "prices", many())
    one.advance(5)
    by_sample = (one.ledger.edge("prices>b").sampled_ever, one.content("b", "prices")[unseen])
    one.advance(40)

    assert by_sample == (1, -1)
    assert len(one.of(DriftFound)) == 1
    assert one.is_equal()
    one.lawful()


def test_what_a_sample_does_see_is_sent_again_and_then_a_conflict() -> None:
    one = world("sample(100)")  # of 101 records
    content = {**many(), "last": 1}
    shelf = one.programs["b"].shelf
    store = shelf.store
    seen = next(iter(sample_of(content, {"a": 1}, digest_of(content), 1)))

    def altering(name: str, offer: Any, *rest: Any, **more: Any) -> dict[str, Any]:
        told: dict[str, Any] = store(name, offer, *rest, **more)
        held = shelf.copies[name]
        text = json.dumps(held.content | {seen: "other"}, separators=(",", ":"), sort_keys=True)
        shelf.copies[name] = held._replace(text=text)
        if offer.whole("sample", 0):
            told |= shelf.copies[name].sampled(offer.text("digest"), offer.whole("sample"))
        return told

    shelf.store = altering
    one.share("a", "prices", content)
    one.advance(5)

    steps = [move.to for move in one.moves]
    assert steps.count(Stage.SENT) == 2
    assert Stage.VERIFIED not in steps
    assert one.ledger.edge("prices>b").conflict


def test_a_sample_that_is_no_smaller_is_the_whole_and_so_is_the_answer_of_a_program_that_draws_none() -> None:
    sync = Sync(id="s", source="a", targets=("b",), verify="sample(5)")
    content: dict[str, Any] = {f"k{number}": number for number in range(9)}
    version = Version(vector={"a": 1}, digest=digest_of(content), records=9)

    assert sample_for(sync, {"k1": 1}) == 0
    assert sample_for(sync, content) == 5
    assert proof_of(sync, version, content, Held(outcome="applied", version=version)) == (True, 0, "")


def test_a_count_that_differs_is_refused_though_the_digest_is_right() -> None:
    one = world("count+digest")
    shelf = one.programs["b"].shelf
    version = shelf.version
    shelf.version = lambda name: {**version(name), "records": 3}
    one.share("a", "prices", many())
    one.advance(5)

    assert counts(one.ledger.edge("prices>b")).verified == 0
    one.advance(100)  # offered again, the target has it, and counts as before
    assert counts(one.ledger.edge("prices>b")).verified == 0
    whys = {move.why for move in one.moves if move.to is Stage.REFUSED}
    assert whys == {"it counts 3 records of 100, though the digest is the same"}


def test_a_count_that_is_right_is_verified_as_the_whole() -> None:
    one = world("count+digest")
    one.share("a", "prices", many())
    one.advance(5)

    assert counts(one.ledger.edge("prices>b")).verified == 1


def test_to_force_a_sampled_sync_says_so() -> None:
    one = world("sample(7)", anti_entropy_s=600)
    one.share("a", "prices", many())
    one.order(ForceSync(sync="prices", by="ann"))
    one.advance(5)

    [done] = [told for told in one.told if isinstance(told, SyncOrderDone)]
    assert done.ok
    assert done.text.startswith("b holds prices a:1 ")
    assert done.text.endswith(" (by a sample)")


@pytest.mark.parametrize(("bytes_", "records"), [(5, 100), (0, 4), (10**6, 100)])
def test_a_source_that_counts_wrongly_has_nothing_carried(bytes_: int, records: int) -> None:
    one = world("digest")
    shelf = one.programs["a"].shelf
    version = shelf.version
    shelf.version = lambda name: {**version(name), "bytes": bytes_, "records": records}
    one.share("a", "prices", many())
    one.advance(100)

    assert one.ends(Stage.VERIFIED) == 0
    expired = [move.why for move in one.moves if move.to is Stage.EXPIRED]
    assert expired
    assert all(f"in 100 records; it says {bytes_} in {records}" in why for why in expired)
