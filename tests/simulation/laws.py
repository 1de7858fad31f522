"""What holds over any run of the hub, read from nothing but its trail: what an auditor could say."""

from collections import Counter
from typing import Any

from alluse_hub.actors.coordinator.core import COORDINATOR
from alluse_hub.actors.coordinator.doubts import ID as DOUBT
from alluse_hub.actors.monitor.core import CORE as MONITOR
from alluse_hub.actors.router.core import ROUTER
from alluse_hub.protocols import wire
from alluse_hub.protocols.effects import Core
from alluse_hub.protocols.message import Fact
from alluse_hub.protocols.trail import Entry, EntryKind
from alluse_hub.testing import TestHub
from tests.simulation.spans import WORKSTREAMS

DECISIONS = frozenset(
    {
        "ClaimCleared",
        "ClaimEnded",
        "ClaimExtended",
        "ClaimPlaced",
        "CommandIssued",
        "ConflictClosed",
        "ConflictOpened",
        "DirectiveIssued",
        "RoundClosed",
        "RuleActionRefused",
        "RuleFired",
        "RuleUndecided",
    }
)
"""What the coordinator decides, as against what it hears."""

DURABLE: dict[str, tuple[Core[Any], tuple[str, ...]]] = {  # Any: each core has a state of its own
    "coordinator": (COORDINATOR, ("ledger",)),
    "router": (
        ROUTER,
        ("round", "session", "sessions", "of", "ended", "is_spanned", "taken", "digests", "paused", "held", "released"),
    ),
    **dict.fromkeys(WORKSTREAMS, (MONITOR, ("kept",))),
}
"""By actor: its core, and the parts of its state that facts alone must rebuild."""


def standing(hub: TestHub) -> list[Entry]:
    """The coordinator's facts without those of rounds that its death cut short: they were decided afresh."""
    found: list[Entry] = []
    opened = 0
    for entry in hub.trail:
        if entry.actor != "coordinator" or entry.kind is not EntryKind.FACT:
            continue
        match entry.message:
            case "RoundOpened":
                opened = len(found)
            case "RoundAbandoned":
                del found[opened:]
                continue
        found.append(entry)
    return found


def decisions(hub: TestHub) -> list[tuple[str, Any]]:  # Any: bodies of facts
    """What was decided, in order, and nothing of when it was, how often it had to be said or who doubted it."""
    decided = [(entry.message, body(entry)) for entry in standing(hub) if entry.message in DECISIONS]
    return [(message, said) for message, said in decided if not str(said.get("id", "")).startswith(DOUBT)]


def body(entry: Entry) -> Any:  # JSON; what is in it depends on the message
    return entry.body


# --- the laws ---------------------------------------------------------------------------------------------------------


def obeyed(hub: TestHub) -> None:
    """Every law; AssertionError, with the seed, names the one that is broken."""
    for law in LAWS:
        try:
            law(hub)
        except AssertionError as broken:
            raise AssertionError(f"seed {hub.world.seed}: {law.__name__}: {broken}") from broken


def no_actor_failed(hub: TestHub) -> None:
    """Killed they may be; what they decide may never raise."""
    assert hub.world.errors == []


def entries_are_numbered_without_a_gap(hub: TestHub) -> None:
    last: Counter[tuple[str, int]] = Counter()
    for entry in hub.trail:
        last[entry.actor, entry.incarnation] += 1
        assert entry.n == last[entry.actor, entry.incarnation], entry.id


def every_letter_heard_was_sent_before(hub: TestHub) -> None:
    sent: set[str] = set()
    for entry in hub.trail:
        if entry.kind is EntryKind.SENT:
            sent.add(entry.id)
        if entry.kind is EntryKind.HEARD and entry.letter:
            assert entry.letter in sent, entry.id


def no_event_is_lost_or_doubled(hub: TestHub) -> None:
    last: Counter[str] = Counter()
    for entry in hub.facts("EventHeard"):
        event = body(entry)["event"]
        last[event["ws"]] += 1
        assert event["n"] == last[event["ws"]], f"{event['ws']}#{event['n']} in {entry.id}"
    assert hub.state("router").taken == dict(last), "what was heard is settled"


def every_round_is_decided_once(hub: TestHub) -> None:
    shown = {body(e)["round"] for e in hub.trail if e.message == "Consider" and e.kind is EntryKind.SENT}
    closed = Counter(body(entry)["round"] for entry in standing(hub) if entry.message == "RoundClosed")
    assert set(closed) == shown
    assert not [number for number, times in closed.items() if times > 1]


def every_round_is_settled_once(hub: TestHub) -> None:
    rounds = [body(entry)["round"] for entry in hub.facts("RoundSettled")]
    assert rounds == list(range(1, len(rounds) + 1))


def a_rule_fires_once_on_an_event(hub: TestHub) -> None:
    fired = Counter((body(e)["rule"], body(e)["event"]) for e in standing(hub) if e.message == "RuleFired")
    assert not [firing for firing, times in fired.items() if times > 1]


def every_command_has_one_answer(hub: TestHub) -> None:
    issued = [body(entry)["key"] for entry in standing(hub) if entry.message == "CommandIssued"]
    done = [body(entry)["key"] for entry in standing(hub) if entry.message == "RuleActionDone"]
    assert sorted(issued) == sorted(set(issued))
    assert sorted(done) == sorted(issued)


def every_claim_ends_at_most_once(hub: TestHub) -> None:
    live: set[str] = set()
    for entry in standing(hub):
        if entry.message == "ClaimPlaced":
            assert body(entry)["claim"]["id"] not in live, entry.id
            live.add(body(entry)["claim"]["id"])
        if entry.message == "ClaimEnded":
            assert body(entry)["id"] in live, entry.id
            live.remove(body(entry)["id"])
    assert set(hub.state("coordinator").ledger.claims) == live


def fences_never_go_back(hub: TestHub) -> None:
    issued: Counter[str] = Counter()
    for entry in standing(hub):
        if entry.message == "DirectiveIssued":
            assert body(entry)["fence"] > issued[body(entry)["resource"]], entry.id
            issued[body(entry)["resource"]] = body(entry)["fence"]
    passed: Counter[str] = Counter()
    for entry in hub.facts("FenceRaised"):
        assert body(entry)["fence"] > passed[body(entry)["resource"]], entry.id
        passed[body(entry)["resource"]] = body(entry)["fence"]
    assert issued == passed, "every directive reached its workstream in the end"


def folding_the_facts_gives_the_live_state(hub: TestHub) -> None:
    for actor, (core, parts) in DURABLE.items():
        assert core.evolve is not None
        life = hub.world.actors[actor].life
        folded = core.start(actor, core.spec.model_validate(life.boot.spec))
        kinds = {kind.__name__ for kind in core.facts}
        for kind, body in hub.world.trail.facts[actor]:
            if kind in kinds:
                fact = wire.decode(kind, body)
                assert isinstance(fact, Fact)
                folded = core.evolve(folded, fact)
        for part in parts:
            assert getattr(folded, part) == getattr(life.state, part), f"{part} of {actor}"


LAWS = (
    no_actor_failed,
    entries_are_numbered_without_a_gap,
    every_letter_heard_was_sent_before,
    no_event_is_lost_or_doubled,
    every_round_is_decided_once,
    every_round_is_settled_once,
    a_rule_fires_once_on_an_event,
    every_command_has_one_answer,
    every_claim_ends_at_most_once,
    fences_never_go_back,
    folding_the_facts_gives_the_live_state,
)
