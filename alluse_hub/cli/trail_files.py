"""What commands have in common that work on the files of a trail, beside a running hub or without one."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alluse_hub.cli import home
from alluse_hub.cli.config import loaded
from alluse_hub.cli.failure import CONFLICT, FAILED, NOT_FOUND, USAGE, Failure

if TYPE_CHECKING:
    from alluse_hub.protocols.config_models import TrailSection

CONFIG_HELP = "configuration; default: what the hub was last started with, else hub.toml in the home, if there"


def folder_of(arguments: argparse.Namespace, *, writes: bool = True) -> Path:
    """The home, which has a trail.  ``writes``: what is left there is its owner's."""
    folder = home.find(arguments.home)
    if not home.has_trail(folder):
        raise Failure(NOT_FOUND, f"{folder} has no trail", "give --home DIR, the folder of a hub or a copy of it")
    if writes:
        home.act_as_owner(folder)
    return folder


def trail_config(arguments: argparse.Namespace, folder: Path) -> "TrailSection":
    """How the trail is kept.  Whoever names no file is held to the one that the hub was started with, which may be
    anywhere: nobody does without a second person by leaving the name out.  Raises Failure."""
    noted = home.noted_config(folder)
    if noted and not arguments.config and not Path(noted).exists():
        raise Failure(USAGE, f"{noted}, which the hub was last started with, is not there", "give --config FILE")
    return loaded(arguments.config or noted or None, folder).trail


@contextmanager
def told() -> Iterator[None]:
    """What can go wrong, as failures of a command."""
    import sqlite3

    from pydantic import ValidationError

    from alluse_hub.protocols.errors import CallerError, HubError

    try:
        yield
    except CallerError as error:
        raise Failure(CONFLICT, str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Failure(USAGE, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", "say it shorter") from error
    except FileExistsError as error:
        raise Failure(CONFLICT, f"{error.filename} is there already", "name a folder that is not there yet") from error
    except (HubError, sqlite3.Error) as error:
        raise Failure(FAILED, str(error)) from error


def refuse_empty(text: str, what: str) -> None:
    if not text.strip():
        raise Failure(USAGE, f"{what} is empty", "say who decides it, and why")
