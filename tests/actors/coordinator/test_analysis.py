"""What ``rules check`` asks of a set: clashes, rounds, effects nobody declared; and the faults of an earlier hub's own
sample definitions, each of which it must reject or question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub import configuration
from alluse_hub.actors.coordinator.analysis import Finding, analysed, components
from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.actors.coordinator.drafts import drafted
from alluse_hub.protocols.conditions import ConditionError, evaluate, parse
from alluse_hub.protocols.conditions.joint import never_both
from alluse_hub.protocols.config import open_text
from alluse_hub.protocols.config import parse as parse_config
from alluse_hub.protocols.config_rules import World, parse_rules
from alluse_hub.protocols.rules import Hold, Priority, Release, Rule, Tell
from tests.actors.coordinator.worlds import TRADING, WORKSTREAMS

EVENTS: dict[str, tuple[str, ...]] = {
    "ws3": ("market_data_update",),
    "ws2": ("risk_threshold_exceeded",),
    "ws5": ("model_updated",),
}

SEED = """
# The sample definitions of an earlier hub, in this one's form; what was left out there is left out here.
[[rule]]
id = "market-data-sync"
name = "Market Data Sync"
priority = "high"
workstream = "ws3"
event = "market_data_update"
when = "volume > 1000"
[[rule.tell]]
workstream = "ws4"
command = "update_positions"
parameters = { priority = "high" }
[[rule.tell]]
workstream = "ws5"
command = "analyze_patterns"

[[rule]]
id = "risk-threshold-alert"
name = "Risk Threshold Alert"
priority = "critical"
workstream = "ws2"
event = "risk_threshold_exceeded"
when = "risk_level > 0.8"
[[rule.tell]]
workstream = "ws4"
command = "pause_trading"
parameters = { duration = 300 }
[[rule.tell]]
workstream = "ws1"
command = "send_alert"
[[rule.tell]]
workstream = "ws5"
command = "emergency_analysis"

[[rule]]
id = "learning-model-update"
name = "Learning Model Update"
workstream = "ws5"
event = "model_update"
when = "accuracy_improvement > 0.05"
[[rule.tell]]
workstream = "ws4"
command = "update_strategies"

[[workflow]]
id = "market-open"
schedule = "0 0 9 * * 1-5"
[[workflow.step]]
id = "collect"
workstream = "ws3"
command = "collect_market_data"
on_success = "decide"
on_failure = "step_error"
[[workflow.step]]
id = "decide"
workstream = "ws2"
command = "validate_trade"
on_success = "end"
on_failure = "step_retry"

