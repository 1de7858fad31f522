"""The whole configuration of a hub, as one model.

A hub is described by one TOML file, laid over the shipped reference (five workstreams, their flows, rules and
resources) unless ``[hub] reference = false``: a table with the same id replaces the shipped one, any other is added; of
``[hub]``, ``[trail]``, ``[replay]`` and ``[supervision]`` only the keys given are changed.  ``parse`` tells of *every*
error at once, each with file, line, key, what is wrong and what would be right; unknown keys are errors.

Pure: reading files, and whether a program exists, is the caller's part.
"""

import json
import re
import tomllib
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.config_checks import RESOURCES, RuleCheck, check
from alluse_hub.protocols.config_models import (
    Base,
    HubConfig,
    HubSection,
    Replay,
    Supervision,
    TrailSection,
    WorkstreamConfig,
)
from alluse_hub.protocols.declared import is_secret
from alluse_hub.protocols.flow import Flow
from alluse_hub.protocols.masking import MASKED
from alluse_hub.protocols.meant import meant
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.places import Path, line_of, places, within
from alluse_hub.protocols.problems import ConfigError, File, Item, Problem
from alluse_hub.protocols.resources import Dataset, Mutex, Pool, Value
from alluse_hub.protocols.rules import Rule
from alluse_hub.protocols.sync import Sync

__all__ = [
    "Base",
    "ConfigError",
    "HubConfig",
    "HubSection",
    "Problem",
    "Replay",
    "RuleCheck",
    "Source",
    "Supervision",
    "WorkstreamConfig",
    "parse",
]

M = TypeVar("M", bound=Message)

