"""Play, pause, stop, force."""

from alluse_hub.protocols.sync import (
    ClaimOnData,
    ForceSync,
    Permit,
    Play,
    RungsShown,
    Stage,
    SwitchSync,
    Sync,
    SyncMode,
    SyncOrderDone,
    SyncSwitched,
)
from tests.actors.replicator.worlds import World, counts, sharer


def world(**more: object) -> World:
    sync = Sync.model_validate({"id": "prices", "source": "a", "targets": ("b", "c"), "pace_s": 0.2, **more})
    return World([sync], {"a": sharer("a", "prices"), "b": sharer("b"), "c": sharer("c")})


def switch(one: World, play: Play, sync: str = "prices") -> None:
    one.order(SwitchSync(sync=sync, play=play, by="ann", reason="a try"))
    one.advance(0.1)


def answers(one: World) -> list[SyncOrderDone]:
    return [done for done in one.told if isinstance(done, SyncOrderDone)]


def test_a_paused_sync_carries_nothing_new_and_a_played_one_the_newest() -> None:
    one = world()
    one.share("a", "prices", {"x": 1})
    one.advance(2)
    switch(one, Play.PAUSED)
    one.share("a", "prices", {"x": 2})
    one.share("a", "prices", {"x": 3})
    one.advance(100)
    before = one.content("b", "prices")

    switch(one, Play.PLAYING)
    one.advance(3)

    assert before == {"x": 1}
    assert one.content("b", "prices") == one.content("c", "prices") == {"x": 3}
    assert counts(one.ledger.edge("prices>b")).verified == 2
    assert [(done.ok, done.text) for done in answers(one)] == [(True, "prices: paused"), (True, "prices: playing")]
    assert [(fact.play, fact.by, fact.reason) for fact in one.of(SyncSwitched)] == [
        (Play.PAUSED, "ann", "a try"),
        (Play.PLAYING, "ann", "a try"),
    ]


def test_pause_lets_what_is_on_its_way_arrive() -> None:
    one = world()
    one.share("a", "prices", {"x": 1})
    while not any(move.to is Stage.SENT for move in one.moves):
        one.advance(0.001)
    switch(one, Play.PAUSED)
    one.advance(5)

    assert one.content("b", "prices") == {"x": 1}
    assert one.ends(Stage.VERIFIED) >= 1


def test_stop_gives_up_what_is_under_way_and_compares_nothing() -> None:
    one = world()
    one.programs["b"].is_deaf = True
    one.share("a", "prices", {"x": 1})
    one.advance(5)
    switch(one, Play.STOPPED)
    commands = one.programs["c"].commands
    one.advance(300)

    assert one.ledger.edge("prices>b").open == {}
    assert counts(one.ledger.edge("prices>b")).superseded >= 1
    assert one.programs["c"].commands == commands
    one.lawful()


def test_a_paused_sync_stays_so_over_a_death() -> None:
    one = world()
    switch(one, Play.PAUSED)
    one.death()
    one.advance(1)
    one.share("a", "prices", {"x": 1})
    one.advance(100)

    assert one.content("b", "prices") is None
    assert one.ledger.play("prices") is Play.PAUSED


def test_force_is_answered_when_every_target_has_proved_the_same_version() -> None:
    one = world(mode=SyncMode.PERIODIC, every_s=1000, pace_s=1.0)
    one.advance(3)
    one.share("a", "prices", {"x": 1})
    one.advance(3)
    before = one.content("b", "prices")

    one.order(ForceSync(sync="prices", by="ann"))
    one.advance(3)

    assert before is None
    assert one.content("b", "prices") == one.content("c", "prices") == {"x": 1}
    [done] = answers(one)
    assert done.ok
    assert done.text.startswith("b, c hold prices a:1 ")


def test_force_works_while_a_sync_is_paused_and_not_while_it_is_stopped() -> None:
    one = world()
    switch(one, Play.PAUSED)
    one.share("a", "prices", {"x": 1})
    one.order(ForceSync(sync="prices", by="ann"))
    one.advance(3)
    forced = one.content("b", "prices")
    switch(one, Play.STOPPED)
    one.order(ForceSync(sync="prices", by="ann"))
    one.advance(3)

    assert forced == {"x": 1}
    assert [done.ok for done in answers(one)] == [True, True, True, False]
    assert answers(one)[-1].text == "prices is stopped; play it first"


def test_force_believes_no_target_that_has_not_told_what_it_holds_since_the_order() -> None:
    one = world()
    one.share("a", "prices", {"x": 1})
    one.advance(3)
    one.do("b", "spoil", dataset="prices")

    one.order(ForceSync(sync="prices", by="ann"))
    while not answers(one):
        one.advance(0.001)

    assert answers(one)[0].ok
    assert one.content("b", "prices") == {"x": 1}