[[workflow]]
id = "hourly-risk"
schedule = "0 0 * * * *"
after = ["market-open"]
"""


def seed() -> list[Finding]:
    world = World((TRADING,), WORKSTREAMS, check_rules, EVENTS)
    rules = parse_rules(SEED, "seed.toml", world)
    return [*analysed(rules, world.resources, world.events), *drafted(open_text(SEED, "").document["workflow"])]


@pytest.mark.parametrize(
    ("kind", "rules", "said"),
    [
        ("clash", ("market-data-sync", "risk-threshold-alert"), "tell ws4 to update_positions and to pause_trading"),
        ("clash", ("risk-threshold-alert", "learning-model-update"), "to pause_trading and to update_strategies"),
        ("clash", ("market-data-sync", "learning-model-update"), "to update_positions and to update_strategies"),
        ("bypass", ("risk-threshold-alert",), "pause_trading, which is how ws4/trading is directed"),
        ("undeclared effect", ("market-data-sync",), "update_positions of ws4"),
        ("undeclared effect", ("risk-threshold-alert",), "pause_trading of ws4"),
        ("undeclared effect", ("learning-model-update",), "update_strategies of ws4"),
        ("unknown event", ("learning-model-update",), "ws5.model_update, which flows nowhere"),
        ("no time zone", ("market-open",), "'0 0 9 * * 1-5', in no time zone"),
        ("schedule", ("market-open",), "of 6 fields"),
        ("no time zone", ("hourly-risk",), "in no time zone"),
        ("dangling", ("market-open",), "on_failure is 'step_error', no step"),
        ("dangling", ("market-open",), "on_failure is 'step_retry', no step"),
        ("dependency", ("hourly-risk",), "waits for market-open, and does not say for which run of it"),
        ("undeclared effect", ("market-open",), "step collect does not say what collect_market_data of ws3 touches"),
    ],
)
def test_every_fault_of_the_earlier_hubs_definitions_is_questioned(
    kind: str, rules: tuple[str, ...], said: str
) -> None:
    assert [
        finding
        for finding in seed()
        if (finding.severity, finding.kind, finding.rules) == ("question", kind, rules) and said in finding.wrong
    ]


def test_a_draft_without_those_faults_is_not_questioned() -> None:
    good = """
        [[workflow]]
        id = "open"
        schedule = { cron = "0 9 * * 1-5", zone = "America/New_York" }
        [[workflow.step]]
        id = "collect"
        workstream = "ws3"
        command = "collect_market_data"
        emits = ["market_data_update"]
        on_failure = "end"
        [[workflow]]
        id = "risk"
        after = [{ workflow = "open", policy = "same_trading_day" }]
    """
    assert drafted(open_text(good, "").document["workflow"]) == []


def test_nothing_of_the_shipped_rules_is_in_question_and_what_meets_is_noted() -> None:
    config = parse_config("", "", base=configuration.reference(), check_rules=check_rules)

    findings = analysed(config.rules, config.claimable, config.events)

    assert [finding for finding in findings if finding.severity == "question"] == []
    assert {finding.rules for finding in findings} == {
        ("market-data-sync", "risk-threshold-alert"),
        ("market-data-sync", "volatility-pause"),
    }


# --- one by one -------------------------------------------------------------------------------------------------------


def rule(id_: str, when: str = "true", **said: object) -> Rule:
    usual = {"id": id_, "name": id_, "workstream": "ws3", "event": "market_data_update", "when": when}
    return Rule.model_validate({**usual, **said})


def kinds(*rules: Rule) -> list[tuple[str, str]]:
    return [(finding.severity, finding.kind) for finding in analysed(rules, (TRADING,), EVENTS)]


HALT = Hold(resource="ws4/trading", rung="paused")
REDUCE = Hold(resource="ws4/trading", rung="reduce_only")
OPEN = Tell(workstream="ws4", command="rebalance", uses=("ws4/trading:open",))


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("risk.level > 0.8", 'risk.level < 0.9 && regime == "high"', 'as on regime = "high", risk.level = 0.85'),
        ("a * a * a > 5", "a * a < 1", "as far as can be told"),
    ],
)
def test_of_rules_that_clash_an_event_is_named_that_both_fire_on(one: str, other: str, how: str) -> None:
    first, second = rule("one", one, hold=(HALT,)), rule("two", other, hold=(REDUCE,))

    (found,) = analysed((first, second), (TRADING,), EVENTS)

    assert found.wrong.startswith(f"want ws4/trading paused and reduce_only, and can both fire, {how}")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((rule("a", "x > 1", hold=(HALT,)), rule("b", "x < 0", hold=(REDUCE,))), []),
        ((rule("a", "x > 1", hold=(HALT,)), rule("b", "x < 2", hold=(REDUCE,))), [("question", "clash")]),
        (
            (rule("a", hold=(HALT,)), rule("b", hold=(REDUCE,), priority=Priority.HIGH)),
            [("note", "clash")],
        ),
        ((rule("a", "x > 1 && x < 1", hold=(HALT,)),), [("question", "never")]),
        ((rule("a", hold=(HALT,), tell=(OPEN,)),), [("question", "refused")]),
        ((rule("a", hold=(HALT,)), rule("b", tell=(OPEN,))), [("note", "refused")]),
        ((rule("a", "x > 1", hold=(HALT,)), rule("b", "x < 0", tell=(OPEN,))), []),
        ((rule("a", tell=(OPEN,)), rule("b", tell=(OPEN,))), [("question", "twice")]),
        ((rule("a", event="market_data_updat", tell=(OPEN,)),), [("question", "unknown event")]),
        ((rule("a", hold=(HALT.model_copy(update={"until_cleared": True}),)),), [("question", "never released")]),
    ],
)
def test_what_is_asked_of_rules(rules: tuple[Rule, ...], expected: list[tuple[str, str]]) -> None:
    assert kinds(*rules) == expected


def test_a_hold_is_released_only_for_the_subject_it_was_placed_for() -> None:
    held = rule("a", hold=(HALT.model_copy(update={"until_cleared": True, "subject": "{scope}"}),))
    good = rule("b", release=(Release(resource="ws4/trading", of="a", subject="{scope}"),))
    other = rule("b", release=(Release(resource="ws4/trading", of="a", subject="{kind}"),))
    off = good.model_copy(update={"enabled": False})

    assert kinds(held, good) == []
    assert kinds(held, other) == kinds(held, off) == [("question", "never released")]


def test_rules_that_trigger_each_other_are_a_round_named_in_order() -> None:
    def leads(id_: str, to: str) -> Rule:
        tell = Tell(workstream="ws3", command=f"do-{id_}", emits=(to,))
        return rule(id_, event=f"{id_}_happened", tell=(tell,))

    rules = (leads("a", "b_happened"), leads("b", "c_happened"), leads("c", "a_happened"), leads("d", "a_happened"))
    (found,) = [finding for finding in analysed(rules, (), {}) if finding.kind == "cycle"]

    assert found.rules == ("a", "b", "c")
    assert found.wrong == "trigger each other: a -> b -> c -> a"


GRAPHS = st.integers(1, 7).flatmap(
    lambda n: st.fixed_dictionaries({str(i): st.lists(st.sampled_from([str(j) for j in range(n)])) for i in range(n)})
)


@given(GRAPHS)
def test_a_round_is_who_can_come_back_to_itself(edges: dict[str, list[str]]) -> None:
    def reaches(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(edges[start])
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += edges[node]
        return seen

    found = components(edges)

    assert sorted(node for members in found for node in members) == sorted(n for n in edges if n in reaches(n))
    for members in found:
        assert all(set(members) <= reaches(node) for node in members)


# --- whether two conditions can both hold -----------------------------------------------------------------------------

VALUES = st.sampled_from(["0", "1", "2.5", '"a"', '"b"', "true", "null"])
LEAVES = st.one_of(
    st.tuples(st.sampled_from("xy"), st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), VALUES).map(" ".join),
    st.sampled_from(["x in [0, 1]", 'y in ["a", true]', "x", "1 < y", '"a" == x']),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" && ", " || "]), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})"),
        inner.map(lambda text: f"!({text})"),
    ),
    max_leaves=4,
)
FIELDS = st.sampled_from([0, 1, 2, 2.5, 3, -1, "a", "b", True, False, None])


@given(CONDITIONS, CONDITIONS, st.fixed_dictionaries({"x": FIELDS, "y": FIELDS}))
def test_two_conditions_that_an_event_makes_true_are_never_said_to_exclude_each_other(
    one: str, other: str, payload: dict[str, object]
) -> None:
    try:
        first, second = parse(one), parse(other)
    except ConditionError:
        return  # of kinds that never compare
    if evaluate(first, payload).value and evaluate(second, payload).value:
        assert not never_both(first.tree, second.tree)
        assert not never_both(first.tree)


@pytest.mark.parametrize(
    ("one", "other", "can"),
    [
        ("a > 1", "a < 1", False),
        ("a >= 1", "a <= 1", True),
        ("a > 1 && b == 2", "a < 3 && b == 3", False),
        ('r == "x"', 'r in ["y", "z"]', False),
        ("a > 1 || b == 2", "a < 1 && b != 2", False),
        ("!(a > 1)", "a > 0.5", True),
        ("a", "!a", False),
        ("a > 1 && a < 2", "a == 3", False),
        ("volume > 2 * mean", "volume < 1", True),
        ("a != 1 && a >= 1", "a <= 1", False),
    ],
)
def test_whether_both_can_hold(one: str, other: str, can: bool) -> None:
    assert never_both(parse(one).tree, parse(other).tree) is not can
