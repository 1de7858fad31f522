import pytest

from alluse_hub.actors.auditor.core import CORE, Auditor, decide
from alluse_hub.protocols.effects import Decision, Do, Record, Send
from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.keeping import Sealed, SegmentSealed
from alluse_hub.protocols.lifecycle import PeerUp, Started, Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.trail import (
    AuditorSpec,
    Closed,
    DamageFound,
    Ingested,
    Mark,
    SpoolDamaged,
    SpoolEnded,
    Stored,
    StoreOpened,
    StoreWaited,
    TailBegun,
    TailFailed,
    TailSpools,
    TailStuck,
    WitnessAgreed,
    WitnessHeard,
    WitnessRefused,
)


def hear(state: Auditor, body: Message) -> Decision[Auditor]:
    return decide(state, Envelope("auditor/1/2", "auditor", "auditor", body, 1.0))


@pytest.fixture
def fresh() -> Auditor:
    return CORE.start("auditor", AuditorSpec())


def mark(actor: str, incarnation: int, n: int) -> Mark:
    return Mark(actor=actor, incarnation=incarnation, n=n)


@pytest.mark.parametrize(
    ("body", "effect"),
    [
        (Started(incarnation=1), Do(TailSpools())),
        (
            SegmentSealed(first=1, last=256, root="r", manifest="m"),
            Record(Sealed(first=1, last=256, root="r", manifest="m")),
        ),
        (
            TailBegun(sqlite="3.53.4", journal="wal", migrations=("one",)),
            Record(StoreOpened(sqlite="3.53.4", journal="wal", migrations=("one",))),
        ),
        (
            Ingested(marks=(mark("coordinator", 2, 17),)),
            Send("coordinator", Stored(incarnation=2, n=17)),
        ),
        (
            SpoolEnded(actor="ws3", incarnation=4, n=99, torn_bytes=12),
            Record(Closed(actor="ws3", incarnation=4, n=99, torn_bytes=12)),
        ),
        (
            DamageFound(actor="ws3", incarnation=4, n=99, offset=1200),
            Record(SpoolDamaged(actor="ws3", incarnation=4, n=99, offset=1200)),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_letter_has_one_effect(fresh: Auditor, body: Message, effect: object) -> None:
    assert hear(fresh, body).effects == (effect,)


def test_each_actor_that_waits_is_told_once(fresh: Auditor) -> None:
    decision = hear(fresh, Ingested(marks=(mark("coordinator", 1, 5), mark("router", 3, 8))))

    assert decision.effects == (
        Send("coordinator", Stored(incarnation=1, n=5)),
        Send("router", Stored(incarnation=3, n=8)),
    )


def test_its_own_entries_make_no_letter(fresh: Auditor) -> None:
    assert hear(fresh, Ingested(marks=(mark("auditor", 1, 5),))) == Decision(fresh)


def test_an_actor_introduced_late_is_told_again(fresh: Auditor) -> None:
    state = hear(fresh, Ingested(marks=(mark("router", 3, 8),))).state

    assert hear(state, PeerUp(name="router", incarnation=3)).effects == (Send("router", Stored(incarnation=3, n=8)),)


@pytest.mark.parametrize(("name", "incarnation"), [("router", 4), ("router", 2), ("board", 3)])
def test_an_actor_that_waits_for_nothing_is_told_nothing(fresh: Auditor, name: str, incarnation: int) -> None:
    state = hear(fresh, Ingested(marks=(mark("router", 3, 8),))).state

    assert hear(state, PeerUp(name=name, incarnation=incarnation)) == Decision(state)


def test_an_incarnation_that_another_followed_is_told_nothing(fresh: Auditor) -> None:
    state = hear(fresh, Ingested(marks=(mark("router", 3, 8),))).state

    assert hear(state, Ingested(marks=(mark("router", 2, 99),))).effects == ()


def test_a_tail_that_cannot_go_on_fails_the_actor(fresh: Auditor) -> None:
    with pytest.raises(TrailError, match=r"trail\.db is damaged"):
        hear(fresh, TailFailed(error="trail.db is damaged"))


def test_a_message_that_is_not_its_own_is_refused(fresh: Auditor) -> None:
    with pytest.raises(TypeError, match="Woken"):
        hear(fresh, Woken(timer="interval"))


def test_it_takes_what_it_decides_on_and_nothing_else(fresh: Auditor) -> None:
    assert {kind.__name__ for kind in CORE.accepts} == {
        "Started",
        "PeerUp",
        "TailBegun",
        "TailFailed",
        "TailStuck",
        "TailStrained",
        "ClockStepped",
        "Woken",
        "Ingested",
        "SpoolEnded",
        "DamageFound",
        "LetterMissed",
        "WitnessHeard",
        "SegmentSealed",
        "KeepingStuck",
        "Flush",
        "Flushed",
    }


def test_a_witness_that_does_not_cosign_is_told_while_it_lasts(fresh: Auditor) -> None:
    silent = hear(fresh, WitnessHeard(size=300, refusal="it does not answer"))
    again = hear(silent.state, WitnessHeard(size=400))

    assert CORE.degraded is not None
    assert [CORE.degraded(state) for state in (fresh, silent.state, again.state)] == [
        "",
        "the witness has not cosigned more than 300 entries: it does not answer",
        "",
    ]
    assert (silent.effects, again.effects) == (
        (Record(WitnessRefused(size=300, why="it does not answer")),),
        (Record(WitnessAgreed(size=400)),),
    )


def test_a_full_disk_is_told_while_it_lasts_and_recorded_when_it_is_over(fresh: Auditor) -> None:
    stuck = CORE.decide(fresh, Envelope("a/1/1", "auditor", "auditor", TailStuck(why="disk full"), 1.0))
    over = CORE.decide(stuck.state, Envelope("a/1/2", "auditor", "auditor", TailStuck(waited_s=2.5), 1.0))

    assert CORE.degraded is not None
    assert [CORE.degraded(state) for state in (fresh, stuck.state, over.state)] == ["", "disk full", ""]
    assert (stuck.effects, over.effects) == ((), (Record(StoreWaited(why="disk full", waited_s=2.5)),))
