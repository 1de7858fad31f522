"""Declared fields do not reach the disk as they were said; who has the keys reads them, in their own place only."""

import errno
import json
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from alluse_hub.protocols import wire
from alluse_hub.protocols.declared import Personal
from alluse_hub.protocols.flow import Deliver, Event, EventHeard, EventsHeld
from alluse_hub.protocols.message import Fact, Json, Message
from alluse_hub.protocols.personal import MARK, UNKNOWN, PersonalField
from alluse_hub.protocols.program import LinesRead, Refusal
from alluse_hub.protocols.trail import EntryKind, Snapshot
from alluse_hub.protocols.workstream import LineRefused
from alluse_hub.supervision.frames import fact_frame
from alluse_hub.supervision.inhand import HAND_BYTES, INCARNATION_AT, Hand
from alluse_hub.supervision.keyfiles import destroy
from alluse_hub.supervision.keyring import Keyring
from alluse_hub.supervision.spool import Frame, Spool, SpoolFullError, read
from alluse_hub.supervision.veil import WITHHELD, Opener, Veil

SEED = "ACC-7161-seeded"
ACCOUNT = PersonalField(event="filled", field="account", subject="account")
NAME = PersonalField(event="filled", field="client.name", subject="client.id")


def heard(payload: Json, *, event: str = "filled", ws: str = "ws4", n: int = 1) -> EventHeard:
    return EventHeard(event=Event(ws=ws, n=n, event=event, payload=payload))


def body_of(veil: Veil, fact: Fact, n: int = 1) -> str:
    (frame,) = veil.sealed([fact_frame(fact)], "ws4", 1, n)
    return frame.body.decode()


def payload_of(body: str) -> Json:
    found: Json = json.loads(body)["event"]["payload"]
    return found


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path)


@pytest.fixture
def veil(ring: Keyring) -> Veil:
    return Veil(ring, (ACCOUNT, NAME))


def opened(ring: Keyring, body: str, n: int = 1, kind: str = "EventHeard") -> str:
    return Opener(ring).body(body, "ws4", 1, n, kind)


# --- sealing and opening ----------------------------------------------------------------------------------------------


def test_what_is_declared_is_sealed_and_all_else_stands_as_it_was_said(veil: Veil, ring: Keyring) -> None:
    fact = heard({"account": SEED, "quantity": 3, "client": {"id": 7, "name": f"Ada {SEED}", "since": 1999}})

    body = body_of(veil, fact)

    assert SEED not in body
    shown = payload_of(body)
    assert shown["quantity"] == 3
    assert isinstance(shown["client"], dict)
    assert (shown["client"]["id"], shown["client"]["since"]) == (7, 1999)
    assert EventHeard.model_validate_json(opened(ring, body)) == fact


def test_a_subject_has_one_pseudonym_and_each_box_is_another(veil: Veil, ring: Keyring) -> None:
    first, second = (payload_of(body_of(veil, heard({"account": SEED}), n))["account"] for n in (1, 2))

    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["sealed"] == second["sealed"] == ring.pseudonym(SEED)
    assert first["box"] != second["box"]


def test_a_box_opens_only_in_its_own_place(veil: Veil, ring: Keyring) -> None:
    body = body_of(veil, heard({"account": SEED}))

    for actor, incarnation, n, kind in (("ws5", 1, 1, "EventHeard"), ("ws4", 2, 1, "EventHeard"), ("ws4", 1, 2, "X")):
        assert "(altered: subject " in Opener(ring).body(body, actor, incarnation, n, kind)
    moved = body.replace('"account":', '"quantity":')
    assert "(altered: subject " in opened(ring, moved)


def test_without_the_key_a_sentence_stands_in_its_place(veil: Veil, tmp_path: Path) -> None:
    body = body_of(veil, heard({"account": SEED}))
    stranger = Keyring(tmp_path / "elsewhere")

    assert "whose key is not here)" in opened(stranger, body)
    assert MARK in Opener(stranger, is_strict=True).body(body, "ws4", 1, 1, "EventHeard")


def test_what_a_program_makes_to_look_like_a_sealed_field_is_none(ring: Keyring, veil: Veil) -> None:
    forgeries: list[Json] = [
        {"sealed": "../../etc/x", "key": "00000000", "box": "AA"},
        {"sealed": 1, "key": 2, "box": 3},
    ]
    for forged in forgeries:
        body = body_of(veil, heard({"other": forged}))
        assert payload_of(opened(ring, body))["other"] == forged
    real: JsonValue = {"sealed": "0" * 16, "key": "0" * 8, "box": "!!"}
    assert "whose key is not here)" in opened(ring, body_of(veil, heard({"other": real})))


