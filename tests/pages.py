"""The pages of the documentation, and their sections, tables and code blocks, for the tests that hold them true."""

import re
from pathlib import Path

from tests.test_architecture import HOUSE

FOLDERS = ("protocols", "supervision", "actors", "alluse_hub", "tests")

PAGES = sorted(
    path
    for path in (*HOUSE.glob("*.md"), *(page for folder in FOLDERS for page in (HOUSE / folder).rglob("*.md")))
    if not any(parent.is_symlink() for parent in path.parents)
)
README = (HOUSE / "README.md").read_text(encoding="utf-8")
COMMANDS = (HOUSE / "alluse_hub" / "README.md").read_text(encoding="utf-8")

Row = tuple[str, ...]


def name_of(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def section(text: str, heading: str) -> str:
    """What stands below ``heading`` (with its hashes), up to the next of its rank or above."""
    rank = len(heading) - len(heading.lstrip("#"))
    _, found, rest = f"\n{text}".partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    return re.split(rf"\n#{{1,{rank}}} ", rest, maxsplit=1)[0]


def table(text: str, *head: str) -> list[Row]:
    """The rows of every table in ``text`` whose head begins with ``head``."""
    rows: list[Row] = []
    inside = False
    for line in text.splitlines():
        cells = tuple(cell.strip() for cell in line.strip().strip("|").split("|")) if line.startswith("|") else ()
        if not cells:
            inside = False
        elif cells[: len(head)] == head:
            inside = True
        elif inside and set(cells[0]) != {"-"}:
            rows.append(cells)
    return rows


def quoted(text: str) -> list[str]:
    """What stands between single back-ticks."""
    return re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
