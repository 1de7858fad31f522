"""Errors of a configuration: each with its file, line and key, what is wrong, and what would be right."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.places import Path, dotted, line_of

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One error, with its place and its remedy.  ``line`` 0: the file as a whole."""

    origin: str
    line: int
    key: str
    wrong: str
    right: str

    def __str__(self) -> str:
        place = f"{self.origin}:{self.line}" if self.line else self.origin
        return f"{place}: {self.key + ' ' if self.key else ''}{self.wrong}; {self.right}"


class ConfigError(CallerError):
    """The configuration cannot be used; ``problems`` lists every error found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(slots=True)
class File:
    """A source being read: its document, its places, what was wrong with it."""

    origin: str
    document: dict[str, Any]  # Any: as the TOML parser gives it
    where: dict[Path, int]
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, path: Path, wrong: str, right: str) -> None:
        line = line_of(self.where, path)
        self.problems.append(Problem(self.origin, line, dotted(path, self.document), wrong, right))


@dataclass(frozen=True, slots=True)
class Item(Generic[M]):
    """A table of an array, and where it stands."""

    id: str
    model: M | None  # None: the table is wrong in itself; what it says of others is checked all the same
    raw: dict[str, Any]  # Any: as the TOML parser gives it
    file: File
    path: Path

    def words(self, key: str) -> tuple[str, ...]:
        """What the table has under ``key``, if that is a list of words."""
        said = self.raw.get(key, [])
        return tuple(said) if isinstance(said, list) and all(isinstance(word, str) for word in said) else ()
