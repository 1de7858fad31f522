"""Rules while the hub runs: changed, switched, run by hand; every version recorded, and a bad set changes nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.ruleset import RuleSet, folded, merged, taken_up
from alluse_hub.protocols.claims import ClaimPlaced, Directive
from alluse_hub.protocols.effects import Commit, Record, Send
from alluse_hub.protocols.lifecycle import PeerUp
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.personal import PersonalField
from alluse_hub.protocols.rules import CommandIssued, RoundClosed, Rule, RuleActionRefused, RuleFired
from alluse_hub.protocols.ruleset import (
    AskRules,
    AutoSwitched,
    ChangeRules,
    ConsiderThese,
    CoordinationDone,
    RulesChanged,
    RunRule,
    SwitchAuto,
    SwitchRule,
)
from alluse_hub.protocols.workstream import Command
from tests.actors.coordinator.worlds import SHIPPED, SPEC, VOLATILITY_PAUSE, Desk, breach, busy, volatile


def order(desk: Desk, kind: type[Message], **said: Any) -> CoordinationDone:
    desk.tell(kind.model_validate({"about": "a", "by": "ann", **said}), "gateway")
    (answer,) = [e.message for e in desk.effects if isinstance(e, Send) and e.to == "gateway"]
    assert isinstance(answer, CoordinationDone)
    return answer


def change(desk: Desk, *put: Rule, how: str = "change", **said: Any) -> CoordinationDone:
    return order(desk, ChangeRules, how=how, put=put, **said)


def softer(rule: Rule = VOLATILITY_PAUSE) -> Rule:
    return rule.model_copy(update={"when": 'regime == "high"'})


def test_the_first_start_records_the_configured_set_and_the_next_one_nothing() -> None:
    desk = Desk()
    again = Desk(facts=desk.facts)

    (first,) = [fact for fact in desk.facts if isinstance(fact, RulesChanged)]
    assert (first.revision, first.how, first.put, first.configured) == (1, "configuration", SHIPPED, SHIPPED)
    assert again.all_facts(RulesChanged) == [first]


def test_a_disabled_rule_does_not_fire_and_an_enabled_one_does_again() -> None:
    desk = Desk()
    order(desk, SwitchRule, rule="volatility-pause", on=False, reason="too nervous")
    desk.consider(1, volatile(1))
    assert desk.rung == "normal"

    order(desk, SwitchRule, rule="volatility-pause", on=True)
    desk.consider(2, volatile(2))
    assert desk.rung == "paused"
    assert [fact.version for fact in desk.all_facts(RuleFired)] == [3]
    who = [(fact.how, fact.by, fact.reason) for fact in desk.all_facts(RulesChanged)[1:]]
    assert who == [("disable", "ann", "too nervous"), ("enable", "ann", "")]


def test_disabling_a_rule_loosens_nothing_that_it_holds() -> None:
    desk = Desk()
    desk.consider(1, volatile(1))
    desk.answer_all()

    order(desk, SwitchRule, rule="volatility-pause", on=False)

    assert desk.rung == "paused"
    assert not desk.said(Directive)


def test_a_change_is_answered_when_it_is_safe_against_a_power_cut() -> None:
    desk = Desk()

    answer = change(desk, softer())

    kinds = [type(e.message) if isinstance(e, Send) else type(e) for e in desk.effects]
    assert kinds.index(Commit) < kinds.index(CoordinationDone)
    assert answer.ok
    assert answer.text == "revision 2 of the rules is in force (put: volatility-pause)"
    assert desk.state.ledger.ruleset.versions["volatility-pause"] == 2


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"put": (softer().model_copy(update={"when": "regime ="}),)}, "volatility-pause: condition 'regime ='"),
        ({"put": (VOLATILITY_PAUSE,), "is_whole": True, "remove": ("volatile-pause",)}, "'volatile-pause' is no rule"),
        ({"remove": ("risk-threshold-alert",)}, "risk-cleared-resume: releases holds of 'risk-threshold-alert'"),
        ({"put": (softer(),), "revision": 7}, "the rules are at revision 1 by now, not 7"),
    ],
)
def test_a_bad_set_is_refused_with_what_is_wrong_and_the_one_in_force_stays(said: dict[str, Any], wrong: str) -> None:
    desk = Desk()
    before = desk.state

    answer = order(desk, ChangeRules, how="reload", **said)

    assert not answer.ok
    assert wrong in answer.text
    assert desk.state == before


def test_a_rule_that_reads_what_is_declared_personal_is_refused() -> None:
    field = PersonalField(event=VOLATILITY_PAUSE.event, field="regime", subject="regime")
    desk = Desk(SPEC.model_copy(update={"rules": (), "personal": (field,)}))

    refused = change(desk, softer())

    assert not refused.ok
    assert "reads 'regime'" in str(refused)


def test_a_reloaded_set_is_the_whole_set_in_its_own_order() -> None:
    desk = Desk()
    wanted = (softer(), SHIPPED[1], SHIPPED[4])

    answer = change(desk, *wanted, how="reload", is_whole=True)

    assert desk.state.book.running == wanted
    assert answer.text == (
        "revision 2 of the rules is in force (put: volatility-pause; removed: market-data-sync, learning-model-update)"
    )
    assert change(desk, *wanted, how="reload", is_whole=True).text == "nothing changes; revision 2 stands"


def test_the_router_is_told_what_the_rules_listen_to_and_again_when_it_is_new() -> None:
    desk = Desk()
    listening = softer().model_copy(update={"event": "session_closed"})
    change(desk, listening)
    (told,) = desk.said(ConsiderThese)
    assert "ws3.session_closed" in told.events

    desk.tell(PeerUp(name="router", incarnation=2))
    assert desk.said(ConsiderThese) == [told]


def test_while_automatic_coordination_is_off_rounds_pass_and_no_rule_fires() -> None:
    desk = Desk()
    order(desk, SwitchAuto, on=False, reason="drill")
    desk.consider(1, breach(1), busy(2))
    assert desk.said(RoundClosed)
    assert not desk.all_facts(RuleFired)

    order(desk, SwitchAuto, on=True)
    desk.consider(2, breach(2))
    assert desk.all_facts(RuleFired)
    assert [fact.on for fact in desk.all_facts(AutoSwitched)] == [False, True]


def test_what_is_held_lives_on_while_automatic_coordination_is_off() -> None:
    desk = Desk()
    desk.consider(1, breach(1))
    desk.answer_all()

    order(desk, SwitchAuto, on=False)

    assert desk.rung == "paused"


def test_a_rule_run_by_hand_does_all_that_it_does_and_says_who_ran_it() -> None:
    desk = Desk()

    answer = order(desk, RunRule, rule="risk-threshold-alert", payload={"kind": "drawdown", "scope": "gen"})

    (fired,) = desk.said(RuleFired)
    assert (fired.manual_by, fired.event, fired.why) == ("ann", "hand#1", "run by hand by ann")
    assert desk.rung == "paused"
    assert [issued.key for issued in desk.said(CommandIssued)] == [
        "c/0/risk-threshold-alert/hand1-1",
        "c/0/risk-threshold-alert/hand1-2",
    ]
    assert [type(message) for message in desk.sent("ws1")] == [Command]
    assert answer.text.startswith("risk-threshold-alert was run on hand#1: 1 held, 0 released, 2 of 2 told")


def test_run_by_hand_twice_in_a_round_its_commands_have_keys_of_their_own() -> None:
    desk = Desk()
    for _ in range(2):
        order(desk, RunRule, rule="market-data-sync", payload={"symbol": "AAPL"})

    keys = [fact.key for fact in desk.all_facts(CommandIssued)]
    assert len(set(keys)) == len(keys) == 4


def test_by_hand_nothing_is_permitted_that_the_rung_does_not_permit() -> None:
    desk = Desk()
    desk.consider(1, breach(1))

    answer = order(desk, RunRule, rule="market-data-sync", payload={"symbol": "AAPL"})

    assert [fact.command for fact in desk.said(RuleActionRefused)] == ["update_positions"]
    assert "1 of 2 told" in answer.text


def test_a_disabled_rule_can_be_run_by_hand() -> None:
    desk = Desk()
    order(desk, SwitchRule, rule="volatility-pause", on=False)

    order(desk, RunRule, rule="volatility-pause", payload={"symbol": "AAPL"})

    assert [fact.claim.subject for fact in desk.said(ClaimPlaced)] == ["AAPL"]


def test_who_asks_is_told_the_whole_set() -> None:
    desk = Desk()
    desk.consider(1, volatile(1))

    told = _asked(desk)

    assert [rule["id"] for rule in told["rules"]] == [rule.id for rule in SHIPPED]
    assert told["tallies"]["volatility-pause"]["fired"] == 1
    assert told["spec"]["workstreams"] == list(SPEC.workstreams)
    assert told["changes"][0]["how"] == "configuration"


def _asked(desk: Desk) -> Any:  # JSON
    desk.tell(AskRules(about="told:q1"), "gateway")
    (answer,) = [e.message for e in desk.effects if isinstance(e, Send)]
    assert isinstance(answer, CoordinationDone)
    return answer.result


# --- the configuration's changes and people's ------------------------------------------------------------------------


def test_a_next_start_takes_what_has_changed_in_the_configuration_and_keeps_what_people_changed() -> None:
    desk = Desk()
    change(desk, softer())
    urgent = SHIPPED[0].model_copy(update={"description": "as the file has it now"})
    spec = SPEC.model_copy(update={"rules": (urgent, *SHIPPED[1:])})

    after = Desk(spec, facts=desk.facts)

    assert after.state.book.running == (urgent, *SHIPPED[1:3], softer(), SHIPPED[4])
    assert after.all_facts(RulesChanged)[-1].put == (urgent,)


def test_where_both_together_are_wrong_the_configuration_is_taken_whole() -> None:
    desk = Desk()
    other = SHIPPED[4].model_copy(update={"id": "another-resume", "name": "Another"})
    change(desk, other)
    spec = SPEC.model_copy(update={"rules": (SHIPPED[0],)})  # no hold for `another-resume` to release any more

    after = Desk(spec, facts=desk.facts)

    assert after.state.book.running == (SHIPPED[0],)
    assert "did not go together" in after.all_facts(RulesChanged)[-1].reason


def test_a_set_that_people_changed_outlives_the_coordinator() -> None:
    desk = Desk()
    change(desk, softer())
    order(desk, SwitchAuto, on=False)

    after = Desk(facts=desk.facts)

    assert after.state.ledger.ruleset == desk.state.ledger.ruleset
    assert after.state.book.running == desk.state.book.running


def test_a_snapshot_has_the_set() -> None:
    desk = Desk()
    change(desk, softer())
    assert COORDINATOR.restore is not None

    kept = COORDINATOR.restore(COORDINATOR.start("coordinator", SPEC), desk.state)

    assert kept.book.running == desk.state.book.running
    assert kept.book.rules.keys() == desk.state.book.rules.keys()


RULES = st.lists(
    st.builds(
        lambda n, text: SHIPPED[n].model_copy(update={"description": text}), st.integers(0, 4), st.sampled_from("ab")
    ),
    unique_by=lambda rule: rule.id,
)


@given(st.lists(RULES, min_size=1, max_size=6))
def test_whatever_is_configured_in_turn_the_set_is_always_that_where_nobody_changed_it(sets: list[list[Rule]]) -> None:
    ruleset = RuleSet()
    for rules in sets:
        fact = taken_up(ruleset, tuple(rules), lambda _: [])
        if fact is not None:
            ruleset = folded(ruleset, fact)
        assert sorted(ruleset.rules) == sorted(r.id for r in rules)
        assert all(ruleset.rules[rule.id] == rule for rule in rules)
        assert merged(ruleset, tuple(rules)) == tuple(ruleset.rules.values())


def test_every_change_is_one_fact_and_the_facts_give_the_set() -> None:
    desk = Desk()
    for rules in ((softer(),), (softer(SHIPPED[3].model_copy(update={"enabled": False})),)):
        change(desk, *rules)
        facts = [e.fact for e in desk.effects if isinstance(e, Record) and isinstance(e.fact, RulesChanged)]
        assert len(facts) == 1
    ruleset = RuleSet()
    for fact in desk.all_facts(RulesChanged):
        ruleset = folded(ruleset, fact)

    assert ruleset == desk.state.ledger.ruleset