def test_an_event_of_another_name_or_of_another_workstream_is_left_alone(ring: Keyring) -> None:
    veil = Veil(ring, (PersonalField(event="filled", field="account", subject="account", workstream="ws5"),))

    for fact in (heard({"account": "a"}), heard({"account": "a"}, event="other")):
        assert MARK not in body_of(veil, fact)
    assert MARK in body_of(veil, heard({"account": "a"}, ws="ws5"))


def test_a_list_on_the_way_stands_for_each_of_its_elements(ring: Keyring) -> None:
    veil = Veil(ring, (PersonalField(event="filled", field="legs.owner", subject="account"),))
    fact = heard({"account": "a", "legs": [{"owner": SEED}, {"owner": f"{SEED}2"}, 3]})

    body = body_of(veil, fact)

    assert body.count(MARK) == 2
    assert EventHeard.model_validate_json(opened(ring, body)) == fact


def test_who_is_not_named_is_the_subject_unknown(veil: Veil, ring: Keyring) -> None:
    body = body_of(veil, heard({"account": [SEED]}))

    assert SEED not in body
    assert ring.pseudonym(UNKNOWN) in body


def test_what_is_long_is_compressed(veil: Veil) -> None:
    assert len(body_of(veil, heard({"account": "a" * 10_000}))) < 1_000


def test_events_are_sealed_wherever_they_stand(veil: Veil, ring: Keyring) -> None:
    event = Event(ws="ws4", n=1, event="filled", payload={"account": SEED})
    state: Json = {"kept": {"unsettled": [event.model_dump(mode="json")]}}

    for fact in (EventsHeld(flow="a-b", events=(event, event)), Snapshot(state=state)):
        body = body_of(veil, fact)
        assert SEED not in body
        assert type(fact).model_validate_json(opened(ring, body, kind=type(fact).__name__)) == fact


NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=JSON, more=st.dictionaries(st.text(max_size=5), JSON, max_size=3), n=st.integers(1, 99))
def test_whatever_is_declared_comes_back_as_it_was_said(
    veil: Veil, ring: Keyring, value: JsonValue, more: Json, n: int
) -> None:
    payload: Json = {**more, "account": {"seed": SEED, "value": value}}
    fact = heard(payload, n=n)

    body = body_of(veil, fact, n)

    assert SEED not in body
    assert json.loads(opened(ring, body, n)) == json.loads(wire.encode(fact))


# --- who pays ---------------------------------------------------------------------------------------------------------


def test_what_has_nothing_declared_is_the_very_same_frame(veil: Veil) -> None:
    others = [
        fact_frame(heard({"account": "a"}, event="other")),
        Frame(EntryKind.SENT, "Deliver", wire.for_record(Deliver(delivery="d", round=1)), "ws4"),
        Frame(EntryKind.HEARD, "Woken", b'{"timer":"x"}'),
    ]

    assert veil.sealed(others[2:], "ws4", 1, 1)[0] is others[2]
    assert [a is b for a, b in zip(veil.sealed(others, "ws4", 1, 1), others, strict=True)] == [True, True, True]


# --- fields of the hub's own messages ---------------------------------------------------------------------------------


class Client(Message):
    name: Annotated[str, Personal(subject="ident")]
    ident: Annotated[str, Personal(subject="ident")]
    age: int = 0


class ClientsSeen(Fact):
    clients: tuple[Client, ...]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(wire.KINDS, "ClientsSeen", ClientsSeen)
    monkeypatch.setitem(wire.PERSONAL, "ClientsSeen", ClientsSeen)


@pytest.mark.usefixtures("typed")
def test_a_field_that_is_declared_with_its_type_is_sealed_under_whom_it_is_about(ring: Keyring) -> None:
    fact = ClientsSeen(clients=(Client(name=SEED, ident="7", age=3), Client(name="", ident="8")))

    body = body_of(Veil(ring, ()), fact)

    assert SEED not in body
    assert body.count(ring.pseudonym("7")) == 2
    assert body.count(ring.pseudonym("8")) == 1
    assert ClientsSeen.model_validate_json(opened(ring, body, kind="ClientsSeen")) == fact
    closed = opened(Keyring(ring.folder / "no"), body, kind="ClientsSeen")
    assert ClientsSeen.model_validate_json(closed).clients[0].age == 3  # a sentence fits the type


