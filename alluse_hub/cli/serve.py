"""``serve``: the configuration and the home are looked at here; then the guardian takes over.

Everything that a person can have got wrong is told before anything is started.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from alluse_hub.cli import failure, home
from alluse_hub.cli.config import refused
from alluse_hub.cli.failure import Failure

if TYPE_CHECKING:
    from alluse_hub.protocols.config import HubConfig

DENSE = "dense"


def run(arguments: argparse.Namespace) -> int:
    from alluse_hub.configuration import chosen as chosen_file
    from alluse_hub.configuration import load
    from alluse_hub.protocols.config import Base, ConfigError

    chosen = base_of(arguments.base, is_dense=arguments.dense)
    folder = home.find(arguments.home)
    home.check_length(folder)
    try:
        config = load(arguments.config, folder, Base(chosen) if chosen else None)
    except ConfigError as error:
        raise refused(error, chosen) from error
    os.umask(0o077)  # what the hub and its programs write is nobody else's, whatever started it
    home.make(folder, tuple(workstream.id for workstream in config.workstreams))
    if config.hub.control_group:
        home.open_to_group(folder, config.hub.control_group)
    make_importable()
    file = chosen_file(arguments.config, folder)
    return guard(folder, config, "" if file is None else str(file.absolute()))


def base_of(given: str | None, *, is_dense: bool) -> str:
    """What the flags say; empty if they say nothing.  Raises Failure if they contradict each other."""
    if is_dense and given not in {None, DENSE}:
        raise Failure(
            failure.USAGE,
            f"--dense means --base {DENSE}, but --base {given} is given as well",
            "give one of the two",
        )
    return DENSE if is_dense else given or ""


def guard(folder: Path, config: "HubConfig", file: str) -> int:
    """Hand over to the guardian, until the hub has ended.  ``file``: that the configuration is from."""
    from alluse_hub import __version__
    from alluse_hub.actors.auditor.errands import admit_keys
    from alluse_hub.actors.auditor.shapes import admit
    from alluse_hub.actors.catalog import READER, durable_facts, preload, tree_of
    from alluse_hub.protocols.errors import CallerError
    from alluse_hub.supervision.guardian import Guardian

    preload()
    try:
        tree, base, shutdown_s = tree_of(config, __version__), config.hub.base.value, config.hub.shutdown_s
        admit_keys(folder, is_declared=bool(config.trail.personal))

        def prepare() -> None:
            admit(folder, durable_facts(), __version__)
            home.note_config(folder, file)

        intensity = config.supervision.tree
        guardian = Guardian(folder, tree, READER, __version__, _say, base, shutdown_s, _report, prepare, intensity)
        guardian.personal = config.trail.personal
        return guardian.run()
    except CallerError as error:
        raise Failure(failure.CONFLICT, str(error)) from error


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
    if line.startswith("ready:"):
        print(
            "look at it with `status`, `tree`, `events -f`; end it with Ctrl-C or `shutdown`",
            file=sys.stderr,
            flush=True,
        )


def _report(line: str) -> None:
    print(line, flush=True)


def make_importable() -> None:
    """The hub's own programs run as ``python -m alluse_hub…``, also from a checkout that is not installed."""
    root = str(Path(__file__).resolve().parents[2])
    before = os.environ.get("PYTHONPATH", "")
    if root not in before.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(part for part in (root, before) if part)
