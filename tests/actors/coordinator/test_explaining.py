"""Why a rule did not fire: told from the state of then, the rule of then and the event."""

from typing import Any

import pytest

from alluse_hub.actors.coordinator.explaining import reason, standing_reason
from alluse_hub.actors.coordinator.rounds import FIRINGS_MAX
from alluse_hub.protocols.approvals import Level
from alluse_hub.protocols.flow import Consider, Event
from alluse_hub.protocols.rules import CoordinatorSpec, Rule
from alluse_hub.protocols.ruleset import ChangeRules, SwitchAuto, SwitchRule
from tests.actors.coordinator.worlds import SPEC, VOLATILITY_PAUSE, Desk, breach, busy, event, model, volatile


def asked(desk: Desk, rule: str, *events: Event, of: str = "") -> tuple[str, str]:
    """What is said of the last of the events, after they were decided on."""
    before, number = desk.state, desk.ledger.round + 1
    shown = Consider(round=number, session=f"s{number}", events=events)
    count = len(desk.facts)
    desk.tell(shown, "router")
    found = reason(before, shown, of or events[-1].id, rule, desk.at, desk.facts[count:])
    return found.answer, found.why


def order(desk: Desk, kind: Any, **said: Any) -> None:
    desk.tell(kind.model_validate({"about": "a", "by": "ann", "reason": "drill", **said}), "gateway")


def test_a_condition_that_was_false_is_shown_with_its_values() -> None:
    assert asked(Desk(), "market-data-sync", busy(1, volume=1e6)) == (
        "false",
        (
            "its condition was false: volume > 2 * volume_mean_20 (volume = 1000000.0, volume_mean_20 = 1000000.0); "
            "with volume just above 2000000, or volume_mean_20 just below 500000 it would have been true"
        ),
    )


def test_a_condition_that_was_unknown_names_what_was_missing() -> None:
    answer, why = asked(Desk(), "risk-threshold-alert", event("ws2", 1, "risk_threshold_exceeded", scope="gen"))

    assert answer == "unknown"
    assert "risk_level is missing" in why


def test_it_did_fire_and_what_it_told_was_refused() -> None:
    desk = Desk()
    desk.consider(1, breach(1))

    answer, why = asked(desk, "market-data-sync", busy(2))

    assert answer == "fired"
    assert "update_positions was refused: ws4/trading is paused" in why


def test_it_did_fire_and_what_it_told_waited_for_people() -> None:
    desk = Desk(SPEC.model_copy(update={"levels": {"ws4": Level.MANUAL}}))

    answer, why = asked(desk, "learning-model-update", model(1))

    assert answer == "fired"
    assert why.endswith("what it told ws4 waited for people, as approval-1")


def test_of_more_events_than_it_may_act_on_the_last_are_told_as_curbed() -> None:
    events = [busy(n) for n in range(1, FIRINGS_MAX + 3)]

    assert asked(Desk(), "market-data-sync", *events)[0] == "curbed"
    assert asked(Desk(), "market-data-sync", *events, of="ws3#5")[0] == "fired"


def test_disabled_names_who_and_why() -> None:
    desk = Desk()
    order(desk, SwitchRule, rule="volatility-pause", on=False)

    assert asked(desk, "volatility-pause", volatile(1)) == ("disabled", "volatility-pause was disabled, by ann: drill")


def test_removed_names_who_and_why() -> None:
    desk = Desk()
    order(desk, ChangeRules, how="remove", remove=("volatility-pause",))

    answer, why = asked(desk, "volatility-pause", volatile(1))

    assert answer == "not there"
    assert why.endswith("ann had removed it: drill")


def test_automatic_coordination_was_off() -> None:
    desk = Desk()
    order(desk, SwitchAuto, on=False)

    assert asked(desk, "volatility-pause", volatile(1))[0] == "auto off"
    assert standing_reason(desk.state, "volatility-pause") is not None


def timed(**times: str) -> CoordinatorSpec:
    rule = VOLATILITY_PAUSE.model_copy(update=times)
    return SPEC.model_copy(update={"rules": (rule,)})


@pytest.mark.parametrize(
    ("times", "first", "second"),
    [
        ({"cooldown": "300s"}, "fired", "resting"),
        ({"true_for": "60s"}, "pending", "pending"),
        ({"once_per": "{symbol}"}, "fired", "firing"),
    ],
)
def test_times_that_keep_it_from_firing(times: dict[str, str], first: str, second: str) -> None:
    desk = Desk(timed(**times))

    answers = [asked(desk, "volatility-pause", volatile(1))[0]]
    desk.at += 1.0
    answers.append(asked(desk, "volatility-pause", volatile(2))[0])

    assert answers == [first, second]


def test_the_rule_of_then_counts_and_not_that_of_now() -> None:
    desk = Desk()
    before = desk.state
    shown = Consider(round=1, session="s1", events=(volatile(1, regime="high"),))
    softer: Rule = VOLATILITY_PAUSE.model_copy(update={"when": 'regime == "high"'})
    order(desk, ChangeRules, how="change", put=(softer,))

    assert reason(before, shown, "ws3#1", "volatility-pause", 0.0, ()).answer == "false"


def test_an_event_of_another_name_is_not_listened_to() -> None:
    assert asked(Desk(), "volatility-pause", busy(1))[0] == "other event"
