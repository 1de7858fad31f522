"""Double entry: what somebody heard must be on the record of whoever said it.  If not, the running hub says so."""

from typing import TYPE_CHECKING

import pytest

from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.core import CORE
from alluse_hub.actors.auditor.ingest import Ingest
from alluse_hub.actors.auditor.receipts import Receipts
from alluse_hub.protocols.effects import Record
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.trail import AuditorSpec, EntryKind, LetterMissed, LetterUnrecorded
from alluse_hub.supervision.spool import Frame, SpoolEntry, SpoolName
from tests.actors.auditor.words import SAID

if TYPE_CHECKING:
    from tests.actors.auditor.conftest import SmallHub

MISSED = LetterMissed(actor="ws3", incarnation=1, stored=2, n=5, receipt="ws4/1/1")
FACT = LetterUnrecorded(actor="ws3", incarnation=1, stored=2, n=5, receipt="ws4/1/1")


def heard(letter: str) -> Frame:
    return Frame(EntryKind.HEARD, "Said", b"", letter.partition("/")[0], letter=letter)


def missed(said: list[Message]) -> list[Message]:
    return [word for word in said if isinstance(word, LetterMissed)]


def test_a_letter_that_was_heard_beyond_what_its_sender_recorded_is_told_once(hub: "SmallHub") -> None:
    hub.say("ws3", SAID, SAID)
    hub.say("ws4", heard("ws3/1/5"))

    first, second = hub.drain(), hub.drain()

    assert missed(first.said) == [MISSED]
    assert missed(second.said) == [], "the fact is in the trail, and it is one"
    assert query.wholeness(hub.home).unrecorded, "`trail check` finds the same"


def test_a_letter_of_somebody_who_has_no_spool_at_all_is_told(hub: "SmallHub") -> None:
    hub.say("ws4", heard("ws9/3/7"))

    said = hub.drain().said

    assert missed(said) == [LetterMissed(actor="ws9", incarnation=3, stored=0, n=7, receipt="ws4/1/1")]


def test_the_highest_of_many_letters_is_told_and_no_other(hub: "SmallHub") -> None:
    hub.say("ws3", SAID, SAID)
    hub.say("ws4", heard("ws3/1/5"), heard("ws3/1/9"), heard("ws3/1/4"), heard("ws3/1/2"))

    said = hub.drain().said

    assert [word.n for word in missed(said) if isinstance(word, LetterMissed)] == [9]


def test_letters_of_senders_that_are_read_later_are_not_missed(hub: "SmallHub") -> None:
    """The receipt is stored in an earlier transaction than what it is a receipt of."""
    for n in range(1, 30):
        hub.say("ws3", Frame(EntryKind.SENT, "Said", b"{}", "a"), at=float(n))
        hub.say("a", heard(f"ws3/1/{n}"), at=float(n))
    said: list[Message] = []

    hub.ingest(said.append, AuditorSpec(batch_max=1))

    assert missed(said) == []


