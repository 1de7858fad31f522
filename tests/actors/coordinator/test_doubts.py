"""C9: a workstream that is not known to obey; who is silent, who is asked, and that it closes by itself."""

from typing import Any

import pytest

from alluse_hub.actors.coordinator.directives import HEARD_S, HEARD_TRIES, PATIENCE_S, TRIES_MAX
from alluse_hub.protocols.approvals import AskApprovals
from alluse_hub.protocols.arbitration import ClaimResource, DecideConflict, Escalated
from alluse_hub.protocols.claims import (
    ConflictClosed,
    ConflictOpened,
    ConflictsShown,
    Directive,
    DirectiveAck,
    DirectiveAnswered,
    DirectiveHeard,
    Policy,
    ResourceShown,
)
from alluse_hub.protocols.effects import CancelWake, Send, Wake
from alluse_hub.protocols.flow import Considered, Present
from alluse_hub.protocols.lifecycle import ChildState, PeerDown, PeerUp, Woken
from alluse_hub.protocols.liveness import LookAfter
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.rules import CoordinatorSpec, RuleActionRefused, RulesShown
from alluse_hub.protocols.ruleset import CoordinationDone, RunRule
from tests.actors.coordinator.worlds import MARKET_DATA_SYNC, TRADING, VOLATILITY_PAUSE, WORKSTREAMS, Desk, volatile

TIMER = "directive:ws4/trading"
PEOPLE = "people:doubt-1"
SPEC = CoordinatorSpec(rules=(VOLATILITY_PAUSE, MARKET_DATA_SYNC), modes=(TRADING,), workstreams=WORKSTREAMS)


class Watched(Desk):
    """A desk that has met the monitor of ws4 and has just told it to pause."""

    def __init__(self, spec: CoordinatorSpec = SPEC, facts: tuple[Fact, ...] = ()) -> None:
        super().__init__(spec, facts)
        self.tell(Present(workstream="ws4", presence="up"))
        if not facts:
            self.consider(1, volatile(1), session="s1")

    def wake(self, times: int = 1, timer: str = TIMER) -> None:
        for _ in range(times):
            self.tell(Woken(timer=timer))

    def ack(self, outcome: str = "applied", error: str = "", fence: int = 1) -> None:
        ack = DirectiveAck(resource="ws4/trading", fence=fence, outcome=outcome, error=error)
        self.tell(ack, "ws4")

    def hear(self, fence: int = 1) -> None:
        self.tell(DirectiveHeard(resource="ws4/trading", fence=fence), "ws4")

    def timers(self) -> list[float]:
        return [effect.after_s for effect in self.effects if isinstance(effect, Wake) and effect.timer == TIMER]

    def open(self) -> list[tuple[str, str]]:
        return [(one.id, one.klass.value) for one in self.ledger.conflicts.values()]

    def shown(self) -> ResourceShown:
        (picture,) = [message for message in self.sent("board") if isinstance(message, RulesShown)]
        return picture.resources[0]


@pytest.fixture
def desk() -> Watched:
    return Watched()


# --- the monitor ------------------------------------------------------------------------------------------------------


def test_a_directive_is_said_again_every_half_second_until_the_monitor_has_heard(desk: Watched) -> None:
    assert desk.timers() == [HEARD_S]
    desk.wake()
    assert desk.timers() == [HEARD_S]

    desk.hear()

    assert desk.timers() == [2.0]
    desk.wake()
    assert (desk.timers(), desk.open()) == ([4.0], [])


def test_a_monitor_that_is_silent_four_times_is_looked_after_and_a_conflict_opens(desk: Watched) -> None:
    desk.wake(HEARD_TRIES - 1)
    assert desk.open() == []

    desk.wake()

    (asked,) = [e.message for e in desk.effects if isinstance(e, Send) and e.to == "workstreams"]
    assert asked == LookAfter(
        name="ws4", why="a directive for ws4/trading was not heard: its monitor has given no sign for 2 s"
    )
    (opened,) = desk.said(ConflictOpened)
    assert (opened.id, opened.klass, opened.parties) == ("doubt-1", "C9", ("ws4", "coordinator"))
    assert opened.sentence == (
        "ws4 was told to bring ws4/trading to paused (fence 1) and is not known to have done so: its monitor has given "
        "no sign for 2 s. It is told again and again; until it obeys, ws4/trading counts as paused, which permits only "
        "cancel."
    )
    (escalated,) = desk.said(Escalated)
    assert (escalated.conflict, escalated.choices) == ("doubt-1", ())
    assert Wake(PEOPLE, 900.0) in desk.effects
    assert [directive.fence for directive in desk.said(Directive)] == [1]


