"""What a field of a message is declared to hold: a person's data, or a secret.

A declaration is part of the type, so that nobody has to think of it where a message is made::

    account: Annotated[str, Personal(subject="client")]  # sealed with the key of whom the field ``client`` names
    env: Annotated[dict[str, str], Secret()]  # not in the trail at all
    spec: Annotated[Json, Secret(under="env")]  # what stands below that key in it, at whatever depth

*Personal* data stand in the trail encrypted, and can be made unreadable; how is ``supervision.veil``'s matter.  A
*secret* is given to a program and to nobody else, so its value never gets there.  Personal is a plain text only: in
place of one that is erased there stands another text, which must fit the type.

Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from alluse_hub.protocols.message import Message

DEPTH_MAX = 12
"""Models within models; deeper ones, such as those that hold themselves, are not looked into."""

EACH = "*"
"""Step of a path: every element of a list, every value of a map."""


@dataclass(frozen=True, slots=True)
class Personal:
    """``subject``: the field beside it that holds the id of whom it is about."""

    subject: str


@dataclass(frozen=True, slots=True)
class Secret:
    """``under``: only what stands below this key."""

    under: str = ""


Marker = Personal | Secret
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Declared:
    path: Path
    marker: Marker


@cache
def declared_in(model: type[Message]) -> tuple[Declared, ...]:
    """Of a class, and of all that stands within it.  Raises TypeError for a declaration that cannot be kept."""
    return tuple(_of_model(model, (), (model,)))


@cache
def secrets_in(model: type[Message]) -> tuple[tuple[Path, Secret], ...]:
    return tuple((one.path, one.marker) for one in declared_in(model) if isinstance(one.marker, Secret))


@cache
def personal_in(model: type[Message]) -> tuple[tuple[Path, Personal], ...]:
    return tuple((one.path, one.marker) for one in declared_in(model) if isinstance(one.marker, Personal))


@cache
def bears(model: type[Message], wanted: type[Message]) -> bool:
    """Whether an instance of one class can have an instance of the other in it."""
    return any(wanted in found for found in _chains(model, (model,)))


def is_secret(model: type[Message], path: tuple[str | int, ...]) -> bool:
    """Whether what stands at that path of an instance is, or is in, a field that is declared secret throughout."""
    return any(
        len(path) >= len(declared) and all(want in {EACH, got} for want, got in zip(declared, path, strict=False))
        for declared, secret in secrets_in(model)
        if not secret.under
    )


def _of_model(model: type[Message], path: Path, above: tuple[type[Message], ...]) -> Iterator[Declared]:
    for name, field in model.model_fields.items():
        here = (*path, name)
        markers = [each for each in field.metadata if isinstance(each, Marker)]
        for marker in markers:
            if isinstance(marker, Personal):
                _check(model, name, field.annotation, [each for each in field.metadata if each is not marker], marker)
            yield Declared(here, marker)
        if not markers:
            yield from _of_form(field.annotation, here, above)


def _check(model: type[Message], name: str, form: Any, others: list[Any], marker: Personal) -> None:  # Any: typing's
    if form is not str or others:
        raise TypeError(f"{model.__name__}.{name} is declared personal, so it must be a plain str")
    subject = model.model_fields.get(marker.subject)
    if subject is None or subject.annotation is not str:
        raise TypeError(f"{model.__name__}.{name} belongs to whom {marker.subject!r} names, which is no str beside it")


def _of_form(form: Any, path: Path, above: tuple[type[Message], ...]) -> Iterator[Declared]:  # Any: typing's forms
    origin, parts = get_origin(form), get_args(form)
    if isinstance(form, type) and issubclass(form, Message):
        if form not in above and len(above) < DEPTH_MAX:
            yield from _of_model(form, path, (*above, form))
    elif origin is Annotated:
        markers = [each for each in parts[1:] if isinstance(each, Marker)]
        if any(isinstance(each, Personal) for each in markers):
            raise TypeError(f"{'.'.join(path)}: only a field of a message can be declared personal")
        yield from (Declared(path, marker) for marker in markers)
        if not markers:
            yield from _of_form(parts[0], path, above)
    elif origin in {tuple, list, set, frozenset}:
        for part in dict.fromkeys(part for part in parts if part is not Ellipsis):
            yield from _of_form(part, (*path, EACH), above)
    elif origin is dict:
        yield from _of_form(parts[1], (*path, EACH), above)
    elif origin in {Union, UnionType}:
        for part in parts:
            yield from _of_form(part, path, above)


def _chains(model: type[Message], above: tuple[type[Message], ...]) -> Iterator[tuple[type[Message], ...]]:
    yield above
    for field in model.model_fields.values():
        for inner in _models_of(field.annotation):
            if inner not in above and len(above) < DEPTH_MAX:
                yield from _chains(inner, (*above, inner))


def _models_of(form: Any) -> Iterator[type[Message]]:  # Any: typing's forms
    if isinstance(form, type) and get_origin(form) is None and issubclass(form, Message):
        yield form
    for part in get_args(form):
        yield from _models_of(part)