def test_what_was_open_when_the_auditor_died_is_told_by_the_next(
    hub: "SmallHub", monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.say("ws3", SAID, SAID)
    hub.say("ws4", heard("ws3/1/5"))

    def die(_ingest: Ingest) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(Ingest, "_tell_missed", die)
        with pytest.raises(RuntimeError):
            hub.ingest(lambda _word: None)

    assert missed(hub.drain().said) == [MISSED]


def test_what_was_told_and_never_recorded_is_told_again(hub: "SmallHub") -> None:
    hub.say("ws3", SAID, SAID)
    hub.say("ws4", heard("ws3/1/5"))

    hub.ingest(lambda _word: None)  # the auditor died before it wrote the fact

    assert missed(hub.drain().said) == [MISSED]


def test_a_sender_whose_words_come_late_closes_the_account() -> None:
    receipts = Receipts({})
    hearing = SpoolEntry(1, "heard", "Said", "ws3", "ws3/1/4", "", "", 1.0, 2.0, power=False, body="")
    receipts.take([(SpoolName("a", 1), hearing)], lambda _name: 2)

    receipts.settle(SpoolName("ws3", 1), 3)
    assert receipts.open
    receipts.settle(SpoolName("ws3", 1), 4)

    assert not receipts.open


def test_a_senders_spool_is_looked_at_once_more_before_anything_is_told(
    hub: "SmallHub", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have grown, and another have heard of it, between our looks at the two."""
    hub.say("ws3", SAID)
    hub.say("ws4", heard("ws3/1/2"))
    said: list[Message] = []
    true_missed = Receipts.missed

    def late(receipts: Receipts) -> object:
        if receipts.open and hub.rows("n", "WHERE actor = 'ws3'") == [(1,)]:
            hub.say("ws3", Frame(EntryKind.SENT, "Said", b"{}", "ws4"))
        return true_missed(receipts)

    monkeypatch.setattr(Receipts, "missed", late)
    hub.ingest(said.append)

    assert hub.rows("n", "WHERE actor = 'ws3'") == [(1,), (2,)]
    assert missed(said) == []


def opened(receipts: Receipts, n: int, stored: int) -> None:
    hearing = SpoolEntry(n, "heard", "Said", "ws3", f"ws3/1/{n}", "", "", 1.0, 2.0, power=False, body="")
    receipts.take([(SpoolName("a", 1), hearing)], lambda _name: stored)


def test_every_account_of_a_sender_is_looked_at_once_more_and_not_only_its_first() -> None:
    """Else the second race between two spools in the life of a busy actor would be an alarm."""
    receipts = Receipts({})
    ws3 = SpoolName("ws3", 1)
    opened(receipts, 4, stored=2)
    assert receipts.missed() is None
    receipts.settle(ws3, 4)
    assert receipts.missed() == []

    opened(receipts, 9, stored=4)
    assert receipts.missed() is None, "told without a second look"
    receipts.settle(ws3, 8)
    told = receipts.missed()

    assert told is not None
    assert [(name, account.n) for name, account in told] == [(ws3, 9)]


def test_an_account_that_grows_is_told_all_the_same_if_the_look_did_not_find_what_it_was_for() -> None:
    receipts = Receipts({})
    opened(receipts, 4, stored=2)
    assert receipts.missed() is None
    opened(receipts, 9, stored=2)

    told = receipts.missed()

    assert told is not None
    assert [account.n for _, account in told] == [9]


def test_what_was_found_in_the_second_look_is_not_told_though_more_was_heard_meanwhile() -> None:
    receipts = Receipts({})
    opened(receipts, 4, stored=2)
    assert receipts.missed() is None
    opened(receipts, 9, stored=2)
    receipts.settle(SpoolName("ws3", 1), 5)

    assert receipts.missed() is None, "9 was not looked for yet"


def test_the_auditor_records_it_and_is_degraded() -> None:
    state = CORE.start("auditor", AuditorSpec())

    decision = CORE.decide(state, Envelope("auditor/1/2", "auditor", "auditor", MISSED, 1.0))

    assert decision.effects == (Record(FACT),)
    assert CORE.degraded is not None
    assert CORE.degraded(decision.state) == (
        "ws3/1/5 was heard (ws4/1/1), but ws3 recorded no more than 2 entries in that life: what it said is lost or was"
        " taken away; look with `trail check`"
    )


def test_of_many_that_are_missed_the_first_are_named_and_the_others_counted() -> None:
    state = CORE.start("auditor", AuditorSpec())

    for n in range(1, 8):
        letter = MISSED.model_copy(update={"incarnation": n})
        state = CORE.decide(state, Envelope("auditor/1/2", "auditor", "auditor", letter, 1.0)).state

    assert CORE.degraded is not None
    assert CORE.degraded(state).endswith("and of 6 other lives as well; look with `trail check`")
