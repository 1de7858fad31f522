"""Reading the configuration: which files, what they give, whether its programs are there, and how it reads as TOML.

``protocols.config`` says what a text means; this says which text, and looks at the machine.
"""

import os
import pwd
import shutil
import sys
from datetime import date
from pathlib import Path
from typing import Any

from alluse_hub import actors
from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.protocols.config import Base, ConfigError, HubConfig, Problem, Source, WorkstreamConfig, parse
from alluse_hub.protocols.rules import Rule

REFERENCE = Path(actors.__path__[0]) / "reference.toml"
CONFIG_BYTES_MAX = 1_000_000
FILE_NAME = "hub.toml"


def reference() -> Source:
    """The shipped configuration."""
    return Source(REFERENCE.name, REFERENCE.read_text(encoding="utf-8"))


def chosen(given: str | None, folder: Path) -> Path | None:
    """The user's file: the one given, else ``hub.toml`` in the home, else none."""
    if given is not None:
        return Path(given)
    found = folder / FILE_NAME
    return found if found.exists() else None


def read(path: Path | None) -> tuple[str, str]:
    """Text and name of the file; without one, an empty text.  Raises ConfigError."""
    if path is None:
        return "", "(no file)"
    try:
        with path.open("rb") as file:
            raw = file.read(CONFIG_BYTES_MAX + 1)
        if len(raw) > CONFIG_BYTES_MAX:
            raise ConfigError([Problem(str(path), 0, "", f"has more than {CONFIG_BYTES_MAX} bytes", "write less")])
        return raw.decode("utf-8"), str(path)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(path), line, "", "is not UTF-8", "save the file as UTF-8")]) from error
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, "", f"cannot be read: {error.strerror}", "name a file")]) from error


def load(given: str | None, folder: Path, runs_on: Base | None = None) -> HubConfig:
    """The configuration in force, with its programs looked for; ``runs_on`` instead of the base it says.  Raises
    ConfigError with every error."""
    return checked(*read(chosen(given, folder)), folder, runs_on)


def checked(text: str, origin: str, folder: Path, runs_on: Base | None = None) -> HubConfig:
    """The configuration that ``text`` gives on this machine.  Raises ConfigError with every error."""
    config = parse(text, origin, base=reference(), check_rules=check_rules, runs_on=runs_on)
    problems = [
        Problem(origin, 0, f"workstream[{workstream.id}].program", wrong, "give a program that can be run")
        for workstream in config.workstreams
        if (wrong := program_trouble(workstream, folder))
    ]
    problems += [
        Problem(origin, 0, f"hub.allow_users[{position}]", f"is {user!r}, no user here", "see `getent passwd`")
        for position, user in enumerate(config.hub.allow_users)
        if isinstance(user, str) and not _is_user(user)
    ]
    if problems:
        raise ConfigError(problems)
    return config


def program_trouble(workstream: WorkstreamConfig, folder: Path) -> str:
    """Why its program cannot be run; empty if it can."""
    if not workstream.program:
        return ""
    word = filled(workstream.program[0], folder, workstream.id)
    if os.sep not in word:
        path = workstream.env.get("PATH", os.environ.get("PATH", os.defpath))
        return "" if shutil.which(word, path=path) else f"is {word!r}, which is nowhere in PATH"
    if not Path(word).exists():
        return f"is {word!r}, which does not exist"
    if not Path(word).is_file() or not os.access(word, os.X_OK):
        return f"is {word!r}, which cannot be run: it is not executable"
    return ""


def filled(text: str, folder: Path, workstream: str) -> str:
    """With the placeholders of programs replaced."""
    places = {"{python}": sys.executable, "{home}": str(folder), "{state}": str(folder / "state" / workstream)}
    for name, value in places.items():
        text = text.replace(name, value)
    return text


def _is_user(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


# --- TOML ------------------------------------------------------------------------------------------------------------


def as_toml(config: HubConfig) -> str:
    """Text that gives the same configuration when it is parsed without the reference."""
    dump = config.model_dump(by_alias=True, exclude_none=True)
    dump["hub"]["reference"] = False
    names = {
        "workstreams": "workstream",
        "flows": "flow",
        "resources": "resource",
        "pools": "pool",
        "mutexes": "mutex",
        "values": "value",
        "datasets": "dataset",
        "rules": "rule",
        "syncs": "sync",
    }
    blocks = [_table(f"[{section}]", dump[section]) for section in ("hub", "trail", "replay", "supervision")]
    for field, name in names.items():
        blocks += [_table(f"[[{name}]]", table) for table in dump[field]]
    return "\n".join(blocks)


def rules_as_toml(rules: tuple[Rule, ...]) -> str:
    """Text that gives these rules, and no others, when it is reloaded.  What is as it is by default is left out."""
    tables = (rule.model_dump(mode="json", exclude_defaults=True) for rule in rules)
    return "\n".join((_table("[hub]", {"reference": False}), *(_table("[[rule]]", table) for table in tables)))


def _table(head: str, table: dict[str, Any]) -> str:  # Any: what a model dumps
    said = {key: value for key, value in table.items() if value not in ((), {}, "") or key == "source"}
    return "\n".join((head, *(f"{_key(key)} = {_value(value)}" for key, value in said.items()), ""))


def _key(text: str) -> str:
    return text if text.replace("_", "").replace("-", "").isalnum() and text.isascii() else _value(text)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float() | date():
            return str(value)
        case str():
            return '"' + "".join(_escaped(char) for char in value) + '"'
        case list() | tuple():
            return "[" + ", ".join(_value(one) for one in value) + "]"
        case dict():
            return "{ " + ", ".join(f"{_key(str(key))} = {_value(one)}" for key, one in value.items()) + " }"
        case other:
            raise TypeError(f"TOML has no {type(other).__name__}")


def _escaped(char: str) -> str:
    if char in {'"', "\\"}:
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"
