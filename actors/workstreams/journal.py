"""Exactly once by determinism: a journal of accepted commands and a snapshot of the state.

A workstream is a deterministic function of its commands, so its state can be rebuilt by running them again (command
sourcing; the write-ahead rule of ARIES, Mohan et al. 1992).  A command is journaled before it is acted upon, with a
plain write: it then survives kill -9 of the program, though not the loss of power, since nothing here waits for a
disk.  Each ``SNAPSHOT_EVERY`` commands the state is written aside, synced and renamed into place, and a new, empty
journal is begun; the snapshot names its journal, so that no crash between the two can pair the wrong ones.  The first
snapshot is taken before the first command, so that commands without a snapshot are damage too.

Every entry carries a CRC-32.  A last line without its line feed is the mark of a write cut short and is dropped; any
other damage stops the start with a sentence, because a silent fresh start would number events from 1 again.
"""

import os
from pathlib import Path
from typing import Self
from zlib import crc32

from .lines import DECODER, ENCODER, JsonObject
from .readers import DamagedError

SNAPSHOT_EVERY = 200
"""Commands between snapshots: bounds a re-run to about a tenth of a second."""

FORMAT = 1
"""Of the two files; a snapshot of another format is refused."""

REMEDY = "restore the folder from a backup, or move it away to begin again with event 1"


def sealed(body: bytes) -> bytes:
    """``body`` (without line feeds) as an entry: CRC-32 in hex, a space, the body, a line feed."""
    return b"%08x %s\n" % (crc32(body), body)


def opened(entry: bytes) -> bytes | None:
    """The body of ``entry``, or None if its CRC-32 disagrees."""
    crc, _, body = entry.partition(b" ")
    return body if crc == b"%08x" % crc32(body) else None


class StateFolder:
    """The two files of one workstream.  One program at a time owns the folder (see ``program.lock``)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.generation = 0
        self.entries = 0
        self._journal = -1

    @property
    def snapshot_path(self) -> Path:
        return self.folder / "snapshot.json"

    @property
    def journal_path(self) -> Path:
        return self.folder / f"journal-{self.generation}.jsonl"

    def load(self) -> tuple[JsonObject | None, list[bytes]]:
        """The last snapshot, if there is one, and the commands accepted after it, oldest first."""
        snapshot = self._read_snapshot()
        self.generation = 0 if snapshot is None else int(snapshot["generation"])
        self._drop_older_journals()
        commands = self._read_journal()
        if snapshot is None and commands:
            raise DamagedError(f"{self.snapshot_path} is missing, though {self.journal_path} holds commands; {REMEDY}")
        self.entries = len(commands)
        self._open_journal()
        return snapshot, commands

    def append(self, command: bytes) -> None:
        entry = sealed(command)
        while entry:
            entry = entry[os.write(self._journal, entry) :]
        self.entries += 1

    def save(self, body: JsonObject) -> None:
        """Put ``body`` in the snapshot's place and begin a new journal."""
        self.generation += 1
        text = ENCODER.encode({"format": FORMAT, "generation": self.generation, **body}).encode("ascii")
        aside = self.folder / "snapshot.json.new"
        with aside.open("wb") as file:
            file.write(sealed(text))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.snapshot_path)
        self.close()
        self._drop_older_journals()
        self._open_journal()
        self.entries = 0

    def close(self) -> None:
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_journal(self) -> None:
        self._journal = os.open(self.journal_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _read_snapshot(self) -> JsonObject | None:
        if not self.snapshot_path.exists():
            return None
        body = opened(self.snapshot_path.read_bytes().removesuffix(b"\n"))
        if body is None:
            raise DamagedError(f"{self.snapshot_path}: the checksum does not fit its content; {REMEDY}")
        snapshot: JsonObject = DECODER.decode(body.decode("ascii"))
        if snapshot.get("format") != FORMAT:
            raise DamagedError(
                f"{self.snapshot_path}: format {snapshot.get('format')} is not format {FORMAT}; "
                f"start the version that wrote it, or {REMEDY}"
            )
        return snapshot

    def _read_journal(self) -> list[bytes]:
        if not self.journal_path.exists():
            return []
        content = self.journal_path.read_bytes()
        whole, feed, torn = content.rpartition(b"\n")
        if torn:
            os.truncate(self.journal_path, len(whole) + len(feed))
        commands = []
        for number, entry in enumerate(whole.split(b"\n") if whole else (), start=1):
            body = opened(entry)
            if body is None:
                raise DamagedError(
                    f"{self.journal_path}, line {number}: the checksum does not fit its content; {REMEDY}"
                )
            commands.append(body)
        return commands

    def _drop_older_journals(self) -> None:
        for path in self.folder.glob("journal-*.jsonl"):
            number = int(path.stem.removeprefix("journal-"))
            if number < self.generation:
                path.unlink()
            elif number > self.generation:
                raise DamagedError(f"{self.snapshot_path} is missing or old: {path.name} follows it; {REMEDY}")
