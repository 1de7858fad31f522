"""Rules in time: for how long, how often, for whom; deadlines that neither a death nor a replay moves."""

from typing import Any

import pytest

from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.rules import CommandIssued, RuleFired, RuleUndecided
from alluse_hub.protocols.ruleset import ChangeRules, SwitchAuto
from alluse_hub.protocols.windows import RulesTimed, WindowClosed, WindowOpened
from tests.actors.coordinator.timed import HOLD, Timed, rule
from tests.actors.coordinator.worlds import TRADING, WORKSTREAMS, event

# --- how often --------------------------------------------------------------------------------------------------------


def test_without_times_a_rule_fires_at_every_event_for_which_it_is_true() -> None:
    desk = Timed(rule(once_per=""))

    assert [desk.risk(at, 0.9) for at in range(3)] == [1, 1, 1]


def test_once_per_value_it_fires_and_not_again_before_it_was_over() -> None:
    desk = Timed(rule())

    assert [desk.risk(1, 0.9), desk.risk(2, 0.9), desk.risk(3, 0.9, "rev")] == [1, 0, 1]
    assert [desk.risk(4, 0.1), desk.risk(5, 0.9), desk.risk(6, 0.9, "rev")] == [0, 1, 0]


def low_and_high_again(n: int) -> tuple[Event, Event]:
    return event("ws2", n, "risk", scope="gen", level=0.1), event("ws2", n + 1, "risk", scope="gen", level=0.9)


def test_what_was_over_within_a_round_fires_again_in_it() -> None:
    desk = Timed(rule())

    assert [desk.risk(1, 0.9), desk.hear(2, *low_and_high_again(2))] == [1, 1]


def test_a_break_within_a_round_begins_the_time_anew() -> None:
    desk = Timed(rule(true_for="5s"))
    desk.risk(0, 0.9)
    desk.hear(3, *low_and_high_again(2))

    assert [desk.wake(5), desk.wake(8)] == [0, 1]


def test_unknown_does_not_count_as_over() -> None:
    desk = Timed(rule())

    assert [desk.risk(1, 0.9), desk.risk(2, None), desk.risk(3, 0.9)] == [1, 0, 0]
    assert len(desk.all_facts(RuleUndecided)) == 1


def test_after_a_firing_it_rests_for_its_cooldown_and_fires_again_only_then() -> None:
    desk = Timed(rule(cooldown="60s", once_per=""))

    assert [desk.risk(at, 0.9) for at in (0, 30, 59.9, 60, 119, 121)] == [1, 0, 0, 1, 0, 1]


def test_a_cooldown_is_counted_for_each_value_apart() -> None:
    desk = Timed(rule(cooldown="60s"))

    assert [desk.risk(0, 0.9), desk.risk(1, 0.9, "rev"), desk.risk(2, 0.1), desk.risk(3, 0.9)] == [1, 1, 0, 0]


def test_a_cooldown_in_sessions_counts_market_time() -> None:
    desk = Timed(rule(cooldown="2 sessions"))

    assert [desk.risk(n, 0.9, session=f"s{n}") for n in range(1, 7)] == [1, 0, 1, 0, 1, 0]


def test_an_event_without_the_value_is_a_value_of_its_own() -> None:
    desk = Timed(rule(hold=(HOLD,)))

    assert desk.hear(1, event("ws2", 1, "risk", level=0.9)) == 1
    assert list(desk.ledger.claims) == ["rule:high@ws4/trading:?"]


# --- for how long -----------------------------------------------------------------------------------------------------


def test_it_fires_when_its_condition_has_been_true_for_so_long_without_a_break() -> None:
    desk = Timed(rule(true_for="10s"))

    assert [desk.risk(0, 0.9), desk.risk(4, 0.95), desk.wake(9.9)] == [0, 0, 0]
    assert desk.due == 10.0
    assert desk.wake(10) == 1
    fired = desk.all_facts(RuleFired)[0]
    assert fired.why == "level > 0.8 (level = 0.95), without a break for 10s"


@pytest.mark.parametrize("level", [0.1, None, "high"])
def test_what_is_not_true_breaks_it(level: Any) -> None:
    desk = Timed(rule(true_for="10s"))
    desk.risk(0, 0.9)
    desk.risk(5, level)
    desk.risk(6, 0.9)

    assert [desk.wake(15.9), desk.wake(16)] == [0, 1]


def test_others_do_not_break_it() -> None:
    desk = Timed(rule(true_for="10s"))
    desk.risk(0, 0.9)
    desk.risk(5, 0.1, "rev")

    assert desk.wake(10) == 1


