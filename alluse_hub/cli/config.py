"""``config check`` and ``config show``.  What reads and checks is loaded only here."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from alluse_hub.cli import failure, home
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import Failure

if TYPE_CHECKING:
    from alluse_hub.protocols.config import ConfigError
    from alluse_hub.protocols.config_models import HubConfig


def refused(error: "ConfigError", base: str = "") -> Failure:
    """All errors as one failure: a line each.  ``base``: what counts instead of the base that is configured."""
    told = f"on the base {base}, which was asked for" if base else "`config check` tells them again"
    return _refused(error, f"; {told}")


def _refused(error: "ConfigError", more: str = "") -> Failure:
    count = len(error.problems)
    return Failure(failure.USAGE, str(error), f"{count} error{'s' if count > 1 else ''}{more}")


def loaded(file: str | None, folder: Path) -> "HubConfig":
    """The configuration in force for a home.  ``file``: one that was named.  Raises Failure."""
    from alluse_hub.configuration import load
    from alluse_hub.protocols.config import ConfigError

    try:
        return load(file, folder)
    except ConfigError as error:
        raise refused(error) from error


def check(arguments: argparse.Namespace) -> int:
    from alluse_hub.configuration import load
    from alluse_hub.protocols.config import ConfigError

    try:
        config = load(arguments.file, home.find(arguments.home))
    except ConfigError as error:
        if arguments.json:
            told = [
                {"file": p.origin, "line": p.line, "key": p.key, "wrong": p.wrong, "right": p.right}
                for p in error.problems
            ]
            put_json("config-check", {"ok": False, "problems": told})
        raise _refused(error) from error
    counts = {
        "workstreams": len(config.workstreams),
        "flows": len(config.flows),
        "resources": len(config.claimable),
        "rules": len(config.rules),
    }
    questions = _questions(config)
    if arguments.json:
        put_json("config-check", {"ok": True, "problems": [], "questions": questions, **counts})
    else:
        sys.stdout.write(f"good: {', '.join(f'{name} {count}' for name, count in counts.items())}\n")
        sys.stdout.writelines(f"question: {question}\n" for question in questions)
    return failure.FAILED if questions and arguments.strict else failure.DONE


def _questions(config: "HubConfig") -> list[str]:
    """What may be as it is, and hardly is meant so: above all, rules and declarations of events that flow nowhere."""
    from alluse_hub.actors.coordinator.analysis import analysed
    from alluse_hub.protocols.config_personal import of_no_event

    found = analysed(config.rules, config.claimable, config.events)
    asked = [f"{', '.join(one.rules)} {one.wrong}; {one.right}" for one in found if one.severity == "question"]
    return [*asked, *of_no_event(config)]


def show_effective(arguments: argparse.Namespace) -> int:
    from alluse_hub.configuration import as_toml

    config = _without_secrets(loaded(arguments.file, home.find(arguments.home)))
    if arguments.json:
        put_json("config", {"config": config.model_dump(mode="json", by_alias=True)})
    else:
        sys.stdout.write(as_toml(config))
    return failure.DONE


def _without_secrets(config: "HubConfig") -> "HubConfig":
    """A key or a password is given to a program in its environment, so of that only the names are shown."""
    from alluse_hub.protocols.masking import MASKED

    shown = tuple(one.model_copy(update={"env": dict.fromkeys(one.env, MASKED)}) for one in config.workstreams)
    return config.model_copy(update={"workstreams": shown})
