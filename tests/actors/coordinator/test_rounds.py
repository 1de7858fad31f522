"""A round: what fires, in which order, what it leads to, and that it always ends."""

from typing import Any

import pytest

from alluse_hub.actors.coordinator.claiming import CLAIMS_MAX
from alluse_hub.actors.coordinator.ledger import Phase
from alluse_hub.actors.coordinator.rounds import FIRINGS_MAX
from alluse_hub.protocols.claims import (
    ClaimCleared,
    ClaimEnded,
    ClaimExtended,
    ClaimPlaced,
    Directive,
    DirectiveAck,
    DirectiveIssued,
)
from alluse_hub.protocols.effects import Commit, Record, Send
from alluse_hub.protocols.flow import Considered, Event, Present
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.rules import (
    ActsCommitted,
    CommandIssued,
    CoordinatorSpec,
    Priority,
    RoundClosed,
    RoundDecided,
    RoundOpened,
    Rule,
    RuleActionRefused,
    RuleCurbed,
    RuleFired,
    RulesShown,
    RuleUndecided,
)
from alluse_hub.protocols.workstream import Command, CommandReply
from tests.actors.coordinator.worlds import (
    RISK_THRESHOLD_ALERT,
    SPEC,
    TRADING,
    WORKSTREAMS,
    Desk,
    breach,
    busy,
    cleared,
    event,
    model,
    volatile,
)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def commands(desk: Desk) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (effect.to, effect.message.command, effect.message.parameters)
        for effect in desk.effects
        if isinstance(effect, Send) and isinstance(effect.message, Command)
    ]


def test_a_round_without_anything_to_decide_is_one_fact_and_one_answer(desk: Desk) -> None:
    desk.consider(1, busy(1, volume=1e6), session="s1")

    assert desk.effects == (
        Record(RoundClosed(round=1, session="s1", ordinal=1)),
        Send("router", Considered(round=1)),
    )


def test_market_data_sync_tells_ws4_and_ws5_with_the_symbol(desk: Desk) -> None:
    desk.consider(1, busy(1, "IBM"))

    assert commands(desk) == [
        ("ws4", "update_positions", {"priority": "high", "symbol": "IBM"}),
        ("ws5", "analyze_patterns", {"symbols": ["IBM"]}),
    ]


def test_risk_threshold_alert_pauses_before_it_tells(desk: Desk) -> None:
    desk.consider(1, breach(1))

    (directive,) = desk.said(Directive)
    assert (directive.rung, directive.command, directive.fence) == ("paused", "pause_trading", 1)
    assert "risk_level > 0.8 (risk_level = 0.93) in ws2#1" in directive.reason
    assert [name for _, name, _ in commands(desk)] == ["send_alert", "emergency_analysis"]


def test_learning_model_update_tells_the_four_others_the_version(desk: Desk) -> None:
    desk.consider(1, model(4))

    assert commands(desk) == [
        ("ws1", "update_agent_knowledge", {"model_version": "m4"}),
        ("ws2", "recalibrate_protocols", {"model_version": "m4"}),
        ("ws3", "update_intelligence", {"model_version": "m4"}),
        ("ws4", "update_strategies", {"model_version": "m4"}),
    ]


def test_volatility_pause_holds_for_five_sessions(desk: Desk) -> None:
    rungs = []
    for number in range(1, 9):
        desk.consider(number, *([volatile(1)] if number == 1 else []), session=f"s{number}")
        desk.answer_all()
        rungs.append(desk.rung)

    assert rungs == ["paused"] * 6 + ["normal"] * 2
    assert [ended.how for ended in desk.all_facts(ClaimEnded)] == ["lapsed"]


def test_risk_cleared_releases_the_hold_of_its_scope_and_trading_resumes(desk: Desk) -> None:
    desk.consider(1, breach(1), session="s1")
    desk.answer_all()
    desk.consider(2, cleared(2, "rev"), session="s2")
    desk.answer_all()
    assert desk.rung == "paused"

    desk.consider(3, cleared(3), session="s2")

    (directive,) = desk.said(Directive)
    assert (directive.rung, directive.command, directive.fence) == ("normal", "resume_trading", 2)
    assert desk.said(ClaimEnded)[0].how == "cleared"


