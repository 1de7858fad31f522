"""Libraries in C that spoil a program's system calls: compiled where they are needed, preloaded into what is tested."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent

Built = Callable[[str], Path]


def build(name: str, folder: Path) -> Path:
    """``io`` or ``clock``; skips the test where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: cc is not to be found")
    made = folder / f"{name}.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(SOURCES / f"{name}.c"), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{name}.c cannot be compiled here: {done.stderr[:200]}")
    return made


@contextlib.contextmanager
def in_memory(otherwise: Path) -> Iterator[Path]:
    """A folder whose disk costs no time, for what is done ten thousand times and needs no true disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield otherwise
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


class Disk:
    """What happens to files with ``part`` in their path, in programs started with ``environment``."""

    def __init__(self, library: Path, folder: Path, part: str) -> None:
        self._words = folder / "faults"
        self.count = folder / "count"
        self.have("")
        self.environment = {
            "LD_PRELOAD": str(library),
            "IO_FILE": str(self._words),
            "IO_PATH": part,
        }

    def have(self, words: str) -> None:
        """From the next millisecond on; empty: nothing is wrong."""
        draft = self._words.with_name("faults.new")
        draft.write_text(words, encoding="ascii")
        draft.replace(self._words)


class WallClock:
    """The wall clock of programs started with ``environment``; their monotonic clock is true."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._step = folder / "step"
        self.stepped_by(0.0)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self._step)}

    def stepped_by(self, seconds: float) -> None:
        draft = self._step.with_name("step.new")
        draft.write_text(f"{seconds}", encoding="ascii")
        draft.replace(self._step)
