"""Exports: what is taken out comes back to the byte, and any change of it is found with nothing else at hand."""

import csv
import hashlib
import json
import shutil
import struct
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alluse_hub import hub_verify
from alluse_hub.actors.auditor import export as exporting
from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.checkpoints import Notary
from alluse_hub.actors.auditor.export import COLUMNS, WRITERS, export, safe, subtrees
from alluse_hub.actors.auditor.find import find
from alluse_hub.actors.auditor.head import Head
from alluse_hub.actors.auditor.indexer import advance, index_of, open_index
from alluse_hub.actors.auditor.store import Place, Row, Store
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.find import Find
from alluse_hub.supervision.spool import SpoolName

pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")

VERIFIER = Path(hub_verify.__file__)
ROWS = 700
NASTY = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "'quoted",
    "\tx",
    "a,b",
    'say "x"',
    "two\nlines",
    "\r\n",
    "ü€",
    "",
    "x" * 70_000,
)


def row(n: int) -> Row:
    peer = NASTY[n % len(NASTY)]
    body = (None, json.dumps({"x": n, "y": "=cmd()"}), '{"x" : 1.0e+5 , "s":"\\u00e9"}', '{\n"lines":2}')[n % 4]
    return Row(f"ws{n % 3}", 1, n, "fact", "Said", peer, "", "", "", n / 7, 1e9 + n / 3, n % 2 == 0, f"ws{n % 5}", body)


def signed(home: Path, rows: list[Row]) -> Path:
    store = Store.open(home / "trail" / "trail.db")
    store.commit(rows, {SpoolName("ws1", 1): Place(500, len(rows))})
    notary = Notary(store, Head(home / "trail" / "head"), keys.make(keys.key_of(home), "alluse/1"))
    notary.begin()
    notary.seal()
    store.close()
    return home


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = signed(tmp_path_factory.mktemp("export"), [row(n) for n in range(1, ROWS + 1)])
    connection = open_index(home / "trail" / "trail.db", index_of(home))
    while advance(connection):
        pass
    connection.close()
    return home


def quiet(*_: int) -> None: ...


def verified(folder: Path, *more: str) -> hub_verify.Report:
    arguments = types.SimpleNamespace(vkey=list(more), witness_vkey=[], checkpoint=[], all=False)
    return hub_verify.run(arguments, folder)  # type: ignore[arg-type]  # has what is asked of it


QUESTIONS = [
    Find(),
    Find(workstream="ws3"),
    Find(after=100, before=300),
    Find(messages=("Nothing",)),
    Find(since=1e9 + 50, until=1e9 + 60, power=True),
    Find(text="cmd", before=1),
]


@pytest.mark.parametrize("form", sorted(WRITERS))
@pytest.mark.parametrize("question", QUESTIONS, ids=range(len(QUESTIONS)))
def test_what_is_exported_comes_back_to_the_byte_and_is_whole(
    trail: Path, tmp_path: Path, form: str, question: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 64)
    wanted = find(trail, question.model_copy(update={"limit": 10_000, "oldest_first": True}), COLUMNS).rows

    made = export(trail, question, tmp_path / "out", form, quiet)

    report = hub_verify.Report()
    rows = hub_verify.ROWS_OF[form](tmp_path / "out" / f"entries.{form}", report)
    assert rows is not None
    assert [(type(value), value) for one in rows for value in one] == [
        (type(value), value) for one in wanted for value in one
    ]
    assert (made.rows, made.is_signed, made.unsigned) == (len(wanted), True, 0)
    assert verified(tmp_path / "out").findings == report.findings == []


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_a_clean_process_with_the_standard_library_alone_verifies_it(trail: Path, tmp_path: Path, form: str) -> None:
    export(trail, Find(workstream="ws1"), tmp_path / "out", form, quiet)
    vkey = keys.key_of(trail).with_suffix(".vkey").read_text(encoding="utf-8").strip()
    alone = shutil.copy(VERIFIER, tmp_path / "hub_verify.py")

    words = [sys.executable, "-I", "-S", alone, str(tmp_path / "out"), "--vkey", vkey]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    said = "rows not read" if form == "parquet" else f"{ROWS // 5} rows"
    assert f"the export is whole: {said} of the places 1 to {ROWS}" in ended.stdout


# --- the tamper matrix ------------------------------------------------------------------------------------------------


def rows_of(folder: Path, form: str) -> list[list[object]]:
    found = hub_verify.ROWS_OF[form](folder / f"entries.{form}", hub_verify.Report())
    assert found is not None
    return [list(one) for one in found]


