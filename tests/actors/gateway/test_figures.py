"""The formulas of coordination, at their edges; that they count what they say is shown by a recount elsewhere."""

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.gateway.deeds import Conflict, Deeds, Directed, gathered
from alluse_hub.actors.gateway.figures import (
    CONFLICT_S,
    Kind,
    Piece,
    Span,
    fate_of,
    figures,
    pieces,
    readings,
    score,
    settled,
    share,
)
from alluse_hub.protocols.trail import Entry, EntryKind
from tests.actors.gateway.conftest import entry

if TYPE_CHECKING:
    from tests.actors.gateway.conftest import Hub

ALL = Span(-1.0, 1_000.0)
COORDINATOR = "coordinator"


def worked(kind: Kind, *, is_well: bool, times: int = 1) -> list[Piece]:
    return [Piece(kind, "ws1", 1.0, is_well)] * times


def fact(n: int, message: str, at: float, cause: str = "router/1/9", actor: str = COORDINATOR, **body: Any) -> Entry:
    return entry(n, message, body, actor, at=at, cause=cause)


def sent(n: int, message: str, at: float, **body: Any) -> Entry:
    return entry(n, message, body, COORDINATOR, at=at, kind=EntryKind.SENT)


# --- shares ----------------------------------------------------------------------------------------------------------


def test_of_nothing_due_there_is_no_figure() -> None:
    nothing: Any = figures(Deeds(), {}, ALL)

    assert share(0, 0) is None
    assert score(()) is None
    assert (nothing["score"], nothing["success"]["rate"], nothing["workstreams"], nothing["syncs"]) == (
        None,
        None,
        {},
        {},
    )
    for key in ("event_to_last_act", "event_to_acknowledged", "commands"):
        assert (nothing["latency_ms"][key]["count"], nothing["latency_ms"][key]["p50"]) == (0, None)
    assert nothing["conflicts"]["resolve_ms"]["mean"] is None


@pytest.mark.parametrize(("is_well", "told"), [(True, 100.0), (False, 0.0)])
@pytest.mark.parametrize("kinds", [(Kind.COMMANDS,), tuple(Kind)])
def test_all_done_is_a_hundred_and_all_failed_is_nought(kinds: tuple[Kind, ...], told: float, *, is_well: bool) -> None:
    assert score([piece for kind in kinds for piece in worked(kind, is_well=is_well)]) == told


def test_each_kind_of_work_weighs_the_same_however_much_there_is_of_another() -> None:
    many = worked(Kind.DELIVERIES, is_well=True, times=10_000)

    assert score([*many, *worked(Kind.DIRECTIVES, is_well=False)]) == 50.0


WORK = st.lists(st.builds(Piece, st.sampled_from(Kind), st.just("ws1"), st.just(1.0), st.booleans()), max_size=60)


@given(WORK)
def test_a_score_is_between_nought_and_a_hundred_and_falls_only_by_failing(work: list[Piece]) -> None:
    value = score(work)

    if value is None:
        assert work == []
        return
    assert 0 <= value <= 100
    assert (value == 100) == all(piece.is_well for piece in work)
    worse, better = [*work, *worked(work[0].kind, is_well=False)], [*work, *worked(work[0].kind, is_well=True)]
    assert (score(worse) or 0) <= value <= (score(better) or 0)


# --- percentiles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "p95", "p99"), [(1, None, None), (19, None, None), (20, 19.0, None), (99, 95.0, None), (100, 95.0, 99.0)]
)
def test_a_percentile_needs_enough_readings_not_to_be_the_largest(
    count: int, p95: float | None, p99: float | None
) -> None:
    told: Any = readings([n / 1_000 for n in range(1, count + 1)])

    assert (told["count"], told["p95"], told["p99"], told["max"]) == (count, p95, p99, float(count))


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=300))
def test_percentiles_are_readings_and_in_order(values: list[float]) -> None:
    told: Any = readings(values)
    known = {round(1_000 * value, 3) for value in values}
    given_ = [told[key] for key in ("p50", "p95", "p99") if told[key] is not None]

    assert set(given_) <= known
    assert given_ == sorted(given_)
    assert told["max"] == max(known)
    assert sum(1 for value in values if round(1_000 * value, 3) <= given_[0]) >= len(values) / 2