def test_a_release_within_the_least_time_takes_effect_when_that_is_over(desk: Desk) -> None:
    desk.consider(1, breach(1), session="s1")
    desk.answer_all()

    desk.consider(2, cleared(2), session="s1")
    assert desk.said(ClaimCleared)
    assert desk.said(ClaimEnded) == []
    desk.answer_all()
    desk.consider(3, session="s2")

    assert [ended.how for ended in desk.said(ClaimEnded)] == ["lapsed"]
    assert desk.said(Directive)[0].rung == "normal"


def test_of_a_breach_and_its_clearing_in_one_round_the_later_counts(desk: Desk) -> None:
    desk.consider(1, cleared(1), breach(2), session="s1")
    desk.answer_all()
    desk.consider(2, session="s2")

    assert desk.rung == "paused"


def test_a_hold_placed_again_extends_its_lease_and_is_still_one_claim(desk: Desk) -> None:
    desk.consider(1, volatile(1), session="s1")
    desk.answer_all()
    desk.consider(2, volatile(2), volatile(3), session="s2")

    assert [fact.lease.until for fact in desk.said(ClaimExtended)] == [7]
    assert len(desk.ledger.claims) == len(desk.all_facts(ClaimPlaced)) == 1


def test_what_loosens_or_orders_waits_for_the_commit_and_what_restricts_does_not(desk: Desk) -> None:
    desk.consider(1, breach(1), model(2), session="s1")
    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in desk.effects]
    assert kinds.index(Directive) < kinds.index(Commit) < kinds.index(Command)
    desk.answer_all()

    desk.consider(2, cleared(3), session="s2")

    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in desk.effects]
    assert kinds.index(Commit) < kinds.index(Directive)
    assert Commit(ActsCommitted(round=2)) in desk.effects


def test_every_fact_of_a_round_stands_before_anything_is_sent(desk: Desk) -> None:
    desk.consider(1, breach(1), busy(2), model(3))

    records = [at for at, effect in enumerate(desk.effects) if isinstance(effect, Record)]
    sends = [at for at, effect in enumerate(desk.effects) if isinstance(effect, Send)]
    assert max(records) < min(sends)
    assert isinstance(desk.effects[0], Record)
    assert isinstance(desk.effects[0].fact, RoundOpened)
    assert desk.effects[max(records)] == Record(RoundDecided(round=1))


def test_commands_of_urgent_rules_overtake_a_thousand_of_others(desk: Desk) -> None:
    desk.consider(1, *(model(n) for n in range(1, 301)), breach(1))

    assert len(desk.all_facts(CommandIssued)) == 1_202
    assert [name for _, name, _ in commands(desk)[:2]] == ["send_alert", "emergency_analysis"]


def test_a_breach_in_the_same_round_refuses_a_command_of_an_earlier_event(desk: Desk) -> None:
    desk.consider(1, busy(1), breach(1))

    assert "update_positions" not in [name for _, name, _ in commands(desk)]
    assert desk.said(RuleActionRefused)[0].why == "ws4/trading is paused, which permits only cancel"


def test_keys_are_made_of_round_rule_and_count(desk: Desk) -> None:
    desk.consider(7, busy(1), busy(2))

    assert [fact.key for fact in desk.all_facts(CommandIssued)] == [f"c/7/market-data-sync/{n}" for n in (1, 2, 3, 4)]


def test_the_round_is_considered_when_all_is_answered_with_the_highest_event_numbers(desk: Desk) -> None:
    desk.consider(1, busy(1), breach(1))
    ack = DirectiveAck(resource="ws4/trading", fence=1, outcome="applied", events_through=40)
    replies: list[Message] = [ack]
    for n, issued in enumerate(desk.all_facts(CommandIssued)):
        replies.append(CommandReply(key=issued.key, workstream=issued.workstream, ok=n > 0, events_through=n + 5))
    for reply in replies[:-1]:
        desk.tell(reply)
        assert desk.said(Considered) == []

    desk.tell(replies[-1])

    assert desk.said(Considered) == [Considered(round=1, through={"ws1": 5, "ws4": 40, "ws5": 7})]


