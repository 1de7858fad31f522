"""Two versions that have not seen each other: conflict C4, and what each policy makes of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.replicator.merging import Whole, mended
from alluse_hub.protocols.arbitration import ESCALATION_S, ConflictDecided, DecideConflict, Escalated
from alluse_hub.protocols.claims import ConflictClass, ConflictClosed, ConflictOpened
from alluse_hub.protocols.ruleset import CoordinationDone
from alluse_hub.protocols.sync import Divergence, ForceSync, Reconciled, ReplicatorSpec, Stage, Sync, SyncOrderDone
from alluse_hub.protocols.versions import HUB, Order, Version, digest_of, order_of
from tests.actors.replicator.worlds import World, sharer


def world(policy: Divergence, *, takes: tuple[str, ...] = ("limits",), **more: object) -> World:
    sync = Sync(id="limits", source="a", targets=("b", "c"), divergence=policy, pace_s=0.2)
    programs = {"a": sharer("a", "limits", takes=takes), "b": sharer("b", "limits", takes=takes), "c": sharer("c")}
    return World([sync], programs, **more)  # type: ignore[arg-type]  # of the world


def diverged(policy: Divergence, **more: Any) -> World:
    """Both were equal; then both changed, without having seen each other."""
    one = world(policy, **more)
    one.share("a", "limits", {"x": 1, "y": 1, "z": 1}, session="2004-08-02")
    one.advance(5)
    one.share("b", "limits", {"x": 1, "y": 7, "z": 7}, session="2004-08-04")
    one.share("a", "limits", {"x": 5, "y": 1, "z": 5}, session="2004-08-03")
    one.advance(10)
    return one


@pytest.mark.parametrize(
    ("policy", "content", "winner"),
    [
        (Divergence.SOURCE_WINS, {"x": 5, "y": 1, "z": 5}, "a"),
        (Divergence.TARGET_WINS, {"x": 1, "y": 7, "z": 7}, "b"),
        (Divergence.NEWEST, {"x": 1, "y": 7, "z": 7}, "b"),
        (Divergence.MERGE, {"x": 5, "y": 7, "z": 5}, ""),
    ],
)
def test_each_policy_makes_one_version_that_covers_both(policy: Divergence, content: object, winner: str) -> None:
    one = diverged(policy)

    assert [one.content(name, "limits") for name in "abc"] == [content] * 3
    assert one.is_equal()
    [opened], [closed] = one.of(ConflictOpened), one.of(ConflictClosed)
    assert (opened.klass, opened.resource, opened.parties) == (ConflictClass.DIVERGENCE, "b/limits", ("a", "b"))
    assert opened.sentence.endswith("neither has seen the other.")
    assert (closed.winner, closed.outcome) == (winner, policy.value.replace("_", " "))
    [made] = one.of(Reconciled)
    assert made.version.vector == {"a": 2, "b": 1, HUB: 1}
    one.lawful()


def test_a_merge_names_the_fields_that_both_changed() -> None:
    one = diverged(Divergence.MERGE)

    [closed] = one.of(ConflictClosed)
    assert "both changed z: a's stays" in closed.sentence


def test_a_person_decides_where_the_policy_says_so_and_nothing_goes_there_until_then() -> None:
    one = diverged(Divergence.HUMAN)
    one.share("a", "limits", {"x": 6}, session="2004-08-05")
    one.advance(200)
    before = one.content("b", "limits")
    assert one.content("c", "limits") == {"x": 6}  # the others are not held up
    assert len(one.of(ConflictOpened)) == 1
    assert one.of(ConflictClosed) == []

    one.order(ForceSync(sync="limits", by="ann", keep="target"))
    one.advance(10)

    assert before == {"x": 1, "y": 7, "z": 7}
    assert one.content("a", "limits") == one.content("c", "limits") == before
    assert [done.ok for done in one.told if isinstance(done, SyncOrderDone)] == [True]
    [closed] = one.of(ConflictClosed)
    assert (closed.winner, closed.outcome) == ("b", "target wins")
    one.lawful()


def decide(one: World, choice: str, conflict: str = "replicator-1") -> CoordinationDone:
    one.order(DecideConflict(about=f"conflict:{conflict}", conflict=conflict, choice=choice, by="ann", reason="r"))
    one.advance(10)
    return next(word for word in reversed(one.told) if isinstance(word, CoordinationDone))


def test_people_are_asked_and_decide_as_of_any_conflict() -> None:
    one = diverged(Divergence.HUMAN)
    [shown] = one.board.disputes.open
    [asked] = one.of(Escalated)
    wrong, none = decide(one, "c"), decide(one, "b", "replicator-9")
    done = decide(one, "b")

    assert (shown.question, shown.choices) == ("Whose limits is to stand, that of a or that of b?", ("a", "b"))
    assert (asked.conflict, asked.choices, asked.grade) == ("replicator-1", ("a", "b"), 1)
    assert (wrong.ok, wrong.text) == (False, "'c' is not to be chosen; choose a or b")
    assert (none.ok, none.text) == (False, "'replicator-9' is not open; `conflicts` lists those that are")
    assert (done.ok, done.about) == (True, "conflict:replicator-1")
    [decided], [closed] = one.of(ConflictDecided), one.of(ConflictClosed)
    assert (decided.winner, decided.by, closed.winner) == ("b", "ann", "b")
    assert [one.content(name, "limits") for name in "abc"] == [{"x": 1, "y": 7, "z": 7}] * 3
    assert one.board.disputes.open == ()
    one.lawful()


def test_what_nobody_decides_is_put_to_people_twice_more_and_stays_as_it_is() -> None:
    one = diverged(Divergence.HUMAN)
    one.advance(3 * ESCALATION_S + 100)

    assert [(asked.grade, asked.conflict) for asked in one.of(Escalated)] == [(n, "replicator-1") for n in (1, 2, 3)]
    assert one.content("b", "limits") == {"x": 1, "y": 7, "z": 7}
    assert one.of(ConflictClosed) == []
    one.lawful()


def test_a_decision_outlives_the_replicator_and_so_does_the_question() -> None:
    one = diverged(Divergence.HUMAN)
    one.death()
    one.advance(5)
    [shown] = one.board.disputes.open
    decide(one, "a")

    assert shown.choices == ("a", "b")
    assert one.content("b", "limits") == {"x": 5, "y": 1, "z": 5}
    one.lawful()


def test_what_people_decided_is_done_though_the_replicator_dies_before() -> None:
    one = diverged(Divergence.HUMAN)
    about = DecideConflict(about="conflict:replicator-1", conflict="replicator-1", choice="b", by="ann", reason="r")
    one.order(about)
    while not one.of(ConflictDecided):
        one.advance(0.001)
    one.death()
    one.advance(10)

    [closed] = one.of(ConflictClosed)
    assert (closed.winner, closed.outcome) == ("b", "target wins")
    assert [one.content(name, "limits") for name in "abc"] == [{"x": 1, "y": 7, "z": 7}] * 3
    assert one.ledger.decided == {}
    one.lawful()


def test_a_conflict_of_which_a_power_cut_left_no_closing_is_closed_by_the_next_life() -> None:
    one = diverged(Divergence.HUMAN)
    decide(one, "b")
    one.facts = [fact for fact in one.facts if not isinstance(fact, ConflictDecided | ConflictClosed)]
    one.death()
    one.advance(2 * ESCALATION_S)

    [closed] = one.of(ConflictClosed)
    assert (closed.id, closed.outcome) == ("replicator-1", "withdrawn")
    assert one.ledger.asked == {}
    one.lawful()


def test_a_question_that_a_power_cut_kept_from_the_trail_is_put_to_people_after_all() -> None:
    one = diverged(Divergence.HUMAN)
    one.facts = [fact for fact in one.facts if not isinstance(fact, Escalated)]
    one.death()
    one.advance(30)

    assert [(asked.conflict, asked.grade) for asked in one.of(Escalated)] == [("replicator-1", 1)]
    one.lawful()


def test_of_two_decisions_the_last_one_counts_until_the_first_is_on_its_way() -> None:
    one = diverged(Divergence.HUMAN)
    one.programs["b"].is_deaf = True  # so that nothing can be made of the two yet
    assert decide(one, "b").ok
    assert decide(one, "a").ok
    one.programs["b"].is_deaf = False
    one.advance(60)

    [closed] = one.of(ConflictClosed)
    assert closed.winner == "a"
    assert [one.content(name, "limits") for name in "abc"] == [{"x": 5, "y": 1, "z": 5}] * 3
    one.lawful()


def test_a_decision_against_what_is_on_its_way_to_the_source_is_refused() -> None:
    one = diverged(Divergence.HUMAN)
    order = DecideConflict(about="conflict:replicator-1", conflict="replicator-1", choice="b", by="ann", reason="r")
    one.order(order)
    while not any(each.version.vector for each in one.state.mending.values()):
        one.advance(0.001)
    one.programs["a"].is_deaf = True
    done = decide(one, "a")
    one.programs["a"].is_deaf = False
    one.advance(60)

    assert not done.ok
    assert done.text.startswith("replicator-1 is closed just now: target wins")
    assert [decided.winner for decided in one.of(ConflictDecided)] == ["b"]
    assert one.content("a", "limits") == {"x": 1, "y": 7, "z": 7}
    one.lawful()


def test_a_conflict_that_no_policy_mends_is_put_to_people() -> None:
    one = diverged(Divergence.TARGET_WINS, takes=())
    [shown] = one.board.disputes.open

    done = decide(one, "a")

    assert shown.choices == ("a", "b")  # a shares the data set and takes no other's, so b's could not win
    assert done.ok
    [closed] = one.of(ConflictClosed)
    assert closed.winner == "a"
    one.lawful()


def test_a_source_that_takes_nobody_elses_content_keeps_the_conflict_open_and_says_so() -> None:
    one = diverged(Divergence.TARGET_WINS, takes=())

    assert one.content("a", "limits") == {"x": 5, "y": 1, "z": 5}
    assert one.of(ConflictClosed) == []
    [edge, _] = one.board.syncs[0].targets
    assert edge.state == "diverged"
    assert "take_limits" in edge.why


def test_a_target_that_alone_has_changed_is_a_divergence_as_well() -> None:
    one = world(Divergence.SOURCE_WINS)
    one.share("a", "limits", {"x": 1})
    one.advance(5)
    one.share("b", "limits", {"x": 2})
    one.advance(70)  # no notice comes of it: the comparison finds it

    assert one.content("b", "limits") == {"x": 1}
    [opened] = one.of(ConflictOpened)
    assert "the target has changes that the source has not seen" in opened.sentence
    assert one.ends(Stage.DIVERGED) == 0  # there was no delivery
    assert one.is_equal()


def test_a_source_that_did_not_answer_is_given_what_was_made_of_the_two_when_it_does() -> None:
    one = world(Divergence.SOURCE_WINS)
    one.share("a", "limits", {"x": 1})
    one.advance(5)
    one.share("b", "limits", {"x": 7})
    one.share("a", "limits", {"x": 5})
    while not [
        send for send in one.sent if send.to == "a" and getattr(send.message, "command", "") == "apply_datasets"
    ]:
        one.advance(0.0005)
    one.programs["a"].is_deaf = True
    one.advance(60)
    assert one.ledger.conflicts

    one.programs["a"].is_deaf = False
    one.advance(200)

    assert [one.content(name, "limits") for name in "abc"] == [{"x": 5}] * 3
    assert one.ledger.conflicts == {}
    one.lawful()


def test_a_conflict_is_not_told_with_the_reason_of_an_earlier_one() -> None:
    one = diverged(Divergence.TARGET_WINS, takes=())
    one.programs["b"].shelf.restore({})  # what it had is gone, and with it the conflict
    one.advance(100)
    assert one.ledger.conflicts == {}

    one.share("b", "limits", {"x": 9})
    until = one.now + 100
    while len(one.of(ConflictOpened)) < 2:
        assert one.now < until
        one.advance(0.01)

    assert one.state.unmended == {}


def test_losing_versions_are_kept_in_what_was_told() -> None:
    one = diverged(Divergence.SOURCE_WINS)
    replies = [reply for reply in one.programs["b"].answers.values() if isinstance(reply.result, dict)]

    contents = [held.get("data") for reply in replies for held in reply.result.values() if isinstance(held, dict)]  # type: ignore[union-attr]  # told just above
    assert {"x": 1, "y": 7, "z": 7} in contents


@pytest.mark.parametrize("seed", range(6))
def test_divergence_is_mended_in_any_weather(seed: int) -> None:
    one = diverged(Divergence.MERGE, seed=seed, loss=0.2, doubles=0.2, reorder=True, latency_s=(0.001, 0.5))
    for number in range(6):
        one.share("ab"[number % 2], "limits", {"n": number})
        one.advance(3)
    one.loss = one.doubles = 0.0
    one.reorder = False
    one.advance(300)

    assert one.is_equal(), f"seed {seed}"
    assert one.ledger.conflicts == {}, f"seed {seed}"
    one.lawful()


def test_a_conflict_of_a_sync_that_is_configured_no_more_is_withdrawn() -> None:
    one = diverged(Divergence.HUMAN)
    one.share("a", "limits", {"x": 8})
    one.spec = ReplicatorSpec(syncs=(Sync(id="limits", source="a", targets=("c",), pace_s=0.2),))
    one.death()
    one.advance(70)

    assert one.ledger.conflicts == {}
    assert one.of(ConflictClosed)[-1].outcome == "withdrawn"
    assert one.content("c", "limits") == {"x": 8}
    assert all(not edge.open for edge in one.ledger.edges.values())


def test_a_source_that_was_set_back_is_restored_as_the_policy_says() -> None:
    one = world(Divergence.SOURCE_WINS)
    one.share("a", "limits", {"x": 1})
    one.share("a", "limits", {"x": 2})
    one.advance(5)
    one.programs["a"].shelf.restore({"limits": [{"a": 1}, '{"x":1}', 1, ""]})
    one.advance(120)

    assert one.content("a", "limits") == one.content("b", "limits") == {"x": 1}
    assert one.is_equal()


# --- the pure part ---------------------------------------------------------------------------------------------------

FIELDS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3), max_size=6)


def whole(name: str, data: dict[str, int], vector: dict[str, int], session: str = "") -> Whole:
    return Whole(name, Version(vector=vector, digest=digest_of(dict(data)), session=session), dict(data))


@given(FIELDS, FIELDS, FIELDS, st.sampled_from([p for p in Divergence if p is not Divergence.HUMAN]))
def test_whatever_is_made_of_two_covers_both_and_has_its_own_digest(
    base: dict[str, int], ours: dict[str, int], theirs: dict[str, int], policy: Divergence
) -> None:
    source, target = whole("s", ours, {"s": 3, "t": 1}), whole("t", theirs, {"s": 2, "t": 2, HUB: 4})

    made = mended(policy, source, target, dict(base))

    for each in (source, target):
        assert order_of(made.version.vector, each.version.vector) is Order.AFTER
    assert made.version.digest == digest_of(made.data)
    assert made.version.vector[HUB] == 5


@given(FIELDS, FIELDS, FIELDS)
def test_a_merge_loses_no_change_that_only_one_side_made(
    base: dict[str, int], ours: dict[str, int], theirs: dict[str, int]
) -> None:
    made = mended(Divergence.MERGE, whole("s", ours, {"s": 2}), whole("t", theirs, {"t": 2}), dict(base))

    for field in {*base, *ours, *theirs}:
        was, mine, other = base.get(field), ours.get(field), theirs.get(field)
        if mine == was:
            assert made.data.get(field) == other
        elif other == was or mine != other:
            assert made.data.get(field) == mine


@given(FIELDS, FIELDS)
def test_without_a_base_a_merge_takes_nothing_away(ours: dict[str, int], theirs: dict[str, int]) -> None:
    made = mended(Divergence.MERGE, whole("s", ours, {"s": 2}), whole("t", theirs, {"t": 2}), None)

    assert made.data.keys() == ours.keys() | theirs.keys()
    assert all(made.data[field] == value for field, value in ours.items())


VECTORS = st.dictionaries(st.sampled_from("abc"), st.integers(1, 4), max_size=3)


@given(VECTORS, VECTORS)
def test_the_order_of_vectors_turns_round_with_them(one: dict[str, int], other: dict[str, int]) -> None:
    turned = {Order.BEFORE: Order.AFTER, Order.AFTER: Order.BEFORE}

    assert order_of(other, one) is turned.get(order_of(one, other), order_of(one, other))