def rewrite(folder: Path, form: str, rows: list[list[object]]) -> None:
    path = folder / f"entries.{form}"
    path.unlink()
    writer = exporting.WRITERS[form](path)
    writer.write([tuple(one) for one in rows])
    writer.close()


def alter(rows: list[list[object]]) -> None:
    rows[10][-1] = '{"x":1}'


def alter_a_time(rows: list[list[object]]) -> None:
    rows[10][11] = 5.0


def remove(rows: list[list[object]]) -> None:
    del rows[10]


def remove_last(rows: list[list[object]]) -> None:
    del rows[-1]


def insert(rows: list[list[object]]) -> None:
    rows.insert(11, [rows[10][0], *rows[9][1:]])


def insert_at_a_gap(rows: list[list[object]]) -> None:
    rows.insert(11, [int(str(rows[10][0])) + 1, *rows[10][1:]])


def swap(rows: list[list[object]]) -> None:
    rows[10], rows[11] = rows[11], rows[10]


ATTACKS: dict[Callable[[list[list[object]]], None], str] = {
    alter: "the row of place 54, ws0/1/54, is not the entry that was there",
    alter_a_time: "the row of place 54, ws0/1/54, is not the entry that was there",
    remove: "the row of place 54 is missing",
    remove_last: "the row of place 699 is missing",
    insert: "the row of place 54, ws1/1/49, is not in the proof",
    insert_at_a_gap: "the row of place 55, ws0/1/54, is not in the proof",
    swap: "the row of place 54 is missing",
}