def test_the_round_waits_for_it_all_the_same(desk: Watched) -> None:
    pauses = []
    while not desk.said(Considered):
        pauses += desk.timers()
        desk.wake()

    assert pauses == [0.5, 0.5, 0.5, 0.5, 2.0, 4.0, 8.0, 16.0]
    assert sum(pauses) == PATIENCE_S
    assert [fact.error for fact in desk.all_facts(DirectiveAnswered)] == [f"no answer after {TRIES_MAX} tries"]
    assert desk.open() == [("doubt-1", "C9")]


def test_the_supervisor_is_asked_once(desk: Watched) -> None:
    asked = 0
    for _ in range(20):
        desk.wake()
        asked += len(desk.said(LookAfter))

    assert (asked, len(desk.all_facts(ConflictOpened)), len(desk.all_facts(Escalated))) == (1, 1, 1)


def test_a_monitor_that_its_supervisor_is_restarting_is_not_blamed(desk: Watched) -> None:
    down = PeerDown(name="ws4", incarnation=1, standing=ChildState.RESTARTING, cause="killed", next_try=1.0)
    desk.tell(down, "workstreams")
    desk.wake(HEARD_TRIES)
    assert (desk.said(LookAfter), desk.open()) == ([], [])

    desk.tell(PeerUp(name="ws4", incarnation=2))
    desk.ack()
    assert desk.all_facts(ConflictOpened) == []


def test_a_monitor_that_was_not_met_in_this_life_has_the_whole_time() -> None:
    desk = Desk(SPEC)
    desk.consider(1, volatile(1), session="s1")
    for _ in range(TRIES_MAX - 1):
        desk.tell(Woken(timer=TIMER))
        assert desk.said(LookAfter, ConflictOpened) == []
    desk.tell(Woken(timer=TIMER))

    assert [opened.klass for opened in desk.said(ConflictOpened)] == ["C9"]


def test_that_an_earlier_directive_was_heard_says_nothing_of_this_one(desk: Watched) -> None:
    desk.ack()
    desk.hear()
    assert desk.effects == ()
    desk.tell(
        ClaimResource(
            about="a", resource="ws4/trading", want="paused", for_s=9e6, safety=True, by="ann", reason="it must be"
        ),
        "gateway",
    )
    desk.hear(1)
    desk.wake(HEARD_TRIES)

    assert desk.open() == [("doubt-1", "C9")]


def test_what_an_earlier_life_of_the_monitor_had_heard_the_next_one_may_not_have(desk: Watched) -> None:
    desk.wake()
    desk.hear()
    desk.tell(PeerUp(name="ws4", incarnation=2))
    desk.wake(HEARD_TRIES)

    assert desk.open() == [("doubt-1", "C9")]


# --- the program ------------------------------------------------------------------------------------------------------


def test_a_program_that_has_said_no_is_in_doubt_and_the_monitor_is_not_looked_after(desk: Watched) -> None:
    desk.ack("failed", "no answer within its deadline")

    assert desk.open() == [("doubt-1", "C9")]
    assert desk.said(LookAfter) == []
    assert "is not known to have done so: no answer within its deadline." in desk.said(ConflictOpened)[0].sentence
    assert desk.shown().doubt == desk.said(ConflictOpened)[0].sentence


def test_it_closes_itself_when_the_program_obeys(desk: Watched) -> None:
    desk.wake(HEARD_TRIES)
    desk.ack()

    (closed,) = desk.said(ConflictClosed)
    assert (closed.id, closed.outcome, closed.winner) == ("doubt-1", "obeyed", "")
    assert closed.sentence == "ws4 has obeyed: ws4/trading is paused."
    assert CancelWake(PEOPLE) in desk.effects
    assert (desk.open(), desk.ledger.docket.escalated, desk.shown().doubt) == ([], {}, "")
    assert desk.refolded() == desk.ledger


def test_it_stays_open_over_the_next_directive_until_one_is_obeyed(desk: Watched) -> None:
    desk.ack("failed", "no")
    for number in range(2, 9):
        desk.consider(number, session=f"s{number}")
    assert desk.rung == "normal"
    desk.ack(fence=1)
    assert desk.open() == [("doubt-1", "C9")]

    desk.ack(fence=2)

    assert desk.open() == []
    assert desk.all_facts(ConflictClosed)[-1].sentence == "ws4 has obeyed: ws4/trading is normal."


def test_a_workstream_that_somebody_has_put_out_is_in_doubt_but_nobody_is_asked() -> None:
    desk = Watched(SPEC)
    desk.ack()
    desk.tell(Present(workstream="ws4", presence="out"))
    desk.consider(2, volatile(2, "IBM"), session="s1")
    assert desk.open() == [("doubt-1", "C9")]
    assert desk.all_facts(Escalated) == []

    desk.tell(Present(workstream="ws4", presence="up"))
    desk.wake(HEARD_TRIES)
    assert [fact.conflict for fact in desk.all_facts(Escalated)] == ["doubt-1"]


# --- what comes of it -------------------------------------------------------------------------------------------------