def test_sessions_pass_for_it_as_they_open() -> None:
    desk = Timed(rule(true_for="2 sessions"))

    assert desk.risk(1, 0.9, session="s1") == 0
    assert [desk.hear(2, session="s2"), desk.hear(3, session="s3"), desk.hear(4, session="s4")] == [0, 1, 0]


def test_what_a_deadline_leads_to_is_held_and_told_between_rounds() -> None:
    desk = Timed(rule(true_for="10s", hold=(HOLD,)))
    desk.risk(0, 0.9)
    desk.wake(10)

    assert desk.rung == "paused"
    assert [fact.key for fact in desk.all_facts(CommandIssued)] == ["c/1/high/timer1-1"]


# --- keep -------------------------------------------------------------------------------------------------------------


def test_its_hold_ends_so_long_after_the_condition_is_over() -> None:
    desk = Timed(rule(keep="60s", hold=(HOLD,)))
    desk.risk(0, 0.9)
    desk.risk(10, 0.1)
    assert desk.rung == "paused"

    desk.wake(69.9)
    assert desk.rung == "paused"
    desk.wake(70)
    assert desk.rung == "normal"


@pytest.mark.parametrize("level", [0.9, None])
def test_what_is_true_or_unknown_meanwhile_keeps_it(level: Any) -> None:
    desk = Timed(rule(keep="60s", hold=(HOLD,)))
    desk.risk(0, 0.9)
    desk.risk(10, 0.1)
    desk.risk(50, level)
    desk.wake(1_000)
    assert desk.rung == "paused"

    desk.risk(1_000, 0.1)
    desk.wake(1_060)
    assert desk.rung == "normal"


def test_of_two_scopes_each_is_kept_for_itself() -> None:
    desk = Timed(rule(keep="60s", hold=(HOLD,)))
    desk.risk(0, 0.9)
    desk.risk(1, 0.9, "rev")
    desk.risk(10, 0.1)
    desk.wake(500)

    assert [claim.subject for claim in desk.ledger.claims.values()] == ["rev"]


# --- every ------------------------------------------------------------------------------------------------------------

SILENCE = rule(when="age(ws3.tick) > 30", every="10s", hold=(HOLD,), keep="5s")


def test_absence_is_noticed_though_nothing_comes() -> None:
    desk = Timed(SILENCE)
    desk.hear(0, event("ws3", 1, "tick"))
    desk.risk(1, 0.5)

    assert [desk.wake(30), desk.rung] == [0, "normal"]
    assert [desk.wake(40), desk.rung] == [1, "paused"]
    assert desk.wake(90) == 0


def test_and_its_hold_ends_when_something_came_again() -> None:
    desk = Timed(SILENCE)
    desk.hear(0, event("ws3", 1, "tick"))
    desk.risk(1, 0.5)
    desk.wake(45)
    desk.hear(46, event("ws3", 2, "tick"))
    desk.wake(70)

    assert desk.rung == "normal"


def test_an_event_of_a_session_that_is_over_changes_nothing_in_windows_of_sessions() -> None:
    desk = Timed(rule(when='count(ws2.risk, "1 session") >= 2', once_per=""))
    late = Event(ws="ws2", n=9, event="risk", session="s1", payload={"scope": "gen"})
    desk.hear(1, session="s1")

    assert desk.risk(2, 0.9, session="s2") == 0
    assert desk.hear(3, late, session="s2") == 0
    assert desk.ledger.timing.late == 1
    assert desk.risk(4, 0.9, session="s2") == 1


# --- what lasts -------------------------------------------------------------------------------------------------------


def reborn(desk: Timed, at: float) -> Timed:
    after = Timed(*desk.spec.rules, facts=desk.facts, at=at)
    after.round = desk.round
    return after


def test_a_deadline_outlives_the_coordinator() -> None:
    desk = Timed(rule(true_for="10s"))
    desk.risk(0, 0.9)

    after = reborn(desk, 3.0)
    assert after.due == 10.0
    assert after.wake(10) == 1


def test_one_that_passed_while_it_was_dead_is_met_at_once() -> None:
    desk = Timed(rule(true_for="10s", hold=(HOLD,)))
    desk.risk(0, 0.9)

    after = reborn(desk, 500.0)
    assert after.due == 500.0
    assert after.wake(500) == 1
    assert after.rung == "paused"


def test_a_window_goes_on_where_it_was() -> None:
    counting = rule(when='count(ws2.risk, "60s", where(level > 0.8)) >= 3', once_per="")
    desk = Timed(counting)
    desk.risk(100, 0.9)
    desk.risk(101, 0.9)

    after = reborn(desk, 102.0)
    assert after.risk(103, 0.9) == 1
    assert [fact for fact in after.facts if isinstance(fact, WindowOpened)] == desk.all_facts(WindowOpened)


