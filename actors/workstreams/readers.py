"""Reading JSON objects with types: the one place where what came in is checked.

Parameters of commands and payloads of events come from other programs.  A ``Reading`` hands out their values by type
or refuses with a sentence that says what would be right; behind it the code trusts its types.  Names that nobody asks
for are let through, so that a newer sender can say more.

Pure.
"""

from collections.abc import Iterable
from datetime import date
from math import isfinite
from typing import Any

from .lines import JsonObject

SHOWN_CHARS_MAX = 80
"""How much of a wrong value an error repeats."""


class RefusedError(ValueError):
    """The command cannot be done as asked; the text tells the caller what would work."""


class DamagedError(Exception):
    """What the program needs cannot be trusted or had; the text names the file, the fault and the remedy."""


def shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "..."


class Reading:
    """One JSON object, read by name and type."""

    __slots__ = ("body",)

    def __init__(self, body: JsonObject) -> None:
        self.body = body

    def __contains__(self, name: str) -> bool:
        return self.body.get(name) is not None

    def value(self, name: str, expected: str) -> Any:  # Any: any JSON value; the callers below narrow it
        found = self.body.get(name)
        if found is None:
            raise RefusedError(f"{name!r} is missing; it must be {expected}")
        return found

    def text(self, name: str, default: str | None = None) -> str:
        if default is not None and name not in self:
            return default
        found = self.value(name, "a text")
        if not isinstance(found, str):
            raise RefusedError(f"{name!r} must be a text, not {shown(found)}")
        return found

    def whole(self, name: str, default: int | None = None, *, least: int = 0, most: int = 10**15) -> int:
        if default is not None and name not in self:
            return default
        found = self.value(name, f"a whole number from {least} to {most}")
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            raise RefusedError(f"{name!r} must be a whole number from {least} to {most}, not {shown(found)}")
        return found

    def number(self, name: str, default: float | None = None, *, least: float = -1e15, most: float = 1e15) -> float:
        if default is not None and name not in self:
            return default
        found = self.value(name, f"a number from {least:g} to {most:g}")
        if not isinstance(found, int | float) or isinstance(found, bool) or not isfinite(found):
            raise RefusedError(f"{name!r} must be a number, not {shown(found)}")
        if not least <= found <= most:
            raise RefusedError(f"{name!r} must lie between {least:g} and {most:g}, not {shown(found)}")
        return float(found)

    def number_or_none(self, name: str) -> float | None:
        return self.number(name) if name in self else None

    def price(self, name: str) -> float:
        """A price or amount told as decimal text (USD)."""
        found = self.value(name, 'decimal text such as "101.25"')
        try:
            number = float(found)
        except (TypeError, ValueError):
            number = float("nan")
        if not isinstance(found, str) or not isfinite(number):
            raise RefusedError(f'{name!r} must be decimal text such as "101.25", not {shown(found)}')
        return number

    def truth(self, name: str, default: bool) -> bool:
        found = self.body.get(name, default)
        if not isinstance(found, bool):
            raise RefusedError(f"{name!r} must be true or false, not {shown(found)}")
        return found

    def choice(self, name: str, among: Iterable[str], default: str | None = None) -> str:
        found = self.text(name, default)
        known = sorted(among)
        if found not in known:
            raise RefusedError(f"{name!r} must be one of {', '.join(known)}, not {shown(found)}")
        return found

    def day(self, name: str) -> str:
        """An ISO date, as text."""
        found = self.text(name)
        try:
            date.fromisoformat(found)
        except ValueError as error:
            raise RefusedError(f'{name!r} must be a date such as "2004-08-19", not {shown(found)}') from error
        return found

    def day_or_none(self, name: str) -> str | None:
        return self.day(name) if name in self else None

    def object(self, name: str) -> "Reading":
        found = self.value(name, "an object")
        if not isinstance(found, dict):
            raise RefusedError(f"{name!r} must be an object, not {shown(found)}")
        return Reading(found)

    def objects(self, name: str) -> list["Reading"]:
        found = self.value(name, "a list of objects")
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise RefusedError(f"{name!r} must be a list of objects, not {shown(found)}")
        return [Reading(item) for item in found]

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        if default is not None and name not in self:
            return default
        found = self.value(name, "a list of texts")
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise RefusedError(f"{name!r} must be a list of texts, not {shown(found)}")
        return tuple(found)
