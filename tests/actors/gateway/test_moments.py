from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alluse_hub.actors.gateway.moments import FALLS_SHOWN, decisions_digest, moments
from alluse_hub.protocols.message import Json
from alluse_hub.protocols.trail import Entry, EntryKind

HOME = Path("nowhere")


@dataclass(frozen=True, slots=True)
class Page:
    entries: list[Entry]
    leaf: int


@dataclass(slots=True)
class Told:
    """A trail in a list, read two entries a page so that going on is tried as well."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, message: str, body: Json, actor: str = "ws3", at: float = 0.0) -> None:
        n = len(self.entries) + 1
        self.entries.append(
            Entry(
                leaf=n, actor=actor, incarnation=1, n=n, kind=EntryKind.FACT, message=message, body=body, at=at, wall=at
            )
        )

    def event(self, name: str, session: str, payload: Json) -> None:
        self.add("EventHeard", {"event": {"event": name, "session": session, "payload": payload}})

    def tail(self, _home: Path, *, after_leaf: int, message: str, **_: Any) -> Page:
        found = [entry for entry in self.entries if entry.leaf > after_leaf and entry.message == message][:2]
        return Page(found, found[-1].leaf if found else after_leaf)


def told(trail: Told) -> list[tuple[object, object]]:
    return [(moment["session"], moment["what"]) for moment in moments(trail, HOME)]  # type: ignore[arg-type]  # in small


def bar(trail: Told, session: str, change: float | None) -> None:
    trail.event("market_data_update", session, {"symbol": "AAPL", "change": change})


def test_a_listing_a_split_a_model_and_a_risk_stand_out_in_order_of_session() -> None:
    trail = Told()
    trail.event("model_updated", "2005-11-11", {"version": "m2", "accuracy_improvement": 0.05})
    trail.event("symbol_listed", "2004-08-19", {"symbol": "GOOG"})
    split: Json = {"symbol": "AAPL", "kind": "split", "raw_change": -0.496, "adjusted_change": 0.008}
    trail.event("corporate_action", "2005-02-28", split)
    trail.event("corporate_action", "2005-03-01", {"symbol": "IBM", "kind": "dividend", "ratio": 1.0})
    risk: Json = {"scope": "Com-Acc", "risk_kind": "drawdown", "risk_level": 0.83}
    trail.event("risk_threshold_exceeded", "2005-04-20", risk)

    assert told(trail) == [
        ("2004-08-19", "new symbol"),
        ("2005-02-28", "split"),
        ("2005-04-20", "risk"),
        ("2005-11-11", "model"),
    ]


def test_only_the_deepest_falls_are_told_and_a_first_bar_has_none() -> None:
    trail = Told()
    bar(trail, "2008-01-01", None)
    for day, change in enumerate((-0.01, -0.18, 0.2, -0.07, -0.05, -0.02), start=2):
        bar(trail, f"2008-01-0{day}", change)

    assert told(trail) == [("2008-01-03", "fall"), ("2008-01-05", "fall"), ("2008-01-06", "fall")]
    assert FALLS_SHOWN == 3


def test_the_digest_of_decisions_depends_on_what_was_decided_and_not_on_when() -> None:
    early, late, other = Told(), Told(), Told()
    for trail, at, rule in ((early, 1.0, "a"), (late, 99.0, "a"), (other, 1.0, "b")):
        trail.add("RuleFired", {"rule": rule}, "coordinator", at)
        trail.add("ConflictClosed", {"id": "conflict-1"}, "coordinator", at)
        trail.add("RuleFired", {"rule": "somebody else's"}, "board", at)

    digests = [decisions_digest(trail, HOME) for trail in (early, late, other)]  # type: ignore[arg-type]  # in small

    assert digests[0] == digests[1] != digests[2]
