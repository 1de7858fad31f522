"""The witness: what it signs and refuses, as a program of its own, and a hub that does not wait for it."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import cosigning, keys, witness
from alluse_hub.actors.auditor.cosigning import Answer, Cosigner, UnixConnection, ask
from alluse_hub.actors.auditor.merkle import Tree, consistency, nodes_of
from alluse_hub.actors.auditor.notes import COSIGNATURE, Checkpoint, Note, Signature, Signer, Vkey
from alluse_hub.actors.auditor.witness import Server, Witness
from alluse_hub.actors.auditor.witnessing import Log, Request, judge
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import WitnessHeard
from tests.actors.auditor.proofs import leaf_hash
from tests.actors.auditor.test_checkpoints import Desk
from tests.actors.auditor.words import DEADLINE_S, until

SIGNER = Signer("alluse/1", bytes(32))
OTHER = Signer("alluse/1", bytes(range(32)))
LEAVES = [leaf_hash(bytes([n])) for n in range(40)]
TREES = [Tree().grown(LEAVES[:size])[0] for size in range(41)]
TILES = {(level, place): hashes for level, place, hashes in Tree().grown(LEAVES)[1]}
NODES = nodes_of(lambda level, place: TILES[level, place])


def known(size: int) -> dict[str, Log]:
    return {"alluse/1": Log((SIGNER.vkey,), size, TREES[size].root())}


def shown(old: int, new: int, signer: Signer = SIGNER, root: bytes = b"", origin: str = "alluse/1") -> Request:
    text = Checkpoint(origin, new, root or TREES[new].root()).text
    proof = consistency(old, new, NODES) if old <= new else []
    return Request(old, tuple(proof), Note(text, (signer.sign(text),)))


def status(logs: dict[str, Log], request: Request | bytes) -> int:
    return judge(logs, request if isinstance(request, bytes) else str(request).encode()).status


# --- what is decided -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 7), (1, 2), (7, 7), (7, 40), (32, 33)])
def test_a_log_that_only_grew_is_accepted(old: int, new: int) -> None:
    verdict = judge(known(old), str(shown(old, new)).encode())

    assert verdict.status == 200
    assert verdict.accepted is not None
    assert verdict.accepted.size == new


def test_a_log_that_is_not_known_is_not_found() -> None:
    assert status(known(0), shown(0, 7, origin="alluse/2")) == 404


def test_a_head_signed_by_another_key_is_forbidden() -> None:
    assert status(known(0), shown(0, 7, OTHER)) == 403


def test_another_size_than_the_last_is_a_conflict_that_says_the_last() -> None:
    verdict = judge(known(9), str(shown(7, 40)).encode())

    assert (verdict.status, verdict.text, verdict.content_type) == (409, "9\n", "text/x.tlog.size")


def test_a_log_that_is_shorter_now_is_refused() -> None:
    assert status(known(9), shown(9, 7)) == 400
    assert status(known(9), shown(0, 7)) == 409


def test_another_tree_of_the_same_size_is_a_conflict() -> None:
    assert status(known(9), shown(9, 9, root=TREES[8].root())) == 409


def test_a_tree_that_does_not_begin_with_the_last_is_refused() -> None:
    other = shown(9, 40, root=TREES[39].root())
    cut = shown(9, 40)._replace(proof=shown(9, 40).proof[:-1])
    needless = shown(0, 40)._replace(proof=(bytes(32),))

    assert [status(known(9), other), status(known(9), cut), status(known(0), needless)] == [422, 422, 422]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"old 0\n", b"old 0\n\n", b"old 00\n\n" + str(shown(0, 7).note).encode(), b"\xff\n\n",
        b"old 0\nAAAA\n\n" + str(shown(0, 7).note).encode(), str(shown(0, 7)).encode().replace(b"\n7\n", b"\n07\n"),
        ("old 0\n" + "A" * 43 + "=\n" * 1).encode() + b"\n" + str(shown(0, 7).note).encode()[:-5],
        b"old 0\n" + (b"A" * 43 + b"=\n") * 64 + b"\n" + str(shown(0, 7).note).encode(),
    ],
)  # fmt: skip
def test_what_is_no_request_is_bad(body: bytes) -> None:
    assert status(known(0), body) == 400


# --- what is kept --------------------------------------------------------------------------------------------------


def test_a_witness_keeps_name_size_and_root_and_nothing_else(tmp_path: Path) -> None:
    made = Witness.open(tmp_path / "w", "witness.example/w1")
    made.add(SIGNER.vkey)
    made.answer(str(shown(0, 7)).encode(), 1_700_000_000)

    kept = json.loads((tmp_path / "w" / "logs.json").read_text(encoding="utf-8"))
    assert kept == {"alluse/1": {"keys": [str(SIGNER.vkey)], "size": 7, "root": TREES[7].root().hex()}}


def test_a_restarted_witness_signs_no_other_past(tmp_path: Path) -> None:
    made = Witness.open(tmp_path / "w", "witness.example/w1")
    made.add(SIGNER.vkey)
    code, _, text = made.answer(str(shown(0, 7)).encode(), 1_700_000_000)

    again = Witness.open(tmp_path / "w")

    assert code == 200
    head = Note(shown(0, 7).note.text, (Signature.parse(text.rstrip("\n")),))
    assert head.signed_by(again.signer.vkey)
    assert again.answer(str(shown(0, 7)).encode(), 1_700_000_000)[0] == 409
    assert again.answer(str(shown(7, 9, root=TREES[8].root())).encode(), 1_700_000_000)[0] == 422
    assert again.answer(str(shown(7, 9)).encode(), 1_700_000_000)[0] == 200


def test_a_witness_needs_a_name_once(tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="give --name"):
        Witness.open(tmp_path / "w")
    with pytest.raises(CallerError, match="that is a witness's key"):
        Witness.open(tmp_path / "w", "w1").add(Signer("w2", bytes(32), COSIGNATURE).vkey)


# --- the program, and the hub's side -------------------------------------------------------------------------------


class Program:
    """A witness that knows the log of a home, and answers from a thread."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.address = f"unix:{folder / 's'}"
        made = Witness.open(folder, "witness.example/w1")
        made.add(Vkey.parse(keys.key_of(home).with_suffix(".vkey").read_text(encoding="utf-8")))
        self.key = made.signer.vkey
        self.start()

    def start(self) -> None:
        self.server = Server(self.folder / "s", Witness.open(self.folder))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(DEADLINE_S)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def program(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    made = Program(tmp_path_factory.mktemp("w"), desk.home)
    yield made
    made.end()


class Side:
    """The hub's side, with its clock in hand."""

    def __init__(self, desk: Desk, address: str, key: Vkey | None) -> None:
        self.heard: list[Message] = []
        self.cosigner = Cosigner(desk.store, address, key, self.heard.append, lambda: desk.now)
        desk.notary.cosigner = self.cosigner

    def is_idle(self) -> bool:
        self.cosigner.turn()
        return self.cosigner._asked is None

    def until_heard(self, count: int) -> Message:
        def is_heard() -> bool:
            self.cosigner.turn()
            return len(self.heard) >= count

        until(is_heard)
        return self.heard[count - 1]


def test_heads_are_cosigned_and_verified_by_the_witness_s_key(desk: Desk, program: Program) -> None:
    side = Side(desk, program.address, program.key)
    desk.begin()
    desk.say(300)
    desk.notary.seal()
    assert side.until_heard(1) == WitnessHeard(size=300)
    desk.say(5)
    desk.notary.seal()
    until(lambda: side.is_idle() and side.cosigner.due_s() is None)

    assert Note.parse(desk.store.newest_checkpoint()).signed_by(program.key)
    assert Witness.open(program.folder).logs[desk.notary.origin].size == 305
    desk.close()  # two libraries of SQLite on one file in one process undo each other's locks
    report = hub_verify.verify(desk.home, witnesses=[hub_verify.Key.parse(str(program.key))])
    assert not [text for text in report.findings if "witness" in text or "cosign" in text]
    assert "the witness witness.example/w1 vouches for the first 305 entries" in report.told
    other = hub_verify.Key.parse(str(Signer("witness.example/w2", bytes(32), COSIGNATURE).vkey))
    findings = hub_verify.verify(desk.home, witnesses=[other]).findings
    assert any("cosigned by the witness witness.example/w2" in text for text in findings)


def test_it_runs_as_a_program_of_its_own(tmp_path: Path) -> None:
    words = [sys.executable, "-m", witness.__name__]
    subprocess.run([*words, "add", "--folder", tmp_path, "--name", "w1", str(SIGNER.vkey)], check=True)
    served = subprocess.Popen(
        [*words, "serve", "--folder", tmp_path, "--socket", tmp_path / "s"], stderr=subprocess.PIPE
    )
    try:
        assert served.stderr is not None
        assert served.stderr.readline() == f"w1 answers at {tmp_path / 's'}\n".encode()
        answer = ask(f"unix:{tmp_path / 's'}", str(shown(0, 7)))
    finally:
        served.kill()
        served.communicate(timeout=DEADLINE_S)

    key = Witness.open(tmp_path).signer.vkey
    assert answer.status == 200
    assert Note(shown(0, 7).note.text, (Signature.parse(answer.text.rstrip("\n")),)).signed_by(key)


def test_a_request_that_is_none_is_answered_and_the_next_one_is_served(program: Program) -> None:
    connection = UnixConnection(program.address.removeprefix("unix:"))
    connection.request("POST", "/else", b"x")
    assert connection.getresponse().status == 404
    connection.close()
    connection.request("POST", "/add-checkpoint", headers={"Content-Length": "9999999"})
    assert connection.getresponse().status == 413
    connection.close()

    assert ask(program.address, "nonsense").status == 400
    with pytest.raises(CallerError, match="is served already"):
        Server(program.folder / "s", Witness.open(program.folder))


def test_a_rollback_of_everything_is_noticed_by_the_witness(desk: Desk, program: Program) -> None:
    desk.say(3)
    desk.begin()
    desk.close()
    shutil.copytree(desk.home / "trail", desk.home / "older")
    desk.open()
    side = Side(desk, program.address, program.key)
    desk.say(3)
    desk.begin()
    side.until_heard(1)
    desk.close()

    shutil.rmtree(desk.home / "trail")
    (desk.home / "older").rename(desk.home / "trail")
    desk.open()
    side = Side(desk, program.address, program.key)
    desk.begin()
    heard = side.until_heard(1)

    assert isinstance(heard, WitnessHeard)
    assert "it has seen 6 entries of this log, where there are 3: the trail was rolled back" in heard.refusal


def test_a_trail_that_was_altered_and_signed_anew_is_refused_by_the_witness(desk: Desk, program: Program) -> None:
    side = Side(desk, program.address, program.key)
    desk.say(300)
    desk.begin()
    side.until_heard(1)
    desk.close()
    shutil.rmtree(desk.home / "trail")
    desk.open()
    desk.n = 1_000
    side = Side(desk, program.address, program.key)
    desk.say(400)
    desk.begin()

    heard = side.until_heard(1)

    assert isinstance(heard, WitnessHeard)
    assert heard.refusal.startswith("it refused with 422: the proof does not show")


def test_a_silent_witness_stops_nothing_is_told_once_and_asked_again(desk: Desk, program: Program) -> None:
    program.end()
    side = Side(desk, program.address, program.key)
    desk.begin()
    desk.say(1)
    desk.notary.seal()
    heard = side.until_heard(1)
    assert isinstance(heard, WitnessHeard)
    assert heard.refusal.startswith("it does not answer")
    assert side.cosigner.due_s() == cosigning.RETRY_S

    desk.say(1)
    assert desk.notary.seal()
    desk.now += cosigning.RETRY_S
    side.cosigner.turn()
    until(side.is_idle)
    assert side.cosigner.due_s() == 2 * cosigning.RETRY_S
    assert len(side.heard) == 1

    program.start()
    desk.now += 2 * cosigning.RETRY_S
    assert side.until_heard(2) == WitnessHeard(size=2)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (Answer(200, "nonsense\n"), "its answer is no cosignature"),
        (Answer(200, ""), "it did not sign with the key that is configured"),
        (Answer(200, str(OTHER.sign("another text\n"))), "it did not sign with the key that is configured"),
        (Answer(500, "full disk"), "it refused with 500: full disk"),
        (Answer(409, "0\n"), "it knows another tree of 0 entries"),
        (Answer(409, "9" * 40), "it refused with 409"),
    ],
)
def test_whatever_a_witness_answers_is_told_and_harms_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: Answer, refusal: str
) -> None:
    monkeypatch.setattr(cosigning, "ask", lambda *_: answer)
    side = Side(desk, "unix:/nowhere", Signer("w", bytes(32), COSIGNATURE).vkey)
    desk.say(1)
    desk.begin()

    heard = side.until_heard(1)

    assert isinstance(heard, WitnessHeard)
    assert refusal in heard.refusal
    assert len(Note.parse(desk.store.newest_checkpoint()).signatures) == 1