def resumed_in_doubt() -> Watched:
    """Told to go on, and nothing is heard of it."""
    desk = Watched()
    desk.ack()
    for number in range(2, 9):
        desk.consider(number, session=f"s{number}")
        if desk.rung == "normal":
            break
    desk.wake(HEARD_TRIES)
    assert (desk.rung, desk.open()) == ("normal", [("doubt-1", "C9")])
    return desk


def by_hand(desk: Desk) -> list[Any]:
    payload = {"symbol": "AAPL", "volume": 3e6, "volume_mean_20": 1e6}
    order = RunRule(about="a", rule="market-data-sync", by="ann", reason="now", payload=payload)
    desk.tell(order, "gateway")
    return desk.said(RuleActionRefused)


def test_whoever_orders_something_meanwhile_finds_it_at_its_fail_safe_rung() -> None:
    desk = resumed_in_doubt()

    (refused, *_) = by_hand(desk)

    assert refused.why == (
        "ws4 did not confirm that ws4/trading is normal (no answer), so it counts as paused, which permits only cancel"
    )
    desk.ack(fence=2)
    assert by_hand(desk) == []


def test_a_doubt_changes_the_id_of_no_other_conflict() -> None:
    ids = []
    for silent in (0, HEARD_TRIES):
        desk = Watched()
        desk.wake(silent)
        desk.ack()
        desk.tell(
            ClaimResource(about="a", resource="ws4/trading", want="normal", by="ann", reason="it must be"), "gateway"
        )
        ids.append([fact.id for fact in desk.all_facts(ConflictOpened) if fact.klass != "C9"])

    assert ids[0] == ids[1] == ["conflict-1"]


def test_people_find_it_in_their_inbox_and_cannot_decide_it_away(desk: Watched) -> None:
    desk.wake(HEARD_TRIES)
    desk.tell(AskApprovals(about="a"), "gateway")
    (told,) = desk.said(CoordinationDone)
    (asked,) = told.result["questions"]
    assert (asked["conflict"], asked["resource"], asked["grade"]) == ("doubt-1", "ws4/trading", 1)

    desk.tell(DecideConflict(about="a", conflict="doubt-1", choice="x", by="ann", reason="r"), "gateway")
    (told,) = desk.said(CoordinationDone)
    assert not told.ok
    assert told.text.startswith("doubt-1 leaves nothing to decide: Does ws4 do what it was told?")


def test_people_are_asked_again_as_a_graver_matter(desk: Watched) -> None:
    desk.wake(HEARD_TRIES)
    desk.wake(1, PEOPLE)

    assert [fact.grade for fact in desk.said(Escalated)] == [2]
    (picture,) = [message for message in desk.sent("board") if isinstance(message, ConflictsShown)]
    assert [one.id for one in picture.open] == ["doubt-1"]


# --- deaths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_coordinator_that_dies_anywhere_takes_it_up_again(cut: int) -> None:
    """Cut off behind each fact of the turn in which the doubt opened, and of that in which it closed."""
    for turns in (lambda d: d.ack("failed", "no"), lambda d: (d.ack("failed", "no"), d.ack())):
        desk = Watched()
        before = len(desk.facts)
        turns(desk)
        facts = tuple(desk.facts[: before + cut])

        later = Desk(SPEC, facts)
        told = later.ledger.directives["ws4/trading"]
        is_open = [one.klass.value for one in later.ledger.conflicts.values()]
        assert is_open == ([] if told.is_obeyed or not told.outcome else ["C9"])
        assert later.refolded() == later.ledger


def test_the_next_life_goes_on_asking_people_until_it_is_obeyed(desk: Watched) -> None:
    desk.wake(HEARD_TRIES)
    later = Watched(SPEC, tuple(desk.facts))
    assert later.open() == [("doubt-1", "C9")]

    later.ack()
    assert later.open() == []


def test_what_the_configuration_does_not_have_any_more_is_in_no_doubt(desk: Watched) -> None:
    desk.ack("failed", "no")
    later = Desk(SPEC.model_copy(update={"modes": (), "rules": ()}), desk.facts)

    assert later.ledger.conflicts == {}
    assert later.all_facts(ConflictClosed)[-1].sentence == "ws4/trading is no longer declared."


def test_a_doubt_keeps_no_other_conflict_from_being_asked_about() -> None:
    """Both are put to people, each for itself."""
    human = TRADING.model_copy(update={"policy": Policy.HUMAN})
    desk = Watched(CoordinatorSpec(rules=(VOLATILITY_PAUSE,), modes=(human,), workstreams=WORKSTREAMS))
    desk.ack("failed", "no")
    for by, want in (("ann", "reduce_only"), ("bob", "normal")):
        order = ClaimResource(about="a", resource="ws4/trading", want=want, by=by, reason="it must be")
        desk.tell(order, "gateway")

    assert len(desk.ledger.docket.escalated.pop("doubt-1").choices) == 0
    assert [len(asked.choices) for asked in desk.ledger.docket.escalated.values()] == [2]
