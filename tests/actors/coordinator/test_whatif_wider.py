"""Resources, levels and names of fields tried on recorded letters, and what the report says of it all."""

import json
from typing import Any

import pytest

from alluse_hub.actors.coordinator.deadlines import DUE
from alluse_hub.actors.coordinator.whatif import shown
from alluse_hub.protocols.approvals import DecideApproval, Level, SetLevel
from alluse_hub.protocols.arbitration import YieldAsked
from alluse_hub.protocols.claims import Mode, Rung
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.resources import Pool
from alluse_hub.protocols.rules import CoordinatorSpec, RuleFired, Tell
from tests.actors.coordinator.claimers import FREE, Programs
from tests.actors.coordinator.desks import FEED
from tests.actors.coordinator.test_whatif import Recorder, fired, lived, tried, with_rule
from tests.actors.coordinator.timed import rule as timed_rule
from tests.actors.coordinator.worlds import (
    MARKET_DATA_SYNC,
    SHIPPED,
    SPEC,
    TRADING,
    VOLATILITY_PAUSE,
    breach,
    busy,
    event,
    model,
    volatile,
)

ANALYSIS = Pool(resource="ws5/analysis", capacity=2)
TAKES = SPEC.model_copy(
    update={
        "pools": (ANALYSIS,),
        "rules": with_rule(
            MARKET_DATA_SYNC,
            tell=(Tell(workstream="ws5", command="analyze_patterns", takes=("ws5/analysis:1",), pure=True),),
        ),
    }
)


def test_a_rung_that_permits_more_lets_the_commands_through_that_were_refused() -> None:
    uses = ("open", "close", "cancel")
    lax = Mode(
        resource="ws4/trading",
        rungs=tuple(Rung(name=rung.name, uses=uses, command=rung.command) for rung in TRADING.rungs),
    )

    report = shown(tried(lived(), resources=(lax,)))

    allowed = {(one["rule"], one["event"], one["command"]) for one in report["allowed"]}
    assert ("market-data-sync", "ws3#7", "update_positions") in allowed
    assert report["allowed_count"] == len(allowed) > 0
    assert report["blocked"] == []
    assert report["changed"] == ["ws4/trading"]


def test_a_rung_that_permits_less_holds_commands_back_that_were_told() -> None:
    strict = Mode(
        resource="ws4/trading",
        rungs=tuple(Rung(name=rung.name, command=rung.command) for rung in TRADING.rungs),
    )

    report = shown(tried(lived(), resources=(strict,)))

    blocked = [one for one in report["blocked"] if one["command"] == "update_positions"]
    assert blocked
    assert {one["now"] for one in blocked} == {"refused"}
    assert "permits" in blocked[0]["why"]


def test_a_pool_that_has_less_makes_the_same_commands_meet() -> None:
    desk = Recorder(TAKES)
    desk.at = 60.0
    desk.consider(1, busy(1), busy(2), session="s1")
    desk.answer_all()

    unchanged = tried(desk, *TAKES.rules)
    smaller = tried(desk, *TAKES.rules, resources=(ANALYSIS.model_copy(update={"capacity": 1}),))

    assert (unchanged.first, unchanged.open_since) == (None, "")
    assert shown(smaller)["conflicts"]["C2 ws5/analysis"]["added_count"] == 1
    assert smaller.first is not None
    assert smaller.first.kind == "Consider"


class Claimed(Programs, Recorder):
    """Programs claim, and what the coordinator hears of it is kept."""

    def __init__(self, spec: CoordinatorSpec = FREE) -> None:
        self.trail = []
        super().__init__(spec)


def test_a_pool_that_has_more_tells_programs_otherwise_and_that_opens_the_loop() -> None:
    desk = Claimed()
    desk.claims("ws5", "gpu", lease_s=500)
    desk.claims("ws3", "gpu")
    desk.all_hear()

    unchanged = tried(desk)
    larger = tried(desk, resources=(FEED.model_copy(update={"capacity": 2}),))

    assert (unchanged.first, unchanged.open_since) == (None, "")
    assert larger.first is not None
    assert "ws3 is told that its claim gpu is granted" in larger.first.tried
    assert larger.open_since == larger.first.entry
    assert larger.state is not None
    assert not larger.state.ledger.tellings.open, "they are assumed to have taken note"


def test_a_command_that_waits_no_longer_opens_the_loop() -> None:
    desk = Recorder(TAKES.model_copy(update={"pools": (ANALYSIS.model_copy(update={"capacity": 1}),)}))
    desk.at = 60.0
    desk.consider(1, busy(1), busy(2), session="s1")
    desk.at = 61.0
    desk.answer_all()

    larger = tried(desk, *TAKES.rules, since=61.0, resources=(ANALYSIS,))

    assert larger.open_since == "coordinator/1/2", "where the trial begins, there is enough for both"


