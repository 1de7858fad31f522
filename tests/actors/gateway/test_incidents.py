"""Incidents: the facts of one chain, told as what a person asks first."""

from typing import Any

import pytest

from alluse_hub.actors.gateway.incidents import incident, is_an_incident
from alluse_hub.actors.gateway.reasons import why
from alluse_hub.cli.incident import incident as drawn
from alluse_hub.cli.incident import sentence
from alluse_hub.cli.render import Style
from alluse_hub.protocols.trail import Entry, EntryKind
from tests.actors.gateway.conftest import FakeTrail

FACT, HEARD = EntryKind.FACT, EntryKind.HEARD


class Chain:
    """Entries of one chain, a tenth of a second apart."""

    def __init__(self, actor: str, message: str, **body: Any) -> None:
        self.entries: list[Entry] = []
        self.add(actor, message, HEARD, **body)

    def add(self, actor: str, message: str, kind: EntryKind = FACT, **body: Any) -> "Chain":
        n = len(self.entries) + 1
        first = self.entries[0].id if self.entries else f"{actor}/1/{n}"
        at = round(10.0 + (n - 1) / 10, 3)
        entry = Entry(
            actor=actor, incarnation=1, n=n, kind=kind, message=message, body=body, at=at, wall=1e9 + n, leaf=n
        )
        self.entries.append(entry.model_copy(update={"correlation": first}))
        return self

    def told(self) -> dict[str, Any]:
        return dict(incident(self.entries[0], self.entries))


def crash() -> Chain:
    return (
        Chain("sup", "Exited", name="a", life=1, cause="killed")
        .add("sup", "ChildEnded", name="a", life=1, incarnation=1, cause="killed")
        .add("sup", "ChildRestarted", name="a", life=1, cause="killed", count=1, pause_s=0.5)
        .add("sup", "ChildEnded", name="b", life=1, incarnation=1, cause="shutdown")
        .add("sup", "ChildStarted", name="a", life=2)
    )


def test_it_says_what_crashed_who_went_with_it_how_often_it_was_tried_and_when_all_were_back() -> None:
    chain = (
        crash()
        .add("sup", "ChildEnded", name="a", life=2, incarnation=0, cause="start_timeout")
        .add("sup", "ChildStarted", name="a", life=3)
        .add("sup", "ChildUp", HEARD, name="a", life=3, incarnation=3, pid=7)
        .add("sup", "ChildStarted", name="b", life=2)
        .add("sup", "ChildUp", HEARD, name="b", life=2, incarnation=2, pid=8)
    )
    told = chain.told()

    assert told["trigger"] == {"kind": "crash", "name": "a", "cause": "killed", "entry": "sup/1/1", "letter": ""}
    assert (told["with_it"], told["tries"], told["pauses_s"], told["missing"]) == (["b"], 2, [0.5], [])
    assert (told["is_over"], told["took_s"]) == (True, 0.9)
    assert sentence(told) == (
        "a crashed (killed); b went down with it; 2 tries; pauses of 0.5 s; all ready again after 0.900 s"
    )


def test_while_somebody_is_down_it_is_not_over() -> None:
    told = crash().told()

    assert (told["is_over"], told["took_s"], told["missing"]) == (False, None, ["a", "b"])
    assert sentence(told).endswith("a, b not back")


def test_who_gave_up_and_who_was_parked_is_told() -> None:
    told = (
        crash().add("sup", "GaveUp", child="a", cause="killed").add("hub", "ChildParked", name="sup", cause="x").told()
    )

    assert (told["gave_up"], told["parked"]) == (["sup"], ["sup"])


def test_those_below_a_supervisor_that_was_killed_went_with_it_though_nobody_was_left_to_say_so() -> None:
    told = (
        Chain("hub", "Exited", name="sup", life=1, cause="killed")
        .add("hub", "ChildEnded", name="sup", life=1, incarnation=1, cause="killed")
        .add("hub", "ChildStarted", name="sup", life=2)
        .add("sup", "ChildStarted", name="a", life=1)
        .told()
    )

    assert told["with_it"] == ["a"]


@pytest.mark.parametrize(
    ("message", "body", "kind", "name", "cause"),
    [
        ("Failed", {"letter": "b/1/2", "error": "Traceback\nValueError: boom\n"}, "crash", "ws3", "ValueError: boom"),
        ("Hung", {"name": "a", "why": "no answer to a ping"}, "hang", "a", "no answer to a ping"),
        ("ProgramGone", {"cause": "exit 1"}, "crash", "ws3's program", "exit 1"),
        ("WentSilent", {"age_s": 6.0, "why": ""}, "hang", "ws3's program", "silent for 6.0 s"),
        (
            "Asked",
            {"ask": "restart", "args": {"name": "ws4", "reason": "new model"}, "user": "ann"},
            "order",
            "ws4",
            "restart by ann: new model",
        ),
        ("Present", {}, "event", "ws3", "Present"),
    ],
)
def test_what_it_began_with_is_named(message: str, body: dict[str, Any], kind: str, name: str, cause: str) -> None:
    trigger = Chain("ws3", message, **body).told()["trigger"]

    assert (trigger["kind"], trigger["name"], trigger["cause"]) == (kind, name, cause)


def test_an_order_for_a_program_names_the_program() -> None:
    args = {"name": "ws4"}
    chain = Chain("gateway", "Asked", ask="stop", args=args, user="ann").add("ws4", "ProgramEnded", workstream="ws4")

    assert chain.told()["trigger"]["name"] == "ws4's program"


def test_a_program_that_was_found_running_needs_no_greeting_to_be_back() -> None:
    told = (
        Chain("ws3", "ProgramGone", cause="exit 1")
        .add("ws3", "ProgramEnded", workstream="ws3", cause="exit 1")
        .add("ws3", "ProgramStarted", workstream="ws3", pid=5, adopted=True)
        .told()
    )

    assert told["is_over"]
    assert told["steps"][-1]["what"] == "found again"


def test_the_first_start_is_no_incident_unless_something_failed_in_it() -> None:
    start = Chain("hub", "Started", incarnation=1).add("hub", "ChildStarted", name="a", life=1)
    assert not is_an_incident(start.entries[0], start.entries)

    start.add("hub", "ChildEnded", name="a", life=1, cause="error")
    assert is_an_incident(start.entries[0], start.entries)


def test_why_of_an_actor_has_its_last_incident(tmp_path: Any) -> None:
    trail: Any = FakeTrail(crash().entries)

    found: Any = why(trail, tmp_path, {"name": "a"}, {"now": 1.0, "kind": "actor", "actor": {"name": "a"}})

    assert found["incident"]["trigger"]["name"] == "a"
    assert "incident" not in why(trail, tmp_path, {"name": "a"}, {"now": 1.0, "kind": "rule", "rule": {}})


def test_effects_of_an_entry_say_how_far_they_are_from_it(tmp_path: Any) -> None:
    trail: Any = FakeTrail(crash().entries)

    found: Any = why(trail, tmp_path, {"name": "sup/1/1"}, {})

    assert [one["depth"] for one in found["effects"]] == [1]


def test_it_is_drawn_in_the_width_there_is() -> None:
    lines = drawn(Style(width=60, utc=True), crash().told())

    assert all(len(line) <= 80 for line in lines)
    assert "    +0.100 s  a ended: killed" in lines
    assert "    +0.200 s  a is to be restarted, for the 1st time, after…" in lines
    assert lines[-1] == "  all of it: `trail tail --correlation sup/1/1`"
