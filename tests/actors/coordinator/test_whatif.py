"""Other rules tried on recorded letters: the same rules change nothing, and what nobody can know is marked."""

from typing import Any

import pytest

from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.whatif import Trial, shown
from alluse_hub.protocols.claims import Clock, DirectiveAck
from alluse_hub.protocols.config_trial import Candidate, Overlay
from alluse_hub.protocols.message import Envelope, Fact, Message
from alluse_hub.protocols.rules import CoordinatorSpec, Rule
from alluse_hub.protocols.ruleset import SwitchRule
from alluse_hub.supervision.relive import Relived
from tests.actors.coordinator.worlds import (
    LEARNING_MODEL_UPDATE,
    MARKET_DATA_SYNC,
    SHIPPED,
    SPEC,
    VOLATILITY_PAUSE,
    Desk,
    breach,
    busy,
    cleared,
    model,
    volatile,
)


class Recorder(Desk):
    """A desk that keeps what it heard and what it recorded because of it."""

    def __init__(self, spec: CoordinatorSpec = SPEC, facts: tuple[Fact, ...] = (), at: float = 0.0) -> None:
        self.trail: list[Relived] = []
        super().__init__(spec, facts, at)

    def tell(self, body: Message, sender: str = "somebody") -> Any:
        before = self.state
        effects = super().tell(body, sender)
        letter = Envelope(id=f"l/1/{len(self.trail)}", sender=sender, to="coordinator", body=body, at=self.at)
        self.trail.append(Relived(letter, f"coordinator/1/{len(self.trail)}", self.at, tuple(effects), before))
        return effects


def lived() -> Recorder:
    desk = Recorder()
    rounds: tuple[tuple[Any, ...], ...] = (
        (busy(1),),
        (volatile(2), busy(3, volume=1.5e6)),
        (breach(4), model(5)),
        (),
        (cleared(6), busy(7)),
        (busy(8, volume=1.8e6), volatile(9, regime="high")),
    )
    for number, events in enumerate(rounds, start=1):
        desk.at += 60.0
        desk.consider(number, *events, session=f"s{number}")
        desk.answer_all()
    return desk


def tried(desk: Recorder, *rules: Rule, since: float = 0.0, **overlay: Any) -> Trial:
    trial = Trial(Candidate(rules or SHIPPED, Overlay(**overlay)), since)
    trial.begin(COORDINATOR.start("coordinator", desk.spec))
    for relived in desk.trail:
        trial.hear(relived)
    trial.end()
    return trial


def fired(trial: Trial, rule: str) -> list[str]:
    return [firing.event for firing in trial.tried.fired.get(rule, ())]


def with_rule(rule: Rule, **changes: Any) -> tuple[Rule, ...]:
    changed = rule.model_copy(update=changes)
    return tuple(changed if other.id == rule.id else other for other in SHIPPED)


def test_the_same_rules_decide_the_same_and_close_the_loop() -> None:
    desk = lived()

    trial = tried(desk)

    assert (trial.first, trial.open_since, trial.assumed) == (None, "", 0)
    assert trial.recorded == trial.tried
    assert trial.events == 9
    assert trial.state is not None
    assert trial.state.ledger.tallies == desk.ledger.tallies


def test_the_first_difference_is_named_with_what_only_one_of_the_two_decides() -> None:
    trial = tried(lived(), *with_rule(MARKET_DATA_SYNC, when="volume > 1.7 * volume_mean_20"))

    assert trial.first is not None
    assert trial.first.kind == "Consider"
    assert "market-data-sync fires on ws3#8" in trial.first.tried
    assert trial.first.recorded == ()


def test_firings_and_conflicts_and_commands_are_told_apart() -> None:
    report = shown(tried(lived(), *with_rule(VOLATILITY_PAUSE, when='regime == "high"')))

    assert report["firings"]["volatility-pause"]["added"] == ["ws3#9"]
    assert report["firings"]["volatility-pause"]["removed"] == ["ws3#2"]
    assert report["conflicts"]["C1 ws4/trading"]["removed_count"] > 0
    assert report["firings"]["market-data-sync"]["added_count"] == 0


def test_minutes_and_sessions_on_each_rung_add_up_to_the_range() -> None:
    report = shown(tried(lived(), *with_rule(VOLATILITY_PAUSE, enabled=False)))

    for world in ("recorded", "tried"):
        assert sum(report[world]["minutes"]["ws4/trading"].values()) == pytest.approx(6.0)
        assert sum(report[world]["sessions"]["ws4/trading"].values()) == 6
    paused = [report[world]["sessions"]["ws4/trading"].get("paused", 0) for world in ("recorded", "tried")]
    assert paused[0] > paused[1]