def sealed_anew(folder: Path) -> None:
    """What somebody does who knows the form: hashes and counts fit again.  Only the key is missing."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = {name: exporting.digest(folder / name) for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "manifest.note").unlink()


@pytest.mark.parametrize("form", sorted(WRITERS))
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_row_that_was_touched_is_named(
    trail: Path, tmp_path: Path, form: str, attack: Callable[[list[list[object]]], None]
) -> None:
    folder = tmp_path / "out"
    export(trail, Find(workstream="ws4"), folder, form, quiet)
    rows = rows_of(folder, form)
    attack(rows)
    rewrite(folder, form, rows)

    plain = verified(folder).findings
    sealed_anew(folder)
    again = verified(folder).findings

    assert any(ATTACKS[attack] in one for one in plain), plain
    assert any(f"entries.{form} is not the file" in one for one in plain)
    assert any(ATTACKS[attack] in one for one in again), again


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_a_row_altered_together_with_its_leaf_is_told_by_the_checkpoint(trail: Path, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "out"
    export(trail, Find(workstream="ws4"), folder, form, quiet)
    rows = rows_of(folder, form)
    alter(rows)
    rewrite(folder, form, rows)
    raw = bytearray((folder / "leaves").read_bytes())
    raw[10 * 40 + 8 : 11 * 40] = hub_verify.leaf_hashes([tuple(rows[10])])[0]
    (folder / "leaves").write_bytes(raw)
    sealed_anew(folder)

    assert verified(folder).findings == [
        "its checkpoint vouches for another tree: leaves and gaps do not add up to its root"
    ]


def test_rows_left_out_together_with_their_proof_are_told_by_the_signature(trail: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    export(trail, Find(workstream="ws4", before=400), folder, "jsonl", quiet)
    smaller = tmp_path / "smaller"
    export(trail, Find(workstream="ws4", before=300), smaller, "jsonl", quiet)
    for name in ("entries.jsonl", "leaves", "gaps"):
        shutil.copy(smaller / name, folder / name)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] = {name: exporting.digest(folder / name) for name in manifest["files"]}
    manifest["rows"] = len(rows_of(folder, "jsonl"))
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")

    assert verified(folder).findings == ["the manifest is not the one that was signed: it was altered"]
    (folder / "manifest.note").unlink()
    report = verified(folder)
    assert report.findings == []
    assert any("the manifest is not signed" in one for one in report.told)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("harm", [cut, flip])
@pytest.mark.parametrize("name", ["leaves", "gaps", "checkpoint", "manifest.note", "entries.csv", "entries.jsonl"])
def test_no_file_of_an_export_can_be_harmed_unseen(
    trail: Path, tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    form = name.rpartition(".")[2] if name.startswith("entries") else "jsonl"
    export(trail, Find(workstream="ws4"), tmp_path / "out", form, quiet)
    harm(tmp_path / "out" / name)

    assert verified(tmp_path / "out").findings != []


def test_the_key_of_another_hub_vouches_for_nothing(trail: Path, tmp_path: Path) -> None:
    export(trail, Find(), tmp_path / "out", "csv", quiet)
    other = keys.make(tmp_path / "other" / "trail.key", "alluse/1").vkey

    findings = verified(tmp_path / "out", str(other)).findings

    assert any("not signed with the key given" in one for one in findings)


def test_a_column_said_twice_is_no_row(trail: Path, tmp_path: Path) -> None:
    export(trail, Find(), tmp_path / "out", "jsonl", quiet)
    path = tmp_path / "out" / "entries.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[3] = lines[3].replace('"actor": ', '"actor": "mallory", "actor": ')
    path.write_text("".join(lines), encoding="utf-8")

    assert any("line 4 of entries.jsonl is no row" in one for one in verified(tmp_path / "out").findings)


# --- forms ------------------------------------------------------------------------------------------------------------


@given(st.text())
def test_no_cell_is_a_formula_and_each_comes_back(text: str) -> None:
    cell = str(safe(text))

    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert hub_verify.plain(cell) == text


def test_an_apostrophe_taken_away_makes_a_formula_and_is_told(trail: Path, tmp_path: Path) -> None:
    export(trail, Find(), tmp_path / "out", "csv", quiet)
    path = tmp_path / "out" / "entries.csv"
    path.write_bytes(path.read_bytes().replace(b"'@SUM", b"@SUM", 1))

    assert any("is a formula to a spreadsheet" in one for one in verified(tmp_path / "out").findings)


def test_a_csv_is_read_by_others_as_it_was_written(trail: Path, tmp_path: Path) -> None:
    export(trail, Find(), tmp_path / "out", "csv", quiet)

    with (tmp_path / "out" / "entries.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))

    assert len(read) == ROWS
    assert list(read[0]) == COLUMNS.split(", ")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(places=st.sets(st.integers(1, 300), max_size=40), size=st.integers(300, 700))
def test_leaves_and_gaps_add_up_to_the_root_of_any_tree(tmp_path: Path, places: set[int], size: int) -> None:
    leaves = [hashlib.sha256(b"\x00%d" % n).digest() for n in range(size)]

    def node(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        return hashlib.sha256(b"\x01" + node(level - 1, 2 * index) + node(level - 1, 2 * index + 1)).digest()

    at, gaps = 0, b""
    for place in sorted(places):
        gaps += b"".join(node(*one) for one in subtrees(at, place - 1))
        at = place
    gaps += b"".join(node(*one) for one in subtrees(at, size))
    (tmp_path / "gaps").write_bytes(gaps)
    (tmp_path / "leaves").write_bytes(
        b"".join(struct.pack(">Q32s", place, leaves[place - 1]) for place in sorted(places))
    )
    whole = hub_verify.Tree()
    whole.grow(list(leaves))

    assert hub_verify.verify_pieces(tmp_path, size, hub_verify.Report()) == (len(places), whole.root())


# --- what stands in the way -------------------------------------------------------------------------------------------


def test_nothing_is_ever_written_over(trail: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x", encoding="utf-8")

    with pytest.raises(CallerError, match="is there already"):
        export(trail, Find(), tmp_path / "out", "csv", quiet)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_export_that_fails_leaves_nothing(trail: Path, tmp_path: Path) -> None:
    def interrupted(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(trail, Find(), tmp_path / "out", "csv", interrupted)
    with pytest.raises(CallerError, match="no word in it"):
        export(trail, Find(text="*"), tmp_path / "out", "csv", quiet)
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_parquet_says_what_to_install(
    trail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(CallerError, match=r"pip install 'alluse-hub\[parquet\]'"):
        export(trail, Find(), tmp_path / "out", "parquet", quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_trail_without_a_signature_proves_nothing_and_is_not_exported(tmp_path: Path) -> None:
    Store.open(tmp_path / "trail" / "trail.db").close()

    with pytest.raises(TrailError, match="nothing in this trail is signed yet"):
        export(tmp_path, Find(), tmp_path / "out", "csv", quiet)


def test_what_is_under_no_checkpoint_yet_is_left_out_and_told(tmp_path: Path) -> None:
    home = signed(tmp_path, [row(n) for n in range(1, 11)])
    store = Store.open(home / "trail" / "trail.db")
    store.commit([row(11)], {SpoolName("ws1", 1): Place(600, 11)})
    store.close()

    made = export(home, Find(), tmp_path / "out", "csv", quiet)

    assert (made.rows, made.last, made.unsigned) == (10, 10, 1)
    assert verified(tmp_path / "out").findings == []


def test_who_cannot_read_the_key_exports_without_a_signature(tmp_path: Path) -> None:
    home = signed(tmp_path, [row(n) for n in range(1, 11)])
    keys.key_of(home).unlink()

    made = export(home, Find(), tmp_path / "out", "csv", quiet)

    assert not made.is_signed
    report = verified(tmp_path / "out")
    assert report.findings == []
    assert any("not signed" in one for one in report.told)