def test_force_does_not_chase_a_source_that_goes_on() -> None:
    one = world()
    switch(one, Play.PAUSED)
    one.order(ForceSync(sync="prices", by="ann"))
    for number in range(60):
        one.share("a", "prices", {"x": number})
        one.advance(0.05)

    [_, done] = answers(one)
    assert done.ok
    assert one.content("b", "prices") is not None


def test_force_says_who_does_not_hold_it() -> None:
    one = world()
    one.share("a", "prices", {"x": 1})
    one.advance(2)
    one.presence("b", "out")
    one.share("a", "prices", {"x": 2})
    one.order(ForceSync(sync="all", by="ann"))
    one.advance(55)

    [done] = answers(one)
    assert not done.ok
    assert "prices at b: the program is out" in done.text
    assert "at c" not in done.text


def test_a_hold_keeps_a_data_set_from_its_target_and_then_the_newest_goes() -> None:
    permits = {"prices>b": Permit(resource="b/desk", rungs=("normal",))}
    sync = Sync(id="prices", source="a", targets=("b", "c"), pace_s=0.2, deadline_s=40)
    one = World([sync], {"a": sharer("a", "prices"), "b": sharer("b"), "c": sharer("c")}, permits=permits)
    one.share("a", "prices", {"x": 0})
    one.advance(3)
    unknown = one.content("b", "prices")
    one.post("coordinator", "replicator", RungsShown(rungs={"b/desk": "paused"}))
    for number in range(1, 100):
        one.share("a", "prices", {"x": number})
        one.advance(1)
    held, other = one.content("b", "prices"), one.content("c", "prices")
    states = [(edge.state.value, edge.why) for edge in one.board.syncs[0].targets]
    one.post("coordinator", "replicator", RungsShown(rungs={"b/desk": "normal"}))
    one.advance(3)

    assert (unknown, held, other) == (None, None, {"x": 99})
    assert states == [("held", "b/desk is paused"), ("alive", "")]
    assert one.content("b", "prices") == {"x": 99}
    edge = one.ledger.edge("prices>b")
    assert (counts(edge).verified, counts(edge).expired) == (1, 0)
    one.lawful()


def told(one: World, *claims: ClaimOnData) -> None:
    one.post("coordinator", "replicator", RungsShown(rungs={}, claims={"b/prices": claims} if claims else {}))
    one.advance(0.1)


def test_a_claim_on_a_targets_data_set_holds_its_sync_back_and_then_the_newest_goes() -> None:
    one = world(deadline_s=40)
    one.share("a", "prices", {"x": 1})
    one.advance(3)
    told(one, ClaimOnData(holder="bob"))
    for number in range(2, 100):
        one.share("a", "prices", {"x": number})
        one.advance(1)
    held, other = one.content("b", "prices"), one.content("c", "prices")
    [edge, _] = one.board.syncs[0].targets
    told(one)
    one.advance(3)

    assert (held, other) == ({"x": 1}, {"x": 99})
    assert (edge.state.value, edge.why) == ("held", "b/prices is held by bob")
    assert one.content("b", "prices") == {"x": 99}
    assert counts(one.ledger.edge("prices>b")).expired == 0
    one.lawful()


def test_a_claim_on_a_version_that_the_source_has_seen_holds_nothing_back() -> None:
    one = world()
    one.share("a", "prices", {"x": 1})
    told(one, ClaimOnData(holder="ws9", versions={"a": 1}))
    one.advance(3)
    seen = one.content("b", "prices")
    told(one, ClaimOnData(holder="ws9", versions={"b": 4}))
    one.share("a", "prices", {"x": 2})
    one.advance(5)

    [edge, _] = one.board.syncs[0].targets
    assert seen == one.content("b", "prices") == {"x": 1}
    assert edge.why == "b/prices is held by ws9 at b:4, which a has not seen"


def test_an_unknown_sync_is_refused_with_what_there_is() -> None:
    one = world()
    one.order(ForceSync(sync="price", by="ann"))
    one.order(SwitchSync(sync="price", play=Play.PAUSED, by="ann"))
    one.advance(1)

    assert {(done.ok, done.text) for done in answers(one)} == {(False, "'price' is not a sync; known: prices")}


def test_what_is_so_already_changes_nothing() -> None:
    one = world()
    switch(one, Play.PLAYING)

    assert one.of(SyncSwitched) == []
    assert answers(one)[0].text == "prices is playing already"
