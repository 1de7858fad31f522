"""The trail of a hub that does not run, read from its files.  The daemon's side is imported only when this is asked."""

from pathlib import Path

from alluse_hub.cli.client import Answer
from alluse_hub.cli.failure import FAILED, NOT_FOUND, USAGE, Failure


def ask(folder: Path, what: str, args: Answer) -> Answer:
    """As the daemon would answer.  Raises Failure."""
    from alluse_hub import offline
    from alluse_hub.protocols.errors import CallerError, HubError

    try:
        return offline.ask(folder, what, args)
    except offline.NotInTrailError as error:
        raise Failure(NOT_FOUND, str(error)) from error
    except CallerError as error:
        raise Failure(USAGE, str(error)) from error
    except HubError as error:
        raise Failure(FAILED, str(error)) from error