SECTIONS: dict[str, type[Message]] = {
    "hub": HubSection,
    "trail": TrailSection,
    "replay": Replay,
    "supervision": Supervision,
}
TABLES: dict[str, type[Message]] = {
    "workstream": WorkstreamConfig,
    "flow": Flow,
    "resource": Mode,
    "pool": Pool,
    "mutex": Mutex,
    "value": Value,
    "dataset": Dataset,
    "rule": Rule,
    "sync": Sync,
}
ADAPTERS: dict[type[Message], TypeAdapter[Any]] = {  # Any: one table for models of several classes
    model: TypeAdapter(model) for model in (*SECTIONS.values(), *TABLES.values())
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text, and the name it goes by in errors."""

    origin: str
    text: str


def parse(
    text: str,
    origin: str,
    *,
    base: Source | None = None,
    check_rules: RuleCheck | None = None,
    runs_on: Base | None = None,
) -> HubConfig:
    """The configuration that ``text`` gives, laid over ``base``.  ``runs_on``: instead of its ``[hub] base``.
    Raises ConfigError with all that is wrong."""
    user = open_text(text, origin)
    reference = user.document.get("hub", {})
    wants_base = not (isinstance(reference, dict) and reference.get("reference") is False)
    files = [open_text(base.text, base.origin), user] if base is not None and wants_base else [user]
    hub, replay = _section(files, "hub", HubSection), _section(files, "replay", Replay)
    trail = _section(files, "trail", TrailSection)
    if runs_on is not None:
        hub = hub.model_copy(update={"base": runs_on})
    supervision = _section(files, "supervision", Supervision)
    tables = {name: table_of(files, name) for name in TABLES}
    if "source" not in user.document.get("replay", {}) and replay.source not in {
        item.id for item in tables["workstream"]
    }:
        replay = replay.model_copy(update={"source": ""})  # the default is the reference's own
    for file in files:
        for key in file.document.keys() - SECTIONS.keys() - TABLES.keys():
            file.wrong((key,), "is no table of the configuration", meant(key, (*SECTIONS, *TABLES)))
    sound = {name: tuple(item.model for item in items if item.model is not None) for name, items in tables.items()}
    config = HubConfig.model_construct(
        hub=hub,
        trail=trail,
        replay=replay,
        supervision=supervision,
        workstreams=sound["workstream"],
        flows=sound["flow"],
        resources=sound["resource"],
        pools=sound["pool"],
        mutexes=sound["mutex"],
        values=sound["value"],
        datasets=sound["dataset"],
        rules=sound["rule"],
        syncs=sound["sync"],
    )
    check(config, files[-1], tables, check_rules)
    problems = [problem for file in files for problem in file.problems]
    if problems:
        raise ConfigError(problems)
    return config


def open_text(text: str, origin: str) -> File:
    """Raises ConfigError if it is no TOML."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_broken(text, origin, str(error))]) from error
    return File(origin, document, places(text))


def _broken(text: str, origin: str, error: str) -> Problem:
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", error)
    what = error[: found.start()] if found else error
    line = int(found[1]) if found and found[1] else text.count("\n") + 1
    column = f", column {found[2]}" if found and found[2] else ""
    what = what[:1].lower() + what[1:]
    return Problem(origin, line, "", f"this is not TOML{column}: {what}", "mend the line, or quote the text")


def _section(files: list[File], name: str, model: type[M]) -> M:
    merged = model()
    for file in files:
        if name not in file.document:
            continue
        given = model_of(file, model, (name,), file.document[name])
        if given is not None:
            merged = merged.model_copy(update={key: getattr(given, key) for key in given.model_fields_set})
    return merged


def table_of(
    files: list[File], name: str
) -> list[Item[Any]]:  # Any: the models are of the class that belongs to `name`
    """The tables ``name`` of all files, those of a later one in the place of those with the same id."""
    merged: dict[str, Item[Any]] = {}
    for file in files:
        raw = file.document.get(name, [])
        if not isinstance(raw, list) or not all(isinstance(table, dict) for table in raw):
            file.wrong((name,), "must be an array of tables", f"begin each with [[{name}]]")
            continue
        seen: dict[str, Path] = {}
        for position, table in enumerate(raw):
            path: Path = (name, position)
            item: Item[Any] = Item(
                _id(name, table, position), model_of(file, TABLES[name], path, table), table, file, path
            )
            if item.id in seen:
                line = line_of(file.where, seen[item.id])
                file.wrong(path, f"is declared twice, first on line {line}", "rename or remove one of them")
            seen.setdefault(item.id, path)
            merged[item.id] = item
    return list(merged.values())


def _id(name: str, table: dict[str, Any], position: int) -> str:  # Any: raw TOML
    if name == "flow":
        return f"{table.get('source')}-{table.get('target')}"
    return str(table.get("resource" if name in RESOURCES else "id", f"#{position}"))


def model_of(file: File, model: type[M], path: Path, raw: object) -> M | None:
    """What the table at that path says; None, with the problems of the file told, where it is wrong."""
    if not isinstance(raw, dict):
        file.wrong(path, "must be a table", f"write [{path[0]}]")
        return None
    try:
        # Through JSON, so that arrays may become tuples and words enumerations, and nothing else is converted.
        parsed: M = _adapter(model).validate_json(json.dumps(raw, default=str), strict=True)
    except ValidationError as error:
        told: dict[Path, list[str]] = {}
        for detail in error.errors(include_url=False):
            spot = _spot(file, model, (*path, *detail["loc"]), len(path))
            wrong, right = _say(detail, spot, model, path)
            if spot in told:  # one value that fits no member of a union is one error
                told[spot].append(right)
            else:
                told[spot] = [wrong, right]
        for spot, (wrong, *rights) in told.items():
            file.wrong(spot, wrong, " or ".join(dict.fromkeys(rights)).replace(" or must be", " or"))
        return None
    return parsed


def _adapter(model: type[M]) -> TypeAdapter[M]:
    return ADAPTERS.get(model) or TypeAdapter(model)


def _spot(file: File, model: type[Message], loc: Path, above: int) -> Path:
    """Where the document has it; a missing key is one step further, and a union's member is no step at all."""
    there = within(loc, file.document)
    missing = loc[len(there) : len(there) + 1]
    known = isinstance(missing[0], str) and missing[0] in _keys(model, there[above:]) if missing else False
    return (*there, *missing) if known else there


def _keys(model: type[Message], path: Path) -> tuple[str, ...]:
    """The keys of the table at ``path`` below ``model``."""
    here: Any = model  # Any: a type or the form of one
    for step in path:
        if isinstance(step, int):
            continue
        inner = next((f for name, f in here.model_fields.items() if step == (f.alias or name)), None)
        here = next(iter(_models_in(inner.annotation)), None) if inner is not None else None
        if here is None:
            return ()
    return tuple(f.alias or name for name, f in here.model_fields.items())


def _models_in(form: Any) -> list[type[Message]]:  # Any: typing gives forms of many kinds
    if isinstance(form, type) and issubclass(form, Message):
        return [form]
    return [model for part in getattr(form, "__args__", ()) for model in _models_in(part)]


def _say(detail: Any, spot: Path, model: type[Message], above: Path) -> tuple[str, str]:  # Any: pydantic's error
    """What is wrong and what would be right, in words."""
    kind, given = detail["type"], detail["input"]
    keys = _keys(model, spot[len(above) : -1])
    if kind == "extra_forbidden":
        return "is an unknown key", meant(str(spot[-1]), keys)
    if kind == "missing":
        return "is missing", f"add `{spot[-1]} = …` to this table"
    secret = is_secret(model, spot[len(above) :])
    shown = json.dumps(MASKED if secret else given, default=str, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:57] + "…"
    if kind in {"enum", "literal_error"}:
        known = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        return f"is {shown}", meant(str(given), known)
    if kind == "string_pattern_mismatch":
        return f"is {shown}", _pattern(detail["ctx"]["pattern"])
    if kind.startswith("date"):
        return f"is {shown}", "must be a date such as 2004-08-02"
    if kind.startswith("bool"):
        return f"is {shown}", "must be true or false"
    what = detail["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"is {shown}", what.replace("should be", "must be").replace("should", "must")


def _pattern(pattern: str) -> str:
    if "(/[A-Za-z0-9_.-]{1,64})" in pattern:
        return "must be a path such as ws4/broker" + (", or with an amount, ws4/broker:2" if ":" in pattern else "")
    if pattern.startswith("^[a-z]"):
        return "must be a short word of small letters, digits and dashes that begins with a letter"
    return "must be `package.module:Class`" if ":" in pattern else f"must match {pattern}"