# --- directives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directed", "word", "at"),
    [
        (Directed("ws4", 1.0, loosens=False), "", 0.0),
        (Directed("ws4", 1.0, False, 10.0, sent=2.0, applied=12.0, answers=1), "applied", 12.0),
        (Directed("ws4", 1.0, False, 10.0, sent=2.0, applied=12.001, answers=1), "late", 12.0),
        (Directed("ws4", 1.0, False, 10.0, sent=2.0), "late", 12.0),
        (Directed("ws4", 1.0, False, 10.0, sent=2.0, overtaken=5.0), "overtaken", 5.0),
        (Directed("ws4", 1.0, False, 10.0, sent=2.0, overtaken=12.0), "late", 12.0),
        (Directed("ws4", 1.0, False, 10.0, sent=2.0, answers=1, overtaken=5.0), "late", 5.0),
        (Directed("ws4", 1.0, False, 10.0, sent=2.0, applied=3.0, answers=1, overtaken=5.0), "applied", 3.0),
        (Directed("ws4", 1.0, False, 10.0, sent=2.0, applied=4.0, answers=2), "applied", 4.0),
    ],
    ids=[
        "unsent",
        "at the deadline",
        "behind it",
        "never",
        "overtaken",
        "too late for that",
        "failed",
        "then",
        "again",
    ],
)
def test_what_becomes_of_a_directive(directed: Directed, word: str, at: float) -> None:
    fate = fate_of(directed)

    assert fate == (None if not word else (word, at))


def test_what_is_overtaken_or_not_due_yet_stands_beside_and_is_no_piece_of_work() -> None:
    deeds = Deeds()
    deeds.directives["ws4/trading", 1] = Directed("ws4", 1.0, False, 10.0, sent=1.0, overtaken=2.0)
    deeds.directives["ws4/trading", 2] = Directed("ws4", 2.0, False, 10.0, sent=2.0)

    assert pieces(deeds, Span(0.0, 11.9)) == []
    assert pieces(deeds, Span(0.0, 12.0)) == [Piece(Kind.DIRECTIVES, "ws4", 12.0, is_well=False)]
    told: Any = figures(deeds, {}, Span(0.0, 12.0))
    assert told["success"] == {"rate": 0.0, "applied": 0, "due": 1, "overtaken": 1}


# --- conflicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conflict", "at", "is_well"),
    [
        (Conflict("ws4", 1.0, closed=1.0), 1.0, True),
        (Conflict("ws4", 1.0, closed=1.0 + CONFLICT_S), 1.0 + CONFLICT_S, True),
        (Conflict("ws4", 1.0, closed=9.0), 1.0 + CONFLICT_S, False),
        (Conflict("ws4", 1.0, closed=9.0, escalated=2.0), 2.0, True),
        (Conflict("ws4", 1.0), 1.0 + CONFLICT_S, False),
    ],
)
def test_a_conflict_is_due_in_a_second_and_a_half_closed_or_put_to_people(
    conflict: Conflict, at: float, *, is_well: bool
) -> None:
    assert settled(conflict) == Piece(Kind.CONFLICTS, "ws4", at, is_well)


# --- gathering -------------------------------------------------------------------------------------------------------


def round_of(first: int, at: float, cause: str = "router/1/9") -> list[Entry]:
    """A round in which a rule fires, pauses ws4 and tells ws1; not yet decided."""
    rule = {"rule": "r", "event": "ws3#1"}
    return [
        fact(first, "RoundOpened", at, cause, round=2),
        fact(first + 1, "RuleFired", at, cause, **rule, manual_by=""),
        fact(first + 2, "ConflictOpened", at, cause, id="c1", resource="ws4/trading"),
        fact(first + 3, "DirectiveIssued", at, cause, resource="ws4/trading", fence=1, loosens=False, chain=["r"]),
        fact(first + 4, "CommandIssued", at, cause, key="k", **rule),
    ]


def told_of(first: int, at: float) -> list[Entry]:
    return [
        sent(first, "Directive", at, resource="ws4/trading", fence=1, deadline_s=10.0),
        sent(first + 1, "Command", at, key="k"),
        fact(first + 2, "DirectiveAnswered", at + 1, resource="ws4/trading", fence=1, outcome="applied"),
        fact(first + 3, "RuleActionDone", at + 2, key="k", workstream="ws1", ok=True),
    ]


def test_an_event_is_measured_to_its_last_act_and_its_last_answer() -> None:
    deeds = gathered([*round_of(1, 5.0), *told_of(6, 5.5)])

    told: Any = figures(deeds, {"ws3#1": 4.0}, ALL)["latency_ms"]

    assert {
        key: told[key]["max"] for key in ("event_to_last_act", "event_to_acknowledged", "restricting", "commands")
    } == {
        "event_to_last_act": 1_500.0,
        "event_to_acknowledged": 3_500.0,
        "restricting": 2_500.0,
        "commands": 3_500.0,
    }


def test_a_round_that_was_abandoned_is_void_and_what_comes_of_it_afresh_counts_once() -> None:
    void = round_of(1, 5.0)
    again = [fact(6, "RoundAbandoned", 7.0, "coordinator/2/1", round=2), *round_of(7, 8.0), *told_of(12, 8.5)]
    deeds = gathered([*again, *void])

    assert [firing.at for firing in deeds.firings] == [8.0]
    assert [one.opened for one in deeds.conflicts.values()] == [8.0]
    assert figures(deeds, {"ws3#1": 4.0}, ALL)["executions"] == 1