def test_a_round_said_again_while_it_is_open_changes_nothing(desk: Desk) -> None:
    desk.consider(1, breach(1))
    desk.consider(1, breach(1))

    assert desk.effects == ()


def test_a_round_said_again_when_it_is_closed_gets_the_same_answer_and_no_second_decision(desk: Desk) -> None:
    desk.consider(1, breach(1))
    (*_, first) = [m for m in desk.answer_all() if isinstance(m, Considered)]

    desk.consider(1, breach(1))

    assert desk.effects == (Send("router", first),)


def test_an_earlier_round_is_answered_without_a_second_decision(desk: Desk) -> None:
    desk.consider(2, breach(1))
    desk.answer_all()
    desk.consider(1, breach(1))

    assert desk.effects == (Send("router", Considered(round=1)),)


def test_a_later_round_closes_the_one_that_is_open(desk: Desk) -> None:
    desk.consider(1, model(1))
    desk.consider(2)

    assert [closed.round for closed in desk.said(RoundClosed)] == [1, 2]
    assert desk.said(Considered) == [Considered(round=2)]


def test_sessions_count_once_each(desk: Desk) -> None:
    for number, session in enumerate(("", "a", "a", "", "b"), 1):
        desk.consider(number, session=session)

    assert (desk.ledger.session, desk.ledger.ordinal) == ("b", 2)


def test_a_rule_whose_condition_is_unknown_does_nothing_and_says_why(desk: Desk) -> None:
    desk.consider(1, event("ws2", 1, "risk_threshold_exceeded", kind="drawdown", scope="gen"))

    assert desk.said(RuleUndecided) == [
        RuleUndecided(rule="risk-threshold-alert", event="ws2#1", why="risk_level > 0.8 (risk_level is missing)")
    ]
    assert desk.ledger.claims == {}


def test_a_parameter_that_cannot_be_filled_keeps_the_command_back(desk: Desk) -> None:
    desk.consider(1, event("ws5", 1, "model_updated", accuracy_improvement=0.2))

    assert commands(desk) == []
    assert desk.said(RuleUndecided)[0].why == "ws1 was not told to update_agent_knowledge: version is missing"
    assert desk.said(Considered)


def test_a_hold_whose_subject_cannot_be_told_is_held_all_the_same(desk: Desk) -> None:
    desk.consider(1, event("ws2", 1, "risk_threshold_exceeded", risk_level=0.9))

    assert "rule:risk-threshold-alert@ws4/trading:?" in desk.ledger.claims
    assert "kind is missing" in desk.said(RuleUndecided)[0].why


def test_a_release_whose_subject_cannot_be_told_releases_nothing(desk: Desk) -> None:
    desk.consider(1, breach(1), session="s1")
    desk.answer_all()
    desk.consider(2, event("ws2", 2, "risk_cleared", kind="drawdown"), session="s2")

    assert desk.said(RuleUndecided)
    assert len(desk.ledger.claims) == 1


@pytest.mark.parametrize("shown", [breach(9), cleared(9), volatile(9), busy(9), model(9)])
def test_whatever_field_is_missing_no_hold_ends_and_no_use_becomes_allowed(shown: Event) -> None:
    for missing in set(shown.payload) - ({"risk_level"} if shown.event == "risk_cleared" else set()):
        desk = Desk()
        desk.consider(1, breach(1), session="s1")
        desk.answer_all()
        payload = {name: value for name, value in shown.payload.items() if name != missing}

        desk.consider(2, shown.model_copy(update={"payload": payload}), busy(5), session="s2")

        assert "rule:risk-threshold-alert@ws4/trading:drawdown/gen" in desk.ledger.claims
        assert "update_positions" not in [name for _, name, _ in commands(desk)]


def test_disabled_rules_do_not_fire() -> None:
    off = RISK_THRESHOLD_ALERT.model_copy(update={"enabled": False})
    desk = Desk(CoordinatorSpec(rules=(off,), modes=(TRADING,), workstreams=WORKSTREAMS))

    desk.consider(1, breach(1))

    assert desk.said(RuleFired) == []