def test_a_holder_that_nobody_asks_to_let_go_opens_the_loop() -> None:
    desk = Claimed()
    desk.claims("ws3", "gpu", yields="let_go")
    desk.claims("ws5", "gpu")
    asked = desk.trail[-1]

    unchanged = tried(desk)
    patient = tried(desk, resources=(FEED.model_copy(update={"preemptible": False}),))

    assert any(isinstance(fact, YieldAsked) for fact in asked.facts)
    assert (unchanged.first, unchanged.open_since) == (None, "")
    assert patient.open_since == asked.entry


def test_a_holder_that_is_told_to_let_go_is_assumed_to_do_so() -> None:
    patient = FEED.model_copy(update={"preemptible": False})
    pools = tuple(patient if pool.resource == FEED.resource else pool for pool in FREE.pools)
    desk = Claimed(FREE.model_copy(update={"pools": pools}))
    desk.claims("ws3", "gpu", yields="let_go")
    desk.claims("ws5", "gpu")
    assert list(desk.ledger.docket.granted) == ["program:ws3/gpu"]

    trial = tried(desk, resources=(FEED,))

    assert trial.open_since == desk.trail[-1].entry
    assert trial.state is not None
    assert list(trial.state.ledger.docket.granted) == ["program:ws5/gpu"]
    assert trial.state.ledger.docket.yielding == {}
    assert trial.state.ledger.docket.escalated == {}


def test_a_rung_that_is_gone_ends_the_claims_on_it_where_the_trial_begins() -> None:
    desk = lived()
    other = Mode(
        resource="ws4/trading",
        rungs=(TRADING.rungs[0], TRADING.rungs[1].model_copy(update={"name": "closing"}), TRADING.rungs[2]),
    )

    trial = tried(desk, since=180.0, resources=(other,))
    lower = tuple(
        rule.model_copy(update={"hold": tuple(hold.model_copy(update={"rung": "reduce_only"}) for hold in rule.hold)})
        for rule in SHIPPED
    )
    gone = tried(desk, *lower, since=180.0, resources=(Mode(resource="ws4/trading", rungs=TRADING.rungs[:2]),))

    assert trial.first is None, "what nobody has claimed may go"
    assert gone.first is not None
    assert any("is withdrawn" in word for word in gone.first.tried)
    assert gone.open_since == gone.first.entry


def test_at_a_manual_level_what_loosens_waits_for_people_who_were_never_asked() -> None:
    desk = lived()
    for number in range(7, 13):
        desk.at += 60.0
        desk.consider(number, model(number + 10, improvement=0.0), session=f"s{number}")
        desk.answer_all()

    report = shown(tried(desk, levels={"ws4": Level.MANUAL}))

    asked = report["asked"]
    assert asked["ws4 directive"]["added_count"] > 0
    assert asked["ws4 command"]["added_count"] > 0
    paused = [report[world]["minutes"]["ws4/trading"]["paused"] for world in ("recorded", "tried")]
    assert paused[1] > paused[0], "nobody lowered it"
    assert report["tried"]["answers_of_people"].get("approved", 0) == 0
    assert {one["now"] for one in report["blocked"]} == {"asked"}


def test_a_level_that_people_set_then_does_not_undo_the_one_that_is_tried() -> None:
    desk = Recorder(SPEC.model_copy(update={"levels": {"ws4": Level.SUPERVISED}}))
    desk.tell(SetLevel(about="a", workstream="ws4", level=Level.AUTONOMOUS, by="ann", reason="r"), "gateway")
    desk.at = 60.0
    desk.consider(1, busy(1), session="s1")
    desk.answer_all()

    meanwhile = tried(desk, levels={"ws4": Level.MANUAL})
    before = tried(desk, since=60.0, levels={"ws4": Level.MANUAL})

    assert (meanwhile.changes_passed, before.changes_passed) == (1, 0)
    for trial in (meanwhile, before):
        assert shown(trial)["asked"]["ws4 command"]["added_count"] == 1


def test_a_yes_to_another_proposal_than_the_one_it_was_said_to_is_passed_over() -> None:
    manual = SPEC.model_copy(update={"levels": {"ws4": Level.MANUAL}})
    desk = Recorder(manual)
    desk.at = 60.0
    desk.consider(1, busy(1), session="s1")
    desk.answer_all()
    (proposal,) = desk.ledger.approvals.open.values()
    desk.tell(DecideApproval(about="a", id=proposal.id, by="ann", approve=True, reason="yes"), "gateway")
    desk.answer_all()
    other = Tell(workstream="ws4", command="close_positions", parameters={"symbol": "{symbol}"}, pure=True)

    same = tried(desk)
    trial = tried(desk, *with_rule(MARKET_DATA_SYNC, tell=(other,)))

    assert (same.first, same.words_passed) == (None, 0)
    assert trial.words_passed == 1
    assert "ws4 close_positions" not in trial.tried.commands


