"""Rotation, and copies of the keys: whatever is killed between two steps, no key is lost, and no old one left over."""

from pathlib import Path

import pytest

from alluse_hub.actors.auditor import errands, key_copies
from alluse_hub.actors.auditor.errands import admit_keys
from alluse_hub.protocols.erasure import KeysRotated
from alluse_hub.protocols.errors import CallerError
from alluse_hub.supervision.keyfiles import CREDENTIAL, CREDENTIAL_OLD, draft_of, wrap, write_record
from tests.actors.auditor.conftest import SmallHub
from tests.actors.auditor.veiled import ADA, BOB, Sealing, facts, found_in, killed_after, ring_of


@pytest.fixture
def sealing(hub: SmallHub) -> Sealing:
    return Sealing(hub)


def test_a_rotation_wraps_every_key_anew_and_leaves_nothing_of_the_old_one(sealing: Sealing) -> None:
    ring = ring_of(sealing.home)
    old = (ring.folder / "kek").read_text(encoding="ascii").split("+", 2)[2].strip()

    done = errands.rotate(sealing.home, "Eve", 5.0)

    assert (done.keys, done.was != done.now, done.is_destroyed) == (2, True, True)
    assert set(ring.keks()) == {done.now}
    assert found_in(sealing.home, old) == []
    assert sealing.accounts() == [ADA, BOB, ADA, ADA, BOB]
    sealing.say(ADA)  # by somebody who has the keys in memory
    assert sealing.accounts()[-1] == ADA
    (fact,) = facts(sealing.home, "KeysRotated")
    assert (fact["was"], fact["now"], fact["by"]) == (done.was, done.now, "Eve")


def rotation_steps(home: Path) -> list[str]:
    ring = ring_of(home)
    return ["made", "noted", *(f"rewrapped {name}" for name in ring.known()), "destroyed", "renamed", "recorded"]


@pytest.mark.parametrize("at", range(8))
def test_a_rotation_killed_between_two_steps_loses_no_key_and_is_done_by_the_next(sealing: Sealing, at: int) -> None:
    steps = [*rotation_steps(sealing.home)]
    steps.insert(-3, "rewrapped pseudonyms")
    killed_after(steps[at], lambda die: errands.rotate(sealing.home, "Eve", 5.0, die))
    assert sealing.accounts() == [ADA, BOB, ADA, ADA, BOB]
    sealing.say("someone new")
    admit_keys(sealing.home, is_declared=True)
    if steps[at] == "made":
        errands.rotate(sealing.home, "Eve", 5.0)  # nothing was begun yet

    assert errands.resume(sealing.home) == ""
    ring = ring_of(sealing.home)
    assert len(ring.keks()) == 1
    assert not (ring.folder / "kek.new").exists()
    assert sealing.accounts() == [ADA, BOB, ADA, ADA, BOB, "someone new"]
    assert [KeysRotated.model_validate(fact).now for fact in facts(sealing.home, "KeysRotated")] == list(ring.keks())
    assert not list(sealing.home.rglob("*.draft"))


def test_an_erasure_while_a_rotation_was_cut_short_leaves_no_key_behind(sealing: Sealing) -> None:
    killed_after(f"rewrapped {sealing.ada}", lambda die: errands.rotate(sealing.home, "Eve", 5.0, die))

    sealing.erase()

    assert ADA not in sealing.accounts()
    assert found_in(sealing.home, f'"subject": "{sealing.ada}", "key"') == []
    assert len(facts(sealing.home, "KeysRotated")) == 1


def test_a_key_that_was_being_written_when_its_writer_was_killed_is_destroyed_with_the_other(sealing: Sealing) -> None:
    path = ring_of(sealing.home).path_of(sealing.ada)
    draft_of(path).write_bytes(path.read_bytes())

    sealing.erase()

    assert [each.name for each in path.parent.glob(f"{sealing.ada}*")] == []


def test_a_key_made_meanwhile_under_the_old_key_encryption_key_is_wrapped_anew(sealing: Sealing) -> None:
    ring = ring_of(sealing.home)
    (old,) = ring.keks().values()

    def meanwhile(step: str) -> None:
        if step == "rewrapped pseudonyms":  # by somebody who has not heard of the new one
            name = ring.pseudonym("someone new")
            write_record(ring.path_of(name), wrap(old, name, "00000001", bytes(range(32)), {}))

    done = errands.rotate(sealing.home, "Eve", 5.0, meanwhile)

    assert done.keys == 3
    assert {record.kek for name in ring.known() if (record := ring.record(name)) is not None} == {done.now}


def test_keys_move_from_the_file_to_a_credential_and_from_one_to_the_next(
    sealing: Sealing, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    given = tmp_path_factory.mktemp("credentials")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    (given / CREDENTIAL).write_bytes(b"a" * 32)
    assert errands.rotate(sealing.home, "Eve", 5.0).is_destroyed
    assert not (sealing.home / "keys" / "kek").exists()
    assert sealing.accounts()[0] == ADA
    with pytest.raises(CallerError, match=CREDENTIAL_OLD):
        errands.rotate(sealing.home, "Eve", 5.0)

    (given / CREDENTIAL).rename(given / CREDENTIAL_OLD)
    (given / CREDENTIAL).write_bytes(b"b" * 32)
    assert not errands.rotate(sealing.home, "Eve", 5.0).is_destroyed
    (given / CREDENTIAL_OLD).unlink()

    assert sealing.accounts() == [ADA, BOB, ADA, ADA, BOB]


def test_a_hub_whose_keys_cannot_be_used_is_refused_before_it_starts(sealing: Sealing) -> None:
    (sealing.home / "keys" / "kek").unlink()

    with pytest.raises(CallerError, match="bring home/keys/kek back"):
        admit_keys(sealing.home, is_declared=True)


# --- copies of the key store ------------------------------------------------------------------------------------------


def test_a_copy_of_the_keys_brings_back_what_was_lost_and_nobody_who_was_erased(
    sealing: Sealing, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("copy") / "keys"
    assert key_copies.save(sealing.home, copy, "Eve", 3.0) == 2
    assert not (copy / "kek").exists()
    assert sealing.erase().saved == 3.0
    for path in (sealing.home / "keys" / "subjects").glob("*"):
        if path.name != "pseudonyms.key":
            path.unlink()
    assert BOB not in sealing.accounts()

    fact = key_copies.bring_back(sealing.home, copy, "Eve")

    gone = f"(erased: subject {sealing.ada})"
    assert (fact.keys, fact.refused) == (1, 1)
    assert sealing.accounts() == [gone, BOB, gone, gone, BOB]
    assert ring_of(sealing.home).not_for(sealing.ada) == {"ws4": 5}


def test_a_copy_of_before_a_rotation_brings_back_no_key_that_nothing_unwraps(
    sealing: Sealing, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("copy") / "keys"
    key_copies.save(sealing.home, copy, "Eve", 3.0)
    errands.rotate(sealing.home, "Eve", 5.0)
    ring_of(sealing.home).path_of(sealing.ada).unlink()

    with pytest.raises(CallerError, match="if a rotation destroyed it, they are lost"):
        key_copies.bring_back(sealing.home, copy, "Eve")

    admit_keys(sealing.home, is_declared=True)
    sealing.say(ADA)
    assert sealing.accounts()[-1] == ADA


def test_keys_are_not_copied_into_the_home(sealing: Sealing) -> None:
    with pytest.raises(CallerError, match="in the home"):
        key_copies.save(sealing.home, sealing.home / "keys-copy", "Eve", 3.0)