def test_rules_of_one_event_fire_by_priority_and_then_as_declared() -> None:
    rules = tuple(
        Rule(id=name, name=name, priority=priority, workstream="ws2", event="e", tell=())
        for name, priority in (
            ("low", Priority.LOW),
            ("high-1", Priority.HIGH),
            ("critical", Priority.CRITICAL),
            ("high-2", Priority.HIGH),
        )
    )
    desk = Desk(CoordinatorSpec(rules=rules))

    desk.consider(1, event("ws2", 1, "e"), event("ws2", 2, "e"))

    order = ["critical", "high-1", "high-2", "low"]
    assert [(f.event, f.rule) for f in desk.said(RuleFired)] == [
        (id_, name) for id_ in ("ws2#1", "ws2#2") for name in order
    ]


def test_a_storm_of_equal_events_is_one_claim_and_bounded_work(desk: Desk) -> None:
    desk.consider(1, *(breach(n) for n in range(1, 10_001)))

    assert len(desk.ledger.claims) == 1
    assert len(desk.said(RuleFired)) == FIRINGS_MAX
    assert desk.said(RuleCurbed) == [RuleCurbed(rule="risk-threshold-alert", round=1, skipped=10_000 - FIRINGS_MAX)]


def test_a_storm_of_subjects_shares_one_claim_beyond_the_bound(desk: Desk) -> None:
    desk.consider(1, *(breach(n, scope=f"scope-{n}") for n in range(1, 301)))

    assert len(desk.ledger.claims) == CLAIMS_MAX + 1
    assert desk.rung == "paused"


def test_commands_to_a_workstream_that_is_out_fail_at_once_so_that_the_round_can_end(desk: Desk) -> None:
    for name in WORKSTREAMS:
        desk.tell(Present(workstream=name, presence="out"), name)

    desk.consider(1, model(1))

    assert desk.said(Considered) == [Considered(round=1)]
    assert desk.ledger.tallies["learning-model-update"].failures == 4
    assert desk.ledger.tallies["learning-model-update"].last_result == "ws4 update_strategies: ws4 is out"


def test_a_round_ends_when_those_it_waits_for_go_out(desk: Desk) -> None:
    desk.consider(1, breach(1))
    for name in ("ws1", "ws5", "ws4"):
        assert desk.said(Considered) == []
        desk.tell(Present(workstream=name, presence="out"), name)

    assert desk.said(Considered) == [Considered(round=1)]


def test_a_new_round_waits_for_a_restriction_that_is_still_on_its_way(desk: Desk) -> None:
    desk.consider(1, breach(1))
    for issued in desk.all_facts(CommandIssued):
        desk.tell(CommandReply(key=issued.key, workstream=issued.workstream, ok=True))
    desk.consider(2)

    waiting = desk.ledger.phase
    desk.answer_all()

    assert [waiting, desk.ledger.phase] == [Phase.WAITING, Phase.CLOSED]


def test_the_board_is_shown_changes_at_most_once_a_letter(desk: Desk) -> None:
    desk.consider(1, breach(1), busy(1), model(1))

    (shown,) = desk.said(RulesShown)
    assert [(r.id, r.fired) for r in shown.rules if r.fired] == [
        ("market-data-sync", 1),
        ("risk-threshold-alert", 1),
        ("learning-model-update", 1),
    ]
    assert (shown.resources[0].rung, shown.resources[0].fence) == ("paused", 1)
    assert shown.resources[0].explanation == desk.said(DirectiveIssued)[0].why


def test_counts_of_rules_are_kept(desk: Desk) -> None:
    desk.consider(1, busy(1), session="s1")
    desk.answer_all()
    desk.consider(2, busy(2), breach(1), session="s2")
    desk.answer_all()

    (shown,) = [rule for rule in desk.said(RulesShown)[-1].rules if rule.id == "market-data-sync"]
    assert (shown.fired, shown.failures, shown.last_event, shown.last_session) == (2, 1, "ws3#2", "s2")


def test_two_coordinators_decide_the_same() -> None:
    def decided() -> list[object]:
        desk = Desk(SPEC)
        for number in range(1, 9):
            desk.consider(number, breach(number), busy(number), volatile(number, f"S{number}"), session=f"s{number}")
            desk.answer_all()
        return list(desk.facts)

    assert decided() == decided()
