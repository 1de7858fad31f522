"""Keys of subjects: made once, wrapped, closed to others; whoever holds one looks at its file before each use."""

import os
import stat
from pathlib import Path

import pytest

from alluse_hub.protocols.errors import TrailError
from alluse_hub.supervision.keyfiles import (
    CREDENTIAL,
    destroy,
    kek_id,
    parse_record,
    unwrap,
    wrap,
    write_kek,
    write_whole,
)
from alluse_hub.supervision.keyring import Keyring

SUBJECT = "0123456789abcdef"


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path)


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    return folder


def test_nothing_is_made_before_something_is_sealed(ring: Keyring) -> None:
    assert ring.to_open(SUBJECT, "00000000") is None
    assert (ring.known(), ring.erased(), ring.folder.exists()) == ([], [], False)


def test_all_that_is_made_is_closed_to_others(ring: Keyring) -> None:
    ring.to_seal(ring.pseudonym("x"))

    for path in [ring.folder, *ring.folder.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_a_key_is_the_same_for_all_and_for_later(ring: Keyring, tmp_path: Path) -> None:
    key, name = ring.to_seal(SUBJECT), ring.pseudonym("x")
    other = Keyring(tmp_path)

    assert (other.to_seal(SUBJECT).id, other.pseudonym("x")) == (key.id, name)
    sealed = key.cipher.encrypt(bytes(12), b"a", b"")
    found = other.to_open(SUBJECT, key.id)
    assert found is not None
    assert found.decrypt(bytes(12), sealed, b"") == b"a"


def test_processes_that_need_a_key_at_once_get_one_and_the_same(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    children = []
    for _ in range(6):
        child = os.fork()
        if not child:
            status = 1
            try:
                os.write(writing, f"{Keyring(tmp_path).to_seal(SUBJECT).id} ".encode())
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    os.close(writing)
    with os.fdopen(reading) as said:
        ids = said.read().split()

    assert (len(ids), len(set(ids))) == (6, 1)


def test_a_destroyed_key_is_used_no_more_by_who_has_it_in_memory(ring: Keyring, tmp_path: Path) -> None:
    old = ring.to_seal(SUBJECT)
    Keyring(tmp_path).to_seal(SUBJECT)

    destroy(ring.path_of(SUBJECT))

    assert ring.to_open(SUBJECT, old.id) is None
    assert ring.to_seal(SUBJECT).id != old.id


def test_destroying_overwrites_what_the_file_held(ring: Keyring) -> None:
    ring.to_seal(SUBJECT)
    path = ring.path_of(SUBJECT)
    held = path.read_bytes()
    with path.open("rb") as still_open:
        destroy(path)
        left = still_open.read()

    assert (path.exists(), len(left), left == held) == (False, len(held), False)


def test_a_key_encryption_key_that_others_can_read_is_none(ring: Keyring, tmp_path: Path) -> None:
    ring.to_seal(SUBJECT)
    (ring.folder / "kek").chmod(0o640)

    with pytest.raises(TrailError, match="chmod 600"):
        Keyring(tmp_path).to_seal(SUBJECT)


def test_a_damaged_key_encryption_key_is_told_as_such(ring: Keyring, tmp_path: Path) -> None:
    ring.to_seal(SUBJECT)
    (ring.folder / "kek").write_text("alluse-hub-kek+00000000+AAAA\n", encoding="ascii")

    with pytest.raises(TrailError, match="no key-encryption key"):
        Keyring(tmp_path).to_seal(SUBJECT)


def test_without_the_key_encryption_key_nothing_opens_and_no_other_is_made(ring: Keyring, tmp_path: Path) -> None:
    key = ring.to_seal(SUBJECT)
    (ring.folder / "kek").unlink()
    later = Keyring(tmp_path)

    assert later.to_open(SUBJECT, key.id) is None
    with pytest.raises(TrailError, match="is gone"):
        later.to_seal("f" * 16)
    with pytest.raises(TrailError, match="is wrapped by"):
        later.to_seal(SUBJECT)


def test_every_key_encryption_key_can_be_read_back(tmp_path: Path) -> None:
    """Base64 has the sign that parts the fields."""
    for n in range(64):
        made = write_kek(tmp_path / "keys" / "kek", bytes([n * 4 + 2, 255 - n]) * 16)
        assert Keyring(tmp_path).keks() == {made.id: made}


def test_a_file_that_the_system_takes_in_parts_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))

    write_whole(tmp_path / "erased", bytes(range(100)))

    assert (tmp_path / "erased").read_bytes() == bytes(range(100))


def test_a_key_altered_or_put_in_the_place_of_another_is_refused(ring: Keyring) -> None:
    kek = write_kek(ring.folder / "kek", bytes(32))
    record = wrap(kek, SUBJECT, "00000001", bytes(range(32)), {})

    assert unwrap({kek.id: kek}, record) == bytes(range(32))
    for wrong in (
        record._replace(subject="f" * 16),
        record._replace(key="00000002"),
        record._replace(wrapped=record.wrapped[:-1] + bytes([record.wrapped[-1] ^ 1])),
    ):
        with pytest.raises(TrailError, match="altered"):
            unwrap({kek.id: kek}, wrong)
    with pytest.raises(TrailError, match="is no key"):
        parse_record(b'{"subject": 1}', "x.key")


def test_a_credential_takes_the_place_of_the_file(credentials: Path, tmp_path: Path) -> None:
    (credentials / CREDENTIAL).write_bytes(b"a" * 40)

    key = Keyring(tmp_path).to_seal(SUBJECT)

    assert not (tmp_path / "keys" / "kek").exists()
    record = Keyring(tmp_path).record(SUBJECT)
    assert record is not None
    credential = Keyring(tmp_path).credential()
    assert credential is not None
    assert record.kek == credential.id == kek_id(credential.key)
    (credentials / CREDENTIAL).write_bytes(b"b" * 40)
    assert Keyring(tmp_path).to_open(SUBJECT, key.id) is None


def test_a_credential_that_is_too_short_is_refused(credentials: Path, tmp_path: Path) -> None:
    (credentials / CREDENTIAL).write_bytes(b"password")

    with pytest.raises(TrailError, match="has 8 bytes; give 32"):
        Keyring(tmp_path).to_seal(SUBJECT)
