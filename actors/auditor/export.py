"""Taking entries out, with what proves them: a folder that stands for itself.

| file | what |
|---|---|
| ``entries.csv``, ``.jsonl`` or ``.parquet`` | a row for each entry, in the order of their places, with all columns |
| ``leaves`` | for each row its place (8 bytes, big-endian) and the hash of its leaf (32): which row is wrong |
| ``gaps`` | the hashes of all that is not in it, as the largest complete subtrees that fit between, in their order |
| ``checkpoint`` | the signed head of the tree that leaves and gaps add up to |
| ``manifest.json`` | the filters, the places looked at, counts, and the SHA-256 of each file beside it |
| ``manifest.note`` | the manifest's SHA-256, signed with the key of the log, where that can be read |

Leaves and gaps make up the whole tree, so nothing in the rows can differ from what the checkpoint vouches for.  Which
places fit the filters is no matter of the tree: that none was left out is what the signature of the manifest says.

A row's text comes back to the byte, from each form: that is what the proof needs.  In CSV a text that a spreadsheet
would take for a formula has an apostrophe before it, and so has every text that begins with one.  In JSON Lines the
body comes last, as it was written.  Rows stream: what is held at once is one page of them.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from alluse_hub.actors.auditor import keys
from alluse_hub.actors.auditor.find import find
from alluse_hub.actors.auditor.leaves import ENTRY_COLUMNS, leaf_hashes
from alluse_hub.actors.auditor.merkle import Nodes
from alluse_hub.actors.auditor.notes import Checkpoint, Note
from alluse_hub.actors.auditor.parquet import ParquetFile
from alluse_hub.actors.auditor.reader import reading
from alluse_hub.actors.auditor.stored_tree import last_leaf, newest, nodes_in
from alluse_hub.protocols.errors import CallerError, HubError, TrailError
from alluse_hub.protocols.find import Find

SCHEMA = "alluse-hub/export"
VERSION = 1
PAGE = 5_000
COLUMNS = f"leaf, {ENTRY_COLUMNS}"
NAMES = tuple(COLUMNS.split(", "))
TYPES = tuple(
    {"leaf": int, "incarnation": int, "n": int, "power": int, "at": float, "wall": float}.get(n, str) for n in NAMES
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""First characters of a text that a spreadsheet would compute, and the one that is put in front."""

Row = tuple[Any, ...]  # Any: columns of several types
Progress = Callable[[int, int, int], None]
"""Told of rows written, the place reached, and the last one there is."""


class Exported(NamedTuple):
    rows: int
    first: int
    last: int
    files: dict[str, str]
    unsigned: int  # entries behind the checkpoint that were left out
    is_signed: bool


class Writer(Protocol):
    def write(self, rows: list[Row], /) -> None: ...
    def close(self) -> None: ...


