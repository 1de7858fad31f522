"""Somebody else's code agrees: Go's ``sumdb/note`` and ``sumdb/tlog`` take our checkpoints and proofs, none altered.

Needs Go and that module as Debian has them: golang-go, golang-golang-x-mod-dev.
"""

import base64
import copy
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.leaves import ENTRY_COLUMNS, encoded
from alluse_hub.actors.auditor.merkle import consistency
from alluse_hub.actors.auditor.notes import Signer
from tests.actors.auditor.proofs import inclusion
from tests.actors.auditor.test_checkpoints import Desk

GOPATH = Path("/usr/share/gocode")
SOURCE = Path(__file__).parent / "go" / "check.go"
TIMEOUT_S = 300

pytestmark = pytest.mark.skipif(
    shutil.which("go") is None or not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
    reason="no Go, or no golang.org/x/mod: Debian's golang-go and golang-golang-x-mod-dev",
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def text(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(step).decode() for step in hashes]


def document(desk: Desk) -> dict[str, Any]:
    """A trail of 700 entries signed at six sizes: 200 entries and each earlier head, proved."""
    desk.begin()
    for entries in (1, 6, 249, 256, 100, 88):
        desk.say(entries)
        desk.notary.seal()
    rows = desk.store._db.execute(f"SELECT {ENTRY_COLUMNS} FROM entries ORDER BY leaf").fetchall()
    notes = desk.store._db.execute("SELECT size, note FROM checkpoints ORDER BY size").fetchall()
    size, nodes = len(rows), desk.store.tree.nodes
    return {
        "Key": keys.key_of(desk.home).with_suffix(".vkey").read_text(encoding="utf-8").strip(),
        "Note": notes[-1][1],
        "Inclusion": [
            {
                "Index": index,
                "Entry": base64.b64encode(next(encoded([rows[index]]))).decode(),
                "Proof": text(inclusion(index, size, nodes)),
            }
            for index in (*range(0, size, 4), *range(size - 25, size))
        ],
        "Consistency": [{"Old": note, "Proof": text(consistency(old, size, nodes))} for old, note in notes],
    }


def altered(good: dict[str, Any]) -> list[dict[str, Any]]:
    """One thing each."""
    found = []
    for change in range(7):
        bad = copy.deepcopy(good)
        one, grown = bad["Inclusion"][17], bad["Consistency"][3]
        match change:
            case 0:
                bad["Note"] = bad["Note"].replace("\n700\n", "\n701\n")
            case 1:
                raw = bytearray(base64.b64decode(one["Entry"]))
                raw[40] ^= 1
                one["Entry"] = base64.b64encode(raw).decode()
            case 2:
                one["Index"] += 1
            case 3:
                one["Proof"][2] = one["Proof"][3]
            case 4:
                grown["Proof"].pop()
            case 5:
                grown["Old"], bad["Consistency"][2]["Old"] = bad["Consistency"][2]["Old"], grown["Old"]
            case 6:
                bad["Key"] = str(Signer(bad["Key"].partition("+")[0], bytes(32)).vkey)
        found.append(bad)
    return found


def test_go_accepts_what_we_sign_and_prove_and_refuses_what_was_altered(desk: Desk, tmp_path: Path) -> None:
    good = document(desk)

    said = subprocess.run(
        ["go", "run", SOURCE],
        input=json.dumps([good, *altered(good)]),
        env={
            **os.environ,
            "GO111MODULE": "off",
            "GOPATH": str(GOPATH),
            "GOCACHE": str(tmp_path / "cache"),
            "GOFLAGS": "",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )

    assert said.stderr == ""
    answers = said.stdout.splitlines()
    assert len(good["Inclusion"]) == 200
    assert answers[0] == "accepted"
    assert [answer.partition(":")[0] for answer in answers[1:]] == ["refused"] * 7