def test_fields_under_other_names_are_found_where_the_trial_says_they_are() -> None:
    desk = Recorder()
    desk.at = 60.0
    desk.consider(
        1, event("ws3", 1, "market_data_update", symbol="AAPL", trade={"qty": 9.0}, volume_mean_20=1.0), session="s1"
    )

    trial = tried(desk, fields={"ws3": {"volume": "trade.qty"}})

    assert fired(trial, "market-data-sync") == ["ws3#1"]
    assert "market-data-sync" in trial.recorded.undecided


def test_a_firing_on_another_event_about_the_same_subject_has_moved() -> None:
    report = shown(tried(lived(), *with_rule(VOLATILITY_PAUSE, when='regime == "high"')))

    one = report["firings"]["volatility-pause"]
    assert one["moved"] == [{"subject": "AAPL", "was": "ws3#2", "now": "ws3#9", "by_s": 240.0, "sessions": 4}]
    assert one["moved_count"] == 1
    assert (one["added"], one["removed"]) == (["ws3#9"], ["ws3#2"])


def test_a_firing_that_both_have_has_not_moved_whatever_comes_beside_it() -> None:
    report = shown(tried(lived(), *with_rule(VOLATILITY_PAUSE, when="true")))

    one = report["firings"]["volatility-pause"]
    assert (one["added"], one["removed"], one["moved"]) == (["ws3#9"], [], [])


def test_firings_about_different_subjects_have_not_moved() -> None:
    desk = Recorder()
    for number, told in enumerate((volatile(1, "AAPL"), volatile(2, "MSFT", regime="high")), start=1):
        desk.at += 60.0
        desk.consider(number, told, session=f"s{number}")
        desk.answer_all()

    report = shown(tried(desk, *with_rule(VOLATILITY_PAUSE, when='regime == "high"')))

    assert report["firings"]["volatility-pause"]["moved"] == []
    assert report["firings"]["volatility-pause"]["added_count"] == 1


def test_a_timer_that_the_trial_alone_has_set_comes_up_in_its_time_and_the_loop_stays_closed() -> None:
    """``true_for`` has passed between two letters; nobody is told, so the recorded answers go on counting."""
    nobodys = SHIPPED[4].release[0].model_copy(update={"subject": "nobody"})
    slow = timed_rule(
        id="slow",
        event="risk_threshold_exceeded",
        when="risk_level > 0.5",
        true_for="90s",
        tell=(),
        release=(nobodys,),
    )
    desk = Recorder()
    for number in range(1, 5):
        desk.at += 60.0
        told = breach(1, level=0.6) if number == 1 else model(number, improvement=0.0)
        desk.consider(number, told, session=f"s{number}")
        desk.answer_all()

    trial = tried(desk, *SHIPPED, slow)

    (firing,) = trial.tried.fired["slow"]
    assert (firing.event, firing.at) == ("ws2#1", 150.0)
    assert (firing.subject, firing.ordinal) == ("gen", 2)
    assert trial.open_since == ""
    assert trial.first is not None
    assert trial.first.at == pytest.approx(150.0)


def test_a_timer_that_both_have_set_comes_up_when_it_did() -> None:
    """Late, as on a busy machine: at the recorded moment, and not at its own."""
    held = timed_rule(id="held", event="risk_threshold_exceeded", when="risk_level > 0.5", true_for="90s")
    spec = SPEC.model_copy(update={"rules": (*SHIPPED, held)})
    desk = Recorder(spec)
    desk.at = 60.0
    desk.consider(1, breach(1, level=0.6), session="s1")
    desk.at = 149.0
    desk.consider(2, model(2, improvement=0.0), session="s1")
    desk.at = 157.0
    desk.consider(3, model(3, improvement=0.0), session="s1")  # finds it due before its timer comes up
    desk.answer_all()

    trial = tried(desk, *spec.rules)

    assert (trial.first, trial.open_since) == (None, "")
    assert [firing.at for firing in trial.tried.fired["held"]] == [157.0]
    assert len(desk.all_facts(RuleFired)) == 1


def test_a_timer_that_came_up_then_and_that_the_trial_has_not_set_is_not_heard() -> None:
    patient = timed_rule(id="held", event="risk_threshold_exceeded", when="risk_level > 0.5", true_for="90s", tell=())
    desk = Recorder(SPEC.model_copy(update={"rules": (*SHIPPED, patient)}))
    desk.at = 60.0
    desk.consider(1, breach(1, level=0.6), session="s1")
    desk.at = 150.0
    desk.tell(Woken(timer=DUE), "coordinator")

    same, without = tried(desk, *SHIPPED, patient), tried(desk)

    assert (same.first, same.open_since) == (None, "")
    looks = [trial.state.ledger.timing.looks_count for trial in (same, without) if trial.state is not None]
    assert looks == [1, 0]


def test_the_report_is_json() -> None:
    report: Any = shown(tried(lived(), *with_rule(VOLATILITY_PAUSE, enabled=False), levels={"ws5": Level.SUPERVISED}))

    written = json.dumps(report)

    assert json.dumps(json.loads(written)) == written
    assert json.loads(written)["changed"] == ["ws5 level"]