def test_from_the_first_order_that_differs_on_the_loop_is_open_and_answers_are_assumed() -> None:
    desk = lived()

    trial = tried(desk, *with_rule(VOLATILITY_PAUSE, enabled=False))

    considered = [one for one in desk.trail if type(one.letter.body).__name__ == "Consider"]
    assert trial.open_since == considered[1].entry
    assert trial.assumed > 0
    assert trial.state is not None
    assert all(directed.is_obeyed for directed in trial.state.ledger.directives.values())
    assert not trial.state.ledger.commands


def test_a_difference_that_nobody_is_told_of_leaves_the_loop_closed() -> None:
    nobodys = SHIPPED[4].release[0].model_copy(update={"subject": "nobody"})
    silent = LEARNING_MODEL_UPDATE.model_copy(
        update={"id": "watcher", "tell": (), "release": (nobodys,), "when": "accuracy_improvement > 0"}
    )

    trial = tried(lived(), *SHIPPED, silent)

    assert trial.first is not None
    assert trial.first.tried == ("watcher fires on ws5#5",)
    assert (trial.open_since, trial.assumed) == ("", 0)


def test_before_the_fork_the_recorded_rules_decide() -> None:
    trial = tried(lived(), *with_rule(VOLATILITY_PAUSE, enabled=False), since=180.0)

    assert trial.first is None
    assert trial.tried.fired.keys() == trial.recorded.fired.keys()
    assert trial.events == 6


def test_answers_of_the_recorded_world_are_passed_over_in_an_open_loop() -> None:
    desk = lived()
    desk.at += 60.0
    desk.tell(DirectiveAck(resource="ws4/trading", fence=99, outcome="stale", seen=99), "ws4")

    trial = tried(desk, *with_rule(VOLATILITY_PAUSE, enabled=False))

    assert trial.state is not None
    assert trial.state.ledger.directives["ws4/trading"].issued.fence < 99


def test_changes_that_people_made_of_the_rules_meanwhile_are_passed_over_and_counted() -> None:
    desk = lived()
    desk.tell(SwitchRule(about="a", rule="market-data-sync", on=False, by="ann"), "gateway")
    desk.at += 60.0
    desk.consider(7, busy(10), session="s7")

    trial = tried(desk)

    assert trial.changes_passed == 1
    assert trial.first is not None
    assert "market-data-sync fires on ws3#10" in trial.first.tried


def test_a_death_in_the_range_leaves_the_trial_with_its_own_rules_and_claims() -> None:
    before = lived()
    after = Recorder(facts=tuple(before.facts), at=before.at + 60.0)
    after.consider(7, volatile(11), session="s7")
    trial = Trial(Candidate(with_rule(VOLATILITY_PAUSE, enabled=False)), 0.0)
    for desk in (before, after):
        trial.begin(COORDINATOR.start("coordinator", SPEC))
        for relived in desk.trail:
            trial.hear(relived)
    trial.end()

    assert "volatility-pause" not in trial.tried.fired
    assert [firing.event for firing in trial.recorded.fired["volatility-pause"]] == ["ws3#2", "ws3#11"]


def test_two_trials_give_the_same_report() -> None:
    rules = with_rule(MARKET_DATA_SYNC, when="volume > 1.2 * volume_mean_20")

    assert shown(tried(lived(), *rules)) == shown(tried(lived(), *rules))


def test_timers_of_the_trial_come_up_in_their_time() -> None:
    """A candidate holds for a time on the hub's clock, of which no recorded letter tells."""
    hold = VOLATILITY_PAUSE.hold[0].model_copy(update={"clock": Clock.HUB, "for_s": 90.0, "for_sessions": 0})
    short = VOLATILITY_PAUSE.model_copy(update={"id": "short", "when": 'regime == "high"', "hold": (hold,)})
    desk = Recorder()
    for number in range(1, 6):
        desk.at += 60.0
        events = (volatile(1, regime="high"),) if number == 1 else (model(number, improvement=0.0),)
        desk.consider(number, *events, session=f"s{number}")

    report = shown(tried(desk, *SHIPPED, short))

    assert report["tried"]["minutes"]["ws4/trading"] == {"normal": pytest.approx(3.5), "paused": pytest.approx(1.5)}