# --- erased -----------------------------------------------------------------------------------------------------------


def test_an_event_of_before_the_erasure_is_never_sealed_anew(veil: Veil, ring: Keyring) -> None:
    old = body_of(veil, heard({"account": SEED}, n=5))
    pseudonym = ring.pseudonym(SEED)
    record = ring.record(pseudonym)
    assert record is not None
    destroy(ring.path_of(pseudonym))
    line = {"subject": pseudonym, "keys": [record.key], "through": {"ws4": 5}, "at": 1.0}
    (ring.subjects / "erased").write_text(json.dumps(line), encoding="ascii")

    again, later = (body_of(veil, heard({"account": SEED}, n=n), n) for n in (5, 6))

    assert "(erased: subject " in opened(ring, old)
    assert "(erased: subject " in opened(ring, again, 5)
    assert '"box":""' in again
    assert payload_of(opened(ring, later, 6))["account"] == SEED


# --- what is no event -------------------------------------------------------------------------------------------------


def test_the_beginning_of_a_refused_line_is_not_kept_unless_the_hub_said_it(veil: Veil, ring: Keyring) -> None:
    refused = LineRefused(workstream="ws4", why="no JSON", beginning=f'{{"account": "{SEED}', count=1)
    ours = LineRefused(
        workstream="ws4", why="a gap: event 9 came where 5 was due", beginning="event filled n=9", count=1
    )
    read_ = LinesRead(through=1, refused=(Refusal(why="w", beginning=SEED),))
    frame = Frame(EntryKind.HEARD, "LinesRead", wire.for_record(read_))

    posing = LineRefused(
        workstream="ws4", why="not JSON: expected value at line 1 column 1", beginning=f"event {SEED} n=9", count=1
    )

    assert json.loads(body_of(veil, refused))["beginning"] == WITHHELD
    assert json.loads(body_of(veil, posing)) == {
        "workstream": "ws4",
        "why": "not JSON: expected value at line 1 column 1",
        "beginning": WITHHELD,
        "count": 1,
    }
    assert json.loads(body_of(veil, ours))["beginning"] == "event filled n=9"
    assert SEED.encode() not in veil.sealed([frame], "ws4", 1, 1)[0].body
    assert SEED in body_of(Veil(ring, ()), refused)  # nothing is declared


# --- on the disk ------------------------------------------------------------------------------------------------------


def test_a_spool_has_the_sealed_form_under_the_number_that_it_is_bound_to(
    veil: Veil, ring: Keyring, tmp_path: Path
) -> None:
    spool = Spool.open(tmp_path / "spool", "ws4", veil)
    for n in (1, 2):
        spool.write([fact_frame(heard({}, event="other")), fact_frame(heard({"account": SEED}, n=n))], 1.0, 2.0)
    spool.close()

    assert SEED.encode() not in spool.path.read_bytes()
    entries = read(spool.path).entries
    assert [SEED in opened(ring, entry.body, entry.n) for entry in entries] == [False, True, False, True]


def test_a_full_disk_while_a_key_is_made_holds_the_turn_back_like_any_other(
    veil: Veil, ring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_pseudonym: str) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(ring, "to_seal", full)

    with pytest.raises(SpoolFullError, match="disk full"):
        body_of(veil, heard({"account": SEED}))


def test_a_letter_in_hand_leaves_no_more_than_its_digest(veil: Veil) -> None:
    memory = bytearray(HAND_BYTES)
    body = wire.encode(heard({"account": SEED}))
    Hand(memory, 1, "1", 0.0).take("a", "EventHeard", body, "a/1/1", 0.0)
    assert SEED.encode() in memory  # as long as nothing is declared

    for incarnation in (2, 3):
        hand = Hand(memory, incarnation, "1", 0.0, veil.shadow)
        assert not any(memory[1:INCARNATION_AT])
        hand.take("a", "EventHeard", body, "a/1/1", 0.0)
        assert SEED.encode() not in memory
    assert Hand(memory, 4, "1", 0.0, veil.shadow).died_over is not None


def test_a_letter_is_known_again_by_its_digest(veil: Veil) -> None:
    body, other = (wire.encode(heard({"account": SEED, "n": n})) for n in (1, 2))

    assert veil.shadow("EventHeard", body) == veil.shadow("EventHeard", body) != veil.shadow("EventHeard", other)
    assert veil.shadow("Woken", b'{"timer":"x"}') == b'{"timer":"x"}'