# --- changes and switches ---------------------------------------------------------------------------------------------


def test_a_changed_set_opens_and_closes_windows_and_drops_what_nobody_awaits() -> None:
    desk = Timed(rule(true_for="10s"), rule(id="many", when='count(ws2.risk, "20s") > 2', once_per=""))
    desk.risk(0, 0.9)
    plain = rule(once_per="")
    desk.tell(ChangeRules(about="o1", how="change", by="alice", put=(plain,), remove=("many",)))

    assert len(desk.said(WindowClosed)) == 1
    assert desk.said(RulesTimed)[0].dropped[0].rule == "high"
    assert desk.ledger.timing.tables == {} == desk.ledger.timing.standings


def test_windows_are_closed_in_the_order_in_which_they_were_opened() -> None:
    """The same facts in every life: the order of a set is another in each process."""
    desk = Timed(*(rule(id=f"many{n}", when=f'count(ws2.risk, "{n}s") > 2', once_per="") for n in range(9, 1, -1)))
    opened = [fact.window for fact in desk.all_facts(WindowOpened)]
    desk.tell(ChangeRules(about="o1", how="reload", by="alice", put=(rule(),), is_whole=True))

    assert [fact.window for fact in desk.said(WindowClosed)] == opened
    assert len(opened) == 8


def test_while_automatic_coordination_is_off_no_deadline_is_met_and_windows_go_on() -> None:
    desk = Timed(rule(true_for="10s"), rule(id="many", when='count(ws2.risk, "20s", partial()) > 2', once_per=""))
    desk.risk(0, 0.9)
    desk.tell(SwitchAuto(about="o1", on=False, by="alice"))
    assert desk.wake(50) == 0
    assert [desk.risk(51, 0.1, "x"), desk.risk(52, 0.1, "x")] == [0, 0]

    desk.at = 53.0
    desk.tell(SwitchAuto(about="o2", on=True, by="alice"))
    assert desk.wake(53) == 1
    assert desk.risk(54, 0.1, "x") == 1


def test_the_values_that_one_rule_tells_apart_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alluse_hub.actors.coordinator.timing.KEYS_MAX", 5)
    desk = Timed(rule())
    for n in range(12):
        desk.risk(n, 0.9, f"scope{n}")

    assert len(desk.ledger.timing.standings["high"]) == 5
    assert sum(gone.count for fact in desk.all_facts(RulesTimed) for gone in fact.dropped) == 7


def test_a_rule_that_only_rests_leaves_one_fact_a_firing() -> None:
    desk = Timed(rule(cooldown="60s", once_per=""))
    for at in range(30):
        desk.risk(at, 0.9)
        desk.risk(at, 0.1)

    assert len(desk.all_facts(RulesTimed)) == 1


def test_a_rule_that_waits_for_a_window_says_so_once_a_round() -> None:
    desk = Timed(rule(when='count(ws2.risk, "60s") > 3', once_per=""))
    events = [event("ws2", n, "risk", scope="gen") for n in range(1, 9)]
    desk.hear(1, *events)
    desk.hear(2, *events)

    assert len(desk.all_facts(RuleUndecided)) == 2
    assert "is warming: watched for 1 of 1m" in desk.all_facts(RuleUndecided)[0].why


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        (
            {"every": "2 sessions"},
            "high: every counts sessions; give seconds, or listen to ws3.session_opened",
        ),
        ({"cooldown": "40d"}, "high: cooldown = '40d' is not between 1 s and 30 days"),
        ({"once_per": "{scope"}, "high: once_per: '{scope' has a lone '{'; write '{name}' for a field, or '{{' for"),
        ({"keep": "5s"}, "high: keeps holds, but has none; take 'keep' away"),
        (
            {"keep": "5s", "hold": (HOLD.model_copy(update={"until_cleared": False, "for_s": 5}),)},
            "high: keeps its hold of ws4/trading, which ends by itself; set until_cleared = true",
        ),
        (
            {"keep": "5s", "hold": (HOLD,), "once_per": ""},
            "high: keeps its hold of ws4/trading for each '{scope}', but has its times for each 'rule'; make subject",
        ),
        (
            {"when": 'count(ws9.tick, "5s") > 1'},
            (
                "high: condition 'count(ws9.tick, \"5s\") > 1', column 1: 'ws9' is no workstream; there are "
                "ws1, ws2, ws3, ws4, ws5"
            ),
        ),
    ],
)
def test_times_that_cannot_be_meant_are_refused(how: dict[str, Any], wrong: str) -> None:
    (found,) = check_rules((rule(**how),), (TRADING,), WORKSTREAMS)

    assert found.startswith(wrong)
