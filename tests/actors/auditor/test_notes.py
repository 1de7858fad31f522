"""Notes, checkpoints, cosignatures and keys: the vectors of others, round trips, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub import hub_verify
from alluse_hub.actors.auditor.notes import COSIGNATURE, Checkpoint, Note, NoteError, Signature, Signer, Vkey

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of Go's package note."""

SEED = bytes(range(32))
LOG = Signer("alluse/0123456789ab", SEED)
WITNESS = Signer("witness.example/w1", bytes(range(1, 33)), COSIGNATURE)
HEAD = Checkpoint("alluse/0123456789ab", 20852163, bytes(range(32)))


def signed(signer: Signer, text: str = HEAD.text, at: int = 1679315147) -> Note:
    return Note(text, (signer.sign(text, at),))


def test_a_note_of_go_is_read_and_written() -> None:
    note = Note.parse(PETER_NOTE)
    signer = Signer.parse(PETER_SECRET)

    assert str(note) == PETER_NOTE
    assert len(note.signed_by(Vkey.parse(PETER))) == 1
    assert str(signer.vkey) == PETER
    assert signer.secret() == PETER_SECRET + "\n"
    assert signer.sign(note.text) == note.signatures[0]


def test_a_checkpoint_is_three_lines() -> None:
    assert HEAD.text == "alluse/0123456789ab\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert Checkpoint.parse(HEAD.text) == HEAD
    assert Checkpoint.parse(HEAD.text + "an extension\n") == HEAD


@pytest.mark.parametrize(
    "text",
    [
        "", "a\n1\n", "a\n01\n" + HEAD.text.split("\n")[2] + "\n", "a\n-1\n" + HEAD.text.split("\n")[2] + "\n",
        "a\n1\nAAEC\n", HEAD.text.rstrip("\n"), "\n" + HEAD.text, HEAD.text.replace("20852163", "9" * 19),
        HEAD.text.replace("Hh8=", "Hh9="), HEAD.text + "\n",
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


@pytest.mark.parametrize("signer", [LOG, WITNESS])
def test_what_is_signed_is_verified_by_us_and_by_the_verifier(signer: Signer) -> None:
    note = signed(signer)
    key = hub_verify.Key.parse(str(signer.vkey))
    checkpoint = hub_verify.Checkpoint.parse(str(note))

    assert Note.parse(str(note)).signed_by(signer.vkey) == list(note.signatures)
    assert [checkpoint.is_signed(key, raw) for key, raw in checkpoint.lines_of([key])] == [True]


@pytest.mark.parametrize("signer", [LOG, WITNESS])
def test_an_altered_text_is_refused_by_us_and_by_the_verifier(signer: Signer) -> None:
    note = Note(HEAD._replace(size=20852164).text, signed(signer).signatures)
    key = hub_verify.Key.parse(str(signer.vkey))
    checkpoint = hub_verify.Checkpoint.parse(str(note))

    with pytest.raises(NoteError, match="not that of this text"):
        note.signed_by(signer.vkey)
    assert [checkpoint.is_signed(key, raw) for key, raw in checkpoint.lines_of([key])] == [False]


def test_a_cosignature_vouches_for_its_time() -> None:
    line = WITNESS.sign(HEAD.text, 1679315147)
    later = Signature(line.name, line.key_id, (1679315148).to_bytes(8, "big") + line.signature[8:])

    assert line.signature[:8] == (1679315147).to_bytes(8, "big")
    with pytest.raises(NoteError, match="not that of this text"):
        Note(HEAD.text, (later,)).signed_by(WITNESS.vkey)


def test_a_cosignature_is_no_signature_of_the_log_with_the_same_key() -> None:
    both = Signer("same", SEED), Signer("same", SEED, COSIGNATURE)

    assert both[0].vkey.id != both[1].vkey.id
    assert signed(both[0]).signed_by(both[1].vkey) == []


def test_signatures_of_unknown_keys_are_let_be() -> None:
    note = signed(LOG).with_more(signed(WITNESS).signatures)

    assert len(note.signed_by(LOG.vkey)) == len(note.signed_by(WITNESS.vkey)) == 1
    assert note.signed_by(Vkey.parse(PETER)) == []
    assert note.with_more(note.signatures) == note


@pytest.mark.parametrize(
    "note",
    [
        "", "text\n", "text\n\n", "text\n\n\u2014 name\n", "text\n\n- name AAAAAAAA\n", "text\n\n\u2014 name AAAAAAA\n",
        "text\n\n\u2014 name AAAAAA==\n", "text\n\n\u2014 na+me AAAAAAAA\n", "te\txt\n\n\u2014 name AAAAAAAA\n",
        "text\n\n\u2014 name AAAAAAAA", "text\n\n" + "\u2014 name AAAAAAAA\n" * 65, "text\n\n\u2014 name AAAAAAB=\n",
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(NoteError):
        Note.parse(note)


@pytest.mark.parametrize(
    "text", ["", "name", PETER.replace("c74f20a3", "c74f20a4"), PETER[:-4], PETER.replace("+AR", "+AB"), " +" + PETER]
)
def test_what_is_no_public_key_is_refused_by_us_and_by_the_verifier(text: str) -> None:
    with pytest.raises(NoteError):
        Vkey.parse(text)
    with pytest.raises(ValueError):  # the sentences are the verifier's own
        hub_verify.Key.parse(text)


def test_what_is_no_secret_key_is_refused_without_being_shown() -> None:
    with pytest.raises(NoteError) as refused:
        Signer.parse(PETER_SECRET.replace("AYEK", "AYEL"))

    assert "AYEL" not in str(refused.value)
    with pytest.raises(NoteError):
        Signer.parse(PETER)
    with pytest.raises(NoteError):
        Signer("two words", SEED)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    for parse in (Note.parse, Checkpoint.parse, Vkey.parse, Signer.parse):
        with pytest.raises(NoteError):
            parse(text)