class CsvFile:
    def __init__(self, path: Path) -> None:
        self._file = path.open("x", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\r\n")  # as RFC 4180 has it
        self._writer.writerow(NAMES)

    def write(self, rows: list[Row]) -> None:
        self._writer.writerows([safe(value) for value in row] for row in rows)

    def close(self) -> None:
        self._file.close()


class JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("x", encoding="utf-8", newline="\n")

    def write(self, rows: list[Row]) -> None:
        self._file.writelines(json_line(row) for row in rows)

    def close(self) -> None:
        self._file.close()


def safe(value: object) -> object:
    """A text that no spreadsheet takes for a formula; one apostrophe less gives it back."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return repr(value) if isinstance(value, float) else value


def json_line(row: Row) -> str:
    """The body to the byte, as the last value; as a text where it would not fit a line."""
    *known, body = row
    head = json.dumps(dict(zip(NAMES, known, strict=False)), ensure_ascii=False)[:-1]
    if body is None or ("\n" not in body and "\r" not in body):
        return f'{head},"body":{"null" if body is None else body}}}\n'
    return f'{head},"body_text":{json.dumps(body)}}}\n'


WRITERS: dict[str, Callable[[Path], Writer]] = {
    "csv": CsvFile,
    "jsonl": JsonLines,
    "parquet": lambda path: ParquetFile(path, NAMES, TYPES),
}


def export(home: Path, question: Find, folder: Path, form: str, progress: Progress) -> Exported:
    """All entries that fit, up to the last checkpoint, oldest first, into a folder that is not there yet.

    Raises CallerError, TrailError, OSError; then nothing is left of it.
    """
    note, stored = _head(home)
    head = Checkpoint.parse(Note.parse(note).text)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise CallerError(f"{folder} is there already; nothing is written over: choose another folder") from error
    try:
        return _written(home, question, folder, form, progress, note, head, stored)
    except BaseException:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        raise


def _head(home: Path) -> tuple[str, int]:
    """The last checkpoint and the newest place.  Raises TrailError where nothing is signed."""
    with reading(home) as store:
        if store is None:
            raise TrailError(f"{home} has no trail yet; start the hub once")
        made = store.execute("SELECT 1 FROM sqlite_master WHERE name = 'checkpoints'").fetchone()
        note = newest(store) if made else ""
        if not note:
            raise TrailError("nothing in this trail is signed yet, so nothing could be proved; start the hub once")
        return note, last_leaf(store)


def _written(
    home: Path, question: Find, folder: Path, form: str, progress: Progress, note: str, head: Checkpoint, stored: int
) -> Exported:
    name = f"entries.{form}"
    before = head.size + 1 if question.before is None else min(question.before, head.size + 1)
    asked = question.model_copy(update={"oldest_first": True, "limit": PAGE, "before": before})
    writer = WRITERS[form](folder / name)
    proof = Proof(folder)
    first, last = (question.after or 0) + 1, before - 1
    try:
        for rows, reached in _pages(home, asked):
            if rows:
                writer.write(rows)
                with reading(home) as store:
                    assert store is not None, "rows came out of it"
                    proof.take(rows, nodes_in(store))
            last = reached
            progress(proof.rows, reached, before - 1)
        with reading(home) as store:
            assert store is not None, "it was there"
            proof.finish(head.size, nodes_in(store))
    finally:
        proof.close()
        writer.close()
    (folder / "checkpoint").write_text(note, encoding="utf-8")
    files = {file: digest(folder / file) for file in (name, "leaves", "gaps", "checkpoint")}
    filters = question.model_dump(mode="json", exclude_defaults=True, exclude={"limit", "oldest_first"})
    manifest = {
        "schema": SCHEMA,
        "version": VERSION,
        "origin": head.origin,
        "filters": filters,
        "form": form,
        "first": first,
        "last": last,
        "rows": proof.rows,
        "size": head.size,
        "columns": NAMES,
        "files": files,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    is_signed = _sign(home, folder, text.encode(), head.origin, proof.rows)
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    return Exported(proof.rows, first, last, files, stored - head.size, is_signed)


def _pages(home: Path, question: Find) -> Iterator[tuple[list[Row], int]]:
    """Each in a moment of its own: entries are only added, and a long look would keep the store's log from folding."""
    while True:
        found = find(home, question, COLUMNS)
        yield found.rows, found.last
        if found.next is None:
            return
        question = question.model_copy(update={"after": found.next})


def _sign(home: Path, folder: Path, manifest: bytes, origin: str, rows: int) -> bool:
    """Only whoever may read the log's key can; others export without."""
    try:
        signer = keys.load(keys.key_of(home))
    except (HubError, OSError):
        signer = None
    vkey = keys.key_of(home).with_suffix(".vkey")
    if vkey.exists():
        (folder / "vkey").write_text(vkey.read_text(encoding="utf-8"), encoding="utf-8")
    if signer is None or signer.vkey.name != origin:
        return False
    # The form of a checkpoint, of a log that is none: nobody can take it for one of this log.
    text = Checkpoint(f"{origin}/export", rows, hashlib.sha256(manifest).digest()).text
    (folder / "manifest.note").write_text(str(Note(text, (signer.sign(text),))), encoding="utf-8")
    return True


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Proof:
    """The files ``leaves`` and ``gaps``, written as the rows go by."""

    def __init__(self, folder: Path) -> None:
        self.rows = 0
        self._at = 0  # leaves that are accounted for, counted from 0
        self._leaves = (folder / "leaves").open("xb")
        self._gaps = (folder / "gaps").open("xb")

    def take(self, rows: list[Row], node: Nodes) -> None:
        """Rows in the order of their places, which come first."""
        for row, leaf in zip(rows, leaf_hashes(row[1:] for row in rows), strict=True):
            self._skip(row[0] - 1, node)
            self._leaves.write(row[0].to_bytes(8) + leaf)
            self._at = row[0]
        self.rows += len(rows)

    def finish(self, size: int, node: Nodes) -> None:
        self._skip(size, node)

    def close(self) -> None:
        self._leaves.close()
        self._gaps.close()

    def _skip(self, to: int, node: Nodes) -> None:
        for level, index in subtrees(self._at, to):
            self._gaps.write(node(level, index))
        self._at = to


def subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The largest complete subtrees that lie side by side from ``start`` to before ``end``: level and index of each."""
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        yield level, start >> level
        start += 1 << level