@pytest.mark.parametrize("cause", ["coordinator/1/1", "gateway/1/4"])
def test_what_fires_by_the_clock_or_by_hand_is_not_measured_from_its_event(cause: str) -> None:
    deeds = gathered([*round_of(1, 5.0, cause), *told_of(6, 5.5)])

    told: Any = figures(deeds, {"ws3#1": 4.0}, ALL)

    assert told["executions"] == 1
    assert told["latency_ms"]["event_to_last_act"]["count"] == 0


def test_an_event_whose_time_is_not_known_is_counted_as_unmeasured() -> None:
    deeds = gathered([*round_of(1, 5.0), *told_of(6, 5.5)])

    told: Any = figures(deeds, {}, ALL)["latency_ms"]

    assert (told["event_to_last_act"]["count"], told["unmeasured"], told["unanswered"]) == (0, 1, 0)


def test_what_is_known_later_changes_nothing_of_a_span_that_was_over() -> None:
    entries = [*round_of(1, 5.0), *told_of(6, 5.5)]
    span = Span(0.0, 6.6)

    early = figures(gathered([one for one in entries if one.at <= 6.6], 6.6), {"ws3#1": 4.0}, span)
    late = figures(gathered(entries, 6.6), {"ws3#1": 4.0}, span)

    assert early == late
    latency: Any = late["latency_ms"]
    assert (latency["event_to_last_act"]["count"], latency["unanswered"]) == (1, 1)


def test_what_is_known_now_and_the_figures_of_the_last_hour_are_one_answer(hub: "Hub") -> None:
    hub.view = {"now": 9.0, "workstreams": [], "headline": {"coordinated": 5, "executions": 7}}
    hub.trail.entries = [
        *(one.model_copy(update={"leaf": n}) for n, one in enumerate([*round_of(1, 5.0), *told_of(6, 5.5)], start=2)),
        entry(1, "EventHeard", {"event": {"ws": "ws3", "n": 1}}, "ws3", at=4.0),
        entry(20, "RuleFired", {"rule": "r", "event": "ws3#2"}, COORDINATOR, at=4_000.0, leaf=20),
    ]

    told = hub.ask("coordination")["result"]

    assert told["headline"] == {
        "coordinated": 5, "executions": 7, "score": None, "success": None, "average_latency_ms": None,
    }, "all of that was more than an hour ago"  # fmt: skip
    assert told["figures"]["executions"] == 1
    whole = hub.ask("figures", last_s=0)["result"]
    assert (whole["score"], whole["latency_ms"]["event_to_last_act"]["mean"]) == (75.0, 1_500.0)
    assert (whole["since"], whole["until"]) == (None, 4_000.0)


@pytest.mark.parametrize(
    ("args", "place"), [({"last_s": -1}, "last_s"), ({"limits": 1}, "limits"), ({"severity": "bad"}, "severity")]
)
def test_wrong_questions_are_refused_with_their_place(hub: "Hub", args: dict[str, Any], place: str) -> None:
    answer = hub.ask("happenings", **args)

    assert (answer["code"], answer["message"].partition(":")[0]) == (2, place)


def test_what_was_verified_by_a_sample_stands_beside_what_was_verified() -> None:
    told: Any = figures(
        gathered([
            fact(1, "DeliveriesMoved", 2.0, actor="replicator", moves=[
                {"sync": "s", "target": "ws4", "serial": 1, "to": "verified", "at": 2.0, "sampled": 5},
                {"sync": "s", "target": "ws5", "serial": 1, "to": "verified", "at": 2.0},
                {"sync": "s", "target": "ws5", "serial": 2, "to": "expired", "at": 2.0},
            ]),
        ]),
        {},
        ALL,
    )  # fmt: skip

    shown = told["syncs"]["s"]
    assert (shown["verified"], shown["sampled"], shown["success"]) == (1, 1, pytest.approx(2 / 3, abs=1e-6))


def test_facts_of_an_older_hub_without_the_newer_fields_are_read() -> None:
    old = [
        fact(1, "RuleFired", 1.0, rule="r", event="ws3#1"),
        fact(2, "DirectiveIssued", 1.0, resource="ws4/trading", fence=1),
        fact(3, "DeliveriesMoved", 2.0, actor="replicator", moves=[
            {"sync": "s", "target": "ws4", "serial": 1, "to": "verified", "at": 2.0}
        ]),
    ]  # fmt: skip

    told: Any = figures(gathered(old), {}, ALL)

    assert (told["executions"], told["syncs"]["s"]["verified"], told["syncs"]["s"]["latency_ms"]["count"]) == (1, 1, 0)
